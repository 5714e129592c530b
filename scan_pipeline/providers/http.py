"""Asking a vendor over HTTP, politely: connections that are kept, the plan's rate, and another try where one is due.

What belongs here: connections, rate limit, classification of failures, retries. What does not: what is asked for and
what an answer means (`massive.py`). The key travels in a header and is never part of a message.
"""

import asyncio
import email.utils
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import aiohttp
from pyrate_limiter import Limiter, Rate, SQLiteBucket

from scan_pipeline.providers.base import ProviderError

Parsed = TypeVar("Parsed")

#: Added to every window of the rate limit: requests reach the server a little apart from how they left here.
WINDOW_MARGIN_SECONDS = 0.5
#: Waits between tries grow from the first to the last of these, with up to half of each added by chance.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
#: The longest window in which a vendor counts calls, whatever plan the settings name.
LONGEST_WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """What a subscription allows: so many calls in so many seconds."""

    name: str
    calls: int
    seconds: float

    def seconds_for(self, calls: int) -> float:
        """How long so many calls take at least, in the long run."""
        return calls * self.seconds / self.calls


#: The vendor's plans. Paid ones are unlimited; it asks to stay under 100 calls a second.
PLANS = {"basic": Plan("basic", 5, 60), "paid": Plan("paid", 95, 1)}


def plan_named(name: str, setting: str = "SCAN_MASSIVE_PLAN") -> Plan:
    """One of PLANS, or a plan of its own: `CALLS/SECONDS`. `setting` is the variable that names it."""
    if name in PLANS:
        return PLANS[name]
    calls, seconds = name.split("/")
    plan = Plan(name, int(calls), float(seconds))
    if plan.calls < 1 or plan.seconds <= 0:
        raise ProviderError(f"{setting}={name} allows no call in no time. Give CALLS/SECONDS, both from 1.")
    return plan


class NotInPlanError(ProviderError):
    """The key's plan does not include what was asked for. `refusal` is what the vendor said."""

    def __init__(self, refusal: str, mend: str) -> None:
        super().__init__(f"{refusal} {mend}")
        self.refusal = refusal


