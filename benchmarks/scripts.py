"""What does a user's script take through us, whole, in two shards and screened, against the way users run it?

    python benchmarks/scripts.py [--quick] [--json FILE]

Two scripts as users have them, with the days and symbols of the input written into them: `market_wide` asks for every
day of the whole market, adjusted and unadjusted, and computes 40 indicators of each symbol in a pool of as many
processes as it sees processors; `symbol_list` asks for each of 300 symbols in threads. Each is run

    as_users_run  by Python in the script's own environment, alone, against a vendor 100 ms away. The vendor is our
                  gateway in a process of its own, warm, with the latency added; it shares the machine. Its address is
                  written into a copy of the script, and nothing of ours is in the script's process.
    one_shard     through `scan-pipeline script run --shards 1 --no-screen`
    two_shards    through `scan-pipeline script run --shards 2 --no-screen`
    prefiltered   through `scan-pipeline script run --shards 2 --screen`

Wall time and memory are of whole processes and all their descendants, from start to exit, Dagster included; memory is
resident, sampled four times a second, so that pages that processes share count once in each. A shard's memory and the
requests are what the run itself has noted in `script_outcomes`. Making the script's environment is not measured.

The input is the real feed beside the checkout (`../shared/market/feed`); where it is absent, the demo market stands in.
`--quick` uses a small demo market, fewer days, and one run of each: under a minute, beside the environment's making.
All ways must find the same hits, but for symbols that do not pass the screen; if they differ, the benchmark says where
and ends with an error.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from _harness import HERE, BenchmarkError, Report, Run, load_average, main, run, say
from nightly import FULL, QUICK, REAL_FEED, Bench, Plan

LATENCY_MS = 100
SAMPLE_SECONDS = 0.25
#: Weekdays that the script of the whole market asks for, or as many as the input has.
DAYS_BACK = {True: 330, False: 130}
LISTED = {True: 300, False: 60}
#: Symbols of the market of `--quick`: it waits for a script's 40 indicators of each of them four times.
QUICK_SYMBOLS = 300
#: Longer than any run: what is measured must end by itself.
TIMEOUT_SECONDS = 3_000
VENDOR = "https://api.polygon.io"
#: The ways through us, and their options.
WAYS = {
    "one_shard": ("--shards", 1, "--no-screen"),
    "two_shards": ("--shards", 2, "--no-screen"),
    "prefiltered": ("--shards", 2, "--screen"),
}
Found = set[tuple[str, str]]


@dataclass(frozen=True)
class Measured:
    """One run of a script: the whole command, what it asked for, and for a run through us the most of one shard."""

    seconds: float
    tree_mib: float
    calls: int
    found: Found
    shard_mib: float = 0.0
    shard_seconds: float = 0.0


@dataclass
class Desk:
    """Where scripts are run: a filled store with our scripts, a vendor beside it."""

    bench: Bench
    store: Path
    session: str
    url: str
    vendor_pid: int

    @property
    def settings(self) -> dict[str, object]:
        """Of our commands. The limits are out of the way: what is measured must come to its end."""
        return {
            "SCAN_DATA_DIR": self.store, "DAGSTER_HOME": self.bench.folder / "dagster", "SCAN_PROVIDER": "files",
            "SCAN_FILES_PATH": self.bench.feed, "SCAN_SCRIPT_MEMORY_MIB": 16_000, "SCAN_SCRIPT_COLLECT_MIB": 16_000,
        }  # fmt: skip

    def ask(self, name: str, *arguments: object) -> dict[str, Any]:
        """One of `_script_workloads.py`, on our store; what it says."""
        return run("_script_workloads.py", name, *arguments, folder=self.bench.folder, settings=self.settings).said

    def command(self, *arguments: object) -> tuple[float, float]:
        """`scan-pipeline`, as a whole process: seconds and MiB."""
        program = Path(sys.executable).with_name("scan-pipeline")
        return measure_tree([str(program), *map(str, arguments)], self.bench.folder, self.settings)

    def through_us(self, name: str, way: str) -> Measured:
        """A script by one of the `WAYS`. Raises BenchmarkError where it does not come to its end."""
        seconds, mib = self.command(
            "script", "run", name, "--session", self.session, *WAYS[way], "--timeout", TIMEOUT_SECONDS
        )
        said = self.ask("outcome", name, self.session)
        if not said["ok"]:
            raise BenchmarkError(f"{name}, {way}: {said['message']}")
        if said["shards"] != WAYS[way][1]:
            raise BenchmarkError(f"{name}, {way} was run in {said['shards']} shards.")
        found = {(session, symbol) for session, symbol in said["found"]}
        return Measured(seconds, mib, said["requests"], found, said["peak_mib"], said["seconds"])

    def python_of(self, name: str) -> Path:
        """The Python that the script's last run used."""
        plan = json.loads(Path(self.ask("outcome", name, self.session)["folder"], "plan.json").read_text())
        return Path(plan["python"])

    def as_users_run(self, name: str, source: str) -> Measured:
        """A script without us, in its environment; the vendor's address is that of ours."""
        folder = self.bench.folder / "alone" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(source.replace(VENDOR, self.url), encoding="utf-8")
        before = self._calls()
        seconds, mib = measure_tree([str(self.python_of(name)), f"{name}.py"], folder, {})
        with (folder / "hits.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        found = {(row["date"], row.get("ticker") or row["symbol"]) for row in rows}
        return Measured(seconds, mib, self._calls() - before, found)

    def _calls(self) -> int:
        from urllib.request import urlopen

        with urlopen(f"{self.url}/calls") as answer:
            return int(json.load(answer)["calls"])


def measure_tree(command: Sequence[str], folder: Path, settings: Mapping[str, object]) -> tuple[float, float]:
    """Run a command in `folder`: seconds from start to exit, and the most memory that it and its descendants held."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SCAN_", "DAGSTER_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    environment |= {name: str(value) for name, value in settings.items()}
    out = folder / "stdout.txt"
    os.sync()  # what was copied before must not be written to disk beside the measurement
    with out.open("wb") as stdout:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT
        )
        peak = 0.0
        try:
            while process.poll() is None:
                peak = max(peak, resident_mib(process.pid))
                with suppress(subprocess.TimeoutExpired):  # its end is noticed at once
                    process.wait(SAMPLE_SECONDS)
            seconds = time.perf_counter() - started
        except BaseException:  # Ctrl-C too: the child must not go on alone
            process.kill()
            process.wait()
            raise
    if process.returncode != 0:
        said = "\n".join(out.read_text(errors="replace").splitlines()[-30:])
        raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return seconds, peak


def resident_mib(pid: int) -> float:
    """The resident memory of a process and its descendants, in MiB."""
    total = 0
    try:
        root = psutil.Process(pid)
        several = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for one in several:
        try:
            total += one.memory_info().rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # it ended meanwhile, and holds nothing
    return float(total) / 2**20


@contextmanager
def vendor(bench: Bench, store: Path, as_of: str) -> Iterator[tuple[str, int]]:
    """The vendor's address and process number, while the block runs."""
    environment = {**os.environ, "SCAN_DATA_DIR": str(store)}
    command = [sys.executable, str(HERE / "_script_workloads.py"), "serve", str(LATENCY_MS), as_of]
    with subprocess.Popen(command, cwd=bench.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
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
    sessions: list[str] = bench.workload("sessions", data=cache.parent).said["sessions"]
    session = sessions[-1]
    weekdays = min(DAYS_BACK[plan.use_real_feed], weekdays_between(sessions[0], session))

    say("filling the store")
    store, beside = folder / "ours", folder / "vendor"
    shutil.copytree(cache, store / "cache")
    filled = bench.workload("ingest", sessions[0], session, data=store)
    bench.workload("universe", session, session, data=store)
    bench.workload("scan", session, session, data=store)  # what the night does: the screen is there when scripts run
    shutil.copytree(store, beside)
    with vendor(bench, beside, session) as (url, pid):
        desk = Desk(bench, store, session, url, pid)
        names = desk.ask("symbols", session)["symbols"]
        # Evenly over the alphabet: a part of them does not pass the screen, as in any list.
        count = min(LISTED[plan.use_real_feed], len(names))
        listed = [names[i * len(names) // count] for i in range(count)]
        sources = prepare_scripts(session, weekdays, listed)
        market = "real feed" if bench.feed == REAL_FEED else f"demo market of {plan.demo_symbols:,} symbols"
        report.input = (
            f"{market}: {weekdays} weekdays to {session}, {len(names):,} symbols on the last, "
            f"{filled.said['bars']:,} bars held; {len(listed)} symbols listed; {LATENCY_MS} ms latency as users run it"
        )
        say("warming the vendor")
        days = last_weekdays(session, weekdays)
        cold = warm(desk, [f"/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=true&apiKey=any" for day in days])
        # Days without bars cost nothing, and are not counted.
        traded = len(set(days) & set(sessions))
        report.add("gateway_ms_per_cold_grouped_day", [cold.said["server_ms"] * len(days) / traded], "ms", "<= 15")
        warm(desk, [f"/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=false&apiKey=any" for day in days])
        of_symbol = f"/range/1/day/{years_before(session)}/{session}?adjusted=true&sort=asc&limit=50000&apiKey=any"
        warm(desk, [f"/v2/aggs/ticker/{symbol}{of_symbol}" for symbol in listed])
        passed = set(desk.ask("passed", session)["symbols"])
        for name, source in sources.items():
            measure_script(desk, report, name, source, passed)
    report.machine["load_average_at_end"] = load_average()


def warm(desk: Desk, paths: Sequence[str]) -> Run:
    """Ask the vendor for everything once."""
    listing = desk.bench.folder / "paths.txt"
    listing.write_text("\n".join(paths), encoding="utf-8")
    return run("_script_workloads.py", "ask", desk.url, desk.vendor_pid, listing, folder=desk.bench.folder)


def prepare_scripts(session: str, weekdays: int, listed: Sequence[str]) -> dict[str, str]:
    """The scripts with the input's days and symbols in them."""
    wide = (HERE / "_script_market_wide.py").read_text(encoding="utf-8")
    by_symbol = (HERE / "_script_symbol_list.py").read_text(encoding="utf-8")
    return {
        "market_wide": put(wide, END_DATE=session, DAYS_BACK=weekdays),
        "symbol_list": put(by_symbol, START_DATE=years_before(session), END_DATE=session, SYMBOLS=list(listed)),
    }


def put(source: str, **values: object) -> str:
    """A source with these constants, each of which it has at the beginning of one line."""
    for name, value in values.items():
        source, count = re.subn(rf"^{name} = .*$", f"{name} = {json.dumps(value)}", source, flags=re.MULTILINE)
        if count != 1:
            raise BenchmarkError(f"The script has {count} lines that begin with '{name} = ' instead of one.")
    return source


def measure_script(desk: Desk, report: Report, name: str, source: str, passed: set[str]) -> None:
    """One script in all ways, in turns, so that a machine that slows down slows all."""
    say(f"{name}: its environment")
    file = desk.bench.folder / f"{name}.py"
    file.write_text(source, encoding="utf-8")
    desk.command("script", "add", file)
    if desk.bench.plan.warm_up:
        desk.through_us(name, "prefiltered")
    runs: dict[str, list[Measured]] = {"as_users_run": [], **{way: [] for way in WAYS}}
    for number in range(desk.bench.plan.long):
        for way in WAYS:
            say(f"{name}: turn {number + 1}, {way}")
            runs[way].append(desk.through_us(name, way))
        say(f"{name}: turn {number + 1}, as users run it")
        runs["as_users_run"].append(desk.as_users_run(name, source))
    require_equal_hits(name, runs, passed, report)
    for way, several in runs.items():
        report.add(f"{name}_{way}_s", [one.seconds for one in several], "s")
        report.add(f"{name}_{way}_tree_peak_mib", [one.tree_mib for one in several], "MiB")
        report.add(f"{name}_{way}_calls", [one.calls for one in several], "calls")
        if way != "as_users_run":
            report.add(f"{name}_{way}_shard_peak_mib", [one.shard_mib for one in several], "MiB")
            inside = median(one.shard_seconds for one in several)
            around = median(one.seconds for one in several) - inside
            report.parts[f"{name}, {way}"] = {"the slowest shard": inside, "Dagster, plan, merge, store": around}
    add_ratios(report, name)


def add_ratios(report: Report, name: str) -> None:
    """The goals are for the script of the whole market; the other's ratios carry its name."""

    def ratio(of: str, to: str, unit: str) -> float:
        return report.figures[f"{name}_{of}_{unit}"].median / report.figures[f"{name}_{to}_{unit}"].median

    before = "" if name == "market_wide" else f"{name}_"
    for label, value, goal in (
        ("two_shards_vs_one", ratio("one_shard", "two_shards", "s"), ">= 1.7"),
        ("prefiltered_vs_as_users_run", ratio("as_users_run", "prefiltered", "s"), ">= 5"),
        ("shard_peak_share", ratio("two_shards", "one_shard", "shard_peak_mib"), "<= 0.6"),
    ):
        report.ratios[before + label] = value
        if not before:
            report.goals[label] = goal


def require_equal_hits(name: str, runs: Mapping[str, Sequence[Measured]], passed: set[str], report: Report) -> None:
    """Raises BenchmarkError that names the hits of only one side, and where there is nothing to compare."""
    whole = runs["one_shard"][0].found
    screened = {(session, symbol) for session, symbol in whole if symbol in passed}
    for way, several in runs.items():
        wanted = screened if way == "prefiltered" else whole
        for one in several:
            if one.found != wanted:
                raise BenchmarkError(
                    f"{name}, {way} finds other hits. Only there: {sorted(one.found - wanted)[:10]}; "
                    f"missing there: {sorted(wanted - one.found)[:10]}."
                )
    if not screened:
        raise BenchmarkError(f"{name} has no hit to compare: choose a larger market.")
    report.notes.append(
        f"{name}: {len(whole)} hits, the same in all ways; {len(screened)} of them are of symbols that pass the "
        "screen, and the prefiltered run finds exactly these."
    )


def weekdays_between(first: str, last: str) -> int:
    """How many weekdays there are from one day to another, both counted."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return sum((start + timedelta(days)).weekday() < 5 for days in range((end - start).days + 1))


def years_before(day: str) -> str:
    """Where the list's history begins: the sixth year back, as 2020 is for a script of 2025."""
    return f"{int(day[:4]) - 5}-01-01"


def last_weekdays(last: str, count: int) -> list[str]:
    """So many weekdays up to a day, oldest first."""
    day = date.fromisoformat(last)
    days: list[str] = []
    while len(days) < count:
        if day.weekday() < 5:
            days.append(str(day))
        day -= timedelta(1)
    return days[::-1]


if __name__ == "__main__":
    small = replace(QUICK, demo_symbols=QUICK_SYMBOLS)
    sys.exit(main(__doc__, lambda quick, folder, report: measure(small if quick else FULL, folder, report)))
