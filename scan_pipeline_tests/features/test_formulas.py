"""Our own indicators, each held against its formula worked out bar by bar, without the product and without numpy.

The yardsticks see one symbol's bars up to the one in question, as lists, and give None where a value is unknown.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import correlation, fmean, linear_regression, pstdev, stdev

import numpy as np
import pytest

from scan_pipeline.features.bars import PRICE_COLUMNS, BarBlock, lay_out
from scan_pipeline.features.formulas import OWN
from scan_pipeline.features.indicator import Indicator

SESSIONS = 330
BY_NAME = {indicator.name: indicator for indicator in OWN}
Number = float | None


def walk(seed: int, bars: int, price: float, daily: float, tick: float) -> dict[str, np.ndarray]:
    """Bars in whole ticks: the coarser, the more closes, highs and lows that are equal."""
    random = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(random.normal(0, daily, bars)))
    open_ = np.concatenate([close[:1], close[:-1]]) * np.exp(random.normal(0, daily / 2, bars))
    high = np.maximum(open_, close) * np.exp(np.abs(random.normal(0, daily / 2, bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, daily / 2, bars)))
    prices = {"open": open_, "high": high, "low": low, "close": close}
    volume = np.floor(1e6 * np.exp(random.normal(0, 1, bars))) / 3
    return {name: np.maximum(np.round(values / tick), 1) * tick for name, values in prices.items()} | {"volume": volume}


def market() -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Each symbol's sessions and bars: whatever could make a window reach where it must not, or divide by nothing."""
    random = np.random.default_rng(7)
    everyday = walk(1, SESSIONS, 40, 0.02, 0.01)
    still = {name: np.full(SESSIONS, 20.1) for name in ("open", "high", "low", "close")} | {
        "volume": everyday["volume"]
    }
    coarse = walk(2, SESSIONS, 3, 0.03, 0.25)
    coarse["volume"][100:140] = 0  # not traded, though quoted
    dear = walk(3, 120, 600_000, 0.01, 1)
    pauses = walk(4, SESSIONS, 12, 0.03, 0.01)
    for name in PRICE_COLUMNS:
        pauses[name][200:240] = pauses["close"][200]  # halted
    missing = np.sort(random.choice(SESSIONS, SESSIONS - 60, replace=False))
    return [
        (np.arange(SESSIONS), everyday),
        (np.arange(SESSIONS), still),
        (np.arange(0), walk(5, 0, 1, 0.1, 0.01)),
        (np.arange(SESSIONS), coarse),
        (np.arange(SESSIONS - 3, SESSIONS), walk(6, 3, 1_000, 0.5, 0.01)),
        (np.arange(100, 220), dear),
        (missing, {name: values[missing] for name, values in pauses.items()}),
        (np.arange(1), walk(8, 1, 0.02, 0.1, 0.01)),
    ]


@dataclass(frozen=True)
class Whole:
    """The market as one block, and the inputs that indicators take."""

    block: BarBlock
    inputs: Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def whole() -> Whole:
    symbols = market()
    cell = np.concatenate([number * SESSIONS + sessions for number, (sessions, _) in enumerate(symbols)])
    columns = {name: np.concatenate([bars[name] for _, bars in symbols]) for name in symbols[0][1]}
    block = lay_out(len(symbols), np.arange(SESSIONS), cell.astype(np.int32), columns)
    benchmark = walk(9, SESSIONS, 400, 0.01, 0.01)["close"]
    benchmark[50] = np.nan  # not held
    waves = [columns["close"] * (1 + np.sin(np.arange(len(cell)) / n) / n) for n in (20, 50, 200)]
    averages = dict(zip(("fast", "middle", "slow"), waves, strict=True))
    return Whole(block, {**columns, **averages, "level": waves[1], "benchmark": benchmark[block.session]})


Columns = Mapping[str, Sequence[float]]
#: The columns up to the bar in question, and the parameters; one number an output.
Yardstick = Callable[..., Sequence[Number]]
YARDSTICKS: dict[str, Yardstick] = {}


