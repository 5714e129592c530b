"""Lists of symbols, and shares outstanding: the vendor's list, the SEC's and NASDAQ Trader's, each optional.

What belongs here: the shape of each source and how it is read into `Listing` and `Shares`. What does not: connections
(`http.py`), and how a universe uses them (`store/reference.py`). Nothing here costs a call a symbol.

- the vendor: `/v3/reference/tickers` as of a day, a thousand symbols a call;
- NASDAQ Trader's symbol directory, without a key: https://www.nasdaqtrader.com/trader.aspx?id=symboldirdefs;
- the SEC's list of tickers, and XBRL frames, which hold every company's shares outstanding of a quarter in one call:
  https://www.sec.gov/search-filings/edgar-application-programming-interfaces.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, TypeVar

import duckdb
import msgspec
import numpy as np

from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import TransientError, VendorClient

Kind = TypeVar("Kind")

#: A company states its shares as of a day shortly before it files; so many days later they count as known.
KNOWN_AFTER = timedelta(days=30)
#: The exchanges' codes (ISO 10383) behind the letters of NASDAQ Trader's other list.
OTHER_EXCHANGES = {"A": "XASE", "N": "XNYS", "P": "ARCX", "V": "IEXG", "Z": "BATS"}


NASDAQ_TRADER, SEC_FILES, SEC_DATA = "https://www.nasdaqtrader.com", "https://www.sec.gov", "https://data.sec.gov"
#: How far back companies' shares are asked for: a call a quarter, once.
SHARES_SINCE = timedelta(days=2 * 366)


@dataclass(frozen=True)
class Listing:
    """A symbol on a list. `cik` is the SEC's number of the company, without leading zeros."""

    symbol: str
    name: str | None
    exchange: str | None = None
    type: str | None = None
    cik: str | None = None


@dataclass(frozen=True)
class Shares:
    """A company's shares outstanding on a day."""

    cik: str
    counted_on: date
    shares: float

    @property
    def as_of(self) -> date:
        """When it counts as known."""
        return self.counted_on + KNOWN_AFTER


