"""Bars and splits from a vendor: complete, asked for once, within the plan, and never anything but what was sent.

The vendor is a gateway over a small store, or a script, behind real HTTP on loopback; see `vendor.py`.
"""

import asyncio
import logging
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from scan_pipeline.errors import IngestError, SettingsError
from scan_pipeline.gateway.server import Gateway
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Monitor
from scan_pipeline.providers import http, massive
from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import PLANS, VendorClient
from scan_pipeline.providers.massive import fetch_sessions, fetch_sessions_sync
from scan_pipeline.sessions import NEW_YORK, Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import MON, WEEK, Desk, Row, write_csv, write_parquet
from scan_pipeline_tests.providers.vendor import (
    GROUPED,
    KEY,
    SPLITS,
    Asked,
    Fault,
    Vendor,
    grouped,
    most_in_a_window,
    refusal,
    scripted,
    wait_until,
)

COLUMNS = "session, symbol, open, high, low, close, volume"
#: Ways in which an answer can be none, or not what the vendor documents.
SPOILT = (
    "truncated", "truncated gzip", "no gzip", "page of a proxy", "null", "miscounted", "lost", "text for a price",
    "no ticker", "status",
)  # fmt: skip

INGESTS = """
import sys
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import load_settings

pipeline = Pipeline(load_settings())
first, last = map(pipeline.calendar.parse, sys.argv[1:])
for landed in pipeline.ingest(pipeline.calendar.between(first, last), "test"):
    if not landed.was_held:
        print(landed.session, flush=True)
"""

DeskAt = Callable[..., Desk]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key in the environment, no `.env` in the current folder, and short waits between tries."""
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def sessions(calendar: Calendar) -> list[date]:
    """Sixty sessions."""
    return calendar.between(date(2015, 4, 1), date(2015, 12, 31))[:60]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, settings_at: SettingsFactory, sessions: Sequence[date]) -> Desk:
    """Sixty sessions of sixty symbols with splits, taken in from files. Do not write to it."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "feed").mkdir()
    dice = random.Random(5)
    rows: list[Row] = []
    for number in range(60):
        symbol, price = ("BRK.B", "KIMpL", "AHACW")[number] if number < 3 else f"S{number:03}", dice.uniform(1, 900)
        for day in sessions:
            price *= dice.uniform(0.96, 1.04)
            prices = sorted(price * dice.uniform(0.98, 1.02) for _ in range(4))
            if dice.random() < 0.97:
                rows.append(
                    {"symbol": symbol, "date": str(day), "open": prices[1], "high": prices[3], "low": prices[0],
                     "close": prices[2], "volume": dice.choice([1e3, 1234.5678, 7.0, 3e9]) * (1 + number)}
                )  # fmt: skip
    write_parquet(folder / "feed" / "bars.parquet", rows)
    splits = [
        {"symbol": f"S{number:03}", "ex_date": str(sessions[number]), "split_from": 1, "split_to": 1 + number / 2}
        for number in range(3, 20)
    ]
    write_csv(folder / "splits.csv", splits)
    desk = Desk(
        Pipeline(settings_at(folder / "data", provider="files", files_path=folder / "feed")), folder / "feed", []
    )  # fmt: skip
    desk.ingest(*map(str, sessions))
    desk.pipeline.record_splits()
    assert len({session for session, *_ in desk.bars()}) == len(sessions)
    return desk


@pytest.fixture
def source_copy(source: Desk, settings_at: SettingsFactory, tmp_path: Path) -> Desk:
    """As `source`, to be written to."""
    settings = settings_at(tmp_path / "source_copy", provider="files", files_path=source.feed)
    shutil.copy(source.pipeline.settings.database_path, settings.database_path)
    return Desk(Pipeline(settings), source.feed, [])


@pytest.fixture
def desk_at(settings_at: SettingsFactory, tmp_path: Path) -> DeskAt:
    """`desk_at(vendor, folder, **settings)`: a desk whose bars come from the vendor."""

    def make(vendor: Vendor, folder: str = "data", **settings: Any) -> Desk:
        said: list[str] = []
        values = {"massive_plan": "paid", "massive_tries": 2, "massive_timeout_seconds": 10} | settings
        chosen = settings_at(tmp_path / folder, provider="massive", massive_url=vendor.url, **values)
        return Desk(Pipeline(chosen, Monitor(log=said.append)), tmp_path, said)

    return make


