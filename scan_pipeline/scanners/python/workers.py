"""The parent's side: worker processes started, watched and started again, until every unit has a result or a reason.

What ends a worker: its own end; a unit that hangs in C, where the worker's alarm is not heard; memory; the time of the
shard; our word. The unit under way is tried once more in a fresh worker where the worker ended by itself or over its
memory, for which earlier units may be to blame; then it is quarantined. What belongs here: processes. What does not:
where the bars come from, and what becomes of the hits.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from scan_pipeline.errors import ScannerError
from scan_pipeline.progress import EVERY_SECONDS
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.python.tasks import (
    AFRESH,
    IMPORT_SECONDS,
    Bars,
    Fault,
    Progress,
    Task,
    Unit,
    as_json,
    read_records,
)

#: Seconds between two looks at a worker.
LOOK_EVERY = 0.1
#: Seconds that a unit has after the worker's alarm before it is ended from outside.
GRACE = 2.0
#: Seconds that a worker may take to start beside the import of the scanner's file.
STARTING = 60.0
#: Of the memory limit: what the kernel counts as the process's own may be a little above.
SLACK_MIB = 32
#: What a worker may print.
PRINTED_MIB = 64
#: What workers do not inherit: scanners need no vendor.
_SECRETS = ("MASSIVE_API_KEY", "POLYGON_API_KEY")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
_ROOT = Path(__file__).resolve().parents[3]
_FRAME = re.compile(r'File "(.*)", line (\d+) in (\S+)')


@dataclass(frozen=True)
class WorkerLimits:
    """Seconds of one symbol and of a shard, MiB of one worker."""

    symbol_seconds: float
    shard_seconds: float
    memory_mib: int


class FoundHit(msgspec.Struct, frozen=True):
    """A hit before rank and limit; `details` are the scanner's own columns, as JSON."""

    session: date
    symbol: str
    details: str


class Quarantined(msgspec.Struct, frozen=True):
    """A symbol that a scanner failed on, and so has no result on the session; without a symbol, the whole session."""

    session: date
    symbol: str
    reason: str
    traceback: str


class ShardResult(msgspec.Struct, frozen=True):
    """What a shard gave. What was wanted and is not quarantined was scanned. `broken`: why the file cannot be run."""

    hits: list[FoundHit]
    quarantined: list[Quarantined]
    broken: str
    seconds: float
    peak_mib: float
    workers: int


def joined(results: Sequence[ShardResult]) -> ShardResult:
    """What several workers at once gave, as one."""
    return ShardResult(
        hits=[hit for one in results for hit in one.hits],
        quarantined=[failed for one in results for failed in one.quarantined],
        broken=next((one.broken for one in results if one.broken), ""),
        seconds=max((one.seconds for one in results), default=0.0),
        peak_mib=max((one.peak_mib for one in results), default=0.0),
        workers=sum(one.workers for one in results),
    )


class Cancelled(ScannerError):
    """The run was ended while workers were at work."""


