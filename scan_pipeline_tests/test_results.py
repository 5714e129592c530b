"""What a scan leaves behind: hits that replace the hits before them, files for others to read, and recent features."""

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from scan_pipeline.features.catalogue import CORE
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.store.connection import Store
from scan_pipeline.store.features import keep_features
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import change, content, copy_of, prepare, query, write_scanner

SESSIONS = [date(2025, 9, day) for day in (22, 23, 24, 25, 26)]
TABLES = ("scan_results", "scanner_outcomes")


@pytest.fixture(scope="module")
def scanned_once(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("results")), SESSIONS)
    list(pipeline.scan(SESSIONS, "first"))
    return pipeline


@pytest.fixture
def pipeline(scanned_once: Pipeline, settings_at: SettingsFactory, tmp_path: Path) -> Pipeline:
    """Five sessions, scanned and published."""
    pipeline = copy_of(scanned_once, settings_at, tmp_path)
    list(pipeline.scan(SESSIONS, "first"))
    return pipeline


def test_scanning_again_leaves_the_same_rows_under_the_new_run(pipeline: Pipeline) -> None:
    before = {table: content(pipeline, table, SESSIONS) for table in TABLES}
    assert all(before.values())
    list(pipeline.scan(SESSIONS, "second"))
    assert {table: content(pipeline, table, SESSIONS) for table in TABLES} == before
    for table in TABLES:
        assert query(pipeline, f"select distinct run_id from {table}") == [("second",)]


def test_scanning_one_session_again_replaces_that_one_alone(pipeline: Pipeline) -> None:
    before = content(pipeline, "scan_results", SESSIONS)
    write_scanner(pipeline, "mine", "select session, symbol from features where symbol = 'SPY'")
    list(pipeline.scan([SESSIONS[2]], "second"))
    after = content(pipeline, "scan_results", SESSIONS)
    new = [row for row in after if row not in before]
    assert [row[:3] for row in new] == [(str(SESSIONS[2]), "mine", "SPY")]
    assert [row for row in after if row not in new] == before


def test_hits_of_a_scanner_that_is_gone_go_with_the_next_scan(pipeline: Pipeline) -> None:
    write_scanner(pipeline, "mine", "select session, symbol from features")
    list(pipeline.scan(SESSIONS, "second"))
    (pipeline.settings.scanners_dir / "mine.sql").unlink()
    list(pipeline.scan(SESSIONS[:2], "third"))
    for table in TABLES:
        left = query(pipeline, f"select distinct session from {table} where scanner = 'mine' order by 1")
        assert left == [(session,) for session in SESSIONS[2:]]


def test_a_key_of_the_tables_identifies_one_row(pipeline: Pipeline) -> None:
    list(pipeline.scan(SESSIONS[1:3], "second"))
    for table, key in (("scan_results", "session, scanner, symbol"), ("scanner_outcomes", "session, scanner")):
        assert query(pipeline, f"select {key} from {table} group by all having count(*) > 1") == []


def test_every_scanner_has_an_outcome_that_counts_its_hits(pipeline: Pipeline) -> None:
    wrong = query(
        pipeline,
        """
        select outcome.session, outcome.scanner, outcome.hits, count(hit.symbol)
        from scanner_outcomes outcome left join scan_results hit using (session, scanner)
        group by all having outcome.hits is distinct from count(hit.symbol)
        """,
    )
    assert wrong == []


def test_each_session_is_published_as_a_file_that_equals_the_table(pipeline: Pipeline) -> None:
    folder = pipeline.settings.results_dir
    assert sorted(path.name for path in folder.iterdir()) == [f"{session}.parquet" for session in SESSIONS]
    for session in SESSIONS:
        with duckdb.connect() as reader:
            published = reader.execute(f"from read_parquet('{folder / f'{session}.parquet'}')").fetchall()
        stored = query(pipeline, "select * from scan_results where session = ? order by scanner, rank", session)
        assert published == stored
        assert stored


def test_a_published_file_is_read_by_pandas_and_pyarrow(pipeline: Pipeline) -> None:
    path = pipeline.settings.results_dir / f"{SESSIONS[0]}.parquet"
    count = query(pipeline, "select count(*) from scan_results where session = ?", SESSIONS[0])[0][0]
    frame = pd.read_parquet(path)
    assert len(frame) == count
    assert frame["rank"].min() == 1
    assert pyarrow.parquet.read_table(path).column_names == list(frame.columns)


def test_who_reads_a_published_file_while_it_is_replaced_reads_the_old_one_to_its_end(pipeline: Pipeline) -> None:
    path = pipeline.settings.results_dir / f"{SESSIONS[0]}.parquet"
    old = path.read_bytes()
    write_scanner(pipeline, "mine", "select session, symbol from features")
    with path.open("rb") as reader:
        start = reader.read(100)
        list(pipeline.scan(SESSIONS[:1], "second"))
        assert start + reader.read() == old
    assert path.read_bytes() != old
    assert len(pd.read_parquet(path)) > len(pd.read_parquet(pd.io.common.BytesIO(old)))


