"""Parameters as a person types them become values of the scanner's kinds, or a sentence that says what is wrong."""

from pathlib import Path

import pytest

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.scanners.typed import by_scanner, combinations, one_value_each, several_values_each, with_values

GAPS = SqlScanner("gaps", Path("gaps.sql"), "", "Gaps", "", None, parameters={"min_gap": 4, "days": 0})
NIGHT = PythonScanner(
    "night", Path("night.py"), "", "Night", function="night",
    parameters={"mode": "up", "strict": False, "share": 0.5},
)  # fmt: skip


def test_numbers_stay_whole_where_they_are() -> None:
    values = one_value_each(GAPS, ["min_gap=5", "days = -1.5"])
    assert values == {"min_gap": 5, "days": -1.5}
    assert isinstance(values["min_gap"], int)
    assert with_values(GAPS, values).parameters == values


def test_a_value_is_of_the_kind_of_the_default() -> None:
    values = one_value_each(NIGHT, ["mode=down", "strict=True", "share=1"])
    assert values == {"mode": "down", "strict": True, "share": 1}
    assert with_values(NIGHT, values).parameters == values


def test_every_combination_is_made_once() -> None:
    values = several_values_each(GAPS, ["min_gap=2,4,4", "days=0,1"])
    assert combinations(values) == [
        {"min_gap": 2, "days": 0}, {"min_gap": 2, "days": 1}, {"min_gap": 4, "days": 0}, {"min_gap": 4, "days": 1},
    ]  # fmt: skip


def test_overrides_name_their_scanner() -> None:
    assert by_scanner([GAPS, NIGHT], ["gaps.min_gap=5", "night.mode=down"]) == {
        "gaps": {"min_gap": 5}, "night": {"mode": "down"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scanner", "text", "said"),
    [
        (GAPS, "min_gap", "expected a name, `=` and a value"),
        (GAPS, "=4", "expected a name"),
        (GAPS, "min_gap=", "expected a name"),
        (GAPS, "min_gap=four", "'four' is not a number"),
        (GAPS, "min_gap=1e999", "'1e999' is too large a number"),
        (GAPS, "mingap=4", "Did you mean min_gap"),
        (NIGHT, "strict=1", "is true or false"),
        (NIGHT, "stric=true", "Did you mean strict"),
    ],
)
def test_what_cannot_be_meant_is_said(scanner: SqlScanner | PythonScanner, text: str, said: str) -> None:
    with pytest.raises(ScannerError, match=said):
        one_value_each(scanner, [text])


@pytest.mark.parametrize(
    ("text", "said"), [("min_gap=4", "say whose it is"), ("gasp.min_gap=4", "There is no scanner gasp. There are gaps")]
)
def test_an_override_of_nothing_is_said(text: str, said: str) -> None:
    with pytest.raises(ScannerError, match=said):
        by_scanner([GAPS], [text])
