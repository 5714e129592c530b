"""Incremental reruns: whatever has happened in between, the results are those of a full scan, row for row."""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scan_pipeline.changes.deltas import Deltas
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import BUILTIN_DIR, find_scanners
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.settings import Settings
from scan_pipeline.store.bars import hash_bars
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.killed import left_by_kills
from scan_pipeline_tests.scans import FEW_BUILT_IN, change, content, copy_of, prepare, query, write_scanner

SESSIONS = [date(2025, 9, day) for day in (23, 24, 25, 26)]
LAST = SESSIONS[-1]
TABLES = ("scan_results", "scanner_outcomes", "features", "market_context")

#: Scanners of both kinds: one looks at each symbol alone, one compares all of them, one reads their bars.
SCANNERS = {
    "mine": "-- rank: close desc\n-- limit: 20\nselect session, symbol, close from features where close > {edit}",
    "ranks": "select session, symbol, percent_rank() over (order by change_pct) as place from features "
    "qualify place > 0.9",
    "looks_back": "select features.session, features.symbol, avg(bars.close) as mean from features "
    "join bars using (symbol) where features.symbol < 'D' group by all",
}


@pytest.fixture(scope="module")
def screened(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """Four sessions, not scanned. Do not write to it; copy it."""
    return prepare(copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("screened")), SESSIONS)


