"""The store as it was known at the close of a session: nothing later can be read through it, whatever is asked.

For checks of scanners against look-ahead. Views of the same names stand before the tables of the file, in the
connection alone: the code that reads is the one that reads every night.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Never

import numpy as np

from scan_pipeline.errors import StoreError
from scan_pipeline.store.connection import Connection, Store

#: Tables that a scan reads, and the column by which a row is known.
_KNOWN_BY = {
    "price_bars": "session", "ingested_sessions": "session", "splits": "known_on", "universe": "session",
    "prefiltered_symbols": "session",
}  # fmt: skip


@dataclass
class CutOffStore(Store):
    """A store that ends with a session. With `symbols`, no others passed the screen."""

    last: date = date.max
    symbols: Collection[str] | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See `Store.read`."""
        with super().read() as connection:
            ((name,),) = connection.execute("select current_database()").fetchall()
            for table, column in _KNOWN_BY.items():
                source = f"select * from {name}.main.{table} where {column} <= date '{self.last}'"
                if table == "prefiltered_symbols" and self.symbols is not None:
                    chosen = np.array(sorted(self.symbols), dtype=object)
                    connection.register("chosen_symbols", {"symbol": chosen, "place": np.arange(len(chosen))})
                    connection.execute(
                        "create temp table only_symbols as select symbol::VARCHAR as symbol from chosen_symbols"
                    )
                    connection.unregister("chosen_symbols")
                    source = (
                        "select * replace (passed and symbol in (select symbol from only_symbols) as passed) "
                        f"from ({source})"
                    )
                connection.execute(f"create temp view {table} as {source}")
            yield connection

    def write(self) -> Never:
        """Never: what was known is not changed by looking at it. Raises StoreError."""
        raise StoreError("A store that ends with a session can only be read.")


def cut_off(store: Store, last: date, symbols: Collection[str] | None = None) -> CutOffStore:
    """The store as known at the close of `last`; with `symbols`, as if no others had passed the screen."""
    return CutOffStore(store.path, store.wait_seconds, store.memory_limit, store.on_wait, last, symbols)
