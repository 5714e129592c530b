"""The gateway, as a program written for the vendor's API meets it: real HTTP on loopback, the vendor's own clients.

`demo` serves a copy of the demo market, with the universe of its last session; `own` a small market written by hand,
with averages, trades, fractional volumes and several splits of one symbol, so that pandas can say what is right.
"""

import asyncio
import gzip
import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import aiohttp
import massive
import polygon
import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.connection import Connection, Store
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import FRI, MON, THU, TUE, WED, WEEK, Desk, Row, bar, write_csv
from scan_pipeline_tests.gateway.serving import (
    BAR,
    BEARER,
    ENVELOPE,
    GROUPED,
    SPLITS,
    SYMBOLS,
    Served,
    brute_force_factor,
    command,
    day_of,
    expected_bars,
    hand_made_rows,
    new_york_ms,
    same,
    serving,
)
from scan_pipeline_tests.scans import copy_of, query

Client = Any  # massive.RESTClient or polygon.RESTClient

#: Of the demo market: its last session, and one before some of its splits.
LAST, EARLY = date(2025, 12, 31), date(2024, 1, 3)
#: Of the market written by hand.
FIRST_DAY, LAST_DAY = date(2022, 4, 1), date(2023, 7, 31)
SUMMER, WINTER, SATURDAY, HOLIDAY = date(2022, 7, 5), date(2023, 1, 4), date(2022, 7, 9), date(2022, 7, 4)
RANGE = f"{FIRST_DAY}/{LAST_DAY}"
TICKERS = "/v3/reference/tickers"
SPLIT_PATHS = ("/v3/reference/splits", "/stocks/v1/splits")


@pytest.fixture(scope="module")
def demo_copy(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    copy = copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("gateway_demo") / "data")
    copy.build_universe([LAST])
    return copy


@pytest.fixture(scope="module")
def demo(demo_copy: Pipeline) -> Iterator[Served]:
    with serving(demo_copy) as served:
        yield served


@pytest.fixture(scope="module")
def own_rows(calendar: Calendar) -> list[Row]:
    return hand_made_rows(calendar.between(FIRST_DAY, LAST_DAY))


