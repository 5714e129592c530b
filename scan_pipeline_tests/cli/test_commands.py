"""The command `scan-pipeline`, as a person types it: real processes, real files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from scan_pipeline.cli.main import main
from scan_pipeline_tests.conftest import SettingsFactory

COMMAND = [str(Path(sys.executable).with_name("scan-pipeline"))]


class Terminal:
    """A shell in an empty folder, with the settings of one person."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SCAN_DATA_DIR": str(folder / "data"), "COLUMNS": "200", **environment}

    def type(self, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *words],
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def here(self, *words: str, code: int = 0, **environment: str) -> Result:
        """The same in this process, where everything is loaded already."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.delenv("DAGSTER_HOME", raising=False)
            done = CliRunner().invoke(main, words, env=self.environment | environment)
            patch.setenv("DAGSTER_HOME", "")  # what the command has set is taken back
        assert done.exit_code == code, (words, done.output, done.exception)
        return done


@pytest.fixture(scope="module")
def scanned(
    few_built_in_jobs: None, tmp_path_factory: pytest.TempPathFactory, demo_market: Path, settings_at: SettingsFactory
) -> Terminal:
    """A database with a quarter of the demo market, and three scanned sessions."""
    folder = tmp_path_factory.mktemp("person")
    settings_at(folder / "data")  # puts the calendar into the cache
    terminal = Terminal(
        folder, SCAN_PROVIDER="files", SCAN_FILES_PATH=str(demo_market / "feed"), SCAN_SCREEN__MIN_BARS_HELD="20"
    )
    scanners = folder / "data" / "scanners"
    scanners.mkdir(parents=True)
    (scanners / "gainers.sql").write_text(
        "-- rank: change_pct desc\n-- limit: 4\nselect session, symbol, change_pct from features"
    )
    (scanners / "broken.sql").write_text("select session,\n  symbl\nfrom features")
    assert "Ingested 60 sessions" in terminal.here("ingest", "--from", "2025-10-07", "--to", "2025-12-31").stdout
    terminal.here("backfill", "--from", "2025-12-29", "--to", "2025-12-30")
    return terminal


def test_a_night_prints_hits_the_funnel_times_memory_and_what_failed(scanned: Terminal) -> None:
    done = scanned.here("run", "--session", "2025-12-31")
    assert "nightly_scan of 2025-12-31" in done.stdout
    assert "too little volume" in done.stdout
    assert "gainers: 4 hits" in done.stdout
    assert "scan_results" in done.stdout
    assert "MiB" in done.stdout
    assert "60 of the 314 sessions before it are held" in done.stdout
    assert "broken.sql, line 2" in done.stdout
    assert "check scanner_broken" in done.stderr
    assert "%" not in done.stderr.split("check")[0], "no progress bar where the output is no terminal"


def test_hits_come_out_as_csv_json_and_parquet_with_the_same_rows(scanned: Terminal, tmp_path: Path) -> None:
    words = ("results", "--session", "2025-12-30", "--scanner", "gainers", "--format")
    as_json = json.loads(scanned.here(*words, "json").stdout)
    as_csv = scanned.here(*words, "csv").stdout.splitlines()
    file = tmp_path / "hits.parquet"
    with file.open("wb") as out:
        subprocess.run(
            [*COMMAND, *words, "parquet"], env=scanned.environment, cwd=scanned.folder, stdout=out, check=True
        )
    as_parquet = duckdb.sql(f"select symbol, rank from '{file}' order by rank").fetchall()
    assert [hit["rank"] for hit in as_json] == [1, 2, 3, 4]
    assert [(hit["symbol"], hit["rank"]) for hit in as_json] == as_parquet
    assert as_csv[0].startswith("session,scanner,rank,symbol,name,score,change_pct,")
    assert [line.split(",")[3] for line in as_csv[1:]] == [hit["symbol"] for hit in as_json]
    changes = [hit["details"]["change_pct"] for hit in as_json]
    assert changes == sorted(changes, reverse=True)
    assert changes == [hit["score"] for hit in as_json]


def test_why_tells_bar_decision_features_and_hits(scanned: Terminal) -> None:
    top = json.loads(
        scanned.here("results", "--session", "2025-12-30", "--scanner", "gainers", "--format", "json").stdout
    )
    said = scanned.here("why", top[0]["symbol"], "--session", "2025-12-30").stdout
    for expected in ("bar, as traded", "passed: it is scanned", "average_volume_20", "rsi_14"):
        assert expected in said
    assert "gainers: hit, rank 1" in said
    assert "broken: failed" in said
    left_out = scanned.here("why", "SPY", "--session", "2025-10-20").stdout
    assert "The screen has not decided" in left_out
    assert "This session has not been scanned" in left_out


def test_status_tells_sessions_gaps_runs_and_the_database(scanned: Terminal) -> None:
    said = scanned.type("status").stdout
    assert "60 held, 2025-10-07 to 2025-12-31" in said
    assert "gaps          none" in said
    assert "free" in said
    assert "backfill" in said
    assert "success" in said


def test_doctor_finds_the_broken_setting_and_says_what_to_mend(scanned: Terminal) -> None:
    said = scanned.type("doctor").stdout
    assert "mend" not in said
    missing = scanned.here("doctor", code=1, SCAN_FILES_PATH=str(scanned.folder / "nowhere")).stdout
    assert "mend  provider" in missing
    assert "does not exist. Point it at your bars" in missing


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--session", "2025-12-25"), "is not a session of the exchange. The sessions around it are 2025-12-24"),
        (("run", "--session", "yesterday"), "Write it as YYYY-MM-DD"),
        (("run", "--session", "2027-11-26"), "has not closed"),
        (("ingest",), "--from YYYY-MM-DD"),
        (("ingest", "--from", "2025-12-31", "--to", "2025-12-01"), "runs backwards"),
        (("backfill", "--from", "2025-12-25", "--to", "2025-12-25"), "the exchange was closed"),
        (("results", "--session", "2025-11-03"), "`scan-pipeline run --session 2025-11-03` scans it"),
        (("results", "--scanner", "nothing"), "No scanner 'nothing' ran"),
        (("why", "spy"), "Symbols are case-sensitive"),
    ],
)
def test_a_mistake_is_answered_in_one_line_that_says_what_to_do(
    scanned: Terminal, words: tuple[str, ...], said: str
) -> None:
    done = scanned.here(*words, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_traceback_is_there_on_demand(scanned: Terminal) -> None:
    assert "Traceback" not in scanned.type("run", "--session", "yesterday", code=1).stderr
    assert "Traceback" in scanned.type("--traceback", "run", "--session", "yesterday", code=1).stderr


def test_made_up_and_real_bars_do_not_mix(scanned: Terminal) -> None:
    words = ("ingest", "--from", "2025-12-30", "--to", "2025-12-30")
    done = scanned.here(*words, code=1, SCAN_PROVIDER="demo", SCAN_DEMO_SYMBOLS="20")
    assert "made-up and real symbols do not mix. Set SCAN_DATA_DIR" in done.stderr


@pytest.mark.slow
def test_a_killed_backfill_keeps_what_landed_and_the_next_command_ends_its_run(
    tmp_path: Path, demo_market: Path, settings_at: SettingsFactory
) -> None:
    settings_at(tmp_path / "data")
    terminal = Terminal(tmp_path, SCAN_PROVIDER="files", SCAN_FILES_PATH=str(demo_market / "feed"))
    words = [*COMMAND, "backfill", "--from", "2024-01-02", "--to", "2024-04-30"]
    process = subprocess.Popen(words, env=terminal.environment, cwd=tmp_path, start_new_session=True)
    database = tmp_path / "data" / "scan.duckdb"
    deadline = time.monotonic() + 60
    held = 0
    while held < 21 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        if database.exists():
            try:
                with duckdb.connect(str(database), read_only=True) as connection:
                    held = connection.sql("select count(*) from ingested_sessions").fetchall()[0][0]
            except duckdb.Error:
                continue  # being written
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert held >= 21
    done = terminal.type("run", "--session", "2024-01-10")
    assert "hits" in done.stdout
    assert "%" not in done.stderr, "no progress bar where the output is no terminal"
    said = terminal.type("status").stdout
    assert "backfill" in said
    assert "failure" in said
    assert "started" not in said


@pytest.mark.slow
def test_ctrl_c_ends_the_run_in_words(tmp_path: Path, demo_market: Path, settings_at: SettingsFactory) -> None:
    settings_at(tmp_path / "data")
    terminal = Terminal(tmp_path, SCAN_PROVIDER="files", SCAN_FILES_PATH=str(demo_market / "feed"))
    words = [*COMMAND, "ingest", "--from", "2024-01-02", "--to", "2025-12-31"]
    process = subprocess.Popen(
        words, env=terminal.environment, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "data" / "scan.duckdb").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. What had landed is kept" in said
    assert "Traceback" not in said
    assert "started" not in terminal.type("status").stdout


def test_a_rerun_says_what_it_scanned_again_and_diff_what_became_of_the_hits(scanned: Terminal) -> None:
    again = scanned.here("rerun").stdout
    assert "2025-12-30: 0 of" in again
    assert "symbols rescanned" in again
    assert "hits: 0 new, 0 gone, 0 moved" in again
    scanner = scanned.folder / "data" / "scanners" / "gainers.sql"
    text = scanner.read_text()
    scanner.write_text(text.replace("limit: 4", "limit: 6"))
    try:
        assert "hits: 2 new, 0 gone, 0 moved" in scanned.here("rerun").stdout
    finally:
        scanner.write_text(text)
    runs = duckdb.connect(str(scanned.folder / "data" / "scan.duckdb"), read_only=True)
    ((before,),) = runs.execute("select any_value(before_run_id) from hit_changes where change = 'new'").fetchall()
    runs.close()
    since = scanned.here("diff", "--since", before[:8]).stdout
    assert " entered, 0 left, 0 moved" in since
    assert "gainers" in since
    between = scanned.here("diff", "--session", "2025-12-29", "--session", "2025-12-30").stdout
    assert "2025-12-29 to 2025-12-30: " in between


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("diff",), "Give two sessions, --session A --session B, or a run, --since RUN."),
        (("diff", "--session", "2025-12-30", "--session", "2024-01-03"), "2024-01-03 has not been scanned."),
        (("diff", "--since", "nobody"), "No run nobody has stored hits."),
        (("rerun", "--session", "2024-01-03"), "2024-01-03 has not been scanned yet."),
    ],
)
def test_reruns_and_differences_of_nothing_are_refused_in_words(
    scanned: Terminal, words: tuple[str, ...], said: str
) -> None:
    assert said in scanned.here(*words, code=1).stderr
