"""The rules that say what is no bar: each through a real file, with the row as it was delivered."""

import json
import math
from typing import Any

import pytest

from scan_pipeline.store.bar_rules import RULES
from scan_pipeline_tests.desk import FRI, MON, SAT, TUE, Desk, Row, bar, broken_accounts

#: What is no bar in any file, by the rule that says so.
BAD: dict[str, list[dict[str, Any]]] = {
    "unparsable": [
        {"open": None},
        {"high": None},
        {"low": None},
        {"close": None},
        {"volume": None},
        {"close": math.nan},
        {"high": math.inf},
        {"volume": -math.inf},
    ],
    "price_not_positive": [
        {"low": 0.0},
        {"open": -10.0},
        {"open": 0.0, "high": 0.0, "low": 0.0, "close": 0.0, "volume": 0.0},
    ],
    "high_below_low": [{"high": 9.0, "low": 11.0}, {"high": 9.99, "open": 9.99, "close": 9.99, "low": 10.0}],
    "open_outside_range": [{"open": 11.01}, {"open": 8.99}],
    "close_outside_range": [{"close": 11.01}, {"close": 8.99}],
    "negative_volume": [{"volume": -1.0}, {"volume": -0.5}],
}

#: What is a bar, however odd.
GOOD: list[dict[str, Any]] = [
    {"volume": 0.0},
    {"volume": 0.5},
    {"open": 11.0, "close": 9.0},
    {"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0},
    {"open": 0.0001, "high": 0.0001, "low": 0.0001, "close": 0.0001},
    {"open": 250_000.0, "high": 260_000.0, "low": 240_000.0, "close": 255_000.0},
]


def write(desk: Desk, kind: str, rows: list[Row]) -> str:
    """The file's name as it is recorded."""
    return str(desk.csv(rows) if kind == "csv" else desk.parquet(rows))


def as_delivered(raw: str) -> Row:
    return {name: value for name, value in json.loads(raw).items() if value is not None}


def as_written(row: Row, kind: str) -> Row:
    return {name: str(value) if kind == "csv" else value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("rule", BAD)
def test_a_row_that_breaks_a_rule_is_kept_as_delivered_and_is_no_bar(desk: Desk, kind: str, rule: str) -> None:
    bad = [bar(f"BAD{number}", TUE, reported_on=TUE, **values) for number, values in enumerate(BAD[rule])]
    source = write(desk, kind, [bar("AAA", TUE, reported_on=TUE), *bad, bar("ZZZ", TUE, reported_on=TUE)])
    outcome = desk.ingest(TUE)[TUE]
    kept = desk.rejected("session, symbol, rule, reported_on, source, raw")
    assert [record[:-1] for record in kept] == [(TUE, row["symbol"], rule, TUE, source) for row in bad]
    # As text: NaN does not equal itself.
    assert [str(as_delivered(raw)) for *_, raw in kept] == [str(as_written(row, kind)) for row in bad]
    assert desk.bars("symbol") == [("AAA",), ("ZZZ",)]
    assert (outcome.delivered, outcome.bars, outcome.lost_bars) == (2 + len(bad), 2, len(bad))
    assert outcome.rejected == {rule: len(bad)}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_odd_row_that_breaks_no_rule_is_a_bar(desk: Desk, kind: str) -> None:
    odd = [bar(f"ODD{number}", TUE, **values) for number, values in enumerate(GOOD)]
    write(desk, kind, odd)
    assert desk.ingest(TUE)[TUE].rejected == {}
    assert desk.bars("symbol, session, open, high, low, close, volume") == [tuple(row.values()) for row in odd]


def test_text_that_is_no_number_is_unparsable(desk: Desk) -> None:
    texts = [("close", "n/a"), ("close", "10.5.1"), ("open", "$10"), ("volume", "1.000.000"), ("volume", "many")]
    bad = [bar(f"BAD{number}", TUE, **{column: text}) for number, (column, text) in enumerate(texts)]
    desk.csv([*bad, bar("AAA", TUE)])
    desk.ingest(TUE)
    assert desk.rejected("symbol, rule") == [(row["symbol"], "unparsable") for row in bad]
    assert [as_delivered(raw) for (raw,) in desk.rejected("raw")] == [as_written(row, "csv") for row in bad]
    assert desk.bars("symbol") == [("AAA",)]


def test_a_row_without_a_symbol_is_unparsable(desk: Desk) -> None:
    desk.csv([bar("", TUE), bar("   ", TUE), bar("AAA", TUE)])
    desk.ingest(TUE)
    assert desk.rejected() == [(TUE, None, "unparsable")] * 2


def test_a_header_that_slipped_in_is_told_from_a_broken_row(desk: Desk) -> None:
    words = ["Symbol", "TICKER", "symbol"]
    headers = [{name: name for name in bar()} | {"symbol": word, "reported_on": TUE} for word in words]
    desk.csv([bar("AAA", TUE, reported_on=TUE), *headers])
    desk.ingest(TUE)
    assert desk.rejected() == [(TUE, word, "header_line") for word in words]
    assert [as_delivered(raw) for (raw,) in desk.rejected("raw")] == headers


def test_a_company_whose_ticker_is_a_header_word_keeps_its_bars(desk: Desk) -> None:
    desk.csv([bar("SYMBOL", TUE), bar("TICKER", TUE)])
    assert desk.ingest(TUE)[TUE].bars == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_of_a_holiday_or_weekend_counts_to_the_session_after_it(desk: Desk, kind: str) -> None:
    holiday, saturday, monday = "2015-07-03", "2015-07-04", "2015-07-06"
    write(desk, kind, [bar("AAA", "2015-07-02"), bar("BAD", holiday), bar("BAD", saturday), bar("AAA", monday)])
    before, after = desk.ingest("2015-07-02", monday).values()
    assert (before.delivered, before.rejected) == (1, {})
    assert (after.delivered, after.bars, after.rejected, after.lost_bars) == (3, 1, {"not_a_session": 2}, 2)
    kept = [(session, symbol, rule, as_delivered(raw)["date"]) for session, symbol, rule, raw in desk.rejected(
        "session, symbol, rule, raw")]  # fmt: skip
    assert kept == [(monday, "BAD", "not_a_session", holiday), (monday, "BAD", "not_a_session", saturday)]


def test_a_row_of_a_closed_day_waits_for_the_session_after_it(desk: Desk) -> None:
    desk.csv([bar("AAA", FRI), bar("BAD", SAT), bar("AAA", "2015-07-20")])
    desk.ingest(FRI)
    assert desk.rejected() == []
    desk.ingest("2015-07-20")
    assert desk.rejected() == [("2015-07-20", "BAD", "not_a_session")]
    assert broken_accounts(desk) == []


def test_the_first_rule_that_a_row_breaks_is_the_one_that_is_named(desk: Desk) -> None:
    everything = {"open": 20.0, "high": -1.0, "low": 11.0, "close": 20.0, "volume": -1.0}
    steps = [
        ("price_not_positive", everything),
        ("high_below_low", everything | {"high": 1.0}),
        ("open_outside_range", everything | {"high": 19.0}),
        ("close_outside_range", everything | {"high": 19.0, "open": 12.0}),
        ("negative_volume", everything | {"high": 20.0}),
    ]
    desk.parquet([bar(f"S{number}", TUE, **values) for number, (_, values) in enumerate(steps)])
    desk.ingest(TUE)
    assert desk.rejected("rule") == [(rule,) for rule, _ in steps]


def test_an_undated_row_belongs_to_the_session_in_which_it_was_reported(desk: Desk) -> None:
    desk.parquet([bar("AAA", TUE, reported_on=TUE), bar("BAD", None, reported_on=TUE)])
    outcomes = desk.ingest()
    assert outcomes[TUE].rejected == {"unparsable": 1}
    assert desk.rejected() == [(TUE, "BAD", "unparsable")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_without_any_date_is_kept_once_belongs_to_no_session_and_is_told(desk: Desk, kind: str) -> None:
    write(desk, kind, [bar("AAA", MON), bar("AAA", TUE), bar("BAD", None)])
    desk.ingest(MON)
    desk.ingest(TUE)
    desk.ingest(MON, TUE)
    assert desk.rejected() == [(None, "BAD", "unparsable")]
    assert any("1 delivered rows have no readable date; see rejected_bars." in line for line in desk.said)
    assert broken_accounts(desk) == []


def test_every_rule_has_a_sentence_for_people() -> None:
    assert all(rule.description.endswith(".") for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
