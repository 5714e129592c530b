"""The scanners that come with the product find something, and find exactly what they say.

Each is defined here a second time, in pandas from the stored bars; a quarter of the demo market is scanned and the hits
are held against those. What depends on other symbols (strength, sectors) is computed across them, session by session.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import numpy as np
import pandas as pd
import pytest

from scan_pipeline.features import market_context
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.preparing import demand
from scan_pipeline.scanners.registry import BUILTIN_DIR, find_scanners, read_scanner
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
    "minervini_trend_template": lambda f: (
        (f.close > f.sma_50)
        & (f.sma_50 > f.sma_150)
        & (f.sma_150 > f.sma_200)
        & (f.sma_200 > f.sma_200.shift(21))
        & (f.close >= 1.3 * f.low_52w)
        & (f.close >= 0.75 * f.high_52w)
        & (f.rs_rating >= 70)
    ),
    "canslim_technicals": lambda f: (
        (f.rs_rating >= 80)
        & (f.close > highest(f.high, 50).shift())
        & (f.close > f.sma_50)
        & (f.sma_50 > f.sma_200)
        & (f.close >= 0.95 * f.high_52w)
        & (f.volume >= 1.4 * f.volume.rolling(50).mean().shift())
    ),
    "darvas_box": lambda f: (
        (f.close > f.high_52w.shift())
        & f.box_bars.between(4, 59)
        & (lowest(f.low, 3).shift() > f.box_bottom)
        & (f.box_bottom >= 0.8 * f.high_52w.shift())
        & (f.relative_volume >= 1.2)
    ),
    "nr7": lambda f: (
        (f.high - f.low < lowest(f.high - f.low, 6).shift()) & (f.high > f.low) & (f.high - f.low <= f.atr_14 / 2)
    ),
    "ttm_squeeze_fired": lambda f: (
        ~f.in_squeeze & f.in_squeeze.shift(1, fill_value=False) & (f.squeezed_of_10.shift() >= 5)
    ),
    "golden_cross": lambda f: (f.sma_50 > f.sma_200) & (f.sma_50.shift() <= f.sma_200.shift()),
    "pocket_pivot": lambda f: (
        (f.change_pct > 0)
        & (highest(f.down_volume, 10).shift() > 0)
        & (f.volume > highest(f.down_volume, 10).shift())
        & (f.close > f.sma_10)
        & (f.close / f.sma_10 <= 1.05)
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
        & (f.volume.rolling(10).mean() < f.volume.rolling(50).mean())
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
    "parabolic_d2": lambda f: is_extended(f).shift(1, fill_value=False),
    "first_red_day": lambda f: (
        (f.green_days.shift() >= 3)
        & (f.close.shift() >= 1.3 * lowest(f.low, 20).shift())
        & (f.close < f.open)
        & (f.close < f.close.shift())
    ),
    "oversold_reversal": lambda f: (
        (f.close > f.sma_200)
        & (f.rsi_2.shift() < 10)
        & (f.low < f.low.shift())
        & (f.close > f.close.shift())
        & (2 * f.close >= f.high + f.low)
    ),
    "rs_leaders_near_highs": lambda f: (
        (f.rs_rating >= 90) & (f.close >= 0.95 * f.high_52w) & (f.close > f.sma_50) & (f.sma_50 > f.sma_200)
    ),
    "lows_52w_on_volume": lambda f: (
        (f.low == f.low_52w)
        & (f.close < f.open)
        & ((f.close - f.low) * 4 <= f.high - f.low)
        & (f.relative_volume >= 1.5)
    ),
    "high_tight_flag": lambda f: (
        (highest(f.high, 60) >= highest(f.high, 200))
        & (highest(f.high, 60) >= 1.9 * lowest(f.low, 60))
        & (f.flag_low >= 0.75 * highest(f.high, 60))
        & f.flag_bars.between(5, 25)
    ),
    "inside_week_breakout": lambda f: (
        f.week_inside & (f.close > f.week_high) & (f.close.shift() <= f.week_high) & (f.relative_volume >= 1)
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
        & (f.market_cap < 2e9).where(f.market_cap.notna(), f.dollar_volume_20.shift() < 2e7)
    ),
    "sector_leaders": lambda f: f.is_sector_leader & (f.close > f.sma_50),
    "distribution_warning": lambda f: (
        (f.distribution > 0) & (f.distribution.rolling(25).sum() >= 6) & (f.close >= 0.9 * highest(f.high, 50))
    ),
}


def highest(values: pd.Series, n: int) -> pd.Series:
    return values.rolling(n).max()


def lowest(values: pd.Series, n: int) -> pd.Series:
    return values.rolling(n).min()


def depth(f: pd.DataFrame, n: int) -> pd.Series:
    """From the highest high of n bars down to the lowest low, as a share."""
    return 1 - lowest(f.low, n) / highest(f.high, n)


def is_extended(f: pd.DataFrame) -> pd.Series:
    return (
        (f.green_days >= 3)
        & (f.change_pct > 0)
        & (f.close - f.ema_9 >= 2 * f.atr_14)
        & (f.close >= 1.25 * lowest(f.low, 20))
        & (f.high > highest(f.high, 50).shift())
        & (f.volume > f.volume.shift())
        & (f.relative_volume >= 1.5)
    )


def with_more(f: pd.DataFrame, calendar: Calendar) -> pd.DataFrame:
    """A table of features as `by_pandas` gives it, with what else the definitions name."""
    for n in (10, 150):
        f[f"sma_{n}"] = f.close.rolling(n).mean()
    green = f.close > f.open
    f["green_days"] = green.groupby((~green).cumsum()).cumsum()
    change = f.close.diff()
    f["down_volume"] = f.volume.where(change < 0, 0.0).where(change.notna())
    f["rsi_2"] = wilders_rsi(change, 2)
    f["in_squeeze"] = 2 * f.close.rolling(20).std(ddof=0) < 1.5 * f.true_range.rolling(20).mean()
    f["squeezed_of_10"] = f.in_squeeze.rolling(10).sum().where(f.true_range.rolling(20).mean().shift(9).notna())
    # Of the bars before today: the high of 252, or of 60, the bars since it, and the lowest low of those.
    f["box_bars"] = f.high.rolling(252).apply(bars_since_highest, raw=True).shift()
    since = f.high.rolling(60).apply(bars_since_highest, raw=True)
    f["flag_bars"] = since
    f["flag_low"] = [
        f.low.iloc[at + 1 - int(bars) : at + 1].min() if bars > 0 else np.nan for at, bars in enumerate(since)
    ]
    f["box_bottom"] = f.flag_low.shift()
    usual = f.volume.rolling(50).mean()
    f["distribution"] = (
        (f.close < 0.99 * f.close.shift()) & (f.volume > f.volume.shift()) & (f.volume > usual)
    ).astype(float)
    f.loc[usual.isna(), "distribution"] = np.nan
    week = pd.Series([day.isocalendar()[:2] for day in f.index], index=f.index)
    ends = dict.fromkeys(week)
    for day in calendar.between(f.index[0], calendar.after(f.index[-1], 5)):
        if day.isocalendar()[:2] in ends:
            ends[day.isocalendar()[:2]] = day
    weeks = f.groupby(week, sort=False).agg(high=("high", "max"), low=("low", "min"))
    weeks["inside"] = (weeks.high < weeks.high.shift()) & (weeks.low > weeks.low.shift())
    weeks.index = pd.Index([ends[name] for name in weeks.index])
    closed_by = weeks.index.searchsorted(f.index, side="right") - 1  # the last week that was over by each bar
    known = pd.Series(closed_by, index=f.index).shift(fill_value=-1)
    f["week_high"] = [weeks.high.iloc[at] if at >= 0 else np.nan for at in known]
    f["week_inside"] = [bool(weeks.inside.iloc[at]) if at >= 0 else False for at in known]
    return f


def bars_since_highest(window: np.ndarray) -> float:
    return float(np.argmax(window[::-1]))


def wilders_rsi(change: pd.Series, n: int) -> pd.Series:
    """Begun with the means of the first n changes, as Wilder did."""
    means = []
    for moves in (change.clip(lower=0), -change.clip(upper=0)):
        begun = moves.iloc[1:].copy()
        begun.iloc[: n - 1], begun.iloc[n - 1] = np.nan, begun.iloc[:n].mean()
        means.append(begun.ewm(alpha=1 / n, adjust=False).mean().reindex(change.index))
    return 100 * means[0] / (means[0] + means[1])


@pytest.fixture(scope="module")
def scanned(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory, calendar: Calendar
) -> Pipeline:
    """A quarter of the demo market, scanned with the default limits."""
    sessions = calendar.between(FIRST, LAST)
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("builtin")), sessions)
    list(pipeline.scan(sessions, "quarter"))
    return pipeline


Hits = dict[str, set[tuple[date, str]]]


@dataclass(frozen=True)
class Reading:
    """A symbol's bars as they are read together for some sessions."""

    symbol: str
    bars: pd.DataFrame
    sessions: list[date]


