"""The open session on provisional bars: right at every moment, marked everywhere, and gone without a trace at night.

The vendor is real HTTP on loopback: `providers/snapshot_vendor.py`.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scan_pipeline.errors import IngestError, SessionError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.snapshot import SNAPSHOT
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline.settings import Settings
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.gateway.serving import serving
from scan_pipeline_tests.killed import left_by_kills
from scan_pipeline_tests.providers.snapshot_vendor import NOTHING, OpenMarket, open_market, ticker, vendor_of
from scan_pipeline_tests.providers.vendor import GROUPED, KEY, Vendor
from scan_pipeline_tests.scans import change, content, copy_of, prepare, query, write_scanner

TODAY, YESTERDAY, TOMORROW = date(2025, 9, 25), date(2025, 9, 24), date(2025, 9, 26)
RESULTS = ("scan_results", "scanner_outcomes", "features")
SCANNERS = {
    "mine": "-- rank: change_pct desc\n-- limit: 20\nselect session, symbol, change_pct from features",
    "ranks": "select session, symbol, percent_rank() over (order by change_pct) as place from features "
    "qualify place > 0.9",
    "looks_back": "select features.session, features.symbol, avg(bars.close) as mean from features "
    "join bars using (symbol) where features.symbol < 'D' group by all",
}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def base(
    demo_pipeline: Pipeline,
    few_built_in: None,
    settings_at: SettingsFactory,
    tmp_path_factory: pytest.TempPathFactory,
) -> Pipeline:
    """A store on the morning of TODAY: the history up to yesterday, which is scanned. Do not write to it; copy it."""
    pipeline = copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("base"))
    for table in ("price_bars", "ingested_sessions", "rejected_bars"):
        change(pipeline, f"delete from {table} where session >= ?", TODAY)
    for name, text in SCANNERS.items():
        write_scanner(pipeline, name, text)
    list(prepare(pipeline, [YESTERDAY]).scan([YESTERDAY], "yesterday"))
    return pipeline


@pytest.fixture
def market(demo_pipeline: Pipeline) -> OpenMarket:
    return open_market(demo_pipeline, TODAY)


@pytest.fixture
def vendor(demo_pipeline: Pipeline, market: OpenMarket) -> Iterator[Vendor]:
    with vendor_of(demo_pipeline, market) as vendor:
        yield vendor


MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def pipeline_at(
    base: Pipeline, settings_at: SettingsFactory, tmp_path: Path, vendor: Vendor, market: OpenMarket
) -> MakePipeline:
    """`pipeline_at(folder, of=base, clock=…)`: a copy of a store, whose bars come from the vendor."""

    def make(folder: str, of: Pipeline = base, clock: Callable[[], datetime] = lambda: market.now) -> Pipeline:
        settings = settings_at(tmp_path / folder, provider="massive", massive_url=vendor.url, massive_plan="paid")
        shutil.copy(of.settings.database_path, settings.database_path)
        shutil.copytree(base.settings.scanners_dir, settings.scanners_dir)
        return Pipeline(settings, clock=clock)

    return make


@pytest.fixture
def pipeline(pipeline_at: MakePipeline) -> Pipeline:
    return pipeline_at("mine")


def scan_now(pipeline: Pipeline, run_id: str = "now", session: date = TODAY) -> Any:
    """What the job `intraday_scan` does; the changes that it found."""
    pipeline.ingest_provisional(session, run_id)
    pipeline.build_universe([session])
    pipeline.screen([session], pipeline.settings.screen)
    [found] = pipeline.find_changes([session], run_id)
    list(pipeline.scan([session], run_id, incremental=True))
    return found


def night(pipeline: Pipeline, session: date = TODAY) -> Pipeline:
    """What the job `nightly_scan` does, long after the close."""
    late = Pipeline(pipeline.settings)
    list(late.ingest([session], "night"))
    list(prepare(late, [session]).scan([session], "night"))
    return late


def results(pipeline: Pipeline) -> dict[str, Any]:
    return {table: content(pipeline, table, [TODAY]) for table in RESULTS}


def full_scan_of(pipeline: Pipeline, pipeline_at: MakePipeline, folder: str) -> dict[str, Any]:
    """What a store with the same bars, that was never scanned, gives."""
    fresh = pipeline_at(folder, pipeline)
    for table in ("scan_results", "scanner_outcomes", "kept_features", "kept_scores", "market_context",
                      "scan_fingerprints", "incremental_deltas"):  # fmt: skip
        change(fresh, f"delete from {table}")
    list(prepare(fresh, [TODAY]).scan([TODAY], "full"))
    return results(fresh)


def everything(pipeline: Pipeline) -> dict[str, Any]:
    """All that is stored of TODAY, but for when and by which run."""
    tables = ("price_bars", "rejected_bars", "universe", "prefiltered_symbols", *RESULTS)
    accounts = query(pipeline, "select * exclude (ingested_at, run_id) from ingested_sessions order by session")
    revisions = query(pipeline, "from bar_revisions")
    return {table: content(pipeline, table, [TODAY]) for table in tables} | {"held": accounts, "revised": revisions}


def test_a_morning_of_snapshots_is_right_at_every_moment_and_the_night_is_as_if_there_had_been_none(
    pipeline: Pipeline, pipeline_at: MakePipeline, market: OpenMarket, vendor: Vendor
) -> None:
    seen = []
    for market.moment in range(3):
        vendor.asked.clear()
        scan_now(pipeline, f"moment {market.moment}")
        assert [asked.path for asked in vendor.asked] == [SNAPSHOT], "one call, and no other"
        seen.append(results(pipeline))
        assert seen[-1] == full_scan_of(pipeline, pipeline_at, f"full_{market.moment}")
    assert seen[0] != seen[1] != seen[2]
    assert all(one["scan_results"] for one in seen)

    vendor.asked.clear()
    evening = everything(night(pipeline))
    assert vendor.sessions == [TODAY]
    assert evening == everything(night(pipeline_at("never_saw_one")))
    assert evening["revised"] == []
    assert query(pipeline, "select count(*) from price_bars where provisional") == [(0,)]


def test_only_symbols_whose_bar_is_another_are_scanned_again(pipeline: Pipeline, market: OpenMarket) -> None:
    assert set(scan_now(pipeline).rescanned) == {"new_bar"}
    before = dict(query(pipeline, "select symbol, hash(open, high, low, close, volume) from price_bars "
                        "where session = ?", TODAY))  # fmt: skip
    assert scan_now(pipeline).rescan == 0
    market.moment = 1
    found = scan_now(pipeline)
    after = dict(query(pipeline, "select symbol, hash(open, high, low, close, volume) from price_bars "
                       "where session = ?", TODAY))  # fmt: skip
    named = {symbol for (symbol,) in query(
        pipeline, "select symbol from incremental_deltas where session = ? and change <> 'none'", TODAY
    )}  # fmt: skip
    assert named == {symbol for symbol in after if after[symbol] != before[symbol]}
    assert 0 < found.rescan < found.symbols


def test_bars_that_do_not_change_any_more_become_final_all_the_same(
    pipeline: Pipeline, pipeline_at: MakePipeline, market: OpenMarket
) -> None:
    market.moment = 3
    scan_now(pipeline)
    late = Pipeline(pipeline.settings)
    list(late.ingest([TODAY], "night"))
    prepare(late, [TODAY])
    [found] = late.find_changes([TODAY], "night")
    list(late.scan([TODAY], "night", incremental=True))
    # The list of symbols is fetched at night: that is another reference, and no bar is another.
    assert {"new_bar", "revised", "split"}.isdisjoint(found.changes)
    assert query(late, "select distinct provisional, snapshot_at from scanner_outcomes where session = ?", TODAY) == [
        (False, None)
    ]
    assert results(late) == results(night(pipeline_at("never_saw_one")))


def test_what_is_made_of_provisional_bars_says_so_everywhere(pipeline: Pipeline, market: OpenMarket) -> None:
    scan_now(pipeline)
    for table in ("price_bars", "ingested_sessions", "scan_results", "scanner_outcomes"):
        marked = query(pipeline, f"select session, bool_and(provisional), bool_or(provisional) from {table} "
                       "where session in (?, ?) group by all order by all", YESTERDAY, TODAY)  # fmt: skip
        assert marked == [(YESTERDAY, False, False), (TODAY, True, True)], table
    published = duckdb.sql(f"select distinct provisional from '{pipeline.settings.results_dir / f'{TODAY}.parquet'}'")
    assert published.fetchall() == [(True,)]
    assert query(pipeline, "select distinct snapshot_at from scanner_outcomes where provisional") == [
        (datetime(2025, 9, 25, 14, 30),)
    ]
    [facts] = pipeline.explain("SPY", TODAY).facts["price_bars"]
    assert facts["provisional"]


def test_a_provisional_session_is_nothing_that_a_rerun_or_the_sensor_works_on(pipeline: Pipeline) -> None:
    scan_now(pipeline)
    assert pipeline.rerun_sessions() == [YESTERDAY]
    with pytest.raises(SessionError, match="has not been scanned yet"):
        pipeline.rerun_sessions(TODAY)
    write_scanner(pipeline, "mine", SCANNERS["mine"].replace("20", "10"))
    assert pipeline.stale_sessions() == [YESTERDAY]


def test_the_gateway_shows_no_provisional_session(pipeline: Pipeline, market: OpenMarket) -> None:
    scan_now(pipeline)
    with serving(pipeline) as served:
        assert served.get(f"{GROUPED}{TODAY}").rows == []
        days = served.get(f"/v2/aggs/ticker/SPY/range/1/day/2025-09-20/{TODAY}", adjusted="false").rows
        assert len(days) == 3
        held = query(pipeline, "select close from price_bars where symbol = 'SPY' and session = ?", YESTERDAY)
        assert [(row["c"],) for row in served.get("/v2/aggs/ticker/SPY/prev", adjusted="false").rows] == held
        assert (days[-1]["c"],) == held[0]
    with serving(night(pipeline)) as served:
        assert len(served.get(f"{GROUPED}{TODAY}").rows) == len(market.final)


def test_symbols_that_have_not_traded_and_rows_of_another_day_are_no_bars(
    pipeline: Pipeline, market: OpenMarket
) -> None:
    yesterday = datetime.combine(YESTERDAY, datetime.min.time(), NEW_YORK).replace(hour=15)
    market.extra = [
        ticker("STALE", yesterday, {"o": 5, "h": 6, "l": 4, "c": 5, "v": 100}),
        ticker("ASLEEP", market.now, NOTHING),
        ticker("BROKEN", market.now, {"o": 5, "h": 4, "l": 6, "c": 5, "v": 100}),
        {"ticker": "SILENT", "updated": 0},
    ]
    landed = pipeline.ingest_provisional(TODAY, "now")
    traded = [symbol for place, (symbol, *_) in enumerate(market.final) if place % 10 != 9]
    assert landed.bars == len(traded)
    assert landed.rejected == {"high_below_low": 1}
    assert query(pipeline, "select symbol from price_bars where session = ? order by symbol", TODAY) == [
        (symbol,) for symbol in traded
    ]


def test_a_snapshot_without_a_trade_is_told_and_nothing_is_stored(pipeline: Pipeline, market: OpenMarket) -> None:
    market.final = [(symbol, 0.0, 0.0, 0.0, 0.0, 0.0) for symbol, *_ in market.final]
    with pytest.raises(IngestError, match=f"has no bar of {TODAY} yet"):
        pipeline.ingest_provisional(TODAY, "now")
    assert pipeline.provisional_sessions() == {}


def test_a_plan_without_snapshots_is_told_in_words_and_nothing_is_stored(
    demo_pipeline: Pipeline, pipeline_at: MakePipeline, settings_at: SettingsFactory, market: OpenMarket
) -> None:
    with serving(demo_pipeline) as free:
        pipeline = pipeline_at("free")
        settings = settings_at(
            pipeline.settings.data_dir, provider="massive", massive_url=free.url, massive_plan="paid"
        )
        before = pipeline.settings.database_path.read_bytes()
        with pytest.raises(ProviderError) as raised:
            Pipeline(settings, clock=pipeline.clock).ingest_provisional(TODAY, "now")
    said = str(raised.value)
    assert "refuses with 403" in said
    assert "The key's plan has no snapshots" in said
    assert "set SCAN_MASSIVE_PLAN=paid" in said
    assert "\n" not in said
    assert pipeline.settings.database_path.read_bytes() == before


@pytest.mark.parametrize(
    ("session", "at", "said"),
    [
        (TODAY, "2025-09-25 16:00", "closed at 16:00 New York time: its bars are final now. `scan-pipeline run --sess"),
        (YESTERDAY, "2025-09-25 11:00", "Session 2025-09-24 closed at 16:00"),
        (TODAY, "2025-09-25 09:29", "has not begun: it opens at 2025-09-25 09:30 New York time"),
        (TOMORROW, "2025-09-25 11:00", "Session 2025-09-26 has not begun"),
        (date(2025, 9, 27), "2025-09-27 11:00", "2025-09-27 (Saturday) is no session: the exchange is closed"),
        (date(2025, 12, 25), "2025-12-25 11:00", "The next one is 2025-12-26; `scan-pipeline run` scans the last"),
        (date(2025, 11, 28), "2025-11-28 13:00", "closed at 13:00 New York time"),
    ],
)
def test_provisional_bars_are_those_of_the_session_that_is_open(
    pipeline_at: MakePipeline, vendor: Vendor, session: date, at: str, said: str
) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    pipeline = pipeline_at("mine", clock=lambda: now)
    with pytest.raises(SessionError) as raised:
        pipeline.ingest_provisional(session, "now")
    assert said in str(raised.value)
    assert vendor.asked == []
    assert pipeline.provisional_sessions() == {}


def test_an_open_session_is_worked_on_only_where_its_provisional_bars_are_there(pipeline: Pipeline) -> None:
    for work in (
        lambda: list(pipeline.ingest([TODAY], "early")),
        lambda: pipeline.build_universe([TODAY]),
        lambda: pipeline.screen([TODAY], pipeline.settings.screen),
        lambda: pipeline.find_changes([TODAY], "early"),
        lambda: list(pipeline.scan([TODAY], "early")),
    ):
        with pytest.raises(SessionError, match="has not closed"):
            work()
    scan_now(pipeline)
    with pytest.raises(SessionError, match="has not closed"):
        list(pipeline.ingest([TODAY], "early"))


def test_a_provider_without_snapshots_says_so(demo_pipeline: Pipeline) -> None:
    at = datetime(2025, 9, 25, 11, tzinfo=NEW_YORK)
    pipeline = Pipeline(demo_pipeline.settings, clock=lambda: at)
    for work in (pipeline.open_session, lambda: pipeline.ingest_provisional(TODAY, "now")):
        with pytest.raises(IngestError, match="The provider 'files' cannot tell bars before the close"):
            work()


def test_a_session_whose_night_never_ran_is_taken_in_before_it_becomes_history(
    pipeline: Pipeline, pipeline_at: MakePipeline, demo_pipeline: Pipeline, vendor: Vendor, market: OpenMarket
) -> None:
    scan_now(pipeline)
    stuck = pipeline_at("stuck", pipeline)
    # By the next night …
    late = night(stuck, TOMORROW)
    assert sorted(vendor.sessions) == [TODAY, TOMORROW]
    assert late.provisional_sessions() == {}
    # … and by the next morning.
    vendor.asked.clear()
    following = open_market(demo_pipeline, TOMORROW)
    market.session, market.final = TOMORROW, following.final
    scan_now(pipeline, session=TOMORROW)
    assert vendor.sessions == [TODAY]
    assert list(pipeline.provisional_sessions()) == [TOMORROW]
    final = "select * exclude (first_reported_on, reported_on) from price_bars where session = ? order by symbol"
    assert query(pipeline, final, TODAY) == query(late, final, TODAY)


def test_results_with_provisional_bars_in_their_history_are_marked_too(
    pipeline: Pipeline, demo_pipeline: Pipeline
) -> None:
    scan_now(pipeline)
    with pipeline.store.write() as connection:
        connection.execute(f"attach '{demo_pipeline.settings.database_path}' as other (read_only)")
        connection.execute("insert into price_bars from other.price_bars where session = ?", [TOMORROW])
        connection.execute("insert into ingested_sessions from other.ingested_sessions where session = ?", [TOMORROW])
    [one] = prepare(Pipeline(pipeline.settings), [TOMORROW]).scan([TOMORROW], "early")
    assert one.snapshot_at == datetime(2025, 9, 25, 14, 30)
    assert query(pipeline, "select distinct provisional from scan_results where session = ?", TOMORROW) == [(True,)]


@pytest.mark.slow
def test_whoever_is_killed_leaves_the_old_bars_or_the_new_ones_and_so_with_results(
    pipeline_at: MakePipeline, tmp_path: Path, market: OpenMarket, vendor: Vendor
) -> None:
    before = pipeline_at("before")
    scan_now(before, "old")
    after = pipeline_at("after", before)
    market.moment = 1
    found = []
    held = [[content(before, table, [TODAY]) for table in ("price_bars", "scan_results")]]
    _, left = left_by_kills(lambda: scan_now(after, "new"), after.settings.data_dir, tmp_path / "killed")
    held.append([content(after, table, [TODAY]) for table in ("price_bars", "scan_results")])
    for number, folder in enumerate(left):
        killed = Pipeline(
            Settings(data_dir=folder, provider="massive", massive_url=vendor.url, massive_plan="paid"),
            clock=lambda: market.now,
        )
        found.append(
            tuple(
                [one[place] for one in held].index(content(killed, table, [TODAY]))
                for place, table in enumerate(("price_bars", "scan_results"))
            )
        )
        if number % 5 == 0 or found[-1] not in found[:-1]:  # some go on, and end where the others do
            scan_now(killed, "again")
            assert results(killed) == results(after)
    assert found == sorted(found)
    assert {(0, 0), (1, 0), (1, 1)} == set(found)
