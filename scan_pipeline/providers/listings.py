"""Sources of listed symbols and of shares outstanding: the vendor, NASDAQ Trader and the SEC.

What belongs here: the shape of each source, and how it is read into `Listing` and `Shares`, with symbols and exchanges
written as the vendor writes them. What does not: which source is asked, and when (`reference.py`), and connections
(`http.py`). Nothing here costs a call a symbol.

- the vendor: `/v3/reference/tickers` as of a day, a thousand symbols a call;
- NASDAQ Trader's symbol directory, without a key: https://www.nasdaqtrader.com/trader.aspx?id=symboldirdefs;
- the SEC's list of tickers, and XBRL frames, which hold every company's shares outstanding of a quarter in one call:
  https://www.sec.gov/search-filings/edgar-application-programming-interfaces.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

import msgspec

from scan_pipeline.providers.http import TransientError, VendorClient

Kind = TypeVar("Kind")

#: A company states its shares as of a day shortly before it files; so many days later they count as known.
KNOWN_AFTER = timedelta(days=30)
#: The exchanges' codes (ISO 10383) behind the letters of NASDAQ Trader's other list.
OTHER_EXCHANGES = {"A": "XASE", "N": "XNYS", "P": "ARCX", "V": "IEXG", "Z": "BATS"}
#: The same behind the SEC's names. Its list also has symbols that trade over the counter, and some without a place.
SEC_EXCHANGES = {"Nasdaq": "XNAS", "NYSE": "XNYS", "CBOE": "BATS"}
#: How the SEC writes a preferred share, a warrant, a unit and a class of shares, and how everybody else does.
SEC_SUFFIXES = ((r"-P([A-Z]?)$", r"p\1"), (r"-WT$", ".WS"), (r"-UN$", ".U"), (r"-([A-Z])$", r".\1"))


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
            row.get("CQS Symbol") or row.get("ACT Symbol", ""), row["Security Name"],
            OTHER_EXCHANGES.get(row.get("Exchange", "")),
            "ETF" if row["ETF"] == "Y" else None,
        )
        for row in other
        if row["Test Issue"] != "Y"
    ]  # fmt: skip


async def sec_listings(client: VendorClient) -> list[Listing]:
    """The SEC's list: companies' symbols, hardly a fund. Without an exchange are those that trade over the counter."""
    table = await client.get("/files/company_tickers_exchange.json", {}, _decoder(_SecTickers))
    if not {"cik", "name", "ticker", "exchange"} <= set(table.fields):
        raise TransientError(f"the SEC's list has the fields {', '.join(table.fields)}")
    rows = [dict(zip(table.fields, row, strict=False)) for row in table.data]
    return [
        Listing(
            _sec_symbol(str(row["ticker"])), str(row["name"]), SEC_EXCHANGES.get(str(row.get("exchange"))),
            cik=str(row["cik"]),
        )
        for row in rows
        if row.get("ticker") and row.get("cik")
    ]  # fmt: skip


def _sec_symbol(ticker: str) -> str:
    for suffix, ours in SEC_SUFFIXES:
        changed = re.sub(suffix, ours, ticker)
        if changed != ticker:
            return changed
    return ticker


async def sec_shares(client: VendorClient, quarter: str) -> list[Shares]:
    """Every company's shares outstanding of a quarter, such as `2025Q3`."""
    path = f"/api/xbrl/frames/dei/EntityCommonStockSharesOutstanding/shares/CY{quarter}I.json"
    frame = await client.get(path, {}, _decoder(_Frame))
    return [Shares(str(fact.cik), fact.end, fact.val) for fact in frame.data if fact.val > 0]


def quarters(first: date, last: date) -> Iterator[str]:
    """The quarters that have ended between two days, oldest first, as the SEC writes them."""
    year, number = first.year, (first.month - 1) // 3 + 1
    while ended_on(f"{year}Q{number}") <= last:
        yield f"{year}Q{number}"
        year, number = (year + 1, 1) if number == 4 else (year, number + 1)


def ended_on(quarter: str) -> date:
    """The first day after a quarter."""
    year, number = map(int, quarter.split("Q"))
    return date(year + number // 4, number % 4 * 3 + 1, 1)


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


def _decoder(kind: type[Kind]) -> Callable[[bytes], Kind]:
    def read(body: bytes) -> Kind:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise TransientError(f"an answer that is not as documented: {error}") from error

    return read
