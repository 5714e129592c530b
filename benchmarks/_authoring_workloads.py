"""What one measured process of `authoring.py` does: `python _authoring_workloads.py NAME ARGUMENTS`.

Settings are in the environment, results are printed as one line of JSON, the times of a workload's parts among them.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _authoring_yardsticks import BARS, COLUMNS, measure
from _workloads import Clock, _between, _pipeline

if TYPE_CHECKING:
    import numpy as np

#: Equal is what differs by less than this share of the value and, in dollars, of the symbol's highest price;
#: oscillators (0 to 100), by less than so many points.
TOLERANCE, POINTS = 1e-6, 0.05
OSCILLATORS = ("rsi_14", "stoch_k_14")
#: The share of bars at which a yardstick may not know a value that we know, or the reverse: TA-Lib's RSI of prices
#: that have not moved is 0, ours is unknown.
UNLIKE = 0.01


def prepare(first: str, last: str) -> dict[str, Any]:
    """Universe and screen of the sessions; symbols and those that passed on the last, and sessions × symbols passed."""
    pipeline = _pipeline()
    chosen = _between(pipeline, first, last)
    symbols = pipeline.build_universe(chosen)[-1].symbols
    funnels = pipeline.screen(chosen, pipeline.settings.screen)
    return {"symbols": symbols, "passed": funnels[-1].passed, "pairs": sum(one.passed for one in funnels)}


def export(start: str, first: str, last: str, folder: str) -> dict[str, Any]:
    """All bars from `start` to `last` as traded, by symbol and session, as the table that the yardsticks read."""
    import numpy as np

    pipeline = _pipeline()
    sessions = np.array(_between(pipeline, start, last), dtype="datetime64[D]")
    with pipeline.store.read() as connection:
        rows = connection.execute(
            f"select dense_rank() over (order by symbol) - 1 as symbol, session, {', '.join(BARS)} from price_bars "
            "where session between ? and ? order by symbol, price_bars.session",
            [start, last],
        ).fetchnumpy()
    days = rows["session"].astype("datetime64[D]")
    target = Path(folder)
    np.save(target / "symbol.npy", rows["symbol"].astype(np.int32))
    np.save(target / "session.npy", np.searchsorted(sessions, days).astype(np.int32))
    for name in BARS:
        np.save(target / f"{name}.npy", rows[name].astype(float))
    begins = int(np.searchsorted(sessions, np.datetime64(first)))
    about = {"first": begins, "sessions": len(sessions)}
    (target / "range.json").write_text(json.dumps(about), encoding="utf-8")
    return {"bars": len(days), "in_range": int((days >= np.datetime64(first)).sum())}


def subset(folder: str, *save: str) -> dict[str, Any]:
    """The yardsticks' columns by our engine, from their table to their values: layout, batches, catalogue."""
    import numpy as np

    from scan_pipeline.features import catalogue
    from scan_pipeline.features.bars import lay_out

    features = [catalogue.feature(name) for name in COLUMNS]
    batch = _pipeline().settings.batch_symbols

    def compute(table: Any) -> list[dict[str, Any]]:
        sessions = table["sessions"]
        symbols = int(table["symbol"][-1]) + 1
        parts = []
        for begin in range(0, symbols, batch):
            # Of the column's own type: of another, all of the column would be converted for the search.
            low, high = np.searchsorted(table["symbol"], np.array([begin, begin + batch], dtype=np.int32))
            count = min(batch, symbols - begin)
            cell = (table["symbol"][low:high] - begin) * sessions + table["session"][low:high]
            columns = {name: table[name][low:high] for name in BARS}
            block = lay_out(count, np.arange(sessions), cell.astype(np.int32), columns)
            wanted = np.zeros((count, sessions), dtype=bool)
            wanted[:, table["first"] :] = True
            parts.append(catalogue.compute(block, features, block.bars_as_of(wanted)))
        return parts

    measure(compute, Path(folder), "ours", save=bool(save))
    return {}