def gateway_over(desk: Desk, fault: Fault = lambda number, asked: "") -> Vendor:
    """A vendor that has the desk's bars and splits."""
    return Vendor(Gateway(desk.pipeline.store, desk.pipeline.calendar).make_app, fault)


def row(symbol: str = "AAA", **values: Any) -> Row:
    """A row as the vendor sends it."""
    return {"T": symbol, "v": 1000, "vw": 10.2, "o": 10.0, "c": 10.5, "h": 11.0, "l": 9.0, "t": 0, "n": 7} | values


async def one_bar(_: web.Request) -> web.Response:
    """The same bar for every session."""
    return grouped([row()])


def client_of(vendor: Vendor, tmp_path: Path, concurrency: int = 4, timeout: float = 30) -> VendorClient:
    return VendorClient(vendor.url, KEY, PLANS["paid"], tmp_path / "calls.sqlite", concurrency, timeout, tries=2)


def write(desk: Desk, sql: str, *parameters: Any) -> None:
    with desk.pipeline.store.write() as connection:
        connection.execute(sql, list(parameters))


# The vendor at its worst.


@pytest.mark.slow
def test_an_ingest_through_every_fault_that_is_killed_three_times_ends_with_the_bars_of_one_without_faults(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date], tmp_path: Path
) -> None:
    faults = ["429"] * 5 + ["429:1"] * 5 + ["500"] * 5 + ["hang"] * 5 + ["reset"] * 3 + ["truncated"] * 2 + ["null"]
    plan = (faults + [""] * 100)[:100]
    random.Random(3).shuffle(plan)
    plan[50] = "401"
    timeout, allowed, window = 1.5, 20, 1.0

    with gateway_over(source) as vendor:
        faultless = desk_at(vendor, "faultless")
        faultless.ingest(*map(str, sessions))
    expected = faultless.bars(COLUMNS)

    with gateway_over(source, lambda number, _: plan[number % len(plan)]) as vendor:
        desk = desk_at(vendor)
        environment = os.environ | {
            "SCAN_DATA_DIR": str(desk.pipeline.settings.data_dir),
            "SCAN_PROVIDER": "massive",
            "SCAN_MASSIVE_URL": vendor.url,
            "SCAN_MASSIVE_PLAN": f"{allowed}/{window:g}",
            "SCAN_MASSIVE_TIMEOUT_SECONDS": str(timeout),
        }
        lives: list[tuple[int, set[str], str]] = []  # requests before it, sessions held before it, what it said
        kills = [6, 27, 70]
        for _ in range(8):
            command = [sys.executable, "-c", INGESTS, str(sessions[0]), str(sessions[-1])]
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )  # fmt: skip
            before = len(vendor.asked), held_by(desk)
            while kills and process.poll() is None:
                if len(vendor.asked) >= kills[0]:
                    kills.pop(0)
                    process.kill()
                    process.wait()
                    break
                time.sleep(0.005)
            said, errors = process.communicate(timeout=60)
            lives.append((*before, said + errors))
            wait_until(lambda: vendor.connections == 0)
            assert KEY not in said + errors
            if process.returncode == 0:
                break
        assert process.returncode == 0
        assert not kills, "it was to be killed three times"
        asked = list(vendor.asked)

    assert any(0 < len(held) < len(sessions) for _, held, _ in lives), "one was to be killed in the middle"

    # Nothing is missing, doubled or changed.
    assert desk.bars(COLUMNS) == expected
    assert expected == source.bars(COLUMNS)
    # Every fault was met, and the refused key was told to the person.
    assert {one.fault for one in asked} >= {*faults, "401"}
    assert "Correct MASSIVE_API_KEY" in "".join(said for *_, said in lives)
    # What was held is not asked for again; what had come in one life is not asked for again in it.
    ends = [start for start, *_ in lives[1:]] + [len(asked)]
    for (start, held, _), end in zip(lives, ends, strict=True):
        assert not held & {str(session) for session in (one.session for one in asked[start:end]) if session}
        arrived = Counter(
            one.session for one in asked[start:end]
            if not one.fault and one.seconds is not None and one.seconds < timeout / 2
        )  # fmt: skip
        assert set(arrived.values()) <= {1}
    lost = sum(  # answers that a stopped process had not stored
        (one.session is not None) and not one.fault and str(one.session) not in held
        for (start, _, _), end, (_, held, _) in zip(lives, ends, lives[1:], strict=False)
        for one in asked[start:end]
    )  # fmt: skip
    slow = sum(not one.fault and (one.seconds is None or one.seconds >= timeout / 2) for one in asked)
    assert len(asked) <= len(sessions) + sum(bool(one.fault) for one in asked) + lost + slow
    # The plan holds across the processes, killed ones included.
    assert most_in_a_window(asked, window) <= allowed
    assert len(held_by(desk)) == len(sessions)


