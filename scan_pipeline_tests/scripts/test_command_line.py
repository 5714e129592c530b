"""The command `scan-pipeline script`, as a trader types it: real processes, a real store, Dagster between them."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from scan_pipeline.defs.runs import open_instance
from scan_pipeline.scripts.library import add_script
from scan_pipeline.scripts.sidecar import read_sidecar
from scan_pipeline_tests.cli.test_commands import COMMAND, Terminal
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scripts.catalogue import EXAMPLES

pytestmark = pytest.mark.slow

#: Everything of a run is gone this many seconds after its end: SIGINT has five, SIGTERM two, the rest is looking.
GONE_AFTER = 15

#: In the manner of traders: a list of dicts, and a DataFrame of them.
GAINERS = """
import requests, sys
import pandas as pd
DAY = "2025-12-31"
MIN_PRICE = 5
url = f"https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/{DAY}?adjusted=true&apiKey=mine"
found = []
for bar in requests.get(url).json().get("results", []):
    gain = (bar["c"] / bar["o"] - 1) * 100
    if gain > 2 and bar["c"] > MIN_PRICE:
        found.append({"date": DAY, "symbol": bar["T"], "gain": gain, "close": bar["c"], "volume": bar["v"]})
df = pd.DataFrame(found, columns=["date", "symbol", "gain", "close", "volume"])
print(df.to_string())
"""
FAULTY = GAINERS + "if len(df): raise RuntimeError('no more\\nroom')\n"


@pytest.fixture(scope="module")
def trader(
    tmp_path_factory: pytest.TempPathFactory,
    scripts_store: Path,
    environments_dir: Path,
    settings_at: SettingsFactory,
    demo_market: Path,
) -> Terminal:
    """Someone with the demo market, some scripts of their own, and a few that misbehave."""
    folder = tmp_path_factory.mktemp("trader")
    settings = settings_at(folder / "data")
    shutil.copyfile(scripts_store, settings.database_path)
    settings.environments_dir.symlink_to(environments_dir)
    terminal = Terminal(
        folder, SCAN_PROVIDER="files", SCAN_FILES_PATH=str(demo_market / "feed"), DAGSTER_HOME=str(folder / "dagster")
    )
    (folder / "gainers.py").write_text(GAINERS)
    (folder / "faulty.py").write_text(FAULTY)
    for name in ("market_rank_async", "naughty_daemon", "naughty_sleeps"):
        shutil.copyfile(EXAMPLES[name].path, folder / f"{name}.py")
    for name in ("gainers", "faulty", "market_rank_async", "naughty_daemon", "naughty_sleeps"):
        add_script(folder / f"{name}.py", settings.scripts_dir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", terminal.environment["DAGSTER_HOME"])
        with open_instance(settings):
            return terminal


def beside(trader: Terminal, name: str) -> Path:
    return trader.folder / "data" / "scripts" / f"{name}.toml"


def test_adding_tells_what_a_script_is_and_changes_nothing_of_it(trader: Terminal) -> None:
    said = trader.type("script", "add", "gainers.py").stdout
    for expected in ("grouped daily", "pandas, requests", "DAY", "global df", "unmodified", "script run gainers"):
        assert expected in said
    assert (trader.folder / "data" / "scripts" / "gainers.py").read_text() == GAINERS
    other = trader.folder / "other" / "gainers.py"
    other.parent.mkdir()
    other.write_text("hits = []\n")
    assert "--replace` takes yours" in trader.type("script", "add", str(other), code=1).stderr
    assert (trader.folder / "data" / "scripts" / "gainers.py").read_text() == GAINERS


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.py", "def (:\n", "broken.py, line 1: invalid syntax"),
        ("notes.ipynb", "{}", "is a notebook. `jupyter nbconvert --to script notes.ipynb`"),
        ("notes.txt", "hm", "is no Python script"),
        ("nowhere.py", None, "cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_script_is_refused_in_one_line(trader: Terminal, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (trader.folder / name).write_text(content)
    done = trader.type("script", "add", name, code=1)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nothing"), "There is no script"),
        (("run", "gainers", "--session", "2025-12-31", "--from", "2025-12-30"), "either --session, or --from and --to"),
        (("check", "gainers", "--from", "2025-12-30", "--to", "2025-12-31"), "takes no range"),
    ],
)
def test_a_mistake_is_answered_in_one_line(trader: Terminal, words: tuple[str, ...], said: str) -> None:
    done = trader.type("script", *words, code=1)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_two_runs_at_once_print_the_same_hits_and_the_list_tells_of_them(trader: Terminal) -> None:
    words = [*COMMAND, "script", "run", "gainers", "--no-screen"]
    runs = [
        subprocess.Popen(
            words, env=trader.environment, cwd=trader.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    first, second = (out.splitlines() for out, _ in said)
    tables = [[line for line in lines if line.startswith(("2025-", "session"))] for lines in (first, second)]
    assert tables[0] == tables[1]
    assert tables[0][0].split() == ["session", "symbol", "gain", "close", "volume"]
    assert "gainers as of 2025-12-31: " in first[1]
    assert "2 requests answered from the store" in said[0][0]
    assert "calls to the vendor" not in said[0][0]
    (line,) = [line for line in trader.type("script", "list").stdout.splitlines() if line.startswith("gainers")]
    assert "2025-12-31" in line
    assert line.endswith("ok")


def test_a_faulty_script_ends_in_one_line_and_its_hits_are_kept(trader: Terminal) -> None:
    done = trader.type("script", "run", "faulty", "--no-screen", "--shards", "1", code=1)
    assert "partial hits" in done.stdout
    (error,) = done.stderr.splitlines()
    assert "faulty crashed: RuntimeError: no more room" in error
    assert "stderr.txt" in error
    assert "RuntimeError" not in done.stdout
    (line,) = [line for line in trader.type("script", "list").stdout.splitlines() if line.startswith("faulty")]
    assert "partial: faulty crashed" in line


def test_a_check_of_a_script_that_looks_at_symbols_one_by_one_finds_no_difference(trader: Terminal) -> None:
    before = beside(trader, "gainers").read_text()
    said = trader.type("script", "check", "gainers", "--shards", "3").stdout
    assert "whole against shards: the same" in said
    assert "all symbols against screened, where both show them: the same" in said
    assert "hidden by the screen" in said
    assert beside(trader, "gainers").read_text() == before


def test_a_check_finds_out_ranks_over_the_market_and_the_script_runs_whole_from_then_on(trader: Terminal) -> None:
    said = trader.type("script", "check", "market_rank_async").stdout
    assert "universe_size" in said
    assert "now says `shards = 1`" in said
    assert "now says `screen = false`" in said
    pinned = read_sidecar(beside(trader, "market_rank_async"))
    assert (pinned.shards, pinned.screen) == (1, False)


@contextmanager
def running(trader: Terminal, name: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """`script run`, once the script is at its work."""
    runs = trader.folder / "data" / "script_runs" / name
    before = set(runs.iterdir()) if runs.exists() else set()
    words = [*COMMAND, "script", "run", name, "--no-screen", "--shards", "1", *options]
    process = subprocess.Popen(
        words, env=trader.environment, cwd=trader.folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            begun = [run for run in (runs.iterdir() if runs.exists() else ()) if run not in before]
            beats = [beat for run in begun for beat in run.glob("shard-01/work/heartbeat.txt")]
            if [ready for run in begun for ready in run.glob("shard-01/ready")] and (
                name != "naughty_daemon" or any("daemon" in beat.read_text() for beat in beats)
            ):
                break
            time.sleep(0.1)
        time.sleep(0.5)
        yield process
    finally:
        process.kill()
        process.wait()


def left(trader: Terminal) -> list[str]:
    """Processes that have to do with runs of scripts."""
    folder = str(trader.folder / "data" / "script_runs")
    found = []
    for one in psutil.process_iter(["cwd", "cmdline", "status"]):
        text = " ".join([one.info["cwd"] or "", *(one.info["cmdline"] or [])])
        if folder in text and one.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(text)
    return found


def assert_nothing_is_left(trader: Terminal) -> None:
    deadline = time.monotonic() + GONE_AFTER
    while left(trader) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left(trader) == []


def test_a_daemon_does_not_outlive_the_command_that_was_killed(trader: Terminal) -> None:
    with running(trader, "naughty_daemon") as process:
        assert len(left(trader)) >= 2
        process.kill()
        assert_nothing_is_left(trader)


def test_ctrl_c_ends_the_script_in_words_and_keeps_what_it_wrote(trader: Terminal) -> None:
    with running(trader, "naughty_daemon") as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("Interrupted.")
    assert len(said.splitlines()) == 1
    assert_nothing_is_left(trader)
    runs = [*(trader.folder / "data" / "script_runs" / "naughty_daemon").iterdir()]
    assert all((run / "shard-01" / "work" / "heartbeat.txt").stat().st_size for run in runs)


def test_a_daemon_does_not_outlive_the_step_that_was_killed_and_the_run_says_so(trader: Terminal) -> None:
    with running(trader, "naughty_daemon") as process:
        (warden,) = [
            one
            for one in psutil.Process(process.pid).children(recursive=True)
            if "warden.py" in " ".join(one.cmdline())
        ]
        psutil.Process(warden.ppid()).kill()
        assert_nothing_is_left(trader)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == (
        "error: The process that ran a shard of naughty_daemon was killed, and the shard with it. Run it again.\n"
    )


def test_a_run_that_dagster_cancels_ends_its_script(trader: Terminal) -> None:
    with running(trader, "naughty_sleeps") as process:
        with dg.DagsterInstance.from_config(trader.environment["DAGSTER_HOME"]) as instance:
            active = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={"scan_pipeline/pid": str(process.pid)})
            (run,) = instance.get_runs(active)
            instance.report_run_canceling(run)
        assert_nothing_is_left(trader)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was cancelled" in said
