"""The named entries of the catalogue beyond its core: almost all of them expressions.

A new one is a line here. Periods are in bars: "of n bars" includes this one, "of the n bars before" leaves it out. What
is not said of an entry (formula, source, unit, lookback) follows from its expression.
"""

from scan_pipeline.features.bars import BENCHMARK as BENCHMARK_COLUMN
from scan_pipeline.features.expressions import named
from scan_pipeline.features.feature import Feature
from scan_pipeline.features.moving import moving_mean

AVERAGES = (
    *(named(f"sma_{n}", f"ta.sma(close, {n})", formula=f"mean of close over {n} bars") for n in (5, 10, 100, 150)),
    *(
        named(f"ema_{n}", f"ta.ema(close, {n})",
              formula=f"exponential mean of close, weight 2/({n}+1), begun with the mean of {n} bars")
        for n in (21, 50)
    ),
    named("wma_20", "ta.wma(close, 20)", formula="mean of close over 20 bars with weights 20, 19 … 1"),
    named("dema_20", "ta.dema(close, 20)", formula="2 × ema_20 − exponential mean of ema_20"),
    named("tema_20", "ta.tema(close, 20)", formula="3 × ema − 3 × ema of ema + ema of ema of ema, 20 bars"),
    named("kama_10", "ta.kama(close, 10)", formula="Kaufman's adaptive mean of close: the straighter, the faster"),
    named("wilder_14", "ta.rma(close, 14)", formula="Wilder's mean of close: (13 × last + close) / 14"),
    named("vwap_20", "ta.vwap(high, low, close, volume, 20)",
          formula="Σ (high + low + close)/3 × volume / Σ volume of 20 bars"),
    *(
        named(f"distance_sma_{n}_pct", f"ta.distance(close, sma_{n})", formula=f"100 × (close / sma_{n} − 1)")
        for n in (20, 50, 150, 200)
    ),
    named("distance_ema_9_atr", "(close - ema_9) / atr_14", unit="ratio"),
    named("ma_stacked", "ta.stacked(close, sma_20, sma_50, sma_200)",
          formula="1 where close > sma_20 > sma_50 > sma_200, −1 where close < sma_20 < sma_50 < sma_200, else 0"),
    named("sma_200_slope_20_pct", "ta.percent_change(sma_200, 20)",
          formula="100 × (sma_200 / sma_200 of 20 bars ago − 1)"),
    named("sma_50_slope_10_pct", "ta.percent_change(sma_50, 10)", formula="100 × (sma_50 / sma_50 of 10 bars ago − 1)"),
)  # fmt: skip

VOLATILITY = (
    named("natr_14", "ta.natr(high, low, close, 14)", formula="100 × atr_14 / close"),
    *(
        named(f"bb_{band}_20", f"ta.bbands(close, 20, 2, 2, 0).{band}band", formula=f"{what} of close over 20 bars")
        for band, what in (("upper", "mean + 2 standard deviations"), ("middle", "mean"),
                           ("lower", "mean − 2 standard deviations"))
    ),
    named("bb_width_20_pct", "ta.bandwidth(close, 20, 2)", formula="100 × (bb_upper_20 − bb_lower_20) / bb_middle_20"),
    named("bb_percent_b_20", "ta.percent_b(close, 20, 2)",
          formula="(close − bb_lower_20) / (bb_upper_20 − bb_lower_20)"),
    *(
        named(f"keltner_{band}_20", f"ta.kc(high, low, close, 20, 10, 2).{band}band",
              formula=f"exponential mean of (high + low + close)/3 over 20 bars{what}")
        for band, what in (("upper", " + 2 × ATR of 10"), ("middle", ""), ("lower", " − 2 × ATR of 10"))
    ),
    named("donchian_high_55", "ta.max(high, 55)", formula="highest high of 55 bars"),
    named("donchian_low_20", "ta.min(low, 20)", formula="lowest low of 20 bars"),
    named("donchian_low_55", "ta.min(low, 55)", formula="lowest low of 55 bars"),
    named("squeeze_on", "ta.ttm_squeeze(high, low, close, 20, 2, 1.5).on",
          formula="1 where the Bollinger bands (20, 2) lie within the Keltner channel (20, 1.5)"),
    named("squeeze_fired", "ta.ttm_squeeze(high, low, close, 20, 2, 1.5).fired",
          formula="1 on the first bar after a squeeze"),
    named("squeeze_momentum", "ta.ttm_squeeze(high, low, close, 20, 2, 1.5).momentum",
          formula="end of the least-squares line through close − ((highest + lowest)/2 + mean)/2 of 20 bars"),
    *(
        named(f"historical_volatility_{n}", f"ta.historical_volatility(close, {n})",
              formula=f"100 × √252 × standard deviation of {n} log returns")
        for n in (20, 100)
    ),
    named("parkinson_20", "ta.parkinson(high, low, 20)",
          formula="100 × √252 × √(mean of ln(high/low)² over 20 bars / (4 ln 2))"),
    named("range_pct", "100 * (high - low) / close", unit="percent"),
    *(
        named(f"nr_{n}", f"ta.nr(high, low, {n})", formula=f"1 where the range is the narrowest of {n} bars")
        for n in (4, 7)
    ),
    named("inside_bar", "ta.inside_bar(high, low)", formula="1 where high < the last high and low > the last low"),
    named("outside_bar", "ta.outside_bar(high, low)", formula="1 where high > the last high and low < the last low"),
)  # fmt: skip

