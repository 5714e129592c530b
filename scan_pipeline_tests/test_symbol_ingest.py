"""Nights with a vendor that is asked by the symbol: within the budget, honest about the rest, nothing held is lost."""

import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scan_pipeline import providers
from scan_pipeline.errors import IngestError, SettingsError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Monitor
from scan_pipeline.providers import http
from scan_pipeline.providers.alpaca import AlpacaProvider
from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import Plan, VendorClient
from scan_pipeline.report.hits import read_hits
from scan_pipeline.report.tables import print_hits
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.bars import IngestedSession
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import Desk, broken_accounts
from scan_pipeline_tests.providers.alpaca_vendor import BARS, KEY_ID, SECRET, Alpaca, Values
from scan_pipeline_tests.providers.vendor import Vendor
from scan_pipeline_tests.scans import content, copy_of, prepare, query, write_scanner

SYMBOLS = [f"S{number:02}" for number in range(12)]
COLUMNS = "symbol, open, high, low, close, volume"
#: Everything that has a bar passes.
LIMITS = ScreenLimits(min_average_volume=0, min_bars_held=1, min_market_cap=0)


def bar_of(symbol: str, day: date, edition: int = 0) -> Values:
    """A bar that only this symbol, day and edition have; the later the symbol, the smaller its dollar volume."""
    dice = random.Random(f"{symbol}{day}{edition}")
    low = 100 - 5 * int(symbol[1:]) + dice.random()
    return low + 0.25, low + 2 + edition / 8, low, low + 1 + edition / 16, 10_000.0 + dice.randrange(50)


@dataclass
class Nights:
    """One database and its vendor, night after night; three symbols a call."""

    alpaca: Alpaca
    vendor: Vendor
    calendar: Calendar
    settings: Callable[..., Any]
    said: list[str] = field(default_factory=list)
    provider: AlpacaProvider | None = None

    def pipeline(self, session: date, **values: Any) -> Pipeline:
        """A pipeline two hours after the close of the session."""
        given = {"alpaca_plan": "5000/1", "alpaca_symbols": 3, "massive_tries": 2, "massive_concurrency": 1} | values
        settings = self.settings(provider="alpaca", alpaca_url=self.vendor.url, screen=LIMITS, **given)
        at = self.calendar.closes_at(session) + timedelta(hours=2)
        return Pipeline(settings, Monitor(log=self.said.append), clock=lambda: at)

    def ingest(
        self, *sessions: date, at: date | None = None, pipeline: Pipeline | None = None, **values: Any
    ) -> list[IngestedSession]:
        """Take the sessions in, on the evening of the last one."""
        pipeline = pipeline or self.pipeline(at or max(sessions), **values)
        provider = pipeline.provider()
        assert isinstance(provider, AlpacaProvider)
        # The list of today is that of the night.
        provider.lists.latest_closed = lambda: pipeline.calendar.latest_closed(pipeline.clock())
        self.provider = provider
        self.alpaca.calls.clear()
        return list(pipeline.ingest(sessions, f"run of {max(sessions)}", provider))

    def bars(self, pipeline: Pipeline, session: date) -> dict[str, Values]:
        return {
            symbol: tuple(values)  # type: ignore[misc]
            for symbol, *values in query(pipeline, f"select {COLUMNS} from price_bars where session = ?", session)
        }


@pytest.fixture
def sessions(calendar: Calendar) -> list[date]:
    return calendar.between(date(2025, 9, 2), date(2025, 10, 31))


@pytest.fixture
def alpaca(sessions: Sequence[date]) -> Alpaca:
    return Alpaca({symbol: {day: bar_of(symbol, day) for day in sessions} for symbol in SYMBOLS})


