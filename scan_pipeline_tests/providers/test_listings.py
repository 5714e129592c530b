"""Lists of symbols and shares outstanding: each source optional, asked when due, and never more than was known.

All sources are one real HTTP server on loopback, with answers as the vendor, NASDAQ Trader and the SEC give them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Middleware

from scan_pipeline.errors import IngestError
from scan_pipeline.providers.http import Plan, VendorClient
from scan_pipeline.providers.listings import ReferenceLists, quarters
from scan_pipeline.providers.massive import MassiveProvider
from scan_pipeline_tests.desk import MON, THU, TUE, WED, Desk, bar
from scan_pipeline_tests.providers.vendor import KEY, Vendor

PLAN = Plan("test", 1000, 1)
NASDAQ = (
    "Symbol|Security Name|Market Category|Test Issue|Financial Status|Round Lot Size|ETF|NextShares\n"
    "AAA|Aaa Corporation - Common Stock|Q|N|N|100|N|N\nZVZZT|A Test Stock|G|Y|N|100|N|N\n"
    "File Creation Time: 1120202621:30|||||||\n"
)
OTHER = (
    "ACT Symbol|Security Name|Exchange|CQS Symbol|ETF|Round Lot Size|Test Issue|NASDAQ Symbol\n"
    "BBB|Bbb Trust|P|BBB|Y|100|N|BBB\nFile Creation Time: 1120202621:30|||||||\n"
)


@dataclass
class Sources:
    """What the server answers; a path in `refused` answers with that status."""

    tickers: list[dict[str, object]] = field(default_factory=list)
    facts: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    other: str = OTHER

    def make_app(self, middlewares: Sequence[Middleware]) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            path = request.path
            for start, status in self.refused.items():
                if path.startswith(start):
                    return web.json_response({"status": "NOT_AUTHORIZED", "message": "not yours"}, status=status)
            if path == "/v3/reference/tickers":
                place = int(request.query.get("cursor", "0"))
                body: dict[str, object] = {"status": "OK", "results": self.tickers[place : place + 1]}
                if place + 1 < len(self.tickers):
                    body["next_url"] = f"http://{request.host}{path}?cursor={place + 1}"
                return web.json_response(body)
            if path.startswith("/api/xbrl/frames/"):
                quarter = path.rpartition("/CY")[2].removesuffix("I.json")
                return web.json_response({"taxonomy": "dei", "data": self.facts.get(quarter, [])})
            if path == "/files/company_tickers_exchange.json":
                return web.json_response(
                    {"fields": ["cik", "name", "ticker", "exchange"], "data": [[7, "Aaa Corporation", "AAA", "Nasdaq"]]}
                )
            return web.Response(text=NASDAQ if path.endswith("nasdaqlisted.txt") else self.other)

        app = web.Application(middlewares=middlewares)
        app.router.add_get("/{path:.*}", answer)
        return app


@pytest.fixture
def sources() -> Sources:
    return Sources(
        tickers=[
            {"ticker": "AAA", "name": "Aaa Corporation", "primary_exchange": "XNAS", "type": "CS", "cik": "0000000007"},
            {"ticker": "BBB", "name": "Bbb Trust", "primary_exchange": "ARCX", "type": "ETF"},
        ]
    )


@pytest.fixture
def vendor(sources: Sources) -> Iterator[Vendor]:
    with Vendor(sources.make_app) as vendor:
        yield vendor


@pytest.fixture
def pipeline_of(desk: Desk) -> Desk:
    desk.parquet([bar(symbol, day, close=10.0) for symbol in ("AAA", "BBB") for day in (MON, TUE, WED, THU)])
    desk.ingest(MON, TUE, WED, THU)
    return desk


def provider(vendor: Vendor, folder: Path, *, contact: bool = True) -> MassiveProvider:
    def client(key: str = KEY) -> VendorClient:
        return VendorClient(vendor.url, key, PLAN, folder / "calls.sqlite", 4, 5, 1)

    addresses = (vendor.url, vendor.url, vendor.url)
    lists = ReferenceLists(client, lambda _: client(""), has_contact=contact, days=7, addresses=addresses)
    return MassiveProvider(PLAN, client, lists)


def last_quarter() -> str:
    return list(quarters(date(2020, 1, 1), date.today()))[-1]


def fact(counted_on: date, shares: float, cik: int = 7) -> dict[str, object]:
    return {"accn": "0001", "cik": cik, "entityName": "Aaa", "end": str(counted_on), "val": shares}


def universe(desk: Desk, vendor: Vendor, folder: Path, session: date = THU, *, contact: bool = True) -> str:
    """Builds the universe with the sources; what the asset says of them."""
    one = provider(vendor, folder, contact=contact)
    desk.pipeline.build_universe([session], one)
    return "; ".join(one.sources)


def rows(desk: Desk, columns: str, session: date = THU) -> list[tuple[object, ...]]:
    return desk.ask(f"select symbol, {columns} from universe where session = '{session}' order by symbol")


def test_names_exchanges_and_types_come_from_the_vendors_list_page_by_page(
    pipeline_of: Desk, vendor: Vendor, tmp_path: Path
) -> None:
    said = universe(pipeline_of, vendor, tmp_path)
    assert "massive, 2 symbols" in said
    assert rows(pipeline_of, "name, exchange, type") == [
        ("AAA", "Aaa Corporation", "XNAS", "CS"),
        ("BBB", "Bbb Trust", "ARCX", "ETF"),
    ]
    assert sum(asked.path == "/v3/reference/tickers" for asked in vendor.asked) == 2


def test_a_market_cap_is_shares_known_by_then_times_the_close(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    known, too_late = date(2015, 5, 1), date(2015, 7, 1)  # 30 days after the latter, the week is over
    sources.facts[last_quarter()] = [fact(known, 1_000_000), fact(too_late, 5_000_000)]
    universe(pipeline_of, vendor, tmp_path)
    assert rows(pipeline_of, "market_cap") == [("AAA", 10_000_000.0), ("BBB", None)]


def test_shares_counted_before_a_split_are_split_too(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.facts[last_quarter()] = [fact(date(2015, 5, 1), 1_000_000)]
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("insert into splits values ('AAA', ?, 1, 7, ?)", [WED, WED])
    universe(pipeline_of, vendor, tmp_path, TUE)
    universe(pipeline_of, vendor, tmp_path, THU)
    assert rows(pipeline_of, "market_cap", TUE)[0] == ("AAA", 10_000_000.0)
    assert rows(pipeline_of, "market_cap", THU)[0] == ("AAA", 70_000_000.0)


def test_a_halted_symbol_keeps_its_market_cap_over_a_split_until_it_trades_at_the_new_price(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.facts[last_quarter()] = [fact(date(2015, 5, 1), 1_000_000)]
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("delete from price_bars where symbol = 'AAA' and session >= ?", [WED])
        connection.execute("insert into splits values ('AAA', ?, 1, 7, ?)", [WED, WED])
    universe(pipeline_of, vendor, tmp_path)
    assert rows(pipeline_of, "market_cap, traded")[0] == ("AAA", 10_000_000.0, False)


def test_a_vendor_is_not_even_asked_for_the_demo_market(pipeline_of: Desk, vendor: Vendor, tmp_path: Path) -> None:
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("update ingested_sessions set provider = 'demo'")
    one = provider(vendor, tmp_path)
    with pytest.raises(IngestError, match="do not mix"):
        pipeline_of.pipeline.build_universe([THU], one)
    with pytest.raises(IngestError, match="do not mix"):
        pipeline_of.pipeline.record_splits(one)
    assert vendor.asked == []
    assert pipeline_of.ask("from listings") == []


@pytest.mark.parametrize("status", [403, 500])
def test_without_the_vendors_list_nasdaq_traders_is_used_and_the_sec_numbers_it(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path, status: int
) -> None:
    sources.refused["/v3/"] = status
    sources.facts[last_quarter()] = [fact(date(2015, 5, 1), 1_000_000)]
    said = universe(pipeline_of, vendor, tmp_path)
    assert f"massive gave no list: {vendor.url}" in said
    assert "NASDAQ Trader, 2 symbols" in said
    assert KEY not in said
    assert rows(pipeline_of, "name, exchange, type, market_cap") == [
        ("AAA", "Aaa Corporation - Common Stock", "XNAS", None, 10_000_000.0),
        ("BBB", "Bbb Trust", "ARCX", "ETF", None),
    ]
    assert not any(asked.authorization for asked in vendor.asked if not asked.path.startswith("/v3/"))


def test_with_no_source_at_all_the_universe_is_what_trades_and_every_failure_is_said(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused["/"] = 503
    said = universe(pipeline_of, vendor, tmp_path)
    for words in ("massive gave no list", "NASDAQ Trader gave no list", "the SEC gave no shares", "0 of 8 quarters"):
        assert words in said
    assert rows(pipeline_of, "name, market_cap") == [("AAA", None, None), ("BBB", None, None)]


def test_a_list_that_was_cut_short_is_not_used(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused["/v3/"] = 403
    sources.other = OTHER[: OTHER.index("File")]
    assert "NASDAQ Trader gave no list" in universe(pipeline_of, vendor, tmp_path)
    assert pipeline_of.ask("from listings") == []


def test_without_a_contact_the_sec_is_not_asked(pipeline_of: Desk, vendor: Vendor, tmp_path: Path) -> None:
    assert "SCAN_SEC_CONTACT is not set" in universe(pipeline_of, vendor, tmp_path, contact=False)
    assert {asked.path for asked in vendor.asked} == {"/v3/reference/tickers"}


def test_lists_are_asked_for_again_only_when_they_are_due(pipeline_of: Desk, vendor: Vendor, tmp_path: Path) -> None:
    universe(pipeline_of, vendor, tmp_path)
    first = len(vendor.asked)
    assert universe(pipeline_of, vendor, tmp_path).startswith("the list of ")
    assert len(vendor.asked) == first
    assert rows(pipeline_of, "name")[0] == ("AAA", "Aaa Corporation")
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("update fetches set fetched_on = fetched_on - 7")
    universe(pipeline_of, vendor, tmp_path)
    # Two pages of the list, and the two quarters for which companies still file.
    assert len(vendor.asked) == first + 4


def test_a_listed_symbol_without_a_bar_is_in_the_universe_from_its_first_list_until_one_lacks_it(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.tickers.append({"ticker": "CCC", "name": "Ccc Units", "type": "UNIT"})
    universe(pipeline_of, vendor, tmp_path)
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("update listings set as_of = ?", [TUE])
        connection.execute(
            "insert into listings select * replace (?::DATE as as_of) from listings where symbol <> 'CCC'", [THU]
        )
    said = {day: [symbol for symbol, *_ in rows(pipeline_of, "name", day)]
            for day in (MON, TUE, WED, THU)
            if universe(pipeline_of, vendor, tmp_path, day)}  # fmt: skip
    assert said == {
        MON: ["AAA", "BBB"], TUE: ["AAA", "BBB", "CCC"], WED: ["AAA", "BBB", "CCC"], THU: ["AAA", "BBB"],
    }  # fmt: skip
    assert rows(pipeline_of, "listed, traded", WED) == [("AAA", MON, True), ("BBB", MON, True), ("CCC", TUE, False)]


def test_quarters_are_those_that_have_ended() -> None:
    assert list(quarters(date(2024, 11, 30), date(2025, 9, 30))) == ["2024Q4", "2025Q1", "2025Q2"]
    assert list(quarters(date(2025, 7, 1), date(2025, 10, 1))) == ["2025Q3"]
