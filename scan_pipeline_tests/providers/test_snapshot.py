"""The snapshot of the open session: read as documented, tried again where that may mend it, and in one call."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from scan_pipeline.providers import http
from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import PLANS, GivenUpError, VendorClient
from scan_pipeline.providers.snapshot import SNAPSHOT, FetchedSnapshot, fetch_snapshot
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline_tests.providers.snapshot_vendor import NOTHING, nanoseconds, ticker
from scan_pipeline_tests.providers.vendor import KEY, Vendor, refusal, scripted

SESSION = date(2025, 9, 25)
NOON = datetime(2025, 9, 25, 12, tzinfo=NEW_YORK)
BAR = {"o": 10, "h": 12.5, "l": 9.5, "c": 11, "v": 1234.5, "vw": 10.75}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)


def vendor_saying(*answers: Any) -> Vendor:
    """A vendor that gives these answers in turn, and the last one from then on."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        said = left.pop(0) if len(left) > 1 else left[0]
        if callable(said):
            return said()
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return web.Response(body=body, content_type="application/json")

    return scripted(answer)


def said(*tickers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"status": "OK", "count": len(tickers), "tickers": list(tickers), **more}


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[[Vendor], FetchedSnapshot]:
    def fetch(vendor: Vendor) -> FetchedSnapshot:
        client = VendorClient(vendor.url, KEY, PLANS["paid"], tmp_path / "calls.sqlite", 4, 10, 3)
        return fetch_snapshot(client, SESSION, "massive")

    return fetch


def test_symbols_that_traded_come_as_they_were_said_with_the_instant_of_the_newest(fetch: Any) -> None:
    later = NOON.replace(minute=3)
    with vendor_saying(said(ticker("AAA", later, BAR), ticker("BBB", NOON, BAR), ticker("CCC", NOON, NOTHING))) as one:
        found = fetch(one)
        assert [asked.path for asked in one.asked] == [SNAPSHOT]
        assert one.asked[0].authorization == f"Bearer {KEY}"
    assert [one.ticker for one in found.tickers] == ["AAA", "BBB"]
    assert found.at == later.astimezone(UTC)
    assert (found.tickers[0].day.o, found.tickers[0].day.v, found.tickers[0].day.vw) == (10, 1234.5, 10.75)


def test_a_delayed_plan_is_as_good(fetch: Any) -> None:
    with vendor_saying(said(ticker("AAA", NOON, BAR), status="DELAYED")) as vendor:
        assert len(fetch(vendor).tickers) == 1


def test_rows_of_the_session_before_are_left_out(fetch: Any) -> None:
    old = {**ticker("OLD", NOON, BAR), "updated": nanoseconds(datetime(2025, 9, 24, 19, 59, tzinfo=NEW_YORK))}
    with vendor_saying(said(old, ticker("NEW", NOON, BAR))) as vendor:
        assert [one.ticker for one in fetch(vendor).tickers] == ["NEW"]


GOOD = said(ticker("AAA", NOON, BAR))
SPOILT = {
    "cut short": json.dumps(GOOD).encode()[:-20],
    "a page of a proxy": b"<html>Please log in</html>",
    "no tickers": {"status": "OK", "count": 0},
    "null": {"status": "OK", "tickers": None},
    "miscounted": {**GOOD, "count": 2},
    "a status": {**GOOD, "status": "ERROR"},
    "text for a price": said(ticker("AAA", NOON, {**BAR, "c": "11"})),
    "500": lambda: web.Response(status=500, text="a stack trace"),
    "429": lambda: web.Response(status=429, headers={"Retry-After": "0"}),
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
def test_an_answer_that_is_not_as_documented_is_asked_for_again(fetch: Any, spoilt: Any) -> None:
    with vendor_saying(spoilt, GOOD) as vendor:
        assert len(fetch(vendor).tickers) == 1
        assert len(vendor.asked) == 2
    with vendor_saying(spoilt) as vendor:
        with pytest.raises(GivenUpError, match="failed 3 times"):
            fetch(vendor)
        assert len(vendor.asked) == 3


def test_a_refusal_is_told_once_and_without_the_key(fetch: Any) -> None:
    no = {"status": "NOT_AUTHORIZED", "message": f"You are not entitled to this data. {KEY}"}
    with vendor_saying(lambda: refusal(403, no)) as vendor:
        with pytest.raises(ProviderError, match="The key's plan has no snapshots") as raised:
            fetch(vendor)
        assert len(vendor.asked) == 1
    assert "not entitled" in str(raised.value)
    assert KEY not in str(raised.value)
