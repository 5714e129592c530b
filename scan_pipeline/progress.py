"""Progress, time and memory of a run: what is done, how fast, and with how much memory, at most every few seconds.

A stage reports amounts; a `Monitor` turns them into lines for a log (Dagster's), and hands them to a display (the
command line's bars). It knows neither.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

#: Seconds between two lines of one stage.
EVERY_SECONDS = 3.0


class Display(Protocol):
    """Something that shows a stage as it moves."""

    def show(self, stage: str, done: int, total: int, unit: str) -> None:
        """`done` of `total` units; a stage begins with its first call and ends when `done` reaches `total`."""


@dataclass
class Monitor:
    """Collects the times of the stages of a run and says how they go."""

    #: Takes lines for a log; None where nobody reads them.
    log: Callable[[str], None] | None = None
    display: Display | None = None
    #: Seconds spent in each stage so far.
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator["Stage"]:
        """A stage of `total` units of work; says how it went at the end."""
        stage = Stage(self, name, total, unit)
        if self.display:
            self.display.show(name, 0, total, unit)
        yield stage
        spent = time.perf_counter() - stage.started
        self.seconds[name] = self.seconds.get(name, 0.0) + spent
        if self.display:
            self.display.show(name, total, total, unit)
        if self.log:
            rate = f", {stage.done / spent:,.0f} {unit}/s" if spent > 0 and stage.done > 1 else ""
            self.log(f"{name}: {stage.done:,} {unit} in {spent:.2f} s{rate}, {resident_mib():,.0f} MiB")

    def say(self, message: str) -> None:
        """A line for the log."""
        if self.log:
            self.log(message)


@dataclass
class Stage:
    """One stage in progress."""

    monitor: Monitor
    name: str
    total: int
    unit: str
    done: int = 0
    started: float = field(default_factory=time.perf_counter)
    _said: float = field(default_factory=time.perf_counter)

    def advance(self, amount: int, note: str = "") -> None:
        """So many more units are done. Said at most every few seconds."""
        self.done += amount
        now = time.perf_counter()
        if self.monitor.display:
            self.monitor.display.show(self.name, self.done, self.total, self.unit + note)
        if self.monitor.log and now - self._said >= EVERY_SECONDS:
            self._said = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate if rate else 0
            self.monitor.log(
                f"{self.name}: {self.done:,} of {self.total:,} {self.unit}, {rate:,.0f}/s, "
                f"{resident_mib():,.0f} MiB, {left:.0f} s left{note}"
            )


def resident_mib() -> float:
    """Memory that this process occupies now, in MiB."""
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


def peak_mib() -> float:
    """The most memory that this process has occupied, in MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
