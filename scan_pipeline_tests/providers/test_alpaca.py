"""Bars from a vendor that is asked by the symbol: all that were asked for, no call too many, and no key in sight."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scan_pipeline.errors import SettingsError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.providers import http
from scan_pipeline.providers.alpaca import AlpacaProvider, FetchedSymbols
from scan_pipeline.providers.base import ProviderError
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.providers.alpaca_vendor import KEY_ID, SECRET, Alpaca, Values
from scan_pipeline_tests.providers.vendor import Asked, Vendor

MON, TUE, WED = date(2025, 9, 22), date(2025, 9, 23), date(2025, 9, 24)
MakeProvider = Callable[..., AlpacaProvider]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key in the environment, no `.env` in the current folder, and short waits between tries."""
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setenv("APCA_API_KEY_ID", KEY_ID)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def alpaca() -> Alpaca:
    """Ten symbols with a bar on each of three days, each its own."""
    return Alpaca({
        f"S{number}": {day: (10.0 + number, 12.0 + number, 9.5 + number, 11.0 + number + day.day / 100, 1000.0 + number)
                       for day in (MON, TUE, WED)}
        for number in range(10)
    })  # fmt: skip


@pytest.fixture
def vendor(alpaca: Alpaca) -> Iterator[Vendor]:
    with Vendor(alpaca.make_app) as vendor:
        yield vendor


@pytest.fixture
def provider_of(settings_for: SettingsFactory) -> MakeProvider:
    """`provider_of(vendor, **settings)`: a provider whose bars come from the vendor, three symbols a call."""

    def make(vendor: Vendor, **values: Any) -> AlpacaProvider:
        given = {"alpaca_plan": "1000/1", "alpaca_symbols": 3, "massive_tries": 3, "massive_concurrency": 2} | values
        settings = settings_for(provider="alpaca", alpaca_url=vendor.url, **given)
        provider = Pipeline(settings).provider()
        assert isinstance(provider, AlpacaProvider)
        return provider

    return make


def rows(parts: list[FetchedSymbols]) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return sorted(
            row
            for part in parts
            for row in part.rows(connection)
            .select("symbol, session_day, open, high, low, close, volume, vwap, trades")
            .fetchall()
        )


def expected(alpaca: Alpaca, symbols: list[str], *days: date) -> list[tuple[Any, ...]]:
    def row(symbol: str, day: date, values: Values) -> tuple[Any, ...]:
        return (symbol, day, *values, values[3], 3)

    return sorted(row(symbol, day, alpaca.bars[symbol][day]) for symbol in symbols for day in days)


def since(first: date, symbols: Sequence[str]) -> list[tuple[str, date]]:
    return [(symbol, first) for symbol in symbols]


SYMBOLS = [f"S{number}" for number in range(10)]


def test_bars_of_many_symbols_come_in_few_calls_each_as_it_was_sent_and_on_its_day(
    alpaca: Alpaca, vendor: Vendor, provider_of: MakeProvider
) -> None:
    provider = provider_of(vendor)
    parts = list(provider.deliveries_of(since(TUE, SYMBOLS), WED, None))
    assert rows(parts) == expected(alpaca, SYMBOLS, TUE, WED)
    assert sorted(symbol for part in parts for symbol in part.symbols) == SYMBOLS
    assert provider.calls == len(alpaca.calls) == 4
    assert [symbols for symbols, _ in sorted(alpaca.calls)] == [SYMBOLS[:3], SYMBOLS[3:6], SYMBOLS[6:9], SYMBOLS[9:]]
    _, query = alpaca.calls[0]
    assert (query["timeframe"], query["adjustment"], query["feed"], query["limit"]) == ("1Day", "raw", "sip", "10000")


def test_a_bar_of_winter_and_of_summer_time_is_of_the_day_on_which_it_traded(
    alpaca: Alpaca, vendor: Vendor, provider_of: MakeProvider
) -> None:
    winter, summer = date(2025, 3, 7), date(2025, 3, 10)
    alpaca.bars = {"AAA": {winter: (1.0, 1.0, 1.0, 1.0, 5.0), summer: (2.0, 2.0, 2.0, 2.0, 5.0)}}
    parts = list(provider_of(vendor).deliveries_of(since(winter, ["AAA"]), summer, None))
    assert [row[1] for row in rows(parts)] == [winter, summer]


def test_all_pages_of_an_answer_are_taken(alpaca: Alpaca, vendor: Vendor, provider_of: MakeProvider) -> None:
    alpaca.page = 2
    parts = list(provider_of(vendor).deliveries_of(since(MON, SYMBOLS[:3]), WED, None))
    assert rows(parts) == expected(alpaca, SYMBOLS[:3], MON, TUE, WED)
    assert len(alpaca.calls) == 5


def test_a_call_over_many_sessions_takes_as_many_symbols_as_fit_on_a_page(
    vendor: Vendor, provider_of: MakeProvider
) -> None:
    provider = provider_of(vendor, alpaca_symbols=200)
    assert provider.symbols_per_call(MON, MON) == 200
    assert provider.symbols_per_call(MON - timedelta(weeks=9), MON) == 200
    assert provider.symbols_per_call(MON - timedelta(weeks=52), MON) == 10_000 // 261


