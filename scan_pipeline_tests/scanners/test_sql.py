"""What a user's SQL gets to see, what becomes of it, and that a scanner's fault is its own alone."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from scan_pipeline.features.catalogue import CORE
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import BUILTIN_DIR, find_scanners, read_scanner
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.scanners.syntax import UNREPEATABLE
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.stages.scan import ScannedSession
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import change, content, copy_of, prepare, query, write_scanner

#: The middle of a quarter in which all three are scanned together; a split takes effect on the second.
SESSIONS = [date(2025, 9, 23), date(2025, 9, 24), date(2025, 9, 25)]
SELECT = "select session, symbol from features"
#: The features that every scanner sees.
ALWAYS = {one.name for one in CORE}

#: A fault, the scanner that has it, and what its message must say beside the file.
FAULTS: dict[str, tuple[str, Sequence[str]]] = {
    "syntax_error": ("-- title: Mine\nselect session,\n    symbol frm features where\n", ["line 3", "syntax error"]),
    "unknown_column": (
        "-- title: Mine\nselect session, symbol\nfrom features\nwhere gap_percent > 4\n",
        ["line 4", "gap_percent", "gap_pct"],
    ),
    "unknown_table": ("select session, symbol\nfrom prices\n", ["prices", "features, universe, bars"]),
    "no_symbol_column": ("select session, symbol as ticker from features", ["`symbol`", "ticker"]),
    "no_session_column": ("select symbol from features", ["`session`"]),
    "null_symbol": ("select session, nullif(symbol, 'SPY') as symbol from features", ["without a session or symbol"]),
    "symbol_without_a_type": ("select session, null as symbol from features", ["symbol"]),
    "null_session": ("select null::DATE as session, symbol from features", ["without a session or symbol"]),
    "ten_million_rows": (
        "select f.session, f.symbol || range as symbol from features f, range(10_000_000)",
        ["more than 20,000 hits", "SCAN_MAX_HITS"],
    ),
    "another_session": ("select session - 1 as session, symbol from features", ["another session"]),
    "the_same_symbol_twice": (f"{SELECT} union all {SELECT}", ["more than once", "one row a symbol"]),
    "a_symbol_that_was_not_scanned": (
        "select session, 'NOPE' as symbol from features limit 1",
        ["NOPE", "not scanned"],
    ),
    "chance": ("select session, symbol\nfrom features where random() < 0.5", ["line 2", "random()", "every time"]),
    "the_clock": ("select session, symbol\nfrom features where session <= current_date", ["line 2", "current_date"]),
    "a_sample": (f"{SELECT} using sample 10%", ["a sample without `repeatable`"]),
    "bad_rank": (f"-- rank: gap_percent desc\n{SELECT}", ["-- rank:", "gap_percent"]),
    "rank_that_is_no_expression": (f"-- rank: best first\n{SELECT}", ["-- rank:"]),
    "bad_limit": (f"-- limit: a few\n{SELECT}", ["line 1", "a few", "whole number"]),
    "two_statements": (f"{SELECT}; {SELECT}", ["one select"]),
    "nothing": ("-- title: To do\n", ["one select", "nothing"]),
    "no_select": ("drop table features", ["one select", "drop"]),
    "changes_the_bench": ("set variable as_of = null", ["one select"]),
    "reads_a_file": (f"{SELECT} where symbol in (select content from read_text('/etc/hostname'))", ["no files"]),
    "lists_files": (f"{SELECT} where symbol in (select file from glob('/*'))", ["no files"]),
    "runs_forever": (
        f"{SELECT} where (select sum(sin(a.range * b.range)) from range(1e9::BIGINT) a, range(1e9::BIGINT) b) > 0",
        ["still running", "SCAN_SCANNER_TIMEOUT_SECONDS"],
    ),
    "Bad Name": (SELECT, ["file's name", "small letters"]),
}
UNREADABLE = "unreadable"


@pytest.fixture(scope="module")
def scanned_alone(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """Three sessions scanned by the built-in scanners and one of a user's own."""
    folder = tmp_path_factory.mktemp("alone")
    pipeline = prepare(copy_of(demo_pipeline, settings_at, folder), SESSIONS)
    write_scanner(pipeline, "everything", "select * from features")
    list(pipeline.scan(SESSIONS, "alone"))
    return pipeline


