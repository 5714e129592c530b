"""Asking a vendor politely: the plan's rate holds for all processes together, and the key goes nowhere else."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web

from scan_pipeline.providers import http
from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import PLANS, GivenUpError, Plan, TransientError, VendorClient, plan_named
from scan_pipeline_tests.providers.vendor import KEY, Vendor, most_in_a_window, refusal, scripted

#: Asks the vendor by so many coroutines at once.
ASKS_AT_ONCE = """
import asyncio, sys
from pathlib import Path
from scan_pipeline.providers.http import VendorClient, plan_named

url, plan, ledger, coroutines = sys.argv[1:]

async def ask():
    client = VendorClient(url, "key", plan_named(plan), Path(ledger), 64, 30, 1)
    async with client.opened():
        await asyncio.gather(*(client.get(f"/{number}", {}, bytes) for number in range(int(coroutines))))

asyncio.run(ask())
"""

MakeClient = Callable[..., VendorClient]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.05)


@pytest.fixture
def client_of(tmp_path: Path) -> MakeClient:
    """`client_of(vendor, tries=…)`: a client of this vendor with a ledger of its own."""

    def make(vendor: Vendor, *, tries: int = 3, plan: Plan = PLANS["paid"], timeout: float = 10) -> VendorClient:
        return VendorClient(vendor.url, KEY, plan, tmp_path / "calls.sqlite", 8, timeout, tries)

    return make


def ask(client: VendorClient, address: str = "/some") -> bytes:
    async def asking() -> bytes:
        async with client.opened():
            return await client.get(address, {}, bytes)

    return asyncio.run(asking())


async def fine(_: web.Request) -> web.Response:
    return web.Response(body=b"fine")


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "coroutines"), [("10/1", 12), ("50/1", 64)])
def test_two_processes_of_many_coroutines_together_never_exceed_the_plan(
    tmp_path: Path, plan: str, coroutines: int
) -> None:
    allowed = plan_named(plan)
    with scripted(fine) as vendor:
        command = [sys.executable, "-c", ASKS_AT_ONCE, vendor.url, plan, str(tmp_path / "calls"), str(coroutines)]
        processes = [subprocess.Popen(command) for _ in range(2)]
        assert [process.wait(60) for process in processes] == [0, 0]
        assert len(vendor.asked) == 2 * coroutines
        assert most_in_a_window(vendor.asked, allowed.seconds) <= allowed.calls


def test_a_client_that_comes_after_another_waits_for_the_others_calls_to_leave_the_window(
    client_of: MakeClient,
) -> None:
    plan = plan_named("2/1")
    with scripted(fine) as vendor:
        for _ in range(2):
            ask(client_of(vendor, plan=plan))
        third = client_of(vendor, plan=plan)
        ask(third)
        assert vendor.asked[2].at - vendor.asked[0].at >= 1
        assert third.waited_seconds > 0


def test_calls_that_wait_at_the_same_time_do_not_add_up_to_more_than_the_time_that_has_passed(
    client_of: MakeClient,
) -> None:
    async def asking(client: VendorClient) -> None:
        async with client.opened():
            await asyncio.gather(*(client.get("/some", {}, bytes) for _ in range(6)))

    with scripted(fine) as vendor:
        client = client_of(vendor, plan=plan_named("2/1"))
        started = time.monotonic()
        asyncio.run(asking(client))
        # Two at once, four that wait for the next two windows.
        assert 1 <= client.waited_seconds <= time.monotonic() - started


def test_a_plan_is_named_or_given_as_calls_and_seconds() -> None:
    assert plan_named("basic") == Plan("basic", 5, 60)
    assert plan_named("paid").calls / plan_named("paid").seconds < 100
    assert plan_named("30/60") == Plan("30/60", 30, 60)
    assert plan_named("basic").seconds_for(500) == 6000


@pytest.mark.parametrize("name", ["0/60", "5/0"])
def test_a_plan_that_allows_no_call_or_takes_no_time_is_refused_with_the_settings_name(name: str) -> None:
    with pytest.raises(ProviderError, match="SCAN_MASSIVE_PLAN"):
        plan_named(name)


@pytest.mark.parametrize("suffix", ["", ".example", "@127.0.0.1:1", "0"])
def test_a_next_page_on_another_host_is_refused_and_the_key_is_not_sent_there(
    client_of: MakeClient, suffix: str
) -> None:
    with scripted(fine) as vendor, scripted(fine) as other:
        elsewhere = f"{vendor.url}{suffix}/page?cursor=1" if suffix else f"{other.url}/page?cursor=1"
        with pytest.raises(ProviderError, match="another host"):
            ask(client_of(vendor), elsewhere)
        assert other.asked == vendor.asked == []


def test_a_next_page_on_the_same_host_is_fetched_with_the_key_in_the_header_alone(client_of: MakeClient) -> None:
    with scripted(fine) as vendor:
        assert ask(client_of(vendor), f"{vendor.url}/page?cursor=a%3D") == b"fine"
        (asked,) = vendor.asked
        assert asked.authorization == f"Bearer {KEY}"
        assert asked.query == {"cursor": "a="}


def test_a_next_page_at_the_vendors_other_address_is_fetched_from_the_one_that_is_set(client_of: MakeClient) -> None:
    with scripted(fine) as vendor, scripted(fine) as other:
        client = client_of(vendor)
        client.aliases = (vendor.url, other.url)
        assert ask(client, f"{other.url}/page?cursor=1") == b"fine"
        assert [(asked.path, asked.query) for asked in vendor.asked] == [("/page", {"cursor": "1"})]
        assert other.asked == []


def test_the_key_does_not_follow_a_redirect_to_another_host(client_of: MakeClient) -> None:
    with scripted(fine) as other:

        async def elsewhere(_: web.Request) -> web.Response:
            raise web.HTTPFound(f"{other.url}/page")

        with scripted(elsewhere) as vendor:
            with suppress(ProviderError):
                ask(client_of(vendor, tries=1))
            assert all(KEY not in f"{asked.authorization}{asked.query}" for asked in other.asked)


def test_retry_after_is_waited_for_whether_it_is_seconds_or_a_date(client_of: MakeClient) -> None:
    def waited(header: Callable[[], str]) -> float:
        async def busy_once(_: web.Request) -> web.Response:
            return await fine(_) if len(vendor.asked) > 1 else refusal(429, {}, {"Retry-After": header()})

        with scripted(busy_once) as vendor:
            ask(client_of(vendor))
            first, second = vendor.asked
            return second.at - first.at

    def in_two_seconds() -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)

    with ThreadPoolExecutor() as both:
        by_seconds, by_date = both.map(waited, (lambda: "1", in_two_seconds))
    assert 1 <= by_seconds < 1.9
    # A date has whole seconds: two from now is between one and two away.
    assert 0.9 <= by_date < 3


def test_without_a_word_of_the_server_a_429_is_waited_for_as_long_as_the_plans_window(client_of: MakeClient) -> None:
    with scripted(fine, lambda number, _: "429" if number == 0 else "") as vendor:
        ask(client_of(vendor, plan=plan_named("10/1")))
        assert 1 <= vendor.asked[1].at - vendor.asked[0].at < 2


def test_a_429_that_stays_is_waited_for_up_to_a_minute_whatever_the_plans_window(client_of: MakeClient) -> None:
    def waits(plan: str) -> list[float | None]:
        client = client_of(Vendor(lambda _: web.Application(), url="http://127.0.0.1"), plan=plan_named(plan))
        refusals = [client._refusal(429, "", None, attempt) for attempt in range(5)]
        return [one.wait for one in refusals if isinstance(one, TransientError)]

    assert waits("paid") == [1, 4, 16, 60, 60]
    assert waits("basic") == [60] * 5
    assert waits("300/300") == [300] * 5


def test_a_source_without_a_key_that_refuses_is_named_and_no_setting_of_the_vendors(
    client_of: MakeClient,
) -> None:
    async def refuses(_: web.Request) -> web.Response:
        return web.Response(status=403, text="Undeclared Automated Tool")

    with scripted(refuses) as vendor:
        client = client_of(vendor)
        client.key = ""
        with pytest.raises(ProviderError, match=f"{vendor.url} refuses with 403: Undeclared") as raised:
            ask(client)
        assert "MASSIVE" not in str(raised.value)


@pytest.mark.parametrize("header", ["soon", "nan", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 99 Foo"])
def test_a_retry_after_that_makes_no_sense_does_not_stop_the_fetch(client_of: MakeClient, header: str) -> None:
    async def busy_once(_: web.Request) -> web.Response:
        return await fine(_) if len(vendor.asked) > 1 else refusal(503, {}, {"Retry-After": header})

    with scripted(busy_once) as vendor:
        assert ask(client_of(vendor)) == b"fine"
        assert vendor.asked[1].at - vendor.asked[0].at < 2


@pytest.mark.parametrize("fault", ["500", "reset", "hang"])
def test_what_may_pass_is_tried_so_many_times_and_then_given_up_with_the_address_and_the_last_reason(
    client_of: MakeClient, fault: str
) -> None:
    with scripted(fine, lambda *_: fault) as vendor:
        client = client_of(vendor, tries=2, timeout=0.3)
        with pytest.raises(GivenUpError, match=r"/some failed 2 times, the last time: \S+"):
            ask(client)
        assert len(vendor.asked) == client.calls == 2


def test_a_vendor_that_cannot_be_reached_is_named(client_of: MakeClient) -> None:
    with scripted(fine) as vendor:
        client = client_of(vendor, tries=1)
    started = time.monotonic()
    with pytest.raises(GivenUpError, match=client.base_url):
        ask(client)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("before", [0, 190])
def test_neither_the_client_nor_a_refusal_that_repeats_the_key_shows_it(client_of: MakeClient, before: int) -> None:
    async def tells(_: web.Request) -> web.Response:
        return web.Response(status=403, body=json.dumps({"message": "x" * before + KEY}).encode())

    with scripted(tells) as vendor:
        client = client_of(vendor)
        with pytest.raises(ProviderError) as raised:
            ask(client)
    for text in (str(raised.value), repr(raised.value), repr(client), str(client)):
        assert KEY[:6] not in text