@pytest.fixture
def nights(
    alpaca: Alpaca, calendar: Calendar, settings_for: SettingsFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Nights]:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setenv("APCA_API_KEY_ID", KEY_ID)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    monkeypatch.chdir(tmp_path)
    with Vendor(alpaca.make_app) as vendor:

        def keyless(*_: Any) -> VendorClient:
            return VendorClient(vendor.url, "", Plan("test", 1000, 1), tmp_path / "keyless.sqlite", 2, 5, 1)

        monkeypatch.setattr(providers, "make_keyless_client", keyless)
        yield Nights(alpaca, vendor, calendar, settings_for)


def watch(pipeline: Pipeline, *symbols: str) -> None:
    pipeline.settings.watchlist_path.write_text("symbol,note\n" + "".join(f"{symbol},mine\n" for symbol in symbols))


def revise_all(alpaca: Alpaca, day: date, edition: int) -> None:
    """The vendor has another bar of every symbol."""
    for symbol in alpaca.bars:
        alpaca.bars[symbol][day] = bar_of(symbol, day, edition)


def refreshes(pipeline: Pipeline, session: date) -> dict[str, tuple[bool, str]]:
    rows = query(pipeline, "select symbol, refreshed, reason from symbol_refreshes where session = ?", session)
    return {symbol: (refreshed, reason) for symbol, refreshed, reason in rows}


def test_without_a_budget_everybody_is_asked_for_once_and_what_came_is_held(
    nights: Nights, sessions: Sequence[date]
) -> None:
    (one,) = nights.ingest(sessions[0])
    pipeline = nights.pipeline(sessions[0])
    assert nights.bars(pipeline, sessions[0]) == {symbol: bar_of(symbol, sessions[0]) for symbol in SYMBOLS}
    assert (one.bars, one.delivered, one.revised, str(one.refresh)) == (12, 12, 0, "refreshed 12 of 12 symbols")
    assert len(nights.alpaca.calls) == 4
    (again,) = nights.ingest(sessions[0])
    assert again.was_held
    assert nights.alpaca.calls == []
    assert again.refresh
    assert (again.refresh.cached_share, str(again.refresh)) == (
        1.0,
        "refreshed 0 of 12 symbols, 12 needed no call",
    )


def test_within_a_budget_the_important_come_first_and_the_rest_is_said(
    nights: Nights, sessions: Sequence[date]
) -> None:
    pipeline = nights.pipeline(sessions[0], refresh_budget_calls=2)
    watch(pipeline, "S11", "S07")
    (one,) = nights.ingest(sessions[0], pipeline=pipeline)
    assert set(nights.alpaca.calls[0][0]) >= {"S11", "S07"}
    assert len(nights.alpaca.calls) == 2
    assert set(nights.bars(pipeline, sessions[0])) == set(nights.alpaca.asked)
    assert str(one.refresh) == (
        "refreshed 6 of 12 symbols, 6 not within the budget of 2 calls a day, "
        "the oldest of those left out never asked for yet"
    )
    assert f"{sessions[0]}: {one.refresh}" in nights.said
    noted = refreshes(pipeline, sessions[0])
    assert noted.keys() == {*SYMBOLS}
    assert noted["S11"] == noted["S07"] == (True, "watchlist")
    assert {symbol for symbol, (refreshed, _) in noted.items() if refreshed} == set(nights.alpaca.asked)
    assert {reason for refreshed, reason in noted.values() if not refreshed} == {"over budget"}


def test_the_budget_is_that_of_a_day_however_many_runs_there_are_and_whatever_becomes_of_them(
    nights: Nights, sessions: Sequence[date]
) -> None:
    values = {"refresh_budget_calls": 3, "massive_tries": 1}
    failing = iter([True])
    nights.vendor.fault = lambda _, asked: "401" if asked.path == BARS and next(failing, False) else ""
    with pytest.raises(ProviderError):
        nights.ingest(sessions[0], **values)
    nights.ingest(sessions[0], **values)
    assert len(nights.alpaca.calls) == 2
    (third,) = nights.ingest(sessions[0], **values)
    assert nights.alpaca.calls == []
    assert third.refresh
    assert third.refresh.left_out == {"over budget": 6}
    pipeline = nights.pipeline(sessions[1], **values)
    nights.ingest(sessions[1], pipeline=pipeline)
    assert len(nights.alpaca.calls) == 3
    assert len(nights.bars(pipeline, sessions[1])) == 9


