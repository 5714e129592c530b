"""Every feature computed from its formula without the product: once in pandas, once by hand, bar by bar in loops.

Both take one symbol's bars, oldest first, and give every feature at every bar; NaN where it is unknown.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise

import duckdb
import pandas as pd

from scan_pipeline.features.catalogue import CORE

NAN = math.nan
COLUMNS = ["open", "high", "low", "close", "volume"]


def adjusted_bars(connection: duckdb.DuckDBPyConnection, symbol: str, first: date, as_of: date) -> pd.DataFrame:
    """The symbol's bars by session from `first` to `as_of`, as a chart of that evening shows them.

    Every split that had gone ex and was known by then is applied to every bar before its ex-date, one after another.
    """
    rows = connection.execute(
        f"select session, {', '.join(COLUMNS)} from price_bars where symbol = ? and session between ? and ? order by 1",
        [symbol, first, as_of],
    ).fetchall()
    splits = connection.execute(
        "select ex_date, split_from, split_to from splits where symbol = ? and ex_date <= ? and known_on <= ?",
        [symbol, as_of, as_of],
    ).fetchall()
    adjusted = []
    for session, *prices, volume in rows:
        for ex_date, old_shares, new_shares in splits:
            if session < ex_date:
                prices = [price * old_shares / new_shares for price in prices]
                volume = volume * new_shares / old_shares
        adjusted.append([session, *prices, volume])
    return pd.DataFrame(adjusted, columns=["session", *COLUMNS]).set_index("session").astype(float)


def by_pandas(bars: pd.DataFrame) -> pd.DataFrame:
    """Every feature with pandas' rolling windows and exponential means."""
    open_, high, low, close, volume = (bars[column] for column in COLUMNS)
    before = close.shift()
    true_range = pd.concat([high, before], axis=1).max(axis=1, skipna=False) - pd.concat([low, before], axis=1).min(
        axis=1, skipna=False
    )
    ema_9 = _begun_with_mean(close, 9, 2 / 10)
    change = close.diff()
    up = _begun_with_mean(change.clip(lower=0), 14, 1 / 14)
    down = _begun_with_mean(-change.clip(upper=0), 14, 1 / 14)
    # pandas keeps a running sum, which leaves a rest behind where volumes fall to zero; numpy's mean does not.
    average_volume = volume.rolling(20).apply(lambda window: window.mean(), raw=True)
    high_52w, low_52w = high.rolling(252).max(), low.rolling(252).min()
    return pd.DataFrame(
        {
            **{column: bars[column] for column in COLUMNS},
            "change_pct": 100 * (close / before - 1),
            "gap_pct": 100 * (open_ / before - 1),
            "sma_20": close.rolling(20).mean(),
            "sma_50": close.rolling(50).mean(),
            "sma_200": close.rolling(200).mean(),
            "ema_9": ema_9,
            "ema_20": _begun_with_mean(close, 20, 2 / 21),
            # Least squares over x = -2 … 2: the sum of x·y over the sum of x².
            "ema_9_slope_5": (2 * ema_9 + ema_9.shift(1) - ema_9.shift(3) - 2 * ema_9.shift(4)) / 10,
            "true_range": true_range,
            "atr_14": _begun_with_mean(true_range, 14, 1 / 14),
            "atr_14_simple": true_range.rolling(14).mean(),
            "rsi_14": _quotient(100 * up, up + down),
            "average_volume_20": average_volume,
            "dollar_volume_20": (close * volume).rolling(20).mean(),
            "relative_volume": _quotient(volume, average_volume.shift()),
            "high_20": high.rolling(20).max(),
            "high_52w": high_52w,
            "low_52w": low_52w,
            "distance_high_52w_pct": 100 * (close / high_52w - 1),
            "distance_low_52w_pct": 100 * (close / low_52w - 1),
            "bars_held": pd.Series(range(1, len(bars) + 1), index=bars.index, dtype=float).clip(upper=252),
        }
    )


def _begun_with_mean(values: pd.Series, n: int, weight: float) -> pd.Series:
    """The exponential mean that begins, at the n-th known value, with the mean of the first n."""
    known = values.dropna()
    begun = pd.concat([known.iloc[:n].rolling(n).mean().dropna(), known.iloc[n:]])
    return begun.ewm(alpha=weight, adjust=False).mean().reindex(values.index)


