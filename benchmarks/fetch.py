"""How fast are sessions fetched from a vendor 50 ms away, against requests in turn, and what does the gateway cost?

    python benchmarks/fetch.py [--quick] [--json FILE]

The vendor is our own gateway in a process of its own, over a store with the real feed (`../shared/market/feed`; where
it is absent, the demo market), each answer held back by 50 ms. Its cache is warm, and both share the cores: at
some rate the machine is busy, and nothing can be faster. `--quick` takes a small demo market and one run of each.

`fetch` is ours without storing, `sequential` one request after the other with requests, json and pandas, `yardstick`
the least that can be done: aiohttp, many at a time, and the same parser.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from _harness import HERE, BenchmarkError, Report, Run, main, run, say
from nightly import FULL, QUICK, REAL_FEED, Bench, Plan

LATENCY_MS = 50
CONCURRENCY = 16
READERS = 64
#: Sessions that all the readers ask for.
READ_SESSIONS = 10


@contextmanager
def vendor(folder: Path, settings: dict[str, object]) -> Iterator[tuple[str, int]]:
    """The vendor's address and process number, while the block runs."""
    import os

    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    command = [sys.executable, str(HERE / "_fetch_workloads.py"), "serve", str(LATENCY_MS)]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                raise BenchmarkError("The vendor's process ended before it served.")
            yield f"http://127.0.0.1:{json.loads(line)['port']}", process.pid
        finally:
            process.kill()


def measure(plan: Plan, folder: Path, report: Report) -> None:
    """Everything, one thing after the other, into `report`."""
    bench = Bench(plan, folder, REAL_FEED)
    cache = folder / "calendar" / "cache"
    if not (plan.use_real_feed and REAL_FEED.is_dir()):
        say("making the demo market")
        bench.feed = folder / "market" / "feed"
        bench.workload("market", bench.feed.parent, plan.demo_symbols, cache, data=cache.parent)
    sessions: list[str] = bench.workload("sessions", data=cache.parent).said["sessions"][-260:]
    say("filling the vendor's store")
    store = folder / "vendor"
    shutil.copytree(cache, store / "cache")
    filled = bench.workload("ingest", sessions[0], sessions[-1], data=store)
    market = "real feed" if bench.feed == REAL_FEED else f"demo market of {plan.demo_symbols:,} symbols"
    report.input = (
        f"{market}: {len(sessions)} sessions {sessions[0]} to {sessions[-1]}, {filled.said['bars'] // len(sessions):,} "
        f"rows each, {LATENCY_MS} ms latency, {CONCURRENCY} under way at once"
    )

    def ask(name: str, *arguments: object, **settings: object) -> Run:
        return run("_fetch_workloads.py", name, *arguments, folder=folder, settings=settings)

    with vendor(folder, {"SCAN_DATA_DIR": store}) as (url, pid):
        say("warming")
        ask("fetch", url, CONCURRENCY, *sessions)
        runs: dict[str, list[Run]] = {"sequential": [], "yardstick": [], "fetch": []}
        for number in range(plan.long):
            say(f"turn {number + 1}")
            # In turns, so that a machine that slows down slows all.
            runs["yardstick"].append(ask("yardstick", url, CONCURRENCY, *sessions))
            runs["fetch"].append(ask("fetch", url, CONCURRENCY, *sessions))
            runs["sequential"].append(ask("sequential", url, *sessions))
        rows = {name: several[-1].said["rows"] for name, several in runs.items()}
        if len(set(rows.values())) != 1:
            raise BenchmarkError(f"Not everyone got the same rows: {rows}.")
        for name, several in runs.items():
            spent = [one.said["seconds"] for one in several]
            report.add(f"{name}_s", spent, "s")
            report.add(f"{name}_sessions_per_s", [len(sessions) / one for one in spent], "sessions/s")
        for name, goal in (("sequential", ">= 8"), ("yardstick", ">= 1")):
            report.ratios[f"fetch_vs_{name}"] = report.figures[f"{name}_s"].median / report.figures["fetch_s"].median
            report.goals[f"fetch_vs_{name}"] = goal
        say("with the store")
        settings = {
            "SCAN_PROVIDER": "massive", "SCAN_MASSIVE_URL": url, "SCAN_MASSIVE_PLAN": "100000/1",
            "SCAN_MASSIVE_CONCURRENCY": CONCURRENCY, "MASSIVE_API_KEY": "any",
        }  # fmt: skip
        stored = []
        for number in range(plan.long):
            data = folder / f"stored-{number}"
            shutil.copytree(cache, data / "cache")
            stored.append(ask("ingest", sessions[0], sessions[-1], SCAN_DATA_DIR=data, **settings))
            shutil.rmtree(data)
        report.add("ingest_s", [one.said["seconds"] for one in stored], "s")
        parsing = median(one.said["parsing"] for one in runs["fetch"])
        whole = median(one.said["cpu"] for one in runs["fetch"])
        report.parts["processor seconds of an ingest"] = {
            "network and Python's start": whole - parsing,
            "parsing": parsing,
            "storing": median(one.said["cpu"] for one in stored) - whole,
        }
        say(f"{READERS} readers")
        read = [ask("readers", url, pid, READERS, *sessions[-READ_SESSIONS:]) for _ in range(plan.long)]
        report.add("gateway_ms_per_grouped_day", [one.said["server_ms"] for one in read], "ms", "<= 15")
        report.add("gateway_requests_per_s", [one.said["requests_per_s"] for one in read], "1/s")
        report.add("gateway_resident_mib", [one.said["server_mib"] for one in read], "MiB")


if __name__ == "__main__":
    sys.exit(main(__doc__, lambda quick, folder, report: measure(QUICK if quick else FULL, folder, report)))
