"""Alpaca for tests: real HTTP on loopback, bars by the symbol, as its documentation describes them.

It keeps to what it is told: the bars that it has, symbols that it refuses, the size of its pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from scan_pipeline.sessions import NEW_YORK

KEY_ID, SECRET = "PKIDTHATNOBODYMAYSEE", "s3cret-that-nobody-may-see-9876543210"
BARS = "/v2/stocks/bars"

Values = tuple[float, float, float, float, float]


@dataclass
class Alpaca:
    """`bars[symbol][day]` is open, high, low, close, volume. `unknown` are no symbols to it."""

    bars: dict[str, dict[date, Values]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    page: int = 10_000
    #: The symbols of every call, and its other parameters.
    calls: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """Every symbol that was asked for, in order of asking."""
        return [symbol for symbols, _ in self.calls for symbol in symbols]

    def make_app(self, middlewares: Sequence[Middleware]) -> web.Application:
        """The application to serve."""
        app = web.Application(middlewares=middlewares)
        app.router.add_get(BARS, self._answer)
        app.router.add_get("/dynamic/SymDir/{name}", self._list)
        return app

    async def _list(self, request: web.Request) -> web.Response:
        """NASDAQ Trader's two lists: all symbols on the first, none on the second."""
        is_first = request.path.endswith("nasdaqlisted.txt")
        header = (
            "Symbol|Security Name|Test Issue|ETF" if is_first else "CQS Symbol|Security Name|Exchange|Test Issue|ETF"
        )
        rows = [f"{symbol}|{symbol} Incorporated|N|N" for symbol in self.bars] if is_first else []
        return web.Response(text="\n".join([header, *rows, "File Creation Time: 1120202621:30"]))

    async def _answer(self, request: web.Request) -> web.Response:
        headers = request.headers
        if (headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY")) != (KEY_ID, SECRET):
            return web.json_response({"message": "forbidden."}, status=403)
        query = dict(request.query)
        symbols = query.pop("symbols").split(",")
        self.calls.append((symbols, query))
        refused = [symbol for symbol in symbols if symbol in self.unknown]
        if refused:
            return web.json_response({"message": f"invalid symbol: {refused[0]}"}, status=400)
        first, last = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        found: list[tuple[str, dict[str, Any]]] = []
        for symbol in sorted(symbols):
            for day, (opened, high, low, close, volume) in sorted(self.bars.get(symbol, {}).items()):
                at = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
                if first <= at <= last:
                    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    found.append(
                        (symbol, {"t": stamp, "o": opened, "h": high, "l": low, "c": close, "v": volume, "n": 3,
                                  "vw": close})
                    )  # fmt: skip
        start = int(query.get("page_token", "0"))
        size = min(self.page, int(query["limit"]))
        bars: dict[str, list[dict[str, Any]]] = {}
        for symbol, bar in found[start : start + size]:
            bars.setdefault(symbol, []).append(bar)
        more = str(start + size) if start + size < len(found) else None
        return web.json_response({"bars": bars, "next_page_token": more})