@pytest.fixture(scope="module")
def own_pipeline(
    own_rows: list[Row], calendar: Calendar, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    feed = tmp_path_factory.mktemp("gateway_own") / "market" / "feed"
    feed.mkdir(parents=True)
    write_csv(feed / "bars.csv", own_rows)
    splits = [
        {"symbol": symbol, "ex_date": ex_date, "split_from": old, "split_to": new}
        for symbol, ex_date, old, new in SPLITS
    ]
    write_csv(feed.parent / "splits.csv", splits)
    pipeline = Pipeline(settings_at(feed.parent.parent / "data", provider="files", files_path=feed))
    pipeline.record_splits()
    assert sum(one.bars for one in pipeline.ingest(calendar.between(FIRST_DAY, LAST_DAY), "test")) == len(own_rows)
    return pipeline


@pytest.fixture(scope="module")
def own(own_pipeline: Pipeline) -> Iterator[Served]:
    with serving(own_pipeline) as served:
        yield served


# The vendor's clients, unmodified


@pytest.fixture(params=[massive.RESTClient, polygon.RESTClient], ids=["massive", "polygon"])
def client_of(request: pytest.FixtureRequest) -> Callable[[Served], Client]:
    """`client_of(served)`: the vendor's client, told nothing but the address."""
    return lambda served: request.param(api_key="any", base=served.url, retries=0)


def test_the_clients_read_a_whole_day(client_of: Callable[[Served], Client], demo: Served, demo_copy: Pipeline) -> None:
    bars = client_of(demo).get_grouped_daily_aggs(LAST, adjusted=False)
    held = query(
        demo_copy,
        "select symbol, open, high, low, close, volume from price_bars where session = ? order by symbol",
        LAST,
    )
    assert [(one.ticker, one.open, one.high, one.low, one.close, one.volume) for one in bars] == held
    assert len(held) > 400


@pytest.mark.parametrize("adjusted", [True, False])
@pytest.mark.parametrize("timespan", ["day", "week"])
def test_the_clients_read_and_page_through_a_tickers_bars(
    client_of: Callable[[Served], Client], own: Served, own_rows: list[Row], timespan: str, adjusted: bool
) -> None:
    client, asked = client_of(own), ("AAA", 1, timespan, FIRST_DAY, str(LAST_DAY))
    whole = client.get_aggs(*asked, adjusted=adjusted, limit=50_000)
    paged = list(client.list_aggs(*asked, adjusted=adjusted, limit=83))
    expected = expected_bars(own_rows, "AAA", FIRST_DAY, LAST_DAY, adjusted=adjusted, timespan=timespan)
    assert paged == whole
    assert [one.timestamp for one in whole] == [one["t"] for one in expected]
    assert [one.transactions for one in whole] == [one["n"] for one in expected]
    for name, letter in (("open", "o"), ("high", "h"), ("low", "l"), ("close", "c"), ("volume", "v"), ("vwap", "vw")):
        assert [getattr(one, name) for one in whole] == pytest.approx([one[letter] for one in expected], rel=1e-12)


def test_the_clients_list_the_tickers_page_by_page(
    client_of: Callable[[Served], Client], demo: Served, demo_copy: Pipeline
) -> None:
    listed = list(client_of(demo).list_tickers(market="stocks", active=True, limit=100))
    universe = query(demo_copy, "select symbol, name, exchange, type from universe order by symbol")
    assert [one.ticker for one in listed] == [symbol for symbol, *_ in universe]
    assert [(one.name, one.primary_exchange, one.type) for one in listed] == [tuple(rest) for _, *rest in universe]
    assert {(one.market, one.locale, one.active, one.currency_name) for one in listed} == {
        ("stocks", "us", True, "usd")
    }


def test_the_clients_read_one_ticker(client_of: Callable[[Served], Client], demo: Served, demo_copy: Pipeline) -> None:
    symbol, name, market_cap = query(
        demo_copy, "select symbol, name, market_cap from universe where market_cap is not null order by symbol limit 1"
    )[0]
    details = client_of(demo).get_ticker_details(symbol)
    assert (details.ticker, details.name, details.market_cap, details.active) == (symbol, name, market_cap, True)


def test_the_clients_list_splits_page_by_page(client_of: Callable[[Served], Client], own: Served) -> None:
    client = client_of(own)
    listed = list(client.list_splits(limit=2))
    expected = sorted(SPLITS, key=lambda split: split[0])
    expected = sorted(expected, key=lambda split: split[1], reverse=True)
    assert [(one.ticker, one.execution_date, one.split_from, one.split_to) for one in listed] == expected
    assert [one.execution_date for one in client.list_splits(ticker="AAA", execution_date_gte="2022-11-01")] == [
        "2023-03-06",
        "2022-11-01",
    ]
    if hasattr(client, "list_stocks_splits"):  # the newer path, in the newer client
        newer = list(client.list_stocks_splits(limit=3))
        assert [(one.ticker, one.execution_date, one.split_from, one.split_to) for one in newer] == expected


def test_the_clients_read_the_previous_close(
    client_of: Callable[[Served], Client], own: Served, own_rows: list[Row]
) -> None:
    [found] = client_of(own).get_previous_close_agg("KIMpL")
    last = [row for row in own_rows if row["symbol"] == "KIMpL"][-1]
    assert (found.ticker, found.open, found.close, found.volume) == (
        "KIMpL", last["open"], last["close"], last["volume"],
    )  # fmt: skip
    assert day_of(found.timestamp) == LAST_DAY


def test_the_clients_read_the_market_status(client_of: Callable[[Served], Client], demo: Served) -> None:
    status = client_of(demo).get_market_status()
    assert status.market in ("open", "closed")
    assert status.exchanges.nyse == status.market
    assert datetime.fromisoformat(status.server_time).tzinfo is not None


# Grouped daily


@pytest.mark.parametrize(
    ("day", "closes_at"),
    [(SUMMER, datetime(2022, 7, 5, 20, tzinfo=UTC)), (WINTER, datetime(2023, 1, 4, 21, tzinfo=UTC))],
)
@pytest.mark.parametrize("adjusted", [True, False])
def test_a_day_holds_every_bar_in_the_vendors_shape_stamped_at_four_in_new_york(
    own: Served, own_rows: list[Row], day: date, closes_at: datetime, adjusted: bool
) -> None:
    answer = own.get(f"{GROUPED}/{day}", adjusted=str(adjusted).lower()).body
    assert list(answer) == ENVELOPE
    symbols = [row["symbol"] for row in own_rows if row["date"] == str(day)]
    assert [row["T"] for row in answer["results"]] == symbols
    expected = [
        {"T": symbol, **one, "t": int(closes_at.timestamp()) * 1000}
        for symbol in symbols
        for one in expected_bars(own_rows, symbol, day, day, adjusted=adjusted)
    ]
    assert list(answer["results"][0]) == ["T", *BAR]
    assert same(answer["results"], expected)
    assert answer["queryCount"] == answer["resultsCount"] == answer["count"] == len(expected)
    assert (answer["adjusted"], answer["status"]) == (adjusted, "OK")
    assert len(answer["request_id"]) == 32
    assert int(answer["request_id"], 16) >= 0


def test_a_day_is_as_traded_to_the_last_bit_where_adjusted_is_false(own: Served, own_rows: list[Row]) -> None:
    found = {row["T"]: row for row in own.get(f"{GROUPED}/{SUMMER}", adjusted="false").rows}
    for row in (row for row in own_rows if row["date"] == str(SUMMER)):
        one = found[row["symbol"]]
        assert [one[letter] for letter in "ohlcv"] == [row[name] for name in ("open", "high", "low", "close", "volume")]
        assert (one["vw"], one["n"]) == (row["vwap"], row["trades"])


def test_an_adjusted_day_carries_the_splits_after_it_and_none_that_is_still_to_come(
    own: Served, own_rows: list[Row]
) -> None:
    raw = {row["T"]: row for row in own.get(f"{GROUPED}/{SUMMER}", adjusted="false").rows}
    adjusted = {row["T"]: row for row in own.get(f"{GROUPED}/{SUMMER}").rows}  # true, where nothing is said
    assert adjusted["AAA"]["c"] == pytest.approx(raw["AAA"]["c"] * (1 / 3) * 20)  # not the split of June before it
    assert adjusted["AAA"]["v"] == pytest.approx(raw["AAA"]["v"] / ((1 / 3) * 20))
    assert adjusted["BRK.B"]["c"] == pytest.approx(raw["BRK.B"]["c"] * (2 / 3) / 50)
    assert adjusted["aa"]["c"] == pytest.approx(raw["aa"]["c"] * 5 / 4)
    for untouched in ("AA", "aA", "LATER"):  # a symbol's namesake in other letters is another symbol
        assert adjusted[untouched] == raw[untouched]
    on_the_day = own.get(f"{GROUPED}/2023-03-06").rows
    assert on_the_day == own.get(f"{GROUPED}/2023-03-06", adjusted="false").rows  # its own split is in its prices


def test_the_demo_markets_splits_are_carried(demo: Served, demo_copy: Pipeline) -> None:
    splits = query(demo_copy, "select symbol, split_from, split_to from splits where ex_date > ?", EARLY)
    raw = {row["T"]: row for row in demo.get(f"{GROUPED}/{EARLY}", adjusted="false").rows}
    adjusted = {row["T"]: row for row in demo.get(f"{GROUPED}/{EARLY}", adjusted="true").rows}
    moved = {symbol for symbol in raw if raw[symbol] != adjusted[symbol]}
    assert moved == {symbol for symbol, *_ in splits} & set(raw)
    assert moved
    for symbol, old, new in splits:
        if symbol in raw:
            assert adjusted[symbol]["c"] == pytest.approx(raw[symbol]["c"] * old / new)


@pytest.mark.parametrize("day", [SATURDAY, HOLIDAY, date(1998, 1, 5), date(1, 1, 1)])
def test_a_day_without_a_session_has_zero_counts_and_no_results(own: Served, day: date) -> None:
    answer = own.get(f"{GROUPED}/{day}")
    assert answer.status == 200
    assert list(answer.body) == [name for name in ENVELOPE if name != "results"]
    assert answer.body["queryCount"] == answer.body["resultsCount"] == answer.body["count"] == 0


def test_a_day_after_the_last_closed_session_is_refused_as_todays_data(own: Served, calendar: Calendar) -> None:
    for day in (calendar.latest_closed() + timedelta(days=1), date(9999, 12, 31)):
        answer = own.get(f"{GROUPED}/{day}")
        assert answer.status == 403
        assert answer.body["status"] == "NOT_AUTHORIZED"
        assert answer.body["message"].startswith("Attempted to request today's data before end of day.")
    assert own.get(f"{GROUPED}/{calendar.latest_closed()}").status == 200


def test_a_misspelt_parameter_is_ignored_and_the_day_is_adjusted(own: Served) -> None:
    misspelt = own.get(f"{GROUPED}/{SUMMER}", adjust="false").body
    assert misspelt["adjusted"] is True
    assert misspelt["results"] == own.get(f"{GROUPED}/{SUMMER}").rows


# Custom bars


@pytest.mark.parametrize("adjusted", [True, False])
@pytest.mark.parametrize("symbol", ["AA", "AAA", "THIN"])
@pytest.mark.parametrize("timespan", ["day", "week", "month", "quarter", "year"])
def test_bars_of_every_span_are_those_of_the_daily_bars_in_it(
    own: Served, own_rows: list[Row], timespan: str, symbol: str, adjusted: bool
) -> None:
    first, last = date(2022, 6, 8), date(2023, 5, 17)  # in the middle of every span
    answer = own.get(f"/v2/aggs/ticker/{symbol}/range/1/{timespan}/{first}/{last}", adjusted=str(adjusted).lower()).body
    assert list(answer) == ["ticker", *ENVELOPE]
    assert answer["ticker"] == symbol
    assert list(answer["results"][0]) == BAR
    assert same(answer["results"], expected_bars(own_rows, symbol, first, last, adjusted=adjusted, timespan=timespan))
    assert answer["resultsCount"] == answer["count"] == len(answer["results"])
    assert answer["queryCount"] >= answer["resultsCount"]  # it counts the daily bars behind them


def test_a_bar_is_stamped_at_midnight_in_new_york_in_summer_and_winter_and_a_week_begins_on_sunday(own: Served) -> None:
    for day, midnight in ((SUMMER, datetime(2022, 7, 5, 4, tzinfo=UTC)), (WINTER, datetime(2023, 1, 4, 5, tzinfo=UTC))):
        [one] = own.get(f"/v2/aggs/ticker/AAA/range/1/day/{day}/{day}").rows
        assert one["t"] == int(midnight.timestamp()) * 1000
    [week] = own.get(f"/v2/aggs/ticker/AAA/range/1/week/{SUMMER}/{SUMMER}").rows
    assert day_of(week["t"]).strftime("%A %Y-%m-%d") == "Sunday 2022-07-03"


def test_a_range_may_be_given_in_milliseconds(own: Served) -> None:
    by_date = own.get(f"/v2/aggs/ticker/AAA/range/1/day/{SUMMER}/{WINTER}").rows
    first, last = new_york_ms(SUMMER, 0), new_york_ms(WINTER, 23)
    assert own.get(f"/v2/aggs/ticker/AAA/range/1/day/{first}/{last}").rows == by_date


@pytest.mark.parametrize(("multiplier", "timespan"), [(1, "day"), (5, "day"), (2, "week"), (3, "month"), (1, "year")])
def test_newest_first_is_oldest_first_the_other_way_round(own: Served, multiplier: int, timespan: str) -> None:
    path = f"/v2/aggs/ticker/AAA/range/{multiplier}/{timespan}/{RANGE}"
    assert own.get(path, sort="desc").rows == own.get(path, sort="asc").rows[::-1]


def test_several_spans_make_a_bar(own: Served) -> None:
    days = own.get(f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}").rows
    fives = own.get(f"/v2/aggs/ticker/AAA/range/5/day/{RANGE}").rows
    groups = [days[start : start + 5] for start in range(0, len(days), 5)]
    assert [(one["t"], one["o"], one["c"], one["h"], one["l"], one["n"]) for one in fives] == [
        (
            group[0]["t"], group[0]["o"], group[-1]["c"], max(day["h"] for day in group),
            min(day["l"] for day in group), sum(day["n"] for day in group),
        )
        for group in groups
    ]  # fmt: skip


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    ("multiplier", "timespan", "limit"),
    [(1, "day", 1), (1, "day", 60), (4, "day", 6), (1, "week", 12), (3, "week", 17), (1, "month", 10), (2, "month", 50),
     (1, "year", 100)],
)  # fmt: skip
def test_pages_give_together_what_one_request_gives(
    own: Served, multiplier: int, timespan: str, limit: int, sort: str
) -> None:
    last = {1: "2022-04-19", 6: "2022-07-14", 12: "2022-08-09", 17: "2022-11-16"}.get(limit, LAST_DAY)
    path = f"/v2/aggs/ticker/AAA/range/{multiplier}/{timespan}/{FIRST_DAY}/{last}"
    whole = own.get(path, sort=sort)
    assert "next_url" not in whole.body
    pages = own.pages(path, sort=sort, limit=limit)
    assert len(pages) > 1
    assert [row for page in pages for row in page.rows] == whole.rows
    assert sum(page.body["queryCount"] for page in pages) == whole.body["queryCount"]


