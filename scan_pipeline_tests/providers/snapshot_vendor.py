"""A vendor on loopback whose market is open: its snapshot is what a test says, the rest comes from a gateway.

The gateway refuses snapshots, as the vendor does on the free plan; here they are answered before it is asked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from scan_pipeline.gateway.server import Gateway
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.providers.snapshot import SNAPSHOT
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline_tests.providers.vendor import Vendor

NOTHING = dict.fromkeys(("o", "h", "l", "c", "v", "vw"), 0)
#: A symbol, and its open, high, low, close and volume at the close.
Final = tuple[str, float, float, float, float, float]


def ticker(symbol: str, at: datetime, day: Mapping[str, Any]) -> dict[str, Any]:
    """One symbol of a snapshot, with all that the vendor says of it."""
    moved = {"todaysChange": 0.0, "todaysChangePerc": 0.0, "updated": nanoseconds(at)}
    return {"ticker": symbol, **moved, "day": dict(day), "min": NOTHING, "prevDay": {**NOTHING, "c": 1.0}}


def nanoseconds(at: datetime) -> int:
    """An instant as the vendor writes it."""
    return int(at.timestamp()) * 10**9


@dataclass
class OpenMarket:
    """A session in three moments, and its close. Set `moment` and ask for its snapshot.

    0 (10:30): a tenth of the symbols has not traded · 1 (11:30): every other symbol has moved on · 2 (12:30): all
    have · 3 (15:59): the bars are those of the close.
    """

    session: date
    final: Sequence[Final]
    moment: int = 0
    extra: list[dict[str, Any]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The time of the moment."""
        opened = datetime.combine(self.session, datetime.min.time(), NEW_YORK)
        return opened + (timedelta(hours=15, minutes=59) if self.moment == 3 else timedelta(hours=10.5 + self.moment))

    def tickers(self) -> list[dict[str, Any]]:
        """The snapshot of the moment."""
        return [
            ticker(symbol, self.now, self._so_far(place, *bar)) for place, (symbol, *bar) in enumerate(self.final)
        ] + self.extra

    def _so_far(
        self, place: int, open_: float, high: float, low: float, close: float, volume: float
    ) -> Mapping[str, float]:
        if self.moment == 3:
            return {"o": open_, "h": high, "l": low, "c": close, "v": volume, "vw": close}
        if place % 10 == 9 and self.moment < 2:
            return NOTHING
        share = (0.3, 0.6 if place % 2 == 0 else 0.3, 0.9)[self.moment]
        last = open_ + (close - open_) * share
        return {"o": open_, "h": max(open_, last), "l": min(open_, last), "c": last, "v": volume * share, "vw": last}


def open_market(source: Pipeline, session: date) -> OpenMarket:
    """The session of a pipeline that holds it as it was at the close."""
    with source.store.read() as connection:
        rows = connection.execute(
            "select symbol, open, high, low, close, volume from price_bars where session = ? order by symbol", [session]
        ).fetchall()
    return OpenMarket(session, rows)


def vendor_of(source: Pipeline, market: OpenMarket) -> Vendor:
    """A vendor that has the pipeline's sessions, and the market's snapshot."""

    @web.middleware
    async def snapshots(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != SNAPSHOT:
            return await handler(request)
        tickers = market.tickers()
        body = json.dumps({"tickers": tickers, "status": "OK", "request_id": "1", "count": len(tickers)}).encode()
        return web.Response(body=body, content_type="application/json")

    def make_app(middlewares: Sequence[Middleware]) -> web.Application:
        return Gateway(source.store, source.calendar).make_app([*middlewares, snapshots])

    return Vendor(make_app)
