"""What one measured process of `incremental.py` does: `python _incremental_workloads.py NAME ARGUMENTS`.

Settings are in the environment, results are printed as one line of JSON. A change is a correction as a vendor sends it:
a file with the session's bars, some of them others, which is ingested like any. Rows are compared as text, which tells
every float from every other.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scan_pipeline.pipeline import Pipeline

#: What a rerun and a full scan must agree on, and the columns that say who wrote a row and when.
COMPARED = {
    "scan_results": ("run_id", "cached_since"),
    "scanner_outcomes": ("run_id", "scanned_at"),
    "features": (),
    "market_context": ("run_id",),
}
#: Tables that a store has none of before its first scan.
SCANNED = (
    "scan_results", "scanner_outcomes", "scan_fingerprints", "incremental_deltas", "hit_changes", "market_context",
    "kept_features", "kept_scores",
)  # fmt: skip


def compute(session: str, turns: str, folder: str) -> dict[str, Any]:
    """In one process, for each number of changed symbols and several times: change them, rerun, scan the same in full.

    Compute alone: `find_changes` and `scan(incremental=True)`, against `scan` of a store that knows nothing of the
    session. The universe and the screen, which both need anew, are a figure of their own. First turns do not count.
    """
    pipeline, day = _pipeline(), date.fromisoformat(session)
    list(pipeline.scan([day], "before"))
    seconds: dict[str, dict[str, list[float]]] = {}
    rescanned, hits, passed, turn = {}, 0, 0, 0
    for name in ("0", "1", "30", "300", "all"):
        spent: dict[str, list[float]] = {"before": [], "changes": [], "scan": [], "rerun": [], "full": []}
        for counted in range(int(turns) + 1):
            turn += 1
            _correct(pipeline, day, name, turn, Path(folder))
            before, passed = _timed(_prepare, pipeline, [day])
            changes, _ = _timed(pipeline.find_changes, [day], f"rerun {turn}")
            scan, scanned = _timed(_scan, pipeline, [day], f"rerun {turn}", incremental=True)
            expected = passed if name == "all" else min(int(name), passed)
            if scanned[0].rescanned_symbols != expected:
                sys.exit(f"{expected} symbols were changed, and {scanned[0].rescanned_symbols} were scanned again.")
            incremental = _content(pipeline, [day])
            _forget_scans(pipeline, [day])
            full, scanned = _timed(_scan, pipeline, [day], f"full {turn}")
            _require_equal(incremental, _content(pipeline, [day]), f"{session}, {name} symbols changed")
            hits = len(scanned[0].hits)
            rescanned[name] = expected
            if counted:
                for part, value in zip(spent, (before, changes, scan, changes + scan, full), strict=True):
                    spent[part].append(value)
        seconds[name] = spent
    return {"seconds": seconds, "rescanned": rescanned, "passed": passed, "hits": hits}


def correction(session: str, name: str, folder: str) -> dict[str, Any]:
    """Put a correction of so many bars of the session into the feed `folder`, for others to take in."""
    pipeline = _pipeline()
    _write_correction(pipeline, date.fromisoformat(session), name, 1, Path(folder) / "correction.parquet")
    return {}


def command(*arguments: str) -> dict[str, Any]:
    """The command `scan-pipeline` with these arguments, as its users start it."""
    from scan_pipeline.cli.main import main

    sys.argv = ["scan-pipeline", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    return {}


def results(session: str) -> dict[str, Any]:
    """What is stored of the session's scan, as one hash a table."""
    from hashlib import sha256

    content = _content(_pipeline(), [date.fromisoformat(session)])
    return {table: sha256(repr(rows).encode()).hexdigest() for table, rows in content.items()}