def compare(folder: str, name: str) -> dict[str, Any]:
    """A yardstick's values against ours: what differs, by column, and how much at most."""
    import numpy as np

    from scan_pipeline.features import catalogue

    target = Path(folder)
    table = {column: np.load(target / f"{column}.npy") for column in ("symbol", "session", "high")}
    first = json.loads((target / "range.json").read_text(encoding="utf-8"))["first"]
    starts = np.flatnonzero(np.diff(table["symbol"], prepend=-1))
    held = np.diff(starts, append=len(table["symbol"]))
    bar = np.arange(len(table["symbol"])) - np.repeat(starts, held)
    price = np.repeat(np.maximum.reduceat(table["high"], starts), held)
    in_range = table["session"] >= first
    differ, compared = {}, 0
    for column in COLUMNS:
        feature = catalogue.feature(column)
        # vectorbt begins its means otherwise: equal once that is forgotten.
        chosen = bar[in_range] >= (feature.lookback if name == "vectorbt" else 0)
        ours, theirs = (np.load(target / who / f"{column}.npy")[chosen] for who in ("ours", name))
        known = ~np.isnan(ours) & ~np.isnan(theirs)
        unlike = float((np.isnan(ours) != np.isnan(theirs)).mean()) if len(ours) else 0.0
        apart = np.abs(ours - theirs)[known]
        scale = np.maximum(np.abs(ours), price[in_range][chosen] if feature.unit == "dollars" else 0)[known]
        wrong = int((apart > (POINTS if column in OSCILLATORS else TOLERANCE * scale)).sum())
        compared += len(apart)
        if wrong or unlike > UNLIKE or not len(apart):
            differ[column] = (
                f"{wrong:,} of {len(apart):,} differ, by {float(np.max(apart, initial=0)):.3g} at most; "
                f"{100 * unlike:.2f} % are known to one alone"
            )
    return {"differ": differ, "compared": compared}


def indicators(first: str, last: str) -> dict[str, Any]:
    """Every named feature of every symbol that traded, from the store, without scanners; nothing is kept.

    Groups of sessions, batches, and the history that is read are those of a scan.
    """
    clock = Clock()
    from scan_pipeline.features import catalogue
    from scan_pipeline.stages.groups import make_groups
    from scan_pipeline.store.history import read_block

    pipeline = _pipeline()
    clock.lap("import")
    spent = {"reading": 0.0, "computing": 0.0}
    values = 0
    history = catalogue.history_sessions(catalogue.FEATURES)
    for group in make_groups(pipeline.calendar, _between(pipeline, first, last), history):
        with pipeline.store.read() as connection:
            symbols = [one for (one,) in connection.execute(
                "select distinct symbol from price_bars where session between ? and ? order by symbol",
                [group.sessions[0], group.sessions[-1]],
            ).fetchall()]  # fmt: skip
            for begin in range(0, len(symbols), pipeline.settings.batch_symbols):
                started = time.perf_counter()
                batch = symbols[begin : begin + pipeline.settings.batch_symbols]
                block = read_block(
                    connection, batch, group.window, group.sessions[0], BARS, count_from=group.start,
                    following=group.following, benchmark=pipeline.settings.benchmark,
                )  # fmt: skip
                read = time.perf_counter()
                wanted = _all_of(len(batch), group.is_wanted)
                bars = block.bars_as_of(wanted)
                found = catalogue.compute(block, catalogue.FEATURES, bars)
                values += len(bars) * len(found)
                spent["reading"] += read - started
                spent["computing"] += time.perf_counter() - read
    return {"parts": clock.parts | spent, "values": values, "features": len(catalogue.FEATURES)}


def _all_of(symbols: int, sessions: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    import numpy as np

    return np.broadcast_to(sessions, (symbols, len(sessions)))


def scan(first: str, last: str) -> dict[str, Any]:
    """Scan from `first` to `last` with every built-in scanner; hits and seconds of each."""
    clock = Clock()
    from scan_pipeline.scanners.registry import BUILTIN_DIR, find_scanners
    from scan_pipeline.scanners.sql import Bench

    pipeline = _pipeline()
    clock.lap("import")
    scanners = [one for one in find_scanners(pipeline.settings.scanners_dir) if one.path.parent == BUILTIN_DIR]
    seconds: dict[str, float] = {}
    run = Bench.run

    def timed(bench: Bench, scanner: Any, sessions: Any) -> Any:
        started = time.perf_counter()
        found = run(bench, scanner, sessions)
        seconds[scanner.name] = seconds.get(scanner.name, 0) + time.perf_counter() - started
        return found

    Bench.run = timed  # type: ignore[method-assign,assignment]
    hits = dict.fromkeys((one.name for one in scanners), 0)
    started = time.perf_counter()
    for one in pipeline.scan(_between(pipeline, first, last), "benchmark", scanners):
        failed = [f"{outcome.scanner}: {outcome.message}" for outcome in one.outcomes if outcome.hits is None]
        if failed:
            sys.exit(f"Scanners failed on {one.session}: {'; '.join(failed)}")
        for hit in one.hits:
            hits[hit.scanner] += 1
    whole = time.perf_counter() - started
    parts = {"scanners": sum(seconds.values()), "all else": whole - sum(seconds.values())}
    return {"parts": clock.parts | parts, "seconds": seconds, "hits": hits}


WORKLOADS = (prepare, export, subset, compare, indicators, scan)

if __name__ == "__main__":
    chosen: dict[str, Callable[..., dict[str, Any]]] = {workload.__name__: workload for workload in WORKLOADS}
    said = chosen[sys.argv[1]](*sys.argv[2:])
    if said:
        print(json.dumps(said), flush=True)
