"""TA-Lib's functions as indicators: all of them, by their usual names in lower case, with their usual defaults.

Names, inputs, parameters and outputs come from TA-Lib's own description of itself; what it does not say is here: the
unit of each output, how much of the beginning a recursion still knows, and which functions depend on where history
begins. Values are TA-Lib's own, with three differences, all of which say "unknown" where TA-Lib says something else:
a candle pattern or another whole number is NaN, not 0, until its window is full; what is infinite is NaN; and after a
NaN among its inputs a function begins anew, where TA-Lib gives NaN for ever.

Describing a function loads TA-Lib, so it is done for one at a time, when it is asked for.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.indicator import AS_INPUT, Indicator, warm_up
from scan_pipeline.features.indicators import talib_module, windowed_outputs

Parameters = Mapping[str, Any]

#: Units of outputs, where they are not those of the first input; one for all outputs, or one for each.
_UNITS: Mapping[str, tuple[str, ...]] = {
    # what does not scale as its input does
    **dict.fromkeys(
        ("ACOS", "ASIN", "ATAN", "CEIL", "COS", "COSH", "EXP", "FLOOR", "LN", "LOG10", "SIN", "SINH", "SQRT", "TAN",
         "TANH"),
        ("number",),
    ),
    "LINEARREG_ANGLE": ("number",),
    # derived from the units of the inputs
    "MULT": ("product",), "DIV": ("quotient",), "VAR": ("square",), "LINEARREG_SLOPE": ("slope",),
    # places and counts
    **dict.fromkeys(("MAXINDEX", "MININDEX", "MINMAXINDEX", "HT_DCPERIOD"), ("bars",)),
    "HT_DCPHASE": ("degrees",), "HT_TRENDMODE": ("flag",), "SUPERTREND": (AS_INPUT, "flag"),
    # oscillators
    **dict.fromkeys(
        ("ADX", "ADXR", "AROON", "DX", "FRACTAL", "IMI", "KDJ", "MFI", "MINUS_DI", "PLUS_DI", "PERCENTRANK", "RSI",
         "RVI", "STOCH", "STOCHF", "STOCHRSI", "ULTOSC"),
        ("0-100",),
    ),
    **dict.fromkeys(("AROONOSC", "CMO", "CMOU", "SMI", "TSI", "WILLR"), ("-100-100",)),
    **dict.fromkeys(("COPPOCK", "CVI", "FOSC", "NATR", "PPO", "PVO", "ROC", "ROCR100", "TRIX"), ("percent",)),
    **dict.fromkeys(
        ("BETA", "BOP", "CCI", "CMF", "CORREL", "ER", "HT_SINE", "MASSI", "NVI", "PVI", "ROCP", "ROCR", "RVOL", "VHF",
         "VORTEX"),
        ("ratio",),
    ),
    # volume
    **dict.fromkeys(("AD", "ADOSC", "OBV", "PVT"), ("shares",)),
    "EFI": ("dollars/day",), "MARKETFI": ("dollars/share",),
}  # fmt: skip

#: Depend on where history begins, whatever the lookback: sums from the first bar on, trends followed since then, and
#: positions counted from the first bar.
_PATH_DEPENDENT = frozenset(
    ("AD", "CUMSUM", "MAXINDEX", "MININDEX", "MINMAXINDEX", "NVI", "OBV", "PVI", "PVT", "SAR", "SAREXT", "SUPERTREND",
     "VWAP", "WAD")
)  # fmt: skip

#: Give an infinite value where they divide by nothing, take its logarithm, or exceed what a number holds.
_INFINITE = frozenset(("COSH", "DIV", "EXP", "LN", "LOG10", "RVOL", "SINH", "VWMA"))


def _e(period: float) -> float:
    """What an exponential mean keeps of its last value."""
    return 1 - 2 / (period + 1)


def _w(period: float) -> float:
    """What Wilder's mean keeps of its last value."""
    return 1 - 1 / period


