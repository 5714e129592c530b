"""What the vendor's API answers, from our store: bars of a day, bars of a ticker, tickers, splits.

What belongs here: finding and shaping what is asked for, as plain values in the vendor's field order. What does not:
HTTP (`server.py`). Prices are as traded where `adjusted` is false; else they carry every split whose ex-date has come.
`vw` and `n` (volume-weighted price, trades) are null where the source of the bars did not give them.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from itertools import accumulate
from typing import Any

from scan_pipeline.gateway.requests import (
    Refusal,
    read_choice,
    read_count,
    read_day,
    read_flag,
    read_limit,
    read_ticker,
    to_cursor,
)
from scan_pipeline.sessions import NEW_YORK
from scan_pipeline.store.connection import Connection

Answer = dict[str, Any]

#: When the bar of a day ends in an answer for the whole market, and where a ticker's bar begins.
CLOSE, MIDNIGHT = time(16), time(0)
#: The spans of custom bars: SQL for the first day of the span that holds a day. Weeks begin on Sunday.
SPANS = {
    "day": "session",
    "week": "session - (isodow(session) % 7)::INTEGER",
    "month": "date_trunc('month', session)::DATE",
    "quarter": "date_trunc('quarter', session)::DATE",
    "year": "date_trunc('year', session)::DATE",
}
#: Spans within a day, which the store does not hold: an honest empty answer.
INTRADAY = ("second", "minute", "hour")
MOST_BASE_BARS = 50_000

# Prices before a split's ex-date are price × from / to, as known today: product over the splits that have come.
_BARS = """
with factors as (
    select bars.session, bars.symbol, product(splits.split_from / splits.split_to) as factor
    from price_bars bars join splits on splits.symbol = bars.symbol
        and splits.ex_date > bars.session and splits.ex_date <= $today
    where $adjusted and {where} group by all
)
select bars.symbol as symbol, bars.session as session, volume / coalesce(factor, 1) as v,
    vwap * coalesce(factor, 1) as vw, open * coalesce(factor, 1) as o, close * coalesce(factor, 1) as c,
    high * coalesce(factor, 1) as h, low * coalesce(factor, 1) as l, trades as n
from price_bars bars left join factors using (session, symbol)
where {where}
"""


def milliseconds(day: date, at: time) -> int:
    """A time of a day in New York, in milliseconds since 1970."""
    return int(datetime.combine(day, at, NEW_YORK).timestamp() * 1000)


def grouped_daily(connection: Connection, day: date, adjusted: bool, today: date) -> Answer:
    """Every symbol's bar of a day; a day without bars has no `results`."""
    found = connection.execute(
        _BARS.format(where="bars.session = $day") + " order by symbol",
        {"day": day, "adjusted": adjusted, "today": today},
    ).fetchall()
    t = milliseconds(day, CLOSE)
    results = [
        {"T": symbol, "v": _number(v), "vw": vw, "o": o, "c": c, "h": h, "l": low, "t": t, "n": n}
        for symbol, _, v, vw, o, c, h, low, n in found
    ]
    return _envelope(results, adjusted)


def previous_close(connection: Connection, ticker: str, adjusted: bool, today: date) -> Answer:
    """The last bar of a ticker."""
    last = "bars.symbol = $ticker and bars.session = (select max(session) from price_bars where symbol = $ticker)"
    found = connection.execute(
        _BARS.format(where=last), {"ticker": read_ticker(ticker), "adjusted": adjusted, "today": today}
    ).fetchall()
    results = [
        {"T": ticker, "v": _number(v), "vw": vw, "o": o, "c": c, "h": h, "l": low, "t": milliseconds(day, CLOSE),
         "n": n}
        for _, day, v, vw, o, c, h, low, n in found
    ]  # fmt: skip
    return {"ticker": ticker, **_envelope(results, adjusted)}


