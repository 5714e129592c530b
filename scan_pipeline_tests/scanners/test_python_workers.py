"""Worker processes: a symbol on which a scanner fails, hangs or grows is named, and the others stand."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import psutil
import pytest

from scan_pipeline.features.bars import lay_out
from scan_pipeline.scanners.python.library import read_scanner
from scan_pipeline.scanners.python.tasks import COLUMNS, GIVES_UP_AFTER, Bars
from scan_pipeline.scanners.python.workers import Cancelled, Shard, ShardResult, WorkerLimits

pytestmark = pytest.mark.slow

SESSIONS = 12
FIRST = np.datetime64("2015-07-01")
LAST = date(2015, 7, 12)
SYMBOLS = ["AAA", "BBB", "CCC", "DDD", "EEE"]

HEAD = """
import time
import numpy as np
import pandas as pd
from scan_pipeline import scanner


@scanner(lookback=3)
def found(bars):
    if bars.attrs["symbol"] == "CCC":
"""
TAIL = "\n    return bars.close > 0\n"


def bars_of(symbols: list[str], last: int = 1) -> Bars:
    """Every symbol has a bar on every session; hits count on the `last` sessions."""
    count = len(symbols) * SESSIONS
    columns = {name: np.arange(1.0, count + 1) for name in COLUMNS}
    block = lay_out(len(symbols), np.arange(SESSIONS), np.arange(count, dtype=np.int32), columns)
    wanted = np.zeros((len(symbols), SESSIONS), dtype=bool)
    wanted[:, -last:] = True
    window = (FIRST.astype("datetime64[D]") + np.arange(SESSIONS)).astype(np.int32)
    return Bars(window, symbols, wanted, block)


def run(
    folder: Path,
    text: str,
    bars: Bars | None = None,
    seconds: float = 2,
    mib: int = 300,
    shard_seconds: float = 60,
    is_cancelled: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> ShardResult:
    (folder / "scanners").mkdir(exist_ok=True)
    path = folder / "scanners" / "mine.py"
    path.write_text(text)
    work = folder / "work"
    work.mkdir()
    scanner = read_scanner(path)
    assert scanner.fault is None
    limits = WorkerLimits(seconds, shard_seconds, mib)
    return Shard(scanner, [bars or bars_of(SYMBOLS)], limits, work, "mine", say, is_cancelled).run()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (line 11)"),
        ("time.sleep(60)", "still running after 2 s (line 11)"),
        ("sum(range(10**13))", "still running after 2 s, deaf to its alarm (line 11)"),
        ("np.ones(2**29)", "more than 300 MiB of memory (line 11)"),
        ("x = [bytearray(2**20) for _ in range(10**6)]", "more than 300 MiB of memory (line 11)"),
        ("import ctypes; ctypes.string_at(0)", "its process was ended by SIGSEGV, twice"),
        ("import os; os._exit(3)", "its process ended with exit code 3, twice"),
        ("raise SystemExit('enough')", "SystemExit: enough (line 11)"),
        ("return None", "it returned nothing. Is a `return` missing?"),
        ("while True: print('x' * 2**20)", "its process printed more than 64 MiB, twice"),
    ],
    ids=[
        "raises",
        "sleeps",
        "hangs in C",
        "asks for memory",
        "grows",
        "crashes",
        "leaves",
        "exits",
        "no return",
        "prints",
    ],
)
def test_a_symbol_that_a_scanner_fails_on_is_named_with_the_line_and_the_others_stand(
    tmp_path: Path, body: str, reason: str
) -> None:
    result = run(tmp_path, HEAD + "        " + body + TAIL)
    (one,) = result.quarantined
    assert (one.symbol, one.session) == ("CCC", LAST)
    assert one.reason.startswith(reason)
    assert [hit.symbol for hit in result.hits] == ["AAA", "BBB", "DDD", "EEE"]
    assert result.broken == ""
    if "line 11" in reason:
        assert "mine.py" in one.traceback
        assert "site-packages" not in one.traceback


def test_a_function_that_catches_everything_is_ended_too(tmp_path: Path) -> None:
    body = (
        "        while True:\n            try:\n                time.sleep(60)\n            except BaseException: pass"
    )
    result = run(tmp_path, HEAD + body + TAIL)
    assert [one.symbol for one in result.quarantined] == ["CCC"]
    assert len(result.hits) == 4


def test_what_earlier_symbols_left_in_memory_is_not_a_later_ones_fault(tmp_path: Path) -> None:
    text = HEAD.replace("@scanner", "kept = []\n\n\n@scanner").replace(
        '    if bars.attrs["symbol"] == "CCC":\n', "    kept.append(np.ones(2**23))"
    )
    result = run(tmp_path, text + TAIL, bars_of([f"S{number:02}" for number in range(12)]))
    assert len(result.hits) + len(result.quarantined) == 12
    assert result.workers > 1


def test_a_worker_killed_from_outside_costs_nothing(tmp_path: Path) -> None:
    done = threading.Event()

    def kill() -> None:
        while not done.wait(0.05):
            for one in psutil.Process().children():
                with suppress(psutil.Error):
                    marker = tmp_path / "work" / "progress-1"
                    if "worker" in " ".join(one.cmdline()) and marker.exists() and any(marker.read_bytes()[16:]):
                        one.kill()
                        done.set()
                        return

    killer = threading.Thread(target=kill)
    killer.start()
    result = run(tmp_path, HEAD + "        time.sleep(0.8)" + TAIL, seconds=10)
    assert done.is_set()
    killer.join()
    assert result.workers == 2
    assert (result.quarantined, len(result.hits)) == ([], 5)


def test_on_a_range_a_symbol_fails_on_those_sessions_alone_on_which_its_night_would(tmp_path: Path) -> None:
    body = f"        if (bars.index == '{LAST}').any(): raise ValueError('no such day')"
    result = run(tmp_path, HEAD + body + TAIL, bars_of(SYMBOLS, last=3))
    assert [(one.symbol, one.session) for one in result.quarantined] == [("CCC", LAST)]
    assert len(result.hits) == 14


def test_a_scanner_that_fails_on_everything_gives_up_and_says_what_was_not_tried(tmp_path: Path) -> None:
    result = run(
        tmp_path, HEAD.replace("if bars", "if 1 or bars") + "        1 / 0" + TAIL, bars_of([*map(str, range(60))])
    )
    assert len(result.quarantined) == 60
    assert result.workers == 1
    assert result.quarantined[-1].reason.startswith(f"not tried: the first {GIVES_UP_AFTER} all failed, the last with")


def test_a_file_that_cannot_be_imported_says_so_once(tmp_path: Path) -> None:
    result = run(tmp_path, "import nowhere_to_be_found\n" + HEAD + "        pass" + TAIL)
    assert result.broken.endswith("mine.py: cannot be imported: ModuleNotFoundError: No module named "
                                  "'nowhere_to_be_found' (line 1).")  # fmt: skip
    assert (result.hits, result.quarantined) == ([], [])


def test_a_file_may_import_its_neighbours_but_does_not_hide_a_module_of_ours(tmp_path: Path) -> None:
    (tmp_path / "scanners").mkdir()
    (tmp_path / "scanners" / "levels.py").write_text("WANTED = 'BBB'\n")
    (tmp_path / "scanners" / "json.py").write_text("raise RuntimeError('not this one')\n")
    text = HEAD.replace("import time", "from levels import WANTED").replace('== "CCC"', "!= WANTED")
    result = run(tmp_path, text + "        return bars.close < 0" + TAIL)
    assert [hit.symbol for hit in result.hits] == ["BBB"]
    assert not (tmp_path / "scanners" / "__pycache__").exists()


def test_a_shard_over_its_time_names_what_it_did_not_come_to(tmp_path: Path) -> None:
    text = HEAD.replace("if bars", "if 1 or bars") + "        time.sleep(0.4)" + TAIL
    result = run(tmp_path, text, bars_of([f"S{number:02}" for number in range(30)]), seconds=5, shard_seconds=3)
    assert 0 < len(result.hits) < 30
    assert len(result.hits) + len(result.quarantined) == 30
    assert {one.reason for one in result.quarantined} == {"the shard was over its 3 s"}


def test_progress_is_told_in_symbols_hits_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scan_pipeline.scanners.python.workers.EVERY_SECONDS", 0.1)
    said: list[str] = []
    run(tmp_path, HEAD + "        time.sleep(0.5)" + TAIL, say=said.append)
    assert any(line.startswith("mine: symbols 1–3 of 5, 2 hits, ") for line in said)
    assert said[-1].startswith("mine: symbols 1–5 of 5, 5 hits, ")
    assert said[-1].endswith(" MiB")


def workers_of(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return [one for one in found if "scan_pipeline.scanners.python.worker" in " ".join(one.cmdline())]


def test_a_run_that_is_over_ends_its_worker(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(Cancelled, match="mine was ended: its run is over"):
        run(
            tmp_path,
            HEAD + "        time.sleep(60)" + TAIL,
            seconds=60,
            is_cancelled=lambda: time.monotonic() > started + 2,
        )
    assert workers_of(os.getpid()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "from pathlib import Path\nfrom scan_pipeline_tests.scanners.test_python_workers import *\n"
        f"run(Path({str(tmp_path)!r}), HEAD + '        time.sleep(60)' + TAIL, seconds=60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    workers: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while not workers and time.monotonic() < deadline:
        time.sleep(0.1)
        workers = workers_of(parent.pid)
    assert workers
    parent.send_signal(number)
    parent.wait(30)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
