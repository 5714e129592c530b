"""Scans by scanners in Python: a range gives what its nights give, a rerun what a full scan does, all or nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from scan_pipeline.errors import ScannerError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.python_pipeline import PythonPipeline, PythonRun, run_python
from scan_pipeline.scanners.python.plans import read_plan, write_plan
from scan_pipeline.store.bars import hash_bars
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.killed import left_by_kills
from scan_pipeline_tests.scans import change, content, copy_of, prepare, query, write_scanner

pytestmark = pytest.mark.slow

SESSIONS = [date(2025, 9, day) for day in (23, 24, 25, 26)]
LAST = SESSIONS[-1]
TABLES = ("scan_results", "scanner_outcomes", "quarantined_symbols")
Results = dict[str, list[tuple[str | None, ...]]]

#: One that looks at each symbol alone, at averages and at prices before a split; one that compares all of them; one
#: that fails on some; and one that cannot be run.
SCANNERS = {
    "means": """
import pandas as pd
from scan_pipeline import scanner


@scanner(lookback=40, rank="ratio desc", limit=40)
def means(bars, *, least: float = -1000):
    mean = bars.close.rolling(20).mean()
    hits = pd.DataFrame({"ratio": bars.close / mean, "was": bars.close.shift(40), "spread": bars.close.ewm(9).mean()})
    return hits[hits.ratio > least]
""",
    "ranks": """
from scan_pipeline import scanner


@scanner(lookback=5, scope="universe", rank="score desc, symbol")
def ranks(bars):
    change = bars.groupby("symbol").close.pct_change(5)
    bars["score"] = change.groupby(bars.session).rank(pct=True)
    bars["peers"] = bars.groupby("session").symbol.transform("count")
    return bars.loc[bars.score > 0.9, ["session", "symbol", "score", "peers"]]
""",
    "fails": """
from scan_pipeline import scanner


@scanner(lookback=2, rank="close desc")
def fails(bars):
    if bars.attrs["symbol"] < "C" and bars.index[0] < bars.index[-1]:
        raise ValueError("too early")
    return bars.close > bars.close.shift(1)
""",
    "broken": "import nowhere\nfrom scan_pipeline import scanner\n\n\n"
    "@scanner(lookback=2)\ndef broken(bars):\n    return bars.close > 0\n",
}


def write(pipeline: Pipeline, name: str, text: str) -> None:
    folder = pipeline.settings.scanners_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)


@pytest.fixture(scope="module")
def screened(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """Four sessions, screened; a symbol splits on the third, another did before and it is known since the third."""
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("screened")), SESSIONS)
    one, two, *_ = symbols(pipeline)
    change(pipeline, "insert into splits values (?, ?, 1, 2, ?)", one, SESSIONS[2], SESSIONS[2])
    change(pipeline, "insert into splits values (?, ?, 1, 3, ?)", two, date(2025, 9, 2), SESSIONS[2])
    for name, text in SCANNERS.items():
        write(pipeline, name, text)
    return pipeline


@pytest.fixture(scope="module")
def scanned(screened: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The same, scanned in one pass. Do not write to it; copy it."""
    pipeline = copy(screened, settings_at, tmp_path_factory.mktemp("scanned"))
    scan(pipeline, "first")
    return pipeline


@pytest.fixture
def pipeline(scanned: Pipeline, settings_at: SettingsFactory, tmp_path: Path) -> Pipeline:
    return copy(scanned, settings_at, tmp_path / "mine")


def copy(pipeline: Pipeline, settings_at: SettingsFactory, folder: Path) -> Pipeline:
    made = copy_of(pipeline, settings_at, folder, python_symbol_seconds=30)
    shutil.copytree(pipeline.settings.scanners_dir, made.settings.scanners_dir, dirs_exist_ok=True)
    return made


