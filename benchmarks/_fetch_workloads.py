"""What one measured process of `fetch.py` does: `python _fetch_workloads.py NAME ARGUMENTS`.

`serve` is the vendor: our gateway over a filled store, every answer held back by a latency. The others ask it, each in
its own way, and print what they found as one line of JSON: seconds, processor seconds, rows.
"""

import asyncio
import json
import sys
import time
from datetime import date
from typing import Any


def serve(latency_ms: str) -> None:
    """The vendor, until it is ended; says its port as a line of JSON."""
    from aiohttp import web

    from scan_pipeline.gateway.server import HOST, Gateway
    from scan_pipeline.pipeline import Pipeline
    from scan_pipeline.settings import load_settings

    pipeline = Pipeline(load_settings())

    @web.middleware
    async def hold_back(request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        await asyncio.sleep(float(request.headers.get("X-Latency", latency_ms)) / 1000)
        return answer

    async def run() -> None:
        runner = web.AppRunner(Gateway(pipeline.store, pipeline.calendar).make_app([hold_back]), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def sequential(url: str, *sessions: str) -> dict[str, Any]:
    """One request after the other with requests, json and pandas, as scripts do."""
    import pandas as pd
    import requests

    started = time.perf_counter()
    rows = 0
    with requests.Session() as http:
        for session in sessions:
            answer = http.get(f"{url}{_path(session)}", params={"adjusted": "false", "apiKey": "any"}, timeout=30)
            rows += len(pd.DataFrame(answer.json().get("results", [])))
    return _said(started, rows)


def yardstick(url: str, concurrency: str, *sessions: str) -> dict[str, Any]:
    """Many at a time with aiohttp, parsed by msgspec into rows, and nothing else: as little as can be done."""
    import aiohttp

    from scan_pipeline.providers.massive import _GROUPED

    async def run() -> int:
        slots = asyncio.Semaphore(int(concurrency))

        async def one(session: str) -> int:
            async with (
                slots,
                http.get(f"{url}{_path(session)}", params={"adjusted": "false", "apiKey": "any"}) as answer,
            ):
                return len(_GROUPED.decode(await answer.read()).results or [])

        async with aiohttp.ClientSession() as http:
            return sum(await asyncio.gather(*map(one, sessions)))

    started = time.perf_counter()
    return _said(started, asyncio.run(run()))


def fetch(url: str, concurrency: str, *sessions: str) -> dict[str, Any]:
    """Ours, without storing: `fetch_sessions_sync`."""
    from pathlib import Path

    from scan_pipeline.providers import http, massive

    parsing = [0.0]
    read = massive.read_grouped

    def timed(body: bytes) -> Any:
        began = time.thread_time()
        rows = read(body)
        parsing[0] += time.thread_time() - began
        return rows

    massive.read_grouped = timed
    client = http.VendorClient(
        url, "any", http.Plan("unlimited", 100_000, 1), Path("calls.sqlite"), int(concurrency), 30, 3
    )
    days = [date.fromisoformat(session) for session in sessions]
    started = time.perf_counter()
    rows = sum(len(one.rows) for one in massive.fetch_sessions_sync(client, days))
    return _said(started, rows) | {"parsing": parsing[0], "calls": client.calls}


def ingest(first: str, last: str) -> dict[str, Any]:
    """Ours, with the store: what `scan-pipeline ingest --provider massive` does between Dagster's start and end."""
    from scan_pipeline.pipeline import Pipeline
    from scan_pipeline.settings import load_settings

    pipeline = Pipeline(load_settings())
    provider = pipeline.provider()
    sessions = pipeline.calendar.between(date.fromisoformat(first), date.fromisoformat(last))
    started = time.perf_counter()
    rows = sum(one.delivered for one in pipeline.ingest(sessions, "benchmark", provider))
    return _said(started, rows) | {"calls": provider.calls}


def readers(url: str, pid: str, count: str, *sessions: str) -> dict[str, Any]:
    """So many readers at once, each asking for every session, from a warm cache and without latency."""
    import aiohttp
    import psutil

    async def run() -> tuple[float, float, int]:
        headers = {"X-Latency": "0", "Accept-Encoding": "gzip"}
        connector = aiohttp.TCPConnector(limit=int(count))
        # Not decompressed here: it is the server's work that is measured.
        async with aiohttp.ClientSession(headers=headers, connector=connector, auto_decompress=False) as http:

            async def one(session: str) -> None:
                async with http.get(f"{url}{_path(session)}?adjusted=false&apiKey=any") as answer:
                    assert answer.status == 200
                    await answer.read()

            for session in sessions:
                await one(session)  # warm
            server = psutil.Process(int(pid))
            before, started = sum(server.cpu_times()[:2]), time.perf_counter()
            await asyncio.gather(*(one(session) for _ in range(int(count)) for session in sessions))
            spent = sum(server.cpu_times()[:2]) - before
            return time.perf_counter() - started, spent, int(server.memory_info().rss)

    seconds, server_cpu, resident = asyncio.run(run())
    asked = int(count) * len(sessions)
    return {
        "requests_per_s": asked / seconds,
        "server_ms": server_cpu / asked * 1000,
        "server_mib": resident / 2**20,
    }


def _path(session: str) -> str:
    return f"/v2/aggs/grouped/locale/us/market/stocks/{session}"


def _said(started: float, rows: int) -> dict[str, Any]:
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time(), "rows": rows}


if __name__ == "__main__":
    workloads = {one.__name__: one for one in (serve, sequential, yardstick, fetch, ingest, readers)}
    said = workloads[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(said), flush=True)