def _kama(period: float) -> float:
    """What Kaufman's mean keeps of its last value in a market without direction, where it is slowest.

    There the path is about √period times as long as the way made, and the rest follows from his formula.
    """
    efficiency = 0.5 / math.sqrt(period)
    return 1 - (efficiency * (2 / 3 - 2 / 31) + 2 / 31) ** 2


def _mean(kind: int, period: float) -> tuple[float, ...]:
    """What the recursions in one of TA-Lib's kinds of mean (`matype`) keep, one after another."""
    return {
        1: (_e(period),),
        3: (_e(period),) * 2,
        4: (_e(period),) * 3,
        6: (_kama(period),),
        7: (0.95, 0.975),
        8: (_e(period),) * 6,
        11: (_w(period),),  # "the function's own": one of those above, none of which is slower than Wilder's
        12: (_e(period),),
        13: (_w(period),),
    }.get(kind, ())


def _hilbert(_: Parameters) -> tuple[float, ...]:
    """The period, from which the filters' weights follow, is itself measured with them: no formula says how long it
    remembers. Measured on thousands of walks, the beginning is forgotten after some 350 bars, as with this weight.
    """
    return (0.955,)


#: What the recursions in a function keep of their last value, one after another.
_RECURSIONS: Mapping[str, Callable[[Parameters], tuple[float, ...]]] = {
    **dict.fromkeys(
        ("ATR", "CMO", "DX", "MINUS_DI", "MINUS_DM", "NATR", "PLUS_DI", "PLUS_DM", "RMA", "RSI", "RVI", "SUPERTREND"),
        lambda p: (_w(p["timeperiod"]),),
    ),
    **dict.fromkeys(("ADX", "ADXR"), lambda p: (_w(p["timeperiod"]),) * 2),
    **dict.fromkeys(("CVI", "EFI", "EMA", "ERI", "ZLEMA"), lambda p: (_e(p["timeperiod"]),)),
    "DEMA": lambda p: (_e(p["timeperiod"]),) * 2,
    **dict.fromkeys(("TEMA", "TRIX"), lambda p: (_e(p["timeperiod"]),) * 3),
    "T3": lambda p: (_e(p["timeperiod"]),) * 6,
    "TSI": lambda p: (_e(p["firstperiod"]), _e(p["secondperiod"])),
    "SMI": lambda p: (_e(p["slowperiod"]), _e(p["fastperiod"]), _e(p["signalperiod"])),
    "ADOSC": lambda p: (_e(max(p["slowperiod"], p["fastperiod"])),),
    "MASSI": lambda p: (_e(p["fastperiod"]),) * 2,
    "KAMA": lambda p: (_kama(p["timeperiod"]),),
    "KC": lambda p: (max(_e(p["timeperiod"]), _w(p["atrperiod"])),),
    "HA": lambda p: (0.5,),
    "MAMA": lambda p: (1 - p["slowlimit"], 1 - p["slowlimit"] / 2),
    **dict.fromkeys(("APO", "PPO", "PVO"), lambda p: _mean(p["matype"], max(p["slowperiod"], p["fastperiod"]))),
    "MACD": lambda p: (_e(max(p["slowperiod"], p["fastperiod"])), _e(p["signalperiod"])),
    "MACDFIX": lambda p: (_e(26), _e(p["signalperiod"])),
    "MACDEXT": lambda p: max(
        _mean(p["slowmatype"], p["slowperiod"]), _mean(p["fastmatype"], p["fastperiod"]), key=lambda w: warm_up(*w)
    )
    + _mean(p["signalmatype"], p["signalperiod"]),
    **dict.fromkeys(("BBANDS", "MA"), lambda p: _mean(p["matype"], p["timeperiod"])),
    "MAVP": lambda p: _mean(p["matype"], p["maxperiod"]),
    **dict.fromkeys(
        ("KDJ", "STOCH"),
        lambda p: _mean(p["slowk_matype"], p["slowk_period"]) + _mean(p["slowd_matype"], p["slowd_period"]),
    ),
    "STOCHF": lambda p: _mean(p["fastd_matype"], p["fastd_period"]),
    "STOCHRSI": lambda p: (_w(p["timeperiod"]), *_mean(p["fastd_matype"], p["fastd_period"])),
    **dict.fromkeys(
        ("HT_DCPERIOD", "HT_DCPHASE", "HT_PHASOR", "HT_SINE", "HT_TRENDLINE", "HT_TRENDMODE"), _hilbert
    ),
}  # fmt: skip

