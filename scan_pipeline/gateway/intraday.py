"""Bars of minutes and hours, from the minutes that the store holds.

What belongs here: which sessions a request is about, which of these are complete, and minutes as longer windows. What
does not: fetching what is not there (`read_through.py`). Windows are those of the clock in New York, counted from
midnight; an empty one has no bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from scan_pipeline.gateway.bars import (
    COLUMNS,
    MIDNIGHT,
    VALUES,
    Bars,
    Events,
    Ints,
    column,
    days,
    midnights,
    milliseconds,
    number_of,
)
from scan_pipeline.gateway.requests import read_day
from scan_pipeline.sessions import Calendar, to_date
from scan_pipeline.store.connection import Connection

MINUTE_MS, DAY_MS = 60_000, 86_400_000
#: Milliseconds of the spans within a day that are made of minutes.
SPANS = {"minute": MINUTE_MS, "hour": 60 * MINUTE_MS}


@dataclass(frozen=True)
class Range:
    """What is asked for: instants in milliseconds since 1970, both included, and the sessions that hold them."""

    symbol: str
    first: int
    last: int
    sessions: Sequence[date]


def read_range(symbol: str, first: str, last: str, calendar: Calendar, today: date) -> Range:
    """The range from `first` to `last` (days, or milliseconds since 1970), up to `today`."""
    opened = to_date(calendar.days[0])
    first_day, last_day = read_day(first, "from"), min(read_day(last, "to"), today)
    if first_day > last_day or last_day < opened:
        return Range(symbol, 0, 0, [])
    # No earlier than there are sessions, …
    begins = int(first) if _is_ms(first) else milliseconds(number_of(max(first_day, opened)), MIDNIGHT)
    # … and no later than today.
    if _is_ms(last) and read_day(last, "to") <= today:
        ends = int(last)
    else:
        ends = milliseconds(number_of(last_day + timedelta(days=1)), MIDNIGHT) - 1
    return Range(
        symbol, max(begins, milliseconds(number_of(opened), MIDNIGHT)), ends, calendar.between(first_day, last_day)
    )


def missing(connection: Connection, asked: Range) -> list[date]:
    """The sessions of a range of which the store does not hold the symbol's minutes."""
    if not asked.sessions:
        return []
    held = {
        day
        for (day,) in connection.execute(
            "select session from intraday_sessions where symbol = ? and session between ? and ?",
            [asked.symbol, asked.sessions[0], asked.sessions[-1]],
        ).fetchall()
    }
    return [day for day in asked.sessions if day not in held]


def minutes(connection: Connection, asked: Range, span_ms: int) -> Bars:
    """The minutes of a range, as traded; `first` reaches back to the begin of its window of `span_ms`."""
    begins = int(window_starts(np.array([asked.first]), span_ms)[0])
    found = connection.execute(
        f"select session, epoch_ms(starts_at) as t, {COLUMNS} from intraday_bars "
        "where symbol = ? and session between ? and ? and (symbol, session) in (select symbol, session from "
        "intraday_sessions) order by starts_at",
        [asked.symbol, asked.sessions[0], asked.sessions[-1]],
    ).fetchnumpy()
    bars = Bars(days(found["session"]), found["t"].astype(np.int64), *(column(found[name]) for name in VALUES))
    starts = window_starts(bars.t, span_ms)
    return bars.chosen((starts >= begins) & (starts <= asked.last))


def windows(bars: Bars, events: Events, span_ms: int) -> tuple[Bars, Ints]:
    """Minutes as bars of `span_ms`, adjusted, and how many minutes are in each."""
    bars = bars.adjusted(events)
    starts = window_starts(bars.t, span_ms)
    positions = np.flatnonzero(np.diff(starts, prepend=-(2**62)))
    held = np.diff(np.append(positions, len(bars)))
    if span_ms == MINUTE_MS:
        return bars, held
    return bars.folded(positions, starts[positions]), held


def window_starts(t: Ints, span_ms: int) -> Ints:
    """Where the window begins that holds each instant, in milliseconds since 1970."""
    midnight = midnights(session_days(t))
    return midnight + (t - midnight) // span_ms * span_ms


def session_days(t: Ints) -> Ints:
    """The day in New York of each instant, in days since 1970."""
    # New York is at most six hours behind: it is the day of six hours earlier, or the one after it.
    day = (t - 6 * 3_600_000) // DAY_MS
    known, which = np.unique(day, return_inverse=True)
    return day + (t >= midnights(known + 1)[which])


def _is_ms(text: str) -> bool:
    return "-" not in text.lstrip("-")
