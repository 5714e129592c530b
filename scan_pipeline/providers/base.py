"""What a provider is: the protocol that every source of bars fulfils, and its errors.

A provider knows where rows come from and hands them over as delivered. It judges nothing (the bar rules do) and stores
no bars; what else it fetched, and when, it notes in the transaction that it is given. A new provider is one new file
and one line in `providers/__init__.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, runtime_checkable

import duckdb

from scan_pipeline.errors import ScanPipelineError

#: The columns of a delivery. Types are free where noted: the bar rules read what can be read.
#: `source` VARCHAR; `raw` a struct of the row as delivered; `session_day` DATE or null; the rest text or numbers.
DELIVERED_COLUMNS = (
    "source", "reported_on", "symbol", "session_day", "open", "high", "low", "close", "volume", "adj_close",
    "vwap", "trades", "raw",
)  # fmt: skip

#: Columns of reference rows, one or more a symbol. `as_of` is the day from which `market_cap` was known; a market cap
#: without it is of no use for a past session. Where there is none, shares outstanding times the close make one;
#: `shares_counted_on` is the day that they are of, where that is not `as_of`. Where a company has several classes of
#: shares, the number is the company's as filed, for each of them. `listed`, `delisted`: the vendor's dates.
REFERENCE_COLUMNS = {
    "symbol": "VARCHAR", "name": "VARCHAR", "exchange": "VARCHAR", "type": "VARCHAR", "sector": "VARCHAR",
    "industry": "VARCHAR", "country": "VARCHAR", "market_cap": "DOUBLE", "as_of": "DATE", "listed": "DATE",
    "delisted": "DATE", "shares_outstanding": "DOUBLE", "shares_counted_on": "DATE",
}  # fmt: skip

#: Columns of split rows; `known_on` null means that the split was known on its ex-date.
SPLIT_COLUMNS = {
    "symbol": "VARCHAR", "ex_date": "DATE", "split_from": "DOUBLE", "split_to": "DOUBLE", "known_on": "DATE",
}  # fmt: skip


class ProviderError(ScanPipelineError):
    """A provider could not deliver; the message says which setting or file to mend."""


class Delivery(Protocol):
    """Rows for some consecutive sessions."""

    @property
    def name(self) -> str:
        """The provider's name, for the records."""

    def rows(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """The rows as a relation on `connection`, with the columns of DELIVERED_COLUMNS, in the order delivered."""


class Snapshot(Delivery, Protocol):
    """Rows for the session that is open: each symbol's bar so far."""

    @property
    def at(self) -> datetime | None:
        """The instant that its newest row is of, where it tells; aware."""


class Source(Protocol):
    """What every source of bars has besides them: splits, reference data, and what it cost."""

    @property
    def name(self) -> str:
        """The value of SCAN_PROVIDER that chooses it."""

    def snapshot(self, session: date) -> Snapshot | None:
        """The bars so far of a session that is open, of the whole market, in one call; None if it has no snapshots.

        A symbol that has not traded in the session has no row.
        """

    def prepare(self, what: str, fetched: Mapping[str, date], sessions: Sequence[date]) -> None:
        """Fetch what `splits` or `reference` (named by `what`) will give, before the store is held for it.

        `fetched` has the day of each thing's last fetch, from the table of that name. `sessions` are those that
        reference data is for; splits are of all time.
        """

    def splits(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """All split events it knows, with SPLIT_COLUMNS; None if it has none to give."""

    def reference(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """Reference data with REFERENCE_COLUMNS; None if it has none to give."""

    @property
    def is_metered(self) -> bool:
        """Whether every session costs a call: then those that are held and settled are not asked for again."""

    @property
    def calls(self) -> int:
        """Calls made to the vendor so far."""

    @property
    def sources(self) -> Sequence[str]:
        """Where its reference data came from, or why a source gave none, in words."""

    @property
    def missing(self) -> Mapping[date, str]:
        """Sessions that could not be delivered, and why."""

    def note(self, sessions_left: int) -> str:
        """What the progress should add about calls and waiting; empty, or beginning with a comma."""

    def held(self) -> tuple[date, date] | None:
        """The first and the last date it has bars for, where it can tell cheaply."""


class Provider(Source, Protocol):
    """A source that has the whole market of a session at once."""

    def deliveries(self, sessions: Sequence[date], previous: date) -> Iterator[tuple[Sequence[date], date, Delivery]]:
        """What it has for `sessions` (consecutive), cut into parts of consecutive sessions, as they come.

        Each part comes with the session before it: rows dated after that one and up to the part's last session
        belong to the part, rows on closed days in between included. A session it knows nothing of is in a part too.
        """


@runtime_checkable
class SymbolProvider(Source, Protocol):
    """A source that is asked by the symbol, some symbols a call."""

    def symbols_per_call(self, first: date, last: date) -> int:
        """How many symbols one call takes for the sessions from `first` to `last`."""

    def deliveries_of(
        self, wanted: Sequence[tuple[str, date]], last: date, most_calls: int | None
    ) -> Iterator["SymbolDelivery"]:
        """Bars of each symbol from the day that it comes with to `last`, about in that order, as parts come.

        Days are cut into calls by the earliest of a call's symbols. A part could not be had where `missing` says so. At
        most `most_calls` calls are made, all tries counted: what they do not suffice for is in no part. Raises
        ProviderError for a refusal that concerns all; what came before has been handed over.
        """


class SymbolDelivery(Delivery, Protocol):
    """All rows of some symbols, of the days that were asked for."""

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols that were asked for: one without a row has no bar."""

    @property
    def first(self) -> date:
        """The day from which on."""

    @property
    def unknown(self) -> Sequence[str]:
        """Those of them that are no symbols to the vendor."""

    @property
    def missing(self) -> str:
        """Why they could not be had; empty: they were."""