def scan(pipeline: Pipeline, run_id: str, sessions: list[date] = SESSIONS, *, incremental: bool = True) -> PythonRun:
    return PythonPipeline(pipeline).scan(sessions, run_id, incremental=incremental)


def symbols(pipeline: Pipeline) -> list[str]:
    rows = query(pipeline, "select symbol from prefiltered_symbols where passed and session = ? order by 1", LAST)
    return [symbol for (symbol,) in rows]


def results(pipeline: Pipeline) -> Results:
    """As `content`, without the folders that messages name."""
    return {
        table: [
            tuple(re.sub(r"[^ \"]*/scanners/", "", value) if value else value for value in row)
            for row in content(pipeline, table, SESSIONS)
        ]
        for table in TABLES
    }


def full_scan_of(
    pipeline: Pipeline, settings_at: SettingsFactory, folder: Path
) -> dict[str, list[tuple[str | None, ...]]]:
    fresh = copy(pipeline, settings_at, folder)
    for table in (*TABLES, "python_scans"):
        change(fresh, f"delete from {table}")
    run = scan(fresh, "full")
    assert sum(one.cached for one in run.sessions) == 0
    return results(fresh)


def outcomes(pipeline: Pipeline, session: date = LAST) -> dict[str, tuple[bool, int, str]]:
    rows = query(pipeline, "select scanner, ok, hits, message from scanner_outcomes where session = ?", session)
    return {scanner: tuple(rest) for scanner, *rest in rows}


def test_every_scanner_has_an_outcome_and_every_symbol_without_a_result_a_reason(scanned: Pipeline) -> None:
    became, passed = outcomes(scanned), len(symbols(scanned))
    assert became["means"] == (True, 40, None)
    assert became["ranks"][0]
    assert became["broken"][0] is False
    assert (
        "broken.py: cannot be imported: ModuleNotFoundError: No module named 'nowhere' (line 1)." in became["broken"][2]
    )
    quarantined = query(scanned, "select symbol, reason, traceback from quarantined_symbols where session = ?", LAST)
    ok, hits, message = became["fails"]
    assert ok
    assert hits
    assert message.startswith(f"{len(quarantined)} of {passed} symbols quarantined: ")
    assert f"{quarantined[0][0]} (ValueError: too early (line 8))" in message
    assert all(reason == "ValueError: too early (line 8)" and "fails.py" in trace for _, reason, trace in quarantined)
    found = query(scanned, "select symbol from scan_results where scanner = 'fails' and session = ?", LAST)
    assert not set(found) & {(symbol,) for symbol, *_ in quarantined}


