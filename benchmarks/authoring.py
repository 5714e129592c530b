"""How fast are all indicators and all built-in scanners over 250 sessions, beside TA-Lib, vectorbt and pandas?

    python benchmarks/authoring.py [--quick] [--json FILE]

The input is the real feed beside the checkout (`../shared/market/feed`), or the demo market where it is absent.
`--quick` takes a small demo market, 60 sessions and one turn: its figures are not for comparing.

*The same indicators.* 18 columns that TA-Lib, vectorbt and pandas all have (`_authoring_yardsticks.COLUMNS`), by each
of them and by our engine, on the same bars of all symbols. What is timed is the same for all: it begins with the bars
in memory as a table sorted by symbol and session, and ends with the value of every column for every bar of the last 250
sessions, in the table's order. Whatever a way needs between is its own: a slice a symbol for TA-Lib; a frame and
groupby for pandas; matrices, there and back, for vectorbt; for ours the layout, batches and choice of bars of a scan,
which hands over an array a batch.
Each turn is a process of its own; imports, reading the table, and a first pass on a few symbols (vectorbt is compiled
then) are not timed. All take turns; a ratio is that of the medians of processor time, and says how many times as fast
ours is: all work on one thread, so that on an idle machine it is the time on the clock, and on a busy one it leaves out
what others do. The values of the first turn are compared: where they differ, the benchmark says so and ends.

TA-Lib is called as its users call it, `talib.RSI(close, 14)`; `…_talib_bare` leaves out what its wrapper does where
pandas is installed. vectorbt has an environment of its own, made at the first full run and kept
(`_vectorbt_environment.py`); where there is none, its ratio is left out and a note says why.

*Everything.* Every named feature of every symbol that traded, from the store (`indicators_…`), and `Pipeline.scan` with
every built-in scanner, after universe and screen (`scan_…`), for one session and for the range: whole processes.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import _vectorbt_environment
from _harness import BenchmarkError, Report, Run, load_average, main, peaks, run, say, seconds
from nightly import FULL as NIGHTLY_FULL
from nightly import QUICK as NIGHTLY_QUICK
from nightly import RANGE_SESSIONS, REAL_FEED, Bench
from nightly import Plan as Market

GOALS = {"talib": ">= 0.8", "talib_bare": "", "vectorbt": ">= 1.5", "pandas": ">= 5"}


@dataclass(frozen=True)
class Plan:
    """Turns of the same indicators; runs of everything, for one session and for the range of so many."""

    market: Market
    sessions: int
    turns: int
    short: int
    long: int
    make_environment: bool


FULL = Plan(NIGHTLY_FULL, RANGE_SESSIONS, turns=9, short=3, long=3, make_environment=True)
QUICK = Plan(NIGHTLY_QUICK, 60, turns=1, short=1, long=1, make_environment=False)


def measure(plan: Plan, folder: Path, report: Report) -> None:
    """Everything, one thing after the other, into `report`."""
    bench = Bench(plan.market, folder, REAL_FEED)
    cache = folder / "calendar" / "cache"
    is_real = plan.market.use_real_feed and REAL_FEED.is_dir()
    if not is_real:
        say("making the demo market")
        bench.feed = folder / "market" / "feed"
        bench.workload("market", bench.feed.parent, plan.market.demo_symbols, cache, data=cache.parent)
    sessions: list[str] = bench.workload("sessions", data=cache.parent).said["sessions"]
    first, last = sessions[-min(plan.sessions, len(sessions))], sessions[-1]
    say("filling the store")
    filled = folder / "filled"
    shutil.copytree(cache, filled / "cache")
    bench.workload("ingest", sessions[0], last, data=filled)
    screened = workload(bench, "prepare", first, last, data=filled).said
    table = folder / "table"
    table.mkdir()
    exported = workload(bench, "export", sessions[0], first, last, table, data=filled).said
    market = "real feed" if is_real else f"demo market of {plan.market.demo_symbols:,} symbols"
    report.input = (
        f"{market}: {exported['bars']:,} bars, {len(sessions)} sessions {sessions[0]} to {last}; the range is "
        f"{first} to {last}, {exported['in_range']:,} bars; one session is {last}, {screened['symbols']:,} symbols, of "
        f"which {screened['passed']:,} passed the screen; in the range, {screened['pairs']:,} symbols × sessions did"
    )

    say("the same indicators")
    measure_subset(bench, plan, report, table, filled)
    say("all indicators")
    measure_indicators(bench, plan, report, filled, first, last)
    say("all scanners")
    measure_scans(bench, plan, report, filled, first, last)
    report.machine["load_average_at_end"] = load_average()


def workload(bench: Bench, name: str, *arguments: object, data: Path) -> Run:
    """One of `_authoring_workloads.py`, on the data folder `data`."""
    settings = {"SCAN_DATA_DIR": data, "SCAN_PROVIDER": "files", "SCAN_FILES_PATH": bench.feed}
    return run("_authoring_workloads.py", name, *arguments, folder=bench.folder, settings=settings)


def measure_subset(bench: Bench, plan: Plan, report: Report, table: Path, data: Path) -> None:
    """Ours and the yardsticks in turns, on the same table; the values of the first turn are compared."""
    pythons: dict[str, Path | None] = dict.fromkeys(("talib", "talib_bare", "pandas"))
    vectorbt, reason = _vectorbt(plan)
    if vectorbt:
        pythons["vectorbt"] = vectorbt
    else:
        report.notes.append(f"Without vectorbt, so without `range_vs_vectorbt`: {reason}")
    runs: dict[str, list[Run]] = {name: [] for name in ("ours", *pythons)}
    for turn in range(plan.turns):
        save = ("--save",) if turn == 0 else ()
        runs["ours"].append(workload(bench, "subset", table, *save, data=data))
        for name, python in pythons.items():
            runs[name].append(run("_authoring_yardsticks.py", name, table, *save, folder=bench.folder, python=python))
    compared = []
    for name in pythons:
        said = workload(bench, "compare", table, name, data=data).said
        if said["differ"]:
            words = "; ".join(f"{column}: {what}" for column, what in said["differ"].items())
            raise BenchmarkError(f"{name} gives other values than ours. {words}.")
        compared.append(f"{name} {said['compared']:,}")
    report.notes.append(f"Values that were compared with ours, and are equal: {', '.join(compared)}.")
    for name, ran in runs.items():
        report.add(f"range_{name}_s", [one.said["seconds"] for one in ran], "s")
        report.add(f"range_{name}_processor_s", [one.said["processor_seconds"] for one in ran], "s")
        report.add(f"range_{name}_process_peak_mib", peaks(ran), "MiB")
    for name in pythons:
        ratio = f"range_vs_{name}"
        theirs, ours = (report.figures[f"range_{who}_processor_s"].median for who in (name, "ours"))
        report.ratios[ratio] = theirs / ours
        if GOALS[name]:
            report.goals[ratio] = GOALS[name]


def _vectorbt(plan: Plan) -> tuple[Path | None, str]:
    if not plan.make_environment:
        return _vectorbt_environment.find(), "--quick does not make its environment, and there is none"
    say("vectorbt's environment")
    return _vectorbt_environment.make()


def measure_indicators(bench: Bench, plan: Plan, report: Report, filled: Path, first: str, last: str) -> None:
    """Every named feature of one session and of the range."""
    for name, start, count in (("one_session", last, plan.short), ("range", first, plan.long)):
        runs = [workload(bench, "indicators", start, last, data=filled) for _ in range(count)]
        said = runs[-1].said
        _add(report, f"indicators_{name}", runs)
        report.notes.append(f"All indicators, {name}: {said['features']} features, {said['values']:,} values.")


def measure_scans(bench: Bench, plan: Plan, report: Report, filled: Path, first: str, last: str) -> None:
    """All built-in scanners on one session and on the range, each run on an equal copy of the store."""

    def scan(start: str) -> Run:
        copy = bench.folder / "copy"
        shutil.copytree(filled, copy)
        try:
            return workload(bench, "scan", start, last, data=copy)
        finally:
            shutil.rmtree(copy)

    for name, start, count in (("one_session", last, plan.short), ("range", first, plan.long)):
        runs = [scan(start) for _ in range(count)]
        _add(report, f"scan_{name}", runs)
        hits: dict[str, int] = runs[-1].said["hits"]
        report.notes.append(
            f"All scanners, {name}: {len(hits)} scanners, {sum(hits.values()):,} hits; without any: "
            f"{', '.join(one for one, found in hits.items() if not found) or 'none'}."
        )
        spent: dict[str, list[float]] = {one: [ran.said["seconds"][one] for ran in runs] for one in hits}
        if name == "range":
            for one, values in sorted(spent.items(), key=lambda item: -median(item[1])):
                report.add(f"range_scanner_{one}_s", values, "s")


def _add(report: Report, name: str, runs: list[Run]) -> None:
    report.add(f"{name}_s", seconds(runs), "s")
    report.add(f"{name}_peak_mib", peaks(runs), "MiB")
    report.add_parts(name, runs)


if __name__ == "__main__":
    sys.exit(main(__doc__, lambda quick, folder, report: measure(QUICK if quick else FULL, folder, report)))