@pytest.fixture(scope="module")
def readings(scanned: Pipeline, calendar: Calendar) -> list[Reading]:
    """The bars of every symbol that passed on some session."""
    passed = query(scanned, "select distinct symbol from prefiltered_symbols where passed order by symbol")
    effective = "select symbol from splits where greatest(ex_date, known_on) between ? and ?"
    split = {symbol for (symbol,) in query(scanned, effective, FIRST, LAST)}
    asked_for = demand(find_scanners(scanned.settings.scanners_dir), market_context.READS)
    sessions = calendar.between(FIRST, LAST)
    found = []
    with scanned.store.read() as connection:
        for start, group in groupby(
            sessions, key=lambda session: calendar.history_start(session, asked_for.history_sessions)
        ):
            members = list(group)
            for (symbol,) in passed:
                # One symbol's prices read alike all along, unless it splits: then each session knows its own.
                for as_of in members if symbol in split else members[-1:]:
                    bars = adjusted_bars(connection, symbol, start, as_of)
                    found.append(Reading(symbol, bars, [as_of] if symbol in split else members))
    return found


@pytest.fixture(scope="module")
def across(scanned: Pipeline, readings: list[Reading]) -> pd.DataFrame:
    """By session and symbol: sector, market cap, strength among the symbols, and whether it leads a leading sector."""
    rows = []
    for reading in readings:
        close = reading.bars.close
        gains = {n: 100 * (close / close.shift(n) - 1) for n in (60, 125, 187, 250)}
        weighted = 0.4 * gains[60] + 0.2 * (gains[125] + gains[187] + gains[250])
        rows += [(day, reading.symbol, weighted[day], gains[60][day]) for day in reading.sessions if day in close.index]
    computed = pd.DataFrame(rows, columns=["session", "symbol", "weighted", "gain"])
    known = query(
        scanned,
        "select session, symbol, sector, universe.market_cap "
        "from universe join prefiltered_symbols using (session, symbol) where passed and session between ? and ?",
        FIRST,
        LAST,
    )
    table = pd.DataFrame(known, columns=["session", "symbol", "sector", "market_cap"]).merge(computed)
    places = table.groupby("session").weighted
    share = (places.rank() - 1) / (places.transform("count") - 1)
    table["rs_rating"] = np.floor(1.5 + 98 * share)
    table["is_sector_leader"] = False
    for _, night in table[table.sector.notna() & table.gain.notna()].groupby("session"):
        sectors = night.groupby("sector").gain.agg(["median", "size"])
        strong = sectors[sectors["size"] >= 5].sort_values("median", ascending=False).index[:3]
        for sector in strong:
            leaders = night[night.sector == sector].sort_values(["gain", "symbol"], ascending=[False, True])
            table.loc[leaders.index[:5], "is_sector_leader"] = True
    return table.set_index(["symbol", "session"]).sort_index()