def test_nothing_half_written_is_left_beside_the_published_files(pipeline: Pipeline) -> None:
    list(pipeline.scan(SESSIONS, "second"))
    assert [path.name for path in pipeline.settings.results_dir.iterdir() if path.suffix != ".parquet"] == []


def test_a_session_without_hits_is_published_too(pipeline: Pipeline) -> None:
    change(pipeline, "update prefiltered_symbols set passed = false where session = ?", SESSIONS[0])
    list(pipeline.scan(SESSIONS[:1], "second"))
    frame = pd.read_parquet(pipeline.settings.results_dir / f"{SESSIONS[0]}.parquet")
    assert len(frame) == 0
    assert list(frame.columns)[:3] == ["session", "scanner", "symbol"]


def kept(pipeline: Pipeline) -> list[date]:
    return [session for (session,) in query(pipeline, "select distinct session from features order by session")]


@pytest.mark.parametrize("keep", [1, 2, 3, 10])
def test_features_of_the_last_sessions_are_kept_and_no_others(
    scanned_once: Pipeline, settings_at: SettingsFactory, tmp_path: Path, keep: int
) -> None:
    pipeline = copy_of(scanned_once, settings_at, tmp_path, keep_features_sessions=keep)
    list(pipeline.scan(SESSIONS, "range"))
    assert kept(pipeline) == SESSIONS[-keep:]
    # An earlier session that is scanned again does not push out a later one.
    list(pipeline.scan(SESSIONS[:1], "again"))
    assert kept(pipeline) == SESSIONS[-keep:]


def test_no_features_are_kept_where_the_setting_says_none(
    scanned_once: Pipeline, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    pipeline = copy_of(scanned_once, settings_at, tmp_path, keep_features_sessions=0)
    list(pipeline.scan(SESSIONS, "range"))
    assert kept(pipeline) == []


def test_kept_features_are_those_of_the_symbols_that_passed_the_screen(pipeline: Pipeline) -> None:
    passed = query(pipeline, "select session, symbol from prefiltered_symbols where passed order by all")
    assert query(pipeline, "select session, symbol from features order by all") == passed
    names = [name for (name,) in query(pipeline, "select column_name from (describe features)")]
    assert names[: len(CORE) + 2] == ["session", "symbol", *(one.name for one in CORE)]
    assert {"sma_150", "rs_rating"} <= set(names)  # which built-in scanners ask for


def test_scanning_a_session_again_replaces_its_kept_features(pipeline: Pipeline) -> None:
    drop = "update prefiltered_symbols set passed = false where symbol <> 'SPY' and session = ?"
    change(pipeline, drop, SESSIONS[1])
    list(pipeline.scan(SESSIONS[1:2], "second"))
    assert query(pipeline, "select symbol from features where session = ?", SESSIONS[1]) == [("SPY",)]


def test_a_session_on_which_nothing_passes_any_more_keeps_no_features(pipeline: Pipeline) -> None:
    change(pipeline, "update prefiltered_symbols set passed = false where session = ?", SESSIONS[1])
    list(pipeline.scan(SESSIONS[1:2], "second"))
    assert query(pipeline, "select symbol from features where session = ?", SESSIONS[1]) == []


def test_the_kept_features_follow_the_catalogue(pipeline: Pipeline) -> None:
    change(pipeline, "alter table kept_features rename column sma_20 to sma_21")
    list(pipeline.scan(SESSIONS[-2:], "second"))
    names = [name for (name,) in query(pipeline, "select column_name from (describe features)")]
    assert names[: len(CORE) + 2] == ["session", "symbol", *(one.name for one in CORE)]
    assert {"sma_150", "rs_rating"} <= set(names)  # which built-in scanners ask for
    assert kept(pipeline) == SESSIONS[-2:]


def test_features_are_kept_though_nothing_passed_on_the_first_session(tmp_path: Path) -> None:
    store = Store(tmp_path / "scan.duckdb", wait_seconds=1, memory_limit="1GB")
    first, second = date(2025, 3, 19), date(2025, 3, 20)
    day = (second - date(1970, 1, 1)).days
    nothing = {"session": np.empty(0, np.int32), "symbol": np.empty(0, object), "close": np.empty(0)}
    one = {"session": np.array([day], np.int32), "symbol": np.array(["SPY"], object), "close": np.array([563.5])}

    def compared(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        return {"session": rows["session"], "symbol": rows["symbol"], "score": rows["close"] * 0}

    for session, rows in ((first, nothing), (second, one)):
        with store.write() as connection:
            keep_features(connection, [session], rows, compared(rows), {}, 5)
    with store.read() as connection:
        assert connection.execute("from features").fetchall() == [(second, "SPY", 563.5, 0.0)]
