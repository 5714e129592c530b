"""The scanners that come with the product find something, and find exactly what they say.

Each is defined here a second time, in pandas from the stored bars; a quarter of the demo market is scanned and the hits
are held against those. Tables are wide: a column for each symbol, a row for each of its own bars, its first bar in the
first row. What depends on other symbols (strength, sectors) is computed across them, session by session.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scan_pipeline.errors import ScannerError
from scan_pipeline.features import market_context
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.parameters import fill_in
from scan_pipeline.scanners.preparing import demand, prepare
from scan_pipeline.scanners.registry import BUILTIN_DIR, SqlScanner, read_scanner
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests import scans
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import query

pytestmark = pytest.mark.slow

FIRST, LAST = date(2025, 9, 4), date(2025, 11, 28)  # 61 sessions, in two groups of history
COLUMNS = ("open", "high", "low", "close", "volume")
#: More of the demo market than is worth scanning: scanners that are hard to please shall find something too.
LIBERAL = ScreenLimits(min_average_volume=3e5, min_market_cap=0)

#: Wide tables, by name.
Features = Any

#: Each scanner's definition in pandas: wide tables in, a wide table of hits out.
DEFINITIONS: dict[str, Callable[[Features], pd.DataFrame]] = {
    "gap_and_go": lambda f: (f.gap_pct >= 4) & (f.close > f.open) & (f.relative_volume >= 2),
    "breakout_52w": lambda f: (
        (f.high == highest(f.high, 252))
        & (f.close > f.open)
        & ((f.high - f.close) * 4 <= f.high - f.low)
        & (f.relative_volume >= 1.5)
    ),
    "oversold_bounce": lambda f: (
        (rsi(f.close, 14) < 30) & (f.change_pct > 0) & (f.close > f.open) & (2 * f.close >= f.high + f.low)
    ),
    "pullback_sma_20": lambda f: (
        (f.sma_20 > f.sma_50)
        & (f.sma_50 > f.sma_200)
        & (2 * f.ema_9 + f.ema_9.shift(1) > f.ema_9.shift(3) + 2 * f.ema_9.shift(4))
        & (f.low <= f.sma_20 + 0.25 * f.atr_14)
        & (f.close > f.sma_20)
    ),
    "tight_range": lambda f: (
        (f.close >= 0.97 * highest(f.high, 20))
        & (f.sma_20 > f.sma_50)
        & (f.true_range <= 0.5 * f.atr_14)
        & (f.relative_volume < 1)
    ),
    "unusual_volume": lambda f: f.relative_volume >= 3,
    "minervini_trend_template": lambda f: (
        (f.close > f.sma_50)
        & (f.sma_50 > mean(f.close, 150))
        & (mean(f.close, 150) > f.sma_200)
        & (f.sma_200 > f.sma_200.shift(21))
        & (f.close >= 1.3 * lowest(f.low, 252))
        & (f.close >= 0.75 * highest(f.high, 252))
        & (f.rs_rating >= 70)
    ),
    "canslim_technicals": lambda f: (
        (f.rs_rating >= 80)
        & (f.close > highest(f.high, 50).shift())
        & (f.close > f.sma_50)
        & (f.sma_50 > f.sma_200)
        & (f.close >= 0.95 * highest(f.high, 252))
        & (f.volume >= 1.4 * mean(f.volume, 50).shift())
    ),
    "darvas_box": lambda f: (
        (f.close > highest(f.high, 252).shift())
        & is_within(bars_since_highest(f.high, 252).shift(), 4, 59)
        & (lowest(f.low, 3).shift() > f.low_since_high.shift())
        & (f.low_since_high.shift() >= 0.8 * highest(f.high, 252).shift())
        & (f.relative_volume >= 1.2)
    ),
    "nr7": lambda f: (
        # Ranges that are equal in cents may differ by the rounding of a subtraction.
        (f.high - f.low < lowest(f.high - f.low, 6).shift() - 1e-9 * f.high)
        & (f.high > f.low)
        & (f.high - f.low <= f.atr_14 / 2)
        & (f.atr_14 >= f.close / 100)
    ),
    "ttm_squeeze_fired": lambda f: (
        (f.is_squeezed == 0) & (f.is_squeezed.shift() == 1) & (f.is_squeezed.rolling(10).sum().shift() >= 5)
    ),
    "golden_cross": lambda f: (f.sma_50 > f.sma_200) & (f.sma_50.shift() <= f.sma_200.shift()),
    "pocket_pivot": lambda f: (
        (f.change_pct > 0)
        & (highest(f.down_volume, 10).shift() > 0)
        & (f.volume > highest(f.down_volume, 10).shift())
        & (f.close > mean(f.close, 10))
        & (f.close / mean(f.close, 10) <= 1.05)
        & (f.close > f.sma_50)
        & (f.close > f.sma_200)
    ),
    "volatility_contraction": lambda f: (
        (f.close > f.sma_50)
        & (f.sma_50 > f.sma_200)
        & (f.close >= 0.92 * highest(f.high, 60))
        & (depth(f, 10) <= 0.6 * depth(f, 20).shift(10))
        & (depth(f, 20).shift(10) <= 0.6 * depth(f, 30).shift(30))
        & (depth(f, 10) <= 0.08)
        & (mean(f.volume, 10) < mean(f.volume, 50))
        & (f.atr_14 >= f.close / 100)
    ),
    "gap_up_continuation": lambda f: (
        (f.gap_pct.shift() >= 4)
        & (f.relative_volume.shift() >= 2)
        & (f.close.shift() > f.open.shift())
        & (f.close > f.high.shift())
        & (f.low > f.open.shift())
    ),
    "gap_down_continuation": lambda f: (
        (f.gap_pct.shift() <= -4)
        & (f.relative_volume.shift() >= 2)
        & (f.close.shift() < f.open.shift())
        & (f.close < f.low.shift())
        & (f.high < f.open.shift())
    ),
    "parabolic_d1": lambda f: is_extended(f),
    "parabolic_d2": lambda f: is_extended(f).shift(fill_value=False),
    "first_red_day": lambda f: (
        (f.green_days.shift() >= 3)
        & (f.close.shift() >= 1.3 * lowest(f.low, 20).shift())
        & (f.close < f.open)
        & (f.close < f.close.shift())
    ),
    "oversold_reversal": lambda f: (
        (f.close > f.sma_200)
        & (rsi(f.close, 2).shift() < 10)
        & (f.low < f.low.shift())
        & (f.close > f.close.shift())
        & (2 * f.close >= f.high + f.low)
    ),
    "rs_leaders_near_highs": lambda f: (
        (f.rs_rating >= 90) & (f.close >= 0.95 * highest(f.high, 252)) & (f.close > f.sma_50) & (f.sma_50 > f.sma_200)
    ),
    "lows_52w_on_volume": lambda f: (
        (f.low == lowest(f.low, 252))
        & (f.close < f.open)
        & ((f.close - f.low) * 4 <= f.high - f.low)
        & (f.relative_volume >= 1.5)
    ),
    "high_tight_flag": lambda f: (
        (highest(f.high, 60) >= highest(f.high, 200))
        & (highest(f.high, 60) >= 1.9 * lowest(f.low, 60))
        & (f.low_since_high >= 0.75 * highest(f.high, 60))
        & is_within(bars_since_highest(f.high, 60), 5, 25)
    ),
    "inside_week_breakout": lambda f: (
        (f.week_inside == 1) & (f.close > f.week_high) & (f.close.shift() <= f.week_high) & (f.relative_volume >= 1)
    ),
    "post_gap_drift": lambda f: (
        (f.gap_pct.shift(5) >= 5)
        & (f.relative_volume.shift(5) >= 2)
        & (lowest(f.low, 6) > f.close.shift(6))
        & (f.close > f.close.shift(5))
    ),
    "unusual_dollar_volume_small_caps": lambda f: (
        (f.close * f.volume >= 5 * f.dollar_volume_20.shift())
        & (f.close * f.volume >= 1e7)
        & ((f.market_cap < 2e9) | f.market_cap.isna() & (f.dollar_volume_20.shift() < 2e7))
    ),
    "sector_leaders": lambda f: (f.is_sector_leader == 1) & (f.close > f.sma_50),
    "distribution_warning": lambda f: (
        (f.is_distribution == 1) & (f.is_distribution.rolling(25).sum() >= 6) & (f.close >= 0.9 * highest(f.high, 50))
    ),
}


def highest(values: pd.DataFrame, n: int) -> pd.DataFrame:
    return values.rolling(n).max()


def lowest(values: pd.DataFrame, n: int) -> pd.DataFrame:
    return values.rolling(n).min()


def mean(values: pd.DataFrame, n: int) -> pd.DataFrame:
    return values.rolling(n).mean()


def depth(f: Features, n: int) -> pd.DataFrame:
    """From the highest high of n bars down to the lowest low, as a share."""
    return 1 - lowest(f.low, n) / highest(f.high, n)


def is_within(values: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    return (values >= low) & (values <= high)


def is_extended(f: Features) -> pd.DataFrame:
    return (
        (f.green_days >= 3)
        & (f.change_pct > 0)
        & (f.close - f.ema_9 >= 2 * f.atr_14)
        & (f.close >= 1.25 * lowest(f.low, 20))
        & (f.high > highest(f.high, 50).shift())
        & (f.volume > f.volume.shift())
        & (f.relative_volume >= 1.5)
    )


def bars_since_highest(highs: pd.DataFrame, n: int) -> pd.DataFrame:
    """Of equal ones, since the last."""
    windows = np.lib.stride_tricks.sliding_window_view(highs.to_numpy(), n, axis=0)
    since = np.full(highs.shape, np.nan)
    since[n - 1 :] = np.argmax(windows[:, :, ::-1], axis=2)
    return pd.DataFrame(since).where(highest(highs, n).notna())


def recursive_mean(values: pd.DataFrame, n: int, weight: float, first: int = 0) -> pd.DataFrame:
    """The exponential mean that begins with the mean of the first n values, which begin in row `first`."""
    begun = values.iloc[first + n - 1 :].copy()
    begun.iloc[0] = values.iloc[first : first + n].mean(skipna=False)
    return begun.ewm(alpha=weight, adjust=False).mean().where(begun.notna()).reindex(values.index)


def rsi(close: pd.DataFrame, n: int) -> pd.DataFrame:
    change = close.diff()
    up = recursive_mean(change.clip(lower=0), n, 1 / n, first=1)
    down = recursive_mean(-change.clip(upper=0), n, 1 / n, first=1)
    return 100 * up / (up + down)


@dataclass(frozen=True)
class Reading:
    """A symbol's bars as they are read together for some sessions."""

    symbol: str
    bars: pd.DataFrame
    sessions: list[date]


