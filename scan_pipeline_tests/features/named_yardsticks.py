"""The named features beyond the core, worked out without the product: in pandas, and in loops where it has no word.

Everything takes one symbol's bars, indexed by session and oldest first, and gives a value at every bar; NaN where it is
unknown. What TA-Lib begins in its own way (where a recursion starts, which of two equal highs counts) is said.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scan_pipeline.features.named import NAMED

Frame = pd.DataFrame
Series = pd.Series
NAN = math.nan


def begun_with_mean(values: Series, n: int, weight: float, first: int = 0) -> Series:
    """The exponential mean that begins with the mean of the first n known values from bar `first` on."""
    result, known, last = [], [], NAN
    for place, value in enumerate(values):
        if place < first or (not known and math.isnan(value)):
            result.append(NAN)
            continue
        known.append(value)
        if len(known) == n:
            last = sum(known) / n
        elif len(known) > n:
            last += weight * (value - last)
        result.append(last)
    return Series(result, index=values.index)


def ema(values: Series, n: int, first: int = 0) -> Series:
    return begun_with_mean(values, n, 2 / (n + 1), first)


def quotient(numerator: Series, denominator: Series) -> Series:
    """NaN where the denominator is zero."""
    return numerator / denominator.where(denominator != 0)


def flag(holds: Series, *known: Series) -> Series:
    """1 or 0; NaN where one of the others is."""
    unknown = pd.concat([one.isna() for one in known], axis=1).any(axis=1)
    return holds.astype(float).where(~unknown)


def from_bar(values: Series, first: int) -> Series:
    return values.where(np.arange(len(values)) >= first)


def windows(values: Series, n: int, measure) -> Series:  # type: ignore[no-untyped-def]
    return values.rolling(n).apply(measure, raw=True)


def spread(values: Series, n: int) -> Series:
    """The standard deviation of the n values themselves; without a running sum, exactly 0 where all are equal."""
    return windows(values, n, lambda one: 0.0 if one.min() == one.max() else one.std())


def true_range_of(bars: Frame) -> Series:
    before = bars["close"].shift()
    highest = pd.concat([bars["high"], before], axis=1).max(axis=1, skipna=False)
    return highest - pd.concat([bars["low"], before], axis=1).min(axis=1, skipna=False)


def rounding_decides(bars: Frame) -> dict[str, Series]:
    """Bars at which what is compared is equal on paper, so that a value hangs on the last bit."""
    channels = 2 * spread(bars["close"], 20), 1.5 * windows(true_range_of(bars), 20, np.mean)
    as_wide = Series(np.isclose(*channels, rtol=1e-12), index=bars.index)
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    as_dear = (typical.diff() != 0) & (typical.diff().abs() < 1e-12 * typical)
    smaller, larger = candles(bars, -1e-10), candles(bars, 1e-10)
    return {
        **{name: (smaller[name] != larger[name]) & smaller[name].notna() for name in smaller},
        "squeeze_on": as_wide,
        "squeeze_fired": as_wide | as_wide.shift(fill_value=False),
        "mfi_14": as_dear.rolling(14, min_periods=1).max() > 0,
    }


def averages(bars: Frame) -> dict[str, Series]:
    high, low, close, volume = (bars[name] for name in ("high", "low", "close", "volume"))
    typical = (high + low + close) / 3
    sma = {n: close.rolling(n).mean() for n in (5, 10, 20, 50, 100, 150, 200)}
    once = ema(close, 20)
    twice, atr = ema(once, 20), begun_with_mean(true_range_of(bars), 14, 1 / 14)
    above = (close > sma[20]) & (sma[20] > sma[50]) & (sma[50] > sma[200])
    below = (close < sma[20]) & (sma[20] < sma[50]) & (sma[50] < sma[200])
    return {
        **{f"sma_{n}": sma[n] for n in (5, 10, 100, 150)},
        "ema_21": ema(close, 21),
        "ema_50": ema(close, 50),
        "wma_20": windows(close, 20, lambda one: (one * np.arange(1, 21)).sum() / 210),
        "dema_20": 2 * once - twice,
        "tema_20": 3 * once - 3 * twice + ema(twice, 20),
        "kama_10": kama(close, 10),
        "wilder_14": begun_with_mean(close, 14, 1 / 14),
        "vwap_20": quotient(windows(typical * volume, 20, np.sum), windows(volume, 20, np.sum)),
        **{f"distance_sma_{n}_pct": 100 * (close / sma[n] - 1) for n in (20, 50, 150, 200)},
        "distance_ema_9_atr": quotient(close - ema(close, 9), atr),
        "ma_stacked": flag(above, sma[200]) - flag(below, sma[200]),
        "sma_200_slope_20_pct": 100 * (sma[200] / sma[200].shift(20) - 1),
        "sma_50_slope_10_pct": 100 * (sma[50] / sma[50].shift(10) - 1),
    }


def kama(close: Series, n: int) -> Series:
    """Begun with the close before the first that has n before it."""
    values, result = close.tolist(), [NAN] * len(close)
    for bar in range(n, len(values)):
        way = sum(abs(values[one] - values[one - 1]) for one in range(bar - n + 1, bar + 1))
        efficiency = abs(values[bar] - values[bar - n]) / way if way else 1.0
        weight = (efficiency * (2 / 3 - 2 / 31) + 2 / 31) ** 2
        last = values[n - 1] if bar == n else result[bar - 1]
        result[bar] = last + weight * (values[bar] - last)
    return Series(result, index=close.index)


def volatility(bars: Frame) -> dict[str, Series]:
    high, low, close = (bars[name] for name in ("high", "low", "close"))
    typical, ranges = (high + low + close) / 3, true_range_of(bars)
    mean, deviation = close.rolling(20).mean(), spread(close, 20)
    # TA-Lib's channel begins its mean of true ranges where it has a mean of prices.
    center, width = ema(typical, 20), begun_with_mean(ranges, 10, 1 / 10, first=10)
    on = flag(2 * deviation < 1.5 * windows(ranges, 20, np.mean), deviation, ranges.rolling(20).mean())
    extremes = (high.rolling(20).max() + low.rolling(20).min()) / 2
    above = close - (extremes + mean) / 2
    log_return = np.log(close / close.shift())
    span = high - low
    narrowest = {n: span.shift().rolling(n - 1).min() for n in (4, 7)}
    line = np.arange(20) - 9.5
    return {
        "natr_14": 100 * begun_with_mean(ranges, 14, 1 / 14) / close,
        "bb_upper_20": mean + 2 * deviation,
        "bb_middle_20": mean,
        "bb_lower_20": mean - 2 * deviation,
        "bb_width_20_pct": 400 * deviation / mean,
        "bb_percent_b_20": quotient(close - mean + 2 * deviation, 4 * deviation),
        "keltner_upper_20": center + 2 * width,
        "keltner_middle_20": center,
        "keltner_lower_20": center - 2 * width,
        "donchian_high_55": high.rolling(55).max(),
        "donchian_low_20": low.rolling(20).min(),
        "donchian_low_55": low.rolling(55).min(),
        "squeeze_on": on,
        "squeeze_fired": flag((on.shift() == 1) & (on == 0), on.shift(), on),
        "squeeze_momentum": windows(above, 20, lambda one: one.mean() + 9.5 * (line * one).sum() / (line**2).sum()),
        "historical_volatility_20": 100 * math.sqrt(252) * windows(log_return, 20, lambda one: one.std(ddof=1)),
        "historical_volatility_100": 100 * math.sqrt(252) * windows(log_return, 100, lambda one: one.std(ddof=1)),
        "parkinson_20": 100 * np.sqrt(252 * windows(np.log(high / low) ** 2, 20, np.mean) / (4 * math.log(2))),
        "range_pct": 100 * span / close,
        **{f"nr_{n}": flag(span < narrowest[n] * (1 - 1e-9), narrowest[n]) for n in narrowest},
        "inside_bar": flag((high < high.shift()) & (low > low.shift()), high.shift()),
        "outside_bar": flag((high > high.shift()) & (low < low.shift()), high.shift()),
    }


def rsi(close: Series, n: int) -> Series:
    change = close.diff()
    up = begun_with_mean(change.clip(lower=0), n, 1 / n)
    down = begun_with_mean(-change.clip(upper=0), n, 1 / n)
    return quotient(100 * up, up + down)


def momentum(bars: Frame) -> dict[str, Series]:
    high, low, close, volume = (bars[name] for name in ("high", "low", "close", "volume"))
    typical, ranges = (high + low + close) / 3, true_range_of(bars)
    highest, lowest = high.rolling(14).max(), low.rolling(14).min()
    fast = quotient(100 * (close - lowest), highest - lowest)
    slow = fast.rolling(3).mean()
    rsi_14 = rsi(close, 14)
    rsi_low, rsi_span = rsi_14.rolling(14).min(), rsi_14.rolling(14).max() - rsi_14.rolling(14).min()
    changed = close.diff().ne(0) & close.diff().notna()
    flow = typical * volume
    # TA-Lib begins the fast mean of MACD with the slow one, on the 26th bar.
    macd = ema(close, 12, first=14) - ema(close, 26)
    signal = ema(macd, 9)
    moves = high.diff(), -low.diff()
    plus = moves[0].where((moves[0] > moves[1]) & (moves[0] > 0), 0.0)
    minus = moves[1].where((moves[1] > moves[0]) & (moves[1] > 0), 0.0)
    plus_di, minus_di = (quotient(100 * wilder_sum(one, 14), wilder_sum(ranges, 14)) for one in (plus, minus))
    total = plus_di + minus_di
    dx = 100 * (plus_di - minus_di).abs() / total.where(total != 0)
    up = windows(flow.where(typical.diff() > 0, 0.0).where(typical.diff().notna()), 14, np.sum)
    down = windows(flow.where(typical.diff() < 0, 0.0).where(typical.diff().notna()), 14, np.sum)
    ago_high = windows(high, 26, lambda one: np.argmax(one[::-1]))
    ago_low = windows(low, 26, lambda one: np.argmin(one[::-1]))
    line = np.arange(20) - 9.5
    steady = spread(close, 20)
    slope = windows(close, 20, lambda one: (line * (one - one.mean())).sum() / (line**2).sum())
    supertrend_line, direction = supertrend(bars, 10, 3)
    roc = {n: 100 * (close / close.shift(n) - 1) for n in (5, 10, 20, 60, 125, 187, 250)}
    return {
        # Begun anew only where prices moved within 24 bars: the rest of a mean that halves every bar is no news.
        "rsi_2": rsi(close, 2).where(changed.rolling(24, min_periods=1).max() > 0),
        "stoch_k_14": from_bar(slow, 17),
        "stoch_d_14": slow.rolling(3).mean(),
        # While close stands still, the index moves by rounding alone.
        "stochrsi_14": from_bar((100 * (rsi_14 - rsi_low) / rsi_span).where(rsi_span > 1e-6), 29),
        "macd": macd.where(signal.notna()),
        "macd_signal": signal,
        "macd_histogram": macd - signal,
        "adx_14": begun_with_mean(dx.fillna(0).where(plus_di.notna()), 14, 1 / 14),
        "plus_di_14": plus_di,
        "minus_di_14": minus_di,
        "cci_20": quotient(
            typical - windows(typical, 20, np.mean),
            0.015 * windows(typical, 20, lambda one: np.abs(one - one.mean()).mean()),
        ).where(windows(typical, 20, np.ptp) > 0),
        "mfi_14": quotient(100 * up, up + down),
        **{f"roc_{n}": roc[n] for n in (5, 10, 20, 60, 125, 250)},
        "momentum_10": close - close.shift(10),
        "williams_r_14": quotient(-100 * (highest - close), highest - lowest),
        "aroon_up_25": 4 * (25 - ago_high),
        "aroon_down_25": 4 * (25 - ago_low),
        "aroon_oscillator_25": 4 * (ago_low - ago_high),
        "psar": parabolic(bars),
        "supertrend_10": supertrend_line,
        "supertrend_direction_10": direction,
        "linreg_slope_20": slope,
        "linreg_r2_20": (slope**2 * (line**2).sum() / (20 * steady**2)).where(steady > 0),
        "z_score_20": quotient(close - close.rolling(20).mean(), steady),
        "weighted_return_250": 0.4 * roc[60] + 0.2 * (roc[125] + roc[187] + roc[250]),
    }


def wilder_sum(values: Series, n: int) -> Series:
    """Wilder's sum: of the first n − 1 values, then each time less 1/n of it and more the value; from the n-th on."""
    result, total = [], 0.0
    for place, value in enumerate(values):
        if 0 < place < n:
            total += value
        elif place >= n:
            total += value - total / n
        result.append(total if place >= n else NAN)
    return Series(result, index=values.index)


