"""Lists of symbols and shares outstanding: each source optional, asked when due, and never more than was known.

All sources are one real HTTP server on loopback, with answers as the vendor, NASDAQ Trader and the SEC give them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Middleware

from scan_pipeline.errors import IngestError
from scan_pipeline.providers.http import Plan, VendorClient
from scan_pipeline.providers.listings import ended_on, quarters
from scan_pipeline.providers.massive import MassiveProvider
from scan_pipeline.providers.reference import ReferenceLists
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline.store.reference import build_universe
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
TICKERS = "/v3/reference/tickers"
SEC_TICKERS = "/files/company_tickers_exchange.json"
#: The quarter that ended last before the week of the tests.
QUARTER = "2015Q2"


@dataclass
class Sources:
    """What the server answers; a path in `refused` answers with that status.

    `tickers` are those of any day, but for days in `tickers_on`.
    """

    tickers: list[dict[str, object]] = field(default_factory=list)
    tickers_on: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    sec_tickers: list[list[object]] = field(default_factory=lambda: [[7, "Aaa Corporation", "AAA", "Nasdaq"]])
    facts: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    other: str = OTHER

    def make_app(self, middlewares: Sequence[Middleware]) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            path = request.path
            for start, status in self.refused.items():
                if path.startswith(start):
                    return web.json_response({"status": "NOT_AUTHORIZED", "message": "not yours"}, status=status)
            if path == TICKERS:
                day, _, number = request.query.get("cursor", request.query.get("date", "")).partition("~")
                tickers, place = self.tickers_on.get(day, self.tickers), int(number or "0")
                body: dict[str, object] = {"status": "OK", "results": tickers[place : place + 1]}
                if place + 1 < len(tickers):
                    body["next_url"] = f"http://{request.host}{path}?cursor={day}~{place + 1}"
                return web.json_response(body)
            if path.startswith("/api/xbrl/frames/"):
                quarter = path.rpartition("/CY")[2].removesuffix("I.json")
                return web.json_response({"taxonomy": "dei", "data": self.facts.get(quarter, [])})
            if path == SEC_TICKERS:
                return web.json_response({"fields": ["cik", "name", "ticker", "exchange"], "data": self.sec_tickers})
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
    """A week of two symbols, years ago."""
    desk.parquet([bar(symbol, day, close=10.0) for symbol in ("AAA", "BBB") for day in (MON, TUE, WED, THU)])
    desk.ingest(MON, TUE, WED, THU)
    return desk


@pytest.fixture
def recent(desk: Desk) -> Desk:
    """The same two symbols on the last session that has closed."""
    latest = str(latest_of(desk))
    desk.parquet([bar(symbol, latest, close=10.0) for symbol in ("AAA", "BBB")])
    desk.ingest(latest)
    return desk


def latest_of(desk: Desk) -> date:
    return desk.pipeline.calendar.latest_closed()


def today() -> date:
    return datetime.now(NEW_YORK).date()


def provider(desk: Desk, vendor: Vendor, folder: Path, *, contact: bool = True, days: int = 7) -> MassiveProvider:
    def client(key: str = KEY) -> VendorClient:
        return VendorClient(vendor.url, key, PLAN, folder / "calls.sqlite", 4, 5, 1)

    lists = ReferenceLists(
        client,
        lambda _: client(""),
        has_contact=contact,
        days=days,
        latest_closed=desk.pipeline.calendar.latest_closed,
        addresses=(vendor.url, vendor.url, vendor.url),
    )
    return MassiveProvider(PLAN, client, lists)


def fact(counted_on: date, shares: float, cik: int = 7) -> dict[str, object]:
    return {"accn": "0001", "cik": cik, "entityName": "Aaa", "end": str(counted_on), "val": shares}


def universe(desk: Desk, vendor: Vendor, folder: Path, *sessions: str | date, contact: bool = True) -> str:
    """Builds the universe of the sessions (Thursday, where none are given); what the asset says of the sources."""
    one = provider(desk, vendor, folder, contact=contact)
    asked = len(vendor.asked)
    desk.pipeline.build_universe([date.fromisoformat(str(day)) for day in sessions or (THU,)], one)
    assert one.calls == len(vendor.asked) - asked
    return "; ".join(one.sources)


def lists_asked_for(vendor: Vendor) -> list[str]:
    """The days of which the vendor was asked for a list, in order of asking."""
    return [asked.query["date"] for asked in vendor.asked if asked.path == TICKERS and "date" in asked.query]


def last_quarter(day: date) -> str:
    return list(quarters(date(2020, 1, 1), day))[-1]


def fetches(desk: Desk, beginning: str) -> list[tuple[object, ...]]:
    return desk.ask("from fetches where starts_with(what, ?) order by what", beginning)


def fetch_list(desk: Desk, vendor: Vendor, folder: Path, day: str) -> None:
    """Has the list of that very day fetched and kept."""
    desk.pipeline.build_universe(
        [date.fromisoformat(day)], provider(desk, vendor, folder, contact=False, days=1)
    )  # fmt: skip


def members(desk: Desk, vendor: Vendor, folder: Path) -> dict[str, list[object]]:
    """The universe of every day that there is a bar of, built from the lists that are held."""
    days = [day for (day,) in desk.ask("select distinct session from price_bars order by session")]
    lists = provider(desk, vendor, folder).reference
    with desk.pipeline.store.write() as connection:
        build_universe(connection, [date.fromisoformat(day) for day in days], desk.pipeline.calendar, lists(connection))
    return {day: [symbol for symbol, *_ in rows(desk, "name", day)] for day in days}


def ticker(symbol: str, **values: object) -> dict[str, object]:
    return {"ticker": symbol, "name": symbol, "primary_exchange": "XNAS", "type": "CS"} | values


def rows(desk: Desk, columns: str, session: str | date = THU) -> list[tuple[object, ...]]:
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
    assert sum(asked.path == TICKERS for asked in vendor.asked) == 2
    assert lists_asked_for(vendor) == [THU]


def test_a_market_cap_is_shares_known_by_then_times_the_close(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    known, too_late = date(2015, 5, 1), date(2015, 7, 1)  # 30 days after the latter, the week is over
    sources.facts[QUARTER] = [fact(known, 1_000_000), fact(too_late, 5_000_000)]
    universe(pipeline_of, vendor, tmp_path)
    assert rows(pipeline_of, "market_cap") == [("AAA", 10_000_000.0), ("BBB", None)]


def test_shares_counted_before_a_split_are_split_too(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.facts[QUARTER] = [fact(date(2015, 5, 1), 1_000_000)]
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("insert into splits values ('AAA', ?, 1, 7, ?)", [WED, WED])
    universe(pipeline_of, vendor, tmp_path, TUE)
    universe(pipeline_of, vendor, tmp_path, THU)
    assert rows(pipeline_of, "market_cap", TUE)[0] == ("AAA", 10_000_000.0)
    assert rows(pipeline_of, "market_cap", THU)[0] == ("AAA", 70_000_000.0)


def test_a_halted_symbol_keeps_its_market_cap_over_a_split_until_it_trades_at_the_new_price(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.facts[QUARTER] = [fact(date(2015, 5, 1), 1_000_000)]
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("delete from price_bars where symbol = 'AAA' and session >= ?", [WED])
        connection.execute("insert into splits values ('AAA', ?, 1, 7, ?)", [WED, WED])
    universe(pipeline_of, vendor, tmp_path)
    assert rows(pipeline_of, "market_cap, traded")[0] == ("AAA", 10_000_000.0, False)


def test_a_vendor_is_not_even_asked_for_the_demo_market(pipeline_of: Desk, vendor: Vendor, tmp_path: Path) -> None:
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("update ingested_sessions set provider = 'demo'")
    one = provider(pipeline_of, vendor, tmp_path)
    with pytest.raises(IngestError, match="do not mix"):
        pipeline_of.pipeline.build_universe([date.fromisoformat(THU)], one)
    with pytest.raises(IngestError, match="do not mix"):
        pipeline_of.pipeline.record_splits(one)
    assert vendor.asked == []
    assert pipeline_of.ask("from listings") == []


@pytest.mark.parametrize("status", [403, 500])
def test_without_the_vendors_list_nasdaq_traders_is_used_and_the_sec_numbers_it(
    recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path, status: int
) -> None:
    latest = latest_of(recent)
    sources.refused["/v3/"] = status
    sources.facts[last_quarter(latest)] = [fact(latest - timedelta(days=60), 1_000_000)]
    said = universe(recent, vendor, tmp_path, latest)
    assert f"massive gave no list of {latest}: {vendor.url}" in said
    assert f"NASDAQ Trader, 2 symbols of {today()}" in said
    assert KEY not in said
    assert rows(recent, "name, exchange, type, market_cap", latest) == [
        ("AAA", "Aaa Corporation - Common Stock", "XNAS", None, 10_000_000.0),
        ("BBB", "Bbb Trust", "ARCX", "ETF", None),
    ]
    assert not any(asked.authorization for asked in vendor.asked if not asked.path.startswith("/v3/"))
    # The vendor's refusal, two files of NASDAQ Trader's and one of the SEC's.
    assert fetches(recent, "listings") == [(f"listings {today()}", str(today()), 4)]


def test_without_that_one_too_the_secs_list_is_used_but_for_what_trades_over_the_counter(
    recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    latest = latest_of(recent)
    sources.refused |= {"/v3/": 403, "/dynamic/": 503}
    sources.facts[last_quarter(latest)] = [fact(latest - timedelta(days=60), 1_000_000)]
    sources.sec_tickers += [
        [8, "Bbb Inc", "BBB", "NYSE"],
        [9, "Berkshire", "BRK-B", "NYSE"],
        [10, "Kimco", "KIM-PL", "NYSE"],
        [11, "Ccc", "CCC-WT", "NYSE"],
        [11, "Ccc", "CCC-UN", "NYSE"],
        [12, "Cboe", "CBOE", "CBOE"],
        [13, "Otc Ltd", "OTCCC", "OTC"],
        [14, "Nowhere", "NWHR", None],
    ]
    said = universe(recent, vendor, tmp_path, latest)
    assert f"NASDAQ Trader gave no list of {today()}" in said
    assert f"SEC, 7 symbols of {today()}" in said
    assert recent.ask("select symbol, exchange, cik, source from listings order by symbol") == [
        ("AAA", "XNAS", "7", "SEC"),
        ("BBB", "XNYS", "8", "SEC"),
        ("BRK.B", "XNYS", "9", "SEC"),
        ("CBOE", "BATS", "12", "SEC"),
        ("CCC.U", "XNYS", "11", "SEC"),
        ("CCC.WS", "XNYS", "11", "SEC"),
        ("KIMpL", "XNYS", "10", "SEC"),
    ]
    assert rows(recent, "name, exchange, market_cap", latest)[:2] == [
        ("AAA", "Aaa Corporation", "XNAS", 10_000_000.0),
        ("BBB", "Bbb Inc", "XNYS", None),
    ]


def test_the_secs_list_is_not_asked_for_without_a_contact(
    recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused |= {"/v3/": 403, "/dynamic/": 503}
    universe(recent, vendor, tmp_path, latest_of(recent), contact=False)
    assert {asked.path for asked in vendor.asked} == {TICKERS, "/dynamic/SymDir/nasdaqlisted.txt"}
    assert recent.ask("from listings") == []


def test_todays_lists_are_not_used_for_a_session_of_long_ago_and_that_is_said(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused["/v3/"] = 403
    said = universe(pipeline_of, vendor, tmp_path, contact=False)
    assert f"massive gave no list of {THU}" in said
    assert f"no list of {THU} was to be had" in said
    assert {asked.path for asked in vendor.asked} == {TICKERS}
    assert pipeline_of.ask("from listings") == fetches(pipeline_of, "listings") == []


def test_a_list_of_today_is_not_fetched_again_where_the_vendor_has_none(
    recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused["/v3/"] = 403
    for _ in range(2):
        universe(recent, vendor, tmp_path, latest_of(recent))
    assert sum(asked.path.startswith("/dynamic/") for asked in vendor.asked) == 2


def test_preferred_shares_and_warrants_are_written_as_the_vendor_writes_them(
    recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused["/v3/"] = 403
    lines = "KIM$L|Kimco Preferred|N|KIMpL|N|100|N|KIM-L\nAAM.W|Aam Warrants|N|AAM.WS|N|100|N|AAM+\n"
    sources.other = OTHER.replace("File Creation", lines + "File Creation")
    universe(recent, vendor, tmp_path, latest_of(recent))
    assert recent.ask("select symbol from listings order by symbol") == [("AAA",), ("AAM.WS",), ("BBB",), ("KIMpL",)]


def test_an_empty_list_is_none(recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path) -> None:
    sources.tickers.clear()
    latest = latest_of(recent)
    said = universe(recent, vendor, tmp_path, latest)
    assert f"massive gave no list of {latest}: it is empty" in said
    assert "NASDAQ Trader, 2 symbols" in said


def test_with_no_source_at_all_the_universe_is_what_trades_and_every_failure_is_said(
    recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.refused["/"] = 503
    said = universe(recent, vendor, tmp_path, latest_of(recent))
    for words in ("massive", "NASDAQ Trader", "SEC"):
        assert f"{words} gave no list of " in said
    assert f"the SEC gave no shares of {last_quarter(latest_of(recent))}" in said
    assert "outstanding, 0 of" in said
    assert rows(recent, "name, market_cap", latest_of(recent)) == [("AAA", None, None), ("BBB", None, None)]
    assert recent.ask("from fetches") == []


def test_a_list_that_was_cut_short_is_not_used(recent: Desk, vendor: Vendor, sources: Sources, tmp_path: Path) -> None:
    sources.refused["/v3/"] = 403
    sources.other = OTHER[: OTHER.index("File")]
    assert "NASDAQ Trader gave no list" in universe(recent, vendor, tmp_path, latest_of(recent), contact=False)
    assert recent.ask("from listings") == []


def test_without_a_contact_the_sec_is_not_asked(pipeline_of: Desk, vendor: Vendor, tmp_path: Path) -> None:
    assert "SCAN_SEC_CONTACT is not set" in universe(pipeline_of, vendor, tmp_path, contact=False)
    assert {asked.path for asked in vendor.asked} == {TICKERS}


def test_lists_are_asked_for_again_only_when_they_are_due(recent: Desk, vendor: Vendor, tmp_path: Path) -> None:
    latest = latest_of(recent)
    universe(recent, vendor, tmp_path, latest)
    first = len(vendor.asked)
    assert universe(recent, vendor, tmp_path, latest).startswith(f"the list of {latest};")
    assert len(vendor.asked) == first
    assert rows(recent, "name", latest)[0] == ("AAA", "Aaa Corporation")
    assert fetches(recent, "listings") == [(f"listings {latest}", str(today()), 2)]
    with recent.pipeline.store.write() as connection:
        connection.execute("update fetches set fetched_on = fetched_on - 7")
        connection.execute("update fetches set what = ? where what = ?",
                           [f"listings {latest - timedelta(days=7)}", f"listings {latest}"])  # fmt: skip
    vendor.asked.clear()
    universe(recent, vendor, tmp_path, latest)
    assert lists_asked_for(vendor) == [str(latest)]
    # Beside it, only the quarters for which companies still file.
    quarters_asked = [asked.path for asked in vendor.asked if asked.path != TICKERS]
    assert len(vendor.asked) == 2 + len(quarters_asked)
    assert 1 <= len(quarters_asked) <= 3
    assert last_quarter(latest) in quarters_asked[-1]


def test_a_long_range_costs_the_lists_of_its_first_and_its_last_session(
    pipeline_of: Desk, vendor: Vendor, tmp_path: Path
) -> None:
    year = pipeline_of.pipeline.calendar.between(date(2014, 7, 16), date.fromisoformat(THU))
    said = universe(pipeline_of, vendor, tmp_path, *reversed(year))
    assert lists_asked_for(vendor) == ["2014-07-16", THU]
    assert f"massive, 2 symbols of 2014-07-16; massive, 2 symbols of {THU}" in said
    assert pipeline_of.ask("select distinct as_of from listings order by as_of") == [("2014-07-16",), (THU,)]
    # Three years of quarters, a call each.
    assert sum(asked.path.startswith("/api/xbrl/") for asked in vendor.asked) == 12
    vendor.asked.clear()
    universe(pipeline_of, vendor, tmp_path, *year)
    assert vendor.asked == []


def test_a_list_serves_the_days_after_it_but_no_day_before_it(
    pipeline_of: Desk, vendor: Vendor, tmp_path: Path
) -> None:
    universe(pipeline_of, vendor, tmp_path, TUE)
    assert universe(pipeline_of, vendor, tmp_path, WED, THU).startswith(f"the list of {TUE};")
    assert lists_asked_for(vendor) == [TUE]
    universe(pipeline_of, vendor, tmp_path, MON, WED)
    assert lists_asked_for(vendor) == [TUE, MON]
    universe(pipeline_of, vendor, tmp_path, "2015-07-20")
    assert lists_asked_for(vendor) == [TUE, MON]
    universe(pipeline_of, vendor, tmp_path, "2015-07-21")
    assert lists_asked_for(vendor) == [TUE, MON, "2015-07-21"]


def test_a_list_of_the_first_session_serves_a_last_one_of_the_same_week(
    pipeline_of: Desk, vendor: Vendor, tmp_path: Path
) -> None:
    said = universe(pipeline_of, vendor, tmp_path, MON, TUE, WED)
    assert said.startswith(f"massive, 2 symbols of {MON}; the SEC's")
    assert lists_asked_for(vendor) == [MON]


def test_a_list_that_was_noted_without_its_day_is_of_the_day_of_its_fetch(
    pipeline_of: Desk, vendor: Vendor, tmp_path: Path
) -> None:
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute(
            "insert into fetches values ('listings', ?, null), ('listings', ?, null)", [MON, "2015-06-01"]
        )
    assert universe(pipeline_of, vendor, tmp_path, "2015-06-02", THU).startswith(
        f"the list of 2015-06-01; the list of {MON};"
    )
    assert lists_asked_for(vendor) == []


def test_one_list_that_cannot_be_had_does_not_keep_the_other_from_being_used(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    vendor.fault = lambda _, asked: "500" if asked.query.get("date") == "2014-07-16" else ""
    said = universe(pipeline_of, vendor, tmp_path, "2014-07-16", THU)
    assert "massive gave no list of 2014-07-16" in said
    assert "no list of 2014-07-16 was to be had" in said
    assert f"massive, 2 symbols of {THU}" in said
    assert rows(pipeline_of, "exchange") == [("AAA", "XNAS"), ("BBB", "ARCX")]


@pytest.mark.parametrize("order", [(TUE, THU), (THU, TUE)])
def test_a_listed_symbol_without_a_bar_is_in_the_universe_from_its_first_list_until_one_lacks_it(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path, order: tuple[str, str]
) -> None:
    sources.tickers_on[TUE] = [*sources.tickers, ticker("CCC", type="UNIT")]
    for day in order:
        fetch_list(pipeline_of, vendor, tmp_path, day)
    assert members(pipeline_of, vendor, tmp_path) == {
        MON: ["AAA", "BBB"], TUE: ["AAA", "BBB", "CCC"], WED: ["AAA", "BBB", "CCC"], THU: ["AAA", "BBB"],
    }  # fmt: skip
    assert rows(pipeline_of, "listed, traded", WED) == [("AAA", MON, True), ("BBB", MON, True), ("CCC", TUE, False)]


@pytest.mark.parametrize("order", [(MON, WED, THU), (THU, WED, MON), (THU, MON, WED)])
def test_a_later_list_that_has_a_symbol_again_does_not_add_it_to_the_days_between(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path, order: tuple[str, ...]
) -> None:
    for day in (MON, THU):
        sources.tickers_on[day] = [*sources.tickers, ticker("CCC")]
    for day in order:
        fetch_list(pipeline_of, vendor, tmp_path, day)
    assert [day for day, symbols in members(pipeline_of, vendor, tmp_path).items() if "CCC" in symbols] == [
        MON,
        TUE,
        THU,
    ]


def test_a_symbol_that_stopped_trading_does_not_stay_for_a_year_on_the_word_of_an_old_list(
    desk: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    days = [str(day) for day in desk.pipeline.calendar.between(date(2015, 7, 13), date(2015, 9, 30))]
    desk.parquet([bar("AAA", day) for day in days] + [bar("GONE", days[0]), bar("HALT", days[0])])
    desk.ingest(*days)
    gone, halted, never = ticker("GONE"), ticker("HALT"), ticker("NVR")
    sources.tickers_on[days[0]] = [*sources.tickers, gone, halted, never]
    sources.tickers_on[days[30]] = [*sources.tickers, halted, never]
    sources.tickers_on[days[-1]] = [*sources.tickers, never]
    for day in (days[0], days[30], days[-1]):
        fetch_list(desk, vendor, tmp_path, day)
    found = members(desk, vendor, tmp_path)
    # Twenty sessions without a bar, whatever the first list said; a later list that has it is good for twenty more.
    assert [day for day in days if "GONE" in found[day]] == days[:20]
    assert [day for day in days if "HALT" in found[day]] == days[:20] + days[30:50]
    assert [day for day in days if "NVR" in found[day]] == days


@pytest.mark.parametrize("kind", ["WARRANT", "PFD", "ADRC", "ETN", "UNIT", "RIGHT"])
def test_a_companys_shares_make_no_market_cap_of_what_is_no_share_of_its_own(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path, kind: str
) -> None:
    sources.facts[QUARTER] = [fact(date(2015, 5, 1), 1_000_000)]
    sources.tickers[1] |= {"type": kind, "cik": "0000000007"}
    universe(pipeline_of, vendor, tmp_path)
    assert rows(pipeline_of, "market_cap") == [("AAA", 10_000_000.0), ("BBB", None)]


def test_each_class_of_shares_has_the_market_cap_of_the_company_at_its_own_price(
    pipeline_of: Desk, vendor: Vendor, sources: Sources, tmp_path: Path
) -> None:
    sources.facts[QUARTER] = [fact(date(2015, 5, 1), 1_000_000)]
    sources.tickers[1] |= {"type": "CS", "cik": "0000000007"}
    with pipeline_of.pipeline.store.write() as connection:
        connection.execute("update price_bars set close = 11 where symbol = 'BBB'")
    universe(pipeline_of, vendor, tmp_path)
    assert rows(pipeline_of, "market_cap") == [("AAA", 10_000_000.0), ("BBB", 11_000_000.0)]


def test_shares_are_asked_for_as_far_back_as_the_sessions_need_them(
    pipeline_of: Desk, vendor: Vendor, tmp_path: Path
) -> None:
    universe(pipeline_of, vendor, tmp_path)
    asked = [asked.path.rpartition("/CY")[2] for asked in vendor.asked if asked.path.startswith("/api/")]
    assert asked == [f"{quarter}I.json" for quarter in quarters(date(2013, 7, 1), date(2015, 7, 1))]


def test_quarters_are_those_that_have_ended() -> None:
    assert list(quarters(date(2024, 11, 30), date(2025, 9, 30))) == ["2024Q4", "2025Q1", "2025Q2"]
    assert list(quarters(date(2025, 7, 1), date(2025, 10, 1))) == ["2025Q3"]
    assert [str(ended_on(quarter)) for quarter in ("2024Q4", "2025Q1")] == ["2025-01-01", "2025-04-01"]
