"""Which of the vendor's endpoints a script asks, and which other hosts: read from the texts that it puts together.

What belongs here: the vendor's paths and its client's methods, in words. What does not: how texts are put together
(`parsing.py`), and what is answered.
"""

import ast
import re
from collections.abc import Iterator

from scan_pipeline.scripts.inspecting.parsing import HOLE, Texts, called

VENDOR_HOSTS = ("api.polygon.io", "api.massive.com")
_SEGMENT = r"[^/?#\s]+"
_BARS = re.compile(rf"v2/aggs/ticker/{_SEGMENT}/range/({_SEGMENT})/({_SEGMENT})")
#: The first pattern that is found in a path says what is asked.
_PATHS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"v2/aggs/grouped/", "grouped daily"),
        (rf"v2/aggs/ticker/{_SEGMENT}/prev", "previous day"),
        (r"v2/aggs/ticker/", "custom bars"),
        (r"v\d/reference/tickers/types", "ticker types"),
        (rf"v\d/reference/tickers/{_SEGMENT}", "ticker details"),
        (r"v\d/reference/tickers", "tickers"),
        (r"v\d/reference/splits|stocks/v\d/splits", "splits"),
        (r"v\d/reference/dividends|stocks/v\d/dividends", "dividends"),
        (r"v\d/reference/news", "news"),
        (r"v\w/reference/financials", "financials"),
        (r"v\d/snapshot", "snapshot"),
        (r"v\d/open-close/", "open and close"),
        (r"v\d/marketstatus", "market status"),
        (r"v\d/indicators/", "indicators"),
        (r"v\d/(last|trades|quotes|ticks)/", "trades and quotes"),
    )
)
_URL = re.compile(r"^\s*(?:https?|wss?)://([^/\s?#]*)([^\s?#]*)", re.IGNORECASE)
_PATH = re.compile(r"(?:^|/)(?=v[\dX]/|stocks/v\d/)")
#: Methods of the vendor's own client.
_METHODS = {
    "get_grouped_daily_aggs": "grouped daily",
    "get_previous_close_agg": "previous day",
    "get_daily_open_close_agg": "open and close",
    "get_ticker_details": "ticker details",
    "list_tickers": "tickers",
    "list_splits": "splits",
    "list_dividends": "dividends",
    "get_snapshot_all": "snapshot",
    "get_snapshot_ticker": "snapshot",
    "get_snapshot_direction": "snapshot",
    "list_universal_snapshots": "snapshot",
    "list_ticker_news": "news",
    "get_market_status": "market status",
    "get_market_holidays": "market status",
}
_BAR_METHODS = ("list_aggs", "get_aggs")
_CONNECTIONS = ("HTTPSConnection", "HTTPConnection", "HTTPSConnectionPool", "HTTPConnectionPool", "create_connection")


def find_endpoints(tree: ast.Module, texts: Texts, imports: set[str]) -> tuple[str, ...]:
    """What is asked, in words and in the order of the script; `other host: …` for hosts that are not the vendor's."""
    found = [words for text in texts for words in endpoints_in(text.text)]
    found += _of_connections(tree, texts)
    if imports & {"polygon", "massive"}:
        found += _of_client(tree, texts)
    # A path that is put together in two places is told by the place that knows more.
    if any(one.startswith("custom bars (") for one in found):
        found = [one for one in found if one != "custom bars"]
    return tuple(dict.fromkeys(found))


def endpoints_in(text: str) -> Iterator[str]:
    """What a text asks, where it is a URL or a path of the vendor's."""
    host, path = "", text
    if match := _URL.match(text):
        host, path = match[1].lower().rpartition("@")[2].partition(":")[0], match[2]
        if host and host not in VENDOR_HOSTS and not {"{", "}", "%"} & set(host):
            yield f"other host: {host}"
            return
    start = _PATH.search(path)
    if start is None or " " in path[: start.start()].strip():
        return
    path = path[start.end() :].split("?")[0].strip()
    if bars := _BARS.match(path):
        yield bars_in_words(bars[1], bars[2])
        return
    for pattern, words in _PATHS:
        if pattern.match(path):
            yield words
            return
    if host:
        yield f"another endpoint: /{path}"


def bars_in_words(number: str, unit: str) -> str:
    """`custom bars (30 minutes)`; what is known only at the run is left out."""
    if not unit.isalpha():
        return "custom bars"
    if number == "1":
        return f"custom bars ({unit})"
    return f"custom bars ({number} {unit}s)" if number.isdigit() else f"custom bars ({unit}s)"


def _of_connections(tree: ast.Module, texts: Texts) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in _CONNECTIONS and node.args:
            host = (texts.of(node.args[0]) or "").partition(":")[0].lower()
            if "." in host and host not in VENDOR_HOSTS and HOLE not in host and "/" not in host:
                yield f"other host: {host}"


def _of_client(tree: ast.Module, texts: Texts) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if words := _METHODS.get(called(node)):
            yield words
        elif called(node) in _BAR_METHODS:
            given = dict(zip(("ticker", "multiplier", "timespan"), node.args, strict=False))
            given |= {one.arg: one.value for one in node.keywords if one.arg}
            number, unit = given.get("multiplier"), given.get("timespan")
            known = str(number.value) if isinstance(number, ast.Constant) else texts.of(number) or HOLE
            yield bars_in_words(known, texts.of(unit) or HOLE)