def _quotient(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    """NaN where the denominator is zero."""
    return numerator / denominator.where(denominator != 0)


def by_hand(bars: pd.DataFrame) -> pd.DataFrame:
    """Every feature from its formula in loops over the bars."""
    rows = list(zip(*(bars[column].tolist() for column in COLUMNS), strict=True))
    opens, highs, lows, closes, volumes = (list(values) for values in zip(*rows, strict=True))
    true_range, change_pct, gap_pct, rise, fall = [NAN], [NAN], [NAN], [NAN], [NAN]
    for (_, _, _, before, _), (open_, high, low, close, _) in pairwise(rows):
        true_range.append(max(high, before) - min(low, before))
        change_pct.append(100 * (close / before - 1))
        gap_pct.append(100 * (open_ / before - 1))
        rise.append(max(close - before, 0.0))
        fall.append(max(before - close, 0.0))
    ema_9 = _recursion(closes, 9, 2 / 10)
    rsi = [_divide(100 * u, u + d) for u, d in zip(_recursion(rise, 14, 1 / 14), _recursion(fall, 14, 1 / 14))]  # noqa: B905
    average_volume = _windows(volumes, 20, _mean)
    high_52w, low_52w = _windows(highs, 252, max), _windows(lows, 252, min)
    features = {
        "open": opens, "high": highs, "low": lows, "close": closes, "volume": volumes,
        "change_pct": change_pct,
        "gap_pct": gap_pct,
        "sma_20": _windows(closes, 20, _mean),
        "sma_50": _windows(closes, 50, _mean),
        "sma_200": _windows(closes, 200, _mean),
        "ema_9": ema_9,
        "ema_20": _recursion(closes, 20, 2 / 21),
        "ema_9_slope_5": _windows(ema_9, 5, _slope),
        "true_range": true_range,
        "atr_14": _recursion(true_range, 14, 1 / 14),
        "atr_14_simple": _windows(true_range, 14, _mean),
        "rsi_14": rsi,
        "average_volume_20": average_volume,
        "dollar_volume_20": _windows([close * volume for *_, close, volume in rows], 20, _mean),
        "relative_volume": [_divide(volume, mean) for volume, mean in zip(volumes, [NAN, *average_volume[:-1]])],  # noqa: B905
        "high_20": _windows(highs, 20, max),
        "high_52w": high_52w,
        "low_52w": low_52w,
        "distance_high_52w_pct": [100 * (close / high - 1) for close, high in zip(closes, high_52w)],  # noqa: B905
        "distance_low_52w_pct": [100 * (close / low - 1) for close, low in zip(closes, low_52w)],  # noqa: B905
        "bars_held": [float(min(number, 252)) for number in range(1, len(rows) + 1)],
    }  # fmt: skip
    return pd.DataFrame(features, index=bars.index)


def _windows(values: Sequence[float], n: int, measure: Callable[[Sequence[float]], float]) -> list[float]:
    measured = []
    for end in range(1, len(values) + 1):
        window = values[max(0, end - n) : end]
        known = len(window) == n and not any(math.isnan(value) for value in window)
        measured.append(measure(window) if known else NAN)
    return measured


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _slope(values: Sequence[float]) -> float:
    x_mean, y_mean = (len(values) - 1) / 2, _mean(values)
    above = math.fsum((x - x_mean) * (y - y_mean) for x, y in enumerate(values))
    return above / math.fsum((x - x_mean) ** 2 for x in range(len(values)))


def _recursion(values: Sequence[float], n: int, weight: float) -> list[float]:
    """Begun with the mean of the first n known values; then weight × value + (1 − weight) × last."""
    results: list[float] = []
    known: list[float] = []
    for value in values:
        if not math.isnan(value):
            known.append(value)
        if len(known) < n:
            results.append(NAN)
        elif len(known) == n:
            results.append(_mean(known))
        else:
            results.append(weight * value + (1 - weight) * results[-1])
    return results


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else NAN


def differences(computed: pd.DataFrame, expected: pd.DataFrame, relative: float = 1e-9) -> list[str]:
    """Where two tables of features differ: in which bars are unknown, or by more than `relative`.

    A value is held against its own size and the scale of its series: no more can be asked of floating point, where a
    mean of prices in the thousands is carried on to prices in cents.
    """
    found = []
    for feature in CORE:
        ours, theirs = computed[feature.name].to_numpy(), expected[feature.name].to_numpy()
        scale = {
            "dollars": expected["high"].max(),
            "dollars/bar": expected["high"].max(),
            "shares": expected["volume"].max(),
            "dollars/day": (expected["close"] * expected["volume"]).max(),
            "bars": 0.0,
        }.get(feature.unit, 100.0)
        for bar, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            same = math.isnan(other) if math.isnan(one) else abs(one - other) <= relative * max(scale, abs(other))
            if not same:
                found.append(f"{feature.name} at {expected.index[bar]}: {one!r}, expected {other!r}")
                break
    return found
