"""The use cases of scanners in Python: a user's function called for every symbol, in worker processes, by shard.

The algorithm of a scan of some sessions:

1.  `plan`: find the scanners, and for each the symbols that passed the screen. Those whose bars and
    code are as the scanner last saw them are not called again. The rest is cut into shards.  stages/python_scan.py
2.  `run_shard`, for each shard, in any process that can see the folder of the run:
    read its symbols' bars, start a worker, watch it until the end.                          scanners/python/workers.py
3.  `merge`: refuse a missing shard; put what was found and what was cached together, rank it, and
    replace the sessions' hits of these scanners, in one transaction.                            store/python_scans.py

`run_python` does a scanner in this process and stores nothing, for whoever tries or checks one. Like `pipeline.py`,
this room joins the layers, and knows no Dagster.
"""

import os
import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from scan_pipeline.changes.fingerprints import compute_fingerprints
from scan_pipeline.errors import ScannerError
from scan_pipeline.features.version import features_version
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.python.authoring import Value
from scan_pipeline.scanners.python.library import PythonScanner, find_python_scanners
from scan_pipeline.scanners.python.plans import PlannedScan, PythonPlan, write_plan
from scan_pipeline.scanners.python.tasks import Bars
from scan_pipeline.scanners.python.workers import FoundHit, Quarantined, Shard, ShardResult, WorkerLimits, joined
from scan_pipeline.stages.python_merge import put_together, to_keep
from scan_pipeline.stages.python_scan import history_of, parts_of, read_bars, read_wanted, slice_of, windows_of
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.history import data_versions, provisional_at
from scan_pipeline.store.python_scans import (
    EVERYBODY,
    Failed,
    Found,
    PythonResults,
    fingerprints_of,
    joint_fingerprint,
    read_found,
    replace_python_results,
    stored_code,
)
from scan_pipeline.store.results import publish

#: Fewer symbols than this are not worth another process.
SYMBOLS_A_SHARD = 100
#: Runs whose folders are kept: of those that ended before their end.
KEPT_RUNS = 5
#: A process cannot have the store open twice.
_READING = threading.Lock()


@dataclass(frozen=True)
class PythonScan:
    """A scanner's hits, ranked, and what became of it on each session; nothing of it is stored.

    `quarantined`: symbols without a result, and why. `peak_mib` is the largest worker's.
    """

    hits: list[Hit]
    outcomes: list[Outcome]
    quarantined: list[Quarantined]
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class PythonSession:
    """One session's scan by all scanners in Python.

    `called` counts calls for a symbol (or for everybody), `cached` those that an earlier run made. `hit_changes`: hits
    `new`, `gone` and `moved` since it was scanned before; empty where it was not.
    """

    session: date
    hits: list[Hit]
    outcomes: list[Outcome]
    quarantined: int
    called: int
    cached: int
    data_version: str
    hit_changes: Mapping[str, int]
    snapshot_at: datetime | None


@dataclass(frozen=True)
class PythonRun:
    """A finished run. `seconds` of the longest shard, `peak_mib` of the largest worker."""

    sessions: list[PythonSession]
    shards: int
    seconds: float
    peak_mib: float


