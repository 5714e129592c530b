"""Indicators on pandas: what `from scan_pipeline import ta` gives, with the names, defaults and results of SQL's.

    ta.rsi(bars.close, 14)      a Series, with the index of the one that was given
    ta.atr(bars, 14)            the columns that it needs, out of a DataFrame of bars
    ta.macd(bars.close)         several outputs: a DataFrame with a column for each
    ta.weekly(bars)             closed weeks (ta.monthly: months), indexed by the session on which each closed

What is given is one symbol's: the frames that a Python scanner is called with, or any with bars in their order. The
same computation serves SQL, so there is nothing here but arguments and indexes.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.bars import PRICE_COLUMNS, BarBlock, Floats
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.periods import Period, bars_of


@cache
def function(name: str) -> Callable[..., Any]:
    """The indicator of that name as a function of Series or of a DataFrame of bars. Raises KeyError.

    The function raises TypeError and ValueError in words.
    """
    indicator = INDICATORS[name]

    def call(*arguments: Any, **parameters: Any) -> Any:
        inputs, numbers, index = _inputs(indicator, arguments)
        values = _parameters(indicator, numbers, parameters)
        try:
            indicator.lookback(**values)
        except ValueError as error:
            raise ValueError(f"ta.{name}: {error}") from None
        return _outputs(indicator, indicator.compute(_one_series(len(index)), *inputs, **values), index)

    call.__name__ = call.__qualname__ = name
    call.__module__ = "scan_pipeline.ta"
    call.__doc__ = describe(indicator)
    call.__signature__ = _signature(indicator)  # type: ignore[attr-defined]
    return call


def describe(indicator: Indicator) -> str:
    """What an editor shows of an indicator."""
    outputs = [f"{name} ({unit})" for name, unit in zip(indicator.outputs, indicator.units, strict=True)]
    lines = [
        f"{indicator.title.rstrip('.')}.",
        "",
        f"Inputs: {', '.join(indicator.inputs)}; or a DataFrame with these columns.",
        f"Gives: {', '.join(outputs)}.",
        f"Source: {indicator.source}.",
    ]
    if indicator.is_path_dependent:
        lines.append("Depends on where history begins: its changes mean something, its level does not.")
    return "\n".join(lines)


def closed_periods(bars: Any, period: Period, days_of_exchange: np.ndarray) -> Any:
    """The closed weeks or months of one symbol's daily bars, indexed by the session on which each closed.

    `days_of_exchange` are all sessions, datetime64[D]. The first is left out where the bars begin within it.
    """
    import pandas as pd

    if not isinstance(bars, pd.DataFrame) or not isinstance(bars.index, pd.DatetimeIndex) or bars.index.tz is not None:
        raise TypeError(
            f"ta.{period} takes a DataFrame of bars indexed by session (a DatetimeIndex without a time zone)"
        )
    if (bars.index != bars.index.normalize()).any():
        raise ValueError(f"ta.{period} takes daily bars; these have times of day")
    _require_one_symbol(bars)
    columns = [name for name in (*PRICE_COLUMNS, "volume") if name in bars.columns]
    if not len(bars):
        return bars[columns]
    days = bars.index.to_numpy().astype("datetime64[D]")
    known = np.isin(days, days_of_exchange[:-1])
    if not known.all():
        raise ValueError(
            f"ta.{period}: {days[~known][0]} is no session of the exchange, whose calendar ends {days_of_exchange[-1]}"
        )
    low, high = np.searchsorted(days_of_exchange, days[[0, -1]])
    block = replace(
        _one_series(len(days)),
        session=np.searchsorted(days_of_exchange, days) - low,
        columns={name: _floats(bars[name]) for name in columns},
        days=days_of_exchange[low : high + 1],
        following=days_of_exchange[high + 1],
    )
    whole = bars_of(block, period)
    index = pd.DatetimeIndex(days_of_exchange[low + whole.session], name=bars.index.name).astype(bars.index.dtype)
    return pd.DataFrame(dict(whole.columns), index=index)


def _inputs(indicator: Indicator, arguments: tuple[Any, ...]) -> tuple[list[Floats], list[Any], Any]:
    """The arrays of the series that lead the arguments, what follows them, and their index."""
    import pandas as pd

    wanted = f"ta.{indicator.name} takes {' and '.join(indicator.inputs)}, or a DataFrame of bars"
    if arguments and isinstance(arguments[0], pd.DataFrame):
        bars = arguments[0]
        missing = [name for name in indicator.inputs if name not in bars.columns]
        if missing:
            raise ValueError(
                f"{wanted}: this one has no column {', '.join(missing)}; it has {', '.join(map(str, bars))}"
            )
        _require_one_symbol(bars)
        return [_floats(bars[name]) for name in indicator.inputs], list(arguments[1:]), bars.index
    series = [one for one in arguments if isinstance(one, pd.Series)]
    if not series or any(one is not given for one, given in zip(series, arguments, strict=False)):
        raise TypeError(f"{wanted}, first; not {', '.join(type(one).__name__ for one in arguments) or 'nothing'}")
    if len(series) != len(indicator.inputs):
        raise TypeError(f"{wanted}; not {len(series)} Series")
    index = series[0].index
    if any(not index.equals(one.index) for one in series[1:]):
        raise ValueError(f"ta.{indicator.name}: the Series have different indexes; give all of them the same bars")
    _require_one_symbol(series[0])
    return [_floats(one) for one in series], list(arguments[len(series) :]), index


def _require_one_symbol(bars: Any) -> None:
    """Several symbols one below the other would be computed on as one: an error, not a result."""
    index = bars.index
    several = getattr(bars, "columns", None) is not None and "symbol" in bars.columns and bars["symbol"].nunique() > 1
    if several or not index.is_unique:
        raise ValueError(
            "these are bars of several symbols, one below the other. Compute on each of them: "
            "bars.groupby('symbol').close.transform(ta.rsi, 14)"
        )
    if not index.is_monotonic_increasing:
        raise ValueError("these bars are not in order, oldest first: use bars.sort_index()")


def _floats(values: Any) -> Floats:
    return np.ascontiguousarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _parameters(indicator: Indicator, numbers: list[Any], named: dict[str, Any]) -> dict[str, float]:
    names = list(indicator.parameters)
    signature = f"ta.{indicator.name}{_signature(indicator)}"
    if len(numbers) > len(names):
        raise TypeError(f"{signature} takes {len(names)} parameters, not {len(numbers)}")
    unknown = [name for name in named if name not in names]
    if unknown:
        raise TypeError(f"{signature} has no parameter {', '.join(unknown)}")
    given = dict(zip(names, numbers, strict=False))
    if given.keys() & named.keys():
        raise TypeError(f"{signature} was given {', '.join(given.keys() & named.keys())} twice")
    return {
        name: _number(name, value, indicator.parameters[name])
        for name, value in {**indicator.parameters, **given, **named}.items()
    }


def _number(name: str, value: Any, default: float) -> float:
    try:
        number = float(value)
        is_whole = number == int(number)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} is a number, not {value!r}") from None
    if isinstance(default, int):
        if not is_whole:
            raise ValueError(f"{name} is a whole number, not {value!r}")
        return int(value)
    return number


def _one_series(bars: int) -> BarBlock:
    """A block of one symbol with so many bars, and no columns: what an indicator needs is given to it."""
    return BarBlock(
        symbol=np.zeros(1, dtype=np.int64),
        valid_from=np.zeros(1, dtype=np.int64),
        valid_to=np.full(1, bars),
        offsets=np.array([0, bars]),
        session=np.arange(bars),
        columns={},
        bars_before=np.zeros(1, dtype=np.int64),
    )


def _outputs(indicator: Indicator, values: tuple[Floats, ...], index: Any) -> Any:
    import pandas as pd

    if len(values) == 1:
        return pd.Series(values[0], index=index, name=indicator.name)
    return pd.DataFrame(dict(zip(indicator.outputs, values, strict=True)), index=index)


def _signature(indicator: Indicator) -> inspect.Signature:
    kind = inspect.Parameter
    return inspect.Signature(
        [kind(name, kind.POSITIONAL_ONLY) for name in indicator.inputs]
        + [kind(name, kind.POSITIONAL_OR_KEYWORD, default=value) for name, value in indicator.parameters.items()]
    )
