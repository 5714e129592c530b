"""A hit says by which code and from which data it was found: a version changes when that does, and only then."""

from datetime import date
from pathlib import Path

import pytest

from scan_pipeline.features.catalogue import HISTORY_SESSIONS
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import find_scanners
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.bars import hash_bars
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import change, copy_of, prepare, query, write_scanner

SESSIONS = [date(2025, 9, 23), date(2025, 9, 24), date(2025, 9, 25)]
FIRST, SECOND, THIRD = SESSIONS


@pytest.fixture(scope="module")
def prepared(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    pipeline = copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("versions"))
    write_scanner(pipeline, "mine", "select session, symbol from features")
    return prepare(pipeline, SESSIONS)


@pytest.fixture
def pipeline(prepared: Pipeline, settings_at: SettingsFactory, tmp_path: Path) -> Pipeline:
    pipeline = copy_of(prepared, settings_at, tmp_path)
    write_scanner(pipeline, "mine", "select session, symbol from features")
    return pipeline


def data_versions(pipeline: Pipeline) -> dict[date, str]:
    """The sessions' data versions, from a scan of all of them."""
    mine = [one for one in find_scanners(pipeline.settings.scanners_dir) if one.name == "mine"]
    return {session.session: session.data_version for session in pipeline.scan(SESSIONS, "run", mine)}


def changed(pipeline: Pipeline, sql: str, *values: object) -> list[date]:
    """The sessions whose data version a change to the store changes."""
    before = data_versions(pipeline)
    with pipeline.store.write() as connection:
        connection.execute(sql, list(values)).fetchall()
        hash_bars(
            connection, [session for (session,) in connection.sql("select session from ingested_sessions").fetchall()]
        )
    after = data_versions(pipeline)
    return [session for session in SESSIONS if after[session] != before[session]]


def test_nothing_changed_no_version_changes(pipeline: Pipeline) -> None:
    assert changed(pipeline, "select 1") == []
    # Nor when a session is delivered and screened again just as it was, in another order of rows.
    before = data_versions(pipeline)
    list(pipeline.ingest(SESSIONS, "again"))
    pipeline.record_splits()
    prepare(pipeline, list(reversed(SESSIONS)))
    assert data_versions(pipeline) == before


def test_sessions_differ_in_their_data_version(pipeline: Pipeline) -> None:
    assert len(set(data_versions(pipeline).values())) == len(SESSIONS)


def test_hits_and_outcomes_carry_the_version_of_their_session(pipeline: Pipeline) -> None:
    versions = data_versions(pipeline)
    for table in ("scan_results", "scanner_outcomes"):
        assert dict(query(pipeline, f"select distinct session, data_version from {table}")) == versions


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_a_bar_of_the_window_is_part_of_every_session_that_reads_it(pipeline: Pipeline, column: str) -> None:
    nudge = f"update price_bars set {column} = {column} * 1.0000001 where symbol = 'SPY' and session = ?"
    assert changed(pipeline, nudge, SECOND) == [SECOND, THIRD]


def test_a_bar_that_appears_or_vanishes_is_noticed(pipeline: Pipeline) -> None:
    assert changed(pipeline, "delete from price_bars where symbol = 'SPY' and session = ?", THIRD) == [THIRD]
    again = "insert into price_bars select * replace (date '2025-06-02' as session)"
    assert changed(pipeline, f"{again} from price_bars where symbol = 'QQQ' and session = ?", SECOND) == SESSIONS


def test_two_symbols_that_trade_places_are_noticed(pipeline: Pipeline) -> None:
    swap = "update price_bars set symbol = case symbol when 'SPY' then 'QQQ' else 'SPY' end"
    assert changed(pipeline, f"{swap} where symbol in ('SPY', 'QQQ') and session = ?", FIRST) == SESSIONS


def test_bars_outside_the_window_are_not(pipeline: Pipeline, calendar: Calendar) -> None:
    start = calendar.history_start(FIRST, HISTORY_SESSIONS)
    outside = "update price_bars set close = close * 2 where session < ? or session > ?"
    assert changed(pipeline, outside, start, THIRD) == []
    assert changed(pipeline, "update price_bars set close = close * 2 where session = ?", start) == SESSIONS


@pytest.mark.parametrize(
    ("ex_date", "known_on", "sessions"),
    [
        (date(2025, 8, 1), date(2025, 8, 1), SESSIONS),
        (SECOND, date(2025, 9, 22), [SECOND, THIRD]),
        (date(2025, 8, 1), SECOND, [SECOND, THIRD]),
        (date(2025, 9, 26), date(2025, 9, 22), []),
        (date(2025, 8, 1), date(2025, 9, 26), []),
        (date(2024, 2, 1), date(2024, 2, 1), []),
    ],
    ids=["before", "ex on the second", "known on the second", "ex later", "known later", "before the window"],
)
def test_a_split_is_part_of_every_session_that_knows_it(
    pipeline: Pipeline, ex_date: date, known_on: date, sessions: list[date]
) -> None:
    assert changed(pipeline, "insert into splits values ('SPY', ?, 1, 2, ?)", ex_date, known_on) == sessions


def test_a_split_whose_ratio_is_corrected_is_noticed(pipeline: Pipeline) -> None:
    change(pipeline, "insert into splits values ('SPY', '2025-08-01', 1, 2, '2025-08-01')")
    assert changed(pipeline, "update splits set split_to = 3 where symbol = 'SPY'") == SESSIONS


def test_a_decision_of_the_screen_is_part_of_its_session(pipeline: Pipeline) -> None:
    turn = "update prefiltered_symbols set passed = not passed where symbol = 'SPY' and session = ?"
    assert changed(pipeline, turn, SECOND) == [SECOND]


def test_what_scanners_read_of_the_universe_is_part_of_its_session(pipeline: Pipeline) -> None:
    rename = "update universe set sector = 'Energy', market_cap = 1 where symbol = 'SPY' and session = ?"
    assert changed(pipeline, rename, SECOND) == [SECOND]


def test_the_code_version_of_hits_and_outcomes_changes_with_the_scanners_text(pipeline: Pipeline) -> None:
    def versions() -> dict[str, set[str]]:
        list(pipeline.scan(SESSIONS, "run"))
        rows = query(
            pipeline,
            "select scanner, code_version from scanner_outcomes union select scanner, code_version from scan_results",
        )
        return {name: {version for scanner, version in rows if scanner == name} for name, _ in rows}

    before = versions()
    assert all(len(of_scanner) == 1 for of_scanner in before.values())
    write_scanner(pipeline, "mine", "select session, symbol from features -- all of them\n")
    after = versions()
    assert after["mine"] != before["mine"]
    assert {name for name in before if after[name] != before[name]} == {"mine"}
