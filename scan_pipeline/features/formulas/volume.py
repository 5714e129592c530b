"""Volume: surges of it, who had it, the buyers or the sellers, and where money flows."""

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.ranges import window
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.indicators import previous, ratio
from scan_pipeline.features.moving import moving_max, moving_mean, moving_min, moving_sum


def money_flow(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Volume × ((close − low) − (high − close)) / (high − low); 0 for a bar without range, as in TA-Lib AD."""
    place = ratio((close - low) - (high - close), high - low)
    return np.where(high == low, 0, place) * volume


def _rvol(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (ratio(real, moving_mean(block, previous(block, real), timeperiod)),)


def _surge(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (ratio(real, moving_max(block, previous(block, real), timeperiod)),)


def _is_lowest(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    lowest = moving_min(block, real, timeperiod)
    return (np.where(np.isnan(lowest), np.nan, real == lowest),)


def _is_highest(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    highest = moving_max(block, real, timeperiod)
    return (np.where(np.isnan(highest), np.nan, real == highest),)


def _up_down_volume(block: BarBlock, close: Floats, volume: Floats, timeperiod: int) -> tuple[Floats, ...]:
    change = close - previous(block, close)
    unknown = np.where(np.isnan(change), np.nan, 0)
    up = moving_sum(block, np.where(change > 0, volume, unknown), timeperiod)
    down = moving_sum(block, np.where(change < 0, volume, unknown), timeperiod)
    return (ratio(up, down),)


def _cmf(
    block: BarBlock, high: Floats, low: Floats, close: Floats, volume: Floats, timeperiod: int
) -> tuple[Floats, ...]:
    flow = moving_sum(block, money_flow(high, low, close, volume), timeperiod)
    return (ratio(flow, moving_sum(block, volume, timeperiod)),)


def _ad_change(
    block: BarBlock, high: Floats, low: Floats, close: Floats, volume: Floats, timeperiod: int
) -> tuple[Floats, ...]:
    return (moving_sum(block, money_flow(high, low, close, volume), timeperiod),)


def _obv_change(block: BarBlock, close: Floats, volume: Floats, timeperiod: int) -> tuple[Floats, ...]:
    return (moving_sum(block, np.sign(close - previous(block, close)) * volume, timeperiod),)


INDICATORS = (
    Indicator(
        "rvol", "Relative volume: volume / mean of the n bars before; unknown where nothing was traded in them "
        "(TA-Lib's carries a rest of rounding)",
        "numpy", ("volume",), {"timeperiod": 20}, ("rvol",), ("ratio",), window(more=1), _rvol,
    ),
    Indicator(
        "surge", "value / highest of the n bars before: above 1, the largest in n + 1 bars",
        "numpy", ("volume",), {"timeperiod": 20}, ("surge",), ("ratio",), window(more=1), _surge,
    ),
    Indicator(
        "is_lowest", "1 where no value of the last n bars is lower", "numpy", ("volume",), {"timeperiod": 10},
        ("is_lowest",), ("flag",), window(), _is_lowest,
    ),
    Indicator(
        "is_highest", "1 where no value of the last n bars is higher", "numpy", ("volume",), {"timeperiod": 10},
        ("is_highest",), ("flag",), window(), _is_highest,
    ),
    Indicator(
        "up_down_volume", "Volume of n bars that closed above the last close / volume of those that closed below it",
        "O'Neil, How to Make Money in Stocks (50 days); numpy", ("close", "volume"), {"timeperiod": 50}, ("ratio",),
        ("ratio",), window(more=1), _up_down_volume,
    ),
    Indicator(
        "cmf", "Chaikin money flow: Σ volume × ((close − low) − (high − close))/(high − low) / Σ volume of n bars; "
        "unknown where nothing was traded (TA-Lib's is 0)",
        "Marc Chaikin; numpy", ("high", "low", "close", "volume"), {"timeperiod": 20}, ("cmf",), ("ratio",),
        window(), _cmf,
    ),
    Indicator(
        "ad_change", "Change of the accumulation/distribution line (TA-Lib AD) over n bars",
        "Marc Chaikin; numpy", ("high", "low", "close", "volume"), {"timeperiod": 20}, ("change",), ("shares",),
        window(), _ad_change,
    ),
    Indicator(
        "obv_change", "Change of on-balance volume (TA-Lib OBV) over n bars",
        "Granville 1963; numpy", ("close", "volume"), {"timeperiod": 20}, ("change",), ("shares",),
        window(more=1), _obv_change,
    ),
)  # fmt: skip
