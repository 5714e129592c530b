"""A gateway to ask, in a thread or as the command, and the yardstick of what it should answer.

The yardstick is pandas over the rows that were written into the feed: it shares nothing with the store's SQL.
"""

import http.client
import json
import math
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import pandas as pd

from scan_pipeline.gateway.read_through import ReadThrough
from scan_pipeline.gateway.server import HOST, Gateway, running
from scan_pipeline.gateway.view import View
from scan_pipeline.pipeline import Pipeline
from scan_pipeline_tests.desk import Row

NEW_YORK = ZoneInfo("America/New_York")
BEARER = {"Authorization": "Bearer any"}
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
#: The vendor's field order.
ENVELOPE = ["queryCount", "resultsCount", "adjusted", "results", "status", "request_id", "count"]
BAR = ["v", "vw", "o", "c", "h", "l", "t", "n"]


@dataclass(frozen=True)
class Answered:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON in a body that is not compressed; its objects keep their order."""
        return json.loads(self.raw)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The results of an answer that went well."""
        assert self.status == 200, (self.status, self.raw[:300])
        return self.body.get("results", [])


@dataclass(frozen=True)
class Served:
    """A gateway's address, and plain HTTP requests to it. `gateway` is None for a process of its own."""

    url: str
    gateway: Gateway | None = None

    def get(self, path: str, /, headers: dict[str, str] = BEARER, method: str = "GET", **query: object) -> Answered:
        """Ask for a path, or for a whole address such as a `next_url`. `ticker__gte=…` asks for `ticker.gte=…`."""
        words = {name.replace("__", ".").rstrip("_"): value for name, value in query.items()}
        target = path.removeprefix(self.url) + (f"?{urlencode(words)}" if words else "")
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            connection.request(method, target, headers=headers)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answered(response.status, lowered, response.read())
        finally:
            connection.close()

    def pages(self, path: str, /, **query: object) -> list[Answered]:
        """A first page and all that follow it."""
        pages = [self.get(path, **query)]
        while (following := pages[-1].body.get("next_url")) is not None:
            pages.append(self.get(following))
            assert len(pages) < 2_000, "The pages never end."
        return pages


@contextmanager
def serving(
    pipeline: Pipeline, view: View | None = None, read_through: ReadThrough | None = None, **options: Any
) -> Iterator[Served]:
    """The gateway over a pipeline's store, on a free port, in a thread of this process."""
    gateway = Gateway(pipeline.store, pipeline.calendar, view or View(), read_through, **options)
    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]
    with running(gateway, listener, None):
        yield Served(f"http://{HOST}:{port}", gateway)


@contextmanager
def command(pipeline: Pipeline, folder: Path) -> Iterator[tuple[Served, "subprocess.Popen[str]"]]:
    """`scan-pipeline gateway --port 0` over a pipeline's store, in a process of its own, once it has said where."""
    environment = {
        **os.environ,
        "SCAN_DATA_DIR": str(pipeline.settings.data_dir),
        "SCAN_PROVIDER": pipeline.settings.provider,
        "SCAN_FILES_PATH": str(pipeline.settings.files_path),
        "COLUMNS": "300",
    }
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("scan-pipeline")), "gateway", "--port", "0"],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()  # waits until it serves
        address = next((word for word in first.split() if word.startswith("http://")), None)
        assert address, first + process.stdout.read()
        yield Served(address.rstrip(",")), process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def new_york_ms(day: date, hour: int) -> int:
    """An hour of a day in New York, in milliseconds since 1970."""
    return int(datetime.combine(day, time(hour), NEW_YORK).timestamp()) * 1000


