"""Bars in memory, a column an array: adjusted for splits, put together to longer spans, made into an answer's rows.

What belongs here: arithmetic on columns. What does not: reading them (`market.py`) and requests. Prices are dollars as
traded until `adjusted`; NaN stands for an average or a number of trades that the source did not give.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from scan_pipeline.sessions import NEW_YORK

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
#: Splits of a symbol: the ex-date as days since 1970, and what prices before it are multiplied by.
Events = Sequence[tuple[int, float]]

EPOCH = date(1970, 1, 1)
#: When the bar of a day ends in an answer for the whole market, and where a ticker's bar begins.
CLOSE, MIDNIGHT = time(16), time(0)
#: SQL for the columns of daily bars, under an answer's names.
COLUMNS = (
    "volume as v, vwap as vw, open as o, close as c, high as h, low as l, trades::DOUBLE as n"  # in the vendor's order
)
VALUES = ("v", "vw", "o", "c", "h", "l", "n")
#: Whole numbers below it are written without a point.
EXACT = 2.0**63


class Bar(msgspec.Struct, gc=False):
    """A bar of a ticker, in the vendor's field order."""

    v: float
    vw: float | None
    o: float
    c: float
    h: float
    l: float  # noqa: E741
    t: int
    n: int | None


class SymbolBar(msgspec.Struct, gc=False):
    """A bar in an answer for several symbols, in the vendor's field order."""

    T: str
    v: float
    vw: float | None
    o: float
    c: float
    h: float
    l: float  # noqa: E741
    t: int
    n: int | None


@dataclass(frozen=True)
class Bars:
    """Bars, oldest first. `session` is days since 1970, `t` the begin in milliseconds since 1970."""

    session: Ints
    t: Ints
    v: Floats
    vw: Floats
    o: Floats
    c: Floats
    h: Floats
    l: Floats  # noqa: E741
    n: Floats

    def __len__(self) -> int:
        return len(self.session)

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return 9 * 8 * len(self)

    def chosen(self, which: "slice | npt.NDArray[np.bool_]") -> "Bars":
        """Some of them."""
        return Bars(self.session[which], self.t[which], *(getattr(self, name)[which] for name in VALUES))

    def adjusted(self, events: Events) -> "Bars":
        """Prices and volumes as after the given splits."""
        if not events or not len(self):
            return self
        factor = np.ones(len(self))
        for ex_day, one in events:
            factor[: np.searchsorted(self.session, ex_day)] *= one
        return replace(
            self, v=self.v / factor, **{name: getattr(self, name) * factor for name in ("vw", "o", "c", "h", "l")}
        )

    def folded(self, starts: Ints, t: Ints) -> "Bars":
        """Bars of longer spans: each begins at a position of `starts` and is stamped with its `t`.

        An average or a number of trades is known where it is known of every bar in the span.
        """
        if not len(starts):
            return self.chosen(slice(0, 0))
        ends = np.append(starts[1:], len(self)) - 1
        volume = np.add.reduceat(self.v, starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            average = np.add.reduceat(self.vw * self.v, starts) / volume
        return Bars(
            self.session[starts], t, volume, np.where(np.isfinite(average), average, np.nan), self.o[starts],
            self.c[ends], np.maximum.reduceat(self.h, starts), np.minimum.reduceat(self.l, starts),
            np.add.reduceat(self.n, starts),
        )  # fmt: skip

    def rows(self) -> list[Bar]:
        """As an answer's rows."""
        v, vw, o, c, h, low, n = listed(self)
        return list(map(Bar, v, vw, o, c, h, low, self.t.tolist(), n))


def listed(columns: Any) -> list[list[Any]]:
    """The columns in the vendor's order, as JSON's values: whole volumes without a point, null where not given."""
    return [
        _whole(columns.v), _known(columns.vw), columns.o.tolist(), columns.c.tolist(), columns.h.tolist(),
        columns.l.tolist(), _counts(columns.n),
    ]  # fmt: skip


def column(found: Any) -> Floats:
    """A column of DuckDB's as float64; null is NaN."""
    return np.ma.filled(found.astype(np.float64), np.nan) if isinstance(found, np.ma.MaskedArray) else found


def days(found: Any) -> Ints:
    """A column of dates as days since 1970."""
    return np.asarray(found).astype("datetime64[D]").astype(np.int64)


def number_of(day: date) -> int:
    """A date as days since 1970."""
    return (day - EPOCH).days


@lru_cache(50_000)
def milliseconds(day: int, at: time) -> int:
    """A time of a day (days since 1970) in New York, in milliseconds since 1970."""
    return int(datetime.combine(EPOCH + timedelta(days=day), at, NEW_YORK).timestamp() * 1000)


def midnights(days: Ints) -> Ints:
    """Where each day (days since 1970) begins in New York, in milliseconds since 1970."""
    known, which = np.unique(days, return_inverse=True)
    return np.array([milliseconds(day, MIDNIGHT) for day in known.tolist()], dtype=np.int64)[which]


def _whole(volumes: Floats) -> list[float]:
    """As the vendor writes volumes: whole numbers without a point."""
    is_whole = (volumes == np.floor(volumes)) & (np.abs(volumes) < EXACT)
    if is_whole.all():
        whole: list[float] = volumes.astype(np.int64).tolist()
        return whole
    return [int(one) if exact else one for one, exact in zip(volumes.tolist(), is_whole.tolist(), strict=True)]


def _known(values: Floats) -> list[float | None]:
    """Numbers, None for NaN."""
    missing = np.isnan(values)
    if missing.all():
        return [None] * len(values)
    known: list[float | None] = values.tolist()
    if missing.any():
        return [None if lacks else one for one, lacks in zip(known, missing.tolist(), strict=True)]
    return known


def _counts(values: Floats) -> list[int | None]:
    """Whole numbers, None for NaN."""
    return [None if one is None else int(one) for one in _known(values)]
