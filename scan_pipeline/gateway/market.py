"""The store's bars as answers need them: read in few, short readings, and kept while the store does not change.

What belongs here: what is read when, and how much of it is kept. What does not: the shape of answers. A whole day
is read together with the days that will probably be asked for next. One ticker's history lies scattered over the
whole table, which is in the order of sessions: after some tickers the view's bars are copied, once, to a file of our
own in the order of symbols. A market is used by one thread at a time.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from cachetools import LRUCache

from scan_pipeline.gateway.bars import COLUMNS, VALUES, Bars, Events, Floats, column, days, midnights, number_of
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.connection import Connection

#: Days that are read together at most, and bytes of days that are kept: a year of 3,000 symbols, and its days are asked
#: for twice, adjusted and not.
DAYS_AHEAD, DAYS_KEPT_BYTES = 32, 64 * 2**20
#: Tickers read one by one before all bars are copied in the order of symbols.
SINGLE_READINGS = 6
#: Bytes of tickers' bars that are kept.
BARS_KEPT_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Day:
    """The bars of a session, in the order of symbols."""

    session: int
    symbols: list[str]
    v: Floats
    vw: Floats
    o: Floats
    c: Floats
    h: Floats
    l: Floats  # noqa: E741
    n: Floats

    @property
    def nbytes(self) -> int:
        """Bytes of all columns; the symbols' texts are shared with other days."""
        return 8 * 8 * len(self.symbols)


