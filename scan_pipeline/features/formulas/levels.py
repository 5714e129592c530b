"""Levels and places: extremes and what came after them, ranges, pivots, gaps, runs of days."""

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.averages import typical_price
from scan_pipeline.features.formulas.ranges import window
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.indicators import previous, ratio
from scan_pipeline.features.moving import (
    bar_in_series,
    bars_since_max,
    lowest_since_max,
    moving_max,
    moving_min,
    sum_of_last,
)


def _highest_before(block: BarBlock, high: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (moving_max(block, previous(block, high), timeperiod),)


def _lowest_before(block: BarBlock, low: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (moving_min(block, previous(block, low), timeperiod),)


def _bars_since_high(block: BarBlock, high: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (bars_since_max(block, high, timeperiod),)


def _bars_since_low(block: BarBlock, low: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (bars_since_max(block, -low, timeperiod),)


def _low_since_high(block: BarBlock, high: Floats, low: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (lowest_since_max(block, high, low, timeperiod),)


def _is_above(block: BarBlock, one: Floats, other: Floats) -> tuple[Floats, ...]:
    return (np.where(np.isnan(one + other), np.nan, one > other),)


def _position(block: BarBlock, high: Floats, low: Floats, close: Floats, timeperiod: int) -> tuple[Floats, ...]:
    highest, lowest = moving_max(block, high, timeperiod), moving_min(block, low, timeperiod)
    return (100 * ratio(close - lowest, highest - lowest),)


def _pivot(block: BarBlock, high: Floats, low: Floats, close: Floats) -> tuple[Floats, ...]:
    high, low, close = (previous(block, values) for values in (high, low, close))
    pivot, span = typical_price(high, low, close), high - low
    return (
        pivot, 2 * pivot - low, 2 * pivot - high, pivot + span, pivot - span,
        high + 2 * (pivot - low), low - 2 * (high - pivot),
    )  # fmt: skip


def _gap_filled(block: BarBlock, open_: Floats, high: Floats, low: Floats, close: Floats) -> tuple[Floats, ...]:
    before = previous(block, close)
    filled = ((open_ > before) & (low <= before)) | ((open_ < before) & (high >= before))
    return (np.where(np.isnan(before + open_ + high + low), np.nan, filled),)


def run_length(block: BarBlock, holds: np.ndarray, known: Floats, at_most: int) -> Floats:
    """Bars in a row, up to and including each, for which it holds, counted to `at_most`; NaN where unknown itself."""
    place = bar_in_series(block)
    bar = np.arange(len(place), dtype=np.float64)
    # The last bar at which it did not hold; where there is none, the one before the series begins.
    first = bar - place
    broken = np.maximum.accumulate(np.where(holds, -1.0, bar)) if len(bar) else bar
    run = np.minimum(bar - np.maximum(broken, first - 1), at_most)
    return np.where(np.isnan(known), np.nan, run)


def _rising(block: BarBlock, real: Floats, at_most: int) -> tuple[Floats, ...]:
    change = real - previous(block, real)
    return (run_length(block, change > 0, change, at_most),)


def _falling(block: BarBlock, real: Floats, at_most: int) -> tuple[Floats, ...]:
    change = real - previous(block, real)
    return (run_length(block, change < 0, change, at_most),)


def _green(block: BarBlock, open_: Floats, close: Floats, at_most: int) -> tuple[Floats, ...]:
    return (run_length(block, close > open_, close - open_, at_most),)


def _red(block: BarBlock, open_: Floats, close: Floats, at_most: int) -> tuple[Floats, ...]:
    return (run_length(block, close < open_, close - open_, at_most),)


def _anchored(
    block: BarBlock, since: Floats, high: Floats, low: Floats, close: Floats, volume: Floats
) -> tuple[Floats, ...]:
    """vwap from the anchor's bar to this one, percent from the anchor's close, bars since."""
    traded = sum_of_last(block, typical_price(high, low, close) * volume, since + 1)
    vwap = ratio(traded, sum_of_last(block, volume, since + 1))
    anchor = np.arange(len(close)) - np.nan_to_num(since).astype(np.int64)
    return vwap, np.where(np.isnan(since), np.nan, 100 * (ratio(close, close[anchor]) - 1)), since


def _since_high(
    block: BarBlock, high: Floats, low: Floats, close: Floats, volume: Floats, timeperiod: int
) -> tuple[Floats, ...]:
    return _anchored(block, bars_since_max(block, high, timeperiod), high, low, close, volume)


def _since_low(
    block: BarBlock, high: Floats, low: Floats, close: Floats, volume: Floats, timeperiod: int
) -> tuple[Floats, ...]:
    return _anchored(block, bars_since_max(block, -low, timeperiod), high, low, close, volume)


_HLCV = ("high", "low", "close", "volume")
_PIVOTS = ("pivot", "r1", "s1", "r2", "s2", "r3", "s3")

INDICATORS = (
    Indicator(
        "highest_before", "Highest of the n bars before this one", "numpy", ("high",), {"timeperiod": 20},
        ("highest",), ("input",), window(more=1), _highest_before,
    ),
    Indicator(
        "lowest_before", "Lowest of the n bars before this one", "numpy", ("low",), {"timeperiod": 20},
        ("lowest",), ("input",), window(more=1), _lowest_before,
    ),
    Indicator(
        "bars_since_high", "Bars since the highest of the last n, 0 where it is this one; of equal ones, the last",
        "numpy", ("high",), {"timeperiod": 252}, ("bars",), ("bars",), window(),
        _bars_since_high,
    ),
    Indicator(
        "bars_since_low", "Bars since the lowest of the last n, 0 where it is this one; of equal ones, the last",
        "numpy", ("low",), {"timeperiod": 252}, ("bars",), ("bars",), window(),
        _bars_since_low,
    ),
    Indicator(
        "low_since_high", "Lowest low of the bars after the highest high of the last n (of equal ones, the last); "
        "unknown where that is this bar",
        "numpy", ("high", "low"), {"timeperiod": 60}, ("low",), ("dollars",), window(),
        _low_since_high,
    ),
    Indicator(
        "is_above", "1 where the first is above the second, 0 where it is not: to count or to pick bars",
        "numpy", ("close", "open"), {}, ("is_above",), ("flag",), lambda: 0, _is_above,
    ),
    Indicator(
        "position", "100 × (close − lowest low) / (highest high − lowest low) of n bars: 0 at the low, 100 at the high",
        "numpy", ("high", "low", "close"), {"timeperiod": 252}, ("position",), ("0-100",),
        window(), _position,
    ),
    Indicator(
        "pivot", "Floor traders' pivot points of the last bar, known before this one opens: "
        "P = (high + low + close)/3, r1 = 2P − low, s1 = 2P − high, "
        "r2, s2 = P ± (high − low), r3 = high + 2(P − low), s3 = low − 2(high − P)",
        "floor traders; numpy", ("high", "low", "close"), {}, _PIVOTS, ("dollars",) * len(_PIVOTS), lambda: 1, _pivot,
    ),
    Indicator(
        "gap_filled", "1 where the bar opened away from the last close and traded at it later; 0 also without a gap",
        "numpy", ("open", "high", "low", "close"), {}, ("filled",), ("flag",), lambda: 1, _gap_filled,
    ),
    Indicator(
        "rising", "Bars in a row that rose from the one before, counted to at_most",
        "numpy", ("close",), {"at_most": 50}, ("bars",), ("bars",), window(more=1, parameter="at_most"), _rising,
    ),
    Indicator(
        "falling", "Bars in a row that fell from the one before, counted to at_most",
        "numpy", ("close",), {"at_most": 50}, ("bars",), ("bars",), window(more=1, parameter="at_most"), _falling,
    ),
    Indicator(
        "green", "Bars in a row that closed above their open, counted to at_most",
        "numpy", ("open", "close"), {"at_most": 50}, ("bars",), ("bars",), window(parameter="at_most"), _green,
    ),
    Indicator(
        "red", "Bars in a row that closed below their open, counted to at_most",
        "numpy", ("open", "close"), {"at_most": 50}, ("bars",), ("bars",), window(parameter="at_most"), _red,
    ),
    Indicator(
        "since_high", "Since the bar of the highest high of n bars, that bar included (of equal ones, the last): "
        "vwap; percent from its close; bars since",
        "anchored VWAP: Brian Shannon 2022, Maximum Trading Gains with Anchored VWAP; numpy", _HLCV,
        {"timeperiod": 20}, ("vwap", "percent", "bars"), ("dollars", "percent", "bars"),
        window(), _since_high,
    ),
    Indicator(
        "since_low", "Since the bar of the lowest low of n bars, that bar included (of equal ones, the last): "
        "vwap; percent from its close; bars since",
        "anchored VWAP: Brian Shannon 2022, Maximum Trading Gains with Anchored VWAP; numpy", _HLCV,
        {"timeperiod": 20}, ("vwap", "percent", "bars"), ("dollars", "percent", "bars"),
        window(), _since_low,
    ),
)  # fmt: skip
