"""Splits and the universe: what is known of symbols, and since when."""

from datetime import date
from typing import Any

import pytest

from scan_pipeline.providers.base import ProviderError
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.reference import UniverseSession
from scan_pipeline_tests.desk import FRI, MON, THU, TUE, WED, WEEK, Desk, bar


def build(desk: Desk, *days: str, symbols: str = "") -> list[UniverseSession]:
    """Build the universe of the sessions, with this text of `symbols.csv`."""
    if symbols:
        (desk.feed.parent / "symbols.csv").write_text(symbols)
    return desk.pipeline.build_universe([date.fromisoformat(day) for day in days])


def universe(desk: Desk, day: str, *columns: str) -> dict[str, Any]:
    """The columns by symbol; a single one as it is."""
    rows = desk.ask(f"select symbol, {', '.join(columns)} from universe where session = ? order by symbol", day)
    return {symbol: values[0] if len(columns) == 1 else tuple(values) for symbol, *values in rows}


def days_from(calendar: Calendar, first: str, count: int) -> list[str]:
    start = calendar.index_at_or_after(date.fromisoformat(first))
    return [str(day) for day in calendar.days[start : start + count]]


# Who is in the universe


def test_a_symbol_with_a_bar_is_in_the_universe_with_or_without_reference_data(desk: Desk) -> None:
    desk.csv([bar("AAA", MON), bar("BBB", MON)])
    desk.ingest(MON)
    [outcome] = build(desk, MON, symbols="symbol,name,exchange,sector\nAAA,Alpha,NYSE,Energy\n")
    assert universe(desk, MON, "name", "exchange", "sector", "traded") == {
        "AAA": ("Alpha", "NYSE", "Energy", True),
        "BBB": (None, None, None, True),
    }
    assert (outcome.symbols, outcome.traded) == (2, 2)
    assert outcome.known == {"name": 0.5, "exchange": 0.5, "type": 0.0, "sector": 0.5, "market_cap": 0.0}


def test_a_listed_symbol_is_in_the_universe_without_a_bar_from_the_day_of_its_listing(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in WEEK])
    desk.ingest()
    build(desk, *WEEK, symbols=f"symbol,listed,delisted\nNEW,{WED},\nOLD,2001-01-02,{THU}\n")
    members = {day: list(universe(desk, day, "traded")) for day in WEEK}
    assert members == {
        MON: ["AAA", "OLD"],
        TUE: ["AAA", "OLD"],
        WED: ["AAA", "NEW", "OLD"],
        THU: ["AAA", "NEW"],
        FRI: ["AAA", "NEW"],
    }
    assert universe(desk, WED, "traded") == {"AAA": True, "NEW": False, "OLD": False}


def test_a_name_in_the_list_alone_is_in_no_universe(desk: Desk) -> None:
    desk.csv([bar("AAA", MON)])
    desk.ingest(MON)
    build(desk, MON, symbols="symbol,name\nAAA,Alpha\nZZZ,Of some other time\n")
    assert list(universe(desk, MON, "name")) == ["AAA"]


def test_a_symbol_that_comes_later_is_not_in_an_earlier_universe(desk: Desk) -> None:
    desk.csv([bar("AAA", MON), bar("AAA", TUE), bar("IPO", TUE)])
    desk.ingest(MON)
    build(desk, MON)
    before = desk.ask("from universe where session = ? order by symbol", MON)
    desk.ingest(TUE)
    build(desk, MON, TUE)
    assert desk.ask("from universe where session = ? order by symbol", MON) == before
    assert universe(desk, TUE, "listed") == {"AAA": MON, "IPO": TUE}


def test_building_again_replaces_a_universe(desk: Desk) -> None:
    desk.csv([bar("AAA", MON), bar("BBB", MON)])
    desk.ingest(MON)
    build(desk, MON)
    desk.csv([bar("BBB", MON), bar("CCC", MON)])
    desk.ingest(MON)
    build(desk, MON)
    assert list(universe(desk, MON, "traded")) == ["BBB", "CCC"]