def widen(columns: list[np.ndarray]) -> pd.DataFrame:
    table = np.full((max(map(len, columns)), len(columns)), np.nan)
    for number, values in enumerate(columns):
        table[: len(values), number] = values
    return pd.DataFrame(table)


def features_of(readings: list[Reading], across: pd.DataFrame, calendar: Calendar) -> Features:
    f = SimpleNamespace(**{name: widen([one.bars[name].to_numpy() for one in readings]) for name in COLUMNS})
    before = f.close.shift()
    f.change_pct, f.gap_pct = 100 * (f.close / before - 1), 100 * (f.open / before - 1)
    f.sma_20, f.sma_50, f.sma_200 = (mean(f.close, n) for n in (20, 50, 200))
    f.ema_9 = recursive_mean(f.close, 9, 2 / 10)
    f.true_range = np.maximum(f.high, before) - np.minimum(f.low, before)
    f.atr_14 = recursive_mean(f.true_range, 14, 1 / 14, first=1)
    f.relative_volume = f.volume / mean(f.volume, 20).shift()
    f.dollar_volume_20 = mean(f.close * f.volume, 20)
    green = f.close > f.open
    f.green_days = pd.DataFrame({column: green[column].groupby((~green[column]).cumsum()).cumsum() for column in green})
    f.down_volume = f.volume.where(f.close < before, 0.0).where(before.notna())
    usual_range = mean(f.true_range, 20)
    f.is_squeezed = (2 * f.close.rolling(20).std(ddof=0) < 1.5 * usual_range).astype(float).where(usual_range.notna())
    since = bars_since_highest(f.high, 60).to_numpy()
    lows = f.low.to_numpy()
    lowest_since = np.full(since.shape, np.nan)
    for row, column in zip(*np.nonzero(since > 0), strict=True):
        lowest_since[row, column] = lows[row + 1 - int(since[row, column]) : row + 1, column].min()
    f.low_since_high = pd.DataFrame(lowest_since)
    usual = mean(f.volume, 50)
    is_distribution = (f.close < 0.99 * before) & (f.volume > f.volume.shift()) & (f.volume > usual)
    f.is_distribution = is_distribution.astype(float).where(usual.notna())
    ends = {day.isocalendar()[:2]: day for day in calendar.between(date(2024, 1, 2), calendar.after(LAST, 5))}
    weeks = [last_weeks(one.bars, ends) for one in readings]
    f.week_high, f.week_inside = (widen([week[:, part] for week in weeks]) for part in (0, 1))
    for name in ("rs_rating", "market_cap", "is_sector_leader"):
        table = across[name].unstack("symbol")
        columns = [table[one.symbol].reindex(one.bars.index) for one in readings]
        setattr(f, name, widen([column.to_numpy(dtype=float) for column in columns]))
    return f


