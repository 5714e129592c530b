"""The bars so far of a session that is open, from Massive (formerly Polygon.io): the whole market in one call.

What belongs here: the address, what its answer must look like, and which of its rows are of the session. What does not:
connections, rate and retries (`http.py`), and bars of closed sessions (`massive.py`).

Facts of the API: https://massive.com/docs/rest/stocks/snapshots/full-market-snapshot. `day` is the symbol's bar so far,
as traded, and all zeros until its first trade after the open. Delayed plans answer fifteen minutes late.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import msgspec
import numpy as np

from scan_pipeline.providers.base import ProviderError
from scan_pipeline.providers.http import NotInPlanError, TransientError, VendorClient
from scan_pipeline.providers.threads import in_thread
from scan_pipeline.sessions import NEW_YORK

SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"


class DayBar(msgspec.Struct, gc=False):
    """A symbol's bar so far. Missing and null values are for the bar rules to judge."""

    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741
    c: float | None = None
    v: float | None = None
    vw: float | None = None

    @property
    def has_traded(self) -> bool:
        """Whether any of it is not zero."""
        return bool(self.o or self.h or self.l or self.c or self.v)


class Ticker(msgspec.Struct, gc=False):
    """One symbol. `updated` is in nanoseconds since 1970; 0: not since the vendor cleared the last session's."""

    ticker: str
    day: DayBar | None = None
    updated: int = 0


class Market(msgspec.Struct):
    """An answer."""

    status: str
    count: int | None = None
    tickers: list[Ticker] | None = None


_MARKET = msgspec.json.Decoder(Market)


@dataclass(frozen=True)
class FetchedSnapshot:
    """The symbols that have traded in the session. `at`: when the newest of them was updated."""

    name: str
    session: date
    tickers: Sequence[Ticker]
    at: datetime | None

    def rows(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """See `Delivery.rows`."""
        days = [one.day or DayBar() for one in self.tickers]
        columns = {ours: np.array([getattr(day, theirs) for day in days], dtype=float) for ours, theirs in _COLUMNS}
        symbols = np.array([one.ticker for one in self.tickers], dtype=object)
        connection.register("snapshot_rows", {"symbol": symbols, **columns})
        raw = ", ".join(f"{theirs}: {ours}" for ours, theirs in _COLUMNS)
        return connection.sql(
            f"""
            select '{SNAPSHOT}' as source, date '{self.session}' as reported_on, symbol::VARCHAR as symbol,
                date '{self.session}' as session_day, open, high, low, close, volume, null::DOUBLE as adj_close, vwap,
                null::BIGINT as trades, {{ticker: symbol, day: {{{raw}}}}} as raw
            from snapshot_rows
            """
        )


#: Our names of a bar's numbers, and the vendor's.
_COLUMNS = (("open", "o"), ("high", "h"), ("low", "l"), ("close", "c"), ("volume", "v"), ("vwap", "vw"))


def fetch_snapshot(client: VendorClient, session: date, name: str) -> FetchedSnapshot:
    """What has been traded in the session so far. Raises ProviderError, in words, where the plan has no snapshots."""

    async def ask() -> AsyncIterator[list[Ticker]]:
        async with client.opened():
            yield await client.get(SNAPSHOT, {"include_otc": "false"}, read_snapshot)

    try:
        tickers = [one for batch in in_thread(ask) for answer in batch for one in answer]
    except NotInPlanError as error:
        raise ProviderError(
            f"{error.refusal} The key's plan has no snapshots, which bars before the close are made of. Choose a paid "
            "one at https://massive.com and set SCAN_MASSIVE_PLAN=paid, or wait for the close: `scan-pipeline run`."
        ) from error
    today = [one for one in tickers if one.day and one.day.has_traded and _is_of(one, session)]
    updated = max((one.updated for one in today), default=0)
    return FetchedSnapshot(name, session, today, _instant(updated) if updated else None)


def read_snapshot(body: bytes) -> list[Ticker]:
    """The symbols of an answer. Raises TransientError for what another try may mend."""
    try:
        answer = _MARKET.decode(body)
    except msgspec.MsgspecError as error:
        raise TransientError(f"an answer that is not as documented: {error}") from error
    if answer.status not in ("OK", "DELAYED"):
        raise TransientError(f"status {answer.status}")
    if answer.tickers is None:
        raise TransientError("no tickers")
    if answer.count is not None and len(answer.tickers) != answer.count:
        raise TransientError(f"count {answer.count} and {len(answer.tickers)} tickers")
    return answer.tickers


def _is_of(one: Ticker, session: date) -> bool:
    """Whether a row is not left over from a session before."""
    return not one.updated or _instant(one.updated).astimezone(NEW_YORK).date() == session


def _instant(nanoseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)