@dataclass
class PythonPipeline:
    """The stages of scanners in Python, over a pipeline's settings, calendar, store and monitor."""

    pipeline: Pipeline

    def find(self) -> list[PythonScanner]:
        """All scanners in Python, also those that cannot be run."""
        return find_python_scanners(self.pipeline.settings.scanners_dir)

    def get(self, name: str) -> PythonScanner:
        """One scanner. Raises ScannerError where there is none of that name, or it cannot be run."""
        scanners = {one.name: one for one in self.find()}
        if name not in scanners:
            known = ", ".join(scanners) or "none yet"
            folder = self.pipeline.settings.scanners_dir
            raise ScannerError(f"There is no scanner in Python {folder / f'{name}.py'}. There are: {known}.")
        if fault := scanners[name].fault:
            raise ScannerError(fault)
        return scanners[name]

    def plan(
        self,
        sessions: Sequence[date],
        run_id: str,
        *,
        incremental: bool = True,
        parameters: Mapping[str, Mapping[str, Value]] | None = None,
        shards: int | None = None,
        workers: int = 1,
    ) -> PythonPlan:
        """Step 1. `parameters`: other values for some, by scanner. `shards`: instead of as the settings say; `workers`:
        of each shard at once.

        Raises ScannerError for a session that was not screened, and for a parameter that is not there.
        """
        given = self.pipeline.settings
        scanners = [one.with_parameters((parameters or {}).get(one.name, {})) for one in self.find()]
        kept = sorted(sessions)[-given.keep_features_sessions :] if given.keep_features_sessions else []
        lookback = max((one.lookback for one in scanners), default=0)
        windows = windows_of(self.pipeline.calendar, sessions, lookback)
        with self.pipeline.store.read() as connection:
            _require_screened(connection, sessions)
            versions, provisional = data_versions(connection, windows), provisional_at(connection, windows)
            passed = read_wanted(connection, sessions)
            prints = {one.name: self._fingerprints(connection, scanners, one, kept) for one in scanners}
            scans = [
                self._planned(connection, one, passed, prints[one.name], shards, workers, incremental=incremental)
                for one in scanners
            ]
        folder = given.python_runs_dir / run_id[:8]
        _forget_old_runs(folder.parent)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        plan = PythonPlan(run_id, str(folder.absolute()), versions, provisional, scans)
        write_plan(plan)
        return plan

    def _fingerprints(
        self, connection: Connection, scanners: Sequence[PythonScanner], scanner: PythonScanner, kept: Sequence[date]
    ) -> dict[date, dict[str, int]]:
        found = {}
        for session in kept:
            start = self.pipeline.calendar.history_start(session, history_of(scanner.lookback))
            window = np.array(self.pipeline.calendar.between(start, session), dtype="datetime64[D]")
            compute_fingerprints(connection, session, window, None, features_version())
            found[session] = (
                {EVERYBODY: joint_fingerprint(connection)}
                if scanner.scope == "universe"
                else fingerprints_of(connection)
            )
        return found

    def _planned(
        self,
        connection: Connection,
        scanner: PythonScanner,
        passed: Mapping[date, list[str]],
        fingerprints: dict[date, dict[str, int]],
        shards: int | None,
        workers: int,
        *,
        incremental: bool,
    ) -> PlannedScan:
        """What the scanner is called for, and what stands."""
        wanted = {session: list(symbols) for session, symbols in passed.items()}
        standing: dict[date, list[str]] = {}
        cached: list[FoundHit] = []
        for session, prints in fingerprints.items() if incremental and not scanner.fault else ():
            before = read_found(connection, session, scanner.name, scanner.code_version)
            standing[session] = [one for one, mark in prints.items() if one in before and before[one][0] == mark]
            cached += [FoundHit(session, *hit) for one in standing[session] for hit in before[one][1]]
            stands = set(standing[session])
            wanted[session] = [] if EVERYBODY in stands else [one for one in wanted[session] if one not in stands]
        return PlannedScan(
            scanner=scanner.name,
            code_version=scanner.code_version,
            parameters=dict(scanner.parameters),
            shards=0 if scanner.fault else shards_for(self.pipeline, scanner, wanted, shards),
            workers=1 if scanner.scope == "universe" else workers,
            wanted=wanted,
            standing=standing,
            cached=cached,
            fingerprints=fingerprints,
        )

    def run_shard(
        self, plan: PythonPlan, name: str, number: int, is_cancelled: Callable[[], bool] = lambda: False
    ) -> ShardResult:
        """Step 2. What the scanner does wrong is in the result. Raises ScannerError where code or data are no longer
        those that were planned."""
        planned = plan.scan_of(name)
        scanner = self.get(name).with_parameters(planned.parameters)
        if scanner.code_version != planned.code_version:
            raise ScannerError(f"{scanner.path} was edited while its shards ran. Run it again.")
        lookback = max(one.lookback for one in self.find())
        wanted = slice_of(planned.wanted, number, planned.shards)
        with _READING, self.pipeline.store.read() as connection:
            versions = data_versions(connection, windows_of(self.pipeline.calendar, [*plan.data_versions], lookback))
            if versions != plan.data_versions:
                raise ScannerError(f"Bars or decisions changed while the shards of {name} ran. Run it again.")
            blocks = [
                [*read_bars(connection, self.pipeline.calendar, part, scanner.lookback)]
                for part in parts_of(wanted, planned.workers)
            ]
        folder = Path(plan.folder) / f"{name}-{number:02}"
        label = f"{name}, shard {number} of {planned.shards}" if planned.shards > 1 else name
        results = run_here(self.pipeline, scanner, blocks, folder, label, is_cancelled)
        result = results[0] if len(results) == 1 else joined(results)
        aside = folder / "result.json"
        aside.write_bytes(msgspec.json.encode(result))
        aside.replace(plan.result_path(name, number))
        return result

    def merge(self, plan: PythonPlan, given: Sequence[tuple[str, int]]) -> PythonRun:
        """Step 3, for the shards that ended: scanner and number. Raises ScannerError for a missing one."""
        settings, store = self.pipeline.settings, self.pipeline.store
        results = plan.read_results(given)
        scanners = {one.name: one for one in self.find()}
        hits: list[Hit] = []
        outcomes: list[Outcome] = []
        failed: list[Failed] = []
        found: list[Found] = []
        for planned in plan.scans:
            scanner = scanners.get(planned.scanner)
            if scanner is None or scanner.with_parameters(planned.parameters).code_version != planned.code_version:
                raise ScannerError(f"The scanner {planned.scanner} was edited while its shards ran. Run it again.")
            of_scanner = results[planned.scanner]
            passed = {day: [*planned.wanted[day], *planned.standing.get(day, ())] for day in planned.wanted}
            more, became, quarantined = put_together(scanner, settings.max_hits, passed, of_scanner, planned.cached)
            hits += more
            outcomes += became
            failed += [Failed(one.session, scanner.name, one.symbol, one.reason, one.traceback) for one in quarantined]
            if not any(one.broken for one in of_scanner):
                found += to_keep(planned, scanner, of_scanner, quarantined)
        now = datetime.now(UTC).replace(tzinfo=None)
        standing = {(day, one.scanner): symbols for one in plan.scans for day, symbols in one.standing.items()}
        with store.write() as connection:
            changes, files = replace_python_results(
                connection,
                PythonResults(sorted(plan.data_versions), hits, outcomes, failed, found, standing),
                {one.scanner: one.code_version for one in plan.scans},
                plan.data_versions,
                plan.provisional,
                settings.keep_features_sessions,
                settings.results_dir,
                now,
                plan.run_id,
            )
        publish(files)
        shutil.rmtree(plan.folder, ignore_errors=True)
        shards = [one for of_scanner in results.values() for one in of_scanner]
        return PythonRun(
            [
                PythonSession(
                    session=day,
                    hits=[hit for hit in hits if hit.session == day],
                    outcomes=[one for one in outcomes if one.session == day],
                    quarantined=sum(one.session == day for one in failed),
                    called=sum(_calls(scanners[one.scanner], one.wanted[day]) for one in plan.scans if one.shards),
                    cached=sum(len(one.standing.get(day, ())) for one in plan.scans),
                    data_version=plan.data_versions[day],
                    hit_changes=changes.get(day, {}),
                    snapshot_at=plan.provisional.get(day),
                )
                for day in sorted(plan.data_versions)
            ],
            shards=len(shards),
            seconds=max((one.seconds for one in shards), default=0.0),
            peak_mib=max((one.peak_mib for one in shards), default=0.0),
        )

    def scan(
        self,
        sessions: Sequence[date],
        run_id: str,
        *,
        incremental: bool = True,
        parameters: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> PythonRun:
        """All three steps in this process, as many shards at once as there are processors; Ctrl-C ends them."""
        plan = self.plan(sessions, run_id, incremental=incremental, parameters=parameters)
        stopped = threading.Event()
        with ThreadPoolExecutor(processors()) as pool:
            running = [pool.submit(self.run_shard, plan, *shard, stopped.is_set) for shard in plan.shards()]
            try:
                for one in running:
                    one.result()
            finally:
                stopped.set()
                for one in running:
                    one.cancel()
        return self.merge(plan, plan.shards())

    def forget(self, sessions: Sequence[date], run_id: str) -> None:
        """Remove what scanners in Python found on the sessions, where there are no longer any."""
        if self.find() or not self.pipeline.store.exists:
            return
        with self.pipeline.store.read() as connection:
            held = [session for session, versions in stored_code(connection, sessions).items() if versions]
        if held:
            self.scan(held, run_id)

    def stale_sessions(self) -> list[date]:
        """Kept sessions of which the results of scanners in Python are missing, or of other code than there is now."""
        if not self.pipeline.store.exists:
            return []
        code_versions = {one.name: one.code_version for one in self.find()}
        with self.pipeline.store.read() as connection:
            kept = [day for (day,) in connection.execute(
                "select distinct session from scan_fingerprints where session not in "
                "(select session from scanner_outcomes where provisional) order by session"
            ).fetchall()]  # fmt: skip
            stored = stored_code(connection, kept)
        return [day for day in kept if stored[day] != code_versions]


def run_python(
    pipeline: Pipeline,
    scanner: PythonScanner,
    sessions: Sequence[date],
    *,
    parameters: Mapping[str, Value] | None = None,
    symbols: Collection[str] | None = None,
    history: int | None = None,
    cut_off: date | None = None,
) -> PythonScan:
    """Run one scanner on sessions that were screened, in the same workers as a scan, and store nothing.

    `parameters`: other values for some. `symbols`: of those that passed the screen, these alone. `history`: read
    exactly so many sessions before each session (which takes a pass for each), instead of as many as the declared
    lookback needs. `cut_off`: the last session; later ones are left out, and no bar after it is read.

    Raises ScannerError for a scanner that cannot be run, and where nothing passed the screen.
    """
    if scanner.fault:
        raise ScannerError(scanner.fault)
    scanner = scanner.with_parameters(parameters or {})
    asked = sorted(session for session in sessions if cut_off is None or session <= cut_off)
    with pipeline.store.read() as connection:
        wanted = read_wanted(connection, asked)
        if symbols is not None:
            wanted = {session: [one for one in passed if one in symbols] for session, passed in wanted.items()}
        blocks = [
            [*read_bars(connection, pipeline.calendar, part, scanner.lookback, history)]
            for part in parts_of(wanted, shards_for(pipeline, scanner, wanted))
        ]
    results = run_here(pipeline, scanner, blocks)
    hits, outcomes, quarantined = put_together(scanner, pipeline.settings.max_hits, wanted, results, [])
    return PythonScan(
        hits, outcomes, quarantined,
        seconds=max((one.seconds for one in results), default=0.0),
        peak_mib=max((one.peak_mib for one in results), default=0.0),
    )  # fmt: skip


def shards_for(
    pipeline: Pipeline, scanner: PythonScanner, wanted: Mapping[date, Collection[str]], asked: int | None = None
) -> int:
    """Into how many shards the symbols are cut; 0 where there is none. A scanner of the whole universe is one."""
    symbols = len(set().union(*wanted.values()))
    if not symbols or scanner.scope == "universe":
        return min(1, symbols)
    if asked := asked or pipeline.settings.python_shards:
        return min(asked, symbols)
    return max(1, min(processors(), symbols // SYMBOLS_A_SHARD))


def run_here(
    pipeline: Pipeline,
    scanner: PythonScanner,
    parts: Sequence[Sequence[Bars]],
    folder: Path | None = None,
    label: str = "",
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[ShardResult]:
    """All parts at once, each in a worker, watched by a thread of this process; Ctrl-C ends them.

    `folder` is for what workers leave; None: nothing of it is kept.
    """
    if folder is None:
        with TemporaryDirectory(prefix="scan-pipeline-") as made:
            return run_here(pipeline, scanner, parts, Path(made), label, is_cancelled)
    given = pipeline.settings
    limits = WorkerLimits(given.python_symbol_seconds, given.python_shard_seconds, given.python_memory_mib)
    # Workers run in the scanner's folder, where a relative one would be another.
    variables = {"SCAN_DATA_DIR": str(given.data_dir.absolute())}
    stopped = threading.Event()

    def run(number: int, blocks: Sequence[Bars]) -> ShardResult:
        place = folder / f"worker-{number}"
        place.mkdir(parents=True, exist_ok=True)
        said = (label or scanner.name) + (f", worker {number} of {len(parts)}" if len(parts) > 1 else "")
        return Shard(
            scanner, blocks, limits, place, said, pipeline.monitor.say,
            lambda: stopped.is_set() or is_cancelled(), variables,
        ).run()  # fmt: skip

    folder.mkdir(parents=True, exist_ok=True)
    if len(parts) == 1:
        return [run(1, parts[0])]
    with ThreadPoolExecutor(max(1, len(parts))) as pool:
        running = [pool.submit(run, number, blocks) for number, blocks in enumerate(parts, start=1)]
        try:
            return [one.result() for one in running]
        finally:
            stopped.set()


def _calls(scanner: PythonScanner, wanted: Sequence[str]) -> int:
    return len(wanted) if scanner.scope == "symbol" else min(1, len(wanted))


def _require_screened(connection: Connection, sessions: Sequence[date]) -> None:
    """Raises ScannerError for a session without the screen's decisions."""
    screened = {day for (day,) in connection.execute(
        "select distinct session from prefiltered_symbols where session in (select unnest(?::DATE[]))", [list(sessions)]
    ).fetchall()}  # fmt: skip
    for session in sorted(set(sessions) - screened):
        raise ScannerError(
            f"{session} is not screened: nothing can be scanned. `scan-pipeline run --session {session}` does both."
        )


def _forget_old_runs(folder: Path) -> None:
    """Keep the newest folders of runs that ended before they were merged."""
    runs = sorted(folder.glob("*/"), key=lambda one: one.stat().st_mtime)
    for one in runs[: max(0, len(runs) - KEPT_RUNS)]:
        shutil.rmtree(one, ignore_errors=True)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