def test_the_next_address_holds_no_key_and_every_parameter_of_the_first_request(own: Served) -> None:
    path = f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}"
    first = own.get(path, headers={}, apiKey="s3cr3t", adjusted="false", limit="20", sort="desc")
    following = first.body["next_url"]
    assert following.startswith(f"{own.url}/v2/aggs/ticker/AAA/range/1/day/")
    assert list(parse_qs(urlsplit(following).query)) == ["cursor"]
    assert b"s3cr3t" not in first.raw
    assert b"s3cr3t".hex() not in following
    assert own.get(following, headers={}).status == 401
    second = own.get(f"{following}&apiKey=s3cr3t", headers={})
    assert second.rows == own.get(path, adjusted="false", sort="desc").rows[20:40]
    assert second.body["adjusted"] is False
    from_another = own.get(path, headers={}, apiKey="another", adjusted="false", limit="20", sort="desc")
    assert from_another.body["next_url"] == following  # nothing of a key is in it


@pytest.mark.parametrize("path", ["AAA/range/1/minute", "AAA/range/5/hour", "NOSUCH/range/1/day", "aaa/range/1/week"])
def test_what_the_store_does_not_hold_is_an_honest_empty_answer(own: Served, path: str) -> None:
    answer = own.get(f"/v2/aggs/ticker/{path}/{RANGE}")
    assert answer.status == 200
    assert answer.body["queryCount"] == answer.body["resultsCount"] == answer.body["count"] == 0
    assert answer.body["ticker"] == path.split("/")[0]
    assert "results" not in answer.body
    assert "next_url" not in answer.body


