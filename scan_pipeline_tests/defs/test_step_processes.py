"""What the processes of steps inherit: loaded once, quietly, and with nothing in it that a fork cannot inherit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scan_pipeline.settings import PROJECT_DIR

#: Loads it as the process does from which steps are forked, and says what it then holds.
PROGRAM = """
import json, os, threading
import scan_pipeline.defs.preloaded
from scan_pipeline.store.connection import _engine
links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
files = [os.readlink(link) for link in links if os.path.exists(link)]
print(json.dumps([threading.active_count(), _engine.cache_info().currsize, files]))
"""


def loaded(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCAN_", "DAGSTER_"))}
    environment = {**kept, "SCAN_DATA_DIR": str(data), "DAGSTER_HOME": str(data / "dagster_home"), **settings}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=PROJECT_DIR, env=environment, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed by Linux")
def test_steps_inherit_no_thread_no_open_file_and_no_database(tmp_path: Path) -> None:
    run = loaded(tmp_path / "data")
    assert (run.returncode, run.stderr) == (0, "")
    threads, databases, files = json.loads(run.stdout)
    assert (threads, databases) == (1, 0)
    assert [file for file in files if str(tmp_path) in file or file.endswith((".db", ".duckdb"))] == []


def test_loading_leaves_the_runs_own_dagster_folder_alone(tmp_path: Path) -> None:
    assert loaded(tmp_path / "data").returncode == 0
    assert not (tmp_path / "data" / "dagster_home").exists()


def test_what_is_wrong_with_the_definitions_is_left_to_the_step_to_tell(tmp_path: Path) -> None:
    run = loaded(tmp_path / "data", SCAN_BATCH_SYMBOLS="many")
    assert (run.returncode, run.stderr) == (0, "")