def day_of(ms: int) -> date:
    """The day in New York of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, NEW_YORK).date()


# A market written by hand

#: symbol, ex-date, from, to. `LATER` has only a split that is announced and has not come.
SPLITS: list[tuple[str, str, float, float]] = [
    ("AAA", "2022-06-15", 1, 2),
    ("AAA", "2022-11-01", 1, 3),
    ("AAA", "2023-03-06", 20, 1),
    ("BRK.B", "2023-02-01", 2, 3),
    ("BRK.B", "2023-02-02", 1, 50),
    ("LATER", "2099-01-02", 1, 10),
    ("aa", "2022-08-08", 5, 4),
]
SYMBOLS = ("AA", "AAA", "AHACW", "BRK.B", "KIMpL", "LATER", "THIN", "aA", "aa")


def hand_made_rows(sessions: Sequence[date]) -> list[Row]:
    """Bars with volume-weighted prices, trades and fractional volumes; `THIN` has gaps, `AA` lacks some averages."""
    chance = random.Random(7)
    rows: list[Row] = []
    for symbol in SYMBOLS:
        for number, day in enumerate(sessions):
            if symbol == "THIN" and chance.random() < 0.6:
                continue
            low = round(chance.uniform(5, 300), 2)
            high = round(low * chance.uniform(1, 1.1), 2)
            rows.append(
                {
                    "symbol": symbol,
                    "date": str(day),
                    "open": round(chance.uniform(low, high), 2),
                    "high": high,
                    "low": low,
                    "close": round(chance.uniform(low, high), 2),
                    "volume": chance.randrange(1, 10**7) + (0.25 if number % 3 == 0 else 0.0),
                    "vwap": None if symbol == "AA" and number % 50 == 0 else round(chance.uniform(low, high), 4),
                    "trades": None if symbol == "AA" and number % 50 == 0 else chance.randrange(1, 10**5),
                }
            )
    return rows


def brute_force_factor(symbol: str, after: date, until: date) -> float:
    """What a price of a day is multiplied by: the product over the splits after it, one by one."""
    factor = 1.0
    for name, ex_date, split_from, split_to in SPLITS:
        if name == symbol and after < date.fromisoformat(ex_date) <= until:
            factor *= split_from / split_to
    return factor


def expected_bars(
    rows: Sequence[Row], symbol: str, first: date, last: date, *, adjusted: bool, timespan: str = "day"
) -> list[dict[str, Any]]:
    """What custom bars should answer, by pandas."""
    daily = pd.DataFrame([row for row in rows if row["symbol"] == symbol])
    daily["day"] = pd.to_datetime(daily["date"])
    begins = {
        "day": daily["day"],
        "week": daily["day"] - pd.to_timedelta((daily["day"].dt.day_of_week + 1) % 7, unit="D"),
        "month": daily["day"].dt.to_period("M").dt.start_time,
        "quarter": daily["day"].dt.to_period("Q").dt.start_time,
        "year": daily["day"].dt.to_period("Y").dt.start_time,
    }
    daily["begins"] = begins[timespan]

    def beginning(day: date) -> pd.Timestamp:
        return pd.Timestamp(
            {
                "day": day,
                "week": day - timedelta(days=(day.weekday() + 1) % 7),
                "month": day.replace(day=1),
                "quarter": date(day.year, day.month - (day.month - 1) % 3, 1),
                "year": date(day.year, 1, 1),
            }[timespan]
        )

    # The range holds whole spans: those of its first day and of its last.
    daily = daily[daily["begins"].between(beginning(first), beginning(last))].sort_values("day")
    today = datetime.now(NEW_YORK).date()
    factor = [brute_force_factor(symbol, day.date(), today) if adjusted else 1.0 for day in daily["day"]]
    for name in ("open", "high", "low", "close", "vwap"):
        daily[name] = daily[name].astype(float) * factor
    daily["volume"] = daily["volume"] / factor
    bars = []
    for begins_on, span in daily.groupby("begins", sort=True):
        volume = float(span["volume"].sum())
        bars.append(
            {
                "v": volume,
                "vw": None if span["vwap"].isna().any() else float((span["vwap"] * span["volume"]).sum() / volume),
                "o": float(span["open"].iloc[0]),
                "c": float(span["close"].iloc[-1]),
                "h": float(span["high"].max()),
                "l": float(span["low"].min()),
                "t": new_york_ms(begins_on.date(), 0),
                "n": None if span["trades"].isna().any() else int(span["trades"].sum()),
            }
        )
    return bars


def same(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> bool:
    """Whether bars agree: keys and their order, times, trades and missing values exactly, prices to 12 digits."""

    def agree(one: object, other: object) -> bool:
        if isinstance(one, int | float) and isinstance(other, int | float):
            return math.isclose(one, other, rel_tol=1e-12)
        return one == other

    return len(found) == len(expected) and all(
        list(one) == list(other) and all(agree(one[name], other[name]) for name in one)
        for one, other in zip(found, expected, strict=True)
    )
