"""Splits and the universe in the store: what is known of symbols, and since when.

A universe is built from what was known on its session: bars up to it, the vendor's listing dates, and reference data;
a later list never adds a symbol to an earlier session. Lists may be a year apart: a symbol that used to trade needs the
word of a recent one to stay without bars.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from scan_pipeline.sessions import Calendar
from scan_pipeline.store.connection import Connection

#: A symbol without a vendor's delisting date is taken for delisted once it has missed so many sessions …
DELISTED_AFTER_SESSIONS = 5
#: … and leaves the universe after so many.
LEAVES_AFTER_SESSIONS = 20


@dataclass(frozen=True)
class UniverseSession:
    """One session's universe, in symbols. `known` is the share of symbols that have each reference field."""

    session: date
    symbols: int
    traded: int
    market_caps_of_unknown_date: int
    known: dict[str, float]


def record_splits(connection: Connection, splits: duckdb.DuckDBPyRelation) -> int:
    """Add what is new among `splits` (columns of SPLIT_COLUMNS) and correct what changed; the events now held.

    A split that was already known keeps the day on which it was first known. Must run in a write transaction.
    """
    connection.execute(f"create or replace temp table given_splits as {splits.sql_query()}")
    connection.execute(
        """
        create or replace temp table merged as
        select symbol, ex_date, given.split_from, given.split_to,
            least(coalesce(given.known_on, ex_date), splits.known_on) as known_on
        from (select distinct on (symbol, ex_date) * from given_splits) given left join splits using (symbol, ex_date);
        delete from splits where (symbol, ex_date) in (select symbol, ex_date from merged);
        insert into splits select * from merged order by ex_date, symbol;
        drop table merged;
        drop table given_splits;
        """
    )
    row = connection.execute("select count(*) from splits").fetchone()
    return int(row[0]) if row else 0


def build_universe(
    connection: Connection, sessions: Sequence[date], calendar: Calendar, reference: duckdb.DuckDBPyRelation | None
) -> list[UniverseSession]:
    """Replace the universe of each session. Must run in a write transaction.

    A market cap is that of all the company's shares at this symbol's price, with the number of shares as filed: symbols
    of one company (classes A and B, say) each have their own, and they are not to be added up.
    """
    if reference is not None:
        connection.execute("create or replace temp table reference as " + reference.sql_query())
    else:
        connection.execute(_NO_REFERENCE)
    connection.execute(
        "create or replace temp table first_bars as "
        "select symbol, min(session) as first_bar from price_bars group by symbol"
    )
    outcomes = []
    for session in sessions:
        connection.execute("delete from universe where session = ?", [session])
        connection.execute(
            _BUILD,
            {
                "session": session,
                "leaves": calendar.before(session, LEAVES_AFTER_SESSIONS),
                "delisted": calendar.before(session, DELISTED_AFTER_SESSIONS),
            },
        )
        outcomes.append(_describe(connection, session))
    return outcomes


_NO_REFERENCE = """
create or replace temp table reference as
select null::VARCHAR as symbol, null::VARCHAR as name, null::VARCHAR as exchange, null::VARCHAR as type,
    null::VARCHAR as sector, null::VARCHAR as industry, null::VARCHAR as country, null::DOUBLE as market_cap,
    null::DATE as as_of, null::DATE as listed, null::DATE as delisted, null::DOUBLE as shares_outstanding,
    null::DATE as shares_counted_on
where false
"""

# A market cap is used from its as_of day on; one without a day could be of any time, and is not. Where none is given,
# it is the shares outstanding, split since they were counted, times the last close as traded.
_BUILD = """
insert into universe
with recent as (
    select symbol, max(session) as last_bar, max(session) = $session as traded, arg_max(close, session) as last_close
    from price_bars where session > $leaves and session <= $session group by symbol
),
known as (
    select symbol, name, exchange, type, sector, industry, country, listed,
        case when delisted <= $session then delisted end as delisted
    from reference
    where coalesce(name, exchange, type, sector, industry, country, listed::VARCHAR, delisted::VARCHAR) is not null
    qualify row_number() over (
        partition by symbol order by coalesce(as_of <= $session, true) desc, as_of desc nulls last
    ) = 1
),
caps as (
    select symbol, arg_max(market_cap, as_of) as market_cap
    from reference where as_of <= $session and isfinite(market_cap) group by symbol
),
counts as (
    select symbol, arg_max(shares_outstanding, as_of) as shares,
        arg_max(coalesce(shares_counted_on, as_of), as_of) as counted_on
    from reference where as_of <= $session and shares_outstanding > 0 and isfinite(shares_outstanding) group by symbol
),
grown as (
    select symbol, product(split_to / split_from) as factor
    from counts join splits using (symbol) join recent using (symbol)
    where ex_date > counted_on and ex_date <= last_bar and known_on <= $session group by symbol
),
-- Who was not asked for may have traded all the same.
left_out as (
    select symbol, max(session) as left_out_on from symbol_refreshes
    where session > $leaves and session <= $session and refreshed_at is null group by symbol
),
members as (
    select symbol from recent
    union
    select symbol from reference left join first_bars using (symbol)
    where listed <= $session and coalesce(delisted > $session, true)
        and (coalesce(first_bar > $leaves, true) or coalesce(as_of > $leaves and as_of <= $session, true))
)
select $session, symbol, name, exchange, type, sector, industry, country,
    coalesce(market_cap, shares * coalesce(factor, 1) * last_close),
    least(case when listed <= $session then listed end, first_bar),
    coalesce(delisted, case when last_bar <= $delisted and coalesce(left_out_on <= last_bar, true) then last_bar end),
    coalesce(traded, false)
from members left join recent using (symbol) left join known using (symbol) left join caps using (symbol)
    left join counts using (symbol) left join grown using (symbol) left join left_out using (symbol)
    left join first_bars using (symbol)
where coalesce(traded, false) or delisted is null or delisted > $session
order by symbol
"""


def _describe(connection: Connection, session: date) -> UniverseSession:
    fields = ("name", "exchange", "type", "sector", "market_cap")
    row = connection.execute(
        f"""
        select count(*), count(*) filter (traded), {", ".join(f"count({field}) / count(*)" for field in fields)},
            (select count(distinct symbol) from reference where market_cap is not null and as_of is null)
        from universe where session = ?
        """,
        [session],
    ).fetchone()
    assert row is not None
    symbols, traded, *shares, undated = row
    known = {field: float(share) if symbols else 0.0 for field, share in zip(fields, shares, strict=True)}
    return UniverseSession(session, symbols, traded, undated, known)
