"""Sums, extremes and moments of moving windows, over the whole block at once, to the last digit.

A window of n bars is put together from windows of 1, 2, 4, 8 … bars, each made of two of half its width: some log₂ n
passes over the bars, whatever n is. No running sum is carried along: a value depends on the bars of its window alone,
so older ones leave no rest of rounding behind (a window without volume sums to 0), an unknown value makes only the
windows unknown that hold it, and windows that would cross the border of a series are unknown.

What belongs here: windows of any series of numbers. What does not: formulas (`formulas/`).
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats, Ints

#: Bars worked on at once: a state of five arrays, twice, fits the cache of a core.
_CHUNK = 16_384

State = tuple[Floats, ...]
#: (what the more recent bars come to, how many they are, what the older ones come to, how many) -> of all of them.
Join = Callable[[State, int, State, int], State]


def bar_in_series(block: BarBlock) -> Floats:
    """For every bar, its number within its series, from 0."""
    return block.memo(
        "bar in series",
        lambda: (np.arange(len(block.session)) - np.repeat(block.offsets[:-1], np.diff(block.offsets))).astype(
            np.float64
        ),
    )


def moving_sum(block: BarBlock, values: Floats, n: int) -> Floats:
    """The sum over the last n bars; NaN where one of them is unknown or missing."""
    (total,) = _over_window(block, (values,), n, _join_sums)
    return total


def moving_mean(block: BarBlock, values: Floats, n: int) -> Floats:
    """The mean of the last n bars."""
    return moving_sum(block, values, n) / n


def moving_max(block: BarBlock, values: Floats, n: int) -> Floats:
    """The highest of the last n bars."""
    (best,) = _over_window(block, (values,), n, _join_maxima)
    return best


def moving_min(block: BarBlock, values: Floats, n: int) -> Floats:
    """The lowest of the last n bars."""
    (best,) = _over_window(block, (values,), n, _join_minima)
    return best


def bars_since_max(block: BarBlock, values: Floats, n: int) -> Floats:
    """Bars since the highest of the last n, 0 where it is this one; of equal ones, the last."""
    highest, bars = _over_window(block, (values, np.zeros(len(values))), n, _join_latest_max)
    return np.where(np.isnan(highest), np.nan, bars)


def lowest_since_max(block: BarBlock, highs: Floats, lows: Floats, n: int) -> Floats:
    """The lowest of the bars after the highest of the last n (of equal ones, the last); NaN where that is this one."""
    after = np.where(np.isnan(highs + lows), np.nan, np.inf)
    _, lowest, _ = _over_window(block, (highs, after, lows), n, _join_lowest_since_max)
    return np.where(np.isinf(lowest), np.nan, lowest)


def moving_moments(block: BarBlock, values: Floats, n: int) -> tuple[Floats, Floats]:
    """The mean of the last n bars and the sum of squared distances from it; exactly 0 where all are equal.

    Chan, Golub, LeVeque 1979: of two groups, the sums of squares about their own means, and what these lie apart.
    """
    mean, squares = _over_window(block, (values, np.zeros(len(values))), n, _join_moments)
    return mean, squares


def moving_comoments(block: BarBlock, x: Floats, y: Floats, n: int) -> tuple[Floats, Floats, Floats]:
    """Sums over the last n bars of (x − its mean)², (x − its mean)(y − its mean), and (y − its mean)²."""
    zero = np.zeros(len(x))
    _, _, xx, xy, yy = _over_window(block, (x, y, zero, zero, zero), n, _join_comoments)
    return xx, xy, yy


def moving_line(block: BarBlock, values: Floats, n: int) -> tuple[Floats, Floats, float]:
    """`moving_comoments` of bar numbers and values: of bar numbers with values, of values, and of bar numbers."""
    zero = np.zeros(len(values))
    _, xy, yy = _over_window(block, (values, zero, zero), n, _join_line)
    return xy, yy, n * (n * n - 1) / 12


def sum_of_last(block: BarBlock, values: Floats, bars: Floats) -> Floats:
    """At every bar the sum over as many of the last bars as `bars` says there; NaN where that is unknown.

    `bars` must not reach beyond the series' beginning.
    """
    out = np.empty(len(values))
    for begin, end in _chunks(block):
        left = np.nan_to_num(bars[begin:end]).astype(np.int64)
        longest, total = int(left.max(initial=0)), np.zeros(end - begin)
        last: Ints = np.arange(end - begin)
        width = 1
        power: State = (values[begin:end],)
        while width <= longest:
            taken = np.flatnonzero(left & width)
            total[taken] += power[0][last[taken] - (width - 1)]
            last[taken] -= width
            power = _joined(power, width, power, width, _join_sums)
            width *= 2
        out[begin:end] = total
    return np.where(np.isnan(bars), np.nan, out)


def _join_sums(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    return (recent[0] + older[0],)


def _join_maxima(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    return (np.maximum(recent[0], older[0]),)


def _join_minima(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    return (np.minimum(recent[0], older[0]),)


def _join_latest_max(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    is_older = older[0] > recent[0]
    return np.maximum(recent[0], older[0]), np.where(is_older, older[1] + recent_bars, recent[1])


def _join_lowest_since_max(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    """Of each part: its highest, the lowest after that, and the lowest of all."""
    since_older = np.minimum(older[1], recent[2])
    return (
        np.maximum(recent[0], older[0]),
        np.where(older[0] > recent[0], since_older, recent[1] + 0 * since_older),  # unknown where a part is
        np.minimum(recent[2], older[2]),
    )


def _join_moments(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    bars = recent_bars + older_bars
    apart = older[0] - recent[0]
    mean = recent[0] + apart * (older_bars / bars)
    return mean, recent[1] + older[1] + apart * apart * (recent_bars * older_bars / bars)


def _join_comoments(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    bars = recent_bars + older_bars
    share, weight = older_bars / bars, recent_bars * older_bars / bars
    x_apart, y_apart = older[0] - recent[0], older[1] - recent[1]
    return (
        recent[0] + x_apart * share,
        recent[1] + y_apart * share,
        recent[2] + older[2] + x_apart * x_apart * weight,
        recent[3] + older[3] + x_apart * y_apart * weight,
        recent[4] + older[4] + y_apart * y_apart * weight,
    )


def _join_line(recent: State, recent_bars: int, older: State, older_bars: int) -> State:
    bars = recent_bars + older_bars
    x_apart, y_apart = -bars / 2, older[0] - recent[0]
    weight = recent_bars * older_bars / bars
    return (
        recent[0] + y_apart * (older_bars / bars),
        recent[1] + older[1] + y_apart * (x_apart * weight),
        recent[2] + older[2] + y_apart * y_apart * weight,
    )


def _over_window(block: BarBlock, values: State, n: int, join: Join) -> State:
    """What the last n bars come to, put together from windows whose widths are powers of two."""
    out = tuple(np.empty(len(part)) for part in values)
    place = bar_in_series(block)
    with np.errstate(invalid="ignore", over="ignore"):  # in windows across a border, which are dropped
        for begin, end in _chunks(block):
            incomplete = place[begin:end] < n - 1
            total = _of_chunk(tuple(part[begin:end] for part in values), n, join)
            for whole, known in zip(out, total, strict=True):
                whole[begin : end - len(known)] = np.nan
                whole[end - len(known) : end] = known
                whole[begin:end][incomplete] = np.nan
    return out


def _of_chunk(values: State, n: int, join: Join) -> State:
    """What n bars come to at the bars from the n-th on."""
    width, power = 1, values
    bars, total = 0, values
    while True:
        if n & width:
            total = _joined(total, bars, power, width, join) if bars else power
            bars += width
        if bars == n:
            return total
        power = _joined(power, width, power, width, join)
        width *= 2


def _joined(recent: State, recent_bars: int, older: State, older_bars: int, join: Join) -> State:
    """Windows joined with those that end where they begin.

    Each part begins with the first window that is full: the one that ends at the bar of that number.
    """
    size = max(0, len(recent[0]) - older_bars)
    return join(
        tuple(part[len(part) - size :] for part in recent), recent_bars,
        tuple(part[:size] for part in older), older_bars,
    )  # fmt: skip


def _chunks(block: BarBlock) -> list[tuple[int, int]]:
    """Stretches of whole series, each some thousands of bars: what is worked out on the way stays in the cache."""

    def made() -> list[tuple[int, int]]:
        bars = len(block.session)
        edges = block.offsets[
            np.searchsorted(block.offsets, np.arange(0, bars + _CHUNK, _CHUNK)).clip(max=len(block.symbol))
        ]
        return list(pairwise(np.unique(edges).tolist()))

    return block.memo("chunks", made)