def supertrend(bars: Frame, n: int, multiplier: float) -> tuple[Series, Series]:
    """Begins upwards, as TA-Lib does."""
    width = multiplier * begun_with_mean(true_range_of(bars), n, 1 / n)
    lines, directions = [], []
    upper = lower = before = NAN
    is_up = True
    for high, low, close, wide in zip(bars["high"], bars["low"], bars["close"], width, strict=True):
        if math.isnan(wide):
            lines.append(NAN)
            directions.append(NAN)
            continue
        above, below = (high + low) / 2 + wide, (high + low) / 2 - wide
        upper = above if math.isnan(upper) or above < upper or before > upper else upper
        lower = below if math.isnan(lower) or below > lower or before < lower else lower
        is_up = close >= lower if is_up else close > upper
        lines.append(lower if is_up else upper)
        directions.append(1.0 if is_up else -1.0)
        before = close
    return Series(lines, index=bars.index), Series(directions, index=bars.index)


def parabolic(bars: Frame) -> Series:
    """Wilder's stop and reverse, 0.02 up to 0.2. Begins downwards where low fell by more than high rose."""
    high, low = bars["high"].tolist(), bars["low"].tolist()
    result = [NAN] * len(high)
    if len(high) < 2:
        return Series(result, index=bars.index)
    fall, rise = low[0] - low[1], high[1] - high[0]
    is_long = not (fall > 0 and fall > rise)
    extreme, stop = (high[1], low[0]) if is_long else (low[1], high[0])
    step = 0.02
    # On the first bar, the one before it counts as the bar itself.
    recent = 1
    for bar in range(1, len(high)):
        if is_long:
            if low[bar] <= stop:
                is_long, stop = False, max(extreme, high[recent], high[bar])
                result[bar] = stop
                step, extreme = 0.02, low[bar]
                stop = max(stop + step * (extreme - stop), high[recent], high[bar])
            else:
                result[bar] = stop
                if high[bar] > extreme:
                    extreme, step = high[bar], min(step + 0.02, 0.2)
                stop = min(stop + step * (extreme - stop), low[recent], low[bar])
        elif high[bar] >= stop:
            is_long, stop = True, min(extreme, low[recent], low[bar])
            result[bar] = stop
            step, extreme = 0.02, high[bar]
            stop = min(stop + step * (extreme - stop), low[recent], low[bar])
        else:
            result[bar] = stop
            if low[bar] < extreme:
                extreme, step = low[bar], min(step + 0.02, 0.2)
            stop = max(stop + step * (extreme - stop), high[recent], high[bar])
        recent = bar
    return Series(result, index=bars.index)