def last_weeks(bars: pd.DataFrame, ends: Mapping[Any, date]) -> Any:
    """For each bar, of the last week that was over by the bar before: its high, and whether it was an inside week.

    `ends` has the last session of every week.
    """
    names = [day.isocalendar()[:2] for day in bars.index]
    begins = [at for at, name in enumerate(names) if at == 0 or name != names[at - 1]]
    highs = np.maximum.reduceat(bars.high.to_numpy(), begins)
    lows = np.minimum.reduceat(bars.low.to_numpy(), begins)
    is_inside = np.concatenate([[False], (highs[1:] < highs[:-1]) & (lows[1:] > lows[:-1])])
    over = np.array([ends[names[at]] for at in begins], dtype="datetime64[D]")
    closed = np.searchsorted(over, np.array(bars.index, dtype="datetime64[D]"), side="right") - 1
    known = np.concatenate([[-1], closed[:-1]])
    values = np.column_stack([highs, is_inside.astype(float)])[known]
    values[known < 0] = np.nan
    return values


def built_in(*, limited: bool = True) -> list[SqlScanner]:
    scanners = [read_scanner(path) for path in sorted(BUILTIN_DIR.glob("*.sql"))]
    return scanners if limited else [replace(scanner, limit=None) for scanner in scanners]


