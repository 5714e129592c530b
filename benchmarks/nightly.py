"""How fast are a night, a range of nights and the ingest of a year, against pandas and against an empty Dagster job?

    python benchmarks/nightly.py [--quick] [--json FILE]

Every figure is of whole processes, from start to exit, Python's start and all imports included. The input is the real
feed beside the checkout (`../shared/market/feed`); where it is absent, the demo market stands in. `--quick` uses a
small demo market and one run of each: it shows that the benchmark works, and its figures are not for comparing.

Each run begins with an equal copy of a store that was filled before, in a temporary folder. The hits of the yardsticks
must equal ours; if they differ, the benchmark says where and ends with an error.
"""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from _harness import PROJECT_DIR, BenchmarkError, Report, Run, load_average, main, peaks, run, say, seconds

REAL_FEED = PROJECT_DIR.parent / "shared" / "market" / "feed"
RANGE_SESSIONS = 250
BATCHES = (500, 4_000)


@dataclass(frozen=True)
class Plan:
    """The size of the market that stands in for the real feed, and how often each thing is run."""

    demo_symbols: int
    use_real_feed: bool
    short: int
    long: int
    warm_up: bool


FULL = Plan(demo_symbols=6_000, use_real_feed=True, short=5, long=3, warm_up=True)
QUICK = Plan(demo_symbols=500, use_real_feed=False, short=1, long=1, warm_up=False)


@dataclass
class Bench:
    """The processes that are run, on a market, in a folder of their own."""

    plan: Plan
    folder: Path
    feed: Path

    def workload(self, name: str, *arguments: object, data: Path, **settings: object) -> Run:
        """One of `_workloads.py`, on the data folder `data`."""
        given = {
            "SCAN_DATA_DIR": data,
            "SCAN_PROVIDER": "files",
            "SCAN_FILES_PATH": self.feed,
            "DAGSTER_HOME": self.folder / f"dagster-{name}",
            **settings,
        }
        return run("_workloads.py", name, *arguments, folder=self.folder, settings=given)

    def on_a_copy(self, name: str, *arguments: object, of: Path, **settings: object) -> Run:
        """A workload on a copy of the data folder `of`, which is removed afterwards."""
        copy = self.folder / "copy"
        shutil.copytree(of, copy)
        try:
            return self.workload(name, *arguments, data=copy, **settings)
        finally:
            shutil.rmtree(copy)

    def several(self, count: int, one: Callable[[], Run]) -> list[Run]:
        """`count` runs, after one that does not count: it finds the disk cache and the bytecode cold."""
        if self.plan.warm_up:
            one()
        return [one() for _ in range(count)]


def measure(plan: Plan, folder: Path, report: Report) -> None:
    """Everything, one thing after the other, into `report`."""
    bench = Bench(plan, folder, REAL_FEED)
    cache = folder / "calendar" / "cache"  # the exchange calendar is made once, like in any installation
    if not (plan.use_real_feed and REAL_FEED.is_dir()):
        say("making the demo market")
        bench.feed = folder / "market" / "feed"
        bench.workload("market", bench.feed.parent, plan.demo_symbols, cache, data=cache.parent)
    sessions: list[str] = bench.workload("sessions", data=cache.parent).said["sessions"]

    say("ingest")
    filled = folder / "filled"
    ingested = measure_ingest(bench, report, sessions, cache, filled)
    first, last = sessions[-min(RANGE_SESSIONS, len(sessions))], sessions[-1]
    symbols = bench.workload("universe", first, last, data=filled).said["symbols"]
    market = "real feed" if bench.feed == REAL_FEED else f"demo market of {plan.demo_symbols:,} symbols"
    if bench.feed != REAL_FEED:
        market += " (--quick)" if not plan.use_real_feed else " (the real feed, ../shared/market/feed, is absent)"
    report.input = (
        f"{market}: {ingested.said['delivered']:,} rows, {ingested.said['bars']:,} bars, {len(sessions)} sessions "
        f"{sessions[0]} to {last}; one session is {last}, {symbols:,} symbols"
    )

    say("one session")
    measure_scan(bench, report, filled, last)
    say("the nightly job")
    measure_nightly(bench, report, filled, last)
    say(f"a range of {RANGE_SESSIONS} sessions")
    measure_range(bench, report, filled, first, last)
    report.machine["load_average_at_end"] = load_average()


def measure_ingest(bench: Bench, report: Report, sessions: list[str], cache: Path, filled: Path) -> Run:
    """The whole feed into an empty store; the last of them is kept as `filled`."""
    empty = bench.folder / "empty"
    shutil.copytree(cache, empty / "cache")
    runs = []
    for _ in range(bench.plan.long):
        shutil.rmtree(filled, ignore_errors=True)
        shutil.copytree(empty, filled)
        runs.append(bench.workload("ingest", sessions[0], sessions[-1], data=filled))
    report.add("ingest_feed_s", seconds(runs), "s", "< 30")
    report.add_parts("ingest", runs)
    return runs[-1]


