"""Volatility and its bands: places in them, squeezes, realised volatility, and bars that are wide or narrow."""

import math

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.ranges import at_least, window
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.indicators import previous, ratio, windowed
from scan_pipeline.features.moving import moving_max, moving_mean, moving_min, moving_moments

#: Sessions in a year, by which a daily volatility is annualised.
TRADING_DAYS = 252

#: Of a price: what two ranges that are equal in cents may differ by once they are subtracted and adjusted for splits.
ROUNDING = 1e-10


def flag(holds: np.ndarray, *known: Floats) -> Floats:
    """1 where it holds, else 0; NaN where one of the values that it was read from is unknown."""
    return np.where(np.isnan(np.sum(known, axis=0)), np.nan, holds)


def _percent_b(block: BarBlock, real: Floats, timeperiod: int, deviations: float) -> tuple[Floats, ...]:
    (z_score,) = _z_score(block, real, timeperiod)
    return (0.5 + z_score / (2 * deviations),)


def _bandwidth(block: BarBlock, real: Floats, timeperiod: int, deviations: float) -> tuple[Floats, ...]:
    mean, squares = moving_moments(block, real, timeperiod)
    return (100 * ratio(2 * deviations * np.sqrt(squares / timeperiod), mean),)


def _z_score(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    mean, squares = moving_moments(block, real, timeperiod)
    return (ratio(real - mean, np.sqrt(squares / timeperiod)),)


def _ttm_squeeze(
    block: BarBlock, high: Floats, low: Floats, close: Floats, timeperiod: int, bollinger: float, keltner: float
) -> tuple[Floats, ...]:
    mean, squares = moving_moments(block, close, timeperiod)
    deviation = np.sqrt(squares / timeperiod)
    true_range = moving_mean(block, windowed(block, "TRANGE", high, low, close), timeperiod)
    # Both channels lie about the same mean: one is within the other where it is narrower.
    on = flag(bollinger * deviation < keltner * true_range, deviation, true_range)
    was_on = previous(block, on)
    fired = flag((was_on == 1) & (on == 0), was_on, on)
    middle = (moving_max(block, high, timeperiod) + moving_min(block, low, timeperiod)) / 2
    above = close - (middle + mean) / 2
    return on, fired, windowed(block, "LINEARREG", above, timeperiod=timeperiod)


def _historical_volatility(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(ratio(real, previous(block, real)))
    _, squares = moving_moments(block, change, timeperiod)
    return (100 * math.sqrt(TRADING_DAYS) * np.sqrt(squares / (timeperiod - 1)),)


def _parkinson(block: BarBlock, high: Floats, low: Floats, timeperiod: int) -> tuple[Floats, ...]:
    with np.errstate(divide="ignore", invalid="ignore"):
        span = np.log(ratio(high, low))
    mean = moving_mean(block, span * span, timeperiod)
    return (100 * math.sqrt(TRADING_DAYS) * np.sqrt(mean / (4 * math.log(2))),)


def _narrowest(block: BarBlock, high: Floats, low: Floats, timeperiod: int) -> tuple[Floats, ...]:
    span = high - low
    before = moving_min(block, previous(block, span), timeperiod - 1)
    return (flag(span < before - ROUNDING * high, span, before),)


def _inside_bar(block: BarBlock, high: Floats, low: Floats) -> tuple[Floats, ...]:
    high_before, low_before = previous(block, high), previous(block, low)
    return (flag((high < high_before) & (low > low_before), high, low, high_before, low_before),)


def _outside_bar(block: BarBlock, high: Floats, low: Floats) -> tuple[Floats, ...]:
    high_before, low_before = previous(block, high), previous(block, low)
    return (flag((high > high_before) & (low < low_before), high, low, high_before, low_before),)


INDICATORS = (
    Indicator(
        "percent_b", "Bollinger's %b: (value − lower band) / (upper band − lower band)",
        "Bollinger 2001, Bollinger on Bollinger Bands; numpy", ("close",), {"timeperiod": 20, "deviations": 2.0},
        ("percent_b",), ("ratio",), window(least=2), _percent_b,
    ),
    Indicator(
        "bandwidth", "Bollinger's bandwidth: 100 × (upper band − lower band) / middle band",
        "Bollinger 2001, Bollinger on Bollinger Bands; numpy", ("close",), {"timeperiod": 20, "deviations": 2.0},
        ("bandwidth",), ("percent",), window(), _bandwidth,
    ),
    Indicator(
        "z_score", "Standard deviations (of the n bars themselves) between the value and its mean over n bars",
        "numpy", ("close",), {"timeperiod": 20}, ("z_score",), ("ratio",), window(least=2), _z_score,
    ),
    Indicator(
        "ttm_squeeze",
        "Squeeze: on where the Bollinger bands lie within the Keltner channel (simple means), fired on the first bar "
        "after it; momentum: end of the least-squares line through close − ((highest + lowest)/2 + mean)/2 of n bars",
        "John Carter 2005, Mastering the Trade; numpy, TA-Lib LINEARREG", ("high", "low", "close"),
        {"timeperiod": 20, "bollinger": 2.0, "keltner": 1.5}, ("on", "fired", "momentum"), ("flag", "flag", "dollars"),
        lambda timeperiod, bollinger, keltner: 2 * at_least(3, timeperiod) - 2, _ttm_squeeze,
    ),
    Indicator(
        "historical_volatility", "100 × √252 × standard deviation (sample) of n daily log returns",
        "numpy", ("close",), {"timeperiod": 20}, ("volatility",), ("percent",), window(least=2, more=1),
        _historical_volatility,
    ),
    Indicator(
        "parkinson", "100 × √252 × √(mean of ln(high/low)² over n bars / (4 ln 2)): volatility from the bars' ranges",
        "Parkinson 1980, The Extreme Value Method …; numpy", ("high", "low"), {"timeperiod": 20}, ("volatility",),
        ("percent",), window(), _parkinson,
    ),
    Indicator(
        "nr", "1 where the bar's range is narrower than that of each of the n − 1 bars before (NR4, NR7)",
        "Crabel 1990, Day Trading with Short Term Price Patterns; numpy", ("high", "low"), {"timeperiod": 7}, ("nr",),
        ("flag",), window(least=2), _narrowest,
    ),
    Indicator(
        "inside_bar", "1 where high is below the last bar's high and low above its low",
        "Crabel 1990; numpy", ("high", "low"), {}, ("inside",), ("flag",), lambda: 1, _inside_bar,
    ),
    Indicator(
        "outside_bar", "1 where high is above the last bar's high and low below its low",
        "numpy", ("high", "low"), {}, ("outside",), ("flag",), lambda: 1, _outside_bar,
    ),
)  # fmt: skip
