"""Weekly and monthly bars: each series' daily bars of a week or a month as one, and how they are seen from a day.

Only closed periods are seen: from a period's last session on, by the exchange's calendar, whether the symbol traded
on it or not. So a value at a bar never changes with later bars. The period that the beginning of a block cuts is left
out, so that no value depends on where history begins.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from scan_pipeline.features.bars import BarBlock, Days, Floats, Ints

Period = Literal["weekly", "monthly"]

#: The most sessions that a period has.
SESSIONS: dict[Period, int] = {"weekly": 5, "monthly": 23}


def lookback(period: Period, periods: int) -> int:
    """Daily bars before the as-of one that a value needs which needs so many periods before the last closed one."""
    return (periods + 2) * SESSIONS[period]


def bars_of(block: BarBlock, period: Period) -> BarBlock:
    """The closed periods of every series as a block of its own, made once.

    Open is the first, high the highest, low the lowest, close the last, volume the sum of the period's bars; the
    benchmark's close is that of its last bar. The session of a period is its last one.
    """
    return block.memo(("bars of", period), lambda: _bars_of(block, period))


def spread(block: BarBlock, period: Period, values: Floats) -> Floats:
    """A value of each bar of `bars_of(block, period)` at the daily bars that see that bar as the last closed one."""
    place = block.memo(("place of", period), lambda: _place_of(block, bars_of(block, period)))
    return np.append(values, np.nan)[place]


def _bars_of(block: BarBlock, period: Period) -> BarBlock:
    if block.days is None:
        raise ValueError("a block without the dates of its sessions has no weeks and no months")
    number = _number(block.days, period)
    following = _next_weekday(block.days[-1]) if block.following is None else block.following
    is_last = np.append(number[1:], _number(np.array([following]), period)) != number
    # The session with which each session's period closes; the number of sessions where the block ends before.
    lasts = np.append(np.flatnonzero(is_last), len(number))
    closes = lasts[np.searchsorted(lasts, np.arange(len(number)))]
    series, of_bar = block.series_of_bar(), number[block.session]
    starts = np.flatnonzero(np.append(True, (np.diff(series) != 0) | (np.diff(of_bar) != 0))) if len(series) else series
    kept = closes[block.session[starts]] < len(number)
    if not _begins(block.days[0], period):
        kept &= of_bar[starts] != number[0]
    ends = np.append(starts[1:], len(series)) - 1
    columns = {name: _whole(name, values, starts, ends)[kept] for name, values in block.columns.items()}
    counts = np.bincount(series[starts[kept]], minlength=len(block.symbol))
    return replace(
        block,
        offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        session=closes[block.session[starts[kept]]],
        columns=columns,
        bars_before=np.zeros(len(block.symbol), dtype=np.int64),
        _memo={},
    )


def _whole(column: str, values: Floats, starts: Ints, ends: Ints) -> Floats:
    """A column of the periods' bars, of those that begin and end at these daily bars."""
    if not len(starts):
        return values
    match column:
        case "open":
            return values[starts]
        case "high":
            return np.asarray(np.maximum.reduceat(values, starts))
        case "low":
            return np.asarray(np.minimum.reduceat(values, starts))
        case "volume":
            return np.asarray(np.add.reduceat(values, starts))
        case _:
            return values[ends]


def _place_of(block: BarBlock, periods: BarBlock) -> Ints:
    """For every daily bar, the place of the last period that had closed by then; −1 where there is none."""
    sessions = len(block.days if block.days is not None else ())
    series = block.series_of_bar()
    closed = periods.series_of_bar() * sessions + periods.session
    place = np.searchsorted(closed, series * sessions + block.session, side="right") - 1
    return np.where(place >= periods.offsets[series], place, -1)


def _number(days: Days, period: Period) -> Ints:
    """The number of the week (Monday to Sunday) or the month that holds each day."""
    if period == "weekly":
        return (days.astype("datetime64[D]").astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday
    return days.astype("datetime64[M]").astype(np.int64)


def _begins(day: np.datetime64, period: Period) -> bool:
    """Whether no weekday of the day's period is before it."""
    before = np.busday_offset(day, -1, roll="backward")
    return bool(_number(np.array([before]), period) != _number(np.array([day]), period))


def _next_weekday(day: np.datetime64) -> np.datetime64:
    following: np.datetime64 = np.busday_offset(day, 1, roll="forward")
    return following
