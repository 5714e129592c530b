"""Measuring whole processes: wall time and peak memory from start to exit, in medians of several runs.

What is measured runs in a child process, which prints one JSON object as its last line: its own times and results. The
measuring process imports the standard library only: the kernel counts a parent's peak memory as its child's, so a heavy
parent would hide what a child needs.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT_DIR = HERE.parent
#: The packages whose versions a result depends on.
PACKAGES = ("dagster", "duckdb", "numpy", "TA-Lib", "pandas", "pyarrow")


class BenchmarkError(Exception):
    """A process failed, or a result is not what it must be; the message says which."""


@dataclass(frozen=True)
class Run:
    """One finished process: seconds from start to exit, the most memory it held, and what it said."""

    seconds: float
    peak_mib: float
    said: dict[str, Any]

    @property
    def parts(self) -> dict[str, float]:
        """Where its time went, in seconds, in order; `start and exit` is what the process could not see of itself."""
        parts: dict[str, float] = self.said.get("parts", {})
        return {**parts, "start and exit": self.seconds - sum(parts.values())}


@dataclass(frozen=True)
class Figure:
    """A measured quantity: one value a run, and their median where it is not given."""

    values: Sequence[float]
    unit: str
    given_median: float | None = None

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values) if self.given_median is None else self.given_median

    def as_json(self) -> dict[str, Any]:
        """As the result file has it."""
        values = {"median": self.median, "min": min(self.values), "max": max(self.values)}
        return {name: round(value, 4) for name, value in values.items()} | {"unit": self.unit}


@dataclass
class Report:
    """What a benchmark found. `parts` says where the time of a workload goes: medians in seconds, by part."""

    machine: dict[str, Any]
    input: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    goals: dict[str, str] = field(default_factory=dict)
    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, values: Sequence[float], unit: str, goal: str = "") -> None:
        """A figure, and what it should be."""
        self.figures[name] = Figure(values, unit)
        if goal:
            self.goals[name] = goal

    def add_difference(self, name: str, one: str, other: str, unit: str, goal: str = "") -> None:
        """The difference of two figures' medians; its least and greatest are those of the runs in pairs."""
        a, b = self.figures[one], self.figures[other]
        pairs = [x - y for x, y in zip(a.values, b.values, strict=True)]
        self.figures[name] = Figure(pairs, unit, a.median - b.median)
        self.goals[name] = goal

    def add_parts(self, workload: str, runs: Sequence[Run]) -> None:
        """Where the time of these runs of one workload went."""
        self.parts[workload] = {part: median(run.parts[part] for run in runs) for part in runs[0].parts}

    def as_json(self) -> dict[str, Any]:
        """The result file."""
        return {
            "machine": self.machine,
            "input": self.input,
            "figures": {name: figure.as_json() for name, figure in self.figures.items()},
            "ratios": {name: round(value, 2) for name, value in self.ratios.items()},
            "notes": self.notes,
        }

    def as_text(self) -> str:
        """The result for people: Markdown tables that line up."""
        lines = [f"{name.replace('_', ' ')}: {value}" for name, value in self.machine.items()] + [
            f"input: {self.input}",
            "",
        ]
        rows = [
            (
                name,
                _number(figure.median),
                _number(min(figure.values)),
                _number(max(figure.values)),
                figure.unit,
                str(len(figure.values)),
                self.goals.get(name, ""),
            )
            for name, figure in self.figures.items()
        ]
        lines += _table(("figure", "median", "min", "max", "unit", "runs", "goal"), rows)
        if self.ratios:
            times = [(name, f"{ratio:.2f}", self.goals.get(name, "")) for name, ratio in self.ratios.items()]
            lines += ["", *_table(("ratio of medians", "times", "goal"), times)]
        lines += ["", "Where the time goes (medians, seconds):", ""]
        for workload, parts in self.parts.items():
            lines.append(f"- {workload}: " + ", ".join(f"{part} {value:.2f}" for part, value in parts.items()))
        return "\n".join([*lines, "", *self.notes])


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, memory, versions, and how busy the machine was before."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "date": time.strftime("%Y-%m-%d"),
        "load_average_at_start": load_average(),
    }


def load_average() -> float:
    """Processes that wanted to run over the last minute; much above what is measured, others slowed it down."""
    return round(os.getloadavg()[0], 2)


def run(
    script: str,
    *arguments: object,
    folder: Path,
    settings: Mapping[str, object] | None = None,
    python: Path | None = None,
) -> Run:
    """Run a script of this folder in a process of its own, in `folder`, with these settings and no others of ours.

    `python`: another one than ours.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        # Without bytecode every process would compile its imports anew, which no installation does.
        if not name.startswith(("SCAN_", "DAGSTER_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    environment |= {name: str(value) for name, value in (settings or {}).items()}
    command = [str(python or sys.executable), str(HERE / script), *map(str, arguments)]
    out, err = folder / "stdout.txt", folder / "stderr.txt"
    os.sync()  # what was copied before must not be written to disk beside the measurement
    with out.open("wb") as stdout, err.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:  # Ctrl-C too: the child must not go on alone
            process.kill()
            process.wait()
            raise
    if process.returncode != 0:
        said = "\n".join((err.read_text(errors="replace") + out.read_text(errors="replace")).splitlines()[-30:])
        raise BenchmarkError(f"{script} {' '.join(map(str, arguments))} ended with {process.returncode}:\n{said}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Run(seconds, peak, json.loads(out.read_text().splitlines()[-1]))


def seconds(runs: Sequence[Run]) -> list[float]:
    """The wall time of each run."""
    return [run.seconds for run in runs]


def peaks(runs: Sequence[Run]) -> list[float]:
    """The peak memory of each run, in MiB."""
    return [run.peak_mib for run in runs]


def say(what: str) -> None:
    """Progress, for the person who waits."""
    print(f"{what} …", file=sys.stderr, flush=True)


def main(about: str | None, measure: Callable[[bool, Path, Report], None]) -> int:
    """A benchmark's command: the exit code is 0, or 1 with a message if a process fails or a result differs.

    `measure` fills the report, in a folder of its own; the first argument says whether a small input is enough.
    """
    parser = argparse.ArgumentParser(description=(about or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small demo market and few runs, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there instead of printing it")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the temporary folder goes, the process in it too
    report = Report(machine())
    try:
        with tempfile.TemporaryDirectory(prefix="scan_pipeline_benchmark_") as folder:
            measure(arguments.quick, Path(folder).resolve(), report)
    except BenchmarkError as error:
        print(f"{report.as_text()}\n\nNot complete: {error}", file=sys.stderr)
        return 1
    if arguments.quick:
        report.goals.clear()  # they are goals for the real feed
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    else:
        print(report.as_text())
    return 0


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 50 else f"{value:.2f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
