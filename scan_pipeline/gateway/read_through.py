"""What the store does not hold, asked of the vendor once and kept: minutes of a symbol, and what is said of a ticker.

What belongs here: the calls, and storing what they bring. What does not: when they are due (`server.py`), the rate and
the retries (the client that is given). Nothing is asked for after the last day that the asker may see. A vendor that
refuses or fails is an honest empty answer, counted with its reason; after some in a row it is not asked again.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec
import numpy as np

from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.gateway.bars import Ints, number_of
from scan_pipeline.gateway.counts import Counts
from scan_pipeline.gateway.intraday import session_days
from scan_pipeline.gateway.kept import state_of
from scan_pipeline.gateway.view import TURN
from scan_pipeline.store.connection import Connection, Store

Parsed = TypeVar("Parsed")
#: Writes to the store in the gateway's own time.
Save = Callable[[Callable[[Connection], None]], Awaitable[None]]

#: Base bars that the vendor gives in one call at most.
PAGE = 50_000
#: Failures in a row after which the vendor is not asked again.
GIVES_UP_AFTER = 3


class Client(Protocol):
    """What asks the vendor: under its plan, with the user's key, trying again where that may help."""

    calls: int

    def opened(self) -> AbstractAsyncContextManager[Any]:
        """Its connections, while the block runs."""

    async def get(self, address: str, parameters: Mapping[str, str], read: Callable[[bytes], Parsed]) -> Parsed:
        """One answer, as `read` understands it. Raises ScanPipelineError where there is none to be had."""


class _Minute(msgspec.Struct, gc=False):
    t: int
    o: float
    h: float
    l: float  # noqa: E741
    c: float
    v: float
    vw: float | None = None
    n: int | None = None


class _Minutes(msgspec.Struct):
    results: list[_Minute] | None = None
    next_url: str | None = None


class _Details(msgspec.Struct):
    results: msgspec.Raw = msgspec.Raw(b"null")