@dataclass
class ReferenceLists:
    """The sources together: what is due is fetched, whatever fails is said, and the rest is used.

    `ask` makes a client for a keyless source, by its address. `has_contact`: the SEC may be asked.
    """

    make_vendor: Callable[[], VendorClient]
    ask: Callable[[str], VendorClient]
    has_contact: bool
    days: int
    addresses: tuple[str, str, str] = (NASDAQ_TRADER, SEC_FILES, SEC_DATA)
    calls: int = 0
    sources: list[str] = field(default_factory=list)
    _listings: list[Listing] = field(default_factory=list)
    _source: str = ""
    _shares: dict[str, list[Shares]] = field(default_factory=dict)

    def prepare(self, fetched: Mapping[str, date], today: date) -> None:
        """Fetch what is due, by the days of the last fetches."""
        with ThreadPoolExecutor(1) as thread:  # an event loop may be running in this one
            thread.submit(asyncio.run, self._fetch(fetched, today)).result()

    async def _fetch(self, fetched: Mapping[str, date], today: date) -> None:
        nasdaq, sec_files, sec_data = self.addresses

        def is_due(what: str) -> bool:
            return what not in fetched or (today - fetched[what]).days >= self.days

        if is_due("listings"):
            await self._try("massive", self.make_vendor(), lambda client: vendor_listings(client, today))
            if not self._listings:
                await self._try("NASDAQ Trader", self.ask(nasdaq), nasdaq_listings)
            if self.has_contact and self._listings and not any(one.cik for one in self._listings):
                await self._number(self.ask(sec_files))
        else:
            self.sources.append(f"the list of {fetched['listings']}")
        if not self.has_contact:
            self.sources.append("no market caps: SCAN_SEC_CONTACT is not set")
            return
        ended = list(quarters(today - SHARES_SINCE, today))
        # Companies file a quarter's numbers over months: the last two are asked for again.
        due = [q for q in ended if f"shares {q}" not in fetched or (q in ended[-2:] and is_due(f"shares {q}"))]
        client = self.ask(sec_data)
        async with client.opened():
            for quarter in due:
                try:
                    self._shares[quarter] = await sec_shares(client, quarter)
                except ProviderError as error:
                    self.sources.append(f"the SEC gave no shares of {quarter}: {error}")
        self.calls += client.calls
        self.sources.append(f"the SEC's shares outstanding, {len(self._shares)} of {len(due)} quarters due")

    async def _try(
        self, source: str, client: VendorClient, fetch: Callable[[VendorClient], Awaitable[list[Listing]]]
    ) -> None:
        try:
            async with client.opened():
                self._listings, self._source = await fetch(client), source
            self.sources.append(f"{source}, {len(self._listings):,} symbols")
        except ProviderError as error:
            self.sources.append(f"{source} gave no list: {error}")
        finally:
            self.calls += client.calls

    async def _number(self, client: VendorClient) -> None:
        try:
            async with client.opened():
                numbers = await sec_tickers(client)
            self._listings = [replace(one, cik=numbers.get(one.symbol)) for one in self._listings]
        except ProviderError as error:
            self.sources.append(f"the SEC gave no list: {error}")
        finally:
            self.calls += client.calls

    def relation(self, connection: duckdb.DuckDBPyConnection, today: date) -> duckdb.DuckDBPyRelation:
        """Stores what was fetched and gives all that is held, with REFERENCE_COLUMNS. Must run in a transaction."""
        if self._listings:
            connection.execute("delete from listings where as_of = ?", [today])
            connection.register(
                "fetched_listings",
                {name: _texts([getattr(one, name) for one in self._listings])
                 for name in ("symbol", "name", "exchange", "type", "cik")},
            )  # fmt: skip
            connection.execute(
                "insert into listings select distinct on (symbol) ?, symbol::VARCHAR, name::VARCHAR, "
                "exchange::VARCHAR, type::VARCHAR, cik::VARCHAR, ? from fetched_listings",
                [today, self._source],
            )
            connection.execute("insert into fetches values ('listings', ?, null)", [today])
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
            connection.execute("insert into fetches values (?, ?, 1)", [f"shares {quarter}", today])
        return connection.sql(_REFERENCE)


# Names and the like hold for any session; numbers of companies are those of the last list that has the symbol. A symbol
# was listed by the first list that has it, and no longer by the first one of the same source after its last.
_REFERENCE = """
with spans as (
    select symbol, source, min(as_of) as listed, max(as_of) as last from listings group by symbol, source
),
ends as (
    select spans.symbol, spans.source, spans.listed, min(lists.as_of) as delisted
    from spans left join (select distinct source, as_of from listings) lists
        on lists.source = spans.source and lists.as_of > spans.last
    group by all
)
select symbol, name, exchange, type, null::VARCHAR as sector, null::VARCHAR as industry, null::VARCHAR as country,
    null::DOUBLE as market_cap, listings.as_of, listed, delisted, null::DOUBLE as shares_outstanding,
    null::DATE as shares_counted_on
from listings join ends using (symbol, source)
union all
select symbol, null, null, null, null, null, null, null, as_of, null, null, shares, counted_on
from (select symbol, arg_max(cik, as_of) as cik from listings where cik is not null group by symbol)
    join shares_outstanding using (cik)
"""


class _Ticker(msgspec.Struct):
    ticker: str
    name: str | None = None
    primary_exchange: str | None = None
    type: str | None = None
    cik: str | None = None


class _TickerPage(msgspec.Struct):
    status: str
    results: list[_Ticker] = []
    next_url: str | None = None


class _Fact(msgspec.Struct):
    cik: int
    end: date
    val: float


class _Frame(msgspec.Struct):
    data: list[_Fact]


class _SecTickers(msgspec.Struct):
    fields: list[str]
    data: list[list[int | str | None]]


