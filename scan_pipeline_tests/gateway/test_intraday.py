"""Bars of minutes and hours, from what the store holds; and what it does not hold, fetched from the vendor once.

The vendor of the read-through tests is a gateway of our own over another store, behind real HTTP; see `vendor.py`.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pandas as pd
import pytest
from aiohttp import web

from scan_pipeline.errors import ScanPipelineError, SettingsError
from scan_pipeline.gateway.read_through import ReadThrough
from scan_pipeline.gateway.server import Gateway
from scan_pipeline.gateway.view import View
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.providers import http
from scan_pipeline.providers.http import Plan, VendorClient
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import Desk, bar, write_csv
from scan_pipeline_tests.gateway.serving import (
    BAR,
    BEARER,
    ENVELOPE,
    GROUPED,
    NEW_YORK,
    Served,
    new_york_ms,
    same,
    serving,
)
from scan_pipeline_tests.providers.vendor import KEY, Vendor, scripted

#: Two sessions before the clocks go back, two after, and a day on which trading ended at one.
DAYS = ("2022-11-03", "2022-11-04", "2022-11-07", "2022-11-08", "2022-11-25")
FIRST, LAST = DAYS[0], DAYS[-1]
#: `AAA` is split between the sessions, `BBB` lacks some averages, `QUIET` has a session without a trade.
SYMBOLS = ("AAA", "BBB", "QUIET")
SPLIT = {"symbol": "AAA", "ex_date": "2022-11-07", "split_from": 1, "split_to": 4}
COLUMNS = ("open", "high", "low", "close", "volume", "vwap", "trades")


def hand_made_minutes(symbol: str) -> pd.DataFrame:
    """Minutes from before the open to after the close, with gaps."""
    chance = random.Random(symbol)
    rows = []
    for day in DAYS:
        if symbol == "QUIET" and day == DAYS[1]:
            continue
        midnight = datetime.fromisoformat(day).replace(tzinfo=NEW_YORK)
        for minute in sorted(chance.sample(range(4 * 60, 20 * 60), 300)):
            low = round(chance.uniform(5, 300), 2)
            high = round(low * chance.uniform(1, 1.1), 2)
            lacks = symbol == "BBB" and chance.random() < 0.05
            rows.append(
                {
                    "day": day, "at": midnight + timedelta(minutes=minute), "minute": minute,
                    "open": round(chance.uniform(low, high), 2), "high": high, "low": low,
                    "close": round(chance.uniform(low, high), 2), "volume": float(chance.randrange(1, 10**6)),
                    "vwap": None if lacks else round(chance.uniform(low, high), 4),
                    "trades": None if lacks else chance.randrange(1, 10**4),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


MINUTES = {symbol: hand_made_minutes(symbol) for symbol in SYMBOLS}


def store_minutes(pipeline: Pipeline, symbol: str, days: Sequence[str]) -> None:
    """As if a provider had delivered these sessions."""
    minutes = MINUTES[symbol][MINUTES[symbol]["day"].isin(days)]
    columns = {
        name: minutes[name].to_numpy(dtype=np.float64) for name in COLUMNS
    } | {"t": np.array([int(at.timestamp() * 1000) for at in minutes["at"]], dtype=np.int64)}  # fmt: skip
    with pipeline.store.write() as connection:
        connection.register("minutes", columns | {"day": minutes["day"].to_numpy(dtype="datetime64[us]")})
        connection.execute(
            "insert into intraday_bars select day::DATE, ?, make_timestamp_ms(t), open, high, low, close, volume, "
            "if(isnan(vwap), null, vwap), if(isnan(trades), null, trades::BIGINT) from minutes",
            [symbol],
        )
        connection.unregister("minutes")
        connection.executemany(
            "insert into intraday_sessions values (?, ?, ?, now()::TIMESTAMP)",
            [[day, symbol, int((minutes["day"] == day).sum())] for day in days],
        )


def expected_windows(symbol: str, days: Sequence[str], minutes: int, *, adjusted: bool) -> list[dict[str, Any]]:
    """What windows of so many minutes should be, by pandas: the clock's minutes since midnight, cut."""
    held = MINUTES[symbol][MINUTES[symbol]["day"].isin(days)].copy()
    factor = [0.25 if adjusted and symbol == "AAA" and day < str(SPLIT["ex_date"]) else 1.0 for day in held["day"]]
    for name in ("open", "high", "low", "close", "vwap"):
        held[name] = held[name].astype(float) * factor
    held["volume"] = held["volume"] / factor
    bars = []
    for (day, window), part in held.groupby(["day", held["minute"] // minutes], sort=True):
        begin = datetime.fromisoformat(str(day)) + timedelta(minutes=int(window) * minutes)
        volume = float(part["volume"].sum())
        bars.append(
            {
                "v": volume,
                "vw": None if part["vwap"].isna().any() else float((part["vwap"] * part["volume"]).sum() / volume),
                "o": float(part["open"].iloc[0]),
                "c": float(part["close"].iloc[-1]),
                "h": float(part["high"].max()),
                "l": float(part["low"].min()),
                "t": int(begin.replace(tzinfo=NEW_YORK).timestamp() * 1000),
                "n": None if part["trades"].isna().any() else int(part["trades"].sum()),
            }
        )
    return bars


def make_store(folder: Path, settings_at: SettingsFactory) -> Pipeline:
    """A store with daily bars of the sessions, and the split."""
    feed = folder / "market" / "feed"
    feed.mkdir(parents=True)
    write_csv(feed / "bars.csv", [bar(symbol, day) for day in DAYS for symbol in SYMBOLS])
    write_csv(feed.parent / "splits.csv", [SPLIT])
    pipeline = Pipeline(settings_at(folder / "data", provider="files", files_path=feed))
    list(pipeline.ingest([date.fromisoformat(day) for day in DAYS], "test"))
    pipeline.record_splits()
    return pipeline


@pytest.fixture(scope="module")
def filled(settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A store that holds all minutes of all. Do not write to it."""
    pipeline = make_store(tmp_path_factory.mktemp("gateway_minutes"), settings_at)
    sessions = [str(day) for day in pipeline.calendar.between(date.fromisoformat(FIRST), date.fromisoformat(LAST))]
    for symbol in SYMBOLS:
        store_minutes(pipeline, symbol, sessions)
    return pipeline


@pytest.fixture(scope="module")
def full(filled: Pipeline) -> Iterator[Served]:
    with serving(filled) as served:
        yield served


@pytest.fixture
def bare(settings_at: SettingsFactory, tmp_path: Path) -> Pipeline:
    """A store without minutes."""
    return make_store(tmp_path, settings_at)


# From the store


@pytest.mark.parametrize("adjusted", [True, False])
@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(
    ("multiplier", "timespan"),
    [(1, "minute"), (5, "minute"), (7, "minute"), (15, "minute"), (30, "minute"), (1, "hour"), (2, "hour"), (4, "hour"),
     (30, "hour")],
)  # fmt: skip
def test_windows_are_those_of_the_clock_in_new_york(
    full: Served, multiplier: int, timespan: str, symbol: str, adjusted: bool
) -> None:
    path = f"/v2/aggs/ticker/{symbol}/range/{multiplier}/{timespan}/{FIRST}/{LAST}"
    answer = full.get(path, adjusted=str(adjusted).lower(), limit=50_000).body
    assert list(answer) == ["ticker", *ENVELOPE]
    assert list(answer["results"][0]) == BAR
    minutes = multiplier * (60 if timespan == "hour" else 1)
    expected = expected_windows(symbol, DAYS, minutes, adjusted=adjusted)
    assert same(answer["results"], expected)
    assert answer["queryCount"] == len(MINUTES[symbol])
    assert answer["resultsCount"] == answer["count"] == len(expected)
    descending = full.get(path, adjusted=str(adjusted).lower(), limit=50_000, sort="desc").rows
    assert descending == answer["results"][::-1]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(("window", "limit"), [("1/minute", 250), ("15/minute", 100), ("4/hour", 500), ("1/hour", 1)])
def test_pages_give_together_what_one_request_gives(full: Served, window: str, limit: int, sort: str) -> None:
    path = f"/v2/aggs/ticker/AAA/range/{window}/{FIRST}/{DAYS[1] if limit == 1 else LAST}"
    whole = full.get(path, sort=sort, limit=50_000)
    pages = full.pages(path, sort=sort, limit=limit)
    assert len(pages) > 1
    assert [row for page in pages for row in page.rows] == whole.rows
    assert sum(page.body["queryCount"] for page in pages) == whole.body["queryCount"]


def test_a_range_may_be_given_in_milliseconds_to_the_window(full: Served) -> None:
    day = date.fromisoformat(DAYS[0])
    begin, end = new_york_ms(day, 10) + 17 * 60_000, new_york_ms(day, 11)
    found = full.get(f"/v2/aggs/ticker/AAA/range/30/minute/{begin}/{end}").rows
    whole = full.get(f"/v2/aggs/ticker/AAA/range/30/minute/{day}/{day}").rows
    assert found == [row for row in whole if new_york_ms(day, 10) <= row["t"] <= end]
    assert len(found) == 3  # 10:00, 10:30 and 11:00
    assert full.get(f"/v2/aggs/ticker/AAA/range/30/minute/{begin}/{day}").rows == [
        row for row in whole if row["t"] >= new_york_ms(day, 10)
    ]


def test_minutes_of_the_evening_are_there_and_those_of_the_next_day_are_not(filled: Pipeline) -> None:
    with serving(filled, View(date.fromisoformat(DAYS[1]), frozenset({"AAA"}))) as served:
        path = f"/v2/aggs/ticker/AAA/range/1/hour/{FIRST}/{LAST}"
        # The split was still to come.
        assert same(served.get(path).rows, expected_windows("AAA", DAYS[:2], 60, adjusted=False))
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/hour/{DAYS[2]}/{LAST}").rows == []
        assert served.get(f"/v2/aggs/ticker/BBB/range/1/hour/{FIRST}/{LAST}").rows == []
        gateway = served.gateway
    assert gateway
    assert gateway.counts.answered_empty == {}
    assert gateway.counts.hidden == 1


def test_a_session_that_is_not_complete_is_not_shown_and_counted(bare: Pipeline) -> None:
    store_minutes(bare, "AAA", DAYS[:3])
    with bare.store.write() as connection:
        connection.execute("delete from intraday_sessions where session = ?", [DAYS[1]])
    with serving(bare) as served:
        rows = served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{DAYS[0]}/{DAYS[2]}", adjusted="false").rows
        assert same(rows, expected_windows("AAA", [DAYS[0], DAYS[2]], 1, adjusted=False))
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{DAYS[2]}/{DAYS[2]}").rows
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{DAYS[1]}/{DAYS[1]}").rows == []
        assert served.get("/v2/aggs/ticker/AAA/range/1/minute/2022-11-05/2022-11-06").rows == []  # a weekend
        gateway = served.gateway
    assert gateway
    assert gateway.counts.answered_empty == {"minute bars": 2}


@pytest.mark.parametrize("days", ["0001-01-01/0002-01-01", "2022-11-03/9999-12-31", "2099-01-01/9999-12-31"])
def test_no_range_is_too_wide(full: Served, days: str) -> None:
    rows = full.get(f"/v2/aggs/ticker/AAA/range/30/minute/{days}").rows
    assert bool(rows) is days.startswith("2022")


# From the vendor


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.02)


def client_of(url: str, folder: Path) -> VendorClient:
    return VendorClient(url, KEY, Plan("test", 1_000, 1), folder / "calls.sqlite", 4, 20, 2)


@pytest.fixture
def vendor(filled: Pipeline) -> Iterator[Vendor]:
    """The vendor, over the store that holds everything."""
    with Vendor(Gateway(filled.store, filled.calendar).make_app) as vendor:
        yield vendor


@contextmanager
def reading_through(pipeline: Pipeline, url: str, as_of: str = LAST) -> Iterator[tuple[Served, Gateway]]:
    """A script's gateway that may ask the vendor."""
    folder = pipeline.settings.data_dir
    source = ReadThrough(lambda: client_of(url, folder), pipeline.store)
    with serving(pipeline, View(date.fromisoformat(as_of), frozenset(SYMBOLS)), source) as served:
        assert served.gateway
        yield served, served.gateway


def held(pipeline: Pipeline, sql: str) -> list[tuple[Any, ...]]:
    with pipeline.store.read() as connection:
        return connection.execute(sql).fetchall()


def test_minutes_are_fetched_once_and_the_second_run_costs_no_call(
    bare: Pipeline, filled: Pipeline, full: Served, vendor: Vendor
) -> None:
    paths = [f"/v2/aggs/ticker/{symbol}/range/30/minute/{FIRST}/{LAST}" for symbol in SYMBOLS]
    with reading_through(bare, vendor.url) as (served, gateway):
        for path in paths:
            assert served.get(path).rows == full.get(path).rows != []
        for path in paths:  # other windows of the same minutes
            other = path.replace("30/minute", "4/hour")
            assert served.get(other, adjusted="false").rows == full.get(other, adjusted="false").rows
    assert len(vendor.asked) == gateway.counts.vendor_calls == len(SYMBOLS)
    assert {asked.query["adjusted"] for asked in vendor.asked} == {"false"}  # a later split changes nothing of it
    with reading_through(bare, vendor.url) as (served, gateway):
        for path in paths:
            assert served.get(path).rows == full.get(path).rows
    assert gateway.counts.vendor_calls == 0
    assert gateway.counts.answered_empty == gateway.counts.vendor_errors == {}
    assert len(vendor.asked) == len(SYMBOLS)
    every = "select * exclude (fetched_at) from intraday_sessions order by all"
    assert held(bare, every) == held(filled, every)
    every = "select * from intraday_bars order by symbol, starts_at"
    assert held(bare, every) == held(filled, every)


def test_only_the_sessions_that_are_missing_are_asked_for(bare: Pipeline, full: Served, vendor: Vendor) -> None:
    store_minutes(bare, "AAA", DAYS[:1])
    with reading_through(bare, vendor.url) as (served, _):
        path = f"/v2/aggs/ticker/AAA/range/5/minute/{DAYS[0]}/{DAYS[2]}"
        assert served.get(path).rows == full.get(path).rows
    [asked] = vendor.asked
    assert asked.path.endswith(f"/AAA/range/1/minute/{DAYS[1]}/{DAYS[2]}")


def test_long_ranges_are_fetched_page_by_page(
    bare: Pipeline, full: Served, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scan_pipeline.gateway.read_through.PAGE", 400)
    with reading_through(bare, vendor.url) as (served, gateway):
        path = f"/v2/aggs/ticker/AAA/range/1/minute/{FIRST}/{LAST}"
        assert served.get(path, limit=50_000).rows == full.get(path, limit=50_000).rows
    assert len(vendor.asked) == gateway.counts.vendor_calls == -(-len(MINUTES["AAA"]) // 400)


def test_nothing_after_the_evening_is_asked_of_the_vendor(bare: Pipeline, vendor: Vendor) -> None:
    with reading_through(bare, vendor.url, as_of=DAYS[1]) as (served, _):
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{FIRST}/2030-01-01").rows
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{DAYS[2]}/{LAST}").rows == []
        assert served.get("/v3/reference/tickers/AAA", date=LAST).status in (200, 404)
    assert vendor.asked[0].path.endswith(f"/{FIRST}/{DAYS[1]}")
    assert [asked.query.get("date") for asked in vendor.asked[1:]] == [DAYS[1]]


def test_other_shards_symbols_cost_no_call(bare: Pipeline, vendor: Vendor) -> None:
    source = ReadThrough(lambda: client_of(vendor.url, bare.settings.data_dir), bare.store)
    with serving(bare, View(date.fromisoformat(LAST), frozenset({"BBB"})), source) as served:
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{FIRST}/{LAST}").rows == []
        assert served.get("/v3/reference/tickers/AAA").status == 404
    assert vendor.asked == []


def test_requests_for_the_same_thing_at_once_make_one_call(bare: Pipeline, vendor: Vendor) -> None:
    async def read(url: str) -> set[int]:
        async with aiohttp.ClientSession(headers=BEARER) as session:

            async def one(window: str) -> int:
                async with session.get(f"{url}/v2/aggs/ticker/AAA/range/{window}/{FIRST}/{LAST}") as response:
                    return int((await response.json())["queryCount"])

            return set(await asyncio.gather(*(one(window) for window in ("1/minute", "5/minute", "1/hour") * 8)))

    with reading_through(bare, vendor.url) as (served, _):
        assert asyncio.run(read(served.url)) == {len(MINUTES["AAA"])}
    assert len(vendor.asked) == 1


def test_what_was_read_stays_in_memory_when_minutes_are_kept(bare: Pipeline, vendor: Vendor) -> None:
    """Our own writing is no reason to read everything anew."""
    with reading_through(bare, vendor.url) as (served, gateway):
        served.get(f"{GROUPED}/{FIRST}")
        before = gateway._market
        served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{FIRST}/{LAST}")
        served.get(f"{GROUPED}/{FIRST}")
        assert gateway._market is before
        with bare.store.write() as connection:  # somebody else's is
            connection.execute("delete from price_bars where symbol = 'BBB'")
        assert {row["T"] for row in served.get(f"{GROUPED}/{FIRST}").rows} == {"AAA", "QUIET"}


@pytest.mark.parametrize(("fault", "tries"), [("401", 1), ("500", 2), ("truncated", 2)])
def test_a_vendor_that_fails_is_an_empty_answer_with_its_reason_and_without_the_key(
    bare: Pipeline, vendor: Vendor, fault: str, tries: int
) -> None:
    vendor.fault = lambda number, asked: fault
    with reading_through(bare, vendor.url) as (served, gateway):
        for symbol in SYMBOLS:
            for _ in range(2):  # what has failed is not tried again
                answer = served.get(f"/v2/aggs/ticker/{symbol}/range/1/minute/{FIRST}/{LAST}")
                assert (answer.status, answer.rows) == (200, [])
                assert KEY.encode() not in answer.raw
        served.get("/v3/reference/tickers/AAA")  # after three failures in a row it is not asked at all
    assert len(vendor.asked) == gateway.counts.vendor_calls == 3 * tries
    assert gateway.counts.answered_empty["minute bars"] == 6
    assert sum(gateway.counts.vendor_errors.values()) == 3
    assert KEY not in repr(gateway.counts)
    assert held(bare, "select count(*) from intraday_sessions") == [(0,)]


def test_without_a_key_the_gateway_does_not_start(bare: Pipeline) -> None:
    def no_client() -> VendorClient:
        raise SettingsError("No key.")

    with (
        pytest.raises(ScanPipelineError, match="No key"),
        serving(bare, read_through=ReadThrough(no_client, bare.store)),
    ):
        pytest.fail("It has started.")


# Ticker details


@pytest.fixture
def telling() -> Callable[[dict[str, Any]], Vendor]:
    """`telling(known)`: a vendor that knows these tickers, and others not."""

    def make(known: dict[str, Any]) -> Vendor:
        async def answer(request: web.Request) -> web.Response:
            symbol = request.path.rpartition("/")[2]
            if symbol not in known:
                return web.json_response({"status": "NOT_FOUND", "message": "Ticker not found."}, status=404)
            return web.json_response({"request_id": "0" * 32, "results": known[symbol], "status": "OK"})

        return scripted(answer)

    return make


def test_details_are_asked_for_once_a_day_and_kept_as_the_vendor_words_them(
    bare: Pipeline, telling: Callable[[dict[str, Any]], Vendor]
) -> None:
    said = {"ticker": "AAA", "name": "Ä & Co", "market_cap": 1.25e9, "address": {"city": "Springfield"}, "list": [1, 2]}
    with telling({"AAA": said}) as vendor:
        for run in range(2):
            with reading_through(bare, vendor.url) as (served, gateway):
                for _ in range(2):
                    assert served.get("/v3/reference/tickers/AAA").rows == said
                    assert served.get("/v3/reference/tickers/AAA", date=FIRST).rows == said
                    assert served.get("/v3/reference/tickers/BBB").status == 404
            assert gateway.counts.vendor_calls == (3 if run == 0 else 0)
            assert gateway.counts.vendor_errors == {}
        assert sorted((asked.path.rpartition("/")[2], asked.query["date"]) for asked in vendor.asked) == [
            ("AAA", FIRST), ("AAA", LAST), ("BBB", LAST),
        ]  # fmt: skip
    with serving(bare, View(date.fromisoformat(LAST))) as served:  # and without read-through
        assert served.get("/v3/reference/tickers/AAA").rows == said
    with serving(bare, View(date.fromisoformat(DAYS[1]))) as served:  # what was said of an earlier day
        assert served.get("/v3/reference/tickers/AAA").rows == said


def test_details_of_a_later_day_are_not_shown_on_an_earlier_evening(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in DAYS])
    desk.ingest(*DAYS)
    with desk.pipeline.store.write() as connection:
        connection.execute(
            'insert into ticker_details values (\'AAA\', ?, \'{"ticker": "AAA", "market_cap": 5}\', now()::TIMESTAMP)',
            [DAYS[3]],
        )
    for day, cap in ((DAYS[1], None), (DAYS[3], 5), (LAST, 5)):
        with serving(desk.pipeline, View(date.fromisoformat(day))) as served:
            assert served.get("/v3/reference/tickers/AAA").rows.get("market_cap") == cap


def test_a_market_cap_that_the_store_knows_costs_no_call(
    bare: Pipeline, telling: Callable[[dict[str, Any]], Vendor]
) -> None:
    bare.build_universe([date.fromisoformat(LAST)])
    with bare.store.write() as connection:
        connection.execute("update universe set market_cap = 7e9 where symbol = 'AAA'")
    with telling({}) as vendor:
        with reading_through(bare, vendor.url) as (served, _):
            assert served.get("/v3/reference/tickers/AAA").rows["market_cap"] == 7e9
        assert vendor.asked == []