@pytest.fixture(scope="module")
def recomputed(readings: list[Reading], across: pd.DataFrame, calendar: Calendar) -> Hits:
    """The hits of every definition, computed symbol by symbol in pandas from the stored bars."""
    hits: Hits = {name: set() for name in DEFINITIONS}
    columns = ["rs_rating", "market_cap", "is_sector_leader"]
    for reading in readings:
        features = with_more(by_pandas(reading.bars), calendar).join(across.loc[reading.symbol, columns])
        features["is_sector_leader"] = features.is_sector_leader.eq(True)
        passed = [day for day in reading.sessions if (reading.symbol, day) in across.index]
        for name, definition in DEFINITIONS.items():
            found = definition(features)
            hits[name] |= {(day, reading.symbol) for day in passed if found[day]}
    return hits


def test_every_built_in_scanner_is_defined_here_too() -> None:
    assert set(DEFINITIONS) == {path.stem for path in BUILTIN_DIR.glob("*.sql")}


def test_each_finds_something_in_a_quarter_and_fails_on_no_session(scanned: Pipeline) -> None:
    outcomes = query(scanned, "select scanner, count(*), bool_and(ok), sum(hits) > 0 from scanner_outcomes group by 1")
    assert sorted(outcomes) == [(name, 61, True, True) for name in sorted(DEFINITIONS)]


def test_hits_are_the_bars_that_meet_the_definition_and_no_others(scanned: Pipeline, recomputed: Hits) -> None:
    rows = query(scanned, "select scanner, session, symbol from scan_results")
    most = dict(query(scanned, "select scanner, max(hits) from scanner_outcomes group by scanner"))
    for name, expected in recomputed.items():
        hits = {(session, symbol) for scanner, session, symbol in rows if scanner == name}
        limit = read_scanner(BUILTIN_DIR / f"{name}.sql").limit
        assert limit
        assert most[name] < limit, f"so that the limit of {name} hides no hit here"
        assert hits == expected, name
