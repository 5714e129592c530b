"""A vendor for tests: a real HTTP server on loopback, in a thread of its own, that can misbehave and keeps a log.

What it answers comes from an aiohttp application (a gateway's, say) or from one function. For every request, `fault`
may name one of the ways in which vendors fail; the log holds when each request came and what became of it.
"""

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import TracebackType
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

KEY = "k3y-that-nobody-may-see-0123456789"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/"
SPLITS = "/stocks/v1/splits"

MakeApp = Callable[[Sequence[Middleware]], web.Application]


@dataclass
class Asked:
    """One request. `seconds` is how long its whole answer took; None where there was none."""

    at: float
    path: str
    query: Mapping[str, str]
    authorization: str
    fault: str = ""
    seconds: float | None = None

    @property
    def session(self) -> date | None:
        """The session that was asked for; None for anything else."""
        return date.fromisoformat(self.path.removeprefix(GROUPED)) if self.path.startswith(GROUPED) else None


#: The fault for a request, with its number from 0; empty for none.
Fault = Callable[[int, Asked], str]


@dataclass
class Vendor:
    """Serves while its `with` block runs."""

    make_app: MakeApp
    fault: Fault = lambda number, asked: ""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _closing: asyncio.Event | None = None
    _thread: threading.Thread | None = None

    @property
    def sessions(self) -> list[date]:
        """The sessions that were asked for, in order of asking."""
        return [asked.session for asked in self.asked if asked.session]

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        assert self._runner
        assert self._runner.server
        return len(self._runner.server.connections)

    def __enter__(self) -> "Vendor":
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="vendor", daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._loop
        assert self._closing
        assert self._thread
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(
            self.make_app([self._misbehave]), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runner, self.url = runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await self._closing.wait()
        await runner.cleanup()

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = Asked(
            time.monotonic(), request.path, dict(request.query), request.headers.get("Authorization", "")
        )  # fmt: skip
        number = len(self.asked)
        self.asked.append(asked)
        asked.fault = self.fault(number, asked)
        answer = await self._answer(asked.fault, request, handler)
        asked.seconds = time.monotonic() - asked.at
        return answer

    async def _answer(self, fault: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        match fault.split(":"):
            case [""]:
                return await handler(request)
            case ["429", wait]:
                return refusal(429, {"status": "ERROR", "error": "You've exceeded it."}, {"Retry-After": wait})
            case ["429"]:
                return web.Response(status=429)
            case ["401"]:
                return refusal(401, {"status": "ERROR", "error": f"Unknown API Key {KEY}"})
            case ["500"]:
                return web.Response(status=500, text="a stack trace")
            case ["hang"]:
                assert self._closing
                await self._closing.wait()
                return web.Response(status=500)
            case ["reset"]:
                begun = web.StreamResponse(headers={"Content-Length": "100000"})
                await begun.prepare(request)
                await begun.write(b'{"status":"OK","results":[')
                assert request.transport
                request.transport.abort()
                return begun
        # The rest spoils a good answer.
        body = await _body(await handler(request))
        said = json.loads(body)
        match fault:
            case "truncated":
                body = body[: len(body) // 2]
            case "truncated gzip":
                return web.Response(body=gzip.compress(body)[:-20], headers={"Content-Encoding": "gzip"})
            case "no gzip":
                return web.Response(body=body, headers={"Content-Encoding": "gzip"})
            case "page of a proxy":
                body = b"<html>Please log in</html>"
            case "null":
                body = json.dumps(said | {"results": None}).encode()
            case "miscounted":
                body = json.dumps(said | {"results": said["results"][:-1]}).encode()
            case "lost":
                body = json.dumps({name: value for name, value in said.items() if name != "results"}).encode()
            case "text for a price":
                said["results"][0]["c"] = "10.5"
                body = json.dumps(said).encode()
            case "no ticker":
                del said["results"][0]["T"]
                body = json.dumps(said).encode()
            case "status":
                body = json.dumps(said | {"status": "ERROR"}).encode()
            case _:
                raise AssertionError(fault)
        return web.Response(body=body, content_type="application/json")


def scripted(answer: Callable[[web.Request], Awaitable[web.StreamResponse]], fault: Fault | None = None) -> Vendor:
    """A vendor that answers every path by one function."""

    def make_app(middlewares: Sequence[Middleware]) -> web.Application:
        app = web.Application(middlewares=middlewares)
        app.router.add_route("*", "/{path:.*}", answer)
        return app

    return Vendor(make_app, fault) if fault else Vendor(make_app)


def refusal(status: int, body: Mapping[str, str], headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of the vendor's that says no."""
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers
    )  # fmt: skip


def grouped(rows: Sequence[Mapping[str, Any]]) -> web.Response:
    """A good answer for the whole market."""
    return web.json_response(
        {"queryCount": len(rows), "resultsCount": len(rows), "adjusted": False, "results": list(rows), "status": "OK"}
    )


def most_in_a_window(asked: Sequence[Asked], seconds: float) -> int:
    """The most requests that came within any window of so many seconds."""
    times = sorted(one.at for one in asked)
    return max(sum(start <= at < start + seconds for at in times) for start in times)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for never came"
        time.sleep(0.005)


async def _body(response: web.StreamResponse) -> bytes:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    return gzip.decompress(response.body) if response.headers.get("Content-Encoding") == "gzip" else response.body
