"""Parameters: declared at the head of a scanner, filled in wherever they are meant, and another value for a run."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.parameters import declared, fill_in
from scan_pipeline.scanners.registry import SqlScanner, find_scanners, read_scanner


def scanner(folder: Path, text: str, name: str = "mine") -> SqlScanner:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    return read_scanner(folder / f"{name}.sql")


def test_a_parameter_has_a_name_and_a_number() -> None:
    assert declared("min_gap = 4") == ("min_gap", 4)
    assert declared("w=-0.5") == ("w", -0.5)
    assert isinstance(declared("n = 20")[1], int)
    for wrong in ("min gap = 4", "min_gap", "min_gap = four", "Gap = 1", "gap = 1; drop"):
        with pytest.raises(ValueError, match="name = number"):
            declared(wrong)


def test_a_value_stands_where_its_name_does_and_nowhere_else() -> None:
    text = "select '$w', $w, $w2 -- not $w\nfrom features where a > $w and \"$w\" < 1"
    assert (
        fill_in(text, {"w": 3, "w2": 4.5}) == "select '$w', 3, 4.5 -- not $w\nfrom features where a > 3 and \"$w\" < 1"
    )


def test_a_negative_value_is_not_taken_for_a_comment() -> None:
    assert fill_in("select 5-$x", {"x": -1}) == "select 5-(-1)"


def test_an_undeclared_name_is_refused_with_its_line() -> None:
    with pytest.raises(ScannerError, match=r"line 2: there is no parameter \$gap.*-- param: gap"):
        fill_in("select 1\nwhere a > $gap", {"min_gap": 1})


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.integers(-99, 99), min_size=1))
def test_every_name_is_filled_in_with_its_own_value(values: dict[str, float]) -> None:
    text = "select " + ", ".join(f"${name}" for name in values)
    expected = "select " + ", ".join(str(value) if value >= 0 else f"({value})" for value in values.values())
    assert fill_in(text, values) == expected


def test_the_head_of_a_file_says_what_can_be_turned_and_what_it_finds(tmp_path: Path) -> None:
    one = scanner(
        tmp_path,
        "\ufeff-- title: Gaps\n  -- PARAM: min_gap = 4\n-- param: days = 10\n-- source: as commonly defined\n"
        "-- Opened far above\n-- the last close.\n-- limit: 3\nselect session, symbol from features",
    )
    assert one.fault is None
    assert dict(one.parameters) == {"min_gap": 4, "days": 10}
    assert (one.title, one.source, one.limit) == ("Gaps", "as commonly defined", 3)
    assert one.description == "Opened far above the last close."


def test_a_wrong_declaration_is_the_fault_of_that_file_alone(tmp_path: Path) -> None:
    one = scanner(tmp_path, "-- title: Gaps\n-- param: min_gap: 4\nselect session, symbol from features")
    assert one.fault
    assert "line 2" in one.fault
    assert "name = number" in one.fault


def test_another_value_is_another_version_of_the_code(tmp_path: Path) -> None:
    one = scanner(tmp_path, "-- param: min_gap = 4\nselect session, symbol from features where gap_pct > $min_gap")
    assert one.with_parameters({}).code_version == one.code_version
    assert one.with_parameters({"min_gap": 4}).code_version == one.code_version
    assert one.with_parameters({"min_gap": 5}).code_version != one.code_version


def test_names_that_are_not_there_are_named_with_those_that_are(tmp_path: Path) -> None:
    scanner(tmp_path, "-- param: min_gap = 4\nselect session, symbol from features")
    with pytest.raises(ScannerError, match=r"no parameter max_gap\. It has min_gap\. Did you mean min_gap"):
        find_scanners(tmp_path, {"mine": {"max_gap": 1}})
    with pytest.raises(ScannerError, match=r"no SQL scanner yours.*gap_and_go.*mine"):
        find_scanners(tmp_path, {"yours": {"min_gap": 1}})