def test_the_previous_close_is_the_last_bar_and_empty_for_an_unknown_ticker(own: Served) -> None:
    last = own.get(f"/v2/aggs/ticker/THIN/range/1/day/{RANGE}", sort="desc", limit=1).rows[0]
    answer = own.get("/v2/aggs/ticker/THIN/prev").body
    assert list(answer) == ["ticker", *ENVELOPE]
    assert answer["results"] == [{"T": "THIN", **last, "t": new_york_ms(day_of(last["t"]), 16)}]
    unknown = own.get("/v2/aggs/ticker/NOSUCH/prev")
    assert (unknown.status, unknown.body["resultsCount"]) == (200, 0)


# Tickers


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [23, 100, 1_000])
def test_pages_of_tickers_hold_every_symbol_once_and_in_order(
    demo: Served, demo_copy: Pipeline, limit: int, order: str
) -> None:
    symbols = sorted(symbol for (symbol,) in query(demo_copy, "select symbol from universe"))
    pages = demo.pages(TICKERS, limit=limit, order=order)
    assert [row["ticker"] for page in pages for row in page.rows] == (symbols if order == "asc" else symbols[::-1])
    assert {len(page.rows) for page in pages[:-1]} <= {limit}
    assert all(page.body["count"] == len(page.rows) for page in pages)


def test_a_hundred_tickers_come_where_no_limit_is_given(demo: Served) -> None:
    assert len(demo.get(TICKERS).rows) == 100


