"""Where an oscillator of TA-Lib has nothing to say: while prices stand still, its formula divides by nothing.

TA-Lib gives 0 there. That looks oversold to every scanner that asks for less than 30, and overbought in Williams' %R;
a halted stock, or one that hardly trades, is neither. Here it is unknown. A candle pattern it has not either: the
averages by which TA-Lib tells long from short keep a rest of rounding there, above or below the 0 that they should be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.averages import typical_price
from scan_pipeline.features.formulas.levels import run_length
from scan_pipeline.features.indicator import Indicator, warm_up
from scan_pipeline.features.indicators import first_bars, has_changed, previous, windowed
from scan_pipeline.features.moving import moving_max, moving_min, moving_sum

Moving = npt.NDArray[np.bool_]
#: (block, *inputs, **parameters) -> for each output, or for all, the bars at which it has something to say.
Moves = Callable[..., Sequence[Moving]]

#: Bars whose bodies and shadows TA-Lib averages to judge a candle's.
_JUDGED_BY = 10
#: What is left of a range of the relative strength index, 0 to 100, when it does not move: rounding.
_ROUNDING = 1e-6


def unknown_while_still(indicator: Indicator) -> Indicator:
    """TA-Lib's indicator; where it is one of those, unknown while prices stand still."""
    if indicator.name.startswith("cdl") and "doji" not in indicator.name:
        return _no_pattern_while_still(indicator)
    moves = _MOVES.get(indicator.name)
    if moves is None:
        return indicator

    def compute(block: BarBlock, *inputs: Floats, **parameters: float) -> tuple[Floats, ...]:
        outputs = indicator.compute(block, *inputs, **parameters)
        moving = moves(block, *inputs, **parameters)
        if len(moving) < len(outputs):
            moving = [moving[0]] * len(outputs)
        for known, values in zip(moving, outputs, strict=True):
            values[~known] = np.nan
        return outputs

    return replace(indicator, title=f"{indicator.title}; unknown while prices stand still", compute=compute)


def _no_pattern_while_still(pattern: Indicator) -> Indicator:
    """0 where the bars by which TA-Lib judges a candle are all at one price, unless that is the pattern."""

    def compute(
        block: BarBlock, open_: Floats, high: Floats, low: Floats, close: Floats, **parameters: float
    ) -> tuple[Floats, ...]:
        still = moving_max(block, high, _JUDGED_BY) == moving_min(block, low, _JUDGED_BY)
        outputs = pattern.compute(block, open_, high, low, close, **parameters)
        return tuple(np.where(still & ~np.isnan(values), 0.0, values) for values in outputs)

    return replace(pattern, compute=compute)


def _ranges(block: BarBlock, high: Floats, low: Floats, bars: int, *windows: int) -> Sequence[Moving]:
    """Whether highest and lowest of so many bars differ, in each of the last so many windows.

    They do not where no bar has a range and none another price than the one before: that is seen without looking for
    either. Where a series has fewer bars, or one is unknown, so is the indicator, whatever this says.
    """
    still = high == low
    if bars > 1:
        still[1:] &= still[:-1] & (high[1:] == high[:-1])
        still[first_bars(block, 1)] = False
    moves = ~_in_all_of_last(block, still, max(bars - 1, 1))
    return [_in_all_of_last(block, moves, last) for last in windows]


def _in_all_of_last(block: BarBlock, is_so: Moving, bars: int) -> Moving:
    """Whether it is so at each of so many last bars; not where the series has fewer."""
    all_of, width = is_so.copy(), 1
    while width < bars:
        step = min(width, bars - width)
        all_of = np.concatenate((all_of[:step], all_of[step:] & all_of[:-step]))
        width += step
    all_of[first_bars(block, bars - 1)] = False
    return all_of


def _changes(block: BarBlock, real: Floats, bars: int) -> Sequence[Moving]:
    """Whether the value has changed in so many bars, or in all that there are where they are fewer."""
    change = np.abs(real - previous(block, real))
    still = run_length(block, ~(change > 0), np.zeros(len(change)), bars)
    return [has_changed(block, real) & (still < bars)]


def _rsi(block: BarBlock, real: Floats, timeperiod: int) -> Sequence[Moving]:
    # The rest of a mean that halves with every bar is no news either.
    return _changes(block, real, warm_up(1 - 1 / timeperiod))


def _stochrsi(
    block: BarBlock, real: Floats, timeperiod: int, fastk_period: int, fastd_period: int, fastd_matype: int
) -> Sequence[Moving]:
    (known,) = _rsi(block, real, timeperiod)
    rsi = np.where(known, windowed(block, "RSI", real, timeperiod=timeperiod), np.nan)
    span = moving_max(block, rsi, fastk_period) - moving_min(block, rsi, fastk_period)
    return [_in_all_of_last(block, span > _ROUNDING, windows) for windows in (1, fastd_period)]


def _stoch(
    block: BarBlock, high: Floats, low: Floats, close: Floats, fastk_period: int, slowk_period: int, slowk_matype: int,
    slowd_period: int, slowd_matype: int,
) -> Sequence[Moving]:  # fmt: skip
    return _ranges(block, high, low, fastk_period, slowk_period, slowk_period + slowd_period - 1)


def _stochf(
    block: BarBlock, high: Floats, low: Floats, close: Floats, fastk_period: int, fastd_period: int, fastd_matype: int
) -> Sequence[Moving]:
    return _ranges(block, high, low, fastk_period, 1, fastd_period)


def _willr(block: BarBlock, high: Floats, low: Floats, close: Floats, timeperiod: int) -> Sequence[Moving]:
    return _ranges(block, high, low, timeperiod, 1)


def _cci(block: BarBlock, high: Floats, low: Floats, close: Floats, timeperiod: int) -> Sequence[Moving]:
    price = typical_price(high, low, close)
    return _ranges(block, price, price, timeperiod, 1)


def _mfi(
    block: BarBlock, high: Floats, low: Floats, close: Floats, volume: Floats, timeperiod: int
) -> Sequence[Moving]:
    # TA-Lib counts less than a dollar as none.
    price = typical_price(high, low, close)
    change = price - previous(block, price)
    flow = np.where(np.isnan(change), np.nan, np.where(change != 0, price * volume, 0))
    return [moving_sum(block, flow, timeperiod) >= 1]


def _directional(block: BarBlock, high: Floats, low: Floats, close: Floats, timeperiod: int) -> Sequence[Moving]:
    """Whether there has been a true range since the series began."""
    ranges = np.nan_to_num(windowed(block, "TRANGE", high, low, close))
    return [has_changed(block, np.cumsum(ranges > 0).astype(np.float64))]


#: By name, of those that divide by how much prices moved.
_MOVES: Mapping[str, Moves] = {
    "rsi": _rsi, "cmo": _rsi, "stochrsi": _stochrsi, "stoch": _stoch, "stochf": _stochf, "willr": _willr, "cci": _cci,
    "mfi": _mfi, **dict.fromkeys(("adx", "adxr", "dx", "plus_di", "minus_di"), _directional),
}  # fmt: skip