@dataclass
class ReadThrough:
    """The vendor behind the store. `make_client` is called once, when the gateway starts."""

    make_client: Callable[[], Client]
    store: Store
    _client: Client | None = field(default=None, init=False)
    _counts: Counts = field(default_factory=Counts, init=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)
    #: What has failed and is not asked for again, and how many in a row.
    _failed: set[tuple[str, object]] = field(default_factory=set, init=False)
    _in_a_row: int = field(default=0, init=False)

    @asynccontextmanager
    async def opened(self, counts: Counts) -> AsyncIterator[None]:
        """Connections to the vendor while the block runs; calls and failures are noted in `counts`."""
        self._client, self._counts = self.make_client(), counts
        async with self._client.opened():
            yield

    async def minutes(self, symbol: str, missing: Callable[[], Awaitable[list[date]]], save: Save) -> None:
        """Fetch and keep the minutes of the sessions that `missing` names, once nobody else is fetching any of it."""
        async with self._locks[symbol]:
            sessions = await missing()
            if not sessions or self._is_hopeless((symbol, (sessions[0], sessions[-1]))):
                return
            # As traded: splits that come later change nothing of what is kept.
            path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/1/minute/{sessions[0]}/{sessions[-1]}"
            query = {"adjusted": "false", "sort": "asc", "limit": str(PAGE)}
            bars: list[_Minute] = []

            async def ask(client: Client) -> None:
                page = await client.get(path, query, _MINUTES.decode)
                bars.extend(page.results or [])
                while page.next_url:
                    page = await client.get(page.next_url, {}, _MINUTES.decode)
                    bars.extend(page.results or [])

            if await self._tried((symbol, (sessions[0], sessions[-1])), ask):
                await save(lambda connection: _keep_minutes(connection, symbol, sessions, bars))

    async def details(self, symbol: str, day: date, lacks: Callable[[], Awaitable[bool]], save: Save) -> None:
        """Fetch and keep what the vendor says of a ticker on a day, if `lacks` still says that it is not there."""
        async with self._locks[symbol]:
            if not await lacks() or self._is_hopeless((symbol, day)):
                return
            said: list[str | None] = []

            async def ask(client: Client) -> None:
                path = f"/v3/reference/tickers/{quote(symbol, safe='')}"
                try:
                    said.append(bytes(await client.get(path, {"date": str(day)}, _read_details)).decode())
                except ScanPipelineError as error:
                    if "refuses with 404" not in str(error):
                        raise
                    said.append(None)  # it does not know the symbol: that is worth keeping too

            if await self._tried((symbol, day), ask):
                await save(lambda connection: _keep_details(connection, symbol, day, said[0]))

    def write(self, keep: Callable[[Connection], None]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Keep something, in a short transaction; the states of the store just before and after it."""
        with TURN:
            with self.store.write() as connection:
                before = state_of(self.store.path)
                keep(connection)
            return before, state_of(self.store.path)

    def note_failure(self, error: ScanPipelineError) -> None:
        """Something that was asked for is not there, and why."""
        self._counts.add_vendor_error(str(error))

    def _is_hopeless(self, what: tuple[str, object]) -> bool:
        return what in self._failed or self._in_a_row >= GIVES_UP_AFTER

    async def _tried(self, what: tuple[str, object], ask: Callable[[Client], Awaitable[None]]) -> bool:
        assert self._client
        try:
            await ask(self._client)
        except ScanPipelineError as error:
            self._failed.add(what)
            self._in_a_row += 1
            self.note_failure(error)
            return False
        finally:
            self._counts.vendor_calls = max(self._counts.vendor_calls, self._client.calls)
        self._in_a_row = 0
        return True


_MINUTES = msgspec.json.Decoder(_Minutes)
_DETAILS = msgspec.json.Decoder(_Details)


def _read_details(body: bytes) -> msgspec.Raw:
    said = _DETAILS.decode(body).results
    if not bytes(said).startswith(b"{"):
        raise ValueError("an answer without results")
    return said


def _keep_minutes(connection: Connection, symbol: str, sessions: Sequence[date], bars: Sequence[_Minute]) -> None:
    """Replace the minutes of the sessions, each whole. Must run in a write transaction."""
    at: Ints = np.array([bar.t for bar in bars], dtype=np.int64)
    day = session_days(at)
    wanted = np.isin(day, [number_of(session) for session in sessions])
    for table in ("intraday_bars", "intraday_sessions"):
        connection.execute(
            f"delete from {table} where symbol = ? and session in (select unnest(?::DATE[]))", [symbol, [*sessions]]
        )
    columns = {
        name: np.array([getattr(bar, name) for bar in bars], dtype=np.float64)[wanted]  # None becomes NaN
        for name in ("o", "h", "l", "c", "v", "vw", "n")
    }
    connection.register("given_minutes", {"session": day[wanted], "t": at[wanted], **columns})
    connection.execute(
        """
        insert into intraday_bars
        select distinct on (t) DATE '1970-01-01' + session::INTEGER, $symbol, make_timestamp_ms(t), o, h, l, c, v,
            case when isnan(vw) then null else vw end, case when isnan(n) then null else n::BIGINT end
        from given_minutes order by t
        """,
        {"symbol": symbol},
    )
    connection.unregister("given_minutes")
    connection.execute(
        """
        insert into intraday_sessions
        select asked.session, $symbol, (select count(*) from intraday_bars bars
            where bars.symbol = $symbol and bars.session = asked.session), $now
        from (select unnest($sessions::DATE[]) as session) asked
        """,
        {"symbol": symbol, "sessions": [*sessions], "now": datetime.now(UTC).replace(tzinfo=None)},
    )


def _keep_details(connection: Connection, symbol: str, day: date, body: str | None) -> None:
    """Must run in a write transaction."""
    connection.execute("delete from ticker_details where symbol = ? and as_of = ?", [symbol, day])
    connection.execute(
        "insert into ticker_details values (?, ?, ?, ?)", [symbol, day, body, datetime.now(UTC).replace(tzinfo=None)]
    )