def day_by_day(feed: str, first: str, most: str, checks: str, folder: str) -> dict[str, Any]:
    """Deliver the days that the vendor reported from `first` on, one after the other, each followed by a rerun.

    What was reported before is taken in at once. At so many days spread over them, all sessions whose features are kept
    are compared with those of a full scan, in a copy of the store, of what was known then.
    """
    vendor = _Vendor(Path(feed), Path(folder), first)
    days = vendor.days[: int(most)]
    checked = {days[(number + 1) * len(days) // int(checks) - 1] for number in range(int(checks))}
    pipeline = _pipeline(files_path=vendor.feed)
    first_date, last_date = vendor.deliver_before()
    pipeline.record_splits()
    list(pipeline.ingest(pipeline.calendar.between(first_date, last_date), "history"))
    said: dict[str, Any] = {name: [] for name in ("ingest", "prepare", "rerun", "full", "hit_rates", "corrected")}
    said |= {"days": len(days), "last": str(days[-1]), "compared": 0, "rows": 0}
    for day in days:
        sessions = pipeline.calendar.between(*vendor.deliver(day))
        said["ingest"].append(_timed(_take_in, pipeline, sessions)[0])
        said["prepare"].append(_timed(_prepare, pipeline, sessions)[0])
        spent, scanned = _timed(_rerun, pipeline, sessions, f"delivery {day}")
        said["rerun"].append(spent)
        for one in scanned[:-1]:  # the last is new
            if one.rescanned_symbols < one.scanned_symbols:
                said["hit_rates"].append(1 - one.rescanned_symbols / one.scanned_symbols)
                said["corrected"].append(one.rescanned_symbols)
        if day in checked:
            spent, sessions_compared, rows = _compare_with_full(pipeline, sessions, Path(folder) / "full", day)
            said["full"].append(spent)
            said["compared"] += sessions_compared
            said["rows"] += rows
    return said


class _Vendor:
    """A feed that is delivered again day by day: one file a day on which rows were reported, splits when known."""

    def __init__(self, feed: Path, folder: Path, first: str) -> None:
        import duckdb

        self.market, self.feed = folder, folder / "feed"
        self.feed.mkdir(parents=True)
        self._source, self._first = feed, date.fromisoformat(first)
        self._connection = duckdb.connect()
        self._connection.execute(f"create view rows as from read_parquet('{feed}/*.parquet')")
        reported = self._connection.execute(
            "select distinct reported_on from rows where reported_on >= ? order by all", [self._first]
        )
        self.days: list[date] = [day for (day,) in reported.fetchall()]
        if (feed.parent / "symbols.csv").exists():
            shutil.copy(feed.parent / "symbols.csv", folder)

    def deliver_before(self) -> tuple[date, date]:
        """All that was reported before the first day; the first and the last date in it."""
        return self._write("before", "reported_on < ?", self._first)

    def deliver(self, day: date) -> tuple[date, date]:
        """What was reported on the day; the first and the last date in it."""
        return self._write(str(day), "reported_on = ?", day)

    def _write(self, name: str, condition: str, day: date) -> tuple[date, date]:
        self._connection.execute(
            f"copy (select * from rows where {condition}) to '{self.feed}/{name}.parquet' (format parquet)", [day]
        )
        known = "select * from read_csv('{}', all_varchar = true) where coalesce(known_on, ex_date) <= '{}'"
        splits = self._source.parent / "splits.csv"
        if splits.exists():
            until = self._first if name == "before" else day
            self._connection.execute(f"copy ({known.format(splits, until)}) to '{self.market}/splits.csv' (header)")
        row = self._connection.execute(f"select min(date), max(date) from rows where {condition}", [day]).fetchone()
        assert row
        return row[0], row[1]


def _compare_with_full(
    pipeline: "Pipeline", delivered: Sequence[date], folder: Path, day: date
) -> tuple[float, int, int]:
    """Seconds of a full scan of the sessions delivered; sessions and rows that were equal."""
    from msgspec.structs import replace

    from scan_pipeline.pipeline import Pipeline

    shutil.copytree(pipeline.settings.cache_dir, folder / "cache")
    copy = Pipeline(replace(pipeline.settings, data_dir=folder))
    shutil.copy(pipeline.settings.database_path, copy.settings.database_path)
    with pipeline.store.read() as connection:
        kept = [one for (one,) in connection.execute("select distinct session from features order by 1").fetchall()]
    incremental = _content(pipeline, kept)
    with copy.store.write() as connection:
        for table in (*SCANNED, "universe", "prefiltered_symbols"):
            connection.execute(f"delete from {table}")
    _prepare(copy, kept)
    earlier = [one for one in kept if one not in delivered]
    if earlier:
        list(copy.scan(earlier, "full"))
    spent, _ = _timed(_scan, copy, delivered, "full")
    _require_equal(incremental, _content(copy, kept), f"the delivery of {day}")
    shutil.rmtree(folder)
    return spent, len(kept), sum(map(len, incremental.values()))


def _correct(pipeline: "Pipeline", session: date, name: str, turn: int, folder: Path) -> None:
    """Take in the session again with so many bars of symbols that passed the screen revised."""
    from scan_pipeline.providers.files import FilesProvider

    _write_correction(pipeline, session, name, turn, folder / "feed" / "session.parquet")
    list(pipeline.ingest([session], f"correction {turn}", FilesProvider(folder / "feed")))


def _write_correction(pipeline: "Pipeline", session: date, name: str, turn: int, path: Path) -> None:
    """The session's bars as they are held, those of so many symbols with another low and another volume."""
    path.parent.mkdir(parents=True, exist_ok=True)
    most = "null" if name == "all" else name
    with pipeline.store.read() as connection:
        connection.execute(
            f"""
            copy (
                with revised as (
                    select symbol from prefiltered_symbols where session = date '{session}' and passed
                    order by hash(symbol || '{turn}') limit {most}
                )
                select reported_on + {turn} as reported_on, symbol, session as date, open, high,
                    if(is_revised, low * 0.9999, low) as low, close,
                    (if(is_revised, volume + {turn}, volume))::BIGINT as volume, adj_close
                from price_bars
                    left join (select symbol, true as is_revised from revised) using (symbol)
                where session = date '{session}' order by symbol
            ) to '{path}' (format parquet)
            """
        )


def _take_in(pipeline: "Pipeline", sessions: Sequence[date]) -> None:
    pipeline.record_splits()
    list(pipeline.ingest(sessions, "delivery"))


def _scan(pipeline: "Pipeline", sessions: Sequence[date], run_id: str, *, incremental: bool = False) -> list[Any]:
    return list(pipeline.scan(sessions, run_id, incremental=incremental))


def _rerun(pipeline: "Pipeline", sessions: Sequence[date], run_id: str) -> list[Any]:
    pipeline.find_changes(sessions, run_id)
    return _scan(pipeline, sessions, run_id, incremental=True)


def _prepare(pipeline: "Pipeline", sessions: Sequence[date]) -> int:
    """Universe and screen of the sessions; how many symbols passed on the last one."""
    pipeline.build_universe(sessions)
    return pipeline.screen(sessions, pipeline.settings.screen)[-1].passed


def _forget_scans(pipeline: "Pipeline", sessions: Sequence[date]) -> None:
    """As if the sessions had never been scanned."""
    with pipeline.store.write() as connection:
        for table in SCANNED:
            connection.execute(f"delete from {table} where session in (select unnest(?::DATE[]))", [list(sessions)])


def _content(pipeline: "Pipeline", sessions: Sequence[date]) -> dict[str, list[tuple[str | None, ...]]]:
    """What is stored of the sessions' scans, as text, without who wrote it and when."""
    content = {}
    with pipeline.store.read() as connection:
        for table, left_out in COMPARED.items():
            exclude = f"exclude ({', '.join(left_out)})" if left_out else ""
            content[table] = connection.execute(
                f"select columns(*)::VARCHAR from (select * {exclude} from {table} "
                "where session in (select unnest(?::DATE[]))) order by all",
                [list(sessions)],
            ).fetchall()
    return content


def _require_equal(ours: dict[str, list[Any]], theirs: dict[str, list[Any]], what: str) -> None:
    for table, rows in ours.items():
        only_ours, only_theirs = sorted(set(rows) - set(theirs[table])), sorted(set(theirs[table]) - set(rows))
        if only_ours or only_theirs or len(rows) != len(theirs[table]):
            sys.exit(
                f"{what}: {table} is not what a full scan gives. {len(only_ours)} rows only of the rerun, "
                f"{only_ours[:1]}; {len(only_theirs)} only of the full scan, {only_theirs[:1]}."
            )
        if not rows:
            sys.exit(f"{what}: {table} holds nothing to compare. Choose a larger market.")


def _timed(work: Callable[..., Any], *given: Any, **more: Any) -> tuple[float, Any]:
    """Seconds that the work took, and what it gave."""
    started = time.perf_counter()
    done = work(*given, **more)
    return time.perf_counter() - started, done


def _pipeline(**overrides: Any) -> "Pipeline":
    from msgspec.structs import replace

    from scan_pipeline.pipeline import Pipeline
    from scan_pipeline.settings import load_settings

    return Pipeline(replace(load_settings(), **overrides))


WORKLOADS = (compute, correction, command, results, day_by_day)

if __name__ == "__main__":
    chosen: dict[str, Callable[..., dict[str, Any]]] = {workload.__name__: workload for workload in WORKLOADS}
    print(json.dumps(chosen[sys.argv[1]](*sys.argv[2:])), flush=True)