def test_tickers_are_filtered_by_range_and_by_words_in_name_or_symbol(demo: Served, demo_copy: Pipeline) -> None:
    named = query(demo_copy, "select symbol, name from universe order by symbol")

    def listed(**asked: object) -> list[str]:
        return [row["ticker"] for row in demo.get(TICKERS, limit=1000, **asked).rows]

    assert listed(ticker__gte="C", ticker__lt="F") == [symbol for symbol, _ in named if "C" <= symbol < "F"]
    low, high = named[3][0], named[9][0]
    assert listed(ticker__gt=low, ticker__lte=high) == [symbol for symbol, _ in named[4:10]]
    assert listed(ticker=low) == [low]
    assert listed(ticker=low.lower()) == []
    word = named[5][1].split()[0].lower()
    expected = [symbol for symbol, name in named if word in symbol.lower() or word in name.lower()]
    assert named[5][0] in expected
    assert listed(search=word) == expected
    assert [row["ticker"] for page in demo.pages(TICKERS, limit=1, search=word) for row in page.rows] == expected
    assert listed(search="%") == listed(search="_") == []  # no character stands for others
    assert listed(market="crypto") == []


def test_tickers_that_no_longer_trade_are_listed_apart_with_the_day_they_ended(
    demo: Served, demo_copy: Pipeline
) -> None:
    active = {row["ticker"] for page in demo.pages(TICKERS, limit=1000) for row in page.rows}
    ended = [row for page in demo.pages(TICKERS, limit=1000, active="false") for row in page.rows]
    held = dict(query(demo_copy, "select symbol, max(session) from price_bars group by symbol"))
    assert {row["ticker"] for row in ended} == set(held) - active
    assert ended
    for row in ended:
        assert row["active"] is False
        assert row["delisted_utc"] == f"{held[row['ticker']]}T00:00:00Z"
        assert demo.get(f"{TICKERS}/{row['ticker']}").rows["active"] is False


def test_tickers_are_case_sensitive(own: Served) -> None:
    listed = [row["ticker"] for row in own.get(TICKERS, date=str(LAST_DAY)).rows]
    assert listed == sorted(SYMBOLS)
    for ticker in ("AA", "aA", "aa", "KIMpL"):
        assert own.get(f"{TICKERS}/{ticker}", date=str(LAST_DAY)).rows["ticker"] == ticker
        assert [row["ticker"] for row in own.get(TICKERS, ticker=ticker, date=str(LAST_DAY)).rows] == [ticker]
    assert own.get(f"{TICKERS}/kimpl", date=str(LAST_DAY)).status == 404
    closes = {ticker: own.get(f"/v2/aggs/ticker/{ticker}/prev").rows[0]["c"] for ticker in ("AA", "aA", "aa")}
    assert len(set(closes.values())) == 3


def test_an_unknown_ticker_is_not_found_in_the_vendors_words(demo: Served) -> None:
    answer = demo.get(f"{TICKERS}/NOSUCH")
    assert answer.status == 404
    assert (answer.body["status"], answer.body["message"]) == ("NOT_FOUND", "Ticker not found.")


# Splits


