"""Scripts that misbehave: each ends with a clear error, nothing of it is left, and the pipeline is as it was."""

import json
import os
import re
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
from scan_pipeline_tests.scripts.catalogue import EXAMPLES
from scan_pipeline_tests.scripts.conftest import AS_OF, ScriptDesk

pytestmark = pytest.mark.slow


def run(desk: ScriptPipeline, name: str, timeout: float = 60) -> ScriptRun:
    return desk.run_here(name, [AS_OF], os.urandom(16).hex(), RunOptions(1, False, timeout))


def work(run: ScriptRun) -> Path:
    return run.plan.shard_folder(1) / "work"


def left_of(run: ScriptRun) -> list[psutil.Process]:
    """Processes that still have to do with the run."""
    folder = run.plan.folder
    return [
        process
        for process in psutil.process_iter(["cwd", "cmdline"])
        if str(process.info["cwd"] or "").startswith(folder) or folder in " ".join(process.info["cmdline"] or [])
    ]


@pytest.mark.parametrize(
    ("name", "timeout", "settings", "words"),
    [
        ("naughty_writes_10gb", 60, {}, "File too large|wrote more than 2,048 MiB"),
        ("naughty_forks", 60, {}, r"had more than 128 processes at once \(\d+\) and was ended"),
        ("naughty_prints_1gb", 60, {}, "printed more than 64 MiB"),
        ("naughty_returns_nothing", 60, {}, "(?i)no result"),
        ("naughty_asks", 60, {}, "the script asks for input .* nobody is there"),
        ("naughty_memory", 60, {"script_memory_mib": 600}, "took more memory than 600 MiB"),
        ("naughty_sleeps", 2, {}, "took longer than 2 s and was ended. Raise SCAN_SCRIPT_TIMEOUT_SECONDS or --timeout"),
        ("naughty_progress", 2, {}, "took longer than 2 s|printed more than 64 MiB"),
        ("naughty_segfault", 60, {}, "was killed by signal 11"),
        ("naughty_exit_message", 60, {}, "crashed: exit: "),
    ],
)
def test_a_script_that_goes_too_far_ends_with_a_clear_error(
    name: str, timeout: float, settings: dict[str, object], words: str, script_desk: ScriptDesk
) -> None:
    desk = script_desk(EXAMPLES[name].path, **settings)
    held = desk.pipeline.settings.database_path.read_bytes()
    one = run(desk, name, timeout)
    assert re.search(words, one.fault), one.fault
    assert "\n" not in one.fault
    assert left_of(one) == []
    assert desk.pipeline.settings.database_path.read_bytes() == held
    desk.store(one)  # the next thing that the pipeline does works


def test_a_daemon_that_ignores_signals_does_not_outlive_its_run(script_desk: ScriptDesk) -> None:
    desk = script_desk(EXAMPLES["naughty_daemon"].path)
    one = run(desk, "naughty_daemon", 2)
    assert "took longer than 2 s" in one.fault
    beats = (work(one) / "heartbeat.txt").read_text().splitlines()
    assert len({line.split()[0] for line in beats}) == 2  # the script and its daemon were both there
    time.sleep(1)
    assert (work(one) / "heartbeat.txt").read_text().splitlines() == beats
    assert left_of(one) == []


def test_garbage_is_no_result_and_breaks_nothing(script_desk: ScriptDesk) -> None:
    desk = script_desk(EXAMPLES["naughty_garbage"].path)
    one = run(desk, "naughty_garbage")
    assert one.hits == [] or one.fault == ""
    desk.store(one)


def test_pools_inside_pools_see_one_core(script_desk: ScriptDesk) -> None:
    desk = script_desk(EXAMPLES["naughty_pools"].path)
    one = run(desk, "naughty_pools")
    cores = json.loads((work(one) / "cores.json").read_text())
    assert {name: cores[name] for name in ("os", "mp", "affinity", "processes")} == {
        "os": 1, "mp": 1, "affinity": 1, "processes": 1,
    }  # fmt: skip


def test_no_other_host_is_reached_by_name_or_by_address(script_desk: ScriptDesk) -> None:
    desk = script_desk(EXAMPLES["naughty_other_hosts"].path)
    one = run(desk, "naughty_other_hosts")
    contacts = json.loads((work(one) / "contacts.json").read_text())
    assert contacts
    assert [how for how in map(str, contacts.values()) if how.startswith("ok")] == []
    assert any("example.com" in remark and "SCAN_SCRIPT_HOSTS" in remark for remark in one.remarks)


def test_services_of_this_machine_are_out_of_reach(script_desk: ScriptDesk) -> None:
    reached = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    server.accept()[0].close()
                    reached.set()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        sidecar = f'arguments = ["{server.getsockname()[1]}"]\n'
        one = run(script_desk(EXAMPLES["naughty_local_port"].path, sidecar=sidecar), "naughty_local_port")
        over.set()
        thread.join()
    assert not reached.is_set()
    assert "connected:" not in (one.plan.shard_folder(1) / "stdout.txt").read_text()


def test_nothing_is_written_outside_its_folder(script_desk: ScriptDesk, tmp_path: Path) -> None:
    outside = tmp_path / "home_of_the_user"
    outside.mkdir()
    store = tmp_path / "data" / "scan.duckdb"
    sidecar = f"arguments = {json.dumps([str(store), str(outside), str(tmp_path / 'data' / 'results')])}\n"
    desk = script_desk(EXAMPLES["naughty_writes_outside"].path, sidecar=sidecar)
    held = store.read_bytes()
    one = run(desk, "naughty_writes_outside")
    targets = json.loads((work(one) / "targets.json").read_text())
    assert targets
    assert [target for target, how in targets.items() if how == "written" and one.plan.folder not in target] == []
    assert store.read_bytes() == held
    assert list(outside.iterdir()) == []


def test_no_key_of_the_user_is_to_be_found(script_desk: ScriptDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", "sesame-open")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame-open")
    one = run(script_desk(EXAMPLES["naughty_reads_keys"].path), "naughty_reads_keys")
    folder = Path(one.plan.folder)
    texts = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
    assert [text for text in texts if "sesame" in text] == []


def test_a_script_that_ends_hard_leaves_its_file(script_desk: ScriptDesk) -> None:
    one = run(script_desk(EXAMPLES["naughty_exit_hard"].path), "naughty_exit_hard")
    assert one.fault == ""
    assert one.outcome.source == "file:green_days.csv"
    assert one.hits


#: 480 MB of garbage in cycles, which Python alone would let grow.
CYCLES = """
import gc, time
gc.set_threshold(10**9)
class Node: pass
for _ in range(240):
    node = Node()
    node.me, node.load = node, bytearray(b"x") * (2 * 2**20)
    time.sleep(0.05)
hits = []
print("no hits")
"""


def test_garbage_is_collected_before_it_reaches_the_limit(script_desk: ScriptDesk, tmp_path: Path) -> None:
    path = tmp_path / "cycles.py"
    path.write_text(CYCLES)
    one = run(script_desk(path, script_collect_mib=64, script_memory_mib=400), "cycles")
    assert one.fault == ""
    assert 64 < one.outcome.peak_mib < 400
