"""Serving a gateway: until Ctrl-C on a port of its own, or in a thread on a socket that somebody else has opened.

What belongs here: event loops, sockets, and their end. What does not: what is answered (`server.py`).
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from aiohttp import web

HOST = "127.0.0.1"
#: How long requests under way are waited for at the end, in seconds.
LAST_SECONDS = 0.3


class Servable(Protocol):
    """What can be served."""

    def make_app(self) -> web.Application:
        """Its application."""


def serve(gateway: Servable, port: int, started: Callable[[int], None]) -> None:
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


@contextmanager
def running(gateway: Servable, listener: socket.socket, tls: ssl.SSLContext | None) -> Iterator[None]:
    """Serves on a listening socket, in a thread, while the block runs; the socket is closed at the end.

    The socket may belong to another network namespace. What keeps it from starting is raised here. At the end
    connections that are still open are cut, and requests under way get a moment.
    """
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    is_up = threading.Event()
    faults: list[BaseException] = []

    async def run() -> None:
        runner = web.AppRunner(gateway.make_app(), access_log=None, shutdown_timeout=LAST_SECONDS)
        try:
            await runner.setup()
            await web.SockSite(runner, listener, ssl_context=tls).start()
            is_up.set()
            await stop.wait()
        finally:
            await runner.cleanup()

    def work() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(run())
        except BaseException as error:
            faults.append(error)
        finally:
            _end(loop)
            is_up.set()

    thread = threading.Thread(target=work, name="gateway", daemon=True)
    thread.start()
    is_up.wait()
    try:
        if not faults:
            yield
    finally:
        if not faults:
            loop.call_soon_threadsafe(stop.set)
        thread.join()
        listener.close()
    if faults:
        raise faults[0]


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Nothing of the loop is left: a client that does not say goodbye is not waited for."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
