"""What a script sees of the store: nothing after its evening, and its own symbols alone, with their whole history.

The market is the one of `serving.py`; `desk` tests add what they are about.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scan_pipeline.gateway.view import SEEN, View
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import FRI, MON, THU, TUE, WED, WEEK, Desk, Row, bar, write_csv
from scan_pipeline_tests.gateway.serving import (
    GROUPED,
    SPLITS,
    Served,
    day_of,
    hand_made_rows,
    serving,
)

FIRST_DAY, LAST_DAY = date(2022, 4, 1), date(2023, 7, 31)
AS_OF = date(2022, 12, 30)
SLICE = frozenset({"AAA", "THIN", "aa", "NEVER"})
RANGE = f"{FIRST_DAY}/{LAST_DAY}"


@pytest.fixture(scope="module")
def rows(calendar: Calendar) -> list[Row]:
    return hand_made_rows(calendar.between(FIRST_DAY, LAST_DAY))


@pytest.fixture(scope="module")
def pipeline(
    rows: list[Row], calendar: Calendar, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    feed = tmp_path_factory.mktemp("gateway_view") / "market" / "feed"
    feed.mkdir(parents=True)
    write_csv(feed / "bars.csv", rows)
    write_csv(
        feed.parent / "splits.csv",
        [
            {"symbol": symbol, "ex_date": ex_date, "split_from": old, "split_to": new}
            for symbol, ex_date, old, new in SPLITS
        ],
    )
    pipeline = Pipeline(settings_at(feed.parent.parent / "data", provider="files", files_path=feed))
    pipeline.record_splits()
    list(pipeline.ingest(calendar.between(FIRST_DAY, LAST_DAY), "test"))
    pipeline.build_universe([AS_OF, LAST_DAY])
    return pipeline


@pytest.fixture(scope="module")
def evening(pipeline: Pipeline) -> Iterator[Served]:
    """All symbols, as of an evening."""
    with serving(pipeline, View(as_of=AS_OF)) as served:
        yield served


@pytest.fixture(scope="module")
def shard(pipeline: Pipeline) -> Iterator[Served]:
    """A slice of the symbols, as of an evening."""
    with serving(pipeline, View(AS_OF, SLICE), compresses=False) as served:
        yield served


# As of an evening


def test_the_day_after_the_evening_is_refused_as_todays_data_was_on_it(evening: Served) -> None:
    assert evening.get(f"{GROUPED}/{AS_OF}").rows
    for day in (AS_OF + timedelta(days=1), LAST_DAY, date(2099, 1, 1)):
        answer = evening.get(f"{GROUPED}/{day}")
        assert answer.status == 403
        assert answer.body["message"].startswith("Attempted to request today's data before end of day.")
        assert evening.get(f"/v1/open-close/AAA/{day}").status == 403


@pytest.mark.parametrize("timespan", ["day", "week", "month", "quarter", "year"])
def test_no_bar_of_a_ticker_holds_anything_after_the_evening(
    evening: Served, pipeline: Pipeline, timespan: str
) -> None:
    on_it = evening.get(f"/v2/aggs/ticker/AA/range/1/{timespan}/{RANGE}", adjusted="false").rows
    with serving(pipeline) as now:
        of_that_time = now.get(f"/v2/aggs/ticker/AA/range/1/day/{FIRST_DAY}/{AS_OF}", adjusted="false").rows
    assert sum(bar["v"] for bar in on_it) == pytest.approx(sum(bar["v"] for bar in of_that_time), rel=1e-12)
    assert on_it[-1]["c"] == of_that_time[-1]["c"]


def test_prices_are_adjusted_for_the_splits_that_were_known_on_the_evening(evening: Served) -> None:
    raw, adjusted = (
        {row["T"]: row for row in evening.get(f"{GROUPED}/2022-07-05", adjusted=word).rows}
        for word in ("false", "true")
    )
    assert adjusted["AAA"]["c"] == pytest.approx(raw["AAA"]["c"] / 3)  # not the one of March 2023
    assert adjusted["aa"]["c"] == pytest.approx(raw["aa"]["c"] * 5 / 4)
    assert adjusted["BRK.B"] == raw["BRK.B"]  # its splits were still to come
    [first] = evening.get("/v2/aggs/ticker/AAA/range/1/day/2022-07-05/2022-07-05").rows
    assert first["c"] == adjusted["AAA"]["c"]


@pytest.mark.parametrize("path", ["/v3/reference/splits", "/stocks/v1/splits"])
def test_splits_that_were_not_known_on_the_evening_are_not_listed(evening: Served, path: str) -> None:
    listed = {(row["ticker"], row["execution_date"]) for row in evening.get(path, limit=1000).rows}
    assert listed == {(symbol, ex_date) for symbol, ex_date, *_ in SPLITS if ex_date <= str(AS_OF)}


def test_a_split_that_was_announced_before_the_evening_is_listed_and_not_yet_in_prices(desk: Desk) -> None:
    desk.csv([bar("AAA", day) for day in WEEK])
    split = {"symbol": "AAA", "ex_date": FRI, "split_from": 1, "split_to": 2, "known_on": MON}
    write_csv(desk.feed.parent / "splits.csv", [split])
    desk.pipeline.record_splits()
    desk.ingest()
    with serving(desk.pipeline, View(date.fromisoformat(WED))) as served:
        assert [row["execution_date"] for row in served.get("/v3/reference/splits").rows] == [FRI]
        assert {row["c"] for row in served.get(f"/v2/aggs/ticker/AAA/range/1/day/{MON}/{FRI}").rows} == {10.5}


def test_the_previous_close_is_that_of_the_evening(evening: Served, rows: list[Row]) -> None:
    [found] = evening.get("/v2/aggs/ticker/KIMpL/prev", adjusted="false").rows
    [held] = [row for row in rows if row["symbol"] == "KIMpL" and row["date"] == str(AS_OF)]
    assert (day_of(found["t"]), found["c"]) == (AS_OF, held["close"])


def test_the_clock_of_the_exchange_stands_at_the_evening(evening: Served) -> None:
    status = evening.get("/v1/marketstatus/now").body
    assert status["market"] == "closed"
    assert status["serverTime"].startswith(f"{AS_OF}T")
    coming = evening.get("/v1/marketstatus/upcoming").body
    assert coming[0] == {"exchange": "NYSE", "date": "2023-01-02", "name": "Market holiday", "status": "closed"}
    early = [event for event in coming if event["status"] == "early-close"]
    assert {(event["date"], event["close"]) for event in early} == {
        ("2023-07-03", "2023-07-03T17:00:00.000Z"),
        ("2023-11-24", "2023-11-24T18:00:00.000Z"),
    }


def test_tickers_are_those_of_the_evening_whatever_day_is_asked_for(evening: Served, pipeline: Pipeline) -> None:
    listed = [row["ticker"] for row in evening.get("/v3/reference/tickers", limit=1000).rows]
    assert listed
    later = evening.get("/v3/reference/tickers", limit=1000, date=str(LAST_DAY)).rows
    assert [row["ticker"] for row in later] == listed
    assert evening.get("/v3/reference/tickers/AAA", date="2099-01-01").rows["ticker"] == "AAA"


# Its own symbols alone


def test_a_shard_sees_its_slice_of_a_day_and_nothing_else_differs(shard: Served, evening: Served) -> None:
    for adjusted in ("true", "false"):
        whole = evening.get(f"{GROUPED}/2022-07-05", adjusted=adjusted).rows
        mine = shard.get(f"{GROUPED}/2022-07-05", adjusted=adjusted).body
        assert mine["results"] == [row for row in whole if row["T"] in SLICE]
        assert mine["resultsCount"] == len(mine["results"]) > 0


def test_a_symbol_of_another_shard_is_empty_at_once_without_a_look_into_the_store(
    pipeline: Pipeline, evening: Served
) -> None:
    with serving(pipeline, View(AS_OF, SLICE)) as served:
        gateway = served.gateway
        assert gateway
        gateway.store = None  # whoever opens it fails
        for path in (f"range/1/day/{RANGE}", f"range/30/minute/{RANGE}", "prev"):
            answer = served.get(f"/v2/aggs/ticker/BRK.B/{path}")
            assert answer.status == 200
            assert (answer.body["ticker"], answer.body["resultsCount"]) == ("BRK.B", 0)
            assert "results" not in answer.body
        details = served.get("/v3/reference/tickers/BRK.B")
        assert (details.status, details.body["message"]) == (404, "Ticker not found.")
        assert served.get("/v1/open-close/BRK.B/2022-07-05").status == 404
        # What cannot be read is still refused.
        assert served.get("/v2/aggs/ticker/BRK.B/range/1/day/2022-13-01/2022-12-31").status == 400
    assert gateway.counts.hidden == 5
    assert gateway.counts.answered_empty == {}


def test_a_shard_sees_the_whole_history_of_its_symbols(shard: Served, evening: Served) -> None:
    for symbol in ("AAA", "THIN", "aa"):
        path = f"/v2/aggs/ticker/{symbol}/range/1/day/{RANGE}"
        assert shard.get(path).rows == evening.get(path).rows != []


def test_lists_hold_the_slice_alone(shard: Served) -> None:
    assert [row["ticker"] for row in shard.get("/v3/reference/tickers").rows] == ["AAA", "THIN", "aa"]
    assert {row["ticker"] for row in shard.get("/v3/reference/splits", limit=1000).rows} == {"AAA", "aa"}


@given(
    as_of=st.dates(FIRST_DAY - timedelta(days=5), LAST_DAY + timedelta(days=5)),
    symbols=st.frozensets(st.sampled_from(["AA", "AAA", "BRK.B", "aA", "THIN", "'; --", "NEVER"])),
)
@settings(max_examples=25)
def test_no_table_shows_a_row_after_the_day_or_of_another_symbol(
    pipeline: Pipeline, as_of: date, symbols: frozenset[str]
) -> None:
    with pipeline.store.read() as connection:
        connection.execute("set variable mine = $symbols::VARCHAR[]", {"symbols": sorted(symbols)})
        expected = {
            table: connection.execute(
                f"select count(*) from {table} where {day} <= ?"
                + (" and list_contains(getvariable('mine'), symbol)" if has_symbol else ""),
                [as_of],
            ).fetchall()
            for table, (day, has_symbol) in SEEN.items()
        }
    with View(as_of, symbols).read(pipeline.store) as connection:
        seen = {table: connection.execute(f"select count(*) from {table}").fetchall() for table in SEEN}
    assert seen == expected


def test_views_that_are_read_at_the_same_time_do_not_disturb_each_other(pipeline: Pipeline) -> None:
    with View(AS_OF, frozenset({"AA"})).read(pipeline.store) as one, View(None, SLICE).read(pipeline.store) as other:
        assert one.execute("select distinct symbol from price_bars").fetchall() == [("AA",)]
        seen = {symbol for (symbol,) in other.execute("select distinct symbol from price_bars").fetchall()}
        assert seen == SLICE - {"NEVER"}
        assert one.execute("select max(session) from price_bars").fetchall() == [(AS_OF,)]
        assert other.execute("select max(session) from price_bars").fetchall() == [(LAST_DAY,)]


def test_a_split_is_priced_alike_in_a_day_and_in_a_tickers_bars_for_many_tickers(shard: Served) -> None:
    """More tickers than are read one by one, each asked for twice."""
    whole = {row["T"]: row["c"] for row in shard.get(f"{GROUPED}/2022-05-10").rows}
    for _ in range(5):
        for symbol, close in whole.items():
            [one] = shard.get(f"/v2/aggs/ticker/{symbol}/range/1/day/2022-05-10/2022-05-10").rows
            assert one["c"] == close


def test_every_ticker_is_the_same_once_all_bars_were_copied_in_the_order_of_symbols(desk: Desk, tmp_path: Path) -> None:
    symbols = [f"S{number:02}" for number in range(20)]
    desk.csv([bar(symbol, day, close=9.5 + number / 20) for number, symbol in enumerate(symbols) for day in WEEK])
    desk.ingest()
    with serving(desk.pipeline) as served:
        for number, symbol in enumerate(symbols):
            found = served.get(f"/v2/aggs/ticker/{symbol}/range/1/day/{MON}/{FRI}").rows
            assert [(day_of(row["t"]), row["c"]) for row in found] == [
                (date.fromisoformat(day), 9.5 + number / 20) for day in WEEK
            ]
        # … and until the store changes.
        desk.csv([bar(symbols[-1], day, close=9.0) for day in WEEK])
        desk.ingest()
        assert served.get(f"/v2/aggs/ticker/{symbols[-1]}/range/1/day/{MON}/{MON}").rows[0]["c"] == 9.0


@pytest.mark.parametrize("order", [1, -1])
def test_days_are_right_in_whatever_order_they_are_asked_for(
    evening: Served, pipeline: Pipeline, rows: list[Row], calendar: Calendar, order: int
) -> None:
    days = calendar.between(date(2022, 5, 2), date(2022, 9, 30))[::order]
    with serving(pipeline, View(AS_OF)) as served:
        for day in days:
            expected = {row["symbol"]: row["close"] for row in rows if row["date"] == str(day)}
            found = served.get(f"{GROUPED}/{day}", adjusted="false").rows
            assert {row["T"]: row["c"] for row in found} == expected


# What scripts ask for


@pytest.mark.parametrize(
    ("asked", "adjusted"),
    [
        ({"adjusted": "true"}, True), ({"adjusted": "True"}, True), ({"adjusted": "TRUE"}, True),
        ({"adjusted": 1}, True), ({"adjusted": "false"}, False), ({"adjusted": "False"}, False),
        ({"adjusted": 0}, False), ({"adjust": "false"}, True), ({}, True), ({"adjusted": ""}, True),
        ({"adjusted": "false", "include_otc": "true"}, False), ({"adjusted": "true", "include_otc": "False"}, True),
    ],
)  # fmt: skip
def test_every_spelling_of_adjusted_is_understood(evening: Served, asked: dict[str, Any], adjusted: bool) -> None:
    answer = evening.get(f"{GROUPED}/2022-07-05", **asked).body
    assert answer["adjusted"] is adjusted
    assert answer["results"] == evening.get(f"{GROUPED}/2022-07-05", adjusted=str(adjusted).lower()).rows
    assert {tuple(row) for row in answer["results"]} == {("T", "v", "vw", "o", "c", "h", "l", "t", "n")}


def test_the_open_and_close_of_a_day(evening: Served, rows: list[Row]) -> None:
    [held] = [row for row in rows if (row["symbol"], row["date"]) == ("KIMpL", "2022-07-05")]
    answer = evening.get("/v1/open-close/KIMpL/2022-07-05").body
    assert {name: answer[name] for name in ("status", "from", "symbol")} == {
        "status": "OK", "from": "2022-07-05", "symbol": "KIMpL",
    }  # fmt: skip
    assert [answer[name] for name in ("open", "high", "low", "close", "volume")] == [
        held[name] for name in ("open", "high", "low", "close", "volume")
    ]
    nothing = evening.get("/v1/open-close/KIMpL/2022-07-09")
    assert (nothing.status, nothing.body["message"]) == (404, "Data not found.")


def test_what_the_store_cannot_know_is_answered_as_honestly_as_the_vendor_would_and_counted(
    pipeline: Pipeline,
) -> None:
    with serving(pipeline, View(AS_OF)) as served:
        gateway = served.gateway
        assert gateway
        snapshot = served.get("/v2/snapshot/locale/us/markets/stocks/tickers")
        assert (snapshot.status, snapshot.body["status"]) == (403, "NOT_AUTHORIZED")
        assert served.get("/v2/snapshot/locale/us/markets/stocks/tickers/AAA").status == 403
        for path in ("/v3/reference/dividends", "/stocks/v1/dividends"):
            assert served.get(path, ticker="AAA").rows == []
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/minute/{RANGE}").rows == []
        assert served.get(f"/v2/aggs/ticker/AAA/range/4/hour/{RANGE}").rows == []
        assert served.get(f"/v2/aggs/ticker/AAA/range/1/second/{RANGE}").rows == []
        assert served.get(f"{GROUPED}/2021-07-06").rows == []  # a session that is not held
        assert served.get(f"{GROUPED}/2022-07-09").rows == []  # no session at all
        assert served.get("/v3/reference/tickers/NEVER").status == 404
        assert served.get("/v3/reference/tickers/AAA").status == 200
    assert gateway.counts.answered_empty == {
        "snapshots": 2, "dividends": 2, "minute bars": 2, "second bars": 1, "whole days": 1, "ticker details": 1,
        "market caps": 1,
    }  # fmt: skip


def test_what_was_done_is_counted_when_it_was_sent(pipeline: Pipeline) -> None:
    with serving(pipeline, View(AS_OF, SLICE)) as served:
        gateway = served.gateway
        assert gateway
        counts = gateway.counts
        for day in ("2022-07-05", "2022-07-06", "2022-07-06"):
            served.get(f"{GROUPED}/{day}")
        served.get(f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}")
        served.get(f"/v2/aggs/ticker/BRK.B/range/1/day/{RANGE}")
        served.get("/v2/aggs/ticker/aa/prev")
        assert served.get("/nowhere").status == 404
        assert served.get("/v2/aggs/ticker/AAA/prev", headers={}).status == 401
    assert counts.requests == 8
    assert counts.kinds == gateway.answered == {"grouped": 3, "range": 2, "prev": 1}
    assert counts.symbols == {"AAA", "BRK.B", "aa"}
    assert counts.sessions == {date(2022, 7, 5), date(2022, 7, 6)}
    assert counts.hidden == 1
    assert counts.refused == {
        "404 The requested resource was not found.": 1, "401 API Key was not provided": 1,
    }  # fmt: skip
    assert counts.vendor_calls == 0


@pytest.mark.parametrize("name", ["apiKey", "apikey", "api_key"])
def test_a_users_key_is_kept_nowhere(pipeline: Pipeline, name: str) -> None:
    with serving(pipeline, View(AS_OF, SLICE)) as served:
        gateway = served.gateway
        assert gateway
        for path in (f"{GROUPED}/2022-07-05", f"/v2/aggs/ticker/AAA/range/1/day/{RANGE}", "/v3/reference/tickers"):
            answer = served.get(path, headers={}, **{name: "s3cr3t", "limit": 2})
            assert answer.status == 200
            assert b"s3cr3t" not in answer.raw
            following = answer.body.get("next_url")
            if following:
                assert served.get(following, headers={}).status == 401
                assert served.get(following).status == 200
                assert served.get(following).raw == served.get(
                    path, headers={}, **{name: "an0ther", "limit": 2}
                ).raw or (following == served.get(path, headers={}, **{name: "an0ther", "limit": 2}).body["next_url"])
        assert "s3cr3t" not in repr(gateway._kept)
        assert "s3cr3t" not in repr(gateway.counts)


def test_tuesday_is_not_there_on_monday_evening_and_is_on_tuesdays(desk: Desk) -> None:
    desk.csv([bar("AAA", day, close=close) for day, close in zip(WEEK, (9.1, 9.2, 9.3, 9.4, 9.5), strict=True)])
    desk.ingest()
    for day, closes in ((MON, [9.1]), (TUE, [9.1, 9.2]), (THU, [9.1, 9.2, 9.3, 9.4])):
        with serving(desk.pipeline, View(date.fromisoformat(day))) as served:
            found = served.get(f"/v2/aggs/ticker/AAA/range/1/day/{MON}/{FRI}").rows
            assert [row["c"] for row in found] == closes
