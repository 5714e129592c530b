"""What scanners in Python read: who passed the screen, and the bars of their history, in blocks for worker processes.

What belongs here: reading, and cutting into shards. What does not: worker processes (`scanners/python/workers.py`),
what becomes of what they find (`python_merge.py`), and when what is done (`python_pipeline.py`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from zlib import crc32

import numpy as np

from scan_pipeline.features.catalogue import ALLOWED_GAPS
from scan_pipeline.scanners.python.tasks import COLUMNS, Bars
from scan_pipeline.sessions import Calendar, SessionArray
from scan_pipeline.stages.groups import Group, make_groups
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.history import read_block

#: For each session, the symbols that are scanned.
Wanted = Mapping[date, Collection[str]]


def read_wanted(connection: Connection, sessions: Sequence[date]) -> dict[date, list[str]]:
    """The symbols that passed the screen on each of the sessions, sorted."""
    wanted: dict[date, list[str]] = {session: [] for session in sorted(sessions)}
    for session, symbol in connection.execute(
        "select session, symbol from prefiltered_symbols where passed and session in (select unnest(?::DATE[])) "
        "order by session, symbol",
        [list(sessions)],
    ).fetchall():
        wanted[session].append(symbol)
    return wanted


def slice_of(wanted: Wanted, number: int, shards: int) -> dict[date, list[str]]:
    """The symbols of one shard, counted from 1: the same for a symbol at every run."""
    return {
        session: [symbol for symbol in symbols if crc32(symbol.encode()) % shards == number - 1]
        for session, symbols in wanted.items()
    }


def parts_of(wanted: Wanted, parts: int) -> list[dict[date, list[str]]]:
    """The symbols, sorted, dealt out in turn to so many parts, of which none is empty."""
    ordered = sorted(set().union(*wanted.values()))
    dealt = [set(ordered[number::parts]) for number in range(min(parts, len(ordered)))]
    return [{session: [one for one in symbols if one in part] for session, symbols in wanted.items()} for part in dealt]


def history_of(lookback: int) -> int:
    """The sessions before one that are read for so many bars before it: a symbol may miss some."""
    return lookback + ALLOWED_GAPS


def windows_of(calendar: Calendar, sessions: Sequence[date], lookback: int) -> dict[date, SessionArray]:
    """The sessions that are read for each session."""
    windows: dict[date, SessionArray] = {}
    for group in make_groups(calendar, sessions, history_of(lookback)):
        windows |= group.windows()
    return windows


def read_bars(
    connection: Connection, calendar: Calendar, wanted: Wanted, lookback: int, history: int | None = None
) -> Iterator[Bars]:
    """The bars that scanning `wanted` reads, in blocks.

    `history`: read exactly so many sessions before each session, instead of at least as many as the lookback needs.
    """
    sessions = sorted(session for session, symbols in wanted.items() if symbols)
    for group in make_groups(calendar, sessions, history_of(lookback)) if history is None else (
        _exactly(calendar, session, history) for session in sessions
    ):  # fmt: skip
        symbols = sorted({symbol for session in group.sessions for symbol in wanted[session]})
        code = {symbol: number for number, symbol in enumerate(symbols)}
        is_wanted = np.zeros((len(symbols), len(group.window)), dtype=bool)
        for session in group.sessions:
            is_wanted[[code[symbol] for symbol in wanted[session]], group.place(session)] = True
        first = group.window[0].astype(object)
        block = read_block(connection, symbols, group.window, group.sessions[0], COLUMNS, count_from=first)
        yield Bars(group.window.astype(np.int32), symbols, is_wanted, block)


def _exactly(calendar: Calendar, session: date, history: int) -> Group:
    first = calendar.before(session, history)
    window = np.array(calendar.between(first, session), dtype="datetime64[D]")
    return Group([session], window, first, calendar.after(session, 1))
