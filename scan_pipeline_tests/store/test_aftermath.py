"""What followed a hit: later closes over the close of its session, without splits, and only what is held."""

from datetime import date

import pytest

from scan_pipeline.store.aftermath import read_returns
from scan_pipeline_tests.desk import FRI, MON, THU, TUE, WED, WEEK, Desk, bar, write_csv

MONDAY, TUESDAY, THURSDAY, FRIDAY = (date.fromisoformat(day) for day in (MON, TUE, THU, FRI))
NEXT_WEEK = date(2015, 7, 20)


def closing(symbol: str, closes: dict[str, float]) -> list[dict[str, object]]:
    return [bar(symbol, day, open=c, high=c, low=c, close=c) for day, c in closes.items()]


@pytest.fixture
def returns(desk: Desk) -> dict[tuple[date, str], dict[int, float]]:
    """AAA rises by ten, BBB splits 2 for 1 on Thursday and keeps its worth, CCC trades no more after Tuesday."""
    desk.csv(
        [
            *closing("AAA", {day: 100 + 10 * place for place, day in enumerate(WEEK)}),
            *closing("BBB", {MON: 50, TUE: 50, WED: 50, THU: 25, FRI: 26}),
            *closing("CCC", {MON: 10, TUE: 8}),
        ]
    )
    split = {"symbol": "BBB", "ex_date": THU, "split_from": 1, "split_to": 2, "known_on": THU}
    write_csv(desk.feed.parent / "splits.csv", [split])
    desk.pipeline.record_splits()
    desk.ingest()
    hits = {(MONDAY, "AAA"), (MONDAY, "BBB"), (MONDAY, "CCC"), (THURSDAY, "AAA")}
    later = {MONDAY: {1: TUESDAY, 4: FRIDAY}, THURSDAY: {1: FRIDAY, 2: NEXT_WEEK}}
    with desk.pipeline.store.read() as connection:
        return read_returns(connection, hits, later)


def test_a_return_is_from_close_to_close(returns: dict[tuple[date, str], dict[int, float]]) -> None:
    assert returns[MONDAY, "AAA"] == pytest.approx({1: 0.1, 4: 0.4})


def test_a_split_in_between_is_no_loss(returns: dict[tuple[date, str], dict[int, float]]) -> None:
    assert returns[MONDAY, "BBB"] == pytest.approx({1: 0.0, 4: 26 / 25 - 1})


def test_what_trades_no_more_is_held_at_its_last_close(returns: dict[tuple[date, str], dict[int, float]]) -> None:
    assert returns[MONDAY, "CCC"] == pytest.approx({1: -0.2, 4: -0.2})


def test_a_session_that_is_not_held_tells_nothing(returns: dict[tuple[date, str], dict[int, float]]) -> None:
    assert returns[THURSDAY, "AAA"] == pytest.approx({1: 140 / 130 - 1})
