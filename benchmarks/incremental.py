"""What does a rerun cost after 0, 1, 30, 300 and all symbols changed, and does it give what a full scan gives?

    python benchmarks/incremental.py [--quick] [--json FILE]

The input is the real feed beside the checkout (`../shared/market/feed`), or the demo market where it is absent.
`--quick` takes a small demo market and few turns: its figures are not for comparing.

*Compute* is what a rerun does in place of a scan, in one process: `find_changes` and `scan(incremental=True)`, against
`scan` of a store that knows nothing of the session, in turns. Ingest, universe and screen come before both and are the
same for both: they are not in either, and universe and screen are a figure of their own. The default screen lets about
every fifth symbol through; `…_all_symbols` is the same with limits that let everything through that traded.
*Whole processes* are `scan-pipeline rerun` and `scan-pipeline run`, start to exit, with Dagster.
*Day by day*: the feed is delivered again as the vendor did, each delivery followed by a rerun of the sessions in it.

After each rerun its results are compared with a full scan's, row for row; a difference ends the benchmark.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from _harness import BenchmarkError, Report, Run, load_average, main, peaks, run, say, seconds
from nightly import FULL as NIGHTLY_FULL
from nightly import QUICK as NIGHTLY_QUICK
from nightly import REAL_FEED, Bench
from nightly import Plan as Market

#: How many changed symbols are measured, and what the figures call them.
COUNTS = {"0": "0_symbols", "1": "1_symbol", "30": "30_symbols", "300": "300_symbols", "all": "all_passed"}
#: A screen that lets everything through that traded on the session.
LOOSEST = {
    "SCAN_SCREEN__MIN_AVERAGE_VOLUME": 0,
    "SCAN_SCREEN__MIN_PRICE": 0,
    "SCAN_SCREEN__MAX_PRICE": 1e9,
    "SCAN_SCREEN__MIN_MARKET_CAP": 0,
    "SCAN_SCREEN__MIN_BARS_HELD": 1,
}


@dataclass(frozen=True)
class Plan:
    """Turns of compute and of whole processes; the deliveries day by day, and at how many of them is compared."""

    market: Market
    turns: int
    processes: int
    #: Numbers of changed symbols, of COUNTS, after which whole processes are measured.
    process_counts: tuple[str, ...]
    deliveries: int
    checks: int
    #: The first day that is delivered alone; None: as many sessions before the last as there are deliveries.
    first_day: str | None = None


FULL = Plan(
    NIGHTLY_FULL, turns=7, processes=3, process_counts=(*COUNTS,), deliveries=1_000, checks=10, first_day="2015-12-01"
)
QUICK = Plan(NIGHTLY_QUICK, turns=1, processes=1, process_counts=("30",), deliveries=3, checks=1)


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
    last = sessions[-1]
    say("filling the store")
    filled = folder / "filled"
    shutil.copytree(cache, filled / "cache")
    bench.workload("ingest", sessions[0], last, data=filled)
    symbols = bench.workload("universe", last, last, data=filled).said["symbols"]
    market = "real feed" if is_real else f"demo market of {plan.market.demo_symbols:,} symbols"
    report.input = (
        f"{market}: {len(sessions)} sessions {sessions[0]} to {last}; one session is {last}, {symbols:,} symbols"
    )

    for suffix, screen in (("", {}), ("_all_symbols", LOOSEST)):
        say("compute" + (", all symbols" if screen else ""))
        measure_compute(bench, plan, report, filled, last, suffix, screen)
    say("whole processes")
    measure_processes(bench, plan, report, filled, last)
    say("day by day")
    first_day = plan.first_day if is_real and plan.first_day else sessions[-min(plan.deliveries, len(sessions))]
    measure_days(bench, plan, report, cache, first_day)
    report.machine["load_average_at_end"] = load_average()


def workload(bench: Bench, name: str, *arguments: object, data: Path, feed: Path | None = None, **more: object) -> Run:
    """One of `_incremental_workloads.py`, on the data folder `data`."""
    settings = {"SCAN_DATA_DIR": data, "SCAN_PROVIDER": "files", "SCAN_FILES_PATH": feed or bench.feed, **more}
    return run("_incremental_workloads.py", name, *arguments, folder=bench.folder, settings=settings)


def measure_compute(
    bench: Bench, plan: Plan, report: Report, filled: Path, session: str, suffix: str, screen: dict[str, Any]
) -> None:
    """Reruns and full scans in turns, in one process; the shares are ratios of medians."""
    copy, corrections = bench.folder / "copy", bench.folder / "corrections"
    shutil.copytree(filled, copy)
    bench.workload("scan", session, session, data=copy, **screen)
    said = workload(bench, "compute", session, plan.turns, corrections, data=copy, **screen).said
    shutil.rmtree(copy)
    shutil.rmtree(corrections)
    measured: dict[str, dict[str, list[float]]] = said["seconds"]
    fulls = [spent for one in measured.values() for spent in one["full"]]
    report.add(f"full_scan_s{suffix}", fulls, "s")
    for count, name in COUNTS.items():
        report.add(f"rerun_{name}_s{suffix}", measured[count]["rerun"], "s")
    report.add(f"universe_and_screen_s{suffix}", [spent for one in measured.values() for spent in one["before"]], "s")
    for ratio, count, goal in (("unchanged_share", "0", "<= 0.10"), ("thirty_symbols_share", "30", "<= 0.20")):
        # Both of the same turns: a machine that slows down slows both.
        report.ratios[ratio + suffix] = median(measured[count]["rerun"]) / median(measured[count]["full"])
        report.goals[ratio + suffix] = goal
    for count, name in COUNTS.items():
        parts = {"finding changes": "changes", "scanning": "scan", "the full scan of the same turns": "full"}
        report.parts[f"rerun of {name}{suffix}"] = {
            words: median(measured[count][part]) for words, part in parts.items()
        }
    shares = ", ".join(
        f"{said['rescanned'][count]:,} changed: {100 * median(one['rerun']) / median(one['full']):.1f} %"
        for count, one in measured.items()
    )
    report.notes.append(
        f"{said['passed']:,} symbols passed{' the loosest screen' if screen else ''}; rerun of a full scan's compute, "
        f"{shares}; {said['hits']} hits and all features the same after each."
    )


def measure_processes(bench: Bench, plan: Plan, report: Report, filled: Path, session: str) -> None:
    """The commands `run` and `rerun`, in turns, each on an equal copy of a store that has scanned the session."""
    feed = bench.folder / "delivered" / "feed"
    feed.mkdir(parents=True)
    for path in (*bench.feed.glob("*.parquet"), *bench.feed.parent.glob("*.csv")):
        (feed if path.suffix == ".parquet" else feed.parent).joinpath(path.name).symlink_to(path)
    scanned = bench.folder / "scanned"
    shutil.copytree(filled, scanned)
    workload(bench, "command", "run", "--session", session, data=scanned, feed=feed)

    def on_a_copy(*arguments: str) -> tuple[Run, dict[str, Any]]:
        copy = bench.folder / "copy"
        shutil.copytree(scanned, copy)
        try:
            ran = workload(bench, "command", *arguments, "--session", session, data=copy, feed=feed)
            return ran, workload(bench, "results", session, data=copy).said
        finally:
            shutil.rmtree(copy)

    runs: dict[str, list[Run]] = {"run": [], **{count: [] for count in plan.process_counts}}
    for _ in range(plan.processes):
        for count in plan.process_counts:
            (feed / "correction.parquet").unlink(missing_ok=True)
            if count != "0":
                workload(bench, "correction", session, count, feed, data=scanned)
            ran, ours = on_a_copy("rerun")
            runs[count].append(ran)
            if count in ("30", "all"):  # a night costs as much whatever changed
                ran, theirs = on_a_copy("run")
                runs["run"].append(ran)
                if ours != theirs:
                    raise BenchmarkError(f"After {count} symbols changed, `rerun` and `run` leave different results.")
    (feed / "correction.parquet").unlink()
    report.add("run_process_s", seconds(runs["run"]), "s")
    for count in plan.process_counts:
        report.add(f"rerun_process_{COUNTS[count]}_s", seconds(runs[count]), "s")
    report.add("run_process_peak_mib", peaks(runs["run"]), "MiB")
    nightly = report.figures["run_process_peak_mib"].median
    report.add(
        "rerun_process_peak_mib",
        [one for count in plan.process_counts for one in peaks(runs[count])],
        "MiB",
        f"<= {nightly:.0f}",
    )


def measure_days(bench: Bench, plan: Plan, report: Report, cache: Path, first_day: str) -> None:
    """The feed again, delivery by delivery; what was reported before `first_day` at once."""
    data, market = bench.folder / "days", bench.folder / "days_market"
    shutil.copytree(cache, data / "cache")
    said = workload(bench, "day_by_day", bench.feed, first_day, plan.deliveries, plan.checks, market, data=data).said
    report.add("delivery_rerun_s", said["rerun"], "s")
    report.add("delivery_full_scan_s", said["full"], "s")
    report.add("delivery_universe_and_screen_s", said["prepare"], "s")
    report.add("delivery_ingest_s", said["ingest"], "s")
    if said["hit_rates"]:
        report.add("cache_hit_rate", said["hit_rates"], "of symbols")
        report.add("corrected_symbols", said["corrected"], "symbols")
        report.notes.append(
            f"{said['days']} deliveries, {first_day} to {said['last']}, {len(said['hit_rates'])} sessions corrected: "
            f"mean hit rate {mean(said['hit_rates']):.3f}, {mean(said['corrected']):.0f} symbols scanned again."
        )
    report.notes.append(
        f"At {plan.checks} of the deliveries {said['compared']} sessions, {said['rows']:,} rows of hits, outcomes and "
        "features, were those of a full scan of what was known then."
    )


if __name__ == "__main__":
    sys.exit(main(__doc__, lambda quick, folder, report: measure(QUICK if quick else FULL, folder, report)))