MOMENTUM = (
    named("rsi_2", "ta.rsi(close, 2)",
          formula="100 × up / (up + down), Wilder's means of 2 rises and falls of close",
          source="TA-Lib RSI; Connors 2008"),
    named("stoch_k_14", "ta.stoch(high, low, close, 14, 3, 0, 3, 0).slowk",
          formula="place of close in the range of 14 bars, mean of 3", source="TA-Lib STOCH; George Lane"),
    named("stoch_d_14", "ta.stoch(high, low, close, 14, 3, 0, 3, 0).slowd",
          formula="mean of stoch_k_14 over 3 bars", source="TA-Lib STOCH; George Lane"),
    named("stochrsi_14", "ta.stochrsi(close, 14, 14, 3, 0).fastk",
          formula="place of rsi_14 in its range of 14 bars", source="TA-Lib STOCHRSI; Chande and Kroll 1994"),
    named("macd", "ta.macd(close, 12, 26, 9).macd", formula="exponential mean of close over 12 bars − that over 26"),
    named("macd_signal", "ta.macd(close, 12, 26, 9).macdsignal", formula="exponential mean of macd over 9 bars"),
    named("macd_histogram", "ta.macd(close, 12, 26, 9).macdhist", formula="macd − macd_signal"),
    named("adx_14", "ta.adx(high, low, close, 14)",
          formula="Wilder's mean of 100 × |+DI − −DI| / (+DI + −DI)", source="TA-Lib ADX; Wilder 1978"),
    named("plus_di_14", "ta.plus_di(high, low, close, 14)",
          formula="100 × Wilder's mean of upward moves of high / that of true_range",
          source="TA-Lib PLUS_DI; Wilder 1978"),
    named("minus_di_14", "ta.minus_di(high, low, close, 14)",
          formula="100 × Wilder's mean of downward moves of low / that of true_range",
          source="TA-Lib MINUS_DI; Wilder 1978"),
    named("cci_20", "ta.cci(high, low, close, 20)",
          formula="(p − mean of p) / (0.015 × mean distance from it), p = (high + low + close)/3, 20 bars",
          source="TA-Lib CCI; Lambert 1980"),
    named("mfi_14", "ta.mfi(high, low, close, volume, 14)",
          formula="100 × money on rises / money (a dollar or more) on rises and falls of "
          "(high + low + close)/3, 14 bars", source="TA-Lib MFI; Quong and Soudack 1989"),
    *(
        named(f"roc_{n}", f"ta.roc(close, {n})", formula=f"100 × (close / close {n} bars ago − 1)")
        for n in (5, 10, 20, 60, 125, 250)
    ),
    named("momentum_10", "ta.mom(close, 10)", formula="close − close 10 bars ago"),
    named("williams_r_14", "ta.willr(high, low, close, 14)",
          formula="−100 × (highest high − close) / (highest high − lowest low) of 14 bars",
          source="TA-Lib WILLR; Larry Williams"),
    named("aroon_up_25", "ta.aroon(high, low, 25).aroonup", formula="100 × (25 − bars since the high of 26) / 25"),
    named("aroon_down_25", "ta.aroon(high, low, 25).aroondown", formula="100 × (25 − bars since the low of 26) / 25"),
    named("aroon_oscillator_25", "ta.aroonosc(high, low, 25)", formula="aroon_up_25 − aroon_down_25"),
    named("psar", "ta.sar(high, low, 0.02, 0.2)", formula="parabolic stop and reverse, steps of 0.02 up to 0.2"),
    named("supertrend_10", "ta.supertrend(high, low, close, 10, 3).supertrend",
          formula="(high + low)/2 ± 3 × ATR of 10, moved only towards the price until it closes beyond"),
    named("supertrend_direction_10", "ta.supertrend(high, low, close, 10, 3).trend",
          formula="1 where supertrend_10 is below the price, −1 where above"),
    named("linreg_slope_20", "ta.linearreg_slope(close, 20)",
          formula="slope of the least-squares line through close of 20 bars"),
    named("linreg_r2_20", "ta.linreg_r2(close, 20)", formula="r² of the least-squares line through close of 20 bars"),
    named("z_score_20", "ta.z_score(close, 20)", formula="(close − its mean) / its standard deviation, 20 bars"),
    named("weighted_return_250", "0.4 * roc_60 + 0.2 * roc_125 + 0.2 * ta.roc(close, 187) + 0.2 * roc_250",
          source="TA-Lib ROC; after Investor's Business Daily's relative strength", unit="percent"),
)  # fmt: skip

