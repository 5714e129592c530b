"""What the vendor's API answers about bars, from our store: those of a day, those of a ticker.

What belongs here: reading a request and shaping what it asks for, in the vendor's field order. What does not: HTTP
(`server.py`), reading the store (`market.py`, `intraday.py`). Prices are as traded where `adjusted` is false; else they
carry every split whose ex-date has come. `vw` and `n` (volume-weighted price, trades) are null where the source of the
bars did not give them.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

import numpy as np

from scan_pipeline.gateway import intraday
from scan_pipeline.gateway.bars import (
    CLOSE,
    EPOCH,
    Bars,
    Ints,
    SymbolBar,
    listed,
    midnights,
    milliseconds,
    number_of,
)
from scan_pipeline.gateway.market import Day, Market
from scan_pipeline.gateway.requests import (
    Refusal,
    Reply,
    read_choice,
    read_count,
    read_day,
    read_flag,
    read_limit,
    read_ticker,
)

#: The spans of bars that daily ones make.
SPANS = ("day", "week", "month", "quarter", "year")
#: Spans within a day. The store holds no seconds: an honest empty answer.
INTRADAY = ("second", *intraday.SPANS)
MOST_BASE_BARS = 50_000


def grouped_daily(market: Market, session: date, adjusted: bool) -> Reply:
    """Every symbol's bar of a day; a day without bars has no `results`."""
    day = market.day(session)
    if day is None:
        lacking = "whole days" if market.calendar.is_session(session) else ""
        return Reply(_envelope([], adjusted), lacking=lacking)
    columns = listed(day)
    if adjusted:
        _adjust(day, market.factors(day.session), columns)
    v, vw, o, c, h, low, n = columns
    t = [milliseconds(day.session, CLOSE)] * len(day.symbols)
    return Reply(_envelope(list(map(SymbolBar, day.symbols, v, vw, o, c, h, low, t, n)), adjusted))


def _adjust(day: Day, factors: Mapping[str, float], columns: list[list[Any]]) -> None:
    """Put the few rows whose symbol has a split to come in their place, as `listed` writes them."""
    places = [place for place, symbol in enumerate(day.symbols) if symbol in factors]
    if not places:
        return
    factor = np.array([factors[day.symbols[place]] for place in places])
    v, *prices = (getattr(day, name)[places] for name in ("v", "vw", "o", "c", "h", "l"))
    changed = listed(Day(day.session, [], *[v / factor, *(one * factor for one in prices), day.n[places]]))
    for whole, part in zip(columns, changed, strict=True):
        for place, value in zip(places, part, strict=True):
            whole[place] = value


def previous_close(market: Market, ticker: str, adjusted: bool) -> Reply:
    """The last bar of a ticker."""
    last = _daily(market, ticker, adjusted).chosen(slice(-1, None))
    v, vw, o, c, h, low, n = listed(last)
    t = [milliseconds(session, CLOSE) for session in last.session.tolist()]
    rows = list(map(SymbolBar, [ticker] * len(last), v, vw, o, c, h, low, t, n))
    return Reply({"ticker": ticker, **_envelope(rows, adjusted)})