def volume(bars: Frame) -> dict[str, Series]:
    high, low, close, shares = (bars[name] for name in ("high", "low", "close", "volume"))
    change, span = close.diff(), high - low
    place = ((close - low) - (high - close)) / span.where(span > 0)
    flow = windows(place.fillna(0) * shares, 20, np.sum)
    up, down = (shares.where(one, 0.0).where(change.notna()) for one in (change > 0, change < 0))
    signed = np.sign(change) * shares
    return {
        "obv": signed.fillna(shares.iloc[0] if len(shares) else 0).cumsum(),
        "obv_change_20": windows(signed, 20, np.sum),
        "average_volume_50": windows(shares, 50, np.mean),
        "relative_volume_50": quotient(shares, windows(shares, 50, np.mean).shift()),
        "volume_surge": quotient(shares, shares.shift().rolling(20).max()),
        "dollar_volume": close * shares,
        "up_down_volume_50": quotient(windows(up, 50, np.sum), windows(down, 50, np.sum)),
        "ad_change_20": flow,
        "cmf_20": quotient(flow, windows(shares, 20, np.sum)),
        "low_volume_10": flag(shares == shares.rolling(10).min(), shares.rolling(10).min()),
    }


def runs(holds: Series) -> Series:
    """For how many bars in a row it has held, counted to 50."""
    return holds.groupby((~holds).cumsum()).cumsum().astype(float).clip(upper=50)


