"""A range of sessions in one pass gives, row for row and bit for bit, what scanning each of its nights gives."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scan_pipeline.features.catalogue import CORE, HISTORY_SESSIONS
from scan_pipeline.hits import Hit
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import read_scanner
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import change, content, copy_of, query, write_scanner

TABLES = ("prefiltered_symbols", "scan_results", "scanner_outcomes")

#: A user's scanners. The first looks at rows one by one and tells every feature to the last bit; the others look at
#: many rows at once, or at other tables.
SCANNERS = {
    "every_feature": "select * from features",
    "wide_bodies": "-- rank: body desc\nselect session, symbol, abs(close - open) / atr_14 as body from features "
    "where abs(close - open) > atr_14",
    "top_by_volume": "select session, symbol, rank() over (order by dollar_volume_20 desc) as place from features "
    "qualify place <= 10",
    "above_the_average": "select session, symbol, change_pct - (select avg(change_pct) from features) as score "
    "from features where score > 2",
    "some_five": "select session, symbol from features order by relative_volume desc nulls last, symbol limit 5",
    "busiest_by_name": "select any_value(session) as session, max(symbol) as symbol, count(*) as n, max(volume) as v "
    "from features group by left(symbol, 1)",
    "fails_now_and_then": "select session, symbol, if(day(session) % 3 = 0, error('not today'), 1) as n from features "
    "where symbol = (select min(symbol) from features)",
    "momentum": """
        select f.session, f.symbol, first(b.close order by b.session) as began, sum(b.volume) as volume
        from features f, bars b
        where b.symbol = f.symbol
        group by all having f.close > 1.1 * began
    """,
    "big_sectors": """
        select f.session, f.symbol, u.sector, u.market_cap, count(*) over (partition by u.sector) as members
        from features f join universe u on u.symbol = f.symbol and u.session = f.session
        qualify members >= 5
    """,
}


def take_splits(pipeline: Pipeline, splits: Sequence[tuple[Any, ...]]) -> None:
    change(pipeline, "delete from splits")
    for split in splits:
        change(pipeline, "insert into splits values (?, ?, ?, ?, ?)", *split)


def with_settings(pipeline: Pipeline, **overrides: Any) -> Pipeline:
    """The same store, worked on with other settings."""
    return Pipeline(replace(pipeline.settings, **overrides))


def in_one_pass(pipeline: Pipeline, sessions: Sequence[date], limits: ScreenLimits, *scanners: Any) -> None:
    pipeline.screen(sessions, limits)
    list(pipeline.scan(sessions, "range", *scanners))


def night_by_night(pipeline: Pipeline, sessions: Sequence[date], limits: ScreenLimits, *scanners: Any) -> None:
    for session in sessions:
        pipeline.screen([session], limits)
        list(pipeline.scan([session], f"night {session}", *scanners))


def assert_equal(one: Pipeline, other: Pipeline, sessions: Sequence[date], tables: Sequence[str] = TABLES) -> None:
    for table in tables:
        ours, theirs = content(one, table, sessions), content(other, table, sessions)
        differing = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
        assert not differing, f"{table}: {len(differing)} rows differ, first {differing[0]}"
        assert len(ours) == len(theirs)
        assert ours


def assert_not_idle(pipeline: Pipeline, sessions: Sequence[date]) -> None:
    """The scanners found something, so that equal is not equally empty; the one that fails did, on some sessions."""
    rows = query(
        pipeline,
        "select scanner, sum(hits), bool_and(ok) from scanner_outcomes where session in (select unnest(?::DATE[])) "
        "group by scanner",
        list(sessions),
    )
    found = {scanner: hits for scanner, hits, ok in rows if ok}
    assert {scanner for scanner, _, ok in rows if not ok} == {"fails_now_and_then"}
    assert all(found[scanner] for scanner in SCANNERS if scanner in found)


LIBERAL = ScreenLimits(min_average_volume=50_000, min_price=0.1, max_price=10_000, min_market_cap=0, min_bars_held=5)

#: Where histories change their first session within the range, and splits of the demo market are known late and early.
PLACES = {
    "a split known late, and others on time": (date(2025, 9, 24), date(2025, 10, 1)),
    "a split known early": (date(2025, 5, 15), date(2025, 5, 20)),
    "two groups of history": (date(2025, 10, 28), date(2025, 10, 31)),
}


@pytest.fixture(scope="module")
def twins(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory, calendar: Calendar
) -> tuple[Pipeline, Pipeline]:
    """Two stores that hold the same: one to scan in one pass, one to scan night by night."""
    folder = tmp_path_factory.mktemp("twins")
    first = copy_of(demo_pipeline, settings_at, folder / "range")
    first.build_universe(calendar.between(date(2025, 5, 15), date(2025, 5, 20)))
    first.build_universe(calendar.between(*ZONE))
    second = copy_of(first, settings_at, folder / "nights")
    for pipeline in (first, second):
        for name, text in SCANNERS.items():
            write_scanner(pipeline, name, text)
    return first, second


ZONE = (date(2025, 9, 15), date(2025, 11, 14))


@pytest.mark.parametrize("place", PLACES)
def test_a_range_in_one_pass_equals_its_nights(
    twins: tuple[Pipeline, Pipeline], demo_pipeline: Pipeline, calendar: Calendar, place: str
) -> None:
    sessions = calendar.between(*PLACES[place])
    starts = {calendar.history_start(session, HISTORY_SESSIONS) for session in sessions}
    assert len(starts) == (2 if place == "two groups of history" else 1)
    for pipeline in twins:
        take_splits(pipeline, query(demo_pipeline, "from splits"))
    in_one_pass(with_settings(twins[0], batch_symbols=100), sessions, LIBERAL)
    night_by_night(twins[1], sessions, LIBERAL)
    assert_equal(*twins, sessions)
    assert_not_idle(twins[0], sessions)


@st.composite
def situations(draw: st.DrawFn, calendar: Calendar, symbols: Sequence[str]) -> Mapping[str, Any]:
    """Sessions of the zone, with or without gaps, and splits around them that are known on time, early and late."""
    zone = calendar.between(*ZONE)
    start = draw(st.integers(0, len(zone) - 6))
    run = zone[start : start + draw(st.integers(2, 4))]
    left_out = draw(st.sets(st.sampled_from(run), max_size=len(run) - 2))
    sessions = [session for session in run if session not in left_out]
    around = calendar.between(calendar.before(run[0], 4), zone[min(start + 9, len(zone) - 1)])
    splits = {}
    for _ in range(draw(st.integers(1, 6))):
        ex = draw(st.integers(0, len(around) - 1))
        known = min(max(ex + draw(st.sampled_from([-3, -1, 0, 1, 2, 5])), 0), len(around) - 1)
        ratio = draw(st.sampled_from([(1.0, 2.0), (1.0, 3.0), (2.0, 3.0), (1.0, 7.0), (10.0, 1.0), (60.0, 1.0)]))
        symbol = draw(st.sampled_from(symbols))
        splits[symbol, around[ex]] = (symbol, around[ex], *ratio, around[known])
    return {
        "sessions": sessions,
        "splits": list(splits.values()),
        "nights": draw(st.permutations(sessions)),
        "batches": draw(st.tuples(*[st.sampled_from([23, 100, 2_000])] * 2)),
        "limits": draw(st.sampled_from([LIBERAL, ScreenLimits(), replace(LIBERAL, max_symbols=40)])),
    }


@pytest.mark.slow
@given(data=st.data())
@hypothesis_settings(max_examples=6)
def test_any_range_with_any_splits_equals_its_nights_in_any_order(
    data: st.DataObject, twins: tuple[Pipeline, Pipeline], calendar: Calendar
) -> None:
    symbols = [
        symbol
        for (symbol,) in query(
            twins[0],
            "select symbol from price_bars group by symbol having avg(volume) > 1e6 and count(*) > 400 order by 1",
        )
    ]
    one = data.draw(situations(calendar, symbols[:25]))
    for pipeline in twins:
        take_splits(pipeline, one["splits"])
    in_one_pass(with_settings(twins[0], batch_symbols=one["batches"][0]), one["sessions"], one["limits"])
    night_by_night(with_settings(twins[1], batch_symbols=one["batches"][1]), one["nights"], one["limits"])
    assert_equal(*twins, one["sessions"])


def test_a_range_equals_its_nights_when_later_bars_did_not_exist_yet(
    demo_market: Path, settings_at: SettingsFactory, tmp_path: Path, calendar: Calendar
) -> None:
    """One store lives through its nights: each session arrives, and is scanned, before the next one is known."""
    history = calendar.between(date(2025, 6, 2), date(2025, 9, 26))
    sessions = calendar.between(date(2025, 9, 29), date(2025, 10, 1))  # a split is ex on 09-30 and known on 10-01
    source = {"provider": "files", "files_path": demo_market / "feed", "screen": LIBERAL}
    pipelines = [Pipeline(settings_at(tmp_path / name, **source)) for name in ("range", "nights")]
    for pipeline in pipelines:
        for name, text in SCANNERS.items():
            write_scanner(pipeline, name, text)
        pipeline.record_splits()

    whole, nightly = pipelines
    list(whole.ingest([*history, *sessions], "range"))
    whole.build_universe(sessions)
    in_one_pass(whole, sessions, LIBERAL)

    list(nightly.ingest(history, "history"))
    for session in sessions:
        list(nightly.ingest([session], "night"))
        nightly.build_universe([session])
        night_by_night(nightly, [session], LIBERAL)
    assert_equal(whole, nightly, sessions, ("universe", "price_bars", *TABLES))


#: Scanners that are written unlike the usual, and must all the same give a range what they give its nights.
ODD_SCANNERS = {
    "universe": "select session, symbol from universe",
    "duplicates": "select f.session, f.symbol from features f, range(2)",
    "as_of": "select session, symbol, getvariable('as_of') as as_of from features where symbol = 'SPY'",
    "a constant session": "select date '{day}' as session, 'SPY' as symbol",
    "the day before": "select session - 1 as session, symbol from features where symbol = 'SPY' and session > '{day}'",
    "internal tables": "with first as (select min(session) as session from all_features) "
    "select session, symbol from all_features join first using (session)",
    "bars of a symbol that splits": "select f.session, f.symbol, count(*) as n, max(b.high) as high "
    "from features f, bars b where b.symbol = f.symbol group by all",
    "bars alone": "select session, symbol, close from bars where session = date '{day}'",
    "bars of all sessions": "select session, symbol, close from bars where close > 10",
    "last bars": "select symbol, max(session) as session from bars group by symbol",
    "first rows": "select session, symbol from features limit 5",
    "row numbers": "select session, symbol, row_number() over () as n from features",
    "sums": "select session, symbol, (select sum(gap_pct) from features) as total from features where symbol = 'SPY'",
}


@pytest.mark.parametrize("name", ODD_SCANNERS)
def test_a_scanner_however_written_gives_a_range_what_it_gives_its_nights(
    twins: tuple[Pipeline, Pipeline], calendar: Calendar, name: str
) -> None:
    sessions = calendar.between(date(2025, 9, 23), date(2025, 9, 26))
    scanners = []
    for pipeline in twins:
        take_splits(pipeline, [("AATD", sessions[2], 1.0, 3.0, sessions[2])])
        path = pipeline.settings.data_dir / f"{name.replace(' ', '_')}.sql"
        path.write_text(ODD_SCANNERS[name].format(day=sessions[0]))
        scanners.append(read_scanner(path))
    in_one_pass(twins[0], sessions, LIBERAL, scanners[:1])
    night_by_night(twins[1], sessions, LIBERAL, scanners[1:])
    for table in ("scan_results", "scanner_outcomes"):
        assert content(twins[0], table, sessions) == content(twins[1], table, sessions)


def test_what_other_scanners_ask_for_does_not_lengthen_the_bars_that_a_scanner_sees(
    twins: tuple[Pipeline, Pipeline], tmp_path: Path
) -> None:
    sessions = [date(2025, 9, 24)]
    counts, asks_more = tmp_path / "counts.sql", tmp_path / "asks_more.sql"
    counted = "select symbol, count(*) as n from bars group by all"
    counts.write_text(f"select session, symbol, n from features join ({counted}) using (symbol)")
    asks_more.write_text("select session, symbol from features where ta.sma(close, 400) > 0")
    in_one_pass(twins[0], sessions, LIBERAL, [read_scanner(counts)])
    in_one_pass(twins[1], sessions, LIBERAL, [read_scanner(counts), read_scanner(asks_more)])
    hits = "select symbol, details from scan_results where scanner = 'counts' and session = ? order by 1"
    assert query(twins[0], hits, *sessions) == query(twins[1], hits, *sessions) != []


def test_sums_over_a_session_are_the_same_to_the_last_bit_in_a_pass_of_any_size(tmp_path: Path) -> None:
    """A pass over a quarter of the whole market holds hundreds of thousands of rows, a night six thousand."""
    sessions, symbols = 60, 6_000
    random = np.random.default_rng(0)
    x = random.normal(0, 3, (symbols, sessions))
    names = np.array([f"S{number:04}" for number in range(symbols)], dtype=object)
    text = "select session, symbol, (select avg(close) from features) as mean from features where symbol = 'S0000'"
    (tmp_path / "mean.sql").write_text(text)
    scanner = read_scanner(tmp_path / "mean.sql")
    days = np.arange(20_000, 20_000 + sessions, dtype=np.int32)

    def hits(columns: slice) -> list[Hit]:
        with Bench(timeout_seconds=60, max_hits=10, memory_limit="1GB") as bench:
            held = len(days[columns])
            rows = {"session": np.tile(days[columns], symbols), "symbol": np.repeat(names, held)}
            nothing = np.zeros(symbols * held)
            values = {one.name: nothing for one in CORE} | {"close": x[:, columns].ravel()}
            bench.add("features", rows | values)
            bench.close_fence()
            return bench.run(scanner, list(days[columns].astype("datetime64[D]").astype(object)))[0]

    in_one_pass = hits(slice(None))
    assert len(in_one_pass) == sessions
    assert in_one_pass == [hit for number in range(sessions) for hit in hits(slice(number, number + 1))]


@pytest.mark.slow
def test_thirty_real_sessions_in_one_pass_equal_their_nights(
    real_market: Path, settings_at: SettingsFactory, tmp_path: Path, calendar: Calendar
) -> None:
    """All symbols that ever split, and every fourth of the others, from a real feed."""
    sessions = calendar.between(date(2015, 7, 1), date(2015, 8, 12))
    assert len(sessions) == 30
    (tmp_path / "feed").mkdir()
    shutil.copy(real_market / "splits.csv", tmp_path / "splits.csv")
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select * from read_parquet('{real_market}/feed/2015-0*.parquet')
                where symbol in (select symbol from read_csv('{real_market}/splits.csv')) or hash(symbol) % 4 = 0
            ) to '{tmp_path}/feed/bars.parquet' (format parquet)
            """
        )
    first = Pipeline(settings_at(tmp_path / "range", provider="files", files_path=tmp_path / "feed"))
    first.record_splits()
    list(first.ingest(calendar.between(date(2015, 3, 20), sessions[-1]), "history"))
    first.build_universe(sessions)
    second = copy_of(first, settings_at, tmp_path / "nights")
    for pipeline in (first, second):
        for name, text in SCANNERS.items():
            write_scanner(pipeline, name, text)
    in_one_pass(first, sessions, ScreenLimits())
    night_by_night(second, sessions, ScreenLimits())
    assert_equal(first, second, sessions)
    split_while_scanned = query(
        first,
        "select count(distinct symbol) from splits join prefiltered_symbols using (symbol) "
        "where passed and session in (select unnest(?::DATE[])) and ex_date between ? and ?",
        list(sessions),
        sessions[0],
        sessions[-1],
    )
    assert split_while_scanned[0][0] >= 3


def test_the_zone_holds_a_change_of_history_and_splits_known_late(calendar: Calendar, demo_pipeline: Pipeline) -> None:
    starts = [calendar.history_start(session, HISTORY_SESSIONS) for session in calendar.between(*ZONE)]
    assert sum(one != other for one, other in pairwise(starts)) == 1
    late = query(demo_pipeline, "select symbol from splits where known_on > ex_date and ex_date between ? and ?", *ZONE)
    assert late