def test_a_session_that_has_not_closed_has_no_universe(desk: Desk) -> None:
    with pytest.raises(Exception, match="has not closed"):
        build(desk, str(desk.pipeline.calendar.days[-1]))


# Listed and delisted


def test_listed_is_the_vendors_day_or_else_the_first_bar(desk: Desk) -> None:
    desk.csv([bar(symbol, day) for day in (MON, TUE) for symbol in ("AAA", "BBB")])
    desk.ingest(MON, TUE)
    build(desk, TUE, symbols="symbol,listed\nAAA,1998-05-04\n")
    assert universe(desk, TUE, "listed") == {"AAA": "1998-05-04", "BBB": MON}


def test_a_ticker_that_was_used_before_is_not_listed_after_the_session(desk: Desk) -> None:
    desk.csv([bar("AAA", MON)])
    desk.ingest(MON)
    build(desk, MON, symbols="symbol,listed\nAAA,2020-01-02\n")
    assert universe(desk, MON, "listed") == {"AAA": MON}


def test_a_symbol_that_stops_trading_is_delisted_after_5_sessions_and_leaves_after_20(
    desk: Desk, calendar: Calendar
) -> None:
    days = days_from(calendar, MON, 25)
    desk.csv([bar("AAA", day) for day in days] + [bar("GONE", days[0])])
    desk.ingest(*days)
    build(desk, *days)
    gone = desk.ask("select session, delisted, traded from universe where symbol = 'GONE' order by session")
    assert (
        gone
        == [
            (MON, None, True),
            *[(day, None, False) for day in days[1:5]],  # up to four sessions missed
            *[(day, MON, False) for day in days[5:20]],  # five to nineteen; twenty and more: no longer a member
        ]
    )
    assert desk.ask("select distinct delisted from universe where symbol = 'AAA'") == [(None,)]


def test_a_halted_symbol_that_comes_back_is_no_longer_delisted(desk: Desk, calendar: Calendar) -> None:
    days = days_from(calendar, MON, 9)
    desk.csv([bar("AAA", day) for day in days] + [bar("HALT", days[0]), bar("HALT", days[8])])
    desk.ingest(*days)
    build(desk, *days)
    assert universe(desk, days[7], "delisted")["HALT"] == MON
    assert universe(desk, days[8], "delisted", "listed")["HALT"] == (None, MON)


def test_the_vendors_delisting_is_known_from_its_day_on(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in WEEK] + [bar("GONE", day) for day in (MON, TUE, WED)])
    desk.ingest()
    build(desk, *WEEK, symbols=f"symbol,delisted\nGONE,{WED}\n")
    assert [universe(desk, day, "delisted").get("GONE", "not a member") for day in WEEK] == [
        None,
        None,
        WED,  # it traded on its last day
        "not a member",
        "not a member",
    ]


# Market capitalisation


def test_a_market_cap_is_used_from_its_day_on_and_replaced_by_later_ones(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in WEEK])
    desk.ingest()
    caps = f"symbol,market_cap,as_of\nAAA,300,{FRI}\nAAA,100,{TUE}\nAAA,200,{THU}\n"
    outcomes = build(desk, *WEEK, symbols=caps)
    assert [universe(desk, day, "market_cap")["AAA"] for day in WEEK] == [None, 100.0, 100.0, 200.0, 300.0]
    assert [one.known["market_cap"] for one in outcomes] == [0, 1, 1, 1, 1]
    assert {one.market_caps_of_unknown_date for one in outcomes} == {0}


def test_a_market_cap_of_unknown_day_is_left_out_and_counted(desk: Desk) -> None:
    desk.csv([bar(symbol, MON) for symbol in ("AAA", "BBB", "CCC")])
    desk.ingest(MON)
    caps = "symbol,name,market_cap,as_of\nAAA,Alpha,100,\nBBB,Beta,200,\nCCC,Gamma,300,2015-07-01\n"
    [outcome] = build(desk, MON, symbols=caps)
    assert universe(desk, MON, "name", "market_cap") == {
        "AAA": ("Alpha", None),
        "BBB": ("Beta", None),
        "CCC": ("Gamma", 300.0),
    }
    assert outcome.market_caps_of_unknown_date == 2