VOLUME = (
    named("obv", "ta.obv(close, volume)", formula="volume of rises − volume of falls since history begins"),
    named("obv_change_20", "ta.obv_change(close, volume, 20)", formula="change of obv over 20 bars"),
    Feature("average_volume_50", "mean of volume over 50 bars", "numpy", "shares", 49,
            lambda block: moving_mean(block, block["volume"], 50)),
    named("relative_volume_50", "ta.rvol(volume, 50)", formula="volume / mean of volume over the 50 bars before"),
    named("volume_surge", "ta.surge(volume, 20)", formula="volume / highest volume of the 20 bars before"),
    named("dollar_volume", "close * volume", unit="dollars/day"),
    named("up_down_volume_50", "ta.up_down_volume(close, volume, 50)",
          formula="volume of rises of close / volume of its falls, 50 bars"),
    named("ad_change_20", "ta.ad_change(high, low, close, volume, 20)",
          formula="Σ volume × ((close − low) − (high − close)) / (high − low) of 20 bars"),
    named("cmf_20", "ta.cmf(high, low, close, volume, 20)", formula="ad_change_20 / Σ volume of 20 bars"),
    named("low_volume_10", "ta.is_lowest(volume, 10)", formula="1 where volume is the lowest of 10 bars"),
)  # fmt: skip

LEVELS = (
    *(named(f"high_{n}", f"ta.max(high, {n})", formula=f"highest high of {n} bars") for n in (5, 10, 50, 60)),
    *(named(f"low_{n}", f"ta.min(low, {n})", formula=f"lowest low of {n} bars") for n in (5, 10, 20, 50)),
    *(
        named(f"high_{label}_before", f"ta.highest_before(high, {n})", formula=f"highest high of the {n} bars before")
        for label, n in (("20", 20), ("50", 50), ("52w", 252))
    ),
    *(
        named(f"low_{label}_before", f"ta.lowest_before(low, {n})", formula=f"lowest low of the {n} bars before")
        for label, n in (("20", 20), ("52w", 252))
    ),
    named("bars_since_high_52w", "ta.bars_since_high(high, 252)",
          formula="bars since high_52w, 0 where it is this bar"),
    named("bars_since_low_52w", "ta.bars_since_low(low, 252)", formula="bars since low_52w, 0 where it is this bar"),
    named("bars_since_high_20", "ta.bars_since_high(high, 20)", formula="bars since high_20, 0 where it is this bar"),
    named("position_52w", "ta.position(high, low, close, 252)",
          formula="100 × (close − low_52w) / (high_52w − low_52w)"),
    *(
        named(name, f"ta.pivot(high, low, close).{output}", formula=formula)
        for name, output, formula in (
            ("pivot", "pivot", "(high + low + close)/3 of the last bar"),
            ("pivot_r1", "r1", "2 × pivot − low of the last bar"),
            ("pivot_s1", "s1", "2 × pivot − high of the last bar"),
            ("pivot_r2", "r2", "pivot + (high − low) of the last bar"),
            ("pivot_s2", "s2", "pivot − (high − low) of the last bar"),
        )
    ),
    named("gap_filled", "ta.gap_filled(open, high, low, close)",
          formula="1 where the bar opened away from the last close and traded at it later, else 0"),
    named("gap_atr", "(open - ta.prev(close, 1)) / ta.prev(atr_14, 1)", unit="ratio"),
    named("up_days", "ta.rising(close, 50)", formula="closes in a row above the last, counted to 50"),
    named("down_days", "ta.falling(close, 50)", formula="closes in a row below the last, counted to 50"),
    named("green_days", "ta.green(open, close, 50)", formula="bars in a row that closed above their open, to 50"),
    named("red_days", "ta.red(open, close, 50)", formula="bars in a row that closed below their open, to 50"),
    named("anchored_vwap_high_20", "ta.since_high(high, low, close, volume, 20).vwap",
          formula="vwap since the bar of high_20, that bar included"),
    named("anchored_vwap_low_20", "ta.since_low(high, low, close, volume, 20).vwap",
          formula="vwap since the bar of low_20, that bar included"),
    named("return_since_low_20_pct", "ta.distance(close, low_20)", formula="100 × (close / low_20 − 1)"),
)  # fmt: skip