def held_by(desk: Desk) -> set[str]:
    """The sessions that are held."""
    return {row[0] for row in held(desk, "ingested_sessions")}


def held(desk: Desk, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table; none where there is no database yet."""
    return desk.ask(f"from {table}") if desk.pipeline.store.exists else []


def test_no_answer_that_is_not_as_documented_is_ever_stored_and_the_other_sessions_stand(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    spoilt = dict(zip(sessions[2:], SPOILT, strict=False))
    with gateway_over(source, lambda _, asked: spoilt.get(asked.session or date.min, "")) as vendor:
        desk = desk_at(vendor)
        desk.ingest(*map(str, sessions[:20]))
        assert held_by(desk) == {str(session) for session in sessions[:20] if session not in spoilt}
        assert Counter(vendor.sessions) == {session: 2 if session in spoilt else 1 for session in sessions[:20]}
        said = desk.said[-1]
        assert f"gave no bars for {sessions[2]}" in said
        assert f"and {len(SPOILT) - 5} more" in said
        assert "the same command fetches the rest" in said


def test_each_session_that_cannot_be_had_comes_with_its_address_and_its_reason(
    source: Desk, sessions: Sequence[date], tmp_path: Path
) -> None:
    spoilt = dict(zip(sessions, SPOILT, strict=False))
    with gateway_over(source, lambda _, asked: spoilt.get(asked.session or date.min, "")) as vendor:
        fetched = list(fetch_sessions_sync(client_of(vendor, tmp_path, 16), sessions[: len(SPOILT)]))
    missing = {spoilt[one.session]: one.missing for one in fetched}
    assert all(f"{GROUPED}{one.session} failed 2 times" in one.missing and not one.rows for one in fetched)
    assert "results: null" in missing["null"]
    assert "resultsCount" in missing["miscounted"]
    assert "resultsCount" in missing["lost"]
    assert "`float | null`, got `str`" in missing["text for a price"]
    assert "required field `T`" in missing["no ticker"]
    assert "status ERROR" in missing["status"]


def test_a_session_that_fails_at_every_try_is_left_missing_and_the_same_command_fetches_it_later(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    broken = {sessions[4]}
    with gateway_over(source, lambda _, asked: "500" if asked.session in broken else "") as vendor:
        desk = desk_at(vendor, massive_tries=3)
        with pytest.raises(IngestError) as raised:
            list(desk.pipeline.ingest(sessions[:10], "test"))
        for words in (str(sessions[4]), "failed 3 times", "500", "What arrived is kept; the same command fetches"):
            assert words in str(raised.value)
        assert str(sessions[3]) not in str(raised.value)
        assert vendor.sessions.count(sessions[4]) == 3
        assert len(held_by(desk)) == 9
        broken.clear()
        vendor.asked.clear()
        list(desk.pipeline.ingest(sessions[:10], "test"))
        assert vendor.sessions == [sessions[4]]
        wanted = {str(session) for session in sessions[:10]}
        assert desk.bars(COLUMNS) == [bar for bar in source.bars(COLUMNS) if bar[0] in wanted]


def test_a_vendor_that_is_down_is_not_asked_for_every_session_of_a_year(calendar: Calendar, tmp_path: Path) -> None:
    async def down(request: web.Request) -> web.Response:
        return web.Response(status=503)

    sessions = calendar.between(date(2015, 1, 2), date(2015, 12, 31))
    with scripted(down) as vendor:
        came = list(fetch_sessions_sync(client_of(vendor, tmp_path), sessions))
        # Eight in a row, and what was under way beside them; two tries each.
        assert len(vendor.asked) <= (8 + 4) * 2
    assert {one.session for one in came} == set(sessions)
    assert all(one.missing and not one.rows for one in came)
    assert sum("Not asked for" in one.missing for one in came) > 200


def test_a_day_that_the_vendor_has_nothing_for_is_said_to_be_missing_after_one_call(desk_at: DeskAt) -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.json_response({"queryCount": 0, "resultsCount": 0, "adjusted": False, "status": "OK"})

    with scripted(nothing) as vendor:
        desk = desk_at(vendor)
        desk.ingest(MON)
        assert "gave no bars for 2015-07-13. It has none." in desk.said[-1]
        assert len(vendor.asked) == 1


def test_adjusted_prices_are_refused_rather_than_taken_for_traded_ones(desk_at: DeskAt) -> None:
    async def adjusted(_: web.Request) -> web.Response:
        return web.json_response({"resultsCount": 1, "adjusted": True, "results": [row()], "status": "OK"})

    with scripted(adjusted) as vendor:
        desk = desk_at(vendor)
        with pytest.raises(ProviderError, match="adjusted"):
            desk.pipeline.ingest([date.fromisoformat(MON)], "test").__next__()
        assert held_by(desk) == set()


def test_a_delayed_answer_with_missing_and_unknown_fields_is_taken_and_the_bar_rules_judge_its_rows(
    desk_at: DeskAt,
) -> None:
    async def delayed(_: web.Request) -> web.Response:
        rows = [row("AAA", otc=True), row("BBB", vw=None, n=None), {"T": "CCC", "c": 10.0}, row("DDD", c=-1.0)]
        return web.json_response({"status": "DELAYED", "resultsCount": 4, "adjusted": False, "results": rows})

    with scripted(delayed) as vendor:
        desk = desk_at(vendor)
        desk.ingest(MON)
    assert desk.bars("symbol, close, vwap, trades") == [("AAA", 10.5, 10.2, 7), ("BBB", 10.5, None, None)]
    assert sorted(symbol for (symbol,) in desk.rejected("symbol")) == ["CCC", "DDD"]


# What is asked for.


def test_bars_from_the_vendor_are_those_of_the_same_feed_read_from_files(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    with gateway_over(source) as vendor:
        desk = desk_at(vendor)
        desk.ingest(*map(str, sessions))
        assert sorted(vendor.sessions) == list(sessions)
        assert all(asked.query == {"adjusted": "false", "include_otc": "false"} for asked in vendor.asked)
        assert {asked.authorization for asked in vendor.asked} == {f"Bearer {KEY}"}
    assert desk.bars(COLUMNS) == source.bars(COLUMNS)
    hashes = "select session, bars, bars_hash from ingested_sessions order by session"
    assert desk.ask(hashes) == source.ask(hashes)


def test_fifteen_real_sessions_from_the_vendor_are_those_read_from_files(
    real_feed: Path, settings_at: SettingsFactory, desk_at: DeskAt, calendar: Calendar, tmp_path: Path
) -> None:
    days = calendar.between(date(2015, 7, 1), date(2015, 8, 31))[:15]
    files = Desk(Pipeline(settings_at(tmp_path / "files", provider="files", files_path=real_feed)), real_feed, [])
    files.ingest(*map(str, days))
    with gateway_over(files) as vendor:
        desk = desk_at(vendor, massive_timeout_seconds=30)
        desk.ingest(*map(str, days))
    bars = desk.bars(COLUMNS)
    assert len(bars) > 15_000
    assert bars == files.bars(COLUMNS)


def test_a_night_costs_five_calls_at_most_and_one_when_it_is_run_again(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    with gateway_over(source) as vendor:
        desk = desk_at(vendor)
        desk.ingest(*map(str, sessions[:10]))
        desk.pipeline.record_splits()
        left_by_their_nights(desk)
        vendor.asked.clear()

        def night() -> list[date]:
            vendor.asked.clear()
            desk.pipeline.record_splits()
            outcomes = list(desk.pipeline.ingest([sessions[10]], "night"))
            assert [outcome.session for outcome in outcomes] == [sessions[10]]
            assert [asked.path for asked in vendor.asked if not asked.session] == [SPLITS]
            return sorted(vendor.sessions)

        assert night() == sessions[7:11]
        assert len(vendor.asked) == 5
        assert night() == []
        assert len(vendor.asked) == 1
    assert desk.ask("select * from bar_revisions") == []


def left_by_their_nights(desk: Desk) -> None:
    """Every session held, as its nights would have left it: last corrected three hours after a later one closed."""
    held = [date.fromisoformat(session) for (session,) in desk.ask("select session from ingested_sessions")]
    calendar = desk.pipeline.calendar
    for session in held:
        closed = calendar.closes_at(min(calendar.after(session, 3), max(held))) + timedelta(hours=3)
        evening = closed.astimezone(UTC).replace(tzinfo=None)
        write(desk, "update ingested_sessions set ingested_at = ? where session = ?", evening, session)


def evening_of(desk: Desk, session: date) -> datetime:
    return (desk.pipeline.calendar.closes_at(session) + timedelta(hours=3)).astimezone(UTC).replace(tzinfo=None)


def test_after_missed_nights_every_session_that_could_still_be_revised_is_asked_for_again(
    source_copy: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    early = sessions[2]
    with gateway_over(source_copy) as vendor:
        desk = desk_at(vendor)
        desk.ingest(*map(str, sessions[:4]))
        left_by_their_nights(desk)
        write(desk, "update ingested_sessions set ingested_at = ? where session = ?", evening_of(desk, early), early)
        write(source_copy, "update price_bars set close = high where session = ?", early)
        vendor.asked.clear()
        desk.ingest(*map(str, sessions[8:12]))
        assert early in vendor.sessions
        wanted = source_copy.ask("select symbol, close from price_bars where session = ? order by 1", early)
        assert desk.ask("select symbol, close from price_bars where session = ? order by 1", early) == wanted


@pytest.mark.parametrize("correction", ["few", "bad", "down"])
def test_a_correction_that_would_lose_bars_is_not_taken_and_the_night_goes_on(
    source_copy: Desk, desk_at: DeskAt, sessions: Sequence[date], correction: str
) -> None:
    spoilt = sessions[8]
    with gateway_over(source_copy, lambda _, asked: "500" if down and asked.session == spoilt else "") as vendor:
        down = False
        desk = desk_at(vendor)
        desk.ingest(*map(str, sessions[:10]))
        left_by_their_nights(desk)
        before = desk.ask("from price_bars where session = ? order by symbol", spoilt)
        if correction == "few":
            write(source_copy, "delete from price_bars where session = ? and symbol > 'S010'", spoilt)
        if correction == "bad":
            write(source_copy, "update price_bars set close = -1 where session = ?", spoilt)
        down = correction == "down"
        desk.ingest(str(sessions[10]))
        assert desk.ask("from price_bars where session = ? order by symbol", spoilt) == before
        assert desk.ask("select bars from ingested_sessions where session = ?", spoilt) == [(len(before),)]
    assert any(f"The correction of {spoilt} is not taken" in line for line in desk.said)
    assert desk.ask("select count(*) > 0 from price_bars where session = ?", sessions[10]) == [(True,)]


def test_a_session_that_came_spoilt_is_fetched_again_by_the_same_command(
    source_copy: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    with gateway_over(source_copy) as vendor:
        desk = desk_at(vendor)
        write(source_copy, "update price_bars set high = low - 1 where session = ?", sessions[0])
        (spoilt,) = desk.pipeline.ingest(sessions[:1], "test")
        assert spoilt.lost_share == 1
        write(source_copy, "update price_bars set high = greatest(open, low, close) where session = ?", sessions[0])
        (mended,) = desk.pipeline.ingest(sessions[:1], "test")
    assert mended.lost_share == 0
    assert mended.bars > 0


def test_a_bar_that_the_vendor_corrects_within_the_window_is_replaced_and_both_values_are_recorded(
    source_copy: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    in_window, too_old = sessions[8], sessions[3]
    with gateway_over(source_copy) as vendor:
        desk = desk_at(vendor)
        desk.ingest(*map(str, sessions[:10]))
        left_by_their_nights(desk)
        ((old,),) = desk.ask("select close from price_bars where session = ? and symbol = 'S010'", in_window)
        for session in (in_window, too_old):
            write(
                source_copy,
                "update price_bars set close = high, volume = volume + 1 where session = ? and symbol = 'S010'",
                session,
            )
        desk.ingest(str(sessions[10]))
    corrected = desk.ask(
        "select session, symbol, old_close, new_close, new_volume - old_volume, old_open = new_open from bar_revisions"
    )
    ((new,),) = desk.ask("select close from price_bars where session = ? and symbol = 'S010'", in_window)
    assert corrected == [(str(in_window), "S010", old, new, 1.0, True)]
    assert new != old
    assert any(f"1 bars of {in_window} were revised" in said for said in desk.said)


# Refusals.


@pytest.mark.parametrize(
    ("status", "body", "setting"),
    [
        (400, {"status": "ERROR", "error": f"Could not parse {KEY}"}, "SCAN_MASSIVE_URL"),
        (401, {"status": "ERROR", "error": f"Unknown API Key {KEY}"}, "MASSIVE_API_KEY"),
        (403, {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include this data timeframe."},
         "SCAN_MASSIVE_PLAN"),
        (404, {"status": "NOT_FOUND", "message": f"{KEY} not found."}, "SCAN_MASSIVE_URL"),
    ],
)  # fmt: skip
def test_a_refusal_stops_after_one_call_and_names_the_setting_to_mend_and_never_the_key(
    desk_at: DeskAt, caplog: pytest.LogCaptureFixture, status: int, body: dict[str, str], setting: str
) -> None:
    async def refuses(_: web.Request) -> web.Response:
        return refusal(status, body)

    caplog.set_level(logging.DEBUG)
    with scripted(refuses) as vendor:
        desk = desk_at(vendor, massive_tries=6)
        provider = desk.pipeline.provider()
        for ask in (
            lambda: list(desk.pipeline.ingest([date.fromisoformat(MON)], "test", provider)),
            lambda: desk.pipeline.record_splits(provider),
        ):
            vendor.asked.clear()
            with pytest.raises(ProviderError) as raised:
                ask()
            assert len(vendor.asked) == 1
            assert str(status) in str(raised.value)
            assert setting in str(raised.value)
            assert KEY not in f"{raised.value!r} {raised.value}"
        assert provider.calls == 2
        assert held(desk, "fetches") == []
    shown = [caplog.text, *desk.said, repr(provider), repr(desk.pipeline.settings), repr(desk.pipeline)]
    assert all(KEY not in text for text in shown)


def test_a_refusal_in_the_middle_keeps_what_had_come_and_asks_for_little_more(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    with gateway_over(source, lambda number, _: "401" if number >= 30 else "") as vendor:
        desk = desk_at(vendor, massive_concurrency=4)
        with pytest.raises(ProviderError, match="MASSIVE_API_KEY"):
            list(desk.pipeline.ingest(sessions, "test"))
        assert len(vendor.asked) < 30 + 2 * 4
        stored = held_by(desk)
        assert len(stored) >= 30 - 2 * 4
        kept = [bar for bar in source.bars(COLUMNS) if bar[0] in stored]
        assert desk.bars(COLUMNS) == kept


@pytest.mark.parametrize("other", ["", "SCAN_PROVIDER"])
def test_without_a_key_the_error_names_the_variable_to_set(
    settings_for: SettingsFactory, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.delenv("MASSIVE_API_KEY")
    if other:
        monkeypatch.setenv("MASSIVE_API_KEY", "")
    with pytest.raises(SettingsError, match="MASSIVE_API_KEY"):
        Pipeline(settings_for(provider="massive")).provider()


# Asked from any program.


def test_sessions_are_fetched_many_at_a_time_by_an_asynchronous_program(
    source: Desk, sessions: Sequence[date], tmp_path: Path
) -> None:
    async def fetch() -> dict[date, int]:
        return {one.session: len(one.rows) async for one in fetch_sessions(client_of(vendor, tmp_path), sessions[:12])}

    with gateway_over(source) as vendor:
        fetched = asyncio.run(fetch())
    bars = dict(source.ask("select session, bars from ingested_sessions"))
    assert fetched == {session: bars[str(session)] for session in sessions[:12]}


def test_sessions_are_fetched_by_a_plain_loop_while_an_event_loop_is_running(
    source: Desk, sessions: Sequence[date], tmp_path: Path
) -> None:
    async def notebook() -> list[date]:
        return sorted(one.session for one in fetch_sessions_sync(client_of(vendor, tmp_path), sessions[:12]))

    with gateway_over(source) as vendor:
        assert asyncio.run(notebook()) == sessions[:12]


def test_a_slow_reader_does_not_make_the_fetch_run_far_ahead(
    source: Desk, sessions: Sequence[date], tmp_path: Path
) -> None:
    with gateway_over(source) as vendor:
        fetched = fetch_sessions_sync(client_of(vendor, tmp_path, 2), sessions)
        next(fetched)
        # It stops asking by itself: the count stays where it is.
        count = -1
        while count != len(vendor.asked):
            count = len(vendor.asked)
            time.sleep(0.2)
        assert count < 20
        assert len(list(fetched)) == len(sessions) - 1


@pytest.mark.parametrize("rest", ["", "hang"])
def test_leaving_the_loop_early_ends_the_thread_and_the_requests_even_where_the_vendor_hangs(
    source: Desk, sessions: Sequence[date], tmp_path: Path, rest: str
) -> None:
    with gateway_over(source, lambda number, _: rest if number else "") as vendor:
        fetched: Iterator[Any] = fetch_sessions_sync(client_of(vendor, tmp_path), sessions)
        next(fetched)
        if rest:
            wait_until(lambda: len(vendor.asked) >= 4)
        started = time.monotonic()
        fetched.close()  # type: ignore[attr-defined]
        assert time.monotonic() - started < 3
        assert "fetch" not in {thread.name for thread in threading.enumerate()}
        wait_until(lambda: vendor.connections == 0)
        assert len(vendor.asked) < 20


def test_an_error_that_nobody_foresaw_ends_the_fetch_with_that_error(
    source: Desk, sessions: Sequence[date], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: bytes) -> None:
        raise MemoryError("no room for the answer")

    monkeypatch.setattr(massive, "read_grouped", fails)
    with gateway_over(source) as vendor, pytest.raises(MemoryError, match="no room"):
        list(fetch_sessions_sync(client_of(vendor, tmp_path), sessions[:8]))


def test_one_session_that_hangs_does_not_hold_all_others_back_in_memory(
    source: Desk, desk_at: DeskAt, sessions: Sequence[date]
) -> None:
    with gateway_over(source, lambda _, asked: "hang" if asked.session == sessions[1] else "") as vendor:
        provider = desk_at(vendor, massive_timeout_seconds=8).pipeline.provider()
        deliveries = provider.deliveries(sessions, date(2015, 3, 31))
        handed_over: list[date] = []
        while len(handed_over) < 20:
            part, previous, _ = next(deliveries)
            calendar = [date(2015, 3, 31), *sessions]
            assert list(part) == calendar[calendar.index(previous) + 1 :][: len(part)]
            handed_over += part
        assert sessions[1] not in handed_over
        assert len(set(handed_over)) == len(handed_over)
        deliveries.close()  # type: ignore[attr-defined]


# Splits.


def test_splits_of_a_first_fetch_are_known_since_their_ex_dates(source: Desk, desk_at: DeskAt) -> None:
    with gateway_over(source) as vendor:
        desk = desk_at(vendor)
        assert desk.pipeline.record_splits() == 17
        assert len(vendor.asked) == 1
    columns = "select symbol, ex_date, split_from, split_to, known_on from splits order by all"
    assert desk.ask(columns) == source.ask(columns)
    assert desk.ask("select * from splits where known_on <> ex_date") == []


def test_a_split_that_was_not_told_by_its_ex_date_is_known_since_the_day_on_which_it_is_learned(
    source_copy: Desk, desk_at: DeskAt
) -> None:
    today = datetime.now(NEW_YORK).date()
    last, told_late, on_time, coming = (today + timedelta(days=days) for days in (-10, -20, -5, 10))
    with gateway_over(source_copy) as vendor:
        desk = desk_at(vendor)
        desk.pipeline.record_splits()
        write(desk, "update fetches set fetched_on = ?", last)
        for symbol, ex_date in {"LATE": told_late, "TIMELY": on_time, "COMING": coming}.items():
            write(source_copy, "insert into splits values (?, ?, 1, 2, ?)", symbol, ex_date, ex_date)
        desk.pipeline.record_splits()
        known = "select symbol, known_on from splits where ex_date > '2020-01-01' order by symbol"
        learned = [("COMING", str(today)), ("LATE", str(today)), ("TIMELY", str(on_time))]
        assert desk.ask(known) == learned
        # What is known stays known since then.
        write(desk, "update splits set known_on = known_on - 3 where symbol = 'LATE'")
        desk.pipeline.record_splits()
        learned[1] = ("LATE", str(today - timedelta(days=3)))
        assert desk.ask(known) == learned
        # Later fetches ask for three months, not for everything.
        assert [asked.query.get("execution_date.gte") for asked in vendor.asked] == [
            None, str(last - timedelta(days=90)), str(today - timedelta(days=90))
        ]  # fmt: skip


def test_an_announced_split_that_is_moved_or_called_off_does_not_stay(source_copy: Desk, desk_at: DeskAt) -> None:
    today = datetime.now(NEW_YORK).date()
    coming, later = today + timedelta(days=5), today + timedelta(days=9)
    for symbol in ("MOVED", "OFF"):
        write(source_copy, "insert into splits values (?, ?, 1, 2, ?)", symbol, coming, today)
    with gateway_over(source_copy) as vendor:
        desk = desk_at(vendor)
        desk.pipeline.record_splits()
        write(source_copy, "update splits set ex_date = ? where symbol = 'MOVED'", later)
        write(source_copy, "delete from splits where symbol = 'OFF'")
        desk.pipeline.record_splits()
    assert desk.ask("select symbol, ex_date from splits where ex_date >= ?", today) == [("MOVED", str(later))]


def test_all_pages_of_splits_are_fetched(source_copy: Desk, desk_at: DeskAt) -> None:
    write(
        source_copy,
        "insert into splits select 'P' || i, date '2010-01-04' + (i % 900)::INTEGER, 1, 2, date '2010-01-04' "
        "from range(5500) as numbers(i)",
    )
    with gateway_over(source_copy, lambda number, _: "500" if number == 1 else "") as vendor:
        desk = desk_at(vendor)
        assert desk.pipeline.record_splits() == 5_517
        assert len(vendor.asked) == 2 + 1  # one page was asked for twice
        assert {asked.authorization for asked in vendor.asked} == {f"Bearer {KEY}"}
    columns = "select symbol, ex_date, split_from, split_to from splits order by all"
    assert desk.ask(columns) == source_copy.ask(columns)


def test_a_failed_fetch_of_splits_changes_nothing_and_is_not_counted_as_a_fetch(desk_at: DeskAt) -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.json_response({"status": "OK", "results": [{"ticker": "AAA", "execution_date": "soon"}]})

    with scripted(broken) as vendor:
        desk = desk_at(vendor)
        with pytest.raises(ProviderError, match="failed 2 times"):
            desk.pipeline.record_splits()
    assert held(desk, "fetches") == held(desk, "splits") == []


def test_the_database_is_free_while_the_vendor_is_asked_for_splits(source: Desk, desk_at: DeskAt) -> None:
    seen: list[str] = []

    def looks(number: int, asked: Asked) -> str:
        try:
            with desk.pipeline.store.read() as connection:
                connection.execute("from splits")
            seen.append("free")
        except Exception as error:
            seen.append(str(error))
        return ""

    with gateway_over(source, looks) as vendor:
        desk = desk_at(vendor)
        for _ in range(2):
            with desk.pipeline.store.write():
                pass  # a database, for a first fetch
            desk.pipeline.record_splits()
    assert seen == ["free", "free"]


def test_progress_says_how_many_calls_were_made_and_the_plans_time_for_the_rest(source: Desk, desk_at: DeskAt) -> None:
    with scripted(one_bar) as vendor:
        desk = desk_at(vendor, massive_plan="5/1")
        provider = desk.pipeline.provider()
        list(desk.pipeline.ingest([date.fromisoformat(day) for day in WEEK], "test", provider))
        assert provider.calls == len(vendor.asked) == 5
        assert "5 calls" in provider.note(1)
        assert "100 min left by the plan" in provider.note(30_000)
