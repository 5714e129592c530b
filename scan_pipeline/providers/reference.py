"""Which lists of symbols and of shares outstanding are due, fetching and keeping them, and what they say of a symbol.

What belongs here: the choice among the sources, each optional, and the tables `listings` and `shares_outstanding`.
What does not: the shapes of the sources (`listings.py`), and what a universe makes of all this (`store/reference.py`).

A list is of a day. A run needs that of its first session and that of its last, whatever its length; one of a day
shortly before will do, one of a later day will not. The vendor has lists of any day; the others only today's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np

from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import VendorClient
from scan_pipeline.providers.listings import (
    Listing,
    Shares,
    ended_on,
    nasdaq_listings,
    quarters,
    sec_listings,
    sec_shares,
    vendor_listings,
)

NASDAQ_TRADER, SEC_FILES, SEC_DATA = "https://www.nasdaqtrader.com", "https://www.sec.gov", "https://data.sec.gov"
#: In the table `fetches`, before the day that a list is of.
LISTINGS = "listings "
#: How far back from a run's first session companies' shares are asked for: a call a quarter, once.
SHARES_SINCE = timedelta(days=2 * 366)
#: Companies file a quarter's numbers over months: until so long after its end, it is asked for again.
FILED_WITHIN = timedelta(days=200)


@dataclass(frozen=True)
class FetchedList:
    """A whole list of a day, and the calls that it took."""

    day: date
    source: str
    listings: Sequence[Listing]
    calls: int


@dataclass
class ReferenceLists:
    """The sources together: what is due is fetched, whatever fails is said, and the rest is used.

    `make_vendor` makes a client of the vendor, None where it has no lists; `ask` one of a keyless source, by its
    address. `has_contact`: the SEC may be asked. `latest_closed` tells the last session that has closed.
    """

    make_vendor: Callable[[], VendorClient] | None
    ask: Callable[[str], VendorClient]
    has_contact: bool
    days: int
    latest_closed: Callable[[], date]
    addresses: tuple[str, str, str] = (NASDAQ_TRADER, SEC_FILES, SEC_DATA)
    calls: int = 0
    sources: list[str] = field(default_factory=list)
    _lists: list[FetchedList] = field(default_factory=list)
    _shares: dict[str, list[Shares]] = field(default_factory=dict)

    def prepare(self, fetched: Mapping[str, date], sessions: Sequence[date], today: date) -> None:
        """Fetch what is due for the sessions, by what was fetched before."""
        self.sources, self._lists, self._shares = [], [], {}
        if sessions:
            with ThreadPoolExecutor(1) as thread:  # an event loop may be running in this one
                thread.submit(asyncio.run, self._fetch(fetched, min(sessions), max(sessions), today)).result()

    async def _fetch(self, fetched: Mapping[str, date], first: date, last: date, today: date) -> None:
        held = {date.fromisoformat(what.removeprefix(LISTINGS)) for what in fetched if what.startswith(LISTINGS)}
        for session in sorted({first, last}):
            if not self._holds(session, held):
                await self._fetch_list(session, held, today)
        if self.has_contact:
            await self._fetch_shares(fetched, first, last, today)
        else:
            self.sources.append("no market caps: SCAN_SEC_CONTACT is not set")

    def _holds(self, day: date, held: set[date]) -> bool:
        """Whether a list of that day, or of one shortly before, is held; it is then named among the sources."""
        near = [one for one in held if 0 <= (day - one).days < self.days]
        if near and not any(one.day == max(near) for one in self._lists):
            self._say(f"the list of {max(near)}")
        return bool(near)

    def _say(self, words: str) -> None:
        if words not in self.sources:
            self.sources.append(words)

    async def _fetch_list(self, session: date, held: set[date], today: date) -> None:
        nasdaq, sec_files, _ = self.addresses
        before = self.calls
        day, source = session, "massive"
        found: list[Listing] = []
        if self.make_vendor:
            found = await self._try(source, day, self.make_vendor(), lambda client: vendor_listings(client, session))
        if not found and session != self.latest_closed() and (today - session).days >= self.days:
            self._say(f"no list of {session} was to be had: NASDAQ Trader and the SEC have only today's")
            return
        if not found:
            day, source = today, "NASDAQ Trader"
            if self._holds(today, held):
                return
            found = await self._try(source, day, self.ask(nasdaq), nasdaq_listings)
            if self.has_contact:
                sec = await self._try("SEC", day, self.ask(sec_files), sec_listings)
                if found:
                    numbers = {one.symbol: one.cik for one in sec}
                    found = [replace(one, cik=numbers.get(one.symbol)) for one in found]
                else:
                    found, source = [one for one in sec if one.exchange], "SEC"
        if found:
            self._lists.append(FetchedList(day, source, found, self.calls - before))
            self._say(f"{source}, {len(found):,} symbols of {day}")
            held.add(day)

    async def _try(
        self, source: str, day: date, client: VendorClient, fetch: Callable[[VendorClient], Awaitable[list[Listing]]]
    ) -> list[Listing]:
        """What a source gives; nothing where it fails, which is said. A list of nothing would delist everybody."""
        try:
            async with client.opened():
                found = await fetch(client)
        except ProviderError as error:
            self._say(f"{source} gave no list of {day}: {error}")
            return []
        finally:
            self.calls += client.calls
        if not found:
            self._say(f"{source} gave no list of {day}: it is empty")
        return found

    async def _fetch_shares(self, fetched: Mapping[str, date], first: date, last: date, today: date) -> None:
        def is_due(quarter: str) -> bool:
            asked = fetched.get(f"shares {quarter}")
            if asked is None:
                return True
            return asked < ended_on(quarter) + FILED_WITHIN and (today - asked).days >= self.days

        due = [quarter for quarter in quarters(first - SHARES_SINCE, last) if is_due(quarter)]
        if due:
            client = self.ask(self.addresses[2])
            try:
                async with client.opened():
                    for quarter in due:
                        try:
                            self._shares[quarter] = await sec_shares(client, quarter)
                        except ProviderError as error:
                            self._say(f"the SEC gave no shares of {quarter}: {error}")
            finally:
                self.calls += client.calls
        self._say(f"the SEC's shares outstanding, {len(self._shares)} of {len(due)} quarters due")

    def relation(self, connection: duckdb.DuckDBPyConnection, today: date) -> duckdb.DuckDBPyRelation:
        """Stores what was fetched and gives all that is held, with REFERENCE_COLUMNS. Must run in a transaction."""
        for one in self._lists:
            connection.execute("delete from listings where as_of = ? and source = ?", [one.day, one.source])
            connection.register(
                "fetched_listings",
                {name: _texts([getattr(listing, name) for listing in one.listings])
                 for name in ("symbol", "name", "exchange", "type", "cik")},
            )  # fmt: skip
            connection.execute(
                "insert into listings select distinct on (symbol) ?, symbol::VARCHAR, name::VARCHAR, "
                "exchange::VARCHAR, type::VARCHAR, cik::VARCHAR, ? from fetched_listings",
                [one.day, one.source],
            )
            note_fetch(connection, f"{LISTINGS}{one.day}", today, one.calls)
        for quarter, shares in self._shares.items():
            connection.register(
                "fetched_shares",
                {
                    "cik": _texts([one.cik for one in shares]),
                    "counted": _days([one.counted_on for one in shares]),
                    "known": _days([one.as_of for one in shares]),
                    "shares": np.array([one.shares for one in shares], dtype=float),
                },
            )
            connection.execute(
                """
                create or replace temp table new_shares as
                select cik::VARCHAR as cik, date '1970-01-01' + counted as counted_on,
                    date '1970-01-01' + known as as_of, max(shares) as shares
                from fetched_shares group by all;
                delete from shares_outstanding where (cik, counted_on) in (select cik, counted_on from new_shares);
                insert into shares_outstanding select * from new_shares;
                drop table new_shares;
                """
            )
            note_fetch(connection, f"shares {quarter}", today, 1)
        return connection.sql(_REFERENCE)


def note_fetch(connection: duckdb.DuckDBPyConnection, what: str, today: date, calls: int) -> None:
    """Note in the table `fetches` that something was fetched today. Must run in a transaction."""
    connection.execute("delete from fetches where what = ? and fetched_on = ?", [what, today])
    connection.execute("insert into fetches values (?, ?, ?)", [what, today, calls])


# A symbol was listed by the first list that has it, and no longer by the first one of the same source that lacks it,
# whenever they were fetched; if a later one has it again, it was listed anew. Names and the like hold for any session;
# numbers of companies are those of the last list that has the symbol.
#
# The number of shares is the company's, of its common stock, as filed: it is given to every symbol of the company that
# is a share of its own. It says nothing of warrants, preferred shares and notes, nor of depositary receipts, of which
# one may stand for any number of shares.
_REFERENCE = """
with lists as (
    select source, as_of, lead(as_of) over following as next_list, row_number() over following as place
    from (select distinct source, as_of from listings) window following as (partition by source order by as_of)
),
placed as (
    select listings.*, next_list, place - row_number() over (partition by symbol, source order by as_of) as stretch
    from listings join lists using (source, as_of)
),
companies as (
    select symbol, arg_max(cik, as_of) as cik, arg_max(type, as_of) as type from listings group by symbol
)
select symbol, name, exchange, type, null::VARCHAR as sector, null::VARCHAR as industry, null::VARCHAR as country,
    null::DOUBLE as market_cap, as_of, min(as_of) over together as listed,
    nullif(max(coalesce(next_list, date 'infinity')) over together, date 'infinity') as delisted,
    null::DOUBLE as shares_outstanding, null::DATE as shares_counted_on
from placed window together as (partition by symbol, source, stretch)
union all
select symbol, null, null, null, null, null, null, null, as_of, null, null, shares, counted_on
from companies join shares_outstanding using (cik)
where coalesce(type in ('CS', 'OS', 'NYRS', 'LT', 'ETF', 'ETS', 'ETV', 'FUND'), true)
"""


def _texts(texts: Sequence[str | None]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(texts, dtype=object)


def _days(days: Sequence[date]) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.array(days, dtype="datetime64[D]").astype(np.int32)