BENCHMARK = (
    Feature("benchmark", "the benchmark's close on the bar's session (SCAN_BENCHMARK)", "price_bars", "index", 0,
            lambda block: block[BENCHMARK_COLUMN], needs_benchmark=True),
    named("beta_60", "ta.benchmark_beta(close, benchmark, 60).beta",
          formula="covariance of 60 returns with the benchmark's / variance of the benchmark's"),
    named("correlation_60", "ta.benchmark_beta(close, benchmark, 60).correlation",
          formula="correlation of 60 returns with the benchmark's"),
    named("relative_strength_63", "ta.relative_strength(close, benchmark, 63)",
          formula="100 × ((close / close 63 bars ago) / (benchmark / benchmark on that session) − 1)"),
)  # fmt: skip

CANDLES = tuple(
    named(f"cdl_{name}", f"ta.cdl{pattern}({arguments})", formula=f"{meaning}: TA-Lib's −100 to 100, 0 where it is not")
    for name, pattern, meaning, arguments in (
        ("doji", "doji", "open and close all but equal", "open, high, low, close"),
        ("hammer", "hammer", "small body above a long lower shadow, after a fall", "open, high, low, close"),
        ("engulfing", "engulfing", "a body that engulfs the last of the other colour", "open, high, low, close"),
        ("morning_star", "morningstar", "long red, small, then green into the first", "open, high, low, close, 0.3"),
        ("evening_star", "eveningstar", "long green, small, then red into the first", "open, high, low, close, 0.3"),
        ("harami", "harami", "a small body within the last long one", "open, high, low, close"),
        ("marubozu", "marubozu", "a long body with hardly a shadow", "open, high, low, close"),
        ("three_white_soldiers", "3whitesoldiers", "three long green bodies, each higher", "open, high, low, close"),
        ("three_black_crows", "3blackcrows", "three long red bodies, each lower", "open, high, low, close"),
    )
)  # fmt: skip

PERIODS = (
    *(
        named(f"weekly_{column}", f"weekly.{column}", formula=f"{column} of the last closed week")
        for column in ("close", "high", "low", "volume")
    ),
    *(
        named(f"weekly_sma_{n}", f"weekly.sma(close, {n})", formula=f"mean of the closes of the last {n} closed weeks")
        for n in (10, 40)
    ),
    named("weekly_rsi_14", "weekly.rsi(close, 14)", formula="RSI of 14 closed weeks"),
    named("weekly_inside", "weekly.inside_bar(high, low)",
          formula="1 where the last closed week lies within the range of the week before"),
    *(
        named(f"monthly_{column}", f"monthly.{column}", formula=f"{column} of the last closed month")
        for column in ("close", "high", "low")
    ),
    named("monthly_sma_10", "monthly.sma(close, 10)", formula="mean of the closes of the last 10 closed months"),
    named("monthly_roc_12", "monthly.roc(close, 12)", formula="100 × (close / close 12 closed months before − 1)"),
)  # fmt: skip

NAMED: tuple[Feature, ...] = (
    *AVERAGES, *VOLATILITY, *MOMENTUM, *VOLUME, *LEVELS, *BENCHMARK, *CANDLES, *PERIODS,
)  # fmt: skip
