"""Moving windows over series: TA-Lib where TA-Lib has it, numpy on the same arrays where it does not.

A *windowed* function goes series by series, since its value at a bar depends on the bars before it in that series and
on nothing else. An elementwise one (a ratio, a difference) runs over the whole block at once.

TA-Lib's Python wrapper imports pandas where it is installed, and then spends ten times as long on every call to ask
whether an argument is a pandas Series. It is imported here as if pandas were absent, which it supports.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import unwrap
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scan_pipeline.features.bars import BENCHMARK, BarBlock, Floats, Ints


@cache
def talib_module() -> Any:
    """TA-Lib, with its description of itself (`abstract`)."""
    with _as_if_absent("pandas", "polars"):
        import talib.abstract
    return talib


@cache
def talib_function(name: str) -> Callable[..., Any]:
    """A function of TA-Lib that takes and gives float64 arrays, without the wrapper for Series.

    One of several outputs gives a tuple of them.
    """
    function: Callable[..., Any] = unwrap(getattr(talib_module(), name))
    return function


@contextmanager
def _as_if_absent(*modules: str) -> Iterator[None]:
    absent: dict[str, Any] = {name: None for name in modules if name not in sys.modules}
    sys.modules.update(absent)  # None makes `import name` raise ModuleNotFoundError, as for a missing module
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def windowed(block: BarBlock, name: str, *inputs: Floats, **parameters: float) -> Floats:
    """TA-Lib's `name`, which has one output, on every series; NaN until it has enough bars.

    After a NaN among the inputs it begins anew: a window that holds an unknown value is unknown, and none after it is.
    """
    function = talib_function(name)
    bounds, is_whole = _runs(block, inputs)
    out = np.empty(len(block.session)) if is_whole else np.full(len(block.session), np.nan)
    if len(inputs) == 1:  # the common case, kept free of a list for every series
        (values,) = inputs
        for low, high in bounds:
            if high > low:
                out[low:high] = function(values[low:high], **parameters)
        return out
    for low, high in bounds:
        if high > low:
            out[low:high] = function(*[values[low:high] for values in inputs], **parameters)
    return out


def windowed_outputs(
    block: BarBlock, name: str, window: int, *inputs: Floats, **parameters: float
) -> tuple[Floats, ...]:
    """All outputs of TA-Lib's `name` on every series, as float64; NaN for the first `window` bars.

    (TA-Lib gives whole numbers, candle patterns among them, as 0 where they are unknown.)
    """
    whole = _are_whole(name, len(inputs))
    outs: tuple[Floats, ...]
    if len(whole) > 1:
        outs = _several(block, name, len(whole), inputs, parameters)
    else:
        outs = (windowed(block, name, *inputs, **parameters),)
    for out, is_whole in zip(outs, whole, strict=True):
        if is_whole:
            out[_first_bars(block, window, inputs)] = np.nan
    return outs


def _first_bars(block: BarBlock, window: int, inputs: tuple[Floats, ...]) -> Ints:
    """The first so many bars of every run of known inputs."""
    bounds, is_whole = _runs(block, inputs)

    def find() -> Ints:
        low, high = np.array(list(bounds), dtype=np.int64).reshape(-1, 2).T
        bars = low[:, np.newaxis] + np.arange(window)
        return bars[bars < high[:, np.newaxis]]

    return block.memo(("first bars", window), find) if is_whole else find()


@cache
def _are_whole(name: str, inputs: int) -> tuple[bool, ...]:
    """Of each output of TA-Lib's `name`, whether it is a whole number: seen on three bars."""
    sample = talib_function(name)(*[np.arange(1.0, 4.0)] * inputs)
    return tuple(values.dtype.kind == "i" for values in (sample if isinstance(sample, tuple) else (sample,)))


def _several(
    block: BarBlock, name: str, count: int, inputs: tuple[Floats, ...], parameters: Mapping[str, float]
) -> tuple[Floats, ...]:
    """`windowed`, of a function with so many outputs."""
    function = talib_function(name)
    bounds, is_whole = _runs(block, inputs)
    shape = len(block.session)
    outs = tuple(np.empty(shape) if is_whole else np.full(shape, np.nan) for _ in range(count))
    for low, high in bounds:
        if high > low:
            for out, values in zip(outs, function(*[values[low:high] for values in inputs], **parameters), strict=True):
                out[low:high] = values
    return outs


def _runs(block: BarBlock, inputs: tuple[Floats, ...]) -> tuple[Iterable[tuple[int, int]], bool]:
    """The stretches of bars, each within a series, on which all inputs are known; and whether those are all bars."""
    columns = {id(values) for values in block.columns.values()}  # bars have no holes: not worth a look
    derived = [values for values in inputs if id(values) not in columns or values is block.columns.get(BENCHMARK)]
    unknown = [np.isnan(values) for values in derived]
    holes = np.logical_or.reduce(unknown) if unknown else np.zeros(0, dtype=bool)
    if not holes.any():
        return pairwise(block.offsets.tolist()), True
    known = np.concatenate(([False], ~holes, [False]))
    begins, ends = known[1:] & ~known[:-1], known[:-1] & ~known[1:]
    edges = block.offsets[:-1][np.diff(block.offsets) > 0]
    begins[edges] |= known[1:][edges]
    ends[edges] |= known[:-1][edges]
    return zip(np.flatnonzero(begins).tolist(), np.flatnonzero(ends).tolist(), strict=True), False


def previous(block: BarBlock, values: Floats, bars: int = 1) -> Floats:
    """The value so many bars before, within the series; NaN at its beginning."""
    out = np.full(len(values), np.nan)
    out[bars:] = values[:-bars]
    for step in range(bars):
        starts = block.offsets[:-1] + step
        out[starts[starts < block.offsets[1:]]] = np.nan
    return out


def bars_so_far(block: BarBlock, at_most: int) -> Floats:
    """How many bars the series has up to and including each, those before the block too, counted to `at_most`."""
    first = block.offsets[:-1] - block.bars_before
    number = np.arange(len(block.session)) - np.repeat(first, np.diff(block.offsets)) + 1
    return np.minimum(number, at_most).astype(np.float64)


def has_changed(block: BarBlock, values: Floats) -> npt.NDArray[np.bool_]:
    """Whether the value has changed at all since the series began."""
    changes = np.cumsum(np.nan_to_num(values - previous(block, values)) != 0)
    before = np.concatenate(([0], changes))[block.offsets[:-1]]
    changed: npt.NDArray[np.bool_] = changes > np.repeat(before, np.diff(block.offsets))
    return changed


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator; NaN where the denominator is zero: a ratio to nothing is unknown, not infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, np.nan, numerator / denominator)
