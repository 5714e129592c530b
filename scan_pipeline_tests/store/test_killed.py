"""A process killed at any moment leaves every session as it was before or as it was to be, never between."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scan_pipeline.pipeline import Pipeline
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import WEEK, Desk, Row, bar, broken_accounts

#: Ingests the week again and again, one session at a time, and says what landed.
INGESTER = """
import sys
from datetime import date
from pathlib import Path
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings
data, feed = map(Path, sys.argv[1:3])
pipeline = Pipeline(Settings(_env_file=None, data_dir=data, provider="files", files_path=feed))
print("ready", flush=True)
while True:
    for day in sys.argv[3:]:
        for landed in pipeline.ingest([date.fromisoformat(day)], feed.name):
            print(landed.session, feed.name, flush=True)
"""

SYMBOLS = 400
TIMES = 8


def rows(close: float, volume: float) -> Iterator[Row]:
    """The week's bars, with a superseded print and a bad row each session."""
    for day in WEEK:
        for number in range(SYMBOLS):
            yield bar(f"S{number:03}", day, close=close, volume=volume, reported_on=day)
        yield bar("S000", day, close=close, volume=volume - 1, reported_on="2015-07-10")
        yield bar("BAD", day, close=0.0, volume=volume, reported_on=day)


@pytest.mark.slow
def test_a_killed_ingest_leaves_every_session_old_or_new_and_its_accounts_right(
    settings_at: SettingsFactory, tmp_path: Path
) -> None:
    closes = {"old": 9.5, "new": 10.5}
    feeds = [tmp_path / name for name in closes]
    settings = settings_at(tmp_path / "data", provider="files", files_path=feeds[0])
    desk = Desk(Pipeline(settings), tmp_path, [])
    for feed in feeds:
        feed.mkdir()
        desk.parquet(list(rows(closes[feed.name], closes[feed.name] * 1000)), f"{feed.name}/bars.parquet")

    for number in range(TIMES):
        # One replaces what the other has ingested, and is killed at another place.
        feeds.reverse()
        last = ingest_and_kill(settings.data_dir, feeds[0], random.randint(number == 0, 3))
        assert broken_accounts(desk) == []
        held = desk.ask("select session, run_id, bars, rejected, superseded from ingested_sessions order by session")
        for session, run, *counts in held:
            assert counts == [SYMBOLS, 1, 1]
            stored = desk.ask(
                "select close, volume, count(distinct symbol) from price_bars where session = ? group by all", session
            )
            assert stored == [(closes[run], closes[run] * 1000, SYMBOLS)]
        # What was said to have landed has landed.
        assert last in [None, *((session, run) for session, run, *_ in held)]


def ingest_and_kill(data_dir: Path, feed: Path, landed: int) -> tuple[str, str] | None:
    """Kill an ingest some moments after so many sessions have landed; the last of them, as the process said."""
    command = [sys.executable, "-c", INGESTER, str(data_dir), str(feed), *WEEK]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    lines = [process.stdout.readline() for _ in range(landed)]
    time.sleep(random.uniform(0, 0.1))
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    if not lines:
        return None
    session, run = lines[-1].split()
    return session, run
