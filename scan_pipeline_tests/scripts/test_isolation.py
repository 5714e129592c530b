"""What keeps a script from network and disk, where the kernel can and where it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
from scan_pipeline.scripts.running import isolation
from scan_pipeline_tests.scripts.catalogue import EXAMPLES
from scan_pipeline_tests.scripts.conftest import AS_OF, ScriptDesk


def run(desk: ScriptPipeline, name: str) -> ScriptRun:
    return desk.run_here(name, [AS_OF], os.urandom(16).hex(), RunOptions(1, False, 60))


@pytest.fixture
def _no_help_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scan_pipeline.scripts.running.supervise._leaves_network", lambda _: False)
    monkeypatch.setattr("scan_pipeline.scripts.running.supervise._has_landlock", lambda: False)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_help_of_the_kernel")
def test_python_refuses_other_hosts_where_the_kernel_does_not(script_desk: ScriptDesk) -> None:
    one = run(script_desk(EXAMPLES["naughty_other_hosts"].path), "naughty_other_hosts")
    contacts = json.loads((one.plan.shard_folder(1) / "work" / "contacts.json").read_text())
    assert contacts
    assert [how for how in map(str, contacts.values()) if how.startswith("ok")] == []
    assert "Python's guard (no network namespace here)" in one.outcome.isolation
    assert "Python's guard (no Landlock here)" in one.outcome.isolation


@pytest.mark.slow
@pytest.mark.usefixtures("_no_help_of_the_kernel")
def test_python_refuses_writing_elsewhere_where_the_kernel_does_not(script_desk: ScriptDesk, tmp_path: Path) -> None:
    outside, store = tmp_path / "home_of_the_user", tmp_path / "data" / "scan.duckdb"
    outside.mkdir()
    sidecar = f"arguments = {json.dumps([str(store), str(outside)])}\n"
    desk = script_desk(EXAMPLES["naughty_writes_outside"].path, sidecar=sidecar)
    held = store.read_bytes()
    one = run(desk, "naughty_writes_outside")
    targets = json.loads((one.plan.shard_folder(1) / "work" / "targets.json").read_text())
    assert [target for target, how in targets.items() if how == "written" and one.plan.folder not in target] == []
    assert store.read_bytes() == held
    assert list(outside.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("_no_help_of_the_kernel")
def test_a_script_works_and_finds_the_same_without_the_kernels_help(script_desk: ScriptDesk) -> None:
    one = run(script_desk(EXAMPLES["gap_up_async"].path), "gap_up_async")
    assert one.fault == ""
    assert one.hits


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_is_not_root_leaves_the_network_too() -> None:
    program = (
        "import os, socket, sys; sys.path.insert(0, sys.argv[1]); import isolation\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "left = isolation.leave_network()\n"
        "names = [name for _, name in socket.if_nameindex()]\n"
        "print(left, ' '.join(names), os.getuid())\n"
        "if left:\n"
        "    server = socket.create_server(('127.0.0.1', 0))\n"
        "    socket.create_connection(server.getsockname()).close()\n"
    )
    folder = str(Path(isolation.__file__).parent)
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    left, *names, user = done.stdout.split()
    assert user == "65534"
    # A system may forbid it: then it says so, and Python's guard stands in.
    assert left == "False" or names == ["lo"]


@pytest.mark.skipif(isolation.landlock_version() < 1, reason="this kernel has no Landlock")
def test_landlock_allows_writing_in_the_given_folders_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import isolation\n"
        "assert isolation.write_only_in([sys.argv[2], '/dev/null', '/nowhere'])\n"
        "open(sys.argv[2] + '/file', 'w').write('x'); open('/dev/null', 'w').write('x')\n"
        "for path in (sys.argv[3] + '/file',):\n"
        "    try: open(path, 'w')\n"
        "    except PermissionError: print('refused')\n"
    )
    folder = str(Path(isolation.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", program, folder, str(inside), str(outside)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"
    assert (inside / "file").read_text() == "x"
    assert list(outside.iterdir()) == []