def yardstick(made: Yardstick) -> Yardstick:
    YARDSTICKS[made.__name__] = made
    return made


def last(values: Sequence[float], n: int) -> Sequence[float] | None:
    """The last n, where there are as many."""
    return values[-n:] if len(values) >= n else None


def divided(numerator: float, denominator: float) -> Number:
    return numerator / denominator if denominator else None


def percent(now: float, then: float) -> Number:
    return 100 * (now / then - 1) if then else None


def typical(bars: Columns) -> list[float]:
    return [(h + low + c) / 3 for h, low, c in zip(bars["high"], bars["low"], bars["close"], strict=True)]


@yardstick
def vwap(bars: Columns, timeperiod: int) -> Sequence[Number]:
    prices, volumes = last(typical(bars), timeperiod), last(bars["volume"], timeperiod)
    if prices is None or volumes is None:
        return [None]
    return [divided(math.fsum(p * v for p, v in zip(prices, volumes, strict=True)), math.fsum(volumes))]


@yardstick
def percent_change(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["close"], timeperiod + 1)
    return [percent(values[-1], values[0]) if values else None]


@yardstick
def distance(bars: Columns) -> Sequence[Number]:
    return [percent(bars["close"][-1], bars["level"][-1])]


@yardstick
def stacked(bars: Columns) -> Sequence[Number]:
    values = [bars[name][-1] for name in ("close", "fast", "middle", "slow")]
    if len(set(values)) < 4:
        return [0]
    return [1 if values == sorted(values, reverse=True) else -1 if values == sorted(values) else 0]


@yardstick
def linreg_r2(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["close"], timeperiod)
    if values is None or len(set(values)) == 1:
        return [None]
    return [correlation(range(timeperiod), values) ** 2]


@yardstick
def z_score(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["close"], timeperiod)
    if values is None or len(set(values)) == 1:
        return [None]
    return [(values[-1] - fmean(values)) / pstdev(values)]


@yardstick
def percent_b(bars: Columns, timeperiod: int, deviations: float) -> Sequence[Number]:
    values = last(bars["close"], timeperiod)
    if values is None or len(set(values)) == 1:
        return [None]
    upper, lower = (fmean(values) + sign * deviations * pstdev(values) for sign in (1, -1))
    return [(values[-1] - lower) / (upper - lower)]


@yardstick
def bandwidth(bars: Columns, timeperiod: int, deviations: float) -> Sequence[Number]:
    values = last(bars["close"], timeperiod)
    return [100 * 2 * deviations * pstdev(values) / fmean(values) if values else None]


def true_ranges(bars: Columns) -> list[float]:
    rows = list(zip(bars["high"][1:], bars["low"][1:], bars["close"], strict=False))
    return [max(high, before) - min(low, before) for high, low, before in rows]


def squeezed(bars: Columns, timeperiod: int, bollinger: float, keltner: float) -> bool | None:
    closes, ranges = last(bars["close"], timeperiod), last(true_ranges(bars), timeperiod)
    if closes is None or ranges is None:
        return None
    return bollinger * (pstdev(closes) if len(set(closes)) > 1 else 0) < keltner * fmean(ranges)


@yardstick
def ttm_squeeze(bars: Columns, timeperiod: int, bollinger: float, keltner: float) -> Sequence[Number]:
    yesterday = {name: values[:-1] for name, values in bars.items()}
    on, was_on = (squeezed(one, timeperiod, bollinger, keltner) for one in (bars, yesterday))
    above: list[float] = []
    for end in range(len(bars["close"]) - timeperiod + 1, len(bars["close"]) + 1):
        if end < timeperiod:
            return [on, None if None in (on, was_on) else was_on and not on, None]
        high, low, close = (bars[name][end - timeperiod : end] for name in ("high", "low", "close"))
        above.append(close[-1] - ((max(high) + min(low)) / 2 + fmean(close)) / 2)
    slope, intercept = linear_regression(range(timeperiod), above)
    return [on, None if None in (on, was_on) else was_on and not on, intercept + slope * (timeperiod - 1)]