@pytest.fixture(scope="module")
def scanned(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory, calendar: Calendar
) -> Pipeline:
    """A quarter of the demo market, scanned for all hits, whatever the scanners' limits."""
    sessions = calendar.between(FIRST, LAST)
    pipeline = scans.copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("builtin"), screen=LIBERAL)
    scans.prepare(pipeline, sessions)
    list(pipeline.scan(sessions, "quarter", built_in(limited=False)))
    return pipeline


@pytest.fixture(scope="module")
def readings(scanned: Pipeline, calendar: Calendar) -> list[Reading]:
    """The bars of every symbol that passed on some session, as a chart of each of its sessions shows them."""
    passed = "symbol in (select symbol from prefiltered_symbols where passed)"
    rows = query(scanned, f"select symbol, session, {', '.join(COLUMNS)} from price_bars where {passed} order by all")
    bars = pd.DataFrame(rows, columns=["symbol", "session", *COLUMNS]).set_index("session")
    splits: dict[str, list[tuple[date, date, float]]] = {}
    for symbol, *split in query(scanned, "select symbol, ex_date, known_on, split_to / split_from from splits"):
        splits.setdefault(symbol, []).append(tuple(split))
    history = demand(built_in(), market_context.READS).history_sessions
    groups = groupby(calendar.between(FIRST, LAST), key=lambda session: calendar.history_start(session, history))
    return [
        reading
        for start, members in [(start, list(group)) for start, group in groups]
        for symbol, of_symbol in bars.drop(columns="symbol").groupby(bars.symbol)
        for reading in read(str(symbol), of_symbol.loc[start:], splits.get(str(symbol), []), members)
    ]


def read(
    symbol: str, bars: pd.DataFrame, splits: list[tuple[date, date, float]], sessions: list[date]
) -> Iterator[Reading]:
    """One symbol's prices read alike all along, unless it splits: then each session knows its own."""
    is_alike = not any(FIRST <= max(ex_date, known_on) <= LAST for ex_date, known_on, _ in splits)
    for members in [sessions] if is_alike else [[session] for session in sessions]:
        adjusted = bars.loc[: members[-1]].astype(float)
        for ex_date, known_on, factor in splits:
            if max(ex_date, known_on) <= members[-1]:
                earlier = adjusted.index < ex_date
                adjusted.loc[earlier, list(COLUMNS[:4])] /= factor
                adjusted.loc[earlier, "volume"] *= factor
        if len(adjusted) and adjusted.index[-1] >= members[0]:
            yield Reading(symbol, adjusted, members)