@pytest.mark.parametrize("fault", ["429:0.05", "500", "reset", "truncated", "page of a proxy"])
def test_a_call_that_fails_is_made_again_and_nothing_is_lost_or_doubled(alpaca: Alpaca, provider_of: MakeProvider,
                                                                        fault: str) -> None:  # fmt: skip
    with Vendor(alpaca.make_app, lambda number, _: fault if number in (1, 3) else "") as vendor:
        provider = provider_of(vendor)
        parts = list(provider.deliveries_of(since(TUE, SYMBOLS), TUE, None))
        assert rows(parts) == expected(alpaca, SYMBOLS, TUE)
        assert provider.calls == len(vendor.asked) == 6


def test_symbols_that_cannot_be_had_come_with_the_reason_and_the_others_with_their_bars(
    alpaca: Alpaca, provider_of: MakeProvider
) -> None:
    def fault(_: int, asked: Asked) -> str:
        return "500" if "S4" in asked.query["symbols"] else ""

    with Vendor(alpaca.make_app, fault) as vendor:
        parts = list(provider_of(vendor).deliveries_of(since(TUE, SYMBOLS), TUE, None))
    assert {symbol for part in parts if part.missing for symbol in part.symbols} == {"S3", "S4", "S5"}
    assert rows(parts) == expected(alpaca, [*SYMBOLS[:3], *SYMBOLS[6:]], TUE)
    assert "failed 3 times" in next(part.missing for part in parts if part.missing)


def test_a_vendor_that_is_not_there_is_not_asked_for_everybody(alpaca: Alpaca, provider_of: MakeProvider) -> None:
    with Vendor(alpaca.make_app, lambda number, asked: "500") as vendor:
        provider = provider_of(vendor, alpaca_symbols=1, massive_tries=1)
        parts = list(provider.deliveries_of(since(TUE, [f"S{number}" for number in range(100)]), TUE, None))
        assert len(parts) == 100
        assert all(part.missing for part in parts)
        assert len(vendor.asked) < 12


def test_a_symbol_that_the_vendor_does_not_know_costs_the_others_nothing(
    alpaca: Alpaca, vendor: Vendor, provider_of: MakeProvider
) -> None:
    alpaca.unknown = {"S1", "S2"}
    parts = list(provider_of(vendor).deliveries_of(since(TUE, SYMBOLS[:5]), TUE, None))
    assert sorted(symbol for part in parts for symbol in part.unknown) == ["S1", "S2"]
    assert rows(parts) == expected(alpaca, ["S0", "S3", "S4"], TUE)


def test_preferred_shares_are_asked_for_as_the_vendor_writes_them_and_held_as_we_do(
    alpaca: Alpaca, vendor: Vendor, provider_of: MakeProvider
) -> None:
    alpaca.bars = {"KIM.PRL": {TUE: (1.0, 1.0, 1.0, 1.0, 5.0)}, "BRK.B": {TUE: (2.0, 2.0, 2.0, 2.0, 5.0)}}
    parts = list(provider_of(vendor).deliveries_of(since(TUE, ["KIMpL", "BRK.B"]), TUE, None))
    assert [row[0] for row in rows(parts)] == ["BRK.B", "KIMpL"]


@pytest.mark.parametrize("fault", ["", "500", "429:0.01"])
@pytest.mark.parametrize("budget", [0, 1, 2, 3])
def test_never_more_calls_are_made_than_allowed_other_tries_and_pages_included(
    alpaca: Alpaca, provider_of: MakeProvider, budget: int, fault: str
) -> None:
    alpaca.page = 2
    with Vendor(alpaca.make_app, lambda number, _: fault if number % 2 else "") as vendor:
        provider = provider_of(vendor)
        parts = list(provider.deliveries_of(since(TUE, SYMBOLS), TUE, budget))
        assert len(vendor.asked) == provider.calls <= budget
    whole = [symbol for part in parts for symbol in part.symbols if not part.missing]
    assert rows(parts) == expected(alpaca, whole, TUE)


@pytest.mark.parametrize("variable", ["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"])
def test_without_a_part_of_the_key_the_error_names_the_variable_to_set(
    vendor: Vendor, provider_of: MakeProvider, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(SettingsError) as raised:
        provider_of(vendor)
    assert f"set {variable} in the environment or in .env" in str(raised.value)
    assert KEY_ID not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_wrong_key_stops_after_one_call_a_worker_and_is_named_by_its_variables_alone(
    vendor: Vendor, provider_of: MakeProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "wr0ng-but-secret-all-the-same"
    monkeypatch.setenv("APCA_API_SECRET_KEY", wrong)
    provider = provider_of(vendor, massive_concurrency=1)
    with pytest.raises(ProviderError, match=r"403.*APCA_API_KEY_ID and APCA_API_SECRET_KEY") as raised:
        list(provider.deliveries_of(since(TUE, SYMBOLS), TUE, None))
    assert provider.calls == 1
    shown = [caplog.text, repr(provider), repr(provider.make_client()), repr(raised.value), str(raised.value)]
    assert not [text for text in shown for secret in (KEY_ID, wrong) if secret in text]


def test_a_key_that_the_vendor_sends_back_is_not_shown(provider_of: MakeProvider) -> None:
    from aiohttp import web

    from scan_pipeline_tests.providers.vendor import scripted

    async def echoes(request: web.Request) -> web.Response:
        return web.json_response({"message": str(dict(request.headers))}, status=401)

    with scripted(echoes) as vendor:
        provider = provider_of(vendor)
        with pytest.raises(ProviderError, match="401") as raised:
            list(provider.deliveries_of(since(TUE, SYMBOLS), TUE, None))
    assert KEY_ID not in str(raised.value)
    assert SECRET not in str(raised.value)