@yardstick
def historical_volatility(bars: Columns, timeperiod: int) -> Sequence[Number]:
    closes = last(bars["close"], timeperiod + 1)
    if closes is None:
        return [None]
    return [100 * math.sqrt(252) * stdev(math.log(b / a) for a, b in pairwise(closes))]


@yardstick
def parkinson(bars: Columns, timeperiod: int) -> Sequence[Number]:
    highs, lows = last(bars["high"], timeperiod), last(bars["low"], timeperiod)
    if highs is None or lows is None:
        return [None]
    spans = [math.log(high / low) ** 2 for high, low in zip(highs, lows, strict=True)]
    return [100 * math.sqrt(252 * fmean(spans) / (4 * math.log(2)))]


@yardstick
def nr(bars: Columns, timeperiod: int) -> Sequence[Number]:
    cents = last(
        [round(100 * (high - low), 3) for high, low in zip(bars["high"], bars["low"], strict=True)], timeperiod
    )
    return [None if cents is None else all(cents[-1] < before for before in cents[:-1])]


@yardstick
def inside_bar(bars: Columns) -> Sequence[Number]:
    if len(bars["high"]) < 2:
        return [None]
    return [bars["high"][-1] < bars["high"][-2] and bars["low"][-1] > bars["low"][-2]]


@yardstick
def outside_bar(bars: Columns) -> Sequence[Number]:
    if len(bars["high"]) < 2:
        return [None]
    return [bars["high"][-1] > bars["high"][-2] and bars["low"][-1] < bars["low"][-2]]


@yardstick
def rvol(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["volume"], timeperiod + 1)
    return [divided(values[-1], fmean(values[:-1])) if values else None]


@yardstick
def surge(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["volume"], timeperiod + 1)
    return [divided(values[-1], max(values[:-1])) if values else None]


@yardstick
def is_lowest(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["volume"], timeperiod)
    return [values[-1] == min(values) if values else None]


@yardstick
def is_highest(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["volume"], timeperiod)
    return [values[-1] == max(values) if values else None]


@yardstick
def up_down_volume(bars: Columns, timeperiod: int) -> Sequence[Number]:
    closes = last(bars["close"], timeperiod + 1)
    if closes is None:
        return [None]
    days = list(zip(closes, closes[1:], bars["volume"][-timeperiod:], strict=False))
    return [divided(sum(v for a, b, v in days if b > a), sum(v for a, b, v in days if b < a))]


def flows(bars: Columns) -> list[float]:
    rows = zip(bars["high"], bars["low"], bars["close"], bars["volume"], strict=True)
    return [volume * ((c - low) - (high - c)) / (high - low) if high > low else 0.0 for high, low, c, volume in rows]