def levels(bars: Frame) -> dict[str, Series]:
    open_, high, low, close, shares = (bars[name] for name in ("open", "high", "low", "close", "volume"))
    before = close.shift()
    high_52w, low_52w = high.rolling(252).max(), low.rolling(252).min()
    pivot = (high + low + close).shift() / 3
    span = (high - low).shift()
    filled = ((open_ > before) & (low <= before)) | ((open_ < before) & (high >= before))
    since_high = windows(high, 20, lambda one: np.argmax(one[::-1]))
    since_low = windows(low, 20, lambda one: np.argmin(one[::-1]))
    return {
        **{f"high_{n}": high.rolling(n).max() for n in (5, 10, 50, 60)},
        **{f"low_{n}": low.rolling(n).min() for n in (5, 10, 20, 50)},
        "high_20_before": high.rolling(20).max().shift(),
        "high_50_before": high.rolling(50).max().shift(),
        "high_52w_before": high_52w.shift(),
        "low_20_before": low.rolling(20).min().shift(),
        "low_52w_before": low_52w.shift(),
        "bars_since_high_52w": windows(high, 252, lambda one: np.argmax(one[::-1])),
        "bars_since_low_52w": windows(low, 252, lambda one: np.argmin(one[::-1])),
        "bars_since_high_20": since_high,
        "position_52w": quotient(100 * (close - low_52w), high_52w - low_52w),
        "pivot": pivot,
        "pivot_r1": 2 * pivot - low.shift(),
        "pivot_s1": 2 * pivot - high.shift(),
        "pivot_r2": pivot + span,
        "pivot_s2": pivot - span,
        "gap_filled": flag(filled, before),
        "gap_atr": quotient(open_ - before, begun_with_mean(true_range_of(bars), 14, 1 / 14).shift()),
        "up_days": runs(close > before).where(before.notna()),
        "down_days": runs(close < before).where(before.notna()),
        "green_days": runs(close > open_),
        "red_days": runs(close < open_),
        "anchored_vwap_high_20": vwap_since(bars, since_high, shares),
        "anchored_vwap_low_20": vwap_since(bars, since_low, shares),
        "return_since_low_20_pct": 100 * (close / low.rolling(20).min() - 1),
    }


