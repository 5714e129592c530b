"""What a scan puts on the bench: features computed from bars, those that are cached, bars and the universe.

What belongs here: reading the store and filling the bench's tables. What does not: which symbols' cached features
stand (`changes/`), and running scanners.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from scan_pipeline.features import catalogue, market_context
from scan_pipeline.features.bars import PRICE_COLUMNS
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.scanners.preparing import Demand
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.stages.groups import Group
from scan_pipeline.stages.standing import Standing
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.features import read_kept
from scan_pipeline.store.history import read_block
from scan_pipeline.store.market_context import read_closes

Columns = dict[str, Any]


@dataclass(frozen=True)
class Computed:
    """Symbols that were scanned and those whose features were computed, by session; the latter's features to keep."""

    scanned: dict[date, int]
    computed: dict[date, int]
    kept: Columns


def add_computed(
    bench: Bench,
    connection: Connection,
    group: Group,
    wanted: Demand,
    standing: Standing,
    *,
    batch_symbols: int,
    keep_sessions: int,
    benchmark: str,
) -> Computed:
    """Compute the features of the symbols that passed and are not standing, and put them on the bench.

    Bars and the universe are put there too, where scanners read them. Works on `batch_symbols` symbols at once.
    """
    everyone, passed = _passed(connection, group)
    is_computed = passed.copy()
    for session, cached in standing.items():
        stands = np.fromiter((symbol in cached for symbol in everyone), dtype=bool, count=len(everyone))
        is_computed[stands, group.place(session)] = False
    # Bars are read of symbols that are computed; of all, where a scanner looks at bars.
    reads_bars = "bars" in wanted.tables
    read_of = np.flatnonzero((passed if reads_bars else is_computed).any(axis=1))
    days = group.window.astype(np.int32)
    newest = group.sessions[-keep_sessions:] if keep_sessions else []
    kept_days = np.array(newest, dtype="datetime64[D]").astype(np.int32)
    kept: list[Columns] = []
    for first in range(0, max(1, len(read_of)), batch_symbols):
        places = read_of[first : first + batch_symbols]
        batch = [everyone[place] for place in places]
        block = read_block(
            connection, batch, group.window, group.sessions[0], (*PRICE_COLUMNS, "volume"), count_from=group.start,
            following=group.following, benchmark=benchmark if wanted.needs_benchmark else None,
        )  # fmt: skip
        names = np.array(batch, dtype=object)
        series = block.series_of_bar()
        bars = block.bars_as_of(is_computed[places])
        rows = {"session": days[block.session[bars]], "symbol": names[block.symbol[series[bars]]]}
        rows |= catalogue.compute(block, wanted.features, bars)
        bench.add("features", rows)
        is_kept = np.isin(rows["session"], kept_days)
        kept.append({name: values[is_kept] for name, values in rows.items()})
        if reads_bars:
            # What others ask for does not lengthen the history that a scanner looks at.
            counts = block.session >= block.counts_from
            of = series[counts]
            bench.add(
                "bars",
                {"session": days[block.session[counts]], "symbol": names[block.symbol[of]],
                 "valid_from": days[block.valid_from[of]], "valid_to": days[block.valid_to[of]],
                 **{name: block[name][counts] for name in (*PRICE_COLUMNS, "volume")}},
            )  # fmt: skip
    if "universe" in wanted.tables:
        _add_universe(bench, connection, group)
    scanned, computed = (
        {session: int(counts[group.place(session)]) for session in group.sessions}
        for counts in (passed.sum(axis=0), is_computed.sum(axis=0))
    )
    return Computed(scanned, computed, {name: np.concatenate([part[name] for part in kept]) for name in kept[0]})


def add_before(bench: Bench, connection: Connection, wanted: Demand, standing: Standing) -> None:
    """Put on the bench, as `before`, the kept features of symbols that are not standing: what they were."""
    names = [one.name for one in wanted.features]
    for session, cached in standing.items():
        if cached:
            bench.add("before", _dated(session, read_kept(connection, session, names, without=cached)))


def add_cached(bench: Bench, connection: Connection, wanted: Demand, standing: Standing) -> None:
    """Put the standing symbols' features, as far as they are wanted, beside the computed ones."""
    names = [one.name for one in wanted.features]
    for session, cached in standing.items():
        if cached:
            bench.add("features", _dated(session, read_kept(connection, session, names, only=cached)))


def add_derived(
    bench: Bench, connection: Connection, group: Group, wanted: Demand, weights: ScoreWeights, rules: PlanRules
) -> None:
    """After all features: the columns that compare symbols, and the market's context."""
    if wanted.cross_sectional:
        bench.compare(wanted.cross_sectional, weights, rules)
    bench.add("closes", read_closes(connection, group.windows()))
    bench.make("market_context", market_context.select("all_features", "all_closes"))


def scores(bench: Bench, wanted: Demand, sessions: Sequence[date]) -> Columns:
    """The columns that compare symbols, of some sessions."""
    listed = ", ".join(("symbol", *wanted.cross_sectional))
    days = ", ".join(f"date '{session}'" for session in sessions)
    rows = bench.columns(
        f"select session - date '1970-01-01' as session, {listed} from all_features "
        f"where session in ({days or 'null'}) order by session, symbol"
    )
    return {
        "session": rows.pop("session").astype(np.int32),
        "symbol": rows.pop("symbol"),
        **{name: np.ma.filled(values.astype(float), np.nan) for name, values in rows.items()},
    }


def _dated(session: date, rows: Columns) -> Columns:
    day = np.datetime64(session).astype(np.int32)
    return {"session": np.full(len(rows["symbol"]), day), **rows}


def _add_universe(bench: Bench, connection: Connection, group: Group) -> None:
    universe = connection.execute(
        "select session - date '1970-01-01' as session, symbol, name, exchange, type, sector, industry, "
        "country, universe.market_cap from universe join prefiltered_symbols using (session, symbol) "
        # The bounds, which a list of sessions is not, keep DuckDB from reading all others.
        "where passed and session between ? and ? and session in (select unnest(?::DATE[])) "
        "order by session, symbol",
        [group.sessions[0], group.sessions[-1], group.sessions],
    ).fetchnumpy()
    bench.add("universe", {"session": universe.pop("session").astype(np.int32), **universe})


def _passed(connection: Connection, group: Group) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """The symbols that passed the screen on any session of the group, and on which: passed[symbol, session]."""
    rows = connection.execute(
        "select symbol, session - date '1970-01-01' as day from prefiltered_symbols "
        "where passed and session in (select unnest(?::DATE[]))",
        [group.sessions],
    ).fetchnumpy()
    symbols, code = np.unique(rows["symbol"].astype(object), return_inverse=True)
    passed = np.zeros((len(symbols), len(group.window)), dtype=bool)
    passed[code, np.searchsorted(group.window.astype(np.int64), rows["day"])] = True
    return symbols.tolist(), passed
