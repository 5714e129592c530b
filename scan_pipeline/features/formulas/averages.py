"""Averages of prices: weighted by volume, how far prices lie from them and how they lie to each other."""

from itertools import pairwise

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.ranges import window
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.indicators import previous, ratio
from scan_pipeline.features.moving import moving_sum


def typical_price(high: Floats, low: Floats, close: Floats) -> Floats:
    """(high + low + close) / 3."""
    return (high + low + close) / 3


def _vwap(
    block: BarBlock, high: Floats, low: Floats, close: Floats, volume: Floats, timeperiod: int
) -> tuple[Floats, ...]:
    traded = moving_sum(block, typical_price(high, low, close) * volume, timeperiod)
    return (ratio(traded, moving_sum(block, volume, timeperiod)),)


def _percent_change(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return ((ratio(real, previous(block, real, timeperiod)) - 1) * 100,)


def _distance(_: BarBlock, real: Floats, level: Floats) -> tuple[Floats, ...]:
    return ((ratio(real, level) - 1) * 100,)


def _stacked(_: BarBlock, *averages: Floats) -> tuple[Floats, ...]:
    falling = np.logical_and.reduce([one > other for one, other in pairwise(averages)])
    rising = np.logical_and.reduce([one < other for one, other in pairwise(averages)])
    known = ~np.isnan(np.sum(averages, axis=0))
    return (np.where(known, falling.astype(np.float64) - rising, np.nan),)


INDICATORS = (
    Indicator(
        "vwap", "Mean price of n bars, weighted by volume: Σ (high + low + close)/3 × volume / Σ volume "
        "(TA-Lib's is that of all bars since history begins)",
        "numpy", ("high", "low", "close", "volume"), {"timeperiod": 20}, ("vwap",), ("dollars",),
        window(), _vwap,
    ),
    Indicator(
        "percent_change", "100 × (value / value n bars ago − 1); unknown where that was zero",
        "numpy", ("close",), {"timeperiod": 1}, ("percent",), ("percent",), window(more=1),
        _percent_change,
    ),
    Indicator(
        "distance", "100 × (first / second − 1): how far a price lies above a level",
        "numpy", ("close", "level"), {}, ("percent",), ("percent",), lambda: 0, _distance,
    ),
    Indicator(
        "stacked", "1 where every series lies above the next, −1 where every one lies below it, else 0",
        "numpy", ("close", "fast", "middle", "slow"), {}, ("stacked",), ("flag",), lambda: 0, _stacked,
    ),
)  # fmt: skip