def custom_bars(
    connection: Connection, path: Mapping[str, str], query: Mapping[str, str], today: date
) -> tuple[Answer, str | None]:
    """A ticker's bars over a range, and from where the next page goes on, where there is one."""
    ticker, span = read_ticker(path["ticker"]), path["timespan"]
    multiplier = read_count(path["multiplier"], "multiplier", MOST_BASE_BARS)
    if span not in SPANS and span not in INTRADAY:
        raise Refusal(400, f"Could not parse the parameter: timespan. Use one of {', '.join((*INTRADAY, *SPANS))}.")
    first, last = read_day(path["from"], "from"), read_day(path["to"], "to")
    if first > last:
        raise Refusal(400, "'from' is after 'to'.")
    adjusted = read_flag(query, "adjusted", True)
    descending = read_choice(query, "sort", {"asc": "", "desc": "desc"}, "asc") == "desc"
    limit = read_limit(query, 5_000, MOST_BASE_BARS)
    if span in INTRADAY:
        return {"ticker": ticker, **_envelope([], adjusted)}, None
    # `from` reaches back to the beginning of its span and `to` on to the end of its own, as the vendor's do.
    of = {name: SPANS[span].replace("session", name) for name in ("bars.session", "$first", "$last")}
    within = f"bars.session >= {of['$first']} and {of['bars.session']} <= {of['$last']}"
    base = connection.execute(
        _BARS.format(where=f"bars.symbol = $ticker and {within}") + " order by session",
        {"ticker": ticker, "first": first, "last": last, "adjusted": adjusted, "today": today},
    ).fetchall()
    rows = _aggregate(connection, base, SPANS[span], multiplier)
    if descending:
        rows = rows[::-1]
    # A page ends between two bars, never within one: all pages together are what one of them would be.
    held = [*accumulate(row[-1] for row in rows)]
    fit = max(1, bisect_right(held, limit))
    results = [
        {"v": _number(v), "vw": vw, "o": o, "c": c, "h": h, "l": low, "t": milliseconds(day, MIDNIGHT), "n": n}
        for day, v, vw, o, c, h, low, n, *_ in rows[:fit]
    ]
    beyond = str(rows[fit][-2 if descending else -3]) if len(rows) > fit else None
    return {"ticker": ticker, **_envelope(results, adjusted, held[fit - 1] if held else 0)}, beyond


def _aggregate(
    connection: Connection, base: Sequence[Sequence[Any]], span: str, multiplier: int
) -> Sequence[Sequence[Any]]:
    """Daily bars as bars of longer spans; so many spans from the first one on make a bar.

    Each ends with its first session, its last one and how many it holds.
    """
    if not base:
        return []
    if span == "session" and multiplier == 1:
        return [(day, *values, day, day, 1) for _, day, *values in base]
    columns = [list(column) for column in zip(*base, strict=True)]
    return connection.execute(
        f"""
        with base as (
            select unnest($session::DATE[]) as session, unnest($v::DOUBLE[]) as v, unnest($vw::DOUBLE[]) as vw,
                unnest($o::DOUBLE[]) as o, unnest($c::DOUBLE[]) as c, unnest($h::DOUBLE[]) as h,
                unnest($l::DOUBLE[]) as l, unnest($n::BIGINT[]) as n
        ),
        spans as (select *, {span} as span from base),
        numbered as (select *, (dense_rank() over (order by span) - 1) // {multiplier} as bar from spans)
        select min(span), sum(v order by session),
            case when count(vw) = count(*) then sum(vw * v order by session) / nullif(sum(v order by session), 0) end,
            arg_min(o, session), arg_max(c, session), max(h), min(l),
            case when count(n) = count(*) then sum(n)::BIGINT end, min(session), max(session), count(*)
        from numbered group by bar order by bar
        """,
        dict(zip(("session", "v", "vw", "o", "c", "h", "l", "n"), columns[1:], strict=True)),
    ).fetchall()


# Those of the last universe that was built up to the day; where none was, those with a bar in the month before it.
_TICKERS = """
with latest as (select max(session) as session from universe where session <= $day),
listed as (
    select symbol, name, exchange, type, listed, delisted, market_cap from universe
    where session = (select session from latest)
    union all
    select distinct symbol, null, null, null, null::DATE, null::DATE, null::DOUBLE from price_bars
    where (select session from latest) is null and session between $day - interval 31 day and $day
),
ended as (
    select symbol, null as name, null as exchange, null as type, min(session) as listed, max(session) as delisted,
        null::DOUBLE as market_cap
    from price_bars where session <= $day and symbol not in (select symbol from listed) group by symbol
)
"""
_COMPARISONS = {"": "=", ".gte": ">=", ".gt": ">", ".lte": "<=", ".lt": "<"}


def tickers(connection: Connection, query: Mapping[str, str], today: date) -> tuple[Answer, str | None]:
    """The list of tickers as of a day, and after which one the next page goes on, where there is one."""
    day = read_day(query["date"]) if query.get("date") else today
    active = read_flag(query, "active", True)
    descending = read_choice(query, "order", {"asc": "", "desc": "desc"}, "asc") == "desc"
    read_choice(query, "sort", {"ticker": "symbol"}, "ticker")
    limit = read_limit(query, 100, 1_000)
    given: dict[str, Any] = {"day": day}
    where = ["true"]
    for suffix, sign in _COMPARISONS.items():
        if value := query.get(f"ticker{suffix}"):
            name = f"t{len(given)}"
            given[name] = read_ticker(value)
            where.append(f"symbol {sign} ${name}")
    for parameter, column in (("type", "type"), ("exchange", "exchange")):
        if value := query.get(parameter):
            given[parameter] = value
            where.append(f"{column} = ${parameter}")
    if value := query.get("search"):
        given["search"] = value
        where.append("(contains(lower(symbol), lower($search)) or contains(lower(name), lower($search)))")
    if query.get("market", "stocks") != "stocks":
        where.append("false")  # there are stocks alone
    if place := query.get("_place"):
        given["place"] = place
        where.append("symbol < $place" if descending else "symbol > $place")
    rows = connection.execute(
        f"{_TICKERS} select symbol, name, exchange, type, delisted from {'listed' if active else 'ended'} "
        f"where {' and '.join(where)} order by symbol {'desc' if descending else ''} limit {limit + 1}",
        given,
    ).fetchall()
    results = [
        _present(
            ticker=symbol, name=name or symbol, market="stocks", locale="us", primary_exchange=exchange, type=kind,
            active=active, currency_name="usd", delisted_utc=None if active else f"{delisted}T00:00:00Z",
        )
        for symbol, name, exchange, kind, delisted in rows[:limit]
    ]  # fmt: skip
    after = results[-1]["ticker"] if len(rows) > limit else None
    return {"results": results, "status": "OK", "count": len(results)}, after