def test_those_left_out_come_in_turn_with_the_sessions_that_they_missed_and_nobody_starves(
    nights: Nights, sessions: Sequence[date]
) -> None:
    for day in sessions[:9]:
        nights.ingest(day, refresh_budget_calls=2)
        assert len(nights.alpaca.calls) <= 2
    pipeline = nights.pipeline(sessions[8])
    # Two calls are half of the market: whoever was left out one night comes the next, and brings the hole along.
    for day in sessions[:8]:
        assert nights.bars(pipeline, day) == {symbol: bar_of(symbol, day) for symbol in SYMBOLS}
    assert len(nights.bars(pipeline, sessions[8])) == 6
    assert query(pipeline, "select count(*) from bar_revisions where old_close is not null") == [(0,)]


def test_a_correction_within_the_budget_leaves_the_bars_of_the_others_to_the_bit(
    nights: Nights, sessions: Sequence[date]
) -> None:
    first, second = sessions[:2]
    nights.ingest(first)
    pipeline = nights.pipeline(second, refresh_budget_calls=1)
    watch(pipeline, "S05")
    before = {row[1]: row for row in query(pipeline, "select * from price_bars where session = ?", first)}
    revise_all(nights.alpaca, first, edition=1)
    (one,) = nights.ingest(second, pipeline=pipeline)
    asked = set(nights.alpaca.asked)
    assert len(asked) == 3
    assert "S05" in asked
    after = {row[1]: row for row in query(pipeline, "select * from price_bars where session = ?", first)}
    assert {symbol: after[symbol] for symbol in SYMBOLS if symbol not in asked} == {
        symbol: before[symbol] for symbol in SYMBOLS if symbol not in asked
    }
    held = nights.bars(pipeline, first)
    assert {symbol: held[symbol] for symbol in asked} == {symbol: bar_of(symbol, first, 1) for symbol in asked}
    assert set(nights.bars(pipeline, second)) == asked
    assert {
        symbol for (symbol,) in query(pipeline, "select symbol from bar_revisions where session = ?", first)
    } == asked
    assert one.bars == 3
    noted = refreshes(pipeline, first)
    assert {symbol for symbol, (refreshed, _) in noted.items() if refreshed} == asked
    assert broken_accounts(Desk(pipeline, Path(), [])) == []


def test_symbols_asked_for_not_long_ago_are_left_alone_until_they_are_due(
    nights: Nights, sessions: Sequence[date]
) -> None:
    values = {"refresh_max_age_sessions": 3, "refresh_top_dollar_volume": 2, "correction_sessions": 0}
    nights.ingest(sessions[0], **values)
    for day in sessions[1:3]:
        nights.ingest(day, **values)
        assert set(nights.alpaca.asked) == {"S00", "S01"}
    noted = refreshes(nights.pipeline(sessions[2]), sessions[2])
    assert noted["S00"] == (True, "top dollar volume")
    assert noted["S09"] == (False, "fresh enough")
    (one,) = nights.ingest(sessions[3], **values)
    assert set(nights.alpaca.asked) == set(SYMBOLS)
    assert one.refresh
    assert one.refresh.left_out == {}
    pipeline = nights.pipeline(sessions[3])
    for day in sessions[:4]:
        assert nights.bars(pipeline, day) == {symbol: bar_of(symbol, day) for symbol in SYMBOLS}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_the_budget_and_the_vendors_corrections_every_bar_is_one_that_the_vendor_gave_and_none_is_lost(
    nights: Nights, sessions: Sequence[date], seed: int
) -> None:
    dice = random.Random(seed)
    editions = dict.fromkeys(sessions, 0)
    for place, day in enumerate(sessions[:10]):
        budget = dice.randrange(4)
        pipeline = nights.pipeline(day, refresh_budget_calls=budget, refresh_max_age_sessions=dice.randrange(3))
        watch(pipeline, *dice.sample(SYMBOLS, dice.randrange(3)))
        corrected = dice.choice(sessions[max(0, place - 3) : place + 1])
        editions[corrected] += 1
        revise_all(nights.alpaca, corrected, editions[corrected])
        before = {held: nights.bars(pipeline, held) for held in sessions[:place]} if place else {}
        try:
            nights.ingest(day, pipeline=pipeline)
        except IngestError:
            assert not nights.alpaca.asked  # nobody was due, so the night has no bar
        asked = set(nights.alpaca.asked)
        assert not budget or len(nights.alpaca.calls) <= budget
        for held, bars in before.items():
            now = nights.bars(pipeline, held)
            assert bars.keys() <= now.keys()
            for symbol, values in now.items():
                if symbol not in asked:
                    assert values == bars[symbol]
                assert values in [bar_of(symbol, held, edition) for edition in range(editions[held] + 1)]
        for symbol in asked:
            assert nights.bars(pipeline, day)[symbol] == bar_of(symbol, day, editions[day])
        assert broken_accounts(Desk(pipeline, Path(), [])) == []
        ((hashes,),) = query(
            pipeline,
            "select count(*) from ingested_sessions join (select session, "
            "bit_xor(hash(symbol, open, high, low, close, volume)) as hashed from price_bars group by session) "
            "using (session) where bars_hash <> hashed",
        )
        assert hashes == 0