@pytest.mark.parametrize("path", SPLIT_PATHS)
def test_splits_come_newest_first_in_pages_each_once(own: Served, path: str) -> None:
    whole = own.get(path, limit=1000).rows
    newest_first = sorted((ex_date for _, ex_date, *_ in SPLITS), reverse=True)
    assert [row["execution_date"] for row in whole] == newest_first
    assert {(row["ticker"], row["execution_date"], row["split_from"], row["split_to"]) for row in whole} == set(SPLITS)
    for limit in (1, 2, 3):
        pages = own.pages(path, limit=limit)
        assert len(pages) == -(-len(SPLITS) // limit)
        assert [row for page in pages for row in page.rows] == whole
    oldest_first = own.get(path, sort="execution_date", order="asc").rows
    assert [row["execution_date"] for row in oldest_first] == newest_first[::-1]


@pytest.mark.parametrize("path", SPLIT_PATHS)
def test_splits_are_filtered_by_date_and_ticker_on_every_page(own: Served, path: str) -> None:
    since = own.pages(path, execution_date__gte="2022-11-01", execution_date__lt="2023-03-06", limit=1)
    assert [(row["ticker"], row["execution_date"]) for page in since for row in page.rows] == [
        ("BRK.B", "2023-02-02"),
        ("BRK.B", "2023-02-01"),
        ("AAA", "2022-11-01"),
    ]
    assert {row["ticker"] for row in own.get(path, ticker="aa").rows} == {"aa"}
    assert own.get(path, ticker="NOSUCH").rows == []


def test_the_older_path_gives_ten_splits_where_no_limit_is_given(desk: Desk) -> None:
    days = [f"20{year:02d}-03-01" for year in range(1, 15)]
    splits = [{"symbol": "AAA", "ex_date": day, "split_from": 1, "split_to": 2} for day in days]
    write_csv(desk.feed.parent / "splits.csv", splits)
    desk.csv([bar()])
    desk.ingest(MON)
    desk.pipeline.record_splits()
    with serving(desk.pipeline) as served:
        assert [row["execution_date"] for row in served.get(SPLIT_PATHS[0]).rows] == days[:-11:-1]
        assert len(served.get(SPLIT_PATHS[1]).rows) == len(days)


def test_the_factor_of_a_split_is_the_product_of_all_from_it_on(own: Served) -> None:
    rows = own.get(SPLIT_PATHS[1]).rows
    for row in rows:
        before = date.fromisoformat(row["execution_date"]) - timedelta(days=1)
        expected = brute_force_factor(row["ticker"], before, date.max)
        assert row["historical_adjustment_factor"] == pytest.approx(expected, rel=1e-12)
        kind = "forward_split" if row["split_to"] > row["split_from"] else "reverse_split"
        assert row["adjustment_type"] == kind
    # A filter chooses rows; it does not change what is in them.
    [oldest] = [row for row in rows if (row["ticker"], row["execution_date"]) == ("AAA", "2022-06-15")]
    assert own.get(SPLIT_PATHS[1], execution_date__lt="2022-07-01").rows == [oldest]


# Refusals


def test_a_request_without_a_key_is_refused_wherever_it_goes(own: Served) -> None:
    for path in (f"{GROUPED}/{SUMMER}", TICKERS, "/v1/marketstatus/now", "/nowhere"):
        answer = own.get(path, headers={})
        assert answer.status == 401
        assert (answer.body["status"], answer.body["error"]) == ("ERROR", "API Key was not provided")
    assert own.get(f"{GROUPED}/{SUMMER}", headers={}, apiKey="").status == 401
    assert own.get(f"{GROUPED}/{SUMMER}", headers={"Authorization": "Basic YWJj"}).status == 401
    assert own.get(f"{GROUPED}/{SUMMER}", headers={}, apiKey="any").status == 200


@pytest.mark.parametrize(
    "target",
    [
        f"{GROUPED}/yesterday",
        f"{GROUPED}/2022-02-30",
        f"{GROUPED}/2022-7-5",
        f"{GROUPED}/{quote('٢٠٢٢-٠٧-٠٥')}",
        f"{GROUPED}/99999999999999999999999999",
        f"{GROUPED}/{SUMMER}?adjusted=perhaps",
        "/v2/aggs/ticker/AAA/range/1/day/2022-13-01/2022-12-31",
        "/v2/aggs/ticker/AAA/range/1/day/2022-12-31/2022-12-01",
        f"/v2/aggs/ticker/{quote('A B')}/range/1/day/{RANGE}",
        f"/v2/aggs/ticker/{quote(chr(39) + '; drop table price_bars')}/prev",
        f"/v2/aggs/ticker/{'A' * 40}/prev",
        f"/v2/aggs/ticker/AAA/range/1/fortnight/{RANGE}",
        f"/v2/aggs/ticker/AAA/range/0/day/{RANGE}",
        f"/v2/aggs/ticker/AAA/range/one/day/{RANGE}",
        f"/v2/aggs/ticker/AAA/range/{quote('²')}/day/{RANGE}",
        f"/v2/aggs/ticker/AAA/range/{'9' * 30}/week/{RANGE}",
        f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}?limit=50001",
        f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}?limit=0",
        f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}?limit={quote('²')}",
        f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}?sort=sideways",
        f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}?cursor=nonsense",
        f"{TICKERS}?limit=1001",
        f"{TICKERS}?limit=-1",
        f"{TICKERS}?limit={'9' * 5000}",
        f"{TICKERS}?cursor=",
        f"{TICKERS}?cursor=%ff",
        f"{TICKERS}?active=maybe",
        f"{TICKERS}?date=soon",
        f"{TICKERS}?ticker.gte={quote('$$')}",
        f"{TICKERS}/AAA?date=soon",
        "/v3/reference/splits?limit=1001",
        "/v3/reference/splits?execution_date.gte=soon",
        "/v3/reference/splits?sort=colour",
        "/v3/reference/splits?cursor=X3BsYWNlPWFiYw",  # a forged one: _place=abc
        "/v3/reference/splits?cursor=X3BsYWNlPS01",  # … and _place=-5
        "/stocks/v1/splits?limit=5001",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_vendors_body(own: Served, target: str) -> None:
    answer = own.get(target)
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.body["status"] == "ERROR"
    assert answer.body["error"]


