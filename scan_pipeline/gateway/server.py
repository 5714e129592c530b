"""The gateway's HTTP server: the vendor's paths on loopback, answered from the store.

Answers are encoded and compressed once and kept, the least used dropped first, until the database changes. The store
is read by one thread, a few milliseconds at a time, so that nights and ingests find it free; 64 readers of the same day
wait for one reading of it.
"""

import asyncio
import gzip
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from cachetools import LRUCache

from scan_pipeline.errors import StoreError
from scan_pipeline.gateway import answers
from scan_pipeline.gateway.requests import Refusal, from_cursor, read_day, read_flag
from scan_pipeline.sessions import NEW_YORK, Calendar
from scan_pipeline.store.connection import Connection, Store

HOST = "127.0.0.1"
#: Bytes of compressed answers that are kept.
KEPT_BYTES = 256 * 2**20

#: What a request asks of the store: (connection, today) to an answer and, if there is more, where the next page begins.
Reading = Callable[[Connection, date], tuple[answers.Answer, str | None]]
#: A state of the database, and a request in it.
Version = tuple[int | date, ...]
State = tuple[Version, str]


@dataclass
class Gateway:
    """The vendor's API over one store."""

    store: Store
    calendar: Calendar
    #: Requests answered so far, by kind of path.
    answered: dict[str, int] = field(default_factory=dict)
    _kept: "LRUCache[State, bytes]" = field(default_factory=lambda: LRUCache(KEPT_BYTES, getsizeof=len))
    _under_way: dict[State, "asyncio.Future[bytes]"] = field(default_factory=dict)
    _version: Version = ()
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "gateway-reader"))

    def make_app(self, middlewares: Sequence[Middleware] = ()) -> web.Application:
        """The server's application. `middlewares` come first: what they do happens to every request."""
        app = web.Application(middlewares=[*middlewares, self._refuse])
        app.add_routes(
            [
                web.get("/v2/aggs/grouped/locale/us/market/stocks/{date}", self._grouped),
                web.get("/v2/aggs/ticker/{ticker}/prev", self._previous_close),
                web.get("/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}", self._custom_bars),
                web.get("/v3/reference/tickers", self._tickers),
                web.get("/v3/reference/tickers/{ticker}", self._ticker),
                web.get("/v3/reference/splits", self._old_splits),
                web.get("/stocks/v1/splits", self._splits),
                web.get("/v1/marketstatus/now", self._market_status),
            ]
        )
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Words every refusal as the vendor does; a request without a key is refused, any key is good."""
        try:
            if not (request.query.get("apiKey") or request.headers.get("Authorization", "").startswith("Bearer ")):
                raise Refusal(401, "API Key was not provided")
            response: web.StreamResponse = await handler(request)
            return response
        except Refusal as refusal:
            return _plain(refusal.status, {**refusal.body, "request_id": _request_id(request.path_qs)})
        except StoreError as error:
            return _plain(503, {"status": "ERROR", "error": str(error)})
        except web.HTTPNotFound:
            return _plain(404, Refusal(404, "The requested resource was not found.").body)
        except web.HTTPMethodNotAllowed:
            return _plain(405, {"status": "ERROR", "error": "Only GET is answered."})

    async def _grouped(self, request: web.Request) -> web.Response:
        day = read_day(request.match_info["date"])
        adjusted = read_flag(request.query, "adjusted", True)
        read_flag(request.query, "include_otc", False)  # the store holds none
        if day > self.calendar.latest_closed():
            raise Refusal(403, "Attempted to request today's data before end of day. Please upgrade your plan.")

        def reading(connection: Connection, today: date) -> tuple[answers.Answer, None]:
            return answers.grouped_daily(connection, day, adjusted, today), None

        return await self._answer(request, f"grouped {day} {adjusted}", reading)

    async def _previous_close(self, request: web.Request) -> web.Response:
        ticker, adjusted = request.match_info["ticker"], read_flag(request.query, "adjusted", True)

        def reading(connection: Connection, today: date) -> tuple[answers.Answer, None]:
            return answers.previous_close(connection, ticker, adjusted, today), None

        return await self._answer(request, f"prev {ticker} {adjusted}", reading)

    async def _custom_bars(self, request: web.Request) -> web.Response:
        path, query = dict(request.match_info), from_cursor(request.query)
        if "_place" in query:  # the next page begins at a day of its own
            path["to" if query.get("sort") == "desc" else "from"] = query["_place"]
        return await self._answer(
            request,
            f"range {path} {_sorted(query)}",
            lambda connection, today: answers.custom_bars(connection, path, query, today),
            query,
        )

    async def _tickers(self, request: web.Request) -> web.Response:
        query = from_cursor(request.query)
        return await self._answer(
            request,
            f"tickers {_sorted(query)}",
            lambda connection, today: answers.tickers(connection, query, today),
            query,
        )

    async def _ticker(self, request: web.Request) -> web.Response:
        ticker, query = request.match_info["ticker"], dict(request.query)

        def reading(connection: Connection, today: date) -> tuple[answers.Answer, None]:
            return answers.ticker_details(connection, ticker, query, today), None

        return await self._answer(request, f"ticker {ticker} {query.get('date')}", reading)

    async def _old_splits(self, request: web.Request) -> web.Response:
        return await self._answer_splits(request, default=10, most=1_000, full=False)

    async def _splits(self, request: web.Request) -> web.Response:
        return await self._answer_splits(request, default=100, most=5_000, full=True)

    async def _answer_splits(self, request: web.Request, *, default: int, most: int, full: bool) -> web.Response:
        query = from_cursor(request.query)
        return await self._answer(
            request,
            f"splits {full} {_sorted(query)}",
            lambda connection, today: answers.splits(connection, query, default=default, most=most, full=full),
            query,
        )

    async def _market_status(self, request: web.Request) -> web.Response:
        now = datetime.now(NEW_YORK).replace(microsecond=0)
        is_open = self.calendar.is_session(now.date()) and (
            now.replace(hour=9, minute=30, second=0) <= now < self.calendar.closes_at(now.date())
        )
        word = "open" if is_open else "closed"
        self._count("marketstatus")
        return _plain(
            200,
            {
                "afterHours": False, "currencies": {"crypto": "open", "fx": "closed"}, "earlyHours": False,
                "exchanges": {"nasdaq": word, "nyse": word, "otc": word}, "market": word,
                "serverTime": now.isoformat(),
            },
        )  # fmt: skip

    async def _answer(
        self, request: web.Request, key: str, reading: Reading, query: Mapping[str, str] | None = None
    ) -> web.Response:
        """The answer as kept, or as read now; compressed for those who take it so."""
        self._count(key.split(" ", 1)[0])
        today = datetime.now(NEW_YORK).date()
        self._forget_what_changed(today)
        base = f"{request.scheme}://{request.host}"
        key = f"{base} {key}"  # addresses of next pages are part of an answer
        state = (self._version, key)  # what is read while the database changes is never kept for its new state
        body = self._kept.get(state)
        if body is None:
            waited_for = self._under_way.get(state)
            if waited_for is None:
                waited_for = asyncio.ensure_future(
                    self._read(state, reading, today, base, request.rel_url.raw_path, query)
                )
                self._under_way[state] = waited_for
                waited_for.add_done_callback(lambda _: self._under_way.pop(state, None))
            body = await asyncio.shield(waited_for)
        if _takes_gzip(request.headers.get("Accept-Encoding", "")):
            return web.Response(body=body, content_type="application/json", headers={"Content-Encoding": "gzip"})
        return web.Response(body=gzip.decompress(body), content_type="application/json")

    async def _read(
        self, state: State, reading: Reading, today: date, base: str, path: str, query: Mapping[str, str] | None
    ) -> bytes:
        def work() -> bytes:
            with self.store.read() as connection:
                answer, place = reading(connection, today)
            answer["request_id"] = _request_id(state[1])
            if "count" in answer:  # the vendor's order: the count comes last
                answer["count"] = answer.pop("count")
            if place is not None:
                answer["next_url"] = answers.next_page(base, path, query or {}, place)
            return gzip.compress(msgspec.json.encode(answer), compresslevel=1, mtime=0)

        body = await asyncio.get_running_loop().run_in_executor(self._reader, work)
        if len(body) < KEPT_BYTES:
            self._kept[state] = body
        return body

    def _forget_what_changed(self, today: date) -> None:
        """Answers hold for one state of the database, and for one day: another may bring a split's ex-date."""
        log = self.store.path.with_name(f"{self.store.path.name}.wal")  # what a killed process left to be done
        version = (_changed_at(self.store.path), _changed_at(log), today)
        if version != self._version:
            self._kept.clear()
            self._version = version

    def _count(self, kind: str) -> None:
        self.answered[kind] = self.answered.get(kind, 0) + 1

    async def _close(self, _: web.Application) -> None:
        self._reader.shutdown()


def serve(gateway: Gateway, port: int, started: Callable[[int], None]) -> None:
    """Serve on loopback until Ctrl-C; `started` is told the port (a free one where `port` is 0)."""

    async def run() -> None:
        runner = web.AppRunner(gateway.make_app(), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, port)
            await site.start()
            started(runner.addresses[0][1])
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    asyncio.run(run())


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, other than with the weight 0."""
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted, re.IGNORECASE) is not None


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _plain(status: int, body: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _request_id(key: str) -> str:
    return hashlib.md5(f"{key}{datetime.now(UTC).date()}".encode(), usedforsecurity=False).hexdigest()


def _sorted(query: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in query.items() if name != "apiKey")