@yardstick
def cmf(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(flows(bars), timeperiod)
    return [divided(math.fsum(values), math.fsum(bars["volume"][-timeperiod:])) if values else None]


@yardstick
def ad_change(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(flows(bars), timeperiod)
    return [math.fsum(values) if values else None]


@yardstick
def obv_change(bars: Columns, timeperiod: int) -> Sequence[Number]:
    closes = last(bars["close"], timeperiod + 1)
    if closes is None:
        return [None]
    days = zip(closes, closes[1:], bars["volume"][-timeperiod:], strict=False)
    return [math.fsum(volume if b > a else -volume if b < a else 0 for a, b, volume in days)]


@yardstick
def highest_before(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["high"][:-1], timeperiod)
    return [max(values) if values else None]


@yardstick
def lowest_before(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["low"][:-1], timeperiod)
    return [min(values) if values else None]


@yardstick
def bars_since_high(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["high"], timeperiod)
    return [list(reversed(values)).index(max(values)) if values else None]


@yardstick
def bars_since_low(bars: Columns, timeperiod: int) -> Sequence[Number]:
    values = last(bars["low"], timeperiod)
    return [list(reversed(values)).index(min(values)) if values else None]


@yardstick
def low_since_high(bars: Columns, timeperiod: int) -> Sequence[Number]:
    since = bars_since_high(bars, timeperiod)[0]
    return [min(bars["low"][-int(since) :]) if since else None]


@yardstick
def is_above(bars: Columns) -> Sequence[Number]:
    return [bars["close"][-1] > bars["open"][-1]]


@yardstick
def position(bars: Columns, timeperiod: int) -> Sequence[Number]:
    highs, lows = last(bars["high"], timeperiod), last(bars["low"], timeperiod)
    if highs is None or lows is None:
        return [None]
    return [divided(100 * (bars["close"][-1] - min(lows)), max(highs) - min(lows))]


@yardstick
def pivot(bars: Columns) -> Sequence[Number]:
    if len(bars["high"]) < 2:
        return [None] * 7
    high, low, close = (bars[name][-2] for name in ("high", "low", "close"))
    p = (high + low + close) / 3
    r1, s1 = 2 * p - low, 2 * p - high
    return [p, r1, s1, p + (r1 - s1), p - (r1 - s1), high + 2 * (p - low), low - 2 * (high - p)]


@yardstick
def gap_filled(bars: Columns) -> Sequence[Number]:
    if len(bars["close"]) < 2:
        return [None]
    before, begin = bars["close"][-2], bars["open"][-1]
    return [begin != before and bars["low"][-1] <= before <= bars["high"][-1]]


def in_a_row(holds: Sequence[bool], at_most: int) -> int:
    run = 0
    while run < min(at_most, len(holds)) and holds[-1 - run]:
        run += 1
    return run


@yardstick
def rising(bars: Columns, at_most: int) -> Sequence[Number]:
    closes = bars["close"]
    return [in_a_row([b > a for a, b in pairwise(closes)], at_most) if len(closes) > 1 else None]


@yardstick
def falling(bars: Columns, at_most: int) -> Sequence[Number]:
    closes = bars["close"]
    return [in_a_row([b < a for a, b in pairwise(closes)], at_most) if len(closes) > 1 else None]


@yardstick
def green(bars: Columns, at_most: int) -> Sequence[Number]:
    return [in_a_row([close > open_ for open_, close in zip(bars["open"], bars["close"], strict=True)], at_most)]


@yardstick
def red(bars: Columns, at_most: int) -> Sequence[Number]:
    return [in_a_row([close < open_ for open_, close in zip(bars["open"], bars["close"], strict=True)], at_most)]


def since(bars: Columns, ago: Number) -> Sequence[Number]:
    if ago is None:
        return [None] * 3
    days = int(ago) + 1
    prices, volumes = typical(bars)[-days:], bars["volume"][-days:]
    vwap = divided(math.fsum(p * v for p, v in zip(prices, volumes, strict=True)), math.fsum(volumes))
    return [vwap, percent(bars["close"][-1], bars["close"][-days]), ago]


@yardstick
def since_high(bars: Columns, timeperiod: int) -> Sequence[Number]:
    return since(bars, bars_since_high(bars, timeperiod)[0])


@yardstick
def since_low(bars: Columns, timeperiod: int) -> Sequence[Number]:
    return since(bars, bars_since_low(bars, timeperiod)[0])


def returns(values: Sequence[float], n: int) -> list[float] | None:
    window = last(values, n + 1)
    if window is None or any(math.isnan(value) for value in window):
        return None
    return [b / a - 1 for a, b in pairwise(window)]


@yardstick
def benchmark_beta(bars: Columns, timeperiod: int) -> Sequence[Number]:
    own, market = returns(bars["close"], timeperiod), returns(bars["benchmark"], timeperiod)
    if own is None or market is None:
        return [None, None]
    return [linear_regression(market, own).slope, None if len(set(own)) == 1 else correlation(market, own)]


@yardstick
def relative_strength(bars: Columns, timeperiod: int) -> Sequence[Number]:
    own, market = last(bars["close"], timeperiod + 1), last(bars["benchmark"], timeperiod + 1)
    if own is None or market is None or math.isnan(market[0] + market[-1]):
        return [None]
    return [percent(own[-1] / own[0], market[-1] / market[0])]


#: Other parameters than the usual ones, of those that have any.
OTHERS: dict[str, dict[str, float]] = {
    "percent_change": {"timeperiod": 5}, "percent_b": {"timeperiod": 7, "deviations": 1.5},
    "bandwidth": {"timeperiod": 7, "deviations": 1.5}, "ttm_squeeze": {"timeperiod": 9, "bollinger": 1.5, "keltner": 1},
    "rising": {"at_most": 2}, "falling": {"at_most": 2}, "green": {"at_most": 2}, "red": {"at_most": 2},
    "bars_since_high": {"timeperiod": 60}, "bars_since_low": {"timeperiod": 60}, "low_since_high": {"timeperiod": 2},
    "position": {"timeperiod": 14},
    "benchmark_beta": {"timeperiod": 11}, "nr": {"timeperiod": 4},
}  # fmt: skip


def cases() -> list[tuple[str, dict[str, float]]]:
    found = []
    for one in OWN:
        found.append((one.name, dict(one.parameters)))
        if one.parameters:
            found.append((one.name, OTHERS.get(one.name, {"timeperiod": 13})))
    return found


def test_every_indicator_of_ours_is_held_against_a_yardstick() -> None:
    assert set(YARDSTICKS) == set(BY_NAME)
    assert len(BY_NAME) == len(OWN)


@pytest.mark.parametrize(("name", "parameters"), cases(), ids=lambda value: value if isinstance(value, str) else
                         " ".join(str(one) for one in value.values()))  # fmt: skip
def test_an_indicator_equals_its_formula_at_every_bar_of_every_symbol(
    whole: Whole, name: str, parameters: dict[str, float]
) -> None:
    indicator = BY_NAME[name]
    computed = indicator.compute(whole.block, *(whole.inputs[column] for column in indicator.inputs), **parameters)
    assert len(computed) == len(indicator.outputs) == len(indicator.units)
    reach = indicator.lookback(**parameters) + 2  # a yardstick needs to see no more; one bar less, and it would
    wrong = []
    for begin, end in zip(whole.block.offsets[:-1], whole.block.offsets[1:], strict=True):
        columns = {name: values[begin:end].tolist() for name, values in whole.inputs.items()}
        for bar in range(end - begin):
            seen = {name: values[max(0, bar + 1 - reach) : bar + 1] for name, values in columns.items()}
            expected = YARDSTICKS[name](seen, **parameters)
            for output, value, theirs in zip(indicator.outputs, computed, expected, strict=True):
                ours = value[begin + bar]
                right = math.isnan(ours) if theirs is None else ours == pytest.approx(float(theirs), rel=1e-9, abs=1e-9)
                if not right:
                    wrong.append(f"{output} at bar {begin} + {bar}: {ours}, expected {theirs}")
    assert wrong[:5] == []


def known_from(indicator: Indicator, whole: Whole) -> int:
    """The first bar of a symbol that has all of them at which every output is known."""
    outputs = indicator.compute(
        whole.block, *(whole.inputs[column] for column in indicator.inputs), **indicator.parameters
    )
    first = whole.block.offsets[1]
    return int(max(np.flatnonzero(~np.isnan(values[:first]))[0] for values in outputs))


@pytest.mark.parametrize("name", [name for name in BY_NAME if "benchmark" not in BY_NAME[name].inputs])
def test_an_indicator_is_known_once_its_lookback_is_there_and_not_much_before(whole: Whole, name: str) -> None:
    indicator = BY_NAME[name]
    lookback = indicator.lookback(**indicator.parameters)
    # Runs are counted from the first bar on; their lookback is that of the longest that is counted.
    assert known_from(indicator, whole) == (lookback if "at_most" not in indicator.parameters else lookback % 49)


def test_a_window_that_says_nothing_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="timeperiod=0 is too few bars: the least is 1"):
        BY_NAME["vwap"].lookback(timeperiod=0)
    with pytest.raises(ValueError, match="at_most=0 is too few bars"):
        BY_NAME["rising"].lookback(at_most=0)
