"""The closes that the market's row is made of, as each night knew them; and the rows, kept and read again."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest

from scan_pipeline.features.market_context import COLUMNS, ETF_SESSIONS, SYMBOLS
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.connection import Store
from scan_pipeline.store.market_context import read_closes, read_market_context, replace_market_context

DAYS = [date(2025, 6, day) for day in (2, 3, 4, 5, 6)]
MON, TUE, WED, THU, FRI = DAYS


@pytest.fixture
def store(desk) -> Store:  # type: ignore[no-untyped-def]
    """An empty store of the current version."""
    store: Store = desk.pipeline.store
    with store.write():
        pass
    return store


def hold(store: Store, symbol: str, prices: dict[date, float], *splits: tuple[date, date, float, float]) -> None:
    """Put closes into the store, and splits: ex-date, the day they became known, from, to."""
    with store.write() as connection:
        connection.executemany(
            "insert into price_bars (session, symbol, close) values (?, ?, ?)",
            [[session, symbol, close] for session, close in prices.items()],
        )
        for ex_date, known_on, from_, to in splits:
            connection.execute("insert into splits values (?, ?, ?, ?, ?)", [symbol, ex_date, from_, to, known_on])


def windows(as_ofs: Sequence[date], days: Sequence[date] = DAYS) -> dict[date, Any]:
    return {as_of: np.array([day for day in days if day <= as_of], dtype="datetime64[D]") for as_of in as_ofs}


def closes(store: Store, as_ofs: Sequence[date], days: Sequence[date] = DAYS) -> dict[tuple[date, str], list[float]]:
    """The closes as read, oldest first, by as-of session and symbol."""
    with store.read() as connection:
        columns = read_closes(connection, windows(as_ofs, days))
    found: dict[tuple[date, str], list[float]] = {}
    for as_of, symbol, close in zip(columns["as_of"], columns["symbol"], columns["close"], strict=True):
        found.setdefault((np.datetime64(int(as_of), "D").astype(object), symbol), []).append(close)
    return found


def test_closes_are_those_of_the_etfs_up_to_each_session(store: Store) -> None:
    hold(store, "SPY", {MON: 600.0, TUE: 601.0, THU: 603.0})
    hold(store, "AAPL", {MON: 200.0})
    assert closes(store, [TUE, THU]) == {(TUE, "SPY"): [600, 601], (THU, "SPY"): [600, 601, 603]}


def test_a_split_adjusts_closes_from_the_day_on_which_it_is_in_effect_and_known(store: Store) -> None:
    hold(store, "VIXY", {MON: 10.0, TUE: 11.0, WED: 48.0, THU: 44.0}, (WED, MON, 4, 1))
    hold(store, "QQQ", {MON: 500.0, TUE: 250.0, WED: 251.0, THU: 252.0}, (TUE, THU, 1, 2))
    assert closes(store, [TUE, WED, THU]) == {
        (TUE, "VIXY"): [10, 11],
        (WED, "VIXY"): [40, 44, 48],
        (THU, "VIXY"): [40, 44, 48, 44],
        (TUE, "QQQ"): [500, 250],
        (WED, "QQQ"): [500, 250, 251],
        (THU, "QQQ"): [250, 250, 251, 252],
    }


def test_splits_of_one_etf_add_up(store: Store) -> None:
    hold(store, "VIXY", {MON: 1.0, TUE: 10.0, WED: 30.0}, (WED, WED, 3, 1), (TUE, TUE, 10, 1))
    assert closes(store, [WED]) == {(WED, "VIXY"): [30, 30, 30]}


def test_no_more_is_read_than_the_sessions_that_count_so_that_a_range_reads_what_its_nights_read(
    store: Store, calendar: Calendar
) -> None:
    days = calendar.between(date(2024, 1, 2), FRI)
    hold(store, "SPY", {day: 100.0 + number for number, day in enumerate(days)})
    together = closes(store, [MON, FRI], days)
    assert [len(one) for one in together.values()] == [ETF_SESSIONS + 1] * 2
    assert together == closes(store, [MON], days) | closes(store, [FRI], days)


def test_a_store_without_etfs_has_no_closes(store: Store) -> None:
    hold(store, "AAPL", {MON: 200.0})
    assert closes(store, [MON]) == {}
    assert "SPY" in SYMBOLS


# Rows


def row(session: date, **values: Any) -> tuple[Any, ...]:
    """A row as the select gives it; null but for these values."""
    return tuple({"session": session, "symbols": 100, **values}.get(name) for name in COLUMNS)


def stored(store: Store, *sessions: date) -> list[dict[str, Any]]:
    with store.read() as connection:
        return read_market_context(connection, sessions)


def replace(store: Store, rows: Sequence[tuple[Any, ...]], run_id: str = "run", sessions: Sequence[date] = ()) -> None:
    days = sessions or [row[0] for row in rows]
    with store.write() as connection:
        replace_market_context(connection, days, rows, {session: f"data of {session}" for session in DAYS}, run_id)


def test_a_row_is_read_as_it_was_kept(store: Store) -> None:
    replace(store, [row(TUE, advancers=60, trend="up", qqq_spy=0.1 + 0.2), row(MON, trend=None)])
    [monday, tuesday] = stored(store, MON, TUE, WED)
    assert (monday["session"], monday["advancers"], monday["trend"], monday["qqq_spy"]) == (MON, None, None, None)
    assert (tuesday["session"], tuesday["symbols"], tuesday["advancers"], tuesday["trend"]) == (TUE, 100, 60, "up")
    assert tuesday["qqq_spy"] == 0.1 + 0.2
    assert (tuesday["data_version"], tuesday["run_id"]) == ("data of 2025-06-03", "run")


def test_a_session_s_row_is_replaced_and_the_others_stand(store: Store) -> None:
    replace(store, [row(MON, trend="up"), row(TUE, trend="up")])
    replace(store, [row(TUE, trend="down")], "later")
    replace(store, [])
    replace(store, [row(WED, trend="up")])
    replace(store, [], sessions=[WED])  # of which nothing is known any more
    assert [(one["session"], one["trend"], one["run_id"]) for one in stored(store, *DAYS)] == [
        (MON, "up", "run"),
        (TUE, "down", "later"),
    ]