@pytest.fixture(scope="module")
def scanned_with_faults(
    scanned_alone: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """The same, with a user's folder full of faulty scanners."""
    folder = tmp_path_factory.mktemp("faults")
    pipeline = copy_of(scanned_alone, settings_at, folder, scanner_timeout_seconds=2)
    change(pipeline, "delete from scan_results; delete from scanner_outcomes")
    write_scanner(pipeline, "everything", "select * from features")
    for name, (text, _) in FAULTS.items():
        write_scanner(pipeline, name, text)
    (pipeline.settings.scanners_dir / f"{UNREADABLE}.sql").write_bytes(b"select '\xff' from features")
    list(pipeline.scan(SESSIONS, "faults"))
    return pipeline


@pytest.fixture
def pipeline(scanned_alone: Pipeline, settings_at: SettingsFactory, tmp_path: Path) -> Pipeline:
    """The screened sessions, to scan with other scanners."""
    return copy_of(scanned_alone, settings_at, tmp_path)


def scan(pipeline: Pipeline, text: str, sessions: Sequence[date] = SESSIONS) -> list[ScannedSession]:
    """The sessions scanned in one pass by the user's scanner `mine` and a built-in one."""
    write_scanner(pipeline, "mine", text)
    both = [one for one in find_scanners(pipeline.settings.scanners_dir) if one.name in ("mine", "unusual_volume")]
    return list(pipeline.scan(sessions, "mine", both))


def hits_of(scanned: Sequence[ScannedSession], scanner: str = "mine") -> list[tuple[date, str, dict[str, Any]]]:
    """The scanner's hits in order of rank; it must not have failed."""
    failed = [one for session in scanned for one in session.outcomes if one.scanner == scanner and one.hits is None]
    assert not failed
    hits = [hit for session in scanned for hit in session.hits if hit.scanner == scanner]
    return [
        (hit.session, hit.symbol, json.loads(hit.details, parse_constant=_refuse))
        for hit in sorted(hits, key=lambda hit: (hit.session, hit.rank))
    ]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("name", [*FAULTS, UNREADABLE])
def test_a_faulty_scanner_fails_with_its_file_and_what_to_do(scanned_with_faults: Pipeline, name: str) -> None:
    outcomes = query(
        scanned_with_faults,
        "select session, ok, hits, message from scanner_outcomes where scanner = ? order by session",
        name,
    )
    assert [(session, ok, hits) for session, ok, hits, _ in outcomes] == [(day, False, None) for day in SESSIONS]
    path = scanned_with_faults.settings.scanners_dir / f"{name}.sql"
    for *_, message in outcomes:
        assert message.startswith(str(path))
        for part in FAULTS[name][1] if name in FAULTS else ["cannot be read"]:
            assert part in message
        assert "\n" not in message
        assert message.endswith(".")
        assert message.count(".") > path.name.count(".") + 1 or ";" in message, "a fault and a remedy"
    assert query(scanned_with_faults, "select count(*) from scan_results where scanner = ?", name) == [(0,)]


@pytest.mark.parametrize("table", ["scan_results", "scanner_outcomes"])
def test_other_scanners_hits_stand_beside_faulty_ones(
    scanned_alone: Pipeline, scanned_with_faults: Pipeline, table: str
) -> None:
    faulty = {*FAULTS, UNREADABLE}
    alone = content(scanned_alone, table, SESSIONS)
    with_faults = content(scanned_with_faults, table, SESSIONS)
    assert alone
    assert [row for row in with_faults if row[1] not in faulty] == alone


def test_a_scanner_named_like_a_built_in_one_fails_alone(pipeline: Pipeline) -> None:
    write_scanner(pipeline, "gap_and_go", SELECT)
    scanned = list(pipeline.scan(SESSIONS, "run"))
    built_in = {path.stem for path in BUILTIN_DIR.glob("*.sql")}
    ran = {one.scanner for session in scanned for one in session.outcomes if one.hits is not None}
    assert built_in <= ran
    messages = [one.message for session in scanned for one in session.outcomes if one.message]
    assert messages
    assert all(str(pipeline.settings.scanners_dir / "gap_and_go.sql") in message for message in messages)


@pytest.mark.parametrize(
    "select",
    [
        "select 'today' as session, symbol from features",
        "select session::VARCHAR as session, symbol from features where symbol = 'SPY'",
        "select session::TIMESTAMP as session, symbol from features where symbol = 'SPY'",
        "select session, [symbol] as symbol from features",
    ],
    ids=["text", "date as text", "timestamp", "list"],
)
def test_a_session_or_symbol_of_another_type_fails_no_other_scanner(pipeline: Pipeline, select: str) -> None:
    scanned = scan(pipeline, select)
    for session in scanned:
        outcomes = {one.scanner: one for one in session.outcomes}
        assert outcomes["unusual_volume"].hits is not None
        mine = outcomes["mine"]
        assert mine.hits is not None or "session" in (mine.message or "") or "symbol" in (mine.message or "")


def test_a_scanner_that_fails_on_one_session_keeps_its_hits_on_the_others(pipeline: Pipeline) -> None:
    text = f"""
        select session, symbol, close from features
        where session <> date '{SESSIONS[1]}' or error('no data for this day')::BOOLEAN
        order by close desc limit 3
    """
    scanned = scan(pipeline, text)
    assert [
        [one.hits for one in session.outcomes if one.scanner == "mine"] for session in scanned
    ] == [[3], [None], [3]]  # fmt: skip


def test_unknown_is_null_and_meets_no_condition(pipeline: Pipeline) -> None:
    known = hits_of(scan(pipeline, f"{SELECT} where sma_200 >= 0 or sma_200 < 0 or sma_200 = sma_200"))
    unknown = hits_of(scan(pipeline, f"{SELECT} where sma_200 is null"))
    assert len(known) > 100
    assert len(unknown) > 0
    assert not {hit[:2] for hit in known} & {hit[:2] for hit in unknown}
    assert len(known) + len(unknown) == len(hits_of(scan(pipeline, SELECT)))
    lately_listed = query(pipeline, "select session, symbol from prefiltered_symbols where passed and bars_held < 200")
    assert {hit[:2] for hit in unknown} == set(lately_listed)


def test_a_ratio_to_nothing_is_unknown_too(pipeline: Pipeline) -> None:
    assert hits_of(scan(pipeline, f"{SELECT} where (close - close) / (volume - volume) >= 5")) == []


def test_details_hold_the_scanners_own_columns_as_json_with_null_for_unknown(pipeline: Pipeline) -> None:
    text = """
        select session, symbol, close, sma_200, 2.5 as score, 'a "bar"' as "it's odd", [1, 2] as list
        from features where sma_200 is null
    """
    hits = hits_of(scan(pipeline, text))
    assert hits
    bars = query(pipeline, "select session, symbol, close from price_bars")
    closes = {(session, symbol): close for session, symbol, close in bars}
    for session, symbol, details in hits:
        assert details == {
            "close": closes[session, symbol],
            "sma_200": None,
            "it's odd": 'a "bar"',
            "list": [1, 2],
        }


def test_details_are_json_whatever_a_scanner_divides_by(pipeline: Pipeline) -> None:
    text = "select session, symbol, close / 0 as up, -close / 0 as down, 0.0::DOUBLE / 0 as nowhere from features"
    assert all(set(details.values()) == {None} for *_, details in hits_of(scan(pipeline, text)))


def test_details_are_json_whatever_numbers_a_scanner_comes_to(pipeline: Pipeline) -> None:
    columns = "exp(1000 + close) as beyond, 'nan'::DOUBLE as none, {'a': exp(1000)} as s"
    text = f"select session, symbol, {columns} from features"
    for *_, details in hits_of(scan(pipeline, text)):
        assert details == {"beyond": None, "none": None, "s": {"a": None}}


def test_a_scanner_without_own_columns_has_empty_details(pipeline: Pipeline) -> None:
    assert {json.dumps(details) for *_, details in hits_of(scan(pipeline, SELECT))} == {"{}"}


def test_hits_are_ranked_by_the_header_and_ties_by_symbol(pipeline: Pipeline) -> None:
    text = "-- rank: tens desc, bars_held\nselect session, symbol, floor(close / 10) as tens, bars_held from features"
    hits = hits_of(scan(pipeline, text))
    for day in SESSIONS:
        keys = [(-details["tens"], details["bars_held"], symbol) for session, symbol, details in hits if session == day]
        assert len(keys) > 50
        assert len({key[:2] for key in keys}) < len(keys), "there are ties"
        assert keys == sorted(keys)


def test_ranks_count_from_1_without_gaps_on_every_session(pipeline: Pipeline) -> None:
    scan(pipeline, "-- rank: close\nselect session, symbol, close from features")
    ranks = query(
        pipeline,
        "select session, min(rank), max(rank), count(distinct rank), count(*) from scan_results "
        "where scanner = 'mine' group by session order by session",
    )
    assert [row[0] for row in ranks] == SESSIONS
    assert all((first, last, distinct) == (1, count, count) for _, first, last, distinct, count in ranks)


def test_the_limit_keeps_the_best_hits_of_each_session(pipeline: Pipeline) -> None:
    text = "-- rank: close desc\n{limit}select session, symbol, close from features"
    everything = hits_of(scan(pipeline, text.format(limit="")))
    limited = hits_of(scan(pipeline, text.format(limit="-- limit: 3\n")))
    assert limited == [hit for day in SESSIONS for hit in [one for one in everything if one[0] == day][:3]]


def test_without_a_rank_hits_are_ordered_by_their_score_and_without_one_by_symbol(pipeline: Pipeline) -> None:
    by_score = hits_of(scan(pipeline, "select session, symbol, -close as score, close from features"), "mine")
    by_symbol = hits_of(scan(pipeline, SELECT))
    for day in SESSIONS:
        closes = [details["close"] for session, _, details in by_score if session == day]
        assert closes == sorted(closes)
        symbols = [symbol for session, symbol, _ in by_symbol if session == day]
        assert symbols == sorted(symbols)


@pytest.mark.parametrize(
    ("header", "columns", "score"),
    [
        ("-- rank: volume asc", "close as score, volume", "close"),
        ("-- rank: close desc, volume", "volume", "close"),
        ("-- rank: greatest(close, open) desc nulls last", "close", "greatest(close, open)"),
        ("-- rank: close nulls first", "close", "close"),
        ("", "close as score", "close"),
        ("", "close", "null"),
    ],
)
def test_the_score_is_the_column_score_or_what_the_rank_looks_at_first(
    pipeline: Pipeline, header: str, columns: str, score: str
) -> None:
    columns = columns if "close" in columns else f"{columns}, close"
    scan(pipeline, f"{header}\nselect session, symbol, open, {columns} from features")
    differing = query(
        pipeline,
        f"""
        select symbol, score from scan_results join price_bars using (session, symbol)
        where scanner = 'mine' and score is distinct from ({score})
        """,
    )
    assert query(pipeline, "select count(*) > 100 from scan_results where scanner = 'mine'") == [(True,)]
    assert differing == []


def test_column_names_may_be_written_in_capitals(pipeline: Pipeline) -> None:
    assert hits_of(scan(pipeline, "SELECT SESSION, SYMBOL FROM FEATURES")) == hits_of(scan(pipeline, SELECT))


@pytest.mark.parametrize(
    "text",
    [
        f"{SELECT};",
        f"{SELECT};\n-- that was it; really\n",
        f"{SELECT} -- that was it; really",
        f"{SELECT}; /* that was\n it; really */ ;",
        "select session as Session, symbol as Symbol from features where symbol <> ';--é'",
        f"with mine as ({SELECT}) from mine",
        f"({SELECT}) order by symbol",
        "from features select session, symbol",
        f"\n\n-- about: this\n\n-- limit: 1000\n{SELECT}",
    ],
)
def test_a_select_may_be_written_as_people_write_them(pipeline: Pipeline, text: str) -> None:
    assert hits_of(scan(pipeline, text)) == hits_of(scan(pipeline, SELECT))


#: Symbols that passed the screen on the last session, by their bars alone and by other tables.
READS: dict[str, str] = {
    "bars alone": "select session, symbol from bars where session = (select max(session) from bars)",
    "features joined with bars by a condition": (
        "select f.session, f.symbol, b.low from features f join bars b on b.symbol = f.symbol and b.session = f.session"
    ),
    "features joined with bars by a column": (
        "select session, symbol, b.low from features join bars b using (session, symbol)"
    ),
    "a window over bars": (
        "select session, symbol, highest from (select *, max(high) over (partition by symbol order by session "
        "rows between 5 preceding and current row) as highest from bars) qualify session = max(session) over ()"
    ),
    "bars summed up": (
        "select f.session, f.symbol, sum(b.volume) as volume from features f, bars b where b.symbol = f.symbol "
        "group by all"
    ),
    "universe alone": "select session, symbol, sector from universe",
    "features joined with universe by a column": (
        "select session, symbol, sector, market_cap from features join universe using (session, symbol)"
    ),
    "features joined with universe and the market's context": (
        "select session, symbol, sector, market_cap, advancers from features left join universe "
        "using (symbol, session) join market_context using (session)"
    ),
    "all three": (
        "select f.session, f.symbol, u.sector, count(b.session) as bars from features f "
        "join universe u using (session, symbol) left join bars b on b.symbol = f.symbol group by all"
    ),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("sessions", [SESSIONS, SESSIONS[-1:]], ids=["in a range", "in one night"])
def test_a_scanner_may_read_bars_and_universe(pipeline: Pipeline, name: str, sessions: Sequence[date]) -> None:
    assert [hit[:2] for hit in hits_of(scan(pipeline, READS[name], sessions))] == [
        hit[:2] for hit in hits_of(scan(pipeline, SELECT, sessions))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "select session, symbol, sector, market_cap from features join universe using (session, symbol) "
        "where market_cap > 1e9 or change_pct > 1",
        "select session, symbol, advancers, rs_rating from features join market_context using (session) "
        "left join universe using (session, symbol) where change_pct > 0 and coalesce(sector, '') <> 'Energy'",
        "select session, symbol from bars where close > 5",
    ],
)
def test_a_range_gives_what_its_nights_give(pipeline: Pipeline, text: str) -> None:
    def seen(sessions: Sequence[date]) -> list[str]:
        found = scan(pipeline, text, sessions)
        rows = [row for session in found for row in (*session.outcomes, *session.hits) if row.scanner == "mine"]
        return sorted(map(str, rows))

    assert seen(SESSIONS) == sorted(row for day in SESSIONS for row in seen([day]))


@pytest.mark.parametrize("table", ["features", "universe", "bars"])
def test_a_scanner_cannot_see_later_sessions(pipeline: Pipeline, table: str) -> None:
    text = f"select session, symbol, (select max(session) from {table}) as latest from features where symbol = 'SPY'"
    hits = hits_of(scan(pipeline, text))
    assert [(session, details["latest"]) for session, _, details in hits] == [(day, str(day)) for day in SESSIONS]


@pytest.mark.parametrize(
    "table",
    [
        "all_features",
        "hits",
        "all_bars",
        "memory.main.all_features",
        "query('from all_features')",
        "query_table('all_features')",
    ],
)
def test_a_scanner_reads_nothing_but_its_tables(pipeline: Pipeline, table: str) -> None:
    write_scanner(pipeline, "a_first_one", f"{SELECT} where exists (from bars)")
    for session in scan(pipeline, f"select session, symbol from {table}"):
        (mine,) = [one for one in session.outcomes if one.scanner == "mine"]
        assert mine.hits is None
        assert "A scanner can read" in (mine.message or "")


def test_the_functions_that_are_refused_are_those_that_duckdb_calls_unstable() -> None:
    with duckdb.connect() as connection:
        unstable = connection.execute(
            "select distinct function_name from duckdb_functions() "
            "where stability in ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
        ).fetchall()
    # These need no refusal: they name the place and not the time, or fail by themselves.
    harmless = {
        "current_database", "current_query", "current_schema", "current_schemas", "current_setting", "currval",
        "error", "getvariable", "in_search_path", "nextval", "setval", "sleep_ms", "stats", "vector_type",
        "write_log",
    }  # fmt: skip
    assert {name for (name,) in unstable} - harmless <= UNREPEATABLE


def test_the_features_that_scanners_see_are_those_kept_for_people(scanned_alone: Pipeline) -> None:
    hits = query(scanned_alone, "select session, symbol, details from scan_results where scanner = 'everything'")
    names = [name for (name,) in query(scanned_alone, "select column_name from (describe features)")]
    kept = {
        row[:2]: {name: value for name, value in zip(names[2:], row[2:], strict=True) if name in ALWAYS}
        for row in query(scanned_alone, "select session, symbol, * exclude (session, symbol) from features")
    }
    assert len(hits) > 200
    assert {(session, symbol): json.loads(details) for session, symbol, details in hits} == kept
    assert set(names) > ALWAYS  # what scanners asked for beside is kept too


def test_a_night_on_which_nothing_passes_the_screen_is_a_night_without_hits(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    nothing = ScreenLimits(min_price=499.999, max_price=500)
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path, screen=nothing), SESSIONS)
    scanned = scan(pipeline, "select f.session, f.symbol, sector from features f, universe u, bars b")
    for session in scanned:
        assert session.scanned_symbols == 0
        assert {one.hits for one in session.outcomes} == {0}