def ticker_details(connection: Connection, ticker: str, query: Mapping[str, str], today: date) -> Answer:
    """One ticker as of a day."""
    day = read_day(query["date"]) if query.get("date") else today
    rows = connection.execute(
        f"{_TICKERS} select name, exchange, type, "
        # Listed on the first session of all: that is where our history begins, and no listing date.
        "nullif(listed, (select min(session) from ingested_sessions)), market_cap, true, null "
        "from listed where symbol = $ticker "
        "union all select name, exchange, type, null, market_cap, false, delisted from ended where symbol = $ticker",
        {"day": day, "ticker": read_ticker(ticker)},
    ).fetchall()
    if not rows:
        raise Refusal(404, "Ticker not found.")
    name, exchange, kind, listed, market_cap, active, delisted = rows[0]
    results = _present(
        ticker=ticker, name=name or ticker, market="stocks", locale="us", primary_exchange=exchange, type=kind,
        active=active, currency_name="usd", delisted_utc=f"{delisted}T00:00:00Z" if delisted else None,
        market_cap=market_cap, list_date=str(listed) if listed else None,
    )  # fmt: skip
    return {"results": results, "status": "OK"}


def splits(
    connection: Connection, query: Mapping[str, str], *, default: int, most: int, full: bool
) -> tuple[Answer, str | None]:
    """Split events, newest first unless asked otherwise. `full`: with the fields of the newer endpoint."""
    limit = read_limit(query, default, most)
    column, direction = (query.get("sort") or "execution_date.desc").partition(".")[::2]
    direction = query.get("order") or direction or "asc"
    if column not in ("execution_date", "ticker") or direction not in ("asc", "desc"):
        raise Refusal(400, "Could not parse the parameter: sort. Use execution_date or ticker, with asc or desc.")
    offset = read_count(query["_place"], "cursor", 10**9) if "_place" in query else 0
    where: list[str] = ["true"]
    given: dict[str, Any] = {}
    for suffix, sign in _COMPARISONS.items():
        for parameter, compared in (("execution_date", "ex_date"), ("ticker", "symbol")):
            if value := query.get(parameter + suffix):
                name = f"p{len(given)}"
                given[name] = read_day(value, parameter) if compared == "ex_date" else read_ticker(value)
                where.append(f"{compared} {sign} ${name}")
    first, then = ("ex_date", "symbol") if column == "execution_date" else ("symbol", "ex_date")
    rows = connection.execute(
        f"""
        select * from (
            select symbol, ex_date, split_from, split_to, product(split_from / split_to) over (
                partition by symbol order by ex_date desc rows unbounded preceding) as factor
            from splits
        )
        where {" and ".join(where)} order by {first} {direction}, {then} limit {limit + 1} offset {offset}
        """,
        given,
    ).fetchall()
    results = []
    for symbol, ex_date, split_from, split_to, factor in rows[:limit]:
        id_ = f"E{symbol}{ex_date:%Y%m%d}"
        one = {"execution_date": str(ex_date), "id": id_, "split_from": _number(split_from),
               "split_to": _number(split_to), "ticker": symbol}  # fmt: skip
        if full:
            kind = "forward_split" if split_to > split_from else "reverse_split"
            one |= {"adjustment_type": kind, "historical_adjustment_factor": factor}
        results.append(one)
    return {"results": results, "status": "OK"}, str(offset + limit) if len(rows) > limit else None


def next_page(base: str, path: str, query: Mapping[str, str], place: str) -> str:
    """The address of the next page. It holds no key: the asker sends it again."""
    return f"{base}{path}?cursor={to_cursor(query, place)}"


def _envelope(results: list[Answer], adjusted: bool, queried: int | None = None) -> Answer:
    count = len(results)
    return {
        "queryCount": count if queried is None else queried,
        "resultsCount": count,
        "adjusted": adjusted,
        **({"results": results} if results else {}),
        "status": "OK",
        "count": count,
    }


def _present(**fields: Any) -> Answer:
    return {name: value for name, value in fields.items() if value is not None}


def _number(value: float) -> float | int:
    """As the vendor writes volumes: whole numbers without a point."""
    return int(value) if value == int(value) else value