@dataclass
class Shard:
    """One scanner on some bars, in one worker at a time. `folder` is its own, and holds what workers leave."""

    scanner: PythonScanner
    blocks: Sequence[Bars]
    limits: WorkerLimits
    folder: Path
    label: str
    say: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    #: Variables that workers are given beside those of this process.
    variables: Mapping[str, str] = field(default_factory=dict)
    hits: list[FoundHit] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    broken: str = ""
    peak_mib: float = 0.0

    def run(self) -> ShardResult:
        """Everything, to the end. Raises Cancelled."""
        started = time.monotonic()
        self._units = [(bars, unit) for bars in self.blocks for unit in bars.units(self.scanner.scope)]
        self._paths = [self.folder / f"bars-{number}.npz" for number in range(len(self.blocks))]
        self._deadline = started + self.limits.shard_seconds
        self._said = started
        for path, bars in zip(self._paths, self.blocks, strict=True):
            bars.save(path)
        self._done, workers, tried, unstarted = 0, 0, -1, 0
        while self._done < len(self._units) and not self.broken:
            first, workers = self._done, workers + 1
            why, has_begun = self._work(workers)
            self._collect(workers)
            if why == "afresh" or self.broken or self._done >= len(self._units):
                continue
            if why == "timeout":
                self._quarantine(self._timed_out())
            elif why == "shard":
                self._quarantine_rest(f"the shard was over its {self.limits.shard_seconds:g} s")
            elif not has_begun:
                unstarted += 1
                if unstarted > 1:
                    self.broken = f"{self.scanner.path}: its process {why} twice while the file was imported."
            elif tried == self._done == first:
                self._quarantine(Fault("ended", f"its process {why}, twice"))
            else:
                tried = self._done
        if self._units:
            self._say_progress(len(self._units), time.monotonic())
        for path in self._paths:
            path.unlink(missing_ok=True)
        return ShardResult(
            self.hits, self.quarantined, self.broken, time.monotonic() - started, round(self.peak_mib, 1), workers
        )

    def _work(self, number: int) -> tuple[str, bool]:
        """Start a worker and wait for its end: what ended it, and whether it had begun with a unit."""
        task = Task(
            name=self.scanner.name, path=str(self.scanner.path.absolute()), function=self.scanner.function,
            scope=self.scanner.scope, parameters=dict(self.scanner.parameters), blocks=[*map(str, self._paths)],
            first=self._done, memory_mib=self.limits.memory_mib,
            unit_seconds=self._unit_seconds(), parent=os.getpid(), results=str(self.folder / f"results-{number}.jsonl"),
            progress=str(self.folder / f"progress-{number}"), stacks=str(self.folder / f"stacks-{number}.txt"),
        )  # fmt: skip
        order = self.folder / f"task-{number}.json"
        order.write_bytes(msgspec.json.encode(task))
        self._progress = Progress(Path(task.progress))
        self._output = self.folder / f"output-{number}.txt"
        with self._output.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "scan_pipeline.scanners.python.worker", str(order)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                cwd=self.scanner.path.parent.absolute(), env=_environment() | dict(self.variables),
            )  # fmt: skip
        try:
            why = self._watch(process, task)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what the scanner started, too
            process.wait()
        if why:
            return why, self._progress.get()[2] > 0
        code = process.returncode
        if code == AFRESH:
            return "afresh", True
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ended, self._progress.get()[2] > 0

    def _unit_seconds(self) -> float:
        if self.scanner.scope == "symbol":
            return self.limits.symbol_seconds
        return max(0.1, self._deadline - time.monotonic())

    def _watch(self, process: "subprocess.Popen[bytes]", task: Task) -> str:
        """Why it is to be ended; empty where it ended by itself."""
        import psutil

        started = time.monotonic()
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_EVERY)
                return ""
            now = time.monotonic()
            unit, _, since = self._progress.get()
            with suppress(psutil.Error):
                self.peak_mib = max(self.peak_mib, psutil.Process(process.pid).memory_info().rss / 2**20)
                if psutil.Process(process.pid).memory_info().rss > (task.memory_mib + SLACK_MIB) * 2**20:
                    return f"took more than {task.memory_mib:,} MiB of memory"
            if self._output.stat().st_size > PRINTED_MIB * 2**20:
                return f"printed more than {PRINTED_MIB} MiB"
            if self.is_cancelled():
                raise Cancelled(f"{self.label} was ended: its run is over.")
            if now > self._deadline + (GRACE if self.scanner.scope == "universe" else 0):
                return "shard"
            if since and now - since > task.unit_seconds + GRACE:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGUSR1)
                    time.sleep(LOOK_EVERY)
                self._stacks = _read(Path(task.stacks))
                return "timeout"
            if not since and now - started > STARTING + IMPORT_SECONDS:
                return f"was still not ready after {now - started:.0f} s"
            if now - self._said >= EVERY_SECONDS:
                self._say_progress(max(unit, self._done), now)

    def _collect(self, number: int) -> None:
        """Take over what a worker left."""
        for record in read_records(self.folder / f"results-{number}.jsonl"):
            self.peak_mib = max(self.peak_mib, record.peak_mib)
            if record.broken and record.unit == 0:
                self.broken = f"{self.scanner.path}: {record.broken.reason}".rstrip(".") + "."
                return
            if record.broken:
                self._quarantine_rest(record.broken.reason, record.broken.traceback)
                return
            self.hits += [FoundHit(_date(day), symbol, as_json(details)) for day, symbol, details in record.hits]
            bars, unit = self._units[record.unit]
            for fault in record.faults:
                self._add(bars, unit, fault)
            self._done = record.unit + 1

    def _quarantine(self, fault: Fault) -> None:
        """The unit under way has failed for good."""
        bars, unit = self._units[self._done]
        self._add(bars, unit, fault)
        self._done += 1

    def _quarantine_rest(self, reason: str, traceback: str = "") -> None:
        while self._done < len(self._units):
            self._quarantine(Fault("ended", reason, traceback))

    def _add(self, bars: Bars, unit: Unit, fault: Fault) -> None:
        days = [_date(day) for day in fault.days] or [bars.day(place) for place in unit.places]
        self.quarantined += [Quarantined(day, unit.symbol, fault.reason, fault.traceback) for day in days]

    def _timed_out(self) -> Fault:
        """Where the process hung, from what it wrote when it was asked."""
        folder = str(self.scanner.path.parent.absolute())
        frames = [found.groups() for found in _FRAME.finditer(self._stacks) if found[1].startswith(folder)]
        place = f" (line {frames[0][1]})" if frames else ""
        text = "\n".join(f'File "{file}", line {line}, in {name}' for file, line, name in reversed(frames))
        return Fault("timeout", f"still running after {self._unit_seconds():g} s, deaf to its alarm{place}", text)

    def _say_progress(self, unit: int, now: float) -> None:
        self._said = now
        unit = min(unit + 1, len(self._units))
        what = "symbols" if self.scanner.scope == "symbol" else "sessions"
        hits = max(len(self.hits), self._progress.get()[1])
        self.say(f"{self.label}: {what} 1–{unit:,} of {len(self._units):,}, {hits:,} hits, {self.peak_mib:,.0f} MiB")


def _environment() -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    paths = [str(_ROOT), *filter(None, [given.get("PYTHONPATH")])]
    return given | dict.fromkeys(_THREADS, "1") | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _date(day: int) -> date:
    return date.fromordinal(day + 719_163)