@pytest.fixture(scope="module")
def across(scanned: Pipeline, readings: list[Reading]) -> pd.DataFrame:
    """By symbol and session: sector, market cap, strength among the symbols, and whether it leads a leading sector."""
    parts = []
    for reading in readings:
        close = reading.bars.close
        gains = {n: 100 * (close / close.shift(n) - 1) for n in (60, 125, 187, 250)}
        weighted = 0.4 * gains[60] + 0.2 * (gains[125] + gains[187] + gains[250])
        part = pd.DataFrame({"symbol": reading.symbol, "weighted": weighted, "gain": gains[60]})
        parts.append(part[part.index.isin(reading.sessions)])
    computed = pd.concat(parts).rename_axis("session").reset_index()
    known = query(
        scanned,
        "select session, symbol, sector, universe.market_cap "
        "from universe join prefiltered_symbols using (session, symbol) where passed and session between ? and ?",
        FIRST,
        LAST,
    )
    table = pd.DataFrame(known, columns=["session", "symbol", "sector", "market_cap"]).merge(computed)
    strength = table.groupby("session").weighted
    table["rs_rating"] = np.floor(1.5 + 98 * (strength.rank() - 1) / (strength.transform("count") - 1))
    table["is_sector_leader"] = 0.0
    for _, night in table[table.sector.notna() & table.gain.notna()].groupby("session"):
        sectors = night.groupby("sector").gain.agg(["median", "size"])
        strong = sectors[sectors["size"] >= 5].sort_values("median", ascending=False).index[:3]
        for sector in strong:
            leaders = night[night.sector == sector].sort_values(["gain", "symbol"], ascending=[False, True])
            table.loc[leaders.index[:5], "is_sector_leader"] = 1.0
    return table.set_index(["symbol", "session"]).sort_index()


@pytest.fixture(scope="module")
def recomputed(readings: list[Reading], across: pd.DataFrame, calendar: Calendar) -> dict[str, set[tuple[date, str]]]:
    """The hits of every definition, computed in pandas from the stored bars."""
    features = features_of(readings, across, calendar)
    passed = set(across.index)
    hits: dict[str, set[tuple[date, str]]] = {name: set() for name in DEFINITIONS}
    for name, definition in DEFINITIONS.items():
        for row, column in zip(*np.nonzero(definition(features).to_numpy()), strict=True):
            reading = readings[column]
            if row >= len(reading.bars):
                continue  # what was true of the last bar, moved on by one
            day = reading.bars.index[row]
            if day in reading.sessions and (reading.symbol, day) in passed:
                hits[name].add((day, reading.symbol))
    return hits


def test_every_built_in_scanner_is_defined_here_too() -> None:
    assert set(DEFINITIONS) == {path.stem for path in BUILTIN_DIR.glob("*.sql")}


def test_each_finds_something_in_a_quarter_and_fails_on_no_session(scanned: Pipeline) -> None:
    outcomes = query(scanned, "select scanner, count(*), bool_and(ok), sum(hits) > 0 from scanner_outcomes group by 1")
    assert sorted(outcomes) == [(name, 61, True, True) for name in sorted(DEFINITIONS)]


def test_none_finds_most_of_the_market(scanned: Pipeline) -> None:
    rows = query(scanned, "select scanner, sum(hits) from scanner_outcomes group by scanner")
    ((scanned_symbols,),) = query(scanned, "select count(*) from prefiltered_symbols where passed")
    assert {scanner: hits for scanner, hits in rows if hits > scanned_symbols / 4} == {}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_hits_are_the_bars_that_meet_the_definition_and_no_others(
    scanned: Pipeline, recomputed: dict[str, set[tuple[date, str]]], name: str
) -> None:
    hits = set(query(scanned, "select session, symbol from scan_results where scanner = ?", name))
    assert hits == recomputed[name]


@pytest.mark.parametrize("scanner", built_in(), ids=lambda scanner: scanner.name)
def test_each_says_what_it_finds_and_where_its_definition_comes_from(scanner: SqlScanner) -> None:
    assert scanner.fault is None
    assert scanner.title
    assert scanner.rank
    assert scanner.limit
    assert scanner.source
    assert len(scanner.description.split()) >= 10


@pytest.mark.parametrize("scanner", built_in(), ids=lambda scanner: scanner.name)
def test_each_looks_at_rows_one_by_one_unless_it_needs_other_tables(scanner: SqlScanner) -> None:
    """Such a scanner is run for a whole range at once, and in a rerun only where its hits could be others."""
    ready = prepare(scanner)
    if scanner.name in ("sector_leaders", "unusual_dollar_volume_small_caps"):
        assert ready.tables == {"features", "universe"}
    else:
        assert ready.condition or ready.cross_sectional
    assert ready.is_row_by_row == (scanner.name != "sector_leaders")


@pytest.mark.parametrize("scanner", built_in(), ids=lambda scanner: scanner.name)
def test_every_parameter_that_is_declared_is_used(scanner: SqlScanner) -> None:
    fill_in(scanner.text, scanner.parameters)
    for name in scanner.parameters:
        others = {other: value for other, value in scanner.parameters.items() if other != name}
        with pytest.raises(ScannerError, match=rf"there is no parameter \${name}\b"):
            fill_in(scanner.text, others)
