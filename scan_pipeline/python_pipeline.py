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
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from scan_pipeline.errors import ScannerError
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.python.authoring import Value
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.python.tasks import Bars
from scan_pipeline.scanners.python.workers import FoundHit, Quarantined, Shard, ShardResult, WorkerLimits
from scan_pipeline.scanners.ranking import rank_hits
from scan_pipeline.stages.python_scan import judge, read_bars, read_wanted, slice_of

#: Fewer symbols than this are not worth another process.
SYMBOLS_A_SHARD = 100


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
        shards = shards_for(pipeline, scanner, wanted)
        blocks = [
            [*read_bars(connection, pipeline.calendar, slice_of(wanted, number, shards), scanner.lookback, history)]
            for number in range(1, shards + 1)
        ]
    results = run_here(pipeline, scanner, blocks)
    hits, outcomes, quarantined = put_together(pipeline, scanner, wanted, results, [])
    return PythonScan(
        hits, outcomes, quarantined,
        seconds=max((one.seconds for one in results), default=0.0),
        peak_mib=max((one.peak_mib for one in results), default=0.0),
    )  # fmt: skip


def shards_for(pipeline: Pipeline, scanner: PythonScanner, wanted: Mapping[date, Collection[str]]) -> int:
    """Into how many shards the symbols are cut; 0 where there is none. A scanner of the whole universe is one."""
    symbols = len(set().union(*wanted.values()))
    if not symbols or scanner.scope == "universe":
        return min(1, symbols)
    most = pipeline.settings.python_shards or len(os.sched_getaffinity(0))
    return max(1, min(most, symbols // SYMBOLS_A_SHARD))


def run_here(pipeline: Pipeline, scanner: PythonScanner, shards: Sequence[Sequence[Bars]]) -> list[ShardResult]:
    """All shards at once, each in a worker, watched by a thread of this process; Ctrl-C ends them."""
    if not shards:
        return []
    stopped = threading.Event()
    with TemporaryDirectory(prefix="scan-pipeline-") as folder, ThreadPoolExecutor(len(shards)) as pool:
        running = [
            pool.submit(
                run_blocks, pipeline, scanner, blocks, number, len(shards), Path(folder) / str(number), stopped.is_set
            )
            for number, blocks in enumerate(shards, start=1)
        ]
        try:
            return [one.result() for one in running]
        finally:
            stopped.set()


def run_blocks(
    pipeline: Pipeline,
    scanner: PythonScanner,
    blocks: Sequence[Bars],
    number: int,
    shards: int,
    folder: Path,
    is_cancelled: Callable[[], bool],
) -> ShardResult:
    """Shard `number`, to its end, in `folder`."""
    given = pipeline.settings
    folder.mkdir(parents=True, exist_ok=True)
    label = scanner.name + (f", shard {number} of {shards}" if shards > 1 else "")
    limits = WorkerLimits(given.python_symbol_seconds, given.python_shard_seconds, given.python_memory_mib)
    return Shard(scanner, blocks, limits, folder, label, pipeline.monitor.say, is_cancelled).run()


def put_together(
    pipeline: Pipeline,
    scanner: PythonScanner,
    passed: Mapping[date, Collection[str]],
    results: Iterable[ShardResult],
    cached: Iterable[FoundHit],
) -> tuple[list[Hit], list[Outcome], list[Quarantined]]:
    """The ranked hits of all shards and of what was cached, what became of each session, and who is quarantined."""
    results = list(results)
    broken = next((one.broken for one in results if one.broken), scanner.fault)
    if broken:
        return [], [Outcome(session, scanner.name, None, broken) for session in sorted(passed)], []
    failed = {(one.session, one.symbol): one for result in results for one in result.quarantined}
    quarantined = [failed[key] for key in sorted(failed)]
    found: dict[date, list[tuple[date, str, str]]] = {session: [] for session in sorted(passed)}
    for one in [*cached, *(hit for result in results for hit in result.hits)]:
        if (one.session, one.symbol) not in failed:
            found[one.session].append((one.session, one.symbol, one.details))
    hits: list[Hit] = []
    outcomes: list[Outcome] = []
    ranked = _ranked(pipeline, scanner, found)
    for session in found:
        given = ranked[session]
        if isinstance(given, ScannerError):
            outcomes.append(Outcome(session, scanner.name, None, str(given)))
            continue
        of_session = [one for one in quarantined if one.session == session]
        outcomes.append(judge(scanner, session, len(given), len(passed[session]), of_session))
        hits += given if outcomes[-1].hits is not None else []
    return hits, outcomes, quarantined


def _ranked(
    pipeline: Pipeline, scanner: PythonScanner, found: Mapping[date, list[tuple[date, str, str]]]
) -> dict[date, list[Hit] | ScannerError]:
    """The hits of each session in order, or why they cannot be: all at once, and where that fails one by one."""
    most = pipeline.settings.max_hits
    ranked: dict[date, list[Hit] | ScannerError] = {session: [] for session in found}
    try:
        for hit in _rank(scanner, [row for rows in found.values() for row in rows if len(rows) <= most]):
            of_session = ranked[hit.session]
            assert isinstance(of_session, list)
            of_session.append(hit)
    except ScannerError:
        for session, rows in found.items():
            try:
                ranked[session] = _rank(scanner, rows if len(rows) <= most else [])
            except ScannerError as error:
                ranked[session] = error
    for session, rows in found.items():
        if len(rows) > most:
            ranked[session] = ScannerError(
                f"{scanner.path}: more than {most:,} hits on {session}; narrow it, or raise SCAN_MAX_HITS."
            )
    return ranked


def _rank(scanner: PythonScanner, rows: Sequence[tuple[date, str, str]]) -> list[Hit]:
    return rank_hits(scanner.name, scanner.path, scanner.rank, scanner.limit, rows)
