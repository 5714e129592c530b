"""A process killed at any moment leaves every session as it was before or as it was to be, never between."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scan_pipeline.pipeline import Pipeline
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import WED, WEEK, Desk, Row, bar, broken_accounts, write_parquet
from scan_pipeline_tests.killed import left_by_kills

pytestmark = pytest.mark.slow

#: Ingests a session into copies of the database, and is killed before the lines of the product with these numbers, or
#: at its end. What its files hold then is copied before.
KILLED_BEFORE_LINES = """
import os, shutil, signal, sys
from datetime import date
from pathlib import Path
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings
from scan_pipeline_tests.killed import Lines

folder, feed, session = Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3])

for number in map(int, sys.argv[4:]):
    data_dir = folder / f"killed_{number}"
    shutil.copytree(folder / "before", data_dir)
    left = number

    def count():
        global left
        left -= 1
        if left == 0:
            die()

    def die():
        shutil.copytree(data_dir, folder / f"copied_{number}")
        os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        pipeline = Pipeline(Settings(data_dir=data_dir, provider="files", files_path=feed))
        with Lines(count):
            list(pipeline.ingest([session], "new"))
        die()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""

#: Ingests the week again and again, one session at a time, and says what landed.
NEVER_ENDS = """
import sys
from datetime import date
from pathlib import Path
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings

data_dir, feed = map(Path, sys.argv[1:3])
pipeline = Pipeline(Settings(data_dir=data_dir, provider="files", files_path=feed))
print("ready", flush=True)
while True:
    for day in sys.argv[3:]:
        for landed in pipeline.ingest([date.fromisoformat(day)], feed.name):
            print(landed.session, feed.name, flush=True)
"""

SYMBOLS = 100
CLOSES = {"old": 9.5, "new": 10.5}


@pytest.fixture
def feeds(tmp_path: Path) -> list[Path]:
    """Two feeds of the same bars with other prices, each with a superseded print and a bad row a session."""
    for name, close in CLOSES.items():
        rows: list[Row] = []
        for day in WEEK:
            rows += [bar(f"S{number:03}", day, close=close, reported_on=day) for number in range(SYMBOLS)]
            rows += [bar("S000", day, close=9.9, reported_on="2015-07-10"), bar("BAD", day, close=0.0, reported_on=day)]
        (tmp_path / name).mkdir()
        write_parquet(tmp_path / name / "bars.parquet", rows)
    return [tmp_path / name for name in CLOSES]


def test_an_ingest_killed_at_any_line_leaves_the_old_session_or_the_new_one(
    settings_at: SettingsFactory, feeds: list[Path], tmp_path: Path
) -> None:
    old, new = feeds

    def desk_at(folder: str, feed: Path) -> Desk:
        return Desk(Pipeline(settings_at(tmp_path / folder, provider="files", files_path=feed)), feed, [])

    before, after = desk_at("before", old), desk_at("after", new)
    before.ingest(WED)
    shutil.copytree(tmp_path / "before", tmp_path / "after", dirs_exist_ok=True)
    lines, left = left_by_kills(lambda: after.ingest(WED), tmp_path / "after", tmp_path / "left")
    held = [before.content(), after.content()]
    found = [held.index(desk_at(f"left/{folder.name}", new).content()) for folder in left]
    assert found == sorted(found)
    assert set(found) == {0, 1}

    # Processes that are killed indeed leave what their files held: before some of the lines, and after the last.
    numbers = [*random.Random(7).sample(range(1, lines), 5), 2 * lines]
    command = [sys.executable, "-c", KILLED_BEFORE_LINES, str(tmp_path), str(new), WED, *map(str, numbers)]
    subprocess.run(command, check=True)
    for number in numbers:
        copied, killed = (tmp_path / f"{name}_{number}" for name in ("copied", "killed"))
        assert {path.name for path in copied.iterdir()} == {path.name for path in killed.iterdir()}
        assert [path.read_bytes() for path in sorted(copied.glob("scan.duckdb*"))] == [
            path.read_bytes() for path in sorted(killed.glob("scan.duckdb*"))
        ]
        found.append(held.index(desk_at(killed.name, new).content()))
    assert found[-1] == 1


def test_an_ingest_killed_at_any_moment_leaves_every_session_old_or_new_and_its_accounts_right(
    settings_at: SettingsFactory, feeds: list[Path], tmp_path: Path
) -> None:
    settings = settings_at(tmp_path / "data", provider="files", files_path=feeds[0])
    desk = Desk(Pipeline(settings), feeds[0], [])
    for number in range(6):
        # One replaces what the other has ingested, and is killed at another place.
        feeds.reverse()
        last = ingest_and_kill(settings.data_dir, feeds[0], random.randint(number == 0, 3))
        assert broken_accounts(desk) == []
        held = desk.ask("select session, run_id, bars, rejected, superseded from ingested_sessions order by session")
        assert [counts for _, _, *counts in held] == [[SYMBOLS, 1, 1]] * len(held)
        closes = desk.ask("select distinct session, close from price_bars order by session")
        assert closes == [(session, CLOSES[run]) for session, run, *_ in held]
        # What was said to have landed has landed.
        assert last in [None, *((session, run) for session, run, *_ in held)]


def ingest_and_kill(data_dir: Path, feed: Path, landed: int) -> tuple[str, str] | None:
    """Kill an ingest some moments after so many sessions have landed; the last of them, as the process said."""
    command = [sys.executable, "-c", NEVER_ENDS, str(data_dir), str(feed), *WEEK]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    lines = [process.stdout.readline() for _ in range(landed)]
    time.sleep(random.uniform(0, 0.1))
    process.kill()
    rest, _ = process.communicate()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    if not lines:
        return None
    session, run = lines[-1].split()
    return session, run
