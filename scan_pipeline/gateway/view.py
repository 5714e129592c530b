"""What an asker may see of the store: nothing after a day, and of some symbols alone.

What belongs here: the one place where both are enforced. Every answer reads through `View.read`, whose tables stand
before the store's own of the same names, so that no query of an answer can see past them. What does not: the answers.
A view hides symbols, never rows of a symbol that it shows: the whole history up to the day is there. Nobody sees
sessions whose bars are provisional: the vendor's daily bars are final ones.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import numpy as np

from scan_pipeline.store.connection import Connection, Store

#: The tables that answers are made of, with the column that says from which day on a row may be seen, and whether a
#: row is of one symbol.
SEEN = {
    "price_bars": ("session", True),
    "splits": ("known_on", True),
    "universe": ("session", True),
    "ingested_sessions": ("session", False),
    "intraday_bars": ("session", True),
    "intraday_sessions": ("session", True),
    "ticker_details": ("as_of", True),
}
#: What of them is made of provisional bars, and not shown; `{file}` is the store's catalog.
PROVISIONAL = {
    "price_bars": "provisional",
    "ingested_sessions": "provisional",
    "universe": "session in (select session from {file}.main.ingested_sessions where provisional)",
}
#: DuckDB refuses one process a file for writing while it reads it: gateways of one process take turns.
TURN = threading.RLock()


@dataclass(frozen=True)
class View:
    """The store as it was known on `as_of`, of `symbols` alone; None: as it is now, of all symbols. Final bars only."""

    as_of: date | None = None
    symbols: frozenset[str] | None = None

    def shows(self, symbol: str) -> bool:
        """Whether a symbol is among those shown."""
        return self.symbols is None or symbol in self.symbols

    @contextmanager
    def read(self, store: Store) -> Iterator[Connection]:
        """A connection to the store that sees what the view shows, and nothing else under the tables' names."""
        with TURN, store.read() as connection:
            self._shadow(connection)
            yield connection

    def _shadow(self, connection: Connection) -> None:
        """Temporary views of the tables' own names: DuckDB finds them first, and each connection has its own."""
        [(file,)] = connection.execute("select current_catalog()").fetchall()
        where = {True: "true", False: "true"}
        if self.symbols is not None:
            connection.register("shown_symbols", {"symbol": np.array([*self.symbols], dtype=object)})
            # A table of its own: the registered array would be read again by each use.
            connection.execute("create temp table shown as select symbol::VARCHAR as symbol from shown_symbols")
            connection.unregister("shown_symbols")
            where[True] = "symbol in (select symbol from temp.shown)"
        for table, (day, has_symbol) in SEEN.items():
            until = f"{day} <= DATE '{self.as_of}'" if self.as_of is not None else "true"
            final = f"not ({PROVISIONAL[table].format(file=file)})" if table in PROVISIONAL else "true"
            connection.execute(
                f"create temp view {table} as select * from {file}.main.{table} "
                f"where {until} and {final} and {where[has_symbol]}"
            )
