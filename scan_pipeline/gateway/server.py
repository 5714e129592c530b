"""The gateway's requests: the vendor's paths, answered from the store as a view shows it.

What belongs here: which path is answered by what, and how an answer is sent and counted. What does not: what is in it
(`answers.py`, `reference.py`), sockets (`serving.py`). The store is read by one thread, a few milliseconds at a time,
so that nights and ingests find it free; 64 readers of the same day wait for one reading of it.
"""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from scan_pipeline.errors import ScanPipelineError, StoreError
from scan_pipeline.gateway import answers, intraday, reference
from scan_pipeline.gateway.counts import Counts, Note
from scan_pipeline.gateway.kept import Body, KeptAnswers, Version, state_of
from scan_pipeline.gateway.market import Market
from scan_pipeline.gateway.read_through import ReadThrough
from scan_pipeline.gateway.requests import (
    Refusal,
    Reply,
    from_cursor,
    has_key,
    is_key,
    read_day,
    read_flag,
    read_ticker,
    takes_gzip,
    to_cursor,
)
from scan_pipeline.gateway.serving import HOST, running, serve
from scan_pipeline.gateway.view import View
from scan_pipeline.sessions import NEW_YORK, Calendar
from scan_pipeline.store.connection import Connection, Store

__all__ = ["HOST", "Gateway", "running", "serve"]

Found = TypeVar("Found")
#: Bytes of answers that are kept.
KEPT_BYTES = 256 * 2**20
#: The time of day that it is where a view ends with a day: the session is over, and so are the hours after it.
EVENING = time(20, 30)
NO_SNAPSHOTS = "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"


class _Told(web.Response):
    """A response that says when it has been sent."""

    when_sent: Callable[[], None] | None = None

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        if self.when_sent:
            self.when_sent()
            self.when_sent = None


