"""The process that calls a scanner's function: `python -m scan_pipeline.scanners.python.worker TASK`.

The algorithm:

1.  Ask the kernel to end with the parent. Import the scanner's file, and pandas.
2.  For each unit (a symbol's series of bars, or a session of all): say that it is begun, set the alarm, call the
    function, and append what became of it to the results. Whoever ends this process loses the unit under way alone.
3.  What fails over several sessions at once is called for each of them alone, as its nights would: those that fail
    then, have failed.
4.  Where memory ran out, ask to be started afresh. Where everything fails, give up.

What belongs here: one process's work. What does not: watching over it and starting it again (`workers.py`).
"""

import faulthandler
import importlib.util
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import msgspec
import numpy as np

from scan_pipeline.progress import peak_mib
from scan_pipeline.scanners.python.authoring import MARK
from scan_pipeline.scanners.python.returned import Refused, hits_of_session, hits_of_symbol
from scan_pipeline.scanners.python.tasks import (
    AFRESH,
    GIVES_UP_AFTER,
    IMPORT_SECONDS,
    Bars,
    Fault,
    Progress,
    Record,
    Task,
    Unit,
)
from scan_pipeline.scripts.running.isolation import die_with_parent

MIB = 2**20
#: The largest file, in bytes, that a scanner may write.
MOST_WRITTEN = 1024 * MIB
#: Frames of a traceback that are kept, from the innermost.
FRAMES = 5

Hits = list[tuple[int, str, dict[str, Any]]]


class TimedOut(BaseException):
    """The alarm: not an Exception, which functions catch."""