@pytest.fixture(scope="module")
def base(
    screened: Pipeline, few_built_in: None, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """Four sessions, scanned in one pass. Do not write to it; copy it."""
    pipeline = copy_of(screened, settings_at, tmp_path_factory.mktemp("base"))
    for name, text in SCANNERS.items():
        write_scanner(pipeline, name, text.format(edit=10))
    scanned = list(pipeline.scan(SESSIONS, "first"))
    assert all(outcome.hits for one in scanned for outcome in one.outcomes if outcome.scanner in SCANNERS)
    return pipeline


@pytest.fixture
def pipeline(base: Pipeline, settings_at: SettingsFactory, tmp_path: Path) -> Pipeline:
    return _copy(base, settings_at, tmp_path / "mine")


def _copy(pipeline: Pipeline, settings_at: SettingsFactory, folder: Path) -> Pipeline:
    made = copy_of(pipeline, settings_at, folder)
    shutil.copytree(pipeline.settings.scanners_dir, made.settings.scanners_dir, dirs_exist_ok=True)
    return made


def rerun(pipeline: Pipeline, limits: ScreenLimits | None = None, run_id: str = "again") -> list[Deltas]:
    """What the job `incremental_scan` does after it has taken in corrections."""
    pipeline.build_universe(SESSIONS)
    pipeline.screen(SESSIONS, limits or pipeline.settings.screen)
    found = pipeline.find_changes(SESSIONS, run_id)
    list(pipeline.scan(SESSIONS, run_id, incremental=True))
    return found


def revise(pipeline: Pipeline, symbols: Sequence[str], session: date, factor: float) -> None:
    """A correction of bars, as the store takes it in."""
    with pipeline.store.write() as connection:
        connection.execute(
            "update price_bars set close = close * $by, high = greatest(high, close * $by), "
            "low = least(low, close * $by), volume = volume * $by "
            "where session = $day and symbol in (select unnest($symbols::VARCHAR[]))",
            {"by": factor, "day": session, "symbols": list(symbols)},
        )
        hash_bars(connection, [session])


def withdraw(pipeline: Pipeline, symbol: str, session: date) -> None:
    with pipeline.store.write() as connection:
        connection.execute("delete from price_bars where symbol = ? and session = ?", [symbol, session])
        hash_bars(connection, [session])


def symbols(pipeline: Pipeline) -> list[str]:
    rows = query(pipeline, "select symbol from prefiltered_symbols where passed and session = ? order by 1", LAST)
    return [symbol for (symbol,) in rows]


def results(pipeline: Pipeline) -> dict[str, Any]:
    return {table: content(pipeline, table, SESSIONS) for table in TABLES}


def full_scan_of(
    pipeline: Pipeline, settings_at: SettingsFactory, limits: ScreenLimits | None = None
) -> dict[str, Any]:
    """What a database that holds the same, and has never been scanned, gives."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = _copy(pipeline, settings_at, Path(folder))
        for table in ("scan_results", "scanner_outcomes", "kept_features", "kept_scores", "market_context",
                      "scan_fingerprints", "incremental_deltas"):  # fmt: skip
            change(fresh, f"delete from {table}")
        fresh.build_universe(SESSIONS)
        fresh.screen(SESSIONS, limits or fresh.settings.screen)
        list(fresh.scan(SESSIONS, "full"))
        return results(fresh)


def test_where_nothing_changed_nothing_is_scanned_and_the_results_stand(pipeline: Pipeline) -> None:
    before = results(pipeline)
    found = rerun(pipeline)
    assert [one.rescan for one in found] == [0] * len(SESSIONS)
    assert [set(one.changes) for one in found] == [{"none"}] * len(SESSIONS)
    assert results(pipeline) == before
    assert query(pipeline, "select distinct run_id from scan_results") == [("first",)]


def test_a_revised_bar_is_the_only_symbol_that_is_scanned_again(
    pipeline: Pipeline, settings_at: SettingsFactory
) -> None:
    one, *_ = symbols(pipeline)
    revise(pipeline, [one], SESSIONS[2], 1.03)
    found = {deltas.session: deltas for deltas in rerun(pipeline)}
    # The bar is in the history of its own session and of those after it, of none before.
    assert [found[day].rescan for day in SESSIONS] == [0, 0, 1, 1]
    assert found[LAST].rescanned == {"revised": 1}
    assert f"{found[LAST]}".startswith(f"1 of {found[LAST].symbols:,} symbols rescanned (1 revised), ")
    assert query(
        pipeline, "select change, rescan, why from incremental_deltas where session = ? and symbol = ?", LAST, one
    ) == [("revised", True, "a bar of its history is another")]
    assert results(pipeline) == full_scan_of(pipeline, settings_at)


def test_hits_say_since_when_what_they_are_made_of_is_cached(pipeline: Pipeline) -> None:
    first = query(pipeline, "select max(scanned_at) from scan_fingerprints")[0][0]
    hit = query(pipeline, "select symbol from scan_results where session = ? and scanner = 'mine' order by rank", LAST)
    revise(pipeline, [hit[0][0]], LAST, 1.001)
    rerun(pipeline)
    since = dict(query(pipeline, "select symbol, cached_since from scan_results where session = ?", LAST))
    assert since.pop(hit[0][0]) is None
    assert set(since.values()) == {first}


def test_a_scanner_that_compares_symbols_runs_on_all_of_them(pipeline: Pipeline, settings_at: SettingsFactory) -> None:
    # One symbol rises above all others: the ranks of those that did not change are others too.
    ranks = dict(query(pipeline, "select symbol, rank from scan_results where session = ? and scanner = 'ranks'", LAST))
    cheap = [symbol for (symbol,) in query(
        pipeline, "select symbol from prefiltered_symbols where passed and session = ? order by close", LAST
    )]  # fmt: skip
    outsider = next(one for one in cheap if one not in ranks)
    revise(pipeline, [outsider], LAST, 3.0)
    rerun(pipeline)
    after = dict(query(pipeline, "select symbol, rank from scan_results where session = ? and scanner = 'ranks'", LAST))
    assert outsider in after
    assert {symbol for symbol, rank in after.items() if ranks.get(symbol) != rank} - {outsider}
    assert results(pipeline) == full_scan_of(pipeline, settings_at)


def test_a_split_of_the_benchmark_and_another_benchmark_are_changes_of_all_that_is_held_against_it(
    pipeline: Pipeline, settings_at: SettingsFactory
) -> None:
    write_scanner(
        pipeline, "beta", "-- rank: beta_60 desc\nselect session, symbol, beta_60 from features where beta_60 > 0"
    )
    rerun(pipeline)
    before = results(pipeline)
    day = date(2025, 8, 20)
    change(pipeline, "insert into splits values (?, ?, 1, 2, ?)", pipeline.settings.benchmark, day, day)
    rerun(pipeline)
    after_split = results(pipeline)
    assert after_split["features"] != before["features"]
    assert after_split == full_scan_of(pipeline, settings_at)
    other = Pipeline(replace(pipeline.settings, benchmark="QQQ"))
    assert other.stale_sessions() == SESSIONS
    rerun(other)
    with_other = results(other)
    assert with_other["features"] != after_split["features"]
    list(other.scan(SESSIONS, "full"))
    assert results(other) == with_other


def test_what_entered_left_and_moved_is_kept(pipeline: Pipeline) -> None:
    mine = "select symbol, rank, score from scan_results where session = ? and scanner = 'mine' order by rank desc"
    (symbol, rank, close), *_, (_, _, highest) = query(pipeline, mine, LAST)
    revise(pipeline, [symbol], LAST, highest / close * 1.01)
    rerun(pipeline)
    moves = query(
        pipeline,
        "select change, old_rank, new_rank, before_run_id, run_id from hit_changes "
        "where session = ? and scanner = 'mine' and symbol = ?",
        LAST,
        symbol,
    )
    assert moves == [("moved", rank, 1, "first", "again")]


def test_features_of_other_code_are_not_used(pipeline: Pipeline) -> None:
    change(pipeline, "update scan_fingerprints set engine = 'of last year'")
    found = rerun(pipeline)
    assert all(set(one.rescanned) == {"new_bar"} for one in found)


def test_a_scanner_runs_again_only_where_a_symbol_that_changed_is_a_hit_or_was_one(
    pipeline: Pipeline, settings_at: SettingsFactory
) -> None:
    by_close = query(
        pipeline, "select symbol, close from prefiltered_symbols where passed and session = ? order by close", LAST
    )
    cheap = next(symbol for symbol, _ in by_close)
    dear = next(symbol for symbol, close in by_close if close > 20)
    rising, at = next((symbol, close) for symbol, close in reversed(by_close) if close < 9.5)

    def untouched_by(symbol: str, factor: float) -> frozenset[str]:
        """The scanners of the last session that did not run after a correction of the symbol."""
        revise(pipeline, [symbol], LAST, factor)
        pipeline.build_universe(SESSIONS)
        pipeline.screen(SESSIONS, pipeline.settings.screen)
        pipeline.find_changes(SESSIONS, "again")
        [scanned] = [one for one in pipeline.scan(SESSIONS, "again", incremental=True) if one.session == LAST]
        assert scanned.rescanned_symbols == 1
        assert results(pipeline) == full_scan_of(pipeline, settings_at)
        return scanned.untouched_scanners

    # `mine` finds what closes above 10, `ranks` compares symbols, `looks_back` reads bars.
    assert "mine" in untouched_by(cheap, 1.01)
    assert "mine" not in untouched_by(dear, 1.01)
    assert "mine" not in untouched_by(rising, 12 / at)  # it becomes a hit
    assert "mine" not in untouched_by(rising, at / 12)  # it was one
    assert not {"ranks", "looks_back"} & untouched_by(cheap, 1.01)


def test_a_session_with_other_results_is_stale_and_a_rerun_mends_it(pipeline: Pipeline) -> None:
    assert pipeline.stale_sessions() == []
    revise(pipeline, symbols(pipeline)[:3], SESSIONS[1], 1.02)
    assert pipeline.stale_sessions() == SESSIONS[1:]
    rerun(pipeline)
    assert pipeline.stale_sessions() == []
    write_scanner(pipeline, "mine", SCANNERS["mine"].format(edit=50))
    assert pipeline.stale_sessions() == SESSIONS


def test_a_scanner_that_failed_is_tried_again(pipeline: Pipeline, settings_at: SettingsFactory) -> None:
    few = Pipeline(replace(pipeline.settings, max_hits=2))
    list(few.scan(SESSIONS, "too few"))
    failed = "select count(*) from scanner_outcomes where scanner = 'mine' and not ok"
    assert query(few, failed) == [(len(SESSIONS),)]
    rerun(pipeline)  # with as many hits as the message asks for
    assert query(pipeline, failed) == [(0,)]
    assert results(pipeline) == full_scan_of(pipeline, settings_at)


def test_hits_that_were_not_published_for_their_writer_was_killed_are_published(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def published() -> list[tuple[Any, ...]]:
        folder = str(pipeline.settings.results_dir / "*.parquet")
        return query(pipeline, "select * from read_parquet(?) order by all", folder)

    held = "select * from scan_results order by all"
    rerun(pipeline)
    assert published() == query(pipeline, held)  # the files that a copied database lacks
    revise(pipeline, symbols(pipeline)[:40], SESSIONS[0], 1.2)
    with monkeypatch.context() as patch:
        patch.setattr("scan_pipeline.stages.scan.publish", killed)
        with pytest.raises(KeyboardInterrupt):
            rerun(pipeline)
    assert published() != query(pipeline, held)
    results_dir = pipeline.settings.results_dir
    for left in results_dir.glob("*.tmp"):
        left.rename(left.with_name(f"{left.name.split('.')[0]}.{2**30}.tmp"))  # of a process that is no more
    assert [*results_dir.glob("*.tmp")]
    rerun(pipeline)
    assert published() == query(pipeline, held)
    assert not [*results_dir.glob("*.tmp")]


def test_a_scan_that_another_overtakes_begins_anew(
    pipeline: Pipeline, settings_at: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cached features, and the hits that it found to stand, are the other's by then."""
    one, *_, two = symbols(pipeline)
    close_fence, others = Bench.close_fence, [True]

    def overtaken(bench: Bench) -> None:
        if others:
            others.clear()
            revise(pipeline, [two], LAST, 3.0)
            write_scanner(pipeline, "more", "select session, symbol from features where adx_14 > 20 and rsi_2 > 10")
            for session in SESSIONS:
                list(pipeline.scan([session], "another"))
            (pipeline.settings.scanners_dir / "more.sql").unlink()
        close_fence(bench)

    revise(pipeline, [one], SESSIONS[0], 1.01)
    pipeline.find_changes(SESSIONS, "again")
    monkeypatch.setattr(Bench, "close_fence", overtaken)
    list(pipeline.scan(SESSIONS, "again", incremental=True))
    assert not others
    assert results(pipeline) == full_scan_of(pipeline, settings_at)


# Random histories. Each step is something that happens to a store between two scans.


@dataclass
class History:
    """A store with a life: what may happen to it."""

    pipeline: Pipeline
    limits: ScreenLimits
    symbols: list[str]
    withdrawn: list[tuple[Any, ...]] = field(default_factory=list)

    def happen(self, kind: str, number: int, session: date, factor: float) -> None:
        symbol = self.symbols[number % len(self.symbols)]
        match kind:
            case "revise":
                some = [self.symbols[(number + place) % len(self.symbols)] for place in range(7)]
                revise(self.pipeline, some, session, factor)
            case "withdraw":
                self.withdrawn += query(
                    self.pipeline, "select * from price_bars where symbol = ? and session = ?", symbol, session
                )
                withdraw(self.pipeline, symbol, session)
            case "late":
                for row in self.withdrawn:
                    change(self.pipeline, f"insert into price_bars values ({', '.join('?' * len(row))})", *row)
                with self.pipeline.store.write() as connection:
                    hash_bars(connection, sorted({row[0] for row in self.withdrawn}))
                self.withdrawn = []
            case "split":
                change(
                    self.pipeline,
                    "insert into splits select ?, ?, 1, 2, ? "
                    "where not exists (from splits where symbol = ? and ex_date = ?)",
                    symbol, session, session, symbol, session,
                )  # fmt: skip
            case "old split":
                change(self.pipeline, "update splits set split_to = split_to + 1 where symbol in "
                       "(select symbol from splits order by hash(symbol, ?) limit 3)", number)  # fmt: skip
            case "limits":
                self.limits = replace(self.limits, min_price=1.0 + number % 40)
            case "scanner":
                write_scanner(self.pipeline, "mine", SCANNERS["mine"].format(edit=number))
            case "killed":
                self.pipeline.find_changes(SESSIONS, "killed")  # … before it scanned
            case "one night":
                list(self.pipeline.scan([session], "night"))


STEP = st.tuples(
    st.sampled_from(
        ["revise", "revise", "withdraw", "late", "split", "old split", "limits", "scanner", "killed", "one night"]
    ),
    st.integers(0, 500),
    st.sampled_from(SESSIONS),
    st.sampled_from([0.5, 0.97, 1.01, 1.3, 3.0]),
)


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lives=st.lists(st.lists(STEP, min_size=1, max_size=4), min_size=1, max_size=3))
def test_incremental_equals_full_whatever_happened(
    lives: list[list[tuple[str, int, date, float]]], base: Pipeline, settings_at: SettingsFactory
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = _copy(base, settings_at, Path(folder))
        history = History(pipeline, pipeline.settings.screen, symbols(pipeline))
        for number, steps in enumerate(lives):
            for step in steps:
                history.happen(*step)
            rerun(pipeline, history.limits, run_id=f"again {number}")
            assert results(pipeline) == full_scan_of(pipeline, settings_at, history.limits)


@pytest.mark.slow
def test_with_all_that_is_built_in_incremental_equals_full_too(
    screened: Pipeline, settings_at: SettingsFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scan_pipeline.pipeline.find_scanners", find_scanners)
    pipeline = copy_of(screened, settings_at, tmp_path / "all")
    pipeline.settings.scanners_dir.mkdir()
    list(pipeline.scan(SESSIONS, "first"))
    history = History(pipeline, pipeline.settings.screen, symbols(pipeline))
    for step in (("revise", 3, SESSIONS[1], 1.3), ("withdraw", 20, LAST, 1.0), ("old split", 1, LAST, 1.0),
                 ("split", 40, SESSIONS[2], 1.0)):  # fmt: skip
        history.happen(*step)
    rerun(pipeline)
    assert results(pipeline) == full_scan_of(pipeline, settings_at)
    scanners = {scanner for (scanner,) in query(pipeline, "select distinct scanner from scanner_outcomes where ok")}
    assert scanners == {path.stem for path in BUILTIN_DIR.glob("*.sql")}
    assert len(scanners) > len(FEW_BUILT_IN)


RERUNS = """
import sys
from datetime import date
from pathlib import Path
from scan_pipeline.pipeline import Pipeline
from scan_pipeline import pipeline as module
from scan_pipeline.settings import Settings
from scan_pipeline_tests.scans import find_few_scanners

module.find_scanners = find_few_scanners
data_dir, files_path = map(Path, sys.argv[1:3])
pipeline = Pipeline(Settings(data_dir=data_dir, provider="files", files_path=files_path))
sessions = [date.fromisoformat(day) for day in sys.argv[3:]]
print("ready", flush=True)
pipeline.find_changes(sessions, "again")
list(pipeline.scan(sessions, "again", incremental=True))
print("done", flush=True)
"""


def _rerun_process(given: Settings) -> "subprocess.Popen[str]":
    arguments = [str(given.data_dir), str(given.files_path), *map(str, SESSIONS)]
    process = subprocess.Popen([sys.executable, "-c", RERUNS, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_a_rerun_that_is_killed_leaves_a_session_old_or_new_never_a_mixture(
    pipeline: Pipeline, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    old = {day: content(pipeline, "scan_results", [day]) for day in SESSIONS}
    revise(pipeline, symbols(pipeline)[:40], SESSIONS[0], 1.2)
    finished = _copy(pipeline, settings_at, tmp_path / "finished")
    _, left = left_by_kills(lambda: rerun(finished), finished.settings.data_dir, tmp_path / "left")
    new = {day: content(finished, "scan_results", [day]) for day in SESSIONS}
    assert all(old[day] != new[day] for day in SESSIONS)
    found = []
    for folder in left:
        killed = Pipeline(replace(finished.settings, data_dir=folder))
        held = [(old[day], new[day]).index(content(killed, "scan_results", [day])) for day in SESSIONS]
        if held not in found:  # a rerun makes of it what one makes that is not killed
            found.append(held)
            rerun(killed)
            assert results(killed) == results(finished)
    assert found == sorted(found)
    assert found[0] == [0] * len(SESSIONS)
    assert found[-1] == [1] * len(SESSIONS)

    chance = random.Random(7)
    for number in range(2):
        killed = _copy(pipeline, settings_at, tmp_path / f"killed_{number}")
        process = _rerun_process(killed.settings)
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        for day in SESSIONS:
            assert content(killed, "scan_results", [day]) in (old[day], new[day])
        rerun(killed)
        assert results(killed) == results(finished)


@pytest.mark.slow
def test_of_two_reruns_at_once_one_waits_and_the_results_are_right(
    pipeline: Pipeline, settings_at: SettingsFactory
) -> None:
    revise(pipeline, symbols(pipeline)[:40], SESSIONS[1], 1.2)
    processes = [_rerun_process(pipeline.settings) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["done\n"] * 2
    assert results(pipeline) == full_scan_of(pipeline, settings_at)