@dataclass
class Market:
    """What one state of the store holds, as a view shows it. `read` opens the store."""

    read: Callable[[], AbstractContextManager[Connection]]
    calendar: Calendar
    #: The last day that there is, and of whose splits adjusted prices know.
    today: date
    _days: "LRUCache[date, Day]" = field(
        default_factory=lambda: LRUCache(DAYS_KEPT_BYTES, getsizeof=lambda day: day.nbytes + 500)
    )
    _bars: "LRUCache[str, Bars]" = field(
        default_factory=lambda: LRUCache(BARS_KEPT_BYTES, getsizeof=lambda bars: bars.nbytes + 200)
    )
    _held: frozenset[date] | None = None
    _splits: Mapping[str, Events] = field(default_factory=dict)
    _last_read: int = -DAYS_AHEAD * 4
    _together: int = 1
    _single_readings: int = 0
    _copy: Connection | None = None

    def day(self, session: date) -> Day | None:
        """The bars of a session; None where it is not held."""
        found = self._days.get(session)
        if found is None:
            if self._held is not None and session not in self._held:
                return None
            with self.reading() as connection:
                if session not in self.held:
                    return None
                self._read_days(connection, session)
            found = self._days[session]
        return found

    def daily(self, symbol: str) -> Bars:
        """All daily bars of a symbol, as traded, oldest first."""
        found = self._bars.get(symbol)
        if found is None:
            found = self._read_bars(symbol)
            if found.nbytes < BARS_KEPT_BYTES:
                self._bars[symbol] = found
        return found

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to the store. The first one also reads what every answer about bars needs."""
        with self.read() as connection:
            if self._held is None:
                rows = connection.execute("select session from ingested_sessions").fetchall()
                self._splits = self._read_splits(connection)
                self._held = frozenset(day for (day,) in rows)
            yield connection

    @property
    def held(self) -> frozenset[date]:
        """The sessions that are held."""
        if self._held is None:
            with self.reading():
                pass
        assert self._held is not None
        return self._held

    @property
    def splits(self) -> Mapping[str, Events]:
        """The splits that have come, by symbol and oldest first."""
        assert self.held is not None
        return self._splits

    def _read_splits(self, connection: Connection) -> dict[str, list[tuple[int, float]]]:
        rows = connection.execute(
            "select symbol, ex_date, split_from / split_to from splits where ex_date <= ? order by all", [self.today]
        ).fetchall()
        splits: dict[str, list[tuple[int, float]]] = {}
        for symbol, ex_date, factor in rows:
            splits.setdefault(symbol, []).append((number_of(ex_date), factor))
        return splits

    def factors(self, session: int) -> dict[str, float]:
        """What prices of a session are multiplied by, for the symbols with a split after it."""
        factors: dict[str, float] = {}
        for symbol, events in self.splits.items():
            if events[-1][0] > session:
                factor = 1.0
                for ex_day, one in events:
                    if ex_day > session:
                        factor *= one
                factors[symbol] = factor
        return factors

    def close(self) -> None:
        """Let go of the copy."""
        if self._copy is not None:
            self._copy.close()

    def _read_days(self, connection: Connection, session: date) -> None:
        """Read a session; with those that follow in the direction in which sessions are asked for, more each time."""
        index = self.calendar.index_at_or_after(session)
        step = index - self._last_read
        is_near = 0 < abs(step) <= 2 * DAYS_AHEAD
        self._together = min(DAYS_AHEAD, self._together * 2) if is_near else 1
        self._last_read = index
        low, high = (index, index + self._together) if step > 0 else (index - self._together + 1, index + 1)
        around = [day for day in self.calendar.days[max(low, 0) : high].tolist() if day in self.held]
        found = connection.execute(
            f"select session, symbol, {COLUMNS} from price_bars where session between ? and ?", [around[0], around[-1]]
        ).fetchnumpy()
        sessions, symbols = days(found["session"]), found["symbol"]
        columns = [column(found[name]) for name in VALUES]
        # The table is in this order, but for what was corrected later: to sort it all would take as long as to read it.
        if (sessions[1:] < sessions[:-1]).any():
            order = np.argsort(sessions, kind="stable")
            sessions, symbols, columns = sessions[order], symbols[order], [one[order] for one in columns]
        for day in around:
            begin, end = np.searchsorted(sessions, [number_of(day), number_of(day) + 1])
            part = slice(int(begin), int(end))
            # Copies: a part of an array would keep the whole.
            self._days[day] = _day(number_of(day), symbols[part].tolist(), [one[part].copy() for one in columns])

    def _read_bars(self, symbol: str) -> Bars:
        if self._copy is None:
            self._single_readings += 1
            if self._single_readings <= SINGLE_READINGS:
                with self.reading() as connection:
                    return _bars_of(connection, "price_bars", symbol, "order by session")
            self._copy = self._copied()
        return _bars_of(self._copy, "bars", symbol, "")  # it is in order

    def _copied(self) -> Connection:
        with tempfile.TemporaryDirectory(prefix="scan_pipeline_gateway_") as folder:
            path = Path(folder) / "bars.duckdb"
            with self.reading() as connection:
                # Small groups of rows: a symbol's are found in one or two of them.
                connection.execute(f"attach '{path}' as by_symbol (row_group_size 32768)")
                try:
                    connection.execute(
                        f"create table by_symbol.main.bars as select symbol, session, {', '.join(_STORED)} "
                        "from price_bars order by symbol, session"
                    )
                finally:
                    connection.execute("detach by_symbol")
            # Its name goes with the folder: nothing is left of it once it is closed, however we end.
            return duckdb.connect(str(path), read_only=True, config={"threads": 1, "memory_limit": "64MB"})


_STORED = ("volume", "vwap", "open", "close", "high", "low", "trades")


def _bars_of(connection: Connection, table: str, symbol: str, order: str) -> Bars:
    found: dict[str, Any] = connection.execute(
        f"select session, {COLUMNS} from {table} where symbol = ? {order}", [symbol]
    ).fetchnumpy()
    sessions = days(found["session"])
    return Bars(sessions, midnights(sessions), *(column(found[name]) for name in VALUES))


def _day(session: int, symbols: list[str], columns: list[Floats]) -> Day:
    names = list(map(sys.intern, symbols))  # one text a symbol, however many days there are
    if names != sorted(names):
        order = sorted(range(len(names)), key=names.__getitem__)
        names, columns = [names[place] for place in order], [one[order] for one in columns]
    return Day(session, names, *columns)