def test_names_are_those_of_the_latest_row_known_on_the_session(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in WEEK])
    desk.ingest()
    names = f"symbol,name,as_of\nAAA,First Name,2015-01-02\nAAA,Second Name,{WED}\n"
    build(desk, *WEEK, symbols=names)
    assert [universe(desk, day, "name")["AAA"] for day in WEEK] == ["First Name"] * 2 + ["Second Name"] * 3


def test_a_market_cap_that_is_no_number_is_unknown(desk: Desk) -> None:
    desk.csv([bar("AAA", MON)])
    desk.ingest(MON)
    build(desk, MON, symbols="symbol,market_cap,as_of\nAAA,nan,2015-07-01\n")
    assert universe(desk, MON, "market_cap") == {"AAA": None}


# Splits


SPLITS = "symbol,ex_date,split_from,split_to,known_on\n"


def record(desk: Desk, text: str) -> list[tuple[Any, ...]]:
    """The splits held after `splits.csv` with this text has been recorded."""
    (desk.feed.parent / "splits.csv").write_text(text)
    count = desk.pipeline.record_splits()
    held = desk.ask("select symbol, ex_date, split_from, split_to, known_on from splits order by symbol, ex_date")
    assert len(held) == count
    return held


def test_a_split_is_known_on_its_ex_date_where_no_day_is_given(desk: Desk) -> None:
    held = record(desk, SPLITS + "AAA,2015-07-15,1,7,\nBBB,2015-07-15,10,1,2015-07-14\nCCC,2015-07-15,2,3,2015-07-20\n")
    assert held == [
        ("AAA", "2015-07-15", 1, 7, "2015-07-15"),
        ("BBB", "2015-07-15", 10, 1, "2015-07-14"),
        ("CCC", "2015-07-15", 2, 3, "2015-07-20"),
    ]


def test_recording_again_changes_nothing(desk: Desk) -> None:
    text = SPLITS + "AAA,2015-07-15,1,7,\nBBB,2015-07-15,10,1,2015-07-14\n"
    assert record(desk, text) == record(desk, text)


def test_a_split_keeps_the_day_on_which_it_was_first_known_and_takes_a_corrected_ratio(desk: Desk) -> None:
    record(desk, SPLITS + "AAA,2015-07-15,1,7,2015-07-14\n")
    assert record(desk, SPLITS + "AAA,2015-07-15,1,8,2015-07-20\n") == [("AAA", "2015-07-15", 1, 8, "2015-07-14")]


def test_a_split_that_the_vendor_no_longer_lists_stays(desk: Desk) -> None:
    record(desk, SPLITS + "AAA,2015-07-15,1,7,\n")
    assert [row[:2] for row in record(desk, SPLITS + "AAA,2016-07-15,1,2,\n")] == [
        ("AAA", "2015-07-15"),
        ("AAA", "2016-07-15"),
    ]


def test_without_a_file_of_splits_those_held_stay(desk: Desk) -> None:
    record(desk, SPLITS + "AAA,2015-07-15,1,7,\n")
    (desk.feed.parent / "splits.csv").unlink()
    assert desk.pipeline.record_splits() == 1


@pytest.mark.parametrize(
    "ratio",
    [
        "0,7",
        "1,0",
        "1,-7",
        "1,nan",
        "1,inf",
    ],
)
def test_a_ratio_that_is_none_never_reaches_the_prices(desk: Desk, ratio: str) -> None:
    with pytest.raises(ProviderError, match=r"splits\.csv, line 3: .*'AAA'.* above 0\. Mend or remove the line"):
        record(desk, SPLITS + f"BBB,2015-07-15,1,2,\nAAA,2015-07-15,{ratio},\n")


def test_symbols_are_trimmed(desk: Desk) -> None:
    assert [row[0] for row in record(desk, SPLITS + " AAA ,2015-07-15, 1,2 ,\n")] == ["AAA"]
