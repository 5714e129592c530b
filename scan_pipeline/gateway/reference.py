"""What the vendor's API says of tickers, splits and the exchange, from our store and the calendar.

What belongs here: finding and shaping what is asked for, as plain values in the vendor's field order. What does not:
bars (`answers.py`) and HTTP (`server.py`).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

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
from scan_pipeline.sessions import NEW_YORK, Calendar, to_date
from scan_pipeline.store.connection import Connection

#: How far ahead holidays are told, and when a session usually closes.
COMING_DAYS, USUAL_CLOSE = 365, time(16)

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


def tickers(connection: Connection, query: Mapping[str, str], today: date) -> Reply:
    """The list of tickers as of a day; the next page goes on after its last one."""
    day = day_asked(query, today)
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
    return Reply({"results": results, "status": "OK", "count": len(results)}, after)


def ticker_details(connection: Connection, ticker: str, day: date) -> Reply:
    """One ticker as of a day: as the vendor said on it where it was asked, else from the universe."""
    said = _said(connection, ticker, day)
    if said is not None and said[0] == day:
        return _said_so(said[1])
    rows = connection.execute(
        f"{_TICKERS} select name, exchange, type, "
        # Listed on the first session of all: that is where our history begins, and no listing date.
        "nullif(listed, (select min(session) from ingested_sessions)), market_cap, true, null "
        "from listed where symbol = $ticker "
        "union all select name, exchange, type, null, market_cap, false, delisted from ended where symbol = $ticker",
        {"day": day, "ticker": ticker},
    ).fetchall()
    if said is not None and (not rows or rows[0][4] is None):
        return _said_so(said[1])
    if not rows:
        raise Refusal(404, "Ticker not found.", lacking="ticker details")
    name, exchange, kind, listed, market_cap, active, delisted = rows[0]
    results = _present(
        ticker=ticker, name=name or ticker, market="stocks", locale="us", primary_exchange=exchange, type=kind,
        active=active, currency_name="usd", delisted_utc=f"{delisted}T00:00:00Z" if delisted else None,
        market_cap=market_cap, list_date=str(listed) if listed else None,
    )  # fmt: skip
    return Reply({"results": results, "status": "OK"}, lacking="market caps" if market_cap is None else "")


def lacks_details(connection: Connection, ticker: str, day: date) -> bool:
    """Whether the vendor could tell more of a ticker on a day than the store does: it has not been asked yet."""
    said = _said(connection, ticker, day)
    if said is not None and said[0] == day:
        return False
    found = connection.execute(
        f"{_TICKERS} select market_cap from listed where symbol = $ticker", {"day": day, "ticker": ticker}
    ).fetchone()
    return found is None or found[0] is None


def _said(connection: Connection, ticker: str, day: date) -> tuple[date, str | None] | None:
    """What the vendor last said of a ticker up to a day, and when."""
    found: tuple[date, str | None] | None = connection.execute(
        "select as_of, body from ticker_details where symbol = ? and as_of <= ? order by as_of desc limit 1",
        [ticker, day],
    ).fetchone()
    return found


def _said_so(body: str | None) -> Reply:
    if body is None:
        raise Refusal(404, "Ticker not found.")
    return Reply({"results": msgspec.json.decode(body), "status": "OK"})


def splits(connection: Connection, query: Mapping[str, str], *, default: int, most: int, full: bool) -> Reply:
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
    return Reply({"results": results, "status": "OK"}, str(offset + limit) if len(rows) > limit else None)


def market_status(calendar: Calendar, now: datetime) -> Reply:
    """Whether the exchange is open at an instant in New York."""
    is_open = calendar.is_session(now.date()) and (
        now.replace(hour=9, minute=30, second=0) <= now < calendar.closes_at(now.date())
    )
    word = "open" if is_open else "closed"
    return Reply(
        {
            "afterHours": False, "currencies": {"crypto": "open", "fx": "closed"}, "earlyHours": False,
            "exchanges": {"nasdaq": word, "nyse": word, "otc": word}, "market": word,
            "serverTime": now.replace(microsecond=0).isoformat(),
        }
    )  # fmt: skip


def coming_holidays(calendar: Calendar, today: date) -> Reply:
    """The weekdays after today on which the exchange is closed or closes early, soonest first, for each exchange."""
    horizon = min(today + timedelta(days=COMING_DAYS), to_date(calendar.days[-1]))
    events: list[dict[str, Any]] = [
        {"date": str(day), "name": "Market holiday", "status": "closed"}
        for day in calendar.closed_weekdays()
        if today < day <= horizon
    ]
    for session in calendar.between(today + timedelta(days=1), horizon) if today < horizon else []:
        closes_at = calendar.closes_at(session)
        if closes_at.time() < USUAL_CLOSE:
            opens_at = datetime.combine(session, time(9, 30), NEW_YORK)
            events.append(
                {
                    "date": str(session), "name": "Early close", "status": "early-close", "open": _utc(opens_at),
                    "close": _utc(closes_at),
                }
            )  # fmt: skip
    events.sort(key=lambda event: str(event["date"]))
    return Reply([{"exchange": exchange, **event} for event in events for exchange in ("NYSE", "NASDAQ")])


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def day_asked(query: Mapping[str, str], today: date) -> date:
    """The day that is asked for; none is later than today."""
    return min(read_day(query["date"]), today) if query.get("date") else today


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _number(value: float) -> float | int:
    """As the vendor writes volumes: whole numbers without a point."""
    return int(value) if value == int(value) else value