def test_a_range_gives_row_for_row_what_its_nights_give(
    screened: Pipeline, scanned: Pipeline, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    nights = copy(screened, settings_at, tmp_path / "nights")
    for session in SESSIONS:
        scan(nights, f"night {session}", [session])
    assert results(nights) == results(scanned)
    # A split of 1 to 2 within the range: until the day before, older prices are as traded; from then on, halved.
    one = symbols(scanned)[0]
    rows = query(
        scanned, "select session, details->>'was' from scan_results where scanner = 'means' and symbol = ?", one
    )
    traded = dict(query(scanned, "select session, close from price_bars where symbol = ?", one))
    days = sorted(traded)
    for session, was in rows:
        factor = 2 if session >= SESSIONS[2] else 1
        assert float(was) == pytest.approx(traded[days[days.index(session) - 40]] / factor)


def test_nothing_is_called_again_where_nothing_changed(pipeline: Pipeline) -> None:
    before = results(pipeline)
    run = scan(pipeline, "again")
    # Symbols that failed are tried again, and so is a file that cannot be imported.
    assert run.sessions[-1].cached > len(symbols(pipeline))
    assert run.sessions[-1].hit_changes == {"new": 0, "gone": 0, "moved": 0}
    assert results(pipeline) == before
    rows = query(pipeline, "select count(*), count(cached_since) from scan_results where session = ?", LAST)
    assert rows[0][0] == rows[0][1]


def revise(pipeline: Pipeline, symbol: str, session: date, factor: float) -> None:
    with pipeline.store.write() as connection:
        connection.execute(
            "update price_bars set close = close * $by, high = greatest(high, close * $by), "
            "low = least(low, close * $by) where session = $day and symbol = $symbol",
            {"by": factor, "day": session, "symbol": symbol},
        )
        hash_bars(connection, [session])


def test_after_corrections_splits_decisions_and_edits_a_rerun_gives_what_a_full_scan_does(
    pipeline: Pipeline, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    one, two, three, four, *_ = reversed(symbols(pipeline))
    everybody = len(symbols(pipeline))
    for name in ("fails", "broken"):
        (pipeline.settings.scanners_dir / f"{name}.py").unlink()
    scan(pipeline, "without those")

    revise(pipeline, one, SESSIONS[1], 1.07)
    run = scan(pipeline, "revised")
    assert [session.called for session in run.sessions] == [0, 2, 2, 2]  # the symbol, and the ranks
    assert results(pipeline) == full_scan_of(pipeline, settings_at, tmp_path / "revised")

    change(pipeline, "insert into splits values (?, ?, 1, 5, ?)", two, SESSIONS[0], SESSIONS[1])
    change(pipeline, "update prefiltered_symbols set passed = false where symbol = ? and session = ?", three, LAST)
    scan(pipeline, "split and screened out")
    assert query(pipeline, "select * from scan_results where symbol = ? and session = ?", three, LAST) == []
    assert results(pipeline) == full_scan_of(pipeline, settings_at, tmp_path / "split")

    write(pipeline, "means", SCANNERS["means"].replace("limit=40", "limit=10"))
    run = scan(pipeline, "edited")
    assert run.sessions[-1].called == everybody - 1
    assert run.sessions[-1].hit_changes["gone"] == 30
    assert results(pipeline) == full_scan_of(pipeline, settings_at, tmp_path / "edited")

    (pipeline.settings.scanners_dir / "ranks.py").unlink()
    revise(pipeline, four, LAST, 0.9)
    scan(pipeline, "removed")
    assert set(outcomes(pipeline)) == {"means"}
    assert results(pipeline) == full_scan_of(pipeline, settings_at, tmp_path / "removed")


def test_scanners_in_sql_and_in_python_leave_each_other_alone(pipeline: Pipeline) -> None:
    written = "select * from scan_results where kind = ? order by all"
    in_python = query(pipeline, written, "python")
    write_scanner(pipeline, "in_sql", "select session, symbol, close from features")
    list(pipeline.scan([LAST], "sql"))
    assert query(pipeline, written, "python") == in_python
    in_sql = query(pipeline, written, "sql")
    scan(pipeline, "python", incremental=False)
    assert query(pipeline, written, "sql") == in_sql
    # And the scan in SQL still knows that it has nothing to do.
    assert all(one.is_cached for one in pipeline.scan([LAST], "sql again", incremental=True))


def test_hits_are_published_beside_those_of_sql(scanned: Pipeline) -> None:
    import duckdb

    file = scanned.settings.results_dir / f"{LAST}.parquet"
    assert duckdb.sql(f"select distinct scanner from '{file}' order by 1").fetchall() == [
        ("fails",), ("means",), ("ranks",),
    ]  # fmt: skip


def test_a_missing_shard_is_refused_and_what_was_there_stands(pipeline: Pipeline) -> None:
    scanners, before = PythonPipeline(pipeline), results(pipeline)
    plan = scanners.plan([LAST], "parts", incremental=False, shards=2)
    shards = plan.shards()
    for shard in shards:
        scanners.run_shard(plan, *shard)
    with pytest.raises(ScannerError, match="these are missing: 1 of fails"):
        scanners.merge(plan, [shard for shard in shards if shard != ("fails", 1)])
    with pytest.raises(ScannerError, match="one came twice"):
        scanners.merge(plan, [*shards, shards[0]])
    left = plan.result_path("ranks", 1)
    kept = left.read_bytes()
    left.unlink()
    with pytest.raises(ScannerError, match=r"What shard 1 of ranks left in .* is gone. Run it again."):
        scanners.merge(plan, shards)
    assert results(pipeline) == before
    left.write_bytes(kept)
    scanners.merge(plan, shards)
    assert results(pipeline) == before
    assert query(pipeline, "select distinct run_id from scan_results where session = ?", LAST) == [("parts",)]


def test_shards_of_other_data_or_code_than_planned_are_refused(pipeline: Pipeline) -> None:
    scanners = PythonPipeline(pipeline)
    plan = scanners.plan([LAST], "late", incremental=False)
    revise(pipeline, symbols(pipeline)[0], LAST, 1.01)
    with pytest.raises(ScannerError, match=r"Bars or decisions changed while the shards of means ran. Run it again."):
        scanners.run_shard(plan, "means", 1)
    plan = scanners.plan([LAST], "later", incremental=False)
    write(pipeline, "means", SCANNERS["means"] + "# edited\n")
    with pytest.raises(ScannerError, match=r"means.py was edited while its shards ran. Run it again."):
        scanners.run_shard(plan, "means", 1)


def test_a_session_that_was_not_screened_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(ScannerError, match=r"2025-09-22 is not screened: .* `scan-pipeline run --session 2025-09-22`"):
        scan(pipeline, "too early", [date(2025, 9, 22)])


def test_a_merge_killed_at_any_line_leaves_the_old_results_or_the_new_ones(pipeline: Pipeline, tmp_path: Path) -> None:
    old = results(pipeline)
    write(pipeline, "means", SCANNERS["means"].replace("-1000", "1.01"))
    scanners = PythonPipeline(pipeline)
    plan = scanners.plan([LAST], "killed", incremental=False)
    for shard in plan.shards():
        scanners.run_shard(plan, *shard)
    _, left = left_by_kills(
        lambda: scanners.merge(plan, plan.shards()), pipeline.settings.data_dir, tmp_path / "killed"
    )
    new = results(pipeline)
    assert new["scan_results"] != old["scan_results"]
    (outcome,) = [row for row in new["scanner_outcomes"] if row[:2] == (str(LAST), "means")]
    hits = [row for row in new["scan_results"] if row[:2] == (str(LAST), "means")]
    assert int(outcome[3]) == len(hits)
    kinds = [[old, new].index(results(Pipeline(replace(pipeline.settings, data_dir=folder)))) for folder in left]
    assert kinds == sorted(kinds)
    assert set(kinds) == {0, 1}


def test_a_scan_that_is_killed_leaves_no_worker_and_the_old_results(pipeline: Pipeline, tmp_path: Path) -> None:
    import psutil

    before = results(pipeline)
    write(pipeline, "means", SCANNERS["means"].replace("    mean =", "    import time; time.sleep(1)\n    mean ="))
    program = (
        "from datetime import date\nfrom pathlib import Path\nfrom scan_pipeline.pipeline import Pipeline\n"
        "from scan_pipeline.python_pipeline import PythonPipeline\nfrom scan_pipeline.settings import Settings\n"
        f"pipeline = Pipeline(Settings(data_dir=Path({str(pipeline.settings.data_dir)!r})))\n"
        f"PythonPipeline(pipeline).scan([date(2025, 9, 26)], 'killed')\n"
    )
    for number in (signal.SIGKILL, signal.SIGINT):
        parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
        workers: list[psutil.Process] = []
        while not workers and parent.poll() is None:
            workers = [one for one in psutil.Process(parent.pid).children() if "worker" in " ".join(one.cmdline())]
        assert workers
        os.kill(parent.pid, number)
        parent.wait(30)
        assert psutil.wait_procs(workers, timeout=10)[1] == []
        assert results(pipeline) == before


def test_one_scanner_can_be_tried_with_other_parameters_symbols_and_history_and_nothing_is_stored(
    pipeline: Pipeline,
) -> None:
    before = pipeline.settings.database_path.read_bytes()
    scanner = PythonPipeline(pipeline).get("means")
    one, two, *_ = symbols(pipeline)
    tried = run_python(pipeline, scanner, SESSIONS, symbols=[one, two])
    assert len(tried.hits) == 8
    assert [outcome.hits for outcome in tried.outcomes] == [2] * 4
    assert tried.peak_mib > 50
    stored = query(
        pipeline,
        "select symbol, details from scan_results where scanner = 'means' and session = ? and symbol = ?",
        LAST,
        one,
    )
    assert {(hit.symbol, hit.details) for hit in tried.hits if hit.session == LAST} >= set(stored)
    assert not run_python(pipeline, scanner, SESSIONS, symbols=[one], parameters={"least": 1000}).hits
    cut = run_python(pipeline, scanner, SESSIONS, symbols=[one, two], cut_off=SESSIONS[1])
    assert cut.hits == [hit for hit in tried.hits if hit.session <= SESSIONS[1]]
    short = run_python(pipeline, scanner, [LAST], symbols=[one], history=10)
    assert '"was":null' in short.hits[0].details if short.hits else True
    assert len(short.hits) == 0  # of ten bars there is no mean of twenty
    assert run_python(pipeline, scanner, [LAST], symbols=["NOBODY"]).outcomes[0].hits == 0
    with pytest.raises(ScannerError, match="means has no parameter leest"):
        run_python(pipeline, scanner, [LAST], parameters={"leest": 1})
    assert pipeline.settings.database_path.read_bytes() == before


def test_a_scanner_computes_with_the_functions_that_sql_has(pipeline: Pipeline) -> None:
    write(
        pipeline,
        "strength",
        "from scan_pipeline import scanner, ta\n\n\n@scanner(lookback=160)\ndef strength(bars):\n"
        "    bars['rsi'] = ta.rsi(bars.close, 14)\n"
        "    bars['week'] = ta.sma(ta.weekly(bars).close, 3).reindex(bars.index, method='ffill')\n"
        "    return bars[['rsi', 'week']]\n",
    )
    one, *_ = symbols(pipeline)
    (hit,) = run_python(pipeline, PythonPipeline(pipeline).get("strength"), [LAST], symbols=[one]).hits
    details = json.loads(hit.details)
    assert details["rsi"] == pytest.approx(pipeline.explain(one, LAST).features["rsi_14"], rel=1e-6)
    assert details["week"] > 0
    assert {path.name for path in pipeline.settings.scanners_dir.iterdir() if path.is_dir()} == set()


def test_where_the_last_scanner_is_deleted_its_hits_go(pipeline: Pipeline) -> None:
    scanners = PythonPipeline(pipeline)
    scanners.forget(SESSIONS, "gone")
    assert query(pipeline, "select count(*) from scan_results") != [(0,)]
    for path in pipeline.settings.scanners_dir.glob("*.py"):
        path.unlink()
    scanners.forget([LAST], "gone")
    assert query(pipeline, "select distinct session from scan_results where session = ?", LAST) == []
    assert outcomes(pipeline) == {}
    assert outcomes(pipeline, SESSIONS[0]) != {}


def test_a_plan_survives_its_way_through_a_file(pipeline: Pipeline) -> None:
    plan = PythonPipeline(pipeline).plan(SESSIONS, "kept")
    write_plan(plan)
    assert read_plan(Path(plan.folder)) == plan
    shutil.rmtree(plan.folder)
    with pytest.raises(ScannerError, match=r"is gone, or not on this machine. Run it again."):
        read_plan(Path(plan.folder))