async def vendor_listings(client: VendorClient, day: date) -> list[Listing]:
    """The vendor's active stocks as of a day."""
    found: list[Listing] = []
    address: str | None = "/v3/reference/tickers"
    parameters = {"market": "stocks", "active": "true", "date": str(day), "limit": "1000"}
    while address:
        page = await client.get(address, parameters, _decoder(_TickerPage))
        found += [
            Listing(one.ticker, one.name, one.primary_exchange, one.type, one.cik and one.cik.lstrip("0"))
            for one in page.results
        ]
        address, parameters = page.next_url, {}
    return found


async def nasdaq_listings(client: VendorClient) -> list[Listing]:
    """NASDAQ Trader's two lists, without test issues."""
    listed = await client.get("/dynamic/SymDir/nasdaqlisted.txt", {}, _table)
    other = await client.get("/dynamic/SymDir/otherlisted.txt", {}, _table)
    return [
        Listing(row.get("Symbol", ""), row["Security Name"], "XNAS", "ETF" if row["ETF"] == "Y" else None)
        for row in listed
        if row["Test Issue"] != "Y"
    ] + [
        Listing(
            row.get("ACT Symbol", ""), row["Security Name"], OTHER_EXCHANGES.get(row.get("Exchange", "")),
            "ETF" if row["ETF"] == "Y" else None,
        )
        for row in other
        if row["Test Issue"] != "Y"
    ]  # fmt: skip


async def sec_tickers(client: VendorClient) -> dict[str, str]:
    """The SEC's number of each ticker's company."""
    table = await client.get("/files/company_tickers_exchange.json", {}, _decoder(_SecTickers))
    try:
        cik, ticker = table.fields.index("cik"), table.fields.index("ticker")
    except ValueError as error:
        raise TransientError(f"the SEC's list has the fields {', '.join(table.fields)}") from error
    return {str(row[ticker]): str(row[cik]) for row in table.data}


async def sec_shares(client: VendorClient, quarter: str) -> list[Shares]:
    """Every company's shares outstanding of a quarter, such as `2025Q3`."""
    path = f"/api/xbrl/frames/dei/EntityCommonStockSharesOutstanding/shares/CY{quarter}I.json"
    frame = await client.get(path, {}, _decoder(_Frame))
    return [Shares(str(fact.cik), fact.end, fact.val) for fact in frame.data if fact.val > 0]


def quarters(first: date, last: date) -> Iterator[str]:
    """The quarters that have ended between two days, oldest first, as the SEC writes them."""
    year, quarter = first.year, (first.month - 1) // 3 + 1
    while True:
        end = date(year + quarter // 4, quarter % 4 * 3 + 1, 1)
        if end > last:
            return
        yield f"{year}Q{quarter}"
        year, quarter = (year + 1, 1) if quarter == 4 else (year, quarter + 1)


def _table(body: bytes) -> list[dict[str, str]]:
    """A list of NASDAQ Trader's: fields between bars, a header, and a last line that proves it complete."""
    header, *lines = body.decode("latin-1").splitlines() or [""]
    if not lines or not lines[-1].startswith("File Creation Time"):
        raise TransientError("a list without its last line")
    names = header.split("|")
    if not {"Security Name", "ETF", "Test Issue"} <= set(names):
        raise TransientError(f"a list with the columns {', '.join(names)}")
    rows: Sequence[list[str]] = [line.split("|") for line in lines[:-1] if line.strip()]
    if any(len(row) != len(names) for row in rows):
        raise TransientError("a list with broken lines")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _texts(texts: Sequence[str | None]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(texts, dtype=object)


def _days(days: Sequence[date]) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.array(days, dtype="datetime64[D]").astype(np.int32)


def _decoder(kind: type[Kind]) -> Callable[[bytes], Kind]:
    def read(body: bytes) -> Kind:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise TransientError(f"an answer that is not as documented: {error}") from error

    return read
