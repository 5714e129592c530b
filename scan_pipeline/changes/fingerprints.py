"""Fingerprints of what a scan reads, for every symbol of a session, computed in SQL for the whole market at once.

What belongs here: the parts of a symbol's input and their hashes. What does not: what follows from a difference
(`deltas.py`), and scanners. A part is an order-independent hash (exclusive or of row hashes), so that rows may be
stored in any order; a row is named by its session or ex-date, so that no two of a symbol are the same.

| part | over |
| --- | --- |
| `bars` | its bars of the whole history that the scan reads, as traded; and the benchmark's closes and splits |
| `recent_bars` | those of the last sessions, which are part of `bars` |
| `splits` | its splits within that history, as known on the session: with the bars they make the adjusted ones |
| `reference` | its row of the universe |
| `screen` | whether it passed the screen |
"""

from datetime import date

from scan_pipeline.sessions import SessionArray
from scan_pipeline.store.connection import Connection

#: The last sessions of the history, whose bars are still revised. What is older rarely changes: where it has not, its
#: hashes are taken from the last scan.
RECENT_SESSIONS = 5

_FINGERPRINTS = """
create or replace temp table current_fingerprints as
with known as (
    select symbol, xor(bars, recent_bars) as older from scan_fingerprints
    where session = $session and engine = $engine and older_version = $older_version
),
older as (
    from known
    union all by name
    select symbol, bit_xor(hash(session, open, high, low, close, volume)) as older from price_bars
    where session >= $start and session < $recent and symbol in (
        select symbol from universe where session = $session and symbol not in (select symbol from known)
    )
    group by symbol
),
recent as (
    select symbol, bit_xor(hash(session, open, high, low, close, volume)) as recent from price_bars
    where session between $recent and $session group by symbol
),
events as (
    select symbol, bit_xor(hash(ex_date, split_from, split_to, greatest(ex_date, known_on))) as splits from splits
    where ex_date between $start and $session and known_on <= $session group by symbol
),
benchmark as (
    select xor(
        coalesce(bit_xor(hash(session, close)), 0), coalesce((select splits from events where symbol = $benchmark), 0)
    ) as closes
    from price_bars where symbol = $benchmark and session between $start and $session
)
select universe.symbol, xor(coalesce(recent, 0), closes) as recent_bars, xor(coalesce(older, 0), recent_bars) as bars,
    coalesce(splits, 0) as splits,
    hash(name, exchange, type, sector, industry, country, universe.market_cap, delisted is null) as reference,
    coalesce(passed, false) as screen, reason
from universe cross join benchmark left join older using (symbol) left join recent using (symbol)
    left join events using (symbol) left join prefiltered_symbols using (session, symbol)
where session = $session
"""


def compute_fingerprints(
    connection: Connection, session: date, window: SessionArray, benchmark: str | None, engine: str
) -> None:
    """Make the temporary table `current_fingerprints`: a row for every symbol of the session's universe.

    `window` are the sessions that a scan of the session reads, up to itself; `benchmark` the symbol that others are
    held against, where scanners ask for that: its closes and splits are then part of every symbol's bars.
    """
    recent = window[-RECENT_SESSIONS:][0]
    connection.execute(
        _FINGERPRINTS,
        {
            "session": session,
            "start": str(window[0]),
            "recent": str(recent),
            "benchmark": benchmark,
            "engine": engine,
            "older_version": older_version(connection, window),
        },
    )


def older_version(connection: Connection, window: SessionArray) -> str:
    """The version of the bars before the recent ones: changes when a session of them does, or where they begin."""
    row = connection.execute(
        "select md5(string_agg(session || ' ' || bars_hash, ',' order by session)) from ingested_sessions "
        "where session >= ? and session < ?",
        [str(window[0]), str(window[-RECENT_SESSIONS:][0])],
    ).fetchone()
    return f"{window[0]} {row[0] if row else None}"