@dataclass
class Gateway:
    """The vendor's API over one store, as a view shows it. It is served once."""

    store: Store
    calendar: Calendar
    view: View = field(default_factory=View)
    read_through: ReadThrough | None = None
    #: Whether answers are compressed for those who take them so; between programs of one machine it does not pay.
    compresses: bool = True
    kept_bytes: int = KEPT_BYTES
    counts: Counts = field(default_factory=Counts, init=False)
    _kept: KeptAnswers = field(init=False)
    _market: Market | None = field(default=None, init=False)
    _version: Version = field(default=(), init=False)
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "gateway-reader"), init=False)

    def __post_init__(self) -> None:
        self._kept = KeptAnswers(self.kept_bytes)

    @property
    def answered(self) -> dict[str, int]:
        """Requests answered so far, by kind of path."""
        return dict(self.counts.kinds)

    def make_app(self, middlewares: Sequence[Middleware] = ()) -> web.Application:
        """The server's application. `middlewares` come first: what they do happens to every request."""
        app = web.Application(middlewares=[*middlewares, self._refuse])
        app.add_routes(
            [
                web.get("/v2/aggs/grouped/locale/us/market/stocks/{date}", self._grouped),
                web.get("/v2/aggs/ticker/{ticker}/prev", self._previous_close),
                web.get("/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}", self._custom_bars),
                web.get("/v1/open-close/{ticker}/{date}", self._open_close),
                web.get("/v3/reference/tickers", self._tickers),
                web.get("/v3/reference/tickers/{ticker}", self._ticker),
                web.get("/v3/reference/splits", self._old_splits),
                web.get("/stocks/v1/splits", self._splits),
                web.get("/v3/reference/dividends", self._dividends),
                web.get("/stocks/v1/dividends", self._dividends),
                web.get("/v2/snapshot/{rest:.+}", self._snapshot),
                web.get("/v1/marketstatus/now", self._market_status),
                web.get("/v1/marketstatus/upcoming", self._coming_holidays),
            ]
        )
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        """What lasts as long as it is served."""
        try:
            if self.read_through is None:
                yield
            else:
                async with self.read_through.opened(self.counts):
                    yield
        finally:
            if self._market is not None:
                self._reader.submit(self._market.close)
            # A reading that waits for the database is not waited for.
            self._reader.shutdown(wait=False)

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Words every refusal as the vendor does; a request without a key is refused, any key is good."""
        try:
            if not has_key(request.query, request.headers.get("Authorization", "")):
                raise Refusal(401, "API Key was not provided")
            response: web.StreamResponse = await handler(request)
            return response
        except Refusal as refusal:
            body = {**refusal.body, "request_id": _request_id(request.path)}
            return self._refusal(refusal.status, body, refusal.words, refusal.lacking)
        except StoreError as error:
            return self._refusal(503, {"status": "ERROR", "error": str(error)}, str(error))
        except web.HTTPNotFound:
            words = "The requested resource was not found."
            return self._refusal(404, Refusal(404, words).body, words)
        except web.HTTPMethodNotAllowed:
            return self._refusal(405, {"status": "ERROR", "error": "Only GET is answered."}, "Only GET is answered.")

    async def _grouped(self, request: web.Request) -> web.Response:
        day = read_day(request.match_info["date"])
        adjusted = read_flag(request.query, "adjusted", True)
        read_flag(request.query, "include_otc", False)  # the store holds none
        self._require_over(day)
        note = Note("grouped", session=day)
        return await self._answer(
            request, note, f"{day} {adjusted}", lambda market: answers.grouped_daily(market, day, adjusted)
        )

    async def _previous_close(self, request: web.Request) -> web.Response:
        ticker, adjusted = read_ticker(request.match_info["ticker"]), read_flag(request.query, "adjusted", True)
        if not self.view.shows(ticker):
            asked = answers.CustomBars(ticker, 1, "day", "", "", adjusted, False, 1)
            return self._nothing(request, Note("prev", ticker), asked)
        return await self._answer(
            request,
            Note("prev", ticker),
            f"{ticker} {adjusted}",
            lambda market: answers.previous_close(market, ticker, adjusted),
        )

    async def _open_close(self, request: web.Request) -> web.Response:
        ticker, day = read_ticker(request.match_info["ticker"]), read_day(request.match_info["date"])
        adjusted = read_flag(request.query, "adjusted", True)
        self._require_over(day)
        note = Note("open-close", ticker, day)
        self._require_shown(ticker, "Data not found.")
        return await self._answer(
            request,
            note,
            f"{ticker} {day} {adjusted}",
            lambda market: answers.open_close(market, ticker, day, adjusted),
        )

    async def _custom_bars(self, request: web.Request) -> web.Response:
        path, query = dict(request.match_info), from_cursor(request.query)
        asked = answers.read_custom_bars(path, query)
        note = Note("range", asked.ticker)
        if not self.view.shows(asked.ticker):
            return self._nothing(request, note, asked)
        if asked.is_intraday and self.read_through is not None:
            await self._fetch_minutes(asked, self.read_through)
        return await self._answer(request, note, str(asked), lambda market: answers.custom_bars(market, asked), query)

    async def _tickers(self, request: web.Request) -> web.Response:
        query = from_cursor(request.query)
        return await self._answer(
            request,
            Note("tickers"),
            _sorted(query),
            lambda market: _with(market, lambda connection: reference.tickers(connection, query, market.today)),
            query,
        )

    async def _ticker(self, request: web.Request) -> web.Response:
        ticker = read_ticker(request.match_info["ticker"])
        day = reference.day_asked(request.query, self._today())
        self._require_shown(ticker, "Ticker not found.")
        if self.read_through is not None:
            await self._fetch_details(ticker, day, self.read_through)
        return await self._answer(
            request,
            Note("ticker", ticker),
            f"{ticker} {day}",
            lambda market: _with(market, lambda connection: reference.ticker_details(connection, ticker, day)),
        )

    async def _old_splits(self, request: web.Request) -> web.Response:
        return await self._answer_splits(request, default=10, most=1_000, full=False)

    async def _splits(self, request: web.Request) -> web.Response:
        return await self._answer_splits(request, default=100, most=5_000, full=True)

    async def _answer_splits(self, request: web.Request, *, default: int, most: int, full: bool) -> web.Response:
        query = from_cursor(request.query)

        def work(connection: Connection) -> Reply:
            return reference.splits(connection, query, default=default, most=most, full=full)

        return await self._answer(
            request, Note("splits"), f"{full} {_sorted(query)}", lambda market: _with(market, work), query
        )

    async def _dividends(self, request: web.Request) -> web.Response:
        note = Note("dividends", request.query.get("ticker", ""), lacking="dividends")
        return self._sent(note, self._encoded(Reply({"results": [], "status": "OK"}), request.path))

    async def _snapshot(self, _: web.Request) -> web.Response:
        raise Refusal(403, NO_SNAPSHOTS, lacking="snapshots")

    async def _market_status(self, _: web.Request) -> web.Response:
        reply = reference.market_status(self.calendar, self._now())
        return self._sent(Note("marketstatus"), msgspec.json.encode(reply.answer))

    async def _coming_holidays(self, _: web.Request) -> web.Response:
        reply = reference.coming_holidays(self.calendar, self._today())
        return self._sent(Note("marketstatus"), msgspec.json.encode(reply.answer))

    # What is not there, and where it may come from

    def _require_over(self, day: date) -> None:
        """Refuses a day whose session is not over yet, in the vendor's words."""
        if day > self._last_day():
            raise Refusal(403, "Attempted to request today's data before end of day. Please upgrade your plan.")

    def _require_shown(self, ticker: str, words: str) -> None:
        if not self.view.shows(ticker):
            self.counts.hidden += 1
            raise Refusal(404, words)

    def _nothing(self, request: web.Request, note: Note, asked: answers.CustomBars) -> web.Response:
        """The answer for a ticker that the view does not show."""
        note.is_hidden = True
        return self._sent(note, self._encoded(Reply(asked.nothing), request.path))

    async def _fetch_minutes(self, asked: answers.CustomBars, source: ReadThrough) -> None:
        within = intraday.read_range(asked.ticker, asked.first, asked.last, self.calendar, self._last_day())

        async def missing() -> list[date]:
            def work() -> list[date]:
                with self._open() as connection:
                    return intraday.missing(connection, within)

            return await self._on_reader(work)

        await source.minutes(asked.ticker, missing, self._save)

    async def _fetch_details(self, ticker: str, day: date, source: ReadThrough) -> None:
        async def lacks() -> bool:
            def work() -> bool:
                with self._open() as connection:
                    return reference.lacks_details(connection, ticker, day)

            return await self._on_reader(work)

        await source.details(ticker, day, lacks, self._save)

    async def _save(self, keep: Callable[[Connection], None]) -> None:
        """Keep what was fetched. What is kept in memory stays good, if nobody else has changed the store meanwhile."""
        source = self.read_through
        assert source
        try:
            before, after = await self._on_reader(lambda: source.write(keep))
        except ScanPipelineError as error:
            source.note_failure(error)
            return
        if before == self._version[:-1]:
            self._version = (*after, self._version[-1])

    # Reading, keeping, sending

    async def _answer(
        self,
        request: web.Request,
        note: Note,
        key: str,
        reading: Callable[[Market], Reply],
        query: Mapping[str, str] | None = None,
    ) -> web.Response:
        """The answer as kept, or as read now; compressed for those who take it so."""
        self.counts.arrived += 1
        market = self._current_market()
        base = f"{request.scheme}://{request.host}"
        is_packed = self.compresses and takes_gzip(request.headers.get("Accept-Encoding", ""))
        # Addresses of next pages are part of an answer. No key is part of what it is kept under.
        key = f"{base} {note.kind} {key}"
        path = request.rel_url.raw_path

        def work() -> Body:
            reply = reading(market)
            if reply.place is not None and isinstance(reply.answer, dict):
                reply.answer["next_url"] = f"{base}{path}?cursor={to_cursor(query or {}, reply.place)}"
            content = self._encoded(reply, key)
            return Body(gzip.compress(content, compresslevel=1, mtime=0) if is_packed else content, reply.lacking)

        def keeps(body: Body) -> bool:
            return not (body.lacking and self.read_through)  # it may come yet

        # What is read while the database changes is never kept for its new state.
        state = (self._version, f"{is_packed} {key}")
        body = await self._kept.get(state, lambda: self._on_reader(work), keeps)
        note.lacking = body.lacking
        return self._sent(note, body.content, is_packed=is_packed)

    async def _on_reader(self, work: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    def _open(self) -> AbstractContextManager[Connection]:
        return self.view.read(self.store)

    def _current_market(self) -> Market:
        """Answers hold for one state of the database, and for one day: another may bring a split's ex-date."""
        today = self._today()
        version = (*state_of(self.store.path), today)
        if version != self._version or self._market is None:
            self._kept.forget()
            if self._market is not None:
                self._reader.submit(self._market.close)
            self._version, self._market = version, Market(self._open, self.calendar, today)
        return self._market

    def _now(self) -> datetime:
        if self.view.as_of is not None:
            return datetime.combine(self.view.as_of, EVENING, NEW_YORK)
        return datetime.now(NEW_YORK)

    def _today(self) -> date:
        return self._now().date()

    def _last_day(self) -> date:
        """The last day whose session is over, for who asks."""
        closed = self.calendar.latest_closed()
        return closed if self.view.as_of is None else min(closed, self.view.as_of)

    def _encoded(self, reply: Reply, key: str) -> bytes:
        answer = reply.answer
        if isinstance(answer, dict):
            answer["request_id"] = _request_id(key)
            if "count" in answer:  # the vendor's order: the count comes last
                answer["count"] = answer.pop("count")
            if "next_url" in answer:
                answer["next_url"] = answer.pop("next_url")
        return msgspec.json.encode(answer)

    def _sent(self, note: Note, content: bytes, *, is_packed: bool = False) -> web.Response:
        response = _Told(body=content, content_type="application/json")
        if is_packed:
            response.headers["Content-Encoding"] = "gzip"
        response.when_sent = lambda: self.counts.add(note)
        return response

    def _refusal(self, status: int, body: Mapping[str, Any], words: str, lacking: str = "") -> web.Response:
        response = _Told(status=status, body=msgspec.json.encode(body), content_type="application/json")
        response.when_sent = lambda: self.counts.add_refusal(f"{status} {words}", lacking)
        return response


def _with(market: Market, work: Callable[[Connection], Reply]) -> Reply:
    with market.reading() as connection:
        return work(connection)


def _request_id(key: str) -> str:
    return hashlib.md5(f"{key}{datetime.now(UTC).date()}".encode(), usedforsecurity=False).hexdigest()


def _sorted(query: Mapping[str, str]) -> str:
    return str(sorted((name, value) for name, value in query.items() if not is_key(name)))