def open_close(market: Market, ticker: str, session: date, adjusted: bool) -> Reply:
    """A ticker's open, high, low and close of a day; those before and after the session's hours are not held."""
    bars = _daily(market, ticker, adjusted)
    found = bars.chosen(bars.session == number_of(session)).rows()
    if not found:
        raise Refusal(404, "Data not found.")
    [one] = found
    return Reply(
        {
            "status": "OK", "from": str(session), "symbol": ticker, "open": one.o, "high": one.h, "low": one.l,
            "close": one.c, "volume": one.v,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class CustomBars:
    """A request for a ticker's bars over a range, read and found to be good."""

    ticker: str
    multiplier: int
    span: str
    #: As given: a day, or milliseconds since 1970.
    first: str
    last: str
    adjusted: bool
    descending: bool
    limit: int

    @property
    def is_intraday(self) -> bool:
        """Whether minutes make its bars."""
        return self.span in intraday.SPANS

    @property
    def nothing(self) -> dict[str, Any]:
        """The honest empty answer."""
        return {"ticker": self.ticker, **_envelope([], self.adjusted)}


def read_custom_bars(path: Mapping[str, str], query: Mapping[str, str]) -> CustomBars:
    """What a request for custom bars asks for. Raises Refusal."""
    ticker, span = read_ticker(path["ticker"]), path["timespan"]
    multiplier = read_count(path["multiplier"], "multiplier", MOST_BASE_BARS)
    if span not in SPANS and span not in INTRADAY:
        raise Refusal(400, f"Could not parse the parameter: timespan. Use one of {', '.join((*INTRADAY, *SPANS))}.")
    descending = read_choice(query, "sort", {"asc": "", "desc": "desc"}, "asc") == "desc"
    first, last = path["from"], path["to"]
    if place := query.get("_place"):  # the next page begins at a place of its own
        first, last = (first, place) if descending else (place, last)
    if read_day(first, "from") > read_day(last, "to"):
        raise Refusal(400, "'from' is after 'to'.")
    adjusted = read_flag(query, "adjusted", True)
    limit = read_limit(query, 5_000, MOST_BASE_BARS)
    return CustomBars(ticker, multiplier, span, first, last, adjusted, descending, limit)


def custom_bars(market: Market, asked: CustomBars) -> Reply:
    """A ticker's bars over a range, a page of them. Raises Refusal."""
    if asked.span == "second":
        return Reply(asked.nothing, lacking="second bars")
    if asked.is_intraday:
        return _intraday_bars(market, asked)
    bars = _daily(market, asked.ticker, asked.adjusted)
    # `from` reaches back to the beginning of its span and `to` on to the end of its own, as the vendor's do.
    spans = span_starts(bars.session, asked.span)
    first, last = (
        span_starts(np.array([number_of(read_day(day))]), asked.span)[0] for day in (asked.first, asked.last)
    )
    within = (spans >= first) & (spans <= last)
    bars, spans = bars.chosen(within), spans[within]
    held = np.ones(len(bars), dtype=np.int64)
    places = bars.session
    if asked.span != "day" or asked.multiplier > 1:
        # So many spans that hold a bar, from the first one on, make a bar.
        number = np.cumsum(np.diff(spans, prepend=spans[:1]) != 0) // asked.multiplier
        positions = np.flatnonzero(np.diff(number, prepend=-1))
        held = np.diff(np.append(positions, len(bars)))
        last_sessions = bars.session[positions + held - 1]
        bars = bars.folded(positions, midnights(spans[positions]))
        places = last_sessions if asked.descending else bars.session
    return _page(asked, bars, held, places, lambda place: str(EPOCH + timedelta(days=place)))


def _intraday_bars(market: Market, asked: CustomBars) -> Reply:
    within = intraday.read_range(asked.ticker, asked.first, asked.last, market.calendar, market.today)
    if not within.sessions:
        return Reply(asked.nothing)
    span_ms = intraday.SPANS[asked.span] * asked.multiplier
    with market.reading() as connection:
        lacking = bool(intraday.missing(connection, within))
        minutes = intraday.minutes(connection, within, span_ms)
    events = market.splits.get(asked.ticker, ()) if asked.adjusted else ()
    bars, held = intraday.windows(minutes, events, span_ms)
    return _page(asked, bars, held, bars.t, str, lacking="minute bars" if lacking else "")


def span_starts(sessions: Ints, span: str) -> Ints:
    """The first day of the span that holds each day, in days since 1970. Weeks begin on Sunday."""
    if span == "day":
        return sessions
    if span == "week":
        return sessions - (sessions + 4) % 7  # 1970-01-01 was a Thursday
    months = sessions.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    months -= months % {"month": 1, "quarter": 3, "year": 12}[span]
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _page(
    asked: CustomBars, bars: Bars, held: Ints, places: Ints, word: Callable[[int], str], lacking: str = ""
) -> Reply:
    """As many bars as the limit allows. `held`: base bars in each; `places`: where a page can begin."""
    order = slice(None, None, -1) if asked.descending else slice(None)
    bars, counted = bars.chosen(order), [*accumulate(held[order].tolist())]
    # A page ends between two bars, never within one: all pages together are what one of them would be.
    fit = max(1, bisect_right(counted, asked.limit))
    answer = _envelope(
        bars.chosen(slice(fit)).rows(), asked.adjusted, counted[min(fit, len(bars)) - 1] if counted else 0
    )
    place = word(int(places[order][fit])) if len(bars) > fit else None
    return Reply({"ticker": asked.ticker, **answer}, place, lacking)


def _daily(market: Market, ticker: str, adjusted: bool) -> Bars:
    bars = market.daily(ticker)
    return bars.adjusted(market.splits.get(ticker, ())) if adjusted else bars


def _envelope(results: list[Any], adjusted: bool, queried: int | None = None) -> dict[str, Any]:
    count = len(results)
    return {
        "queryCount": count if queried is None else queried,
        "resultsCount": count,
        "adjusted": adjusted,
        **({"results": results} if results else {}),
        "status": "OK",
        "count": count,
    }