def vwap_since(bars: Frame, ago: Series, shares: Series) -> Series:
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    result = []
    for bar, days in enumerate(ago):
        if math.isnan(days):
            result.append(NAN)
            continue
        since = slice(bar - int(days), bar + 1)
        total = shares.iloc[since].sum()
        result.append((typical.iloc[since] * shares.iloc[since]).sum() / total if total else NAN)
    return Series(result, index=bars.index)


def against(bars: Frame, benchmark: Series) -> dict[str, Series]:
    close, market = bars["close"], benchmark.reindex(bars.index)
    own, theirs = close / close.shift() - 1, market / market.shift() - 1
    together = [pd.concat([own, theirs], axis=1).iloc[bar - 59 : bar + 1] for bar in range(len(bars))]
    betas, correlations = [], []
    for window in together:
        if len(window) < 60 or window.isna().any(axis=None):
            betas.append(NAN)
            correlations.append(NAN)
            continue
        covariance = np.cov(window.to_numpy().T)
        betas.append(covariance[0, 1] / covariance[1, 1])
        still = window.iloc[:, 0].min() == window.iloc[:, 0].max()
        correlations.append(NAN if still else covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]))
    return {
        "benchmark": market,
        "beta_60": Series(betas, index=bars.index),
        "correlation_60": Series(correlations, index=bars.index),
        "relative_strength_63": 100 * ((close / close.shift(63)) / (market / market.shift(63)) - 1),
    }


def of_periods(bars: Frame, sessions: pd.DatetimeIndex) -> dict[str, Series]:
    """Values of the last week and month that had closed by each day, of those that began with the history or later."""
    found: dict[str, Series] = {}
    for period, frequency in (("weekly", "W-SUN"), ("monthly", "M")):
        of_day = sessions.to_period(frequency)
        closes_on = Series(sessions, index=of_day).groupby(level=0).max()
        if (sessions[-1] + pd.offsets.BDay()).to_period(frequency) == of_day[-1]:
            closes_on = closes_on.iloc[:-1]  # not over yet
        whole = [one for one in closes_on.index if len(pd.bdate_range(one.start_time, sessions[0])) <= 1]
        grouped = bars.groupby(bars.index.to_period(frequency))
        made = pd.DataFrame(
            {
                "close": grouped["close"].last(), "high": grouped["high"].max(), "low": grouped["low"].min(),
                "volume": grouped["volume"].sum(),
            }
        )  # fmt: skip
        made = made[made.index.isin(whole)]
        inside = (made["high"] < made["high"].shift()) & (made["low"] > made["low"].shift())
        if period == "weekly":
            values = {
                **{column: made[column] for column in ("close", "high", "low", "volume")},
                "sma_10": made["close"].rolling(10).mean(), "sma_40": made["close"].rolling(40).mean(),
                "rsi_14": rsi(made["close"], 14), "inside": flag(inside, made["high"].shift()),
            }  # fmt: skip
        else:
            values = {
                **{column: made[column] for column in ("close", "high", "low")},
                "sma_10": made["close"].rolling(10).mean(),
                "roc_12": 100 * (made["close"] / made["close"].shift(12) - 1),
            }
        ends = closes_on.reindex(made.index)
        for name, of_period in values.items():
            seen = []
            for day in bars.index:
                closed = of_period[(ends <= day).to_numpy()]
                seen.append(closed.iloc[-1] if len(closed) else NAN)
            found[f"{period}_{name}"] = Series(seen, index=bars.index, dtype=float)
    return found


