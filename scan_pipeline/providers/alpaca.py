"""Bars from Alpaca, some hundred symbols a call.

What belongs here: the address, what an answer must look like, and how calls for many symbols are under way at a time.
What does not: who is asked for (`changes/refresh.py`), connections, rate and retries (`http.py`), and what becomes of a
row (`store/`).

Facts of the API: https://docs.alpaca.markets/reference/stockbars. A page holds at most so many bars, of all symbols
together; a call here asks for no more than that, so it is one page unless the vendor cuts it short. A daily bar is
stamped with the midnight in New York at which its day begins. Splits are no part of that address: this provider gives
none, and says so.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Annotated, Any

import duckdb
import msgspec
import numpy as np

from scan_pipeline.providers.http import (
    BudgetSpentError,
    GivenUpError,
    Plan,
    RefusedError,
    TransientError,
    VendorClient,
)
from scan_pipeline.providers.reference import ReferenceLists
from scan_pipeline.providers.threads import in_thread
from scan_pipeline.sessions import NEW_YORK

BARS = "/v2/stocks/bars"
#: Bars of a page at most.
PAGE_BARS = 10_000
#: So many calls in a row that could not be had, and no more are made.
GIVE_UP_AFTER = 8
#: The end of what is asked for, in New York: after the stamp of the day's bar, and before any close.
NOON = time(12)
#: How preferred shares are written here, and by the vendor.
PREFERRED = (r"p([A-Z]?)$", r".PR\1")
NO_SPLITS = "no splits: Alpaca's bars come without them, and prices across a split are not adjusted"


class Bar(msgspec.Struct, gc=False):
    """One bar of an answer. Missing and null values are for the bar rules to judge."""

    t: Annotated[datetime, msgspec.Meta(tz=True)]
    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741
    c: float | None = None
    v: float | None = None
    vw: float | None = None
    n: float | None = None


class Page(msgspec.Struct):
    """One answer: bars by symbol; a symbol without any may be left out."""

    bars: dict[str, list[Bar]] | None
    next_page_token: str | None = None


_PAGE = msgspec.json.Decoder(Page)


@dataclass(frozen=True)
class FetchedSymbols:
    """What one call brought: all bars of `symbols` from `first` on, or why there are none.

    `unknown` are no symbols to the vendor.
    """

    symbols: Sequence[str]
    first: date
    bars: Sequence[tuple[str, Bar]] = ()
    missing: str = ""
    unknown: Sequence[str] = ()
    name: str = "alpaca"

    def rows(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """See `Delivery.rows`."""
        days = [bar.t.astimezone(NEW_YORK).date() for _, bar in self.bars]
        columns: dict[str, Any] = {
            "symbol": np.array([symbol for symbol, _ in self.bars], dtype=object),
            "day": np.array(days, dtype="datetime64[D]").astype(np.int32),
        }
        for ours, theirs in _COLUMNS.items():
            columns[ours] = np.array([getattr(bar, theirs) for _, bar in self.bars], dtype=float)
        connection.register("fetched_rows", columns)
        today = datetime.now(NEW_YORK).date()
        raw = ", ".join(f"{theirs}: {ours}" for ours, theirs in _COLUMNS.items())
        return connection.sql(
            f"""
            select '{BARS}' as source, date '{today}' as reported_on, symbol::VARCHAR as symbol,
                date '1970-01-01' + day as session_day, open, high, low, close, volume, null::DOUBLE as adj_close,
                vwap, trades, {{S: symbol::VARCHAR, {raw}}} as raw
            from fetched_rows
            """
        )


#: Our names of a bar's numbers, and the vendor's.
_COLUMNS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "vwap": "vw", "trades": "n"}


def read_page(body: bytes) -> Page:
    """An answer. Raises TransientError for what another try may mend."""
    try:
        return _PAGE.decode(body)
    except msgspec.MsgspecError as error:
        raise TransientError(f"an answer that is not as documented: {error}") from error


def their_symbol(symbol: str) -> str:
    """A symbol as the vendor writes it."""
    return re.sub(*PREFERRED, symbol)


async def fetch_symbols(
    client: VendorClient, symbols: Sequence[str], first: date, last: date, feed: str
) -> FetchedSymbols:
    """The daily bars of the symbols, as traded, all pages. Symbols that the vendor refuses by name are left out.

    Raises ProviderError for a refusal that concerns all, and BudgetSpentError.
    """
    asked = {their_symbol(symbol): symbol for symbol in symbols}
    unknown: list[str] = []
    while asked:
        try:
            bars = await _fetch_pages(client, asked, first, last, feed)
        except RefusedError as error:
            refused = [theirs for theirs in asked if _names(error, theirs)]
            if not refused:
                raise
            unknown += [asked.pop(theirs) for theirs in refused]
        except GivenUpError as error:
            return FetchedSymbols(symbols, first, missing=str(error))
        else:
            return FetchedSymbols(symbols, first, bars, unknown=unknown)
    return FetchedSymbols(symbols, first, unknown=unknown)


def _names(error: RefusedError, symbol: str) -> bool:
    """Whether the vendor refuses because of this symbol."""
    named = re.search(r"invalid symbol\W+(.*)", error.said)
    return (
        error.status == 400
        and bool(named)
        and symbol in re.split(r"[^A-Za-z0-9.\-/]+", named.group(1) if named else "")
    )


async def _fetch_pages(
    client: VendorClient, asked: Mapping[str, str], first: date, last: date, feed: str
) -> list[tuple[str, Bar]]:
    parameters = {
        "symbols": ",".join(asked),
        "timeframe": "1Day",
        "start": datetime.combine(first, time(), NEW_YORK).isoformat(),
        "end": datetime.combine(last, NOON, NEW_YORK).isoformat(),
        "limit": str(PAGE_BARS),
        "adjustment": "raw",
        "feed": feed,
    }
    bars: list[tuple[str, Bar]] = []
    tokens: set[str] = set()

    def read(body: bytes) -> Page:
        page = read_page(body)
        if others := (page.bars or {}).keys() - asked.keys():
            raise TransientError(f"bars of {', '.join(sorted(others)[:3])}, which were not asked for")
        if page.next_page_token in tokens:
            raise TransientError("the same page again")
        return page

    while True:
        page = await client.get(BARS, parameters, read)
        bars += [(asked[theirs], bar) for theirs, some in (page.bars or {}).items() for bar in some]
        if not page.next_page_token:
            return bars
        tokens.add(page.next_page_token)
        parameters["page_token"] = page.next_page_token


async def fetch_all(
    client: VendorClient, batches: Sequence[Sequence[tuple[str, date]]], last: date, feed: str
) -> AsyncIterator[FetchedSymbols]:
    """The bars of every batch of symbols, from the earliest day that one of them is wanted from, as soon as they come.

    Those that cannot be had after all tries come with the reason; after many in a row, no more is asked for. Where the
    calls are spent, the rest is left out. Raises ProviderError for a refusal that concerns all, after what has come.
    """
    left = iter(batches)
    came: asyncio.Queue[FetchedSymbols | Exception | None] = asyncio.Queue(client.concurrency)
    failed = 0

    async def work() -> None:
        nonlocal failed
        try:
            for batch in left:
                symbols, first = [symbol for symbol, _ in batch], min(day for _, day in batch)
                if failed >= max(client.concurrency, GIVE_UP_AFTER):
                    one = FetchedSymbols(symbols, first, missing=f"Not asked for: the {failed} calls before failed.")
                else:
                    one = await fetch_symbols(client, symbols, first, last, feed)
                    failed = failed + 1 if one.missing else 0
                await came.put(one)
        except BudgetSpentError:
            pass
        except Exception as error:  # whatever it is: a worker that ended without a word would be waited for
            await came.put(error)
        await came.put(None)

    async with client.opened():
        workers = [asyncio.create_task(work()) for _ in range(min(client.concurrency, len(batches)))]
        try:
            working = len(workers)
            while working:
                one = await came.get()
                if isinstance(one, Exception):
                    raise one
                if one is None:
                    working -= 1
                else:
                    yield one
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


@dataclass
class AlpacaProvider:
    """The vendor as a provider of bars, by the symbol."""

    plan: Plan
    make_client: Callable[[], VendorClient]
    lists: ReferenceLists
    feed: str
    symbols_at_most: int
    name: str = "alpaca"
    is_metered: bool = True
    #: Calls made so far.
    calls: int = 0
    #: Seconds in which calls have waited for the plan's rate.
    waited_seconds: float = 0.0
    #: Sessions are not asked for one by one.
    missing: dict[date, str] = field(default_factory=dict)
    _says_no_splits: bool = False

    def symbols_per_call(self, first: date, last: date) -> int:
        """See `SymbolProvider.symbols_per_call`: as many as fit on a page, were every weekday a session."""
        weekdays = int(np.busday_count(first, last)) + 1
        return max(1, min(self.symbols_at_most, PAGE_BARS // weekdays))

    def deliveries_of(
        self, wanted: Sequence[tuple[str, date]], last: date, most_calls: int | None
    ) -> Iterator[FetchedSymbols]:
        """See `SymbolProvider.deliveries_of`: a part a call, as soon as it has come."""
        size = self.symbols_per_call(min((day for _, day in wanted), default=last), last)
        batches = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        client = self.make_client()
        client.most_calls = most_calls
        made, waited = 0, 0.0
        fetched = in_thread(lambda: fetch_all(client, batches, last, self.feed), most_waiting=2 * client.concurrency)
        try:
            for batch in fetched:
                self.calls, made = self.calls + client.calls - made, client.calls
                self.waited_seconds, waited = (
                    self.waited_seconds + client.waited_seconds - waited,
                    client.waited_seconds,
                )
                yield from batch
        finally:
            fetched.close()  # type: ignore[attr-defined]  # a generator
            self.calls += client.calls - made

    def snapshot(self, session: date) -> None:
        """None: bars before the close would be asked for by the symbol."""

    @property
    def sources(self) -> Sequence[str]:
        """See `Source.sources`."""
        return [NO_SPLITS] if self._says_no_splits else self.lists.sources

    def prepare(self, what: str, fetched: Mapping[str, date], sessions: Sequence[date]) -> None:
        """See `Source.prepare`. Lists of symbols are NASDAQ Trader's and the SEC's."""
        self._says_no_splits = what == "splits"
        if what == "reference":
            before = self.lists.calls
            try:
                self.lists.prepare(fetched, sessions, datetime.now(NEW_YORK).date())
            finally:
                self.calls += self.lists.calls - before

    def splits(self, connection: duckdb.DuckDBPyConnection) -> None:
        """None: bars come without them."""

    def reference(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """The lists that are held, and those that were fetched."""
        return self.lists.relation(connection, datetime.now(NEW_YORK).date())

    def note(self, sessions_left: int) -> str:
        """Calls made, and time waited for the plan's rate."""
        return f", {self.calls} calls, {self.waited_seconds:.0f} s waiting for the rate limit"

    def held(self) -> tuple[date, date] | None:
        """It has what the plan allows, up to the last closed session."""
        return None
