"""TA-Lib's functions reach the user as they are, each symbol on its own; and those that people rely on most are right:
computed anew from their definitions, in pandas or bar by bar, warm-up and unknown values included."""

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib

from scan_pipeline.features import talib_functions
from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.expressions import parse
from scan_pipeline.features.indicators import talib_function
from scan_pipeline_tests.features.made_up import COLUMNS, block_of, outputs, walk

NAN = math.nan


def test_all_functions_of_talib_are_indicators_by_their_usual_names_parameters_and_outputs() -> None:
    names = [name.lower() for name in talib.get_functions()]
    assert len(names) >= 201
    assert {name for name in names if name not in INDICATORS} == set()
    for name in names:
        info = talib.abstract.Function(name).info
        one = talib_functions.indicator(name)
        assert dict(one.parameters) == dict(info["parameters"])
        assert list(one.outputs) == info["output_names"]


@pytest.mark.parametrize("name", [name.lower() for name in talib.get_functions()])
def test_each_symbol_has_what_talib_gives_for_its_bars_alone(name: str) -> None:
    indicator = talib_functions.indicator(name)
    symbols = [walk(seed, bars) for seed, bars in ((1, 300), (2, 1), (3, 90), (4, 299))]
    block = block_of(*symbols)
    computed = outputs(indicator, block)
    assert len(computed) == len(indicator.outputs)
    for number, bars in enumerate(symbols):
        low, high = block.offsets[number], block.offsets[number + 1]
        inputs = [bars.get(column, np.full(high - low, 10.0)) for column in indicator.inputs]
        expected = talib_function(name.upper())(*inputs, **indicator.parameters)
        for ours, theirs in zip(computed, expected if isinstance(expected, tuple) else (expected,), strict=True):
            if theirs.dtype.kind == "i":
                # 0 says "no pattern" to TA-Lib, and "too few bars" as well; to us, the one is 0 and the other unknown.
                unknown = talib.abstract.Function(name).lookback
                assert np.isnan(ours[low:high][:unknown]).all()
                assert np.array_equal(ours[low:high][unknown:], theirs[unknown:])
            else:
                assert np.array_equal(ours[low:high], np.where(np.isinf(theirs), NAN, theirs), equal_nan=True)


def of(expression: str, bars: dict[str, np.ndarray]) -> np.ndarray:
    return parse(expression).compute(block_of(bars))


def begun_with_mean(values: pd.Series, n: int, weight: float) -> pd.Series:
    """The exponential mean that begins, at the n-th known value, with the mean of the first n."""
    known = values.dropna()
    begun = pd.concat([known.iloc[:n].rolling(n).mean().dropna(), known.iloc[n:]])
    return begun.ewm(alpha=weight, adjust=False).mean().reindex(values.index)


