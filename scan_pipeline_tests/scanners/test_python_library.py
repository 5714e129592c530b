"""Scanners in Python as files: found and read without running them; what is wrong is said with file and line."""

from pathlib import Path

import pytest

from scan_pipeline import scanner
from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.python.authoring import MARK
from scan_pipeline.scanners.python.library import PythonScanner, find_python_scanners, read_scanner
from scan_pipeline_tests.test_architecture import loaded_by

GOOD = '''
import pandas as pd

from scan_pipeline import scanner


@scanner(lookback=60, rank="gap desc", limit=50, title="Gap out of an inside day")
def found(bars: pd.DataFrame, *, min_gap: float = 4, side: str = "up", strict: bool = True, days: int = -2):
    """What it finds."""
    return bars.close > bars.open
'''
HEAD = "from scan_pipeline import scanner\n"


def written(folder: Path, text: str, name: str = "mine") -> PythonScanner:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return read_scanner(folder / f"{name}.py")


def test_a_file_says_all_about_its_scanner_without_being_run(tmp_path: Path) -> None:
    one = written(tmp_path, GOOD + "\nraise SystemExit('it was run')\n")
    assert one.fault is None
    assert (one.name, one.function, one.scope) == ("mine", "found", "symbol")
    assert (one.lookback, one.rank, one.limit) == (60, "gap desc", 50)
    assert one.title == "Gap out of an inside day"
    assert one.description == "What it finds."
    assert one.parameters == {"min_gap": 4, "side": "up", "strict": True, "days": -2}


def test_the_decorator_leaves_the_function_as_it_is_and_loads_nothing() -> None:
    @scanner(lookback=3)
    def doubled(bars: int) -> int:
        return 2 * bars

    assert doubled(2) == 4
    assert getattr(doubled, MARK).lookback == 3
    assert loaded_by("from scan_pipeline import scanner", "pandas", "numpy", "duckdb", "dagster") == []
    with pytest.raises(ValueError, match="@scanner: lookback must be a whole number of bars from 0 to 2,520, found -1"):
        scanner(lookback=-1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "line 1: '(' was never closed. Mend the line."),
        ("import math\n", "no scanner in it: put `@scanner(lookback=…)` above its function"),
        (HEAD + "@scanner\ndef f(bars):\n    return bars\n", "line 2: write `@scanner(lookback=…)`"),
        (HEAD + "@scanner()\ndef f(bars):\n    return bars\n", "line 2: `@scanner` needs lookback=…"),
        (HEAD + "@scanner(lookbak=3)\ndef f(bars):\n    return bars\n", "takes no lookbak; did you mean lookback?"),
        (HEAD + "N = 3\n@scanner(lookback=N)\ndef f(bars):\n    return bars\n", "line 3: lookback must be written out"),
        (HEAD + "@scanner(lookback=2.5)\ndef f(bars):\n    return bars\n", "lookback must be a whole number of bars"),
        (
            HEAD + "@scanner(lookback=1, limit=0)\ndef f(bars):\n    return bars\n",
            "limit must be a whole number above 0",
        ),
        (HEAD + "@scanner(lookback=1, scope='all')\ndef f(bars):\n    return bars\n", "scope must be one of 'symbol',"),
        (HEAD + "@scanner(lookback=1)\ndef f(bars, gap=4):\n    return bars\n", "line 3: f must take one argument"),
        (HEAD + "@scanner(lookback=1)\ndef f():\n    return 1\n", "`def f(bars, *, min_gap=4)`"),
        (HEAD + "@scanner(lookback=1)\ndef f(bars, *, gap):\n    return bars\n", "line 3: the parameter gap needs a"),
        (HEAD + "@scanner(lookback=1)\ndef f(bars, *, gap=[]):\n    return bars\n", "a number, text, True or False"),
        (HEAD + "@scanner(lookback=1)\ndef f(bars):\n    bars.close > 1\n", "line 3: f returns nothing; return a"),
        (HEAD + "@scanner(lookback=1)\nasync def f(bars):\n    return bars\n", "line 3: f is async; write `def`"),
        (
            HEAD + 2 * "@scanner(lookback=1)\ndef f(bars):\n    return 1\n",
            "more than one scanner: line 3 (f) and line 6 (f); keep one a file",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_file_the_line_and_the_remedy(tmp_path: Path, text: str, said: str) -> None:
    fault = written(tmp_path, text).fault
    assert fault is not None
    assert fault.startswith(str(tmp_path / "mine.py"))
    assert said in fault


def test_a_file_that_cannot_be_a_name_or_is_no_text_says_so(tmp_path: Path) -> None:
    assert "small letters, digits and underscores" in str(written(tmp_path, GOOD, "My-Scanner").fault)
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff\xfe'\n")
    assert "bytes.py" in str(read_scanner(tmp_path / "bytes.py").fault)


def test_helpers_are_no_scanners_and_the_name_of_one_in_sql_is_taken(tmp_path: Path) -> None:
    written(tmp_path, GOOD + "import levels\nfrom _more import x\n", "mine")
    written(tmp_path, "import math\n", "levels")
    written(tmp_path, "x = 1\n", "_more")
    written(tmp_path, GOOD, "gap_and_go")
    (tmp_path / "own.sql").write_text("select session, symbol from features")
    written(tmp_path, GOOD, "own")
    found = {one.name: one for one in find_python_scanners(tmp_path)}
    assert sorted(found) == ["mine", f"{tmp_path.name}_gap_and_go", f"{tmp_path.name}_own"]
    assert "has the name of a scanner in SQL" in str(found[f"{tmp_path.name}_own"].fault)
    assert found["mine"].fault is None
    assert find_python_scanners(tmp_path / "nowhere") == []


def test_the_version_changes_with_the_file_its_helpers_and_parameters_and_with_nothing_else(tmp_path: Path) -> None:
    text = GOOD + "from levels import deep\n"
    written(tmp_path, "import deeper\ndeep = deeper.x\n", "levels")
    written(tmp_path, "x = 1\n", "deeper")
    first = written(tmp_path, text)
    written(tmp_path, "x = 5\n", "unrelated")
    assert read_scanner(first.path).code_version == first.code_version
    assert first.with_parameters({"min_gap": 4}).code_version == first.code_version
    assert first.with_parameters({"min_gap": 5}).code_version != first.code_version
    versions = {first.code_version, written(tmp_path, text + "# a remark\n").code_version}
    written(tmp_path, text)
    written(tmp_path, "x = 2\n", "deeper")
    versions.add(read_scanner(first.path).code_version)
    assert len(versions) == 3


def test_parameters_are_of_the_kind_of_their_defaults(tmp_path: Path) -> None:
    one = written(tmp_path, GOOD)
    assert one.with_parameters({"min_gap": 2.5, "side": "down", "strict": False}).parameters["side"] == "down"
    with pytest.raises(ScannerError, match=r"mine has no parameter min_gp. It has min_gap, .* Did you mean min_gap\?"):
        one.with_parameters({"min_gp": 1})
    for name, value in (("min_gap", "4"), ("min_gap", True), ("side", 1), ("strict", 1)):
        with pytest.raises(ScannerError, match=f"The parameter {name} of mine is"):
            one.with_parameters({name: value})  # type: ignore[dict-item]
