"""A new scanner's file: it works as it is written, and no name does harm."""

from pathlib import Path

import pytest

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.preparing import prepare
from scan_pipeline.scanners.python.library import read_scanner as read_python
from scan_pipeline.scanners.registry import read_scanner
from scan_pipeline.scanners.starting import Language, write_new


def test_a_new_one_in_sql_has_no_fault_and_asks_for_what_it_calls(tmp_path: Path) -> None:
    scanner = read_scanner(write_new(tmp_path, "quiet_giants", "sql"))
    assert scanner.fault is None
    assert scanner.title == "Quiet giants"
    assert scanner.parameters == {"min_change": 3, "min_relative_volume": 2}
    assert "ta.rsi(close, 7)" in prepare(scanner).columns


@pytest.mark.parametrize("name", ["quiet_giants", "lambda", "ta", "scanner"])
def test_a_new_one_in_python_has_no_fault_whatever_its_name(tmp_path: Path, name: str) -> None:
    scanner = read_python(write_new(tmp_path, name, "python"))
    assert scanner.fault is None
    assert scanner.parameters == {"min_change": 3, "min_relative_volume": 2}
    assert scanner.function not in ("lambda", "ta", "scanner")


@pytest.mark.parametrize(
    ("name", "language", "said"),
    [
        ("Quiet", "sql", "small letters, digits and underscores"),
        ("../quiet", "sql", "small letters, digits and underscores"),
        ("7days", "python", "beginning with a letter"),
        ("gap_and_go", "sql", "built-in"),
        ("gap_and_go", "python", "built-in"),
        ("random", "python", "would hide the module random"),
        ("pandas", "python", "my_pandas"),
        ("taken", "sql", "taken.py is there already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_what_can(
    tmp_path: Path, name: str, language: Language, said: str
) -> None:
    (tmp_path / "taken.py").write_text("")
    with pytest.raises(ScannerError, match=said):
        write_new(tmp_path, name, language)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.py"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "scanners").write_text("a file in the folder's place")
    with pytest.raises(ScannerError, match="cannot be written"):
        write_new(tmp_path / "scanners", "quiet", "sql")