def candles(bars: Frame, more: float = 0) -> dict[str, Series]:
    """TA-Lib's patterns: 100 up, −100 down, 0 none; NaN until its averages have their bars.

    The averages are taken to be so much `more`, as a part of close.
    """
    rows = [tuple(row) for row in bars[["open", "high", "low", "close"]].itertuples(index=False)]
    found: dict[str, list[float]] = {name: [] for name in PATTERNS}
    for bar in range(len(rows)):
        for name, (first, pattern) in PATTERNS.items():
            found[name].append(100.0 * pattern(_Candles(rows, bar, more)) if bar >= first else NAN)
    return {f"cdl_{name}": Series(values, index=bars.index) for name, values in found.items()}


class _Candles:
    """The bars up to one, counted backwards: 0 is this one. TA-Lib's words for their size."""

    def __init__(self, rows: Sequence[tuple[float, float, float, float]], bar: int, more: float) -> None:
        self.rows, self.bar, self.more = rows, bar, more

    def row(self, ago: int) -> tuple[float, float, float, float]:
        return self.rows[self.bar - ago]

    def body(self, ago: int) -> float:
        return abs(self.row(ago)[3] - self.row(ago)[0])

    def span(self, ago: int) -> float:
        return self.row(ago)[1] - self.row(ago)[2]

    def top(self, ago: int) -> float:
        return max(self.row(ago)[0], self.row(ago)[3])

    def bottom(self, ago: int) -> float:
        return min(self.row(ago)[0], self.row(ago)[3])

    def color(self, ago: int) -> int:
        return 1 if self.row(ago)[3] >= self.row(ago)[0] else -1

    def upper(self, ago: int) -> float:
        return self.row(ago)[1] - self.top(ago)

    def lower(self, ago: int) -> float:
        return self.bottom(ago) - self.row(ago)[2]

    def mean_body(self, ago: int) -> float:
        """Of the 10 bars before."""
        return sum(self.body(ago + back) for back in range(1, 11)) / 10 + self.more * self.row(0)[3]

    def mean_span(self, ago: int, bars: int = 10) -> float:
        return sum(self.span(ago + back) for back in range(1, bars + 1)) / bars + self.more * self.row(0)[3]


def _doji(c: _Candles) -> int:
    return int(c.body(0) <= 0.1 * c.mean_span(0))


def _hammer(c: _Candles) -> int:
    return int(
        c.body(0) < c.mean_body(0)
        and c.lower(0) > c.body(0)
        and c.upper(0) < 0.1 * c.mean_span(0)
        and c.bottom(0) <= c.row(1)[2] + 0.2 * c.mean_span(1, 5)
    )


def _engulfing(c: _Candles) -> float:
    """80 where the bodies share an end."""
    if c.color(0) == c.color(1):
        return 0
    top, bottom = (c.row(0)[3], c.row(0)[0])[:: c.color(0)], (c.row(1)[0], c.row(1)[3])[:: c.color(0)]
    if not (top[0] >= bottom[0] and top[1] <= bottom[1] and (top[0] > bottom[0] or top[1] < bottom[1])):
        return 0
    return c.color(0) * (1.0 if top[0] != bottom[0] and top[1] != bottom[1] else 0.8)