# What goes wrong.


def test_a_refusal_in_the_middle_keeps_what_had_come_and_the_next_run_asks_for_the_rest_alone(
    nights: Nights, sessions: Sequence[date]
) -> None:
    bars_asked = 0

    def fault(_: int, asked: Any) -> str:
        nonlocal bars_asked
        bars_asked += asked.path == BARS
        return "401" if bars_asked == 3 else ""

    nights.vendor.fault = fault
    with pytest.raises(ProviderError, match="APCA_API_KEY_ID"):
        nights.ingest(sessions[0])
    pipeline = nights.pipeline(sessions[0])
    first = set(nights.alpaca.asked)
    assert len(first) == 6
    assert set(nights.bars(pipeline, sessions[0])) == first
    nights.ingest(sessions[0])
    assert set(nights.alpaca.asked) == set(SYMBOLS) - first
    assert nights.bars(pipeline, sessions[0]) == {symbol: bar_of(symbol, sessions[0]) for symbol in SYMBOLS}
    assert query(pipeline, "select count(*) from bar_revisions") == [(0,)]


def test_symbols_that_cannot_be_had_are_named_after_all_others_have_landed_and_fetched_the_next_time(
    nights: Nights, sessions: Sequence[date]
) -> None:
    nights.vendor.fault = lambda _, asked: "500" if "S04" in asked.query.get("symbols", "") else ""
    with pytest.raises(IngestError, match="3 symbols could not be had of 'alpaca'") as raised:
        nights.ingest(sessions[0])
    assert "the same command fetches the rest" in str(raised.value)
    pipeline = nights.pipeline(sessions[0])
    noted = refreshes(pipeline, sessions[0])
    missing = {symbol for symbol, (_, reason) in noted.items() if reason == "not to be had"}
    assert len(missing) == 3
    assert "S04" in missing
    assert set(nights.bars(pipeline, sessions[0])) == set(SYMBOLS) - missing
    nights.vendor.fault = lambda *_: ""
    nights.ingest(sessions[0])
    assert set(nights.alpaca.asked) == missing
    assert len(nights.bars(pipeline, sessions[0])) == 12


def test_a_correction_that_would_lose_bars_is_not_taken_and_the_new_session_is(
    nights: Nights, sessions: Sequence[date]
) -> None:
    nights.ingest(sessions[0])
    for symbol in SYMBOLS[:6]:
        del nights.alpaca.bars[symbol][sessions[0]]
    nights.ingest(sessions[1], alpaca_symbols=100)
    pipeline = nights.pipeline(sessions[1])
    for day in sessions[:2]:
        assert nights.bars(pipeline, day) == {symbol: bar_of(symbol, day) for symbol in SYMBOLS}
    assert any(f"The correction of {sessions[0]} is not taken for 12 symbols" in said for said in nights.said)