def test_a_condition_may_be_a_flag() -> None:
    day = date(2025, 9, 24)
    rows = {
        "session": np.array([day] * 2, dtype="datetime64[D]").astype(np.int32),
        "symbol": np.array(["AAPL", "MSFT"], dtype=object),
        "inside_bar": np.array([0.0, 1.0]),
        "outside_bar": np.array([0.0, np.nan]),
    }
    with Bench(10, 100, "1GB") as bench:
        bench.add("features", rows)
        conditions = {"inside": "inside_bar", "outside": "outside_bar", "none": "inside_bar > 1"}
        assert bench.met(day, conditions) == {"inside"}
        assert bench.met(day, {**conditions, "untold": "no_column"}) == {*conditions, "untold"}


def test_a_scanner_that_takes_too_much_memory_ends_with_a_message(tmp_path: Path) -> None:
    day = date(2025, 9, 24)
    rows = {
        "session": np.array([day], dtype="datetime64[D]").astype(np.int32),
        "symbol": np.array(["AAPL"], dtype=object),
        **{one.name: np.ones(1) for one in CORE},
    }
    path = tmp_path / "hog.sql"
    path.write_text(f"{SELECT} where (select len(list(a.range + b.range)) from range(100_000) a, range(100_000) b) > 0")
    with Bench(60, 100, "64MB") as bench:
        bench.add("features", rows)
        bench.close_fence()
        hits, (outcome,) = bench.run(read_scanner(path), [day])
    assert hits == []
    assert "Out of Memory" in str(outcome.message)
    assert "raise SCAN_STORE_MEMORY_LIMIT" in str(outcome.message)