def _star(c: _Candles, way: int) -> int:
    """Long against the way, a small body beyond it, then a body of the way, deep into the first."""
    gapped = c.top(1) < c.bottom(2) if way > 0 else c.bottom(1) > c.top(2)
    close, first_close, first_body = c.row(0)[3], c.row(2)[3], c.body(2)
    deep = close > first_close + 0.3 * first_body if way > 0 else close < first_close - 0.3 * first_body
    sizes = c.body(2) > c.mean_body(2) and c.body(1) <= c.mean_body(1) and c.body(0) > c.mean_body(0)
    return way * int(sizes and c.color(2) == -way and gapped and c.color(0) == way and deep)


def _harami(c: _Candles) -> float:
    """80 where the bodies share an end."""
    if not (c.body(1) > c.mean_body(1) and c.body(0) <= c.mean_body(0)):
        return 0
    if c.top(0) < c.top(1) and c.bottom(0) > c.bottom(1):
        return -float(c.color(1))
    return -0.8 * c.color(1) if c.top(0) <= c.top(1) and c.bottom(0) >= c.bottom(1) else 0


def _marubozu(c: _Candles) -> int:
    bare = 0.1 * c.mean_span(0)
    return c.color(0) * int(c.body(0) > c.mean_body(0) and c.upper(0) < bare and c.lower(0) < bare)


def _soldiers(c: _Candles) -> int:
    opens, closes = [c.row(ago)[0] for ago in range(3)], [c.row(ago)[3] for ago in range(3)]
    return int(
        all(c.color(ago) == 1 and c.upper(ago) < 0.1 * c.mean_span(ago) for ago in range(3))
        and closes[0] > closes[1] > closes[2]
        and all(
            opens[ago + 1] < opens[ago] <= closes[ago + 1] + 0.2 * c.mean_span(ago + 1, 5)
            and c.body(ago) > c.body(ago + 1) - 0.6 * c.mean_span(ago + 1, 5)
            for ago in range(2)
        )
        and c.body(0) > c.mean_body(0)
    )


def _crows(c: _Candles) -> int:
    opens, closes = [c.row(ago)[0] for ago in range(4)], [c.row(ago)[3] for ago in range(4)]
    return -int(
        c.color(3) == 1
        and all(c.color(ago) == -1 and c.lower(ago) < 0.1 * c.mean_span(ago) for ago in range(3))
        and all(closes[ago + 1] < opens[ago] < opens[ago + 1] for ago in range(2))
        and c.row(3)[1] > closes[2]
        and closes[2] > closes[1] > closes[0]
    )


#: The first bar at which TA-Lib knows each, and what it is.
PATTERNS = {
    "doji": (10, _doji),
    "hammer": (11, _hammer),
    "engulfing": (2, _engulfing),
    "morning_star": (12, lambda c: _star(c, 1)),
    "evening_star": (12, lambda c: _star(c, -1)),
    "harami": (11, _harami),
    "marubozu": (10, _marubozu),
    "three_white_soldiers": (12, _soldiers),
    "three_black_crows": (13, _crows),
}


def named_features(bars: Frame, sessions: pd.DatetimeIndex, benchmark: Series) -> dict[str, Series]:
    """All of them, by name."""
    return {
        **averages(bars), **volatility(bars), **momentum(bars), **volume(bars), **levels(bars),
        **against(bars, benchmark), **candles(bars), **of_periods(bars, sessions),
    }  # fmt: skip


def differences(
    computed: Mapping[str, np.ndarray], bars: Frame, sessions: pd.DatetimeIndex, benchmark: Series
) -> list[str]:
    """The named features that are not known at the same bars, or differ by more than a billionth of their scale."""
    expected, ties = named_features(bars, sessions, benchmark), rounding_decides(bars)
    assert list(expected) == [feature.name for feature in NAMED]
    found = []
    for feature in NAMED:
        ours, theirs = computed[feature.name], expected[feature.name].to_numpy(dtype=float)
        near = np.isclose(ours, theirs, rtol=1e-9, atol=1e-9 * _scale(feature.unit, bars), equal_nan=True)
        if feature.name in ties:
            near |= ties[feature.name].to_numpy()
        if not near.all():
            bar = int(np.argmin(near))
            found.append(f"{feature.name} at bar {bar}: {ours[bar]}, expected {theirs[bar]} ({(~near).sum()} bars)")
    return found


def _scale(unit: str, bars: Frame) -> float:
    price = bars["high"].max() if "dollars" in unit else 100.0
    return float(price * (bars["volume"].max() if unit in ("shares", "dollars/day") else 1.0))