def test_a_bar_that_the_vendor_withdraws_goes(nights: Nights, sessions: Sequence[date]) -> None:
    nights.ingest(sessions[0])
    del nights.alpaca.bars["S03"][sessions[0]]
    nights.ingest(sessions[1])
    pipeline = nights.pipeline(sessions[1])
    assert set(nights.bars(pipeline, sessions[0])) == set(SYMBOLS) - {"S03"}
    assert query(pipeline, "select symbol, new_close from bar_revisions") == [("S03", None)]


def test_a_session_that_the_vendor_does_not_have_yet_is_an_error_and_is_asked_for_again(
    nights: Nights, sessions: Sequence[date]
) -> None:
    for bars in nights.alpaca.bars.values():
        del bars[sessions[0]]
    with pytest.raises(IngestError, match=f"gave no bars for {sessions[0]}"):
        nights.ingest(sessions[0])
    for symbol, bars in nights.alpaca.bars.items():
        bars[sessions[0]] = bar_of(symbol, sessions[0])
    nights.ingest(sessions[0])
    assert len(nights.bars(nights.pipeline(sessions[0]), sessions[0])) == 12


def test_a_range_of_sessions_is_taken_in_by_the_symbol_not_by_the_session(
    nights: Nights, sessions: Sequence[date]
) -> None:
    landed = nights.ingest(*sessions[:20])
    assert [one.session for one in landed] == sessions[:20]
    assert len(nights.alpaca.calls) == 4
    pipeline = nights.pipeline(sessions[19])
    for day in sessions[:20]:
        assert nights.bars(pipeline, day) == {symbol: bar_of(symbol, day) for symbol in SYMBOLS}


def test_a_line_of_the_watchlist_that_is_none_is_named(nights: Nights, sessions: Sequence[date]) -> None:
    pipeline = nights.pipeline(sessions[0])
    pipeline.settings.watchlist_path.write_text("symbol,note\nAAA,fine,and more\n")
    with pytest.raises(SettingsError, match=r"watchlist\.csv, line 2"):
        nights.ingest(sessions[0], pipeline=pipeline)


# What is shown.


def test_deltas_tell_for_every_symbol_who_was_asked_for_and_how_old_the_others_are(
    nights: Nights, sessions: Sequence[date]
) -> None:
    first, second = sessions[:2]
    nights.ingest(first)
    pipeline = nights.pipeline(second, refresh_budget_calls=1)
    watch(pipeline, "S05")
    nights.ingest(second, pipeline=pipeline)
    prepare(pipeline, [second])
    pipeline.find_changes([second], "test")
    rows = query(
        pipeline,
        "select symbol, priority, refreshed, refresh_reason, refreshed_at, refresh_age_hours from incremental_deltas "
        "where session = ?",
        second,
    )
    shown = {row[0]: row[1:] for row in rows}
    assert shown.keys() == set(SYMBOLS)
    now, then = (pipeline.calendar.closes_at(day) + timedelta(hours=2) for day in (second, first))
    assert shown["S05"] == ("watchlist", True, "watchlist", _utc(now), 0.0)
    others = [shown[symbol] for symbol in SYMBOLS if symbol not in nights.alpaca.asked]
    assert set(others) == {(None, False, "over budget", _utc(then), 24.0)}