def measure_scan(bench: Bench, report: Report, filled: Path, session: str) -> None:
    """Screen, features and scanners for one session, and the same in pandas."""
    clean = bench.folder / "clean"
    clean.mkdir()
    bench.workload("export", session, clean, data=filled)

    def scan() -> Run:
        return bench.on_a_copy("scan", session, session, of=filled)

    def pandas(name: str) -> Run:
        return run("_yardsticks.py", name, clean, folder=bench.folder)

    if bench.plan.warm_up:
        scan()
        pandas("vectorised")
    # In turns, so that a machine that slows down slows both.
    turns = [(scan(), pandas("vectorised")) for _ in range(bench.plan.short)]
    ours = [a for a, _ in turns]
    yardsticks = {"vectorised": [b for _, b in turns], "loop": [pandas("loop") for _ in range(bench.plan.long)]}
    report.add("scan_s", seconds(ours), "s", "<= 0.6")
    report.add("scan_peak_mib", peaks(ours), "MiB", "<= 300")
    report.add_parts("one session, without Dagster", ours)
    found = ours[-1].said["found"]
    report.notes.append(
        f"{ours[-1].said['passed']:,} symbols passed the screen on {session}; {len(found)} hits, "
        "the same by each yardstick."
    )
    for name, goal in (("vectorised", ">= 6"), ("loop", ">= 30")):
        theirs = yardsticks[name]
        require_equal_hits(f"pandas, {name}", found, theirs[-1].said["found"])
        report.add(f"pandas_{name}_s", seconds(theirs), "s")
        report.add(f"pandas_{name}_peak_mib", peaks(theirs), "MiB")
        ratio = report.figures[f"pandas_{name}_s"].median / report.figures["scan_s"].median
        report.ratios[f"scan_vs_pandas_{name}"] = ratio
        report.goals[f"scan_vs_pandas_{name}"] = goal


def require_equal_hits(yardstick: str, ours: list[list[str]], theirs: list[list[str]]) -> None:
    """Raises BenchmarkError that names the hits of only one side, and where there is nothing to compare."""
    a, b = {(scanner, symbol) for scanner, symbol in ours}, {(scanner, symbol) for scanner, symbol in theirs}
    if a != b:
        raise BenchmarkError(f"{yardstick} finds other hits. Only ours: {sorted(a - b)}; only theirs: {sorted(b - a)}.")
    if not a:
        raise BenchmarkError("There is no hit to compare: choose a larger market.")


def measure_nightly(bench: Bench, report: Report, filled: Path, session: str) -> None:
    """The job through Dagster on a store that has not seen the session, and a job of its shape that does nothing."""
    evening = bench.folder / "evening"
    shutil.copytree(filled, evening)
    bench.workload("forget", session, data=evening)
    shape = bench.folder / "shape.pickle"
    bench.workload("shape", shape, data=evening)
    for name in ("nightly", "empty_job"):
        home = bench.folder / f"dagster-{name}"
        home.mkdir()
        shutil.copy(PROJECT_DIR / "data" / "dagster_home" / "dagster.yaml", home)

    def nightly() -> Run:
        return bench.on_a_copy("nightly", session, of=evening)

    def empty() -> Run:
        return bench.workload("empty_job", shape, session, data=evening)

    if bench.plan.warm_up:  # the first run makes Dagster's own databases, which every later night finds
        nightly()
        empty()
    pairs = [(nightly(), empty()) for _ in range(bench.plan.short)]
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    report.add("nightly_s", seconds(ours), "s")
    report.add("nightly_peak_mib", peaks(ours), "MiB")
    report.add("empty_job_s", seconds(theirs), "s")
    report.add_difference("nightly_over_empty_job_s", "nightly_s", "empty_job_s", "s", "<= 1.0")
    report.add_parts("the nightly job", ours)
    report.add_parts("the empty job", theirs)


def measure_range(bench: Bench, report: Report, filled: Path, first: str, last: str) -> None:
    """Screen and scan a range in one pass, with the default batch and with a small and a large one."""

    def one(**settings: object) -> Run:
        return bench.on_a_copy("scan", first, last, of=filled, **settings)

    runs = bench.several(bench.plan.long, one)
    report.add("range_250_sessions_s", seconds(runs), "s", "< 2")
    compute = [sum(value for part, value in run.said["parts"].items() if part != "import") for run in runs]
    report.add("range_250_sessions_compute_s", compute, "s")
    report.add("range_peak_mib", peaks(runs), "MiB")
    report.add_parts(f"{RANGE_SESSIONS} sessions in one pass, {runs[-1].said['hits']:,} hits", runs)
    for batch in BATCHES:
        runs_of_batch = [one(SCAN_BATCH_SYMBOLS=batch) for _ in range(bench.plan.long)]
        if runs_of_batch[-1].said["hits"] != runs[-1].said["hits"]:
            raise BenchmarkError(f"SCAN_BATCH_SYMBOLS={batch} changes the number of hits of the range.")
        report.add(f"range_peak_mib_batch_{batch}", peaks(runs_of_batch), "MiB")


if __name__ == "__main__":
    sys.exit(main(__doc__, lambda quick, folder, report: measure(QUICK if quick else FULL, folder, report)))
