"""The catalogue of features: name, formula, source, unit, lookback, and how each is computed.

A new feature is one entry. `lookback` is the number of bars before the as-of one that a value needs; for a recursion
(an exponential average) it includes the warm-up after which older bars weigh less than 1e-7, so that more history
changes nothing beyond 1e-6 of the price. (`rsi_14` is a ratio of such means: a move a hundred times the usual shows in
it for longer, to 1e-4.) Until TA-Lib has the bars that it needs, a value is null.

Formulas are in terms of bars as charts use them: split-adjusted as known on the as-of session, traded bars only.
"""

from collections.abc import Iterable

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.expressions import ENTRIES, parse
from scan_pipeline.features.feature import Feature
from scan_pipeline.features.indicator import Unit, warm_up
from scan_pipeline.features.indicators import bars_so_far, has_changed, previous, ratio, windowed
from scan_pipeline.features.named import NAMED

#: Bars in 52 weeks.
YEAR = 252
#: Bars over which volume is averaged.
AVERAGED_BARS = 20
#: Bars on which features are computed at once.
BARS_AT_ONCE = 50_000
#: A symbol that missed so many sessions of the last year still has its 252 bars within the history that is read.
ALLOWED_GAPS = 20


def _sma(n: int) -> Feature:
    return Feature(
        f"sma_{n}", f"mean of close over {n} bars", "TA-Lib SMA", "dollars", n - 1,
        lambda b: windowed(b, "SMA", b["close"], timeperiod=n),
    )  # fmt: skip


def _ema(n: int) -> Feature:
    return Feature(
        f"ema_{n}", f"exponential mean of close, weight 2/({n}+1), begun with the mean of {n} bars", "TA-Lib EMA",
        "dollars", n + warm_up(1 - 2 / (n + 1)), lambda b: windowed(b, "EMA", b["close"], timeperiod=n),
    )  # fmt: skip


def _column(name: str, unit: Unit) -> Feature:
    return Feature(name, f"the bar's {name}", "price_bars", unit, 0, lambda b: b[name])


def _of(b: BarBlock, name: str) -> Floats:
    """Another feature of the catalogue."""
    return CATALOGUE[name].compute(b)


def _previous_close(b: BarBlock) -> Floats:
    return b.memo("previous_close", lambda: previous(b, b["close"]))


def _rsi_14(b: BarBlock) -> Floats:
    # Without any rise or fall the index has no value; TA-Lib's 0 would look oversold.
    index = windowed(b, "RSI", b["close"], timeperiod=14)
    index[~has_changed(b, b["close"])] = np.nan
    return index


def _average_volume_20(b: BarBlock) -> Floats:
    # A moving sum of fractional volumes leaves a rest of rounding where none are traded any more: that is no volume.
    mean = windowed(b, "SMA", b["volume"], timeperiod=20)
    mean[np.abs(mean) < 1e-3] = 0
    return mean


def _percent(numerator: Floats, denominator: Floats) -> Floats:
    return (ratio(numerator, denominator) - 1) * 100