def test_a_symbol_that_nobody_asked_for_is_neither_said_not_to_have_traded_nor_to_be_delisted(
    nights: Nights, sessions: Sequence[date]
) -> None:
    nights.ingest(sessions[0])
    for day in sessions[1:8]:
        pipeline = nights.pipeline(day, refresh_budget_calls=1)
        watch(pipeline, "S01", "S02", "S03")
        nights.ingest(day, pipeline=pipeline)
    prepare(pipeline, [sessions[7]])
    rows = query(
        pipeline,
        "select symbol, delisted, reason from universe join prefiltered_symbols using (session, symbol) "
        "where session = ? and not traded",
        sessions[7],
    )
    assert {symbol for symbol, *_ in rows} == set(SYMBOLS) - {"S01", "S02", "S03"}
    assert {row[1:] for row in rows} == {(None, "not asked for that day: over budget")}


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def test_hits_of_bars_that_were_left_out_are_marked_until_these_come_and_incremental_equals_full(
    nights: Nights, sessions: Sequence[date], tmp_path: Path, settings_at: SettingsFactory
) -> None:
    first, second, third = sessions[25:28]
    nights.ingest(*sessions[:26])
    pipeline = nights.pipeline(second, refresh_budget_calls=1)
    write_scanner(pipeline, "all", "-- rank: close desc\nselect session, symbol, close from features")

    def scan(days: Sequence[date], *, incremental: bool = True) -> list[tuple[Any, ...]]:
        prepare(pipeline, days)
        pipeline.find_changes(days, "test")
        list(pipeline.scan(days, "test", incremental=incremental))
        return query(
            pipeline,
            "select symbol, stale_since from scan_results where scanner = 'all' and session = ? order by symbol",
            first,
        )

    assert scan([first]) == [(symbol, None) for symbol in SYMBOLS]
    revise_all(nights.alpaca, first, edition=1)
    nights.ingest(second, pipeline=pipeline)
    asked = set(nights.alpaca.asked)
    assert first in pipeline.stale_sessions()
    then = _utc(pipeline.calendar.closes_at(first) + timedelta(hours=2))
    assert scan([first]) == [(symbol, None if symbol in asked else then) for symbol in SYMBOLS]
    assert first not in pipeline.stale_sessions()
    with pipeline.store.read() as connection:
        hits = read_hits(connection, first, "all")
    shown = Console(width=200, file=io.StringIO())
    print_hits(shown, hits, [{"scanner": "all", "ok": True}])
    marked = [line for line in shown.file.getvalue().splitlines() if f"{then:%Y-%m-%d %H:%M}" in line]
    assert len(marked) == len(SYMBOLS) - len(asked)
    left_out = next(symbol for symbol in SYMBOLS if symbol not in asked)
    (known,) = pipeline.explain(left_out, first).facts["symbol_refreshes"]
    assert (known["refreshed"], known["reason"], known["refreshed_at"]) == (False, "over budget", then)
    stored = content(pipeline, "scan_results", [first])
    scan([first], incremental=False)
    assert content(pipeline, "scan_results", [first]) == stored
    # All others in the third night: nothing is stale any longer.
    pipeline = nights.pipeline(third)
    nights.ingest(third, pipeline=pipeline)
    assert scan([first]) == [(symbol, None) for symbol in SYMBOLS]


def test_with_a_provider_of_the_whole_market_the_settings_name_priorities_and_everybody_is_refreshed(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    session = date(2025, 9, 26)
    plain = prepare(copy_of(demo_pipeline, settings_at, tmp_path / "plain"), [session])
    plain.find_changes([session], "test")
    ask = "select distinct priority, refreshed, refresh_reason from incremental_deltas where session = ?"
    assert query(plain, ask, session) == [(None, True, "whole market")]
    chosen = prepare(copy_of(demo_pipeline, settings_at, tmp_path / "chosen", refresh_top_dollar_volume=7), [session])
    some = [symbol for (symbol,) in query(chosen, "select symbol from universe where session = ? limit 2", session)]
    watch(chosen, *some)
    chosen.find_changes([session], "test")
    counts = dict(
        query(
            chosen,
            "select priority, count(*) from incremental_deltas where session = ? and refreshed group by priority",
            session,
        )
    )
    assert counts["watchlist"] == 2
    assert 5 <= counts["top dollar volume"] <= 7
