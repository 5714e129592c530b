"""The scanners that come with the product find something, and find exactly what they say."""

from collections.abc import Callable
from datetime import date
from itertools import groupby

import pandas as pd
import pytest

from scan_pipeline.features.catalogue import HISTORY_SESSIONS
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import BUILTIN_DIR, read_scanner
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import copy_of, prepare, query
from scan_pipeline_tests.yardsticks import adjusted_bars, by_pandas

pytestmark = pytest.mark.slow

FIRST, LAST = date(2025, 9, 4), date(2025, 11, 28)  # 61 sessions, in two groups of history

#: Each scanner's definition in pandas: a table of one symbol's features in, the bars that are hits out.
DEFINITIONS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "gap_and_go": lambda f: (f.gap_pct >= 4) & (f.close > f.open) & (f.relative_volume >= 2),
    "breakout_52w": lambda f: (
        (f.high == f.high_52w)
        & (f.close > f.open)
        & ((f.high - f.close) * 4 <= f.high - f.low)
        & (f.relative_volume >= 1.5)
    ),
    "oversold_bounce": lambda f: (
        (f.rsi_14 < 30) & (f.change_pct > 0) & (f.close > f.open) & (2 * f.close >= f.high + f.low)
    ),
    "pullback_sma_20": lambda f: (
        (f.sma_20 > f.sma_50)
        & (f.sma_50 > f.sma_200)
        & (f.ema_9_slope_5 > 0)
        & (f.low <= f.sma_20 + 0.25 * f.atr_14)
        & (f.close > f.sma_20)
    ),
    "tight_range": lambda f: (
        (f.close >= 0.97 * f.high_20)
        & (f.sma_20 > f.sma_50)
        & (f.true_range <= 0.5 * f.atr_14)
        & (f.relative_volume < 1)
    ),
    "unusual_volume": lambda f: f.relative_volume >= 3,
}


@pytest.fixture(scope="module")
def scanned(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory, calendar: Calendar
) -> Pipeline:
    """A quarter of the demo market, scanned with the default limits."""
    sessions = calendar.between(FIRST, LAST)
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("builtin")), sessions)
    list(pipeline.scan(sessions, "quarter"))
    return pipeline


@pytest.fixture(scope="module")
def recomputed(scanned: Pipeline, calendar: Calendar) -> dict[str, set[tuple[date, str]]]:
    """The hits of every definition, computed symbol by symbol in pandas from the stored bars."""
    passed = set(query(scanned, "select session, symbol from prefiltered_symbols where passed"))
    symbols = sorted({symbol for _, symbol in passed})
    effective = "select symbol from splits where greatest(ex_date, known_on) between ? and ?"
    split = {symbol for (symbol,) in query(scanned, effective, FIRST, LAST)}
    hits: dict[str, set[tuple[date, str]]] = {name: set() for name in DEFINITIONS}
    sessions = calendar.between(FIRST, LAST)
    with scanned.store.read() as connection:
        for start, group in groupby(sessions, key=lambda session: calendar.history_start(session, HISTORY_SESSIONS)):
            members = list(group)
            for symbol in symbols:
                # One symbol's prices read alike all along, unless it splits: then each session knows its own.
                for as_of in members if symbol in split else members[-1:]:
                    wanted = [as_of] if symbol in split else members
                    features = by_pandas(adjusted_bars(connection, symbol, start, as_of))
                    for name, definition in DEFINITIONS.items():
                        found = features.index[definition(features)]
                        hits[name] |= {(day, symbol) for day in found if day in wanted and (day, symbol) in passed}
    return hits


def test_every_built_in_scanner_is_defined_here_too() -> None:
    assert set(DEFINITIONS) == {path.stem for path in BUILTIN_DIR.glob("*.sql")}


def test_each_finds_something_in_a_quarter_and_fails_on_no_session(scanned: Pipeline) -> None:
    outcomes = query(scanned, "select scanner, count(*), bool_and(ok), sum(hits) > 0 from scanner_outcomes group by 1")
    assert sorted(outcomes) == [(name, 61, True, True) for name in sorted(DEFINITIONS)]


def test_hits_are_the_bars_that_meet_the_definition_and_no_others(
    scanned: Pipeline, recomputed: dict[str, set[tuple[date, str]]]
) -> None:
    rows = query(scanned, "select scanner, session, symbol from scan_results")
    most = dict(query(scanned, "select scanner, max(hits) from scanner_outcomes group by scanner"))
    for name, expected in recomputed.items():
        hits = {(session, symbol) for scanner, session, symbol in rows if scanner == name}
        limit = read_scanner(BUILTIN_DIR / f"{name}.sql").limit
        assert limit
        assert most[name] < limit, "so that the limit hides no hit here"
        assert hits == expected, name
