"""Scripts are added byte for byte, found by name, and one that is broken breaks no other."""

from hashlib import sha256
from pathlib import Path

import pytest

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.library import add_script, find_scripts, read_script, usable_name

PROGRAM = b"# coding: latin-1\r\nimport requests\r\nEND_DATE = '2025-12-31'\r\nname = '\xe9'\r\nprint(name)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "scripts"


def source(tmp_path: Path, name: str, program: bytes = PROGRAM) -> Path:
    path = tmp_path / "downloads" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(program)
    return path


def test_a_script_is_added_byte_for_byte_with_a_proposal_beside_it(tmp_path: Path, folder: Path) -> None:
    script = add_script(source(tmp_path, "my_scan.py"), folder)
    assert script.path == folder / "my_scan.py"
    assert script.path.read_bytes() == script.program == PROGRAM
    assert script.code_version == sha256(PROGRAM).hexdigest()[:12]
    assert (script.name, script.title, script.fault) == ("my_scan", "My scan", "")
    assert 'END_DATE = "{session}"' in (folder / "my_scan.toml").read_text()
    assert script.sidecar.parameters == {}
    assert [one.name for one in find_scripts(folder)] == ["my_scan"]
    assert sorted(path.name for path in folder.iterdir()) == ["my_scan.py", "my_scan.toml"]


def test_adding_the_same_again_changes_nothing(tmp_path: Path, folder: Path) -> None:
    path = source(tmp_path, "my_scan.py")
    add_script(path, folder)
    (folder / "my_scan.toml").write_text('title = "Mine"\n')
    assert add_script(path, folder).title == "Mine"
    assert add_script(folder / "my_scan.py", folder).title == "Mine"


def test_another_script_of_that_name_is_replaced_only_on_request(tmp_path: Path, folder: Path) -> None:
    add_script(source(tmp_path, "my_scan.py"), folder)
    (folder / "my_scan.toml").write_text('title = "Mine"\n')
    other = source(tmp_path, "my_scan.py", b"print(2)\n")
    with pytest.raises(ScriptError, match="--replace"):
        add_script(other, folder)
    assert (folder / "my_scan.py").read_bytes() == PROGRAM
    assert add_script(other, folder, replace=True).program == b"print(2)\n"
    assert (folder / "my_scan.toml").read_text() == 'title = "Mine"\n'


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("My Scan (2).py", "my_scan_2"),
        ("2025-gaps.py", "script_2025_gaps"),
        ("Übernacht_Gap.py", "ubernacht_gap"),
        ("random.py", "random_script"),
        ("class.py", "class_script"),
        ("___.py", "script"),
        ("GapUp.PY.py", "gapup_py"),
    ],
)
def test_a_name_that_cannot_be_used_is_changed_and_said(tmp_path: Path, folder: Path, name: str, taken: str) -> None:
    said: list[str] = []
    script = add_script(source(tmp_path, name), folder, say=said.append)
    assert script.name == taken
    assert said == [f"{name} is added as {taken}.py."]
    assert usable_name(taken) == taken


def test_what_a_script_uses_from_beside_itself_goes_along(tmp_path: Path, folder: Path) -> None:
    path = source(
        tmp_path, "scan.py", b"import pandas as pd\nimport helpers, tools.bars\npd.read_csv('lists/tech.csv')\n"
    )
    source(tmp_path, "helpers.py", b"import scipy\n")
    source(tmp_path, "other.py")
    for name in ("tools/bars.py", "tools/__pycache__/bars.pyc", "lists/tech.csv"):
        (path.parent / name).parent.mkdir(exist_ok=True, parents=True)
        (path.parent / name).write_text("x = 1\n")
    said: list[str] = []
    script = add_script(path, folder, say=said.append)
    assert sorted(helper.name for helper in script.helpers) == ["helpers.py", "lists", "tools"]
    assert all(helper.parent == folder for helper in script.helpers)
    assert script.inspection.imports == ("pandas", "scipy")
    assert len(said) == 3
    assert not (folder / "tools" / "__pycache__").exists()
    # A module that a script imports is no script of its own, unless somebody says how it is run.
    assert [one.name for one in find_scripts(folder)] == ["scan"]
    (folder / "helpers.toml").write_text("")
    assert [one.name for one in find_scripts(folder)] == ["helpers", "scan"]


def test_another_module_of_a_helpers_name_is_not_overwritten(tmp_path: Path, folder: Path) -> None:
    add_script(source(tmp_path, "helpers.py"), folder)
    path = source(tmp_path, "scan.py", b"import helpers\n")
    source(tmp_path, "helpers.py", b"x = 2\n")
    with pytest.raises(ScriptError, match=r"helpers\.py exists and differs"):
        add_script(path, folder)
    assert not (folder / "scan.py").exists()


@pytest.mark.parametrize(
    ("name", "program", "words"),
    [
        ("scan.txt", PROGRAM, "does not end in .py"),
        ("scan.ipynb", b"{}", "notebook"),
        ("scan.py", b"print 'x'\n", "Python 2"),
        ("scan.py", b"", "empty"),
        ("scan.py", b"x = '\xff'\n", "not utf-8"),
    ],
)
def test_what_is_no_script_is_refused_and_nothing_is_written(
    tmp_path: Path, folder: Path, name: str, program: bytes, words: str
) -> None:
    with pytest.raises(ScriptError, match=words):
        add_script(source(tmp_path, name, program), folder)
    assert not folder.exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ScriptError, match=r"gone\.py cannot be read"):
        add_script(tmp_path / "gone.py", folder)
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ScriptError, match=r"folder\.py cannot be read"):
        add_script(tmp_path / "folder.py", folder)


def test_one_broken_script_is_found_with_its_fault_and_the_others_stand(folder: Path) -> None:
    assert find_scripts(folder) == []
    folder.mkdir(parents=True)
    (folder / "good.py").write_text("print(1)\n")
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "bad_toml.py").write_text("print(1)\n")
    (folder / "bad_toml.toml").write_text("shard = 1\n")
    (folder / "Bad Name.py").write_text("print(1)\n")
    (folder / "dir.py").mkdir()
    (folder / "_private.py").write_text("print(1)\n")
    (folder / "dangling.py").symlink_to(folder / "nowhere")
    faults = {script.name: script.fault for script in find_scripts(folder)}
    assert faults.pop("good") == ""
    assert faults.keys() == {"broken", "bad_toml", "Bad Name", "dir", "dangling"}
    assert "broken.py, line 1" in faults["broken"]
    assert "`shard`" in faults["bad_toml"]
    assert "bad_name.py" in faults["Bad Name"]
    assert "cannot be read" in faults["dir"]
    assert "cannot be read" in faults["dangling"]
    assert read_script(folder / "broken.py").code_version == sha256(b"def f(:\n").hexdigest()[:12]
