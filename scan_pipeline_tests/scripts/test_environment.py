"""Environments of scripts: made once, shared, whole or made anew, and without the index once they are there.

The package index is asked for two small packages. All tests, in whatever process, start from one environment.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.environment import HOOK, MARKER, missing_imports, prepare_environment
from scan_pipeline.scripts.requirements import CLOCK, Requirements

NEEDS = Requirements(("colorama==0.4.6", *CLOCK))
NOWHERE = {"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    (folder / "scan_pipeline_hook.py").write_text("import sys\nsys.hooked = 1\n")
    (folder / "scan_pipeline_more.py").write_text("WORD = 'more'\n")
    return folder


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory, runtime: Path) -> Path:
    """A folder with one environment, made once for all test processes. Do not break it; `copied` makes another."""
    shared = tmp_path_factory.getbasetemp().parent
    folder = (shared if os.environ.get("PYTEST_XDIST_WORKER") else tmp_path_factory.getbasetemp()) / "environments"
    with FileLock(f"{folder}.lock"):
        prepare_environment(NEEDS, folder, runtime, lambda _: None)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)


def ask(python: Path, program: str) -> str:
    run = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


Prepare = Callable[..., tuple[Path, list[str]]]


@pytest.fixture
def prepare(environments: Path, runtime: Path) -> Prepare:
    def call(
        needs: Requirements = NEEDS, folder: Path = environments, runtime: Path = runtime
    ) -> tuple[Path, list[str]]:
        said: list[str] = []
        return prepare_environment(needs, folder, runtime, said.append), said

    return call


@pytest.mark.slow
def test_an_environment_holds_what_is_asked_for_and_nothing_of_ours(prepare: Prepare) -> None:
    python, _ = prepare()
    assert ask(python, "import colorama, time_machine; print(colorama.__version__)") == "0.4.6"
    assert missing_imports(python, ["colorama", "os", "pandas", "dagster", "scan_pipeline", "no_such_thing"]) == [
        "pandas", "dagster", "scan_pipeline", "no_such_thing",
    ]  # fmt: skip
    assert missing_imports(python, []) == []


@pytest.mark.slow
def test_every_python_of_it_imports_the_hook_first(prepare: Prepare) -> None:
    python, _ = prepare()
    assert ask(python, "import sys, scan_pipeline_more; print(sys.hooked, scan_pipeline_more.WORD)") == "1 more"
    isolated = [python, "-I", "-c", "import sys; print(sys.hooked)"]
    assert subprocess.run(isolated, capture_output=True, text=True, check=True).stdout.strip() == "1"


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_once_made_it_is_reused_without_an_index_and_without_a_word(prepare: Prepare) -> None:
    python, said = prepare()
    before = (python.parent.parent / MARKER).stat().st_mtime_ns
    assert prepare() == (python, [])
    assert said == []
    assert (python.parent.parent / MARKER).stat().st_mtime_ns == before
    # The order in which packages are named makes no other environment.
    assert prepare(replace(NEEDS, packages=NEEDS.packages[::-1]))[0] == python


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_a_new_runtime_is_put_in_without_making_packages_anew(prepare: Prepare, runtime: Path, tmp_path: Path) -> None:
    python, _ = prepare()
    newer = shutil.copytree(runtime, tmp_path / "runtime")
    (newer / "scan_pipeline_hook.py").write_text("import sys\nsys.hooked = 2\n")
    try:
        assert prepare(runtime=newer) == (python, [])
        assert ask(python, "import sys; print(sys.hooked)") == "2"
    finally:
        prepare()
    (site,) = python.parent.parent.glob("lib/*/site-packages")
    (site / HOOK).unlink()
    prepare()
    assert ask(python, "import sys; print(sys.hooked)") == "1"


def copied(python: Path, folder: Path) -> Path:
    """An environment of a test's own to break, in a folder of environments."""
    environment = python.parent.parent
    shutil.copytree(environment, folder / environment.name, symlinks=True)
    return folder / environment.name


