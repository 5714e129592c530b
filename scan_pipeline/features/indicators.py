"""Moving windows over series: TA-Lib where TA-Lib has it, numpy on the same arrays where it does not.

A *windowed* function goes series by series, since its value at a bar depends on the bars before it in that series and
on nothing else. An elementwise one (a ratio, a difference) runs over the whole block at once.

TA-Lib's Python wrapper imports pandas where it is installed, and then spends ten times as long on every call to ask
whether an argument is a pandas Series. It is imported here as if pandas were absent, which it supports.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from inspect import unwrap
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scan_pipeline.features.bars import BarBlock, Floats


@cache
def talib_function(name: str) -> Callable[..., Floats]:
    """A function of TA-Lib that takes and gives float64 arrays, without the wrapper for Series."""
    with _as_if_absent("pandas", "polars"):
        import talib
    function: Callable[..., Floats] = unwrap(getattr(talib, name))
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


def windowed(block: BarBlock, name: str, *inputs: Floats, **parameters: int) -> Floats:
    """TA-Lib's `name` on every series; NaN until it has enough bars."""
    function = talib_function(name)
    out = np.empty(len(block.session))
    bounds = block.offsets.tolist()
    if len(inputs) == 1:  # the common case, kept free of a list for every series
        (values,) = inputs
        for low, high in pairwise(bounds):
            if high > low:
                out[low:high] = function(values[low:high], **parameters)
        return out
    for low, high in pairwise(bounds):
        if high > low:
            out[low:high] = function(*[values[low:high] for values in inputs], **parameters)
    return out


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
