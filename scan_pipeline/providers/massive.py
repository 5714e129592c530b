"""Bars and splits from Massive (formerly Polygon.io), one call a session for the whole market.

What belongs here: which addresses are asked, what their answers must look like, and how sessions are fetched many at a
time. What does not: connections, rate and retries (`http.py`), and what becomes of a row (`store/`).

Facts of the API: https://massive.com/docs/rest/stocks/aggregates/daily-market-summary.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import msgspec
import numpy as np

from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import GivenUpError, Plan, TransientError, VendorClient
from scan_pipeline.providers.reference import ReferenceLists, note_fetch
from scan_pipeline.providers.snapshot import FetchedSnapshot, fetch_snapshot
from scan_pipeline.providers.threads import in_thread
from scan_pipeline.sessions import NEW_YORK

#: Sessions handed over at once at most: a transaction each.
PART_SESSIONS = 20
#: So many sessions in a row that could not be had, and no more are asked for.
GIVE_UP_AFTER = 8
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/"


class Row(msgspec.Struct, gc=False):
    """One symbol's bar in an answer for the whole market. Missing and null values are for the bar rules to judge."""

    T: str
    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741
    c: float | None = None
    v: float | None = None
    vw: float | None = None
    n: float | None = None


class Grouped(msgspec.Struct):
    """An answer for the whole market. Without `results` the day had no session."""

    status: str
    resultsCount: int = 0
    adjusted: bool = False
    results: list[Row] | msgspec.UnsetType | None = msgspec.UNSET


class SplitRow(msgspec.Struct):
    """One split."""

    ticker: str
    execution_date: date
    split_from: float
    split_to: float


class SplitPage(msgspec.Struct):
    """A page of splits."""

    status: str
    results: list[SplitRow] = []
    next_url: str | None = None


@dataclass(frozen=True)
class FetchedSession:
    """What was fetched for a session: rows, or why there are none."""

    session: date
    rows: Sequence[Row]
    missing: str = ""


def read_grouped(body: bytes) -> Sequence[Row]:
    """The rows of an answer for the whole market; none for a day that had no session.

    Raises TransientError for what another try may mend: a body cut short, `results: null`, a count that disagrees.
    """
    try:
        answer = _GROUPED.decode(body)
    except msgspec.MsgspecError as error:
        raise TransientError(f"an answer that is not as documented: {error}") from error
    if answer.status not in ("OK", "DELAYED"):
        raise TransientError(f"status {answer.status}")
    if answer.adjusted:
        raise ProviderError("The vendor answers with adjusted prices though as-traded ones are asked for.")
    if answer.results is None:
        raise TransientError("results: null")
    rows = () if answer.results is msgspec.UNSET else answer.results
    if len(rows) != answer.resultsCount:
        raise TransientError(f"resultsCount {answer.resultsCount} and {len(rows)} rows")
    return rows


_GROUPED = msgspec.json.Decoder(Grouped)
_SPLITS = msgspec.json.Decoder(SplitPage)


async def fetch_sessions(client: VendorClient, sessions: Sequence[date]) -> AsyncIterator[FetchedSession]:
    """The bars of the sessions, as traded, each as soon as it is there; many are under way at once.

    A session that cannot be had after all tries comes with the reason; after so many in a row that the vendor is
    plainly not there, the rest is not asked for. Raises ProviderError for a refusal that concerns all; what was under
    way is dropped.
    """
    failed = 0

    async def fetch(session: date) -> FetchedSession:
        nonlocal failed
        if failed >= max(client.concurrency, GIVE_UP_AFTER):
            return FetchedSession(session, (), f"Not asked for: the {failed} sessions before could not be had.")
        parameters = {"adjusted": "false", "include_otc": "false"}
        try:
            rows = await client.get(f"{GROUPED}{session}", parameters, read_grouped)
        except GivenUpError as error:
            failed += 1
            return FetchedSession(session, (), str(error))
        failed = 0
        return FetchedSession(session, rows)

    left = iter(sessions)
    came: asyncio.Queue[FetchedSession | Exception] = asyncio.Queue(client.concurrency)

    async def work() -> None:
        try:
            for session in left:
                await came.put(await fetch(session))
        except Exception as error:  # whatever it is: a worker that ended without a word would be waited for
            await came.put(error)

    async with client.opened():
        workers = [asyncio.create_task(work()) for _ in range(min(client.concurrency, len(sessions)))]
        try:
            for _ in sessions:
                one = await came.get()
                if isinstance(one, Exception):
                    raise one
                yield one
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


