"""Moving windows over series: TA-Lib where TA-Lib has it, numpy on the same arrays where it does not.

A *windowed* function goes series by series, since its value at a bar depends on the bars before it in that series and
on nothing else. An elementwise one (a ratio, a difference) runs over the whole block at once.

TA-Lib's Python wrapper imports pandas where it is installed, and then spends ten times as long on every call to ask
whether an argument is a pandas Series. It is imported here as if pandas were absent, which it supports.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from inspect import unwrap
from itertools import compress, pairwise, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from scan_pipeline.features.bars import BENCHMARK, BarBlock, Floats, Ints

#: Functions that carry nothing along but the place of the best of the last `timeperiod` bars: one call for all series
#: gives what a call for each does. (A mean carries a sum along, whose rounding would tell of the series before.)
_EXTREMES = frozenset(("MAX", "MIN"))


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

    `parameters` are in TA-Lib's order, none left out before the last: it is given them by position, which is faster.
    After a NaN among the inputs it begins anew: a window that holds an unknown value is unknown, and none after it is.
    """
    (out,) = _on_every_run(block, name, 1, inputs, parameters)
    return out


def windowed_outputs(
    block: BarBlock, name: str, window: int, *inputs: Floats, **parameters: float
) -> tuple[Floats, ...]:
    """`windowed`, of all outputs of TA-Lib's `name`, as float64; NaN for the first `window` bars.

    (TA-Lib gives whole numbers, candle patterns among them, as 0 where they are unknown.)
    """
    whole = _are_whole(name, len(inputs))
    outs = _on_every_run(block, name, len(whole), inputs, parameters)
    if any(whole):
        holes = _holes(block, inputs)
        first = first_bars(block, window) if holes is None else _first_of(_runs(block, holes), window)
        for out in compress(outs, whole):
            out[first] = np.nan
    return outs


def first_bars(block: BarBlock, bars: int) -> Ints:
    """The first so many bars of every series."""
    return block.memo(("first bars", bars), lambda: _first_of(_series(block), bars))


def _first_of(runs: Sequence[slice], bars: int) -> Ints:
    low, high = np.array([(run.start, run.stop) for run in runs], dtype=np.int64).reshape(-1, 2).T
    first = low[:, np.newaxis] + np.arange(bars)
    return first[first < high[:, np.newaxis]]


@cache
def _are_whole(name: str, inputs: int) -> tuple[bool, ...]:
    """Of each output of TA-Lib's `name`, whether it is a whole number: seen on three bars."""
    sample = talib_function(name)(*[np.arange(1.0, 4.0)] * inputs)
    return tuple(values.dtype.kind == "i" for values in (sample if isinstance(sample, tuple) else (sample,)))


def _on_every_run(
    block: BarBlock, name: str, outputs: int, inputs: tuple[Floats, ...], parameters: Mapping[str, float]
) -> tuple[Floats, ...]:
    """All outputs of TA-Lib's `name`, which has so many, on every run of bars on which its inputs are known.

    A call takes a microsecond or two for a year of bars, as long as a few lines of Python; so there are none between
    calls: `map` makes them one after the other, and what they give is copied once.
    """
    holes = _holes(block, inputs)
    if holes is None and name in _EXTREMES:
        values: Floats = talib_function(name)(*inputs, **parameters)
        values[first_bars(block, int(parameters["timeperiod"]) - 1)] = np.nan
        return (values,)
    if holes is None:
        runs, pieces = _series(block), [_of_every_series(block, values) for values in inputs]
    else:
        runs = _runs(block, holes)
        pieces = [[values[run] for run in runs] for values in inputs]
    found = list(map(talib_function(name), *pieces, *map(repeat, parameters.values())))
    if outputs == 1:
        return (_put_together(block, runs, found, holes is None),)
    of_output = zip(*found, strict=True) if found else [()] * outputs
    return tuple(_put_together(block, runs, values, holes is None) for values in of_output)


def _put_together(block: BarBlock, runs: Sequence[slice], found: Sequence[Any], is_whole: bool) -> Floats:
    """What was found on each run as one column, as float64; NaN between runs, which are all bars where `is_whole`."""
    if is_whole and found:
        # Joined as bytes: concatenate looks at every piece for twice as long as it takes to copy it.
        joined = np.frombuffer(bytearray().join(found), dtype=found[0].dtype)
        return joined.astype(np.float64, copy=False)
    out = np.full(len(block.session), np.nan)
    for run, values in zip(runs, found, strict=True):
        out[run] = values
    return out


def _series(block: BarBlock) -> list[slice]:
    """The bars of every series that has any."""
    return block.memo(
        "series with bars", lambda: [slice(low, high) for low, high in pairwise(block.offsets.tolist()) if high > low]
    )


def _of_every_series(block: BarBlock, values: Floats) -> list[Floats]:
    """The values of every series that has bars; those of the block's own columns are taken apart once."""

    def take_apart() -> list[Floats]:
        return [values[series] for series in _series(block)]

    for name, column in block.columns.items():
        if column is values:
            return block.memo(("series of", name), take_apart)
    return take_apart()


def _holes(block: BarBlock, inputs: tuple[Floats, ...]) -> npt.NDArray[np.bool_] | None:
    """The bars on which an input is unknown; None where there are none."""
    columns = {id(values) for values in block.columns.values()}  # bars have no holes: not worth a look
    derived = [values for values in inputs if id(values) not in columns or values is block.columns.get(BENCHMARK)]
    unknown = [np.isnan(values) for values in derived]
    holes = np.logical_or.reduce(unknown) if unknown else np.zeros(0, dtype=bool)
    return holes if holes.any() else None


def _runs(block: BarBlock, holes: npt.NDArray[np.bool_]) -> list[slice]:
    """The stretches of bars between holes, each within a series."""
    known = np.concatenate(([False], ~holes, [False]))
    begins, ends = known[1:] & ~known[:-1], known[:-1] & ~known[1:]
    edges = block.offsets[:-1][np.diff(block.offsets) > 0]
    begins[edges] |= known[1:][edges]
    ends[edges] |= known[:-1][edges]
    return list(map(slice, np.flatnonzero(begins).tolist(), np.flatnonzero(ends).tolist()))


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
    differs = np.zeros(len(values), dtype=bool)
    np.logical_or(values[1:] < values[:-1], values[1:] > values[:-1], out=differs[1:])  # not `!=`: NaN is no change
    differs[first_bars(block, 1)] = False
    changes = np.append(np.flatnonzero(differs), len(values))
    first_change = changes[np.searchsorted(changes, block.offsets[:-1])]
    changed: npt.NDArray[np.bool_] = np.arange(len(values)) >= np.repeat(first_change, np.diff(block.offsets))
    return changed


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator; NaN where the denominator is zero: a ratio to nothing is unknown, not infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, np.nan, numerator / denominator)
