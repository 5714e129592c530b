"""What the processes of `scripts.py` do beside the scripts themselves: `python _script_workloads.py NAME ARGUMENTS`.

`serve` is the vendor: our gateway over a filled store, every answer held back by a latency, and a count of what it was
asked. The others print what they found as one line of JSON.
"""

import asyncio
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any


def serve(latency_ms: str, as_of: str) -> None:
    """The vendor as of a session, until it is ended; says its port as a line of JSON. `/calls` says what was asked."""
    from aiohttp import web

    from scan_pipeline.gateway.server import HOST, Gateway
    from scan_pipeline.gateway.view import View
    from scan_pipeline.pipeline import Pipeline
    from scan_pipeline.settings import load_settings

    pipeline = Pipeline(load_settings())
    calls = 0

    @web.middleware
    async def hold_back(request: web.Request, handler: Any) -> web.StreamResponse:
        nonlocal calls
        if request.path == "/calls":
            return web.json_response({"calls": calls})
        calls += 1
        answer: web.StreamResponse = await handler(request)
        await asyncio.sleep(float(request.headers.get("X-Latency", latency_ms)) / 1000)
        return answer

    async def run() -> None:
        gateway = Gateway(pipeline.store, pipeline.calendar, View(as_of=date.fromisoformat(as_of)))
        runner = web.AppRunner(gateway.make_app([hold_back]), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def ask(url: str, pid: str, paths: str) -> dict[str, Any]:
    """Ask for each path of a file, one after the other and without latency: the server's processor time and rows."""
    import aiohttp
    import psutil

    asked = Path(paths).read_text(encoding="utf-8").splitlines()

    async def run() -> int:
        received = 0
        headers = {"X-Latency": "0", "Accept-Encoding": "gzip"}
        # Not decompressed here: it is the server's work that is measured.
        async with aiohttp.ClientSession(headers=headers, auto_decompress=False) as http:
            for path in asked:
                async with http.get(url + path) as answer:
                    answer.raise_for_status()
                    received += len(await answer.read())
        return received

    server = psutil.Process(int(pid))
    before = sum(server.cpu_times()[:2])
    received = asyncio.run(run())
    return {"server_ms": (sum(server.cpu_times()[:2]) - before) / len(asked) * 1000, "bytes": received}


def symbols(session: str) -> dict[str, Any]:
    """The symbols that have a bar on a session."""
    return {
        "symbols": [
            symbol for (symbol,) in _query("select symbol from price_bars where session = ? order by 1", session)
        ]
    }


def outcome(name: str, as_of: str) -> dict[str, Any]:
    """What the store says of a script's last run as of a session, and its hits as (session, symbol)."""
    columns = ("ok", "hits", "message", "source", "shards", "symbols_held", "symbols_shown", "requests", "vendor_calls",
               "seconds", "peak_mib", "isolation", "folder")  # fmt: skip
    rows = _query(f"select {', '.join(columns)} from script_outcomes where script = ? and as_of = ?", name, as_of)
    found = _query("select session::VARCHAR, symbol from script_results where script = ? and as_of = ?", name, as_of)
    if not rows:
        sys.exit(f"The store knows of no run of {name} as of {as_of}.")
    return dict(zip(columns, rows[0], strict=True)) | {"found": [list(one) for one in found]}


def passed(session: str) -> dict[str, Any]:
    """The symbols that passed the screen on a session."""
    asked = "select symbol from prefiltered_symbols where session = ? and passed order by 1"
    return {"symbols": [symbol for (symbol,) in _query(asked, session)]}


def _query(sql: str, *parameters: str) -> list[tuple[Any, ...]]:
    from scan_pipeline.pipeline import Pipeline
    from scan_pipeline.settings import load_settings

    with Pipeline(load_settings()).store.read() as connection:
        return connection.execute(sql, list(parameters)).fetchall()


if __name__ == "__main__":
    workloads = {one.__name__: one for one in (serve, ask, symbols, outcome, passed)}
    said = workloads[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(said), flush=True)