@pytest.mark.slow
def test_one_that_is_broken_is_made_anew(prepare: Prepare, tmp_path: Path) -> None:
    broken = copied(prepare()[0], tmp_path)
    (broken / "bin" / "python").unlink()
    (broken / "bin" / "python").symlink_to(tmp_path / "nowhere")
    python, said = prepare(folder=tmp_path)
    assert python == broken / "bin" / "python"
    assert said == [
        "Making an environment for scripts with colorama, time-machine. This is done once and takes about a minute."
    ]
    assert ask(python, "import sys, colorama, time_machine; print(sys.hooked)") == "1"
    assert prepare(folder=tmp_path) == (python, [])


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["file gone", "file cut short", "package gone", "clock gone", "not completed"])
@pytest.mark.usefixtures("offline")
def test_damage_is_noticed(prepare: Prepare, damage: str, tmp_path: Path) -> None:
    """Making it anew fails for want of an index: so we see that it is tried without waiting for it."""
    broken = copied(prepare()[0], tmp_path)
    assert prepare(folder=tmp_path) == (broken / "bin" / "python", [])
    (site,) = broken.glob("lib/*/site-packages")
    if damage == "file gone":
        (site / "colorama" / "ansi.py").unlink()
    elif damage == "file cut short":
        (site / "colorama" / "__init__.py").write_text("")
    elif damage == "package gone":
        shutil.rmtree(site / "colorama")
        shutil.rmtree(next(site.glob("colorama-*")))
    elif damage == "clock gone":
        for path in site.glob("time_machine*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        (broken / MARKER).unlink()
    with pytest.raises(ScriptError, match="could not be made"):
        prepare(folder=tmp_path)
    assert not (broken / MARKER).exists()


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_a_package_that_cannot_be_had_is_named_with_the_log(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(ScriptError) as refused:
        prepare(Requirements(("no-such-package-anywhere==1.0",)), tmp_path)
    (log,) = tmp_path.glob("*.log")
    assert "no-such-package-anywhere==1.0 is not in the package index" in str(refused.value)
    assert str(log) in str(refused.value)
    assert "no-such-package-anywhere" in log.read_text()
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_no_secret_reaches_pip_and_no_setting_of_ours_leads_it_astray(
    environments: Path, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose making writes down the variables that it sees, installed from a folder."""
    package = tmp_path / "package"
    package.mkdir()
    seen = tmp_path / "seen.json"
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    )
    (package / "b.py").write_text(
        f"import json, os\njson.dump(dict(os.environ), open({str(seen)!r}, 'w'))\nraise SystemExit(1)\n"
    )
    monkeypatch.setenv("MASSIVE_API_KEY", "secret")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "astray"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ScriptError):
        prepare_environment(Requirements((f"p @ file://{package}",)), tmp_path / "e", runtime, lambda _: None)
    variables = json.loads(seen.read_text())
    assert "MASSIVE_API_KEY" not in variables
    assert "secret" not in variables.values()
    assert not (tmp_path / "astray").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_two_runs_wait_for_one_environment(prepare: Prepare, environments: Path, runtime: Path) -> None:
    python, _ = prepare()
    (site,) = python.parent.parent.glob("lib/*/site-packages")
    (site / HOOK).unlink()  # something to do, which takes the lock
    said: list[str] = []
    waiting = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        waiting.set()

    lock = FileLock(python.parent.parent.with_suffix(".lock"))
    with lock:
        other = threading.Thread(target=prepare_environment, args=(NEEDS, environments, runtime, say))
        other.start()
        assert waiting.wait(60)
        assert not (site / HOOK).exists()
    other.join(60)
    assert said == ["Another run is making the same environment; waiting for it."]
    assert (site / HOOK).exists()


@pytest.mark.slow
def test_a_python_of_the_users_shares_its_packages_and_stays_as_it_is(prepare: Prepare, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", theirs], check=True)
    (site,) = theirs.glob("lib/*/site-packages")
    (site / "my_indicators.py").write_text("EDGE = 7\n")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "in_place.py").write_text("x = 1\n")
    (site / "editable.pth").write_text(f"{tmp_path / 'checkout'}\n")  # as `pip install -e` does
    before = sorted(theirs.rglob("*"))
    python, said = prepare(Requirements(CLOCK, python=theirs / "bin" / "python"))
    assert "time-machine" in said[0]
    assert ask(python, "import sys, my_indicators, in_place; print(my_indicators.EDGE, sys.hooked)") == "7 1"
    assert missing_imports(python, ["my_indicators", "in_place", "time_machine"]) == []
    assert [path for path in sorted(theirs.rglob("*")) if "__pycache__" not in path.parts] == before


def test_a_python_that_is_none_is_refused_in_words(tmp_path: Path, runtime: Path) -> None:
    def refusal(python: Path) -> str:
        with pytest.raises(ScriptError) as refused:
            prepare_environment(Requirements(CLOCK, python=python), tmp_path / "e", runtime, lambda _: None)
        return str(refused.value)

    assert f"There is no Python {tmp_path / 'gone'}" in refusal(tmp_path / "gone")
    (tmp_path / "text").write_text("hello")
    assert "cannot be executed" in refusal(tmp_path / "text")
    (tmp_path / "false").symlink_to("/bin/false")
    assert "does not work as a Python" in refusal(tmp_path / "false")
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ("<3.11", "asks for Python <3.11, but scan_pipeline runs on"),
        (">=4", "asks for Python >=4"),
        ("3", "not usable"),
    ],
)
def test_a_script_for_another_version_of_python_is_refused_in_words(
    tmp_path: Path, runtime: Path, bound: str, words: str
) -> None:
    with pytest.raises(ScriptError, match=words):
        prepare_environment(replace(NEEDS, requires_python=bound), tmp_path / "e", runtime, lambda _: None)
    assert not (tmp_path / "e").exists()


def test_a_python_that_is_gone_is_named_when_it_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="does not work as a Python"):
        missing_imports(tmp_path / "python", ["pandas"])