#: Always computed, and what `select * from features` shows.
CORE: tuple[Feature, ...] = (
    _column("open", "dollars"),
    _column("high", "dollars"),
    _column("low", "dollars"),
    _column("close", "dollars"),
    _column("volume", "shares"),
    Feature("change_pct", "100 × (close / previous close − 1)", "numpy", "percent", 1,
            lambda b: _percent(b["close"], _previous_close(b))),
    Feature("gap_pct", "100 × (open / previous close − 1)", "numpy", "percent", 1,
            lambda b: _percent(b["open"], _previous_close(b))),
    _sma(20),
    _sma(50),
    _sma(200),
    _ema(9),
    _ema(20),
    Feature("ema_9_slope_5", "slope of the least-squares line through the last 5 values of ema_9",
            "TA-Lib LINEARREG_SLOPE", "dollars/bar", 9 + 4 + warm_up(1 - 2 / 10),
            lambda b: windowed(b, "LINEARREG_SLOPE", _of(b, "ema_9"), timeperiod=5)),
    Feature("true_range", "max(high, previous close) − min(low, previous close)", "TA-Lib TRANGE", "dollars", 1,
            lambda b: windowed(b, "TRANGE", b["high"], b["low"], b["close"])),
    Feature("atr_14", "Wilder's mean of true_range: (13 × last + true range) / 14, begun with the mean of 14",
            "TA-Lib ATR; Wilder 1978", "dollars", 14 + warm_up(13 / 14),
            lambda b: windowed(b, "ATR", b["high"], b["low"], b["close"], timeperiod=14)),
    Feature("atr_14_simple", "mean of true_range over 14 bars", "TA-Lib SMA of TRANGE", "dollars", 14,
            lambda b: windowed(b, "SMA", _of(b, "true_range"), timeperiod=14)),
    Feature("rsi_14", "100 × up / (up + down), Wilder's means of rises and falls of close", "TA-Lib RSI; Wilder 1978",
            "0-100", 14 + warm_up(13 / 14), _rsi_14),
    Feature("average_volume_20", "mean of volume over 20 bars", "TA-Lib SMA", "shares", 19,
            _average_volume_20),
    Feature("dollar_volume_20", "mean of close × volume over 20 bars", "TA-Lib SMA", "dollars/day", 19,
            lambda b: windowed(b, "SMA", b["close"] * b["volume"], timeperiod=20)),
    Feature("relative_volume", "volume / mean of volume over the 20 bars before", "numpy", "ratio", 20,
            lambda b: ratio(b["volume"], previous(b, _of(b, "average_volume_20")))),
    Feature("high_20", "highest high of 20 bars", "TA-Lib MAX", "dollars", 19,
            lambda b: windowed(b, "MAX", b["high"], timeperiod=20)),
    Feature("high_52w", "highest high of 252 bars", "TA-Lib MAX", "dollars", YEAR - 1,
            lambda b: windowed(b, "MAX", b["high"], timeperiod=YEAR)),
    Feature("low_52w", "lowest low of 252 bars", "TA-Lib MIN", "dollars", YEAR - 1,
            lambda b: windowed(b, "MIN", b["low"], timeperiod=YEAR)),
    Feature("distance_high_52w_pct", "100 × (close / high_52w − 1); 0 at the high", "numpy", "percent", YEAR - 1,
            lambda b: _percent(b["close"], _of(b, "high_52w"))),
    Feature("distance_low_52w_pct", "100 × (close / low_52w − 1); 0 at the low", "numpy", "percent", YEAR - 1,
            lambda b: _percent(b["close"], _of(b, "low_52w"))),
    Feature("bars_held", "bars up to and including this one, counted to 252", "numpy", "bars", YEAR - 1,
            lambda b: bars_so_far(b, YEAR)),
)  # fmt: skip

#: Every feature that has a name; those beyond the core are computed where somebody asks for them.
FEATURES: tuple[Feature, ...] = (*CORE, *NAMED)

CATALOGUE: dict[str, Feature] = {feature.name: feature for feature in FEATURES}
ENTRIES.update(CATALOGUE)

#: What the screen measures for every symbol; the rest is computed for those that pass.
SCREEN_FEATURES = tuple(
    CATALOGUE[name] for name in ("close", "volume", "average_volume_20", "dollar_volume_20", "bars_held")
)

#: Sessions of history that the screen reads at least; the bars before them are only counted.
SCREEN_SESSIONS = CATALOGUE["average_volume_20"].lookback + 1 + ALLOWED_GAPS


def feature(text: str) -> Feature:
    """The feature of that name, or that an expression means. Raises ExpressionError."""
    return CATALOGUE[text] if text in CATALOGUE else parse(text)


def history_sessions(features: Iterable[Feature]) -> int:
    """Sessions of history that computing these reads at least: the longest lookback, and room for missed sessions."""
    return max(one.lookback for one in (*CORE, *features)) + ALLOWED_GAPS


#: Sessions of history that a scan reads at least.
HISTORY_SESSIONS = history_sessions(())


def compute(block: BarBlock, features: Iterable[Feature], bars: np.ndarray) -> dict[str, Floats]:
    """The features' values at the given bars, by name: positions in the block's columns, ascending, of bars that count.

    Some series at a time: what is computed on the way is then small, stays near the processor, and is dropped. A
    feature sees the history that everybody reads, unless it needs more: its value, at a symbol with many gaps too, does
    not depend on what else is computed.
    """
    wanted = tuple(features)
    is_long = [feature.lookback + ALLOWED_GAPS > HISTORY_SESSIONS for feature in wanted]
    # One piece of memory: numpy asks for large pages from 4 MiB on, which the system fills in less than half the time.
    values = dict(zip([feature.name for feature in wanted], np.empty((len(wanted), len(bars))), strict=True))
    for first, part in block.parts(BARS_AT_ONCE):
        low, high = np.searchsorted(bars, (first, first + len(part.session)))
        places = bars[low:high] - first
        recent, recent_places = part, places
        if part.counts_from:
            recent, counts = part.recent(), part.session >= part.counts_from
            if not counts[places].all():
                raise ValueError("features were asked for at bars from before the history that counts")
            recent_places = np.cumsum(counts)[places] - 1
        for feature, needs_more in zip(wanted, is_long, strict=True):
            given, at = (feature.compute(part), places) if needs_more else (feature.compute(recent), recent_places)
            # `clip` spares a check of every place, which has been made.
            np.take(given, at, out=values[feature.name][low:high], mode="clip")
    return values
