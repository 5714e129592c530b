"""A market to try everything on: made up, deterministic, and as dirty as a real one.

It is written once, as files that the provider `files` reads: a feed of Parquet files, `splits.csv` and `symbols.csv`.
So it is also an example of the format. Two years of sessions to the end of 2025, with splits (forward and reverse, some
learned early or late), listings and delistings, halts, missing bars, revised prints, and rows that are no bars.
The same number of symbols always gives the same rows; the first symbols do not depend on how many there are.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from scan_pipeline.providers.files import FilesProvider
from scan_pipeline.quoting import literal
from scan_pipeline.sessions import Calendar, SessionArray

FIRST, LAST = date(2024, 1, 2), date(2025, 12, 31)
#: Raised when the rows change: a market of another version is made anew.
VERSION = 1
SEED = 20240102
#: Symbols are made in blocks of this size, each from its own seed.
BLOCK = 1_000

#: The first symbols: funds that scanners and market context look for, with an average volume in shares and a price.
FUNDS = {
    "SPY": ("S&P 500 fund", 60e6, 470.0), "QQQ": ("Nasdaq 100 fund", 45e6, 405.0),
    "IWM": ("Small companies fund", 30e6, 198.0), "HYG": ("High yield bonds fund", 35e6, 77.0),
    "LQD": ("Corporate bonds fund", 20e6, 110.0), "TLT": ("Long treasuries fund", 40e6, 97.0),
    "SHY": ("Short treasuries fund", 4e6, 82.0), "VIXY": ("Volatility futures fund", 6e6, 15.0),
}  # fmt: skip
SECTORS = ("Technology", "Health Care", "Finance", "Industrials", "Consumer Discretionary", "Energy", "Real Estate",
           "Utilities", "Basic Materials", "Consumer Staples", "Telecommunications")  # fmt: skip
#: Old shares, new shares, and how often.
SPLITS = ((1, 2, 0.3), (1, 3, 0.1), (2, 3, 0.1), (1, 4, 0.1), (1, 7, 0.05), (10, 1, 0.2), (20, 1, 0.1), (5, 1, 0.05))


class DemoProvider(FilesProvider):
    """The provider `demo`."""

    def __init__(self, folder: Path, symbols: int, calendar: Calendar) -> None:
        self.folder = folder / f"v{VERSION}-{symbols}-symbols"
        self.reused = self.folder.exists()
        if not self.reused:
            make_market(self.folder, symbols, calendar)
        super().__init__(self.folder / "feed", name="demo")

    def held(self) -> tuple[date, date]:
        """The first and the last session of the market."""
        return FIRST, LAST


def make_market(folder: Path, symbols: int, calendar: Calendar) -> None:
    """Write the market's files. The folder appears complete or not at all."""
    sessions = np.array(calendar.between(FIRST, LAST), dtype="datetime64[D]")
    holidays = np.array([day for day in calendar.closed_weekdays() if FIRST < day < LAST], dtype="datetime64[D]")
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(aside, ignore_errors=True)  # left by a killed process that had our number
    (aside / "feed").mkdir(parents=True)
    try:
        # On disk, so that making the market takes no more memory than scanning it.
        with duckdb.connect(str(aside / "work.duckdb"), config={"memory_limit": "256MB"}) as connection:
            for number, start in enumerate(range(0, symbols, BLOCK)):
                # The whole block is made, whatever part of it is wanted, so that a symbol is the same in any market.
                block = _Block.make(np.random.default_rng([SEED, number]), start, sessions, holidays)
                _append(connection, "symbols", block.reference, f"row <= {symbols - start}")
                _append(connection, "splits", block.splits, "symbol in (select symbol from symbols)")
                for rows in block.rows():
                    _append(connection, "feed", rows, "symbol in (select symbol from symbols) or symbol = 'symbol'")
            _write(connection, "select * exclude (row) from symbols order by symbol", aside / "symbols.csv")
            _write(connection, "select * from splits order by ex_date, symbol", aside / "splits.csv")
            months = connection.execute("select distinct strftime(reported_on, '%Y-%m') from feed").fetchall()
            for (month,) in months:
                chosen = f"select * exclude (line) from feed where strftime(reported_on, '%Y-%m') = '{month}'"
                _write(connection, f"{chosen} order by reported_on, symbol, line", aside / "feed" / f"{month}.parquet")
        (aside / "work.duckdb").unlink()
        aside.rename(folder)
    except OSError:
        if not folder.exists():  # another process was quicker otherwise: its market is the same
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True)
class _Block:
    """Some symbols: prices as traded by symbol and session (rows × columns), and which of them exist."""

    names: Any
    sessions: SessionArray
    holidays: SessionArray
    random: np.random.Generator
    reference: dict[str, Any]
    splits: dict[str, Any]
    bars: dict[str, Any]
    traded: Any

    @classmethod
    def make(cls, random: np.random.Generator, start: int, sessions: SessionArray, holidays: SessionArray) -> "_Block":
        count, days = BLOCK, len(sessions)
        names = np.array([_ticker(start + number) for number in range(count)], dtype=object)
        is_fund = np.isin(names, list(FUNDS))
        average_volume = np.exp(random.normal(np.log(250e3), 1.9, count)).clip(500, 80e6)
        price = np.exp(random.normal(np.log(22), 1.1, count)).clip(0.4, 900)
        daily = random.uniform(0.012, 0.045, count) * (22 / price).clip(0.6, 1.6)
        for number in np.flatnonzero(is_fund):
            _, average_volume[number], price[number] = FUNDS[names[number]]
            daily[number] = 0.008

        # Closes: the market's day, a drift that changes every few weeks, and the symbol's own, with fat tails.
        market = np.random.default_rng(SEED).normal(0.0004, 0.009, days)
        drift = np.repeat(random.normal(0, 0.004, (count, days // 21 + 1)), 21, axis=1)[:, :days]
        own = random.standard_t(4, (count, days)) * daily[:, None] * 0.6
        event = random.random((count, days)) < 0.006
        jump = np.where(event, random.normal(0.01, 0.08, (count, days)), 0)
        beta = np.where(is_fund, 1.0, random.uniform(0.3, 1.6, count))[:, None]
        close = price[:, None] * np.exp(np.cumsum((beta * market + drift + own + jump).clip(-0.5, 0.5), axis=1))
        close = np.maximum(close, 0.05)

        # A split divides the price from its ex-date on.
        factor = np.ones((count, days))
        splits = _make_splits(random, names, is_fund, sessions, factor)
        close = np.maximum(np.round(close * factor, 2), 0.01)
        before = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
        before[:, 1:] *= factor[:, 1:] / factor[:, :-1]
        gap = np.where(
            event, jump * random.uniform(0.4, 1, (count, days)), random.normal(0, 0.25, (count, days)) * daily[:, None]
        )
        open_ = np.maximum(np.round(before * np.exp(gap), 2), 0.01)
        reach = np.abs(random.normal(0, 0.6, (2, count, days))) * daily[:, None]
        high = np.maximum(np.round(np.maximum(open_, close) * np.exp(reach[0]), 2), np.maximum(open_, close))
        low = np.minimum(
            np.maximum(np.round(np.minimum(open_, close) * np.exp(-reach[1]), 2), 0.01), np.minimum(open_, close)
        )
        busy = np.exp(
            random.normal(0, 0.35, (count, days)) + np.where(event, random.uniform(0.8, 2.2, (count, days)), 0)
        )
        volume = np.floor(average_volume[:, None] / factor * busy)

        # Who trades when: listings, delistings, halts, and missing bars, the more the thinner a symbol is traded.
        listed = np.where(random.random(count) < 0.06, random.integers(5, days - 5, count), 0)
        delisted = np.where(random.random(count) < 0.04, random.integers(30, days, count), days)
        listed, delisted = np.where(is_fund, 0, listed), np.where(is_fund, days, delisted)
        column = np.arange(days)
        traded = (column >= listed[:, None]) & (column < delisted[:, None])
        traded &= random.random((count, days)) > (0.02 * (50e3 / average_volume)).clip(0, 0.2)[:, None]
        for number in np.flatnonzero(~is_fund & (random.random(count) < 0.02)):
            halt = random.integers(1, days - 16)
            traded[number, halt : halt + random.integers(1, 16)] = False

        cap = np.round(close[np.arange(count), listed] * np.exp(random.normal(np.log(60e6), 1.2, count)))
        kinds_of_name = np.where(np.arange(count) % 3, " Holdings", " Corporation")
        named = [(name, name.title() + kind) for name, kind in zip(names, kinds_of_name, strict=True)]
        sectors = random.choice(SECTORS, count)
        exchanges = random.choice(["NASDAQ", "NYSE", "NYSE American"], count, p=[0.6, 0.35, 0.05])
        reference = {
            "row": np.arange(1, count + 1),
            "symbol": names,
            "name": _texts([FUNDS[name][0] if name in FUNDS else other for name, other in named]),
            "exchange": _texts(np.where(is_fund, "NYSE Arca", exchanges)),
            "type": _texts(np.where(is_fund, "ETF", "CS")),
            "sector": _texts([None if fund else sector for fund, sector in zip(is_fund, sectors, strict=True)]),
            "market_cap": np.where(is_fund | (random.random(count) < 0.05), np.nan, cap),
            "as_of": _days(sessions[listed]),
            "listed": _days(sessions[listed]),
            "delisted": np.where(delisted < days, _days(sessions[delisted.clip(0, days - 1)]), np.datetime64("NaT")),
        }
        bars = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
        return cls(names, sessions, holidays, random, reference, splits, bars, traded)

    def rows(self) -> Iterator[dict[str, Any]]:
        """What the vendor sends: every bar on its day, some again a session later, and rows that are no bars."""
        symbol, session = np.nonzero(self.traded)
        yield self._deliver(symbol, session, session)
        # Revised prints: the next session, with another volume and now and then another close within the range.
        last = len(self.sessions) - 1
        again = np.flatnonzero((self.random.random(len(symbol)) < 0.014) & (session < last))
        revised = self._deliver(symbol[again], session[again], session[again] + 1)
        revised["volume"] = np.floor(revised["volume"] * self.random.uniform(0.97, 1.06, len(again)))
        revised["close"] = np.where(self.random.random(len(again)) < 0.1, revised["low"], revised["close"])
        yield revised
        yield from self._dirt(symbol, session)

    def _dirt(self, symbol: Any, session: Any) -> Iterator[dict[str, Any]]:
        """Rows that are no bars, before or after the good print of the same day (`line` orders them), and repeats."""

        def some(share: float, line: int, **spoilt: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
            chosen = np.flatnonzero(self.random.random(len(symbol)) < share)
            rows = self._deliver(symbol[chosen], session[chosen], session[chosen])
            return rows | {name: spoil(rows) for name, spoil in spoilt.items()} | {"line": np.full(len(chosen), line)}

        yield some(2e-5, -1, low=lambda rows: 0 * rows["low"])
        yield some(1e-5, 1, high=lambda rows: rows["low"], low=lambda rows: rows["high"])
        yield some(1e-5, -1, volume=lambda rows: -1 - rows["volume"])
        yield some(1e-5, -1, close=lambda rows: np.nan * rows["close"])
        yield some(2e-5, 0)
        closed = self.random.choice(self.holidays, 6)
        rows = self._deliver(self.random.integers(0, len(self.names), 6), np.full(6, 60), np.full(6, 60))
        after = self.sessions[np.searchsorted(self.sessions, closed)]
        yield rows | {"date": _days(closed), "reported_on": _days(after)}
        header = {name: np.full(1, np.nan) for name in self.bars} | {"line": np.zeros(1, dtype=np.int64)}
        day = _days(self.sessions[self.random.integers(10, len(self.sessions), 1)])
        yield header | {
            "reported_on": day,
            "symbol": _texts(["symbol"]),
            "date": np.full(1, np.datetime64("NaT", "us")),
        }

    def _deliver(self, symbol: Any, session: Any, reported: Any) -> dict[str, Any]:
        return {
            "reported_on": _days(self.sessions[reported]),
            "symbol": self.names[symbol],
            "date": _days(self.sessions[session]),
            **{name: values[symbol, session] for name, values in self.bars.items()},
            "line": np.zeros(len(symbol), dtype=np.int64),
        }


def _days(days: Any) -> Any:
    """DuckDB takes dates from numpy as timestamps."""
    return days.astype("datetime64[us]")


def _texts(texts: Any) -> Any:
    return np.array(texts, dtype=object)


def _make_splits(
    random: np.random.Generator, names: Any, is_fund: Any, sessions: SessionArray, factor: Any
) -> dict[str, Any]:
    """Choose splits and put them into `factor`, the price multiplier by symbol and session; the events."""
    days = len(sessions)
    chosen = np.flatnonzero(~is_fund & (random.random(len(names)) < 0.025))
    weights = np.array([weight for *_, weight in SPLITS])
    kinds = random.choice(len(SPLITS), len(chosen), p=weights / weights.sum())
    ex = random.integers(25, days, len(chosen))
    # Most splits are known on their ex-date; some a session before, and a few only some sessions after.
    known = (ex + random.choice([0, -1, 1, 3], len(chosen), p=[0.8, 0.12, 0.05, 0.03])).clip(0, days - 1)
    for number, kind, day in zip(chosen, kinds, ex, strict=True):
        factor[number, day:] *= SPLITS[kind][0] / SPLITS[kind][1]
    return {
        "symbol": names[chosen],
        "ex_date": _days(sessions[ex]),
        "split_from": np.array([SPLITS[kind][0] for kind in kinds], dtype=np.int64),
        "split_to": np.array([SPLITS[kind][1] for kind in kinds], dtype=np.int64),
        "known_on": _days(sessions[known]),
    }


def _ticker(number: int) -> str:
    """A name for the symbol: the funds first, then four letters that differ from symbol to symbol."""
    if number < len(FUNDS):
        return list(FUNDS)[number]
    # Multiplying by a number without a common factor with 26⁴ visits every name once, in no visible order.
    rest = number * 161_051 % 26**4
    return "".join(chr(ord("A") + rest // 26**place % 26) for place in (3, 2, 1, 0))


def _append(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, Any], where: str) -> None:
    connection.register("given", columns)
    dates = ", ".join(
        f"{name}::DATE as {name}" for name, values in columns.items() if np.asarray(values).dtype.kind == "M"
    )
    select = f"select * replace ({dates}) from given" if dates else "from given"
    connection.execute(f"create table if not exists {table} as {select} limit 0")
    connection.execute(f"insert into {table} by name ({select} where {where})")
    connection.unregister("given")


def _write(connection: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    kind = "(format parquet, compression zstd)" if path.suffix == ".parquet" else "(format csv, header true)"
    connection.execute(f"copy ({select}) to {literal(path)} {kind}")