#: Names that TA-Lib gives inputs, and the columns that they are by default.
_COLUMNS = {"price": "close", "price0": "high", "price1": "low"}


@cache
def names() -> tuple[str, ...]:
    """The names of TA-Lib's functions, in lower case and order."""
    return tuple(sorted(name.lower() for name in talib_module().get_functions()))


@cache
def indicator(name: str) -> Indicator:
    """TA-Lib's function of that lower-case name. Raises KeyError where it has none."""
    if name not in names():
        raise KeyError(name)
    function = name.upper()
    info = talib_module().abstract.Function(function).info
    inputs = tuple(_inputs(info["input_names"]))
    outputs = tuple(info["output_names"])
    is_pattern = function.startswith("CDL")
    units = ("-100-100",) if is_pattern else _UNITS.get(function, (AS_INPUT,))
    return Indicator(
        name=name,
        title=_title(info["display_name"]),
        source=f"TA-Lib {function}",
        inputs=inputs,
        parameters=dict(info["parameters"]),
        outputs=outputs,
        units=units if len(units) == len(outputs) else units * len(outputs),
        lookback=partial(_lookback, function),
        compute=partial(_compute, function),
        is_path_dependent=function in _PATH_DEPENDENT,
    )


def _inputs(described: Mapping[str, Any]) -> Iterator[str]:
    for columns in described.values():
        if isinstance(columns, str):
            yield columns
        else:
            yield from columns


def _title(display_name: str) -> str:
    """TA-Lib's own line for people, in one style."""
    return display_name.strip().replace(" : ", ": ").rstrip(".")


def _lookback(function: str, **parameters: Any) -> int:
    """Bars before the as-of one. Raises ValueError where a parameter is out of TA-Lib's range."""
    weights = _RECURSIONS[function](parameters) if function in _RECURSIONS else ()
    return _window(function, **parameters) + warm_up(*weights)


def _window(function: str, **parameters: Any) -> int:
    """Bars until TA-Lib gives a first value. Raises ValueError where a parameter is out of its range."""
    bars = _bars(function, tuple(parameters.items()))
    if bars < 0:
        raise ValueError(_out_of_range(function, parameters))
    return bars


@lru_cache(maxsize=4096)
def _bars(function: str, parameters: tuple[tuple[str, Any], ...]) -> int:
    """TA-Lib's answer, which is −1 where it refuses a parameter."""
    described = talib_module().abstract.Function(function)
    try:
        described.parameters = dict(parameters)
        return int(described.lookback)
    except OverflowError:  # a whole number beyond 32 bits
        return -1


def _out_of_range(function: str, parameters: Parameters) -> str:
    """Which parameter TA-Lib refuses, and, of a whole number, the least that it takes."""
    defaults = dict(talib_module().abstract.Function(function).info["parameters"])

    def is_taken(name: str, value: Any) -> bool:
        return _bars(function, tuple({**defaults, name: value}.items())) >= 0

    for name, value in parameters.items():
        if not is_taken(name, value):
            least = next((one for one in range(11) if is_taken(name, one)), None) if isinstance(value, int) else None
            below = least is not None and value < least
            return f"{name}={value} is out of TA-Lib's range" + (f": the least is {least}" if below else "")
    return f"TA-Lib does not take {', '.join(f'{name}={value}' for name, value in parameters.items())} together"


def _compute(function: str, block: BarBlock, *inputs: Floats, **parameters: Any) -> tuple[Floats, ...]:
    outputs = windowed_outputs(block, function, _window(function, **parameters), *inputs, **parameters)
    if function in _INFINITE:
        for values in outputs:
            values[np.isinf(values)] = np.nan
    return outputs