def fetch_sessions_sync(client: VendorClient, sessions: Sequence[date]) -> Iterator[FetchedSession]:
    """As `fetch_sessions`, for code that is not asynchronous, also where an event loop is already running.

    The requests go on in a thread of their own while the caller works on what has come.
    """
    for batch in in_thread(lambda: fetch_sessions(client, sessions), most_waiting=2 * client.concurrency):
        yield from batch


@dataclass
class MassiveProvider:
    """The vendor as a provider of bars and splits."""

    plan: Plan
    make_client: Callable[[], VendorClient]
    lists: ReferenceLists
    name: str = "massive"
    #: Every session costs a call: those that are held and can no longer change are not asked for again.
    is_metered: bool = True
    #: Calls made so far.
    calls: int = 0
    #: Seconds in which calls have waited for the plan's rate.
    waited_seconds: float = 0.0
    #: Sessions that could not be had, and why.
    missing: dict[date, str] = field(default_factory=dict)
    _splits: list[SplitRow] = field(default_factory=list)
    _splits_before: date | None = None
    _splits_calls: int = 0

    def deliveries(
        self, sessions: Sequence[date], previous: date
    ) -> Iterator[tuple[Sequence[date], date, "FetchedDelivery"]]:
        """See `Provider.deliveries`: parts as soon as their sessions have come, in order where none is late."""
        client = self.make_client()
        before = dict(zip(sessions, (previous, *sessions), strict=False))
        came: dict[date, FetchedSession] = {}
        due = list(sessions)
        # While a part is stored, the next one comes.
        fetched = in_thread(lambda: fetch_sessions(client, sessions), most_waiting=2 * PART_SESSIONS)
        made, waited = 0, 0.0
        try:
            for batch in fetched:
                self.calls, made = self.calls + client.calls - made, client.calls
                self.waited_seconds, waited = (
                    self.waited_seconds + client.waited_seconds - waited,
                    client.waited_seconds,
                )
                came |= {one.session: one for one in batch}
                while ready := _next_part(due, came, before):
                    yield self._part([came.pop(session) for session in ready], before)
        except ProviderError:
            # What came out of order is kept too.
            for session in sorted(came):
                yield self._part([came[session]], before)
            raise
        finally:
            self.calls += client.calls - made
            fetched.close()  # type: ignore[attr-defined]  # a generator

    def _part(
        self, part: Sequence[FetchedSession], before: dict[date, date]
    ) -> tuple[Sequence[date], date, "FetchedDelivery"]:
        self.missing |= {one.session: one.missing for one in part if one.missing}
        sessions = [one.session for one in part]
        return sessions, before[sessions[0]], FetchedDelivery(self.name, part)

    def snapshot(self, session: date) -> FetchedSnapshot:
        """See `Provider.snapshot`. Raises ProviderError, in words, where the key's plan has none."""
        client = self.make_client()
        try:
            return fetch_snapshot(client, session, self.name)
        finally:
            self.calls += client.calls

    @property
    def sources(self) -> Sequence[str]:
        """See `Provider.sources`."""
        return self.lists.sources

    def prepare(self, what: str, fetched: Mapping[str, date], sessions: Sequence[date]) -> None:
        """See `Provider.prepare`."""
        if what == "splits":
            self._fetch_splits(fetched.get("splits"))
        else:
            before = self.lists.calls
            try:
                self.lists.prepare(fetched, sessions, datetime.now(NEW_YORK).date())
            finally:
                self.calls += self.lists.calls - before

    def _fetch_splits(self, last: date | None) -> None:
        """The splits since those of the last fetch, in one call; all there are, at the first."""
        # Three months back: a split that is corrected or told late is seen.
        since = (last - timedelta(days=90)).isoformat() if last else None
        client = self.make_client()

        async def pages() -> AsyncIterator[list[SplitRow]]:
            address: str | None = "/stocks/v1/splits"
            parameters = {"limit": "5000", "sort": "execution_date.asc"}
            if since:
                parameters["execution_date.gte"] = since
            async with client.opened():
                while address:
                    page = await client.get(address, parameters, _read_splits)
                    yield page.results
                    address, parameters = page.next_url, {}

        try:
            self._splits = [row for batch in in_thread(pages) for page in batch for row in page]
            self._splits_before = last
        finally:
            self._splits_calls = client.calls
            self.calls += client.calls

    def splits(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """The splits that were fetched.

        A split is known from its ex-date, unless a fetch after that date did not have it: then from today.
        """
        rows, last = self._splits, self._splits_before
        today = datetime.now(NEW_YORK).date()

        def known_on(row: SplitRow) -> date:
            return today if last and row.execution_date <= last else min(row.execution_date, today)

        connection.register(
            "fetched_splits",
            {
                "symbol": _texts([row.ticker for row in rows]),
                "ex_day": np.array([row.execution_date for row in rows], dtype="datetime64[D]").astype(np.int32),
                "split_from": np.array([row.split_from for row in rows], dtype=float),
                "split_to": np.array([row.split_to for row in rows], dtype=float),
                "known_day": np.array([known_on(row) for row in rows], dtype="datetime64[D]").astype(np.int32),
            },
        )
        if last:  # one that was announced then, and is no longer: it was moved or called off
            connection.execute(
                "delete from splits where ex_date >= ? and (symbol, ex_date) not in "
                "(select symbol, date '1970-01-01' + ex_day from fetched_splits)",
                [last],
            )
        note_fetch(connection, "splits", today, self._splits_calls)
        return connection.sql(
            "select symbol::VARCHAR as symbol, date '1970-01-01' + ex_day as ex_date, split_from, split_to, "
            "date '1970-01-01' + known_day as known_on from fetched_splits "
            "where split_from between 1e-9 and 1e9 and split_to between 1e-9 and 1e9"
        )

    def reference(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """The lists that are held, and those that were fetched."""
        return self.lists.relation(connection, datetime.now(NEW_YORK).date())

    def note(self, sessions_left: int) -> str:
        """Calls made, time waited for the plan's rate, and how long the plan makes the rest last."""
        left = self.plan.seconds_for(sessions_left)
        by_plan = f", {left / 60:.0f} min left by the plan" if left > 60 else ""
        return f", {self.calls} calls, {self.waited_seconds:.0f} s waiting for the rate limit{by_plan}"

    def held(self) -> tuple[date, date] | None:
        """It has what the plan allows, up to the last closed session."""
        return None


def _next_part(due: list[date], came: Mapping[date, Any], before: dict[date, date]) -> list[date]:
    """Takes from `due` the oldest consecutive sessions that have come: a part; empty where it is better to wait.

    A session that is tried again and again holds those after it back, which keeps parts large, but not for long:
    neither memory nor what a killed process loses may grow with the length of the range.
    """
    first = next((place for place, session in enumerate(due) if session in came), None)
    if first is None or (first > 0 and len(came) < 2 * PART_SESSIONS):
        return []
    last = first + 1
    while last < min(len(due), first + PART_SESSIONS) and due[last] in came and before[due[last]] == due[last - 1]:
        last += 1
    part = due[first:last]
    del due[first:last]
    return part


@dataclass(frozen=True)
class FetchedDelivery:
    """Some fetched sessions."""

    name: str
    sessions: Sequence[FetchedSession]

    def rows(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """See `Delivery.rows`."""
        rows = [row for one in self.sessions for row in one.rows]
        counts = [len(one.rows) for one in self.sessions]
        days = np.array([one.session for one in self.sessions], dtype="datetime64[D]").astype(np.int32)
        columns: dict[str, Any] = {
            "symbol": _texts([row.T for row in rows]),
            "session_day": np.repeat(days, counts),
        }
        for ours, theirs in _COLUMNS.items():
            columns[ours] = np.array([getattr(row, theirs) for row in rows], dtype=float)
        connection.register("fetched_rows", columns)
        today = datetime.now(NEW_YORK).date()
        raw = ", ".join(f"{theirs}: {ours}" for ours, theirs in _COLUMNS.items())
        return connection.sql(
            f"""
            select '{GROUPED}' || session_day::DATE as source, date '{today}' as reported_on,
                symbol::VARCHAR as symbol, session_day, open, high, low, close, volume, null::DOUBLE as adj_close,
                vwap, trades, {{T: symbol, {raw}}} as raw
            from (select * replace (date '1970-01-01' + session_day as session_day) from fetched_rows)
            """
        )


#: Our names of a row's numbers, and the vendor's.
_COLUMNS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "vwap": "vw", "trades": "n"}


def _read_splits(body: bytes) -> SplitPage:
    try:
        return _SPLITS.decode(body)
    except msgspec.MsgspecError as error:
        raise TransientError(f"an answer that is not as documented: {error}") from error


def _texts(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(texts, dtype=object)
