"""What goes wrong around a script is said in one line: its session, its files, its environment, its folder."""

import os
import shutil
from datetime import date
from pathlib import Path

import msgspec
import pytest

from scan_pipeline.errors import ScriptError
from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
from scan_pipeline.scripts.library import add_script
from scan_pipeline.scripts.running.given import note_given, unchanged
from scan_pipeline.scripts.running.shards import read_plan
from scan_pipeline_tests.scripts.conftest import AS_OF, ScriptDesk

HIT = 'import requests\nhits = [{"symbol": "SPY", "date": "2025-12-31"}]\nmore = hits * 2\n'


def run(desk: ScriptPipeline, name: str, result: str = "") -> ScriptRun:
    return desk.run_here(name, [AS_OF], os.urandom(16).hex(), RunOptions(1, False), result)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("session", "screen", "said"),
    [
        (date(2026, 1, 5), None, r"No bar of 2026-01-05 is held.* ingest --from 2026-01-05"),
        (date(2025, 11, 5), True, r"2025-11-05 is not screened, so .*run --session 2025-11-05"),
        (date(2027, 11, 26), None, "has not closed"),
    ],
)
def test_a_session_that_cannot_be_run_is_named(
    session: date, screen: bool | None, said: str, script_desk: ScriptDesk, tmp_path: Path
) -> None:
    desk = script_desk(write(tmp_path / "hit.py", HIT))
    with pytest.raises(Exception, match=said) as raised:
        desk.plan("hit", [session], "run", RunOptions(None, screen))
    assert "\n" not in str(raised.value)


def test_files_that_a_script_found_beside_itself_are_no_result(script_desk: ScriptDesk, tmp_path: Path) -> None:
    write(tmp_path / "watch.csv", "symbol,date\nSPY,2025-12-30\n")
    write(tmp_path / "helper.py", "WORD = 'SPY'\n")
    reads = "import csv, requests\nfrom helper import WORD\nprint(len(open('watch.csv').read()), WORD)\n"
    desk = script_desk(write(tmp_path / "reads.py", reads))
    assert (
        "No result found. Looked at: it had no variable that is a table; it wrote no file" in run(desk, "reads").fault
    )


def test_a_file_that_was_given_and_written_to_is_the_scripts_own(tmp_path: Path) -> None:
    (tmp_path / "work" / "lists").mkdir(parents=True)
    for name in ("watch.csv", "lists/old.csv", "gone.csv"):
        write(tmp_path / "work" / name, "symbol,date\n")
    note_given(tmp_path)
    (tmp_path / "work" / "gone.csv").unlink()
    assert unchanged(tmp_path) == {"watch.csv", "lists/old.csv"}
    write(tmp_path / "work" / "watch.csv", "symbol,date\nSPY,2025-12-31\n")
    assert unchanged(tmp_path) == {"lists/old.csv"}


def test_an_exit_code_is_told_with_the_last_words(script_desk: ScriptDesk, tmp_path: Path) -> None:
    text = "import argparse, requests\np = argparse.ArgumentParser()\n"
    text += "p.add_argument('--end', required=True)\np.parse_args()\n"
    fault = run(script_desk(write(tmp_path / "asks.py", text)), "asks").fault
    assert "asks ended with exit code 2: asks.py: error: the following arguments are required: --end." in fault
    assert "stderr.txt" in fault
    assert "No result" not in fault


def test_hits_can_be_taken_from_where_another_run_found_them(script_desk: ScriptDesk, tmp_path: Path) -> None:
    desk = script_desk(write(tmp_path / "hit.py", HIT))
    assert run(desk, "hit", "global:hits").outcome.source == "global:hits"
    assert run(desk, "hit", "global:more").outcome.source == "global:more"


def test_an_environment_or_a_folder_that_vanishes_is_named(script_desk: ScriptDesk, tmp_path: Path) -> None:
    desk = script_desk(write(tmp_path / "hit.py", HIT))
    plan = desk.plan("hit", [AS_OF], "run", RunOptions(1, False))
    gone = msgspec.structs.replace(plan, python=str(tmp_path / "gone" / "bin" / "python"))
    outcome = desk.run_shard(gone, 1)
    assert outcome.fault.startswith("ended with exit code 127: scan_pipeline: the script could not be started")
    assert str(tmp_path / "gone") in outcome.fault
    outcome = desk.run_shard(plan, 1)
    assert outcome.fault == ""
    shutil.rmtree(plan.shard_folder(1))
    with pytest.raises(ScriptError, match=r"What shard 1 of hit left in .*shard-01 is gone\. Run it again"):
        desk.merge(plan, [outcome])
    shutil.rmtree(plan.folder)
    with pytest.raises(ScriptError, match="is gone, or not on this machine"):
        read_plan(Path(plan.folder))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = write(tmp_path / "data", "a file")
    with pytest.raises(ScriptError, match=r"hit\.py cannot be copied to .*data: .*Make that folder writable"):
        add_script(write(tmp_path / "hit.py", HIT), in_the_way)