def sma(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(20).mean()


def ema(b: pd.DataFrame) -> pd.Series:
    return begun_with_mean(b.close, 20, 2 / 21)


def wma(b: pd.DataFrame) -> pd.Series:
    weights = np.arange(1, 21)
    return b.close.rolling(20).apply(lambda window: (window * weights).sum() / weights.sum(), raw=True)


def dema(b: pd.DataFrame) -> pd.Series:
    once = begun_with_mean(b.close, 10, 2 / 11)
    return 2 * once - begun_with_mean(once, 10, 2 / 11)


def tema(b: pd.DataFrame) -> pd.Series:
    once = begun_with_mean(b.close, 10, 2 / 11)
    twice = begun_with_mean(once, 10, 2 / 11)
    return 3 * once - 3 * twice + begun_with_mean(twice, 10, 2 / 11)


def kama(b: pd.DataFrame) -> pd.Series:
    """Kaufman: begun with the close before the first value."""
    closes, means = b.close.tolist(), [NAN] * 10
    last = closes[9]
    for bar in range(10, len(closes)):
        way = sum(abs(closes[one] - closes[one - 1]) for one in range(bar - 9, bar + 1))
        efficiency = abs(closes[bar] - closes[bar - 10]) / way
        last += (efficiency * (2 / 3 - 2 / 31) + 2 / 31) ** 2 * (closes[bar] - last)
        means.append(last)
    return pd.Series(means)


def rsi(b: pd.DataFrame) -> pd.Series:
    change = b.close.diff()
    up, down = begun_with_mean(change.clip(lower=0), 14, 1 / 14), begun_with_mean(-change.clip(upper=0), 14, 1 / 14)
    return 100 * up / (up + down)


def true_range(b: pd.DataFrame) -> pd.Series:
    before = b.close.shift()
    return np.maximum(b.high, before) - np.minimum(b.low, before)


def atr(b: pd.DataFrame) -> pd.Series:
    return begun_with_mean(true_range(b), 14, 1 / 14)


def macd(b: pd.DataFrame) -> pd.Series:
    """The fast mean begins late, so that both begin on the same bar."""
    fast = begun_with_mean(b.close.where(b.index >= 14), 12, 2 / 13)
    return (fast - begun_with_mean(b.close, 26, 2 / 27)).where(b.index >= 33)


def macd_signal(b: pd.DataFrame) -> pd.Series:
    fast = begun_with_mean(b.close.where(b.index >= 14), 12, 2 / 13)
    return begun_with_mean(fast - begun_with_mean(b.close, 26, 2 / 27), 9, 2 / 10)


def macd_histogram(b: pd.DataFrame) -> pd.Series:
    return macd(b) - macd_signal(b)


def upper_band(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(20).mean() + 2 * b.close.rolling(20).std(ddof=0)


def lower_band(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(20).mean() - 2 * b.close.rolling(20).std(ddof=0)


def fast_k(b: pd.DataFrame, n: int) -> pd.Series:
    low, high = b.low.rolling(n).min(), b.high.rolling(n).max()
    return 100 * (b.close - low) / (high - low)


def slow_k(b: pd.DataFrame) -> pd.Series:
    return fast_k(b, 14).rolling(3).mean().where(b.index >= 17)


def slow_d(b: pd.DataFrame) -> pd.Series:
    return fast_k(b, 14).rolling(3).mean().rolling(3).mean()


def stochastic_rsi(b: pd.DataFrame) -> pd.Series:
    index = rsi(b)
    low, high = index.rolling(14).min(), index.rolling(14).max()
    return (100 * (index - low) / (high - low)).rolling(3).mean()


def wilder_sum(values: pd.Series, n: int) -> pd.Series:
    """Wilder's sum as TA-Lib begins it: the sum of the first n − 1, then each loses an n-th and gains the new one."""
    known = values.tolist()
    sums = [NAN] * n
    last = sum(known[1:n])
    for value in known[n:]:
        last = last - last / n + value
        sums.append(last)
    return pd.Series(sums, index=values.index)


def directional(b: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    up, down = b.high.diff(), -b.low.diff()
    plus = up.where((up > down) & (up > 0), 0.0)
    minus = down.where((down > up) & (down > 0), 0.0)
    moved = wilder_sum(true_range(b), 14)
    return 100 * wilder_sum(plus, 14) / moved, 100 * wilder_sum(minus, 14) / moved


def plus_di(b: pd.DataFrame) -> pd.Series:
    return directional(b)[0]


def minus_di(b: pd.DataFrame) -> pd.Series:
    return directional(b)[1]


def adx(b: pd.DataFrame) -> pd.Series:
    plus, minus = directional(b)
    return begun_with_mean(100 * (plus - minus).abs() / (plus + minus), 14, 1 / 14)


def typical(b: pd.DataFrame) -> pd.Series:
    return (b.high + b.low + b.close) / 3


def cci(b: pd.DataFrame) -> pd.Series:
    price = typical(b)
    deviation = price.rolling(20).apply(lambda window: np.abs(window - window.mean()).mean(), raw=True)
    return (price - price.rolling(20).mean()) / (0.015 * deviation)


def mfi(b: pd.DataFrame) -> pd.Series:
    flow, change = typical(b) * b.volume, typical(b).diff()
    up = flow.where(change > 0, 0.0).where(change.notna()).rolling(14).sum()
    down = flow.where(change < 0, 0.0).where(change.notna()).rolling(14).sum()
    return 100 * up / (up + down)


def obv(b: pd.DataFrame) -> pd.Series:
    return (np.sign(b.close.diff()).fillna(1) * b.volume).cumsum()


def ad(b: pd.DataFrame) -> pd.Series:
    return (((b.close - b.low) - (b.high - b.close)) / (b.high - b.low) * b.volume).cumsum()


def roc(b: pd.DataFrame) -> pd.Series:
    return 100 * (b.close / b.close.shift(10) - 1)


def momentum(b: pd.DataFrame) -> pd.Series:
    return b.close.diff(10)


def williams(b: pd.DataFrame) -> pd.Series:
    low, high = b.low.rolling(14).min(), b.high.rolling(14).max()
    return -100 * (high - b.close) / (high - low)


def aroon_up(b: pd.DataFrame) -> pd.Series:
    return b.high.rolling(26).apply(lambda window: 100 * (25 - window[::-1].argmax()) / 25, raw=True)


def aroon_down(b: pd.DataFrame) -> pd.Series:
    return b.low.rolling(26).apply(lambda window: 100 * (25 - window[::-1].argmin()) / 25, raw=True)


def aroon_oscillator(b: pd.DataFrame) -> pd.Series:
    return aroon_up(b) - aroon_down(b)


def regression(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(14).apply(lambda window: np.polyval(np.polyfit(range(14), window, 1), 13), raw=True)


def slope(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(14).apply(lambda window: np.polyfit(range(14), window, 1)[0], raw=True)


def correlation(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(30).corr(b.volume)


def beta(b: pd.DataFrame) -> pd.Series:
    market, own = b.benchmark.pct_change(), b.close.pct_change()
    return own.rolling(60).cov(market) / market.rolling(60).var()


def deviation(b: pd.DataFrame) -> pd.Series:
    return b.close.rolling(20).std(ddof=0)


def middle(b: pd.DataFrame) -> pd.Series:
    return (b.high.rolling(20).max() + b.low.rolling(20).min()) / 2


def parabolic(b: pd.DataFrame) -> pd.Series:
    """Wilder's stop, bar by bar."""
    highs, lows = b.high.tolist(), b.low.tolist()
    rise, fall = highs[1] - highs[0], lows[0] - lows[1]
    is_long = not (fall > rise and fall > 0)
    extreme, stop = (highs[1], lows[0]) if is_long else (lows[1], highs[0])
    step, stops = 0.02, [NAN]
    for bar in range(1, len(highs)):
        low, high = lows[bar], highs[bar]
        before = (lows[bar - 1], highs[bar - 1]) if bar > 1 else (low, high)
        if (is_long and low <= stop) or (not is_long and high >= stop):
            is_long = not is_long
            turned = max(extreme, before[1], high) if not is_long else min(extreme, before[0], low)
            stops.append(turned)
            step, extreme = 0.02, high if is_long else low
            stop = turned + step * (extreme - turned)
        else:
            stops.append(stop)
            if (is_long and high > extreme) or (not is_long and low < extreme):
                extreme, step = high if is_long else low, min(step + 0.02, 0.2)
            stop += step * (extreme - stop)
        stop = min(stop, before[0], low) if is_long else max(stop, before[1], high)
    return pd.Series(stops)


DEFINITIONS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "ta.sma(close, 20)": sma,
    "ta.ema(close, 20)": ema,
    "ta.wma(close, 20)": wma,
    "ta.dema(close, 10)": dema,
    "ta.tema(close, 10)": tema,
    "ta.kama(close, 10)": kama,
    "ta.rsi(close, 14)": rsi,
    "ta.trange()": true_range,
    "ta.atr(14)": atr,
    "ta.natr(14)": lambda b: 100 * atr(b) / b.close,
    "ta.macd(12, 26, 9).macd": macd,
    "ta.macd(12, 26, 9).macdsignal": macd_signal,
    "ta.macd(12, 26, 9).macdhist": macd_histogram,
    "ta.bbands(close, 20, 2, 2).upperband": upper_band,
    "ta.bbands(close, 20, 2, 2).middleband": sma,
    "ta.bbands(close, 20, 2, 2).lowerband": lower_band,
    "ta.stoch(14, 3, 0, 3, 0).slowk": slow_k,
    "ta.stoch(14, 3, 0, 3, 0).slowd": slow_d,
    "ta.stochrsi(close, 14, 14, 3).fastd": stochastic_rsi,
    "ta.plus_di(14)": plus_di,
    "ta.minus_di(14)": minus_di,
    "ta.adx(14)": adx,
    "ta.cci(20)": cci,
    "ta.mfi(14)": mfi,
    "ta.obv()": obv,
    "ta.ad()": ad,
    "ta.roc(10)": roc,
    "ta.mom(10)": momentum,
    "ta.willr(14)": williams,
    "ta.aroon(25).aroonup": aroon_up,
    "ta.aroon(25).aroondown": aroon_down,
    "ta.aroonosc(25)": aroon_oscillator,
    "ta.linearreg(14)": regression,
    "ta.linearreg_slope(14)": slope,
    "ta.correl(close, volume, 30)": correlation,
    "ta.beta(benchmark, close, 60)": beta,
    "ta.stddev(close, 20)": deviation,
    "ta.max(high, 20)": lambda b: b.high.rolling(20).max(),
    "ta.min(low, 20)": lambda b: b.low.rolling(20).min(),
    "ta.sum(volume, 20)": lambda b: b.volume.rolling(20).sum(),
    "ta.midprice(20)": middle,
    "ta.sar(0.02, 0.2)": parabolic,
    "ta.prev(close, 3)": lambda b: b.close.shift(3),
}


@pytest.mark.parametrize("expression", DEFINITIONS)
def test_the_values_are_those_of_the_definition(expression: str) -> None:
    for seed in (11, 12, 13):
        bars = walk(seed, 300)
        expected = DEFINITIONS[expression](pd.DataFrame(bars)).to_numpy()
        computed = of(expression, bars)
        size = np.nanmax(np.abs(expected))
        np.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-9 * size, err_msg=f"seed {seed}")


@pytest.mark.parametrize(
    ("expression", "opens", "highs", "lows", "closes", "found"),
    [
        # After ten bars of body 1 and range 2: what the pattern is by its definition, and what it is not.
        ("ta.cdldoji()", [10], [11], [9], [10.02], 100),
        ("ta.cdldoji()", [10], [11], [9], [10.5], 0),
        ("ta.cdlmarubozu()", [10], [13], [10], [13], 100),
        ("ta.cdlmarubozu()", [13], [13], [10], [10], -100),
        ("ta.cdlengulfing()", [10.2, 9.5], [10.3, 10.6], [9.6, 9.4], [9.7, 10.5], 100),
        ("ta.cdlengulfing()", [9.7, 10.5], [10.3, 10.6], [9.6, 9.4], [10.2, 9.5], -100),
        ("ta.cdlharami()", [12, 10.2], [12.1, 10.7], [9.4, 10.1], [9.5, 10.6], 100),
    ],
)
def test_candle_patterns_are_found_where_they_are(
    expression: str, opens: list[float], highs: list[float], lows: list[float], closes: list[float], found: int
) -> None:
    up_and_down = [10.0, 11.0] * 10
    bars = {
        "open": np.array([*up_and_down, *opens]),
        "close": np.array([*up_and_down[::-1], *closes]),
        "high": np.array([11.5] * 20 + highs),
        "low": np.array([9.5] * 20 + lows),
        "volume": np.full(20 + len(opens), 1000.0),
    }
    values = of(expression, bars)
    assert values[-1] == found
    assert np.isnan(values[:2]).all()


def test_after_an_unknown_value_a_window_fills_anew_and_nothing_stays_unknown() -> None:
    """TA-Lib alone would give NaN for ever after."""
    bars = walk(20, 60)
    bars["volume"][20:25] = 0
    ratios = "close / volume"
    expected = (pd.Series(bars["close"]) / pd.Series(bars["volume"]).replace(0, NAN)).rolling(5).mean()
    np.testing.assert_allclose(of(f"ta.sma({ratios}, 5)", bars), expected, rtol=1e-9)
    recursion = of(f"ta.ema({ratios}, 5)", bars)
    assert np.isnan(recursion[20:29]).all()
    assert np.array_equal(recursion[25:], of(f"ta.ema({ratios}, 5)", {name: one[25:] for name, one in bars.items()}),
                          equal_nan=True)  # fmt: skip


def test_a_series_of_unknown_values_alone_is_unknown() -> None:
    bars = walk(21, 30) | {"volume": np.zeros(30)}
    assert np.isnan(of("ta.rsi(close / volume, 5)", bars)).all()
    assert np.isnan(of("ta.macd(close / volume).macdsignal", bars)).all()
    assert np.isnan(of("ta.cdldoji(close / volume, high, low, close)", bars)).all()


def test_several_outputs_are_computed_once_for_a_block() -> None:
    block = block_of(walk(22, 4000))
    parse("ta.bbands(close, 20).upperband").compute(block)
    tracemalloc.start()
    parse("ta.bbands(20).lowerband").compute(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4000 * 8


def test_all_columns_of_made_up_bars_are_bars() -> None:
    bars = walk(23, 500)
    assert set(COLUMNS) < set(bars)
    assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