class TransientError(Exception):
    """An answer, or the lack of one, that another try may mend. `wait` is what the server asks for, in seconds."""

    def __init__(self, words: str, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


class RefusedError(ProviderError):
    """The vendor understood, and says no: `status`, and `said`, its words without the key."""

    def __init__(self, words: str, status: int, said: str) -> None:
        super().__init__(words)
        self.status = status
        self.said = said


class GivenUpError(ProviderError):
    """All tries for one address failed, each in a way that another might have mended."""


class BudgetSpentError(ProviderError):
    """As many calls as were allowed have been made; this one was not."""


@dataclass
class VendorClient:
    """A vendor's API under a plan. Calls of all processes on this machine count: `ledger` is where they are noted."""

    base_url: str
    key: str = field(repr=False)
    plan: Plan
    ledger: Path
    concurrency: int
    timeout_seconds: float
    tries: int
    #: What to name when the vendor refuses: the key's variable, the address's, and what mends a plan that is too small.
    key_setting: str = "MASSIVE_API_KEY"
    url_setting: str = "SCAN_MASSIVE_URL"
    plan_mend: str = (
        "The plan does not include this. Choose sessions within it, or another plan, and set SCAN_MASSIVE_PLAN to it."
    )
    #: How the key travels, where that is not as a bearer's: headers, secret all of them.
    key_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Calls that may be made, other tries included; None: as many as it takes.
    most_calls: int | None = None
    user_agent: str = "scan_pipeline"
    #: Other addresses of the same vendor, which the next page may be named by. It is asked for at `base_url`.
    aliases: Sequence[str] = ()
    calls: int = 0
    _waiting: int = 0
    _waiting_since: float = 0.0
    _waited: float = 0.0
    _http: aiohttp.ClientSession | None = field(default=None, repr=False)
    _limiter: Limiter | None = None
    _slots: asyncio.Semaphore = field(init=False, repr=False)

    @property
    def waited_seconds(self) -> float:
        """How long calls have waited for the plan's rate; many that wait at the same time count once."""
        return self._waited + (time.monotonic() - self._waiting_since if self._waiting else 0.0)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["VendorClient"]:
        """Connections, kept alive and shared, while the block runs."""
        self.ledger.parent.mkdir(parents=True, exist_ok=True)
        rate = Rate(self.plan.calls, int((self.plan.seconds + WINDOW_MARGIN_SECONDS) * 1000))
        bucket = SQLiteBucket.init_from_file([rate], db_path=str(self.ledger), table="calls", use_file_lock=True)
        self._limiter = Limiter(bucket, buffer_ms=5)
        self._slots = asyncio.Semaphore(self.concurrency)
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        connector = aiohttp.TCPConnector(limit=self.concurrency)
        headers = {"Accept-Encoding": "gzip", "User-Agent": self.user_agent}
        if self.key_headers:
            headers |= self.key_headers
        elif self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as self._http:
                yield self
        finally:
            self._limiter.close()

    async def get(self, address: str, parameters: Mapping[str, str], read: Callable[[bytes], Parsed]) -> Parsed:
        """The answer of one address (a path, or a whole address of a next page), as `read` understands it.

        `read` raises TransientError or ValueError for a body that is worth another try. Raises ProviderError for a
        refusal that no other try would mend, and GivenUpError when all tries failed.
        """
        url = address if address.startswith("http") else self.base_url + address
        for alias in self.aliases:
            if url.startswith(alias + "/"):
                url = self.base_url + url.removeprefix(alias)
        if not url.startswith(self.base_url + "/"):
            raise ProviderError(f"The vendor names another host, {url.split('?')[0]}; the key is not sent there.")
        words = ""
        for attempt in range(self.tries):
            try:
                async with self._slots:
                    return read(await self._ask(url, parameters, attempt))
            except TransientError as error:
                words, wait = str(error), error.wait
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                words, wait = str(error) or type(error).__name__, None
            if attempt + 1 < self.tries:
                grown = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
                # The chance is added to what the server asks for too: it tells all the same.
                await asyncio.sleep((grown if wait is None else wait) + grown * random.uniform(0, 0.5))
        raise GivenUpError(
            f"{url.split('?')[0]} failed {self.tries} times, the last time: {words[:200]}. "
            "If the network and the address are right, try later."
        )

    async def _ask(self, url: str, parameters: Mapping[str, str], attempt: int) -> bytes:
        assert self._http
        # Those that wait for their turn will go: they count.
        if self.most_calls is not None and self.calls + self._waiting >= self.most_calls:
            raise BudgetSpentError(f"All {self.most_calls} calls that were allowed have been made.")
        await self._wait_for_the_plan()
        self.calls += 1
        async with self._http.get(url, params=parameters) as response:
            if response.status == 200:
                return await response.read()
            body = await response.text(errors="replace")
            raise self._refusal(response.status, body, response.headers.get("Retry-After"), attempt)

    async def _wait_for_the_plan(self) -> None:
        assert self._limiter
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting += 1
        try:
            await self._limiter.try_acquire_async("call")
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._waited += time.monotonic() - self._waiting_since

    def _refusal(self, status: int, body: str, retry_after: str | None, attempt: int) -> Exception:
        """What a status other than 200 means: an error for a person, or one for another try."""
        said = body
        for secret in filter(None, (self.key, *self.key_headers.values())):
            said = said.replace(secret, "…")
        said = said[:200]
        if status == 429:
            wait = _seconds(retry_after)
            if wait is None:
                # Without a word of the server: its window is the plan's, or a longer one if that did not help.
                window = self.plan.seconds
                wait = min(window * 4**attempt, max(window, LONGEST_WINDOW_SECONDS))
            return TransientError("429, too many requests", wait)
        if status >= 500 or status == 408:
            return TransientError(f"{status}: {said}", _seconds(retry_after))
        if not self.key and not self.key_headers:
            return ProviderError(f"{self.base_url} refuses with {status}: {said}")
        refusal = f"{self.base_url} refuses with {status}: {said}"
        if status == 403:
            return NotInPlanError(refusal, self.plan_mend)
        mend = f"The key is not known. Correct {self.key_setting}." if status == 401 else f"Check {self.url_setting}."
        return RefusedError(f"{refusal} {mend}", status, said)


def _seconds(retry_after: str | None) -> float | None:
    """What a `Retry-After` header asks for: seconds, or a date; at most ten minutes."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = (email.utils.parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return None if math.isnan(wait) else min(max(wait, 0.0), 600.0)