@pytest.mark.parametrize("path", ["/", "/v2", "/v9/nowhere", f"{GROUPED}/", f"{TICKERS}/A/B", "/v2/aggs/ticker//prev"])
def test_an_unknown_path_is_not_found_with_a_json_body(own: Served, path: str) -> None:
    answer = own.get(path)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.body["status"] == "NOT_FOUND"
    assert answer.body["message"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_but_reading_is_allowed(own: Served, method: str) -> None:
    answer = own.get(f"{GROUPED}/{SUMMER}", method=method)
    assert answer.status == 405
    assert answer.body["status"] == "ERROR"


ODD = st.one_of(
    st.sampled_from(
        ["AAA", "BRK.B", "aa", "1", "0", "-1", "²", "1e9", "9" * 25, "9" * 600, "2022-07-05", "0001-01-01",
         "9999-12-31", "1657000000000", "-99999999999999999", "day", "week", "year", "minute", "true", "desc", "asc",
         "ticker", "execution_date.asc", "", " ", ".", "..", "%", "%00", "\x00", "'", "\";--", "$1", "{ticker}", "😀",
         "é", "null",
         "X3BsYWNlPWFiYw", "X3BsYWNlPS01", "X3BsYWNlPTIwMjItMDctMDU", "X3BsYWNlPQ"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)  # fmt: skip
PARTS = st.one_of(
    st.tuples(st.just(GROUPED), ODD),
    st.tuples(st.just("/v2/aggs/ticker"), ODD, st.just("prev")),
    st.tuples(st.just("/v2/aggs/ticker"), st.just("AAA"), st.just("range"), ODD, ODD, ODD, ODD),
    st.tuples(
        st.just("/v2/aggs/ticker"), ODD, st.just("range"), st.sampled_from(["1", "2", "50000"]),
        st.sampled_from(["day", "week", "month", "quarter", "year", "hour"]),
        st.sampled_from(["0001-01-01", "2022-07-05", "-62135596800000"]), st.sampled_from(["2023-01-04", "9999-12-31"]),
    ),
    st.tuples(st.sampled_from([TICKERS, *SPLIT_PATHS, "/v1/marketstatus/now"])),
    st.tuples(st.just(TICKERS), ODD),
    st.lists(ODD, max_size=4).map(lambda parts: ("", *parts)),
)  # fmt: skip
NAMES = st.sampled_from(
    ["adjusted", "sort", "order", "limit", "cursor", "_place", "date", "active", "search", "ticker", "ticker.gte",
     "ticker.lt", "execution_date", "execution_date.gte", "execution_date.lt", "market", "type", "exchange",
     "include_otc", "apiKey"]
)  # fmt: skip


@given(parts=PARTS, asked=st.lists(st.tuples(NAMES, ODD), max_size=4))
@settings(max_examples=100)
@example(parts=("/v3/reference/splits",), asked=[("_place", "abc")])
@example(parts=("/stocks/v1/splits",), asked=[("_place", "9" * 25)])
@example(parts=(TICKERS,), asked=[("date", "0001-01-01"), ("search", "\x00")])
@example(parts=(GROUPED, "9999-12-31"), asked=[])
def test_no_input_is_odd_enough_for_a_failure(
    own: Served, parts: tuple[str, ...], asked: list[tuple[str, str]]
) -> None:
    first, *rest = parts
    path = "/".join([first, *(quote(part, safe="") for part in rest)])
    answer = own.get((path or "/") + (f"?{urlencode(asked)}" if asked else ""))
    assert answer.status in (200, 400, 401, 403, 404), (path, asked, answer)
    assert isinstance(answer.body, dict)
    assert "status" in answer.body or "serverTime" in answer.body


# How it is sent


@pytest.mark.parametrize("target", [f"{GROUPED}/{LAST}", f"{TICKERS}?limit=1000"])
def test_an_answer_is_the_same_compressed_and_plain(demo: Served, target: str) -> None:
    compressed = demo.get(target, headers=BEARER | {"Accept-Encoding": "gzip, deflate"})
    assert compressed.headers["content-encoding"] == "gzip"
    for accepted in ({}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "br, gzip;q=0"}):
        plain = demo.get(target, headers=BEARER | accepted)
        assert "content-encoding" not in plain.headers
        assert plain.raw == gzip.decompress(compressed.raw)
        assert len(compressed.raw) < len(plain.raw) / 2
        assert plain.headers["content-type"].startswith("application/json")


def test_64_readers_at_once_get_the_same_days_without_an_error(
    demo_copy: Pipeline, demo: Served, calendar: Calendar
) -> None:
    days = calendar.between(date(2025, 11, 3), date(2025, 11, 7))

    async def read() -> list[tuple[date, int, bytes]]:
        async with aiohttp.ClientSession(
            headers=BEARER, connector=aiohttp.TCPConnector(limit=64), timeout=aiohttp.ClientTimeout(60)
        ) as session:

            async def one(day: date) -> tuple[date, int, bytes]:
                async with session.get(f"{demo.url}{GROUPED}/{day}?adjusted=false") as response:
                    return day, response.status, await response.read()

            return await asyncio.gather(*(one(days[number % len(days)]) for number in range(64 * 3)))

    answers = asyncio.run(read())
    assert {status for _, status, _ in answers} == {200}
    bodies = {(day, raw) for day, _, raw in answers}
    assert len(bodies) == len(days)
    for day, raw in bodies:
        [(held,)] = query(demo_copy, "select count(*) from price_bars where session = ?", day)
        assert json.loads(raw)["resultsCount"] == held > 0


# While the store changes


def test_the_next_answer_has_the_new_values_although_the_old_one_was_kept(desk: Desk) -> None:
    paths = [f"{GROUPED}/{MON}", f"/v2/aggs/ticker/AAA/range/1/day/{MON}/{FRI}", "/v2/aggs/ticker/AAA/prev"]
    desk.csv([bar("AAA", day) for day in WEEK])
    desk.ingest(MON)
    with serving(desk.pipeline) as served:
        for path in paths * 2:  # the second time from what is kept
            assert [row["c"] for row in served.get(path).rows] == [10.5]
        desk.csv([bar("AAA", MON, close=9.25), bar("BBB", MON), *(bar("AAA", day) for day in (TUE, WED, THU, FRI))])
        desk.ingest(*WEEK)
        assert [(row["T"], row["c"]) for row in served.get(paths[0]).rows] == [("AAA", 9.25), ("BBB", 10.5)]
        assert [row["c"] for row in served.get(paths[1]).rows] == [9.25, 10.5, 10.5, 10.5, 10.5]
        assert day_of(served.get(paths[2]).rows[0]["t"]) == date.fromisoformat(FRI)
        write_csv(desk.feed.parent / "splits.csv", [{"symbol": "AAA", "ex_date": WED, "split_from": 1, "split_to": 2}])
        desk.pipeline.record_splits()
        assert [row["c"] for row in served.get(paths[1]).rows] == [4.625, 5.25, 10.5, 10.5, 10.5]


def test_days_are_in_the_order_of_symbols_however_their_bars_came(desk: Desk) -> None:
    names = ["AAA", "BBB", "CCC"]
    desk.csv([bar(name, day) for day in WEEK for name in names])
    desk.ingest(*WEEK)
    # A correction lays its rows at the table's end: of a day in the middle, and with other rows between them.
    with desk.pipeline.store.write() as connection:
        for where in (f"session = DATE '{TUE}' and symbol <> 'CCC'", f"session = DATE '{MON}' and symbol = 'AAA'"):
            connection.execute(
                f"create temp table moved as select * from price_bars where {where} order by symbol desc"
            )
            connection.execute(f"delete from price_bars where {where}")
            connection.execute("insert into price_bars select * from moved")
            connection.execute("drop table moved")
    with serving(desk.pipeline) as served:
        for day in (FRI, *WEEK):
            for adjusted in ("true", "false"):
                assert [row["T"] for row in served.get(f"{GROUPED}/{day}", adjusted=adjusted).rows] == names


def test_what_was_read_before_a_change_is_not_kept_as_if_read_after_it(desk: Desk) -> None:
    desk.csv([bar("AAA", MON)])
    desk.ingest(MON)
    path, another = f"{GROUPED}/{MON}", "/v2/aggs/ticker/AAA/prev"
    with serving(desk.pipeline) as served:
        gateway = served.gateway
        assert gateway
        asked = threading.Thread(target=served.get, args=(another,))

        class ChangingStore(Store):
            """A store that an ingest changes between a reading and the keeping of what was read."""

            changes = 0

            @contextmanager
            def read(self) -> Iterator[Connection]:
                with super().read() as connection:
                    yield connection
                self.changes += 1
                if self.changes == 1:
                    desk.csv([bar("AAA", MON, close=9.25)])
                    desk.ingest(MON)
                    asked.start()  # another reader comes, and the gateway sees the change
                    while gateway.counts.arrived < 2:
                        time.sleep(0.001)

        held = desk.pipeline.store
        gateway.store = ChangingStore(held.path, held.wait_seconds, held.memory_limit)
        assert served.get(path).rows[0]["c"] == 10.5
        asked.join()
        assert served.get(path).rows[0]["c"] == 9.25


def test_a_session_that_was_not_held_yet_is_empty_until_it_is(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in WEEK])
    desk.ingest(MON)
    with serving(desk.pipeline) as served:
        assert served.get(f"{GROUPED}/{TUE}").rows == []
        desk.ingest(TUE)
        assert [row["T"] for row in served.get(f"{GROUPED}/{TUE}").rows] == ["AAA"]


def test_an_ingest_is_not_kept_waiting_by_readers_nor_readers_sent_away_by_an_ingest(
    desk: Desk, tmp_path: Path
) -> None:
    desk.csv([bar(symbol, day) for day in WEEK for symbol in ("AAA", "BBB")])
    desk.ingest(MON)
    statuses: list[int] = []
    is_done = threading.Event()
    with command(desk.pipeline, tmp_path) as (served, _):

        def read(reader: int) -> None:
            number = 0
            while not is_done.is_set():  # always another question, so that each is read from the store
                number += 1
                path = f"/v2/aggs/ticker/R{reader}X{number}/range/1/day/{MON}/{FRI}"
                statuses.append(served.get(path).status)

        readers = [threading.Thread(target=read, args=(reader,)) for reader in range(4)]
        for reader in readers:
            reader.start()
        while len(statuses) < 20:
            assert any(reader.is_alive() for reader in readers)
            is_done.wait(0.01)
        try:
            took = []
            for day in (TUE, WED, THU, FRI):
                started = time.monotonic()
                desk.ingest(day)
                took.append(time.monotonic() - started)
        finally:
            is_done.set()
            for reader in readers:
                reader.join()
        assert max(took) < 5, took
        assert set(statuses) == {200}
        assert [row["T"] for row in served.get(f"{GROUPED}/{FRI}").rows] == ["AAA", "BBB"]


# The command


def test_the_command_says_where_it_serves_on_loopback_only_and_ends_on_ctrl_c(
    own_pipeline: Pipeline, own: Served, tmp_path: Path
) -> None:
    with command(own_pipeline, tmp_path) as (served, process):
        listening = [
            one.laddr.ip for one in psutil.Process(process.pid).net_connections("tcp") if one.status == "LISTEN"
        ]
        assert listening == ["127.0.0.1"]
        kept_open = http.client.HTTPConnection("127.0.0.1", urlsplit(served.url).port, timeout=60)
        kept_open.request("GET", f"{GROUPED}/{SUMMER}", headers=BEARER)
        assert json.loads(kept_open.getresponse().read())["results"] == own.get(f"{GROUPED}/{SUMMER}").rows
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
        kept_open.close()
        assert process.returncode == 130
    assert "Answered: 1 grouped." in said
    assert "Traceback" not in said
    with pytest.raises(ConnectionRefusedError):
        served.get(f"{GROUPED}/{SUMMER}")


def test_the_command_refuses_to_serve_a_store_that_is_not_there(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="There is no bar to serve yet"), command(desk.pipeline, tmp_path):
        pass