class Alarm:
    """Raises TimedOut in the function that is called, and again every second where that is caught."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_set = False
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            raise TimedOut

    def __enter__(self) -> None:
        self.is_set = True
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 1.0)

    def __exit__(self, *_: object) -> None:
        self.is_set = False
        signal.setitimer(signal.ITIMER_REAL, 0)


class Worker:
    """One scanner on some bars."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.folder = str(Path(task.path).parent)
        self.progress = Progress(Path(task.progress))
        self.results = os.open(task.results, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.function: Callable[..., Any] = _nothing
        self.found = 0
        self.failed = 0
        self.is_well = task.first > 0

    def run(self) -> int:
        """Steps 1 to 4; the exit code."""
        try:
            import pandas  # noqa: F401  # before memory is limited

            with Alarm(IMPORT_SECONDS):
                self.function = self._import()
        except BaseException as error:
            self._write(Record(self.task.first, broken=self._fault(error, "cannot be imported: ")))
            return 0
        self.alarm = Alarm(self.task.unit_seconds)
        number = -1
        for path in self.task.blocks:
            bars = Bars.load(Path(path))
            _limit_memory(self.task.memory_mib)
            for unit in bars.units(self.task.scope):
                number += 1
                if number < self.task.first:
                    continue
                if not self._do(number, bars, unit):
                    return AFRESH
                if self.failed >= GIVES_UP_AFTER and not self.is_well:
                    return 0
        return 0

    def _do(self, number: int, bars: Bars, unit: Unit) -> bool:
        """One unit; whether this process can go on."""
        self.progress.set(number, self.found, time.monotonic())
        hits, faults = self._called(bars, unit, unit.places)
        if faults and faults[0].kind == "error" and len(unit.places) > 1:
            hits, faults = [], []
            for place in unit.places:
                self.progress.set(number, self.found, time.monotonic())
                more, failed = self._called(bars, unit, np.array([place]))
                hits += more
                faults += failed
                if failed and failed[0].kind != "error":
                    faults[-1] = msgspec.structs.replace(faults[-1], days=[])  # of all its sessions
                    hits = []
                    break
        self.found += len(hits)
        self.is_well |= not faults
        self.failed += bool(faults)
        self._write(Record(number, hits, faults))
        if self.failed >= GIVES_UP_AFTER and not self.is_well:
            said = f"not tried: the first {self.failed} all failed, the last with {faults[-1].reason}"
            self._write(Record(number + 1, broken=Fault("error", said, faults[-1].traceback)))
        self.progress.set(number, self.found, 0.0)
        return not any(fault.kind == "memory" for fault in faults)

    def _called(self, bars: Bars, unit: Unit, places: Any) -> tuple[Hits, list[Fault]]:
        """The hits on these sessions, or why there are none."""
        try:
            with self.alarm:
                if self.task.scope == "symbol":
                    return self._call_symbol(bars, unit, places), []
                return self._call_universe(bars, int(places[0])), []
        except BaseException as error:  # whatever a function does, the others stand
            days = bars.window[places].tolist() if len(places) < len(unit.places) or unit.series < 0 else []
            return [], [self._fault(error, days=days)]

    def _call_symbol(self, bars: Bars, unit: Unit, places: Any) -> Hits:
        import pandas as pd

        sessions, columns = bars.columns_of(unit.series, int(places[-1]))
        frame = pd.DataFrame(columns, index=_index(bars.window[sessions]))
        frame.attrs["symbol"] = unit.symbol
        returned = self.function(frame.copy(), **self.task.parameters)
        counts = np.isin(sessions, places)
        return [
            (int(bars.window[sessions[place]]), unit.symbol, details)
            for place, details in hits_of_symbol(returned, frame, counts)
        ]

    def _call_universe(self, bars: Bars, place: int) -> Hits:
        import pandas as pd

        block = bars.block
        valid = (block.valid_from <= place) & (place <= block.valid_to) & bars.wanted[block.symbol, place]
        parts = []
        named = {bars.symbols[block.symbol[series]]: int(series) for series in np.flatnonzero(valid)}
        for name, series in sorted(named.items()):
            sessions, columns = bars.columns_of(series, place)
            symbol = np.full(len(sessions), name, dtype=object)
            parts.append({"session": bars.window[sessions], "symbol": symbol, **columns})
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        frame = pd.DataFrame(columns | {"session": _index(columns["session"]).to_numpy()})
        returned = self.function(frame.copy(), **self.task.parameters)
        day = int(bars.window[place])
        session = _index(np.array([day]))[0]
        return [(day, symbol, details) for symbol, details in hits_of_session(returned, frame, session)]

    def _import(self) -> Callable[..., Any]:
        """The function that the file declares."""
        sys.dont_write_bytecode = True
        sys.path.insert(0, self.folder)
        spec = importlib.util.spec_from_file_location(f"scanner_{self.task.name}", self.task.path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        function: Callable[..., Any] = getattr(module, self.task.function)
        if not hasattr(function, MARK):
            self.function = function
            raise Refused(f"another decorator hides `@scanner` of {self.task.function}; put `@scanner(…)` on top.")
        return function

    def _fault(self, error: BaseException, before: str = "", days: list[int] | None = None) -> Fault:
        frames = [
            frame for frame in traceback.extract_tb(_own(error.__traceback__, self.folder))
            if frame.filename.startswith(self.folder)
        ][-FRAMES:]  # fmt: skip
        line = frames[-1].lineno if frames else None
        if isinstance(error, SyntaxError) and error.lineno:
            line = error.lineno
        place = f"line {line}" if line else ""
        kind = "error"
        if isinstance(error, TimedOut):
            seconds = IMPORT_SECONDS if before else self.task.unit_seconds
            kind, said = "timeout", f"still running after {seconds:g} s"
        elif isinstance(error, MemoryError):
            kind, said = "memory", f"more than {self.task.memory_mib:,} MiB of memory"
        elif isinstance(error, Refused):
            said, code = str(error).rstrip("."), getattr(self.function, "__code__", None)
            return Fault(
                kind, f"{before}{said} (line {code.co_firstlineno})" if code else before + said, "", days or []
            )
        else:
            words = str(error).strip().splitlines()
            said = type(error).__name__ + (f": {words[0][:200]}" if words else "")
        text = "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(error))
        return Fault(kind, before + said + (f" ({place})" if place else ""), text.strip(), days or [])

    def _write(self, record: Record) -> None:
        record = msgspec.structs.replace(record, peak_mib=_peak_mib())
        os.write(self.results, msgspec.json.encode(record) + b"\n")


def _nothing(bars: Any) -> None:
    return None


def _index(days: Any) -> Any:
    """Days since 1970 as the index `session`."""
    import pandas as pd

    return pd.DatetimeIndex(days.astype("datetime64[D]").astype("datetime64[us]"), name="session")


def _own(trace: TracebackType | None, folder: str) -> TracebackType | None:
    """The traceback from the first frame of the scanner's own on."""
    while trace and not trace.tb_frame.f_code.co_filename.startswith(folder):
        trace = trace.tb_next
    return trace


def _peak_mib() -> float:
    """The most memory that this program has occupied. What getrusage says begins with the parent's."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:"))
    except FileNotFoundError:
        return peak_mib()


def _limit_memory(mib: int) -> None:
    """Let the process grow to so many MiB in memory: allocating more raises MemoryError, where the system can do it.

    What can be limited is the address space, of which much is never in memory: so much more of it is allowed as memory
    is left. The parent looks at the memory itself.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = [int(number) for number in file.read().split()[:2]]
    except FileNotFoundError:
        return
    size, held = (count * resource.getpagesize() for count in pages)
    limit = size + max(64 * MIB, mib * MIB - held)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """Do the task of the file that is named."""
    task = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Task)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != task.parent:
        sys.exit(1)  # it ended before the kernel knew
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN if hard < 0 else min(MOST_WRITTEN, hard), hard))
    # Asked by the parent before it ends a process that hangs: where it hangs, even if that is in C.
    faulthandler.register(signal.SIGUSR1, file=open(task.stacks, "w", encoding="utf-8"))  # noqa: SIM115
    code = Worker(task).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of the scanner's do not keep it


if __name__ == "__main__":
    main()
