"""Fingerprints of what a scan reads, for every symbol of a session, computed in SQL for the whole market at once.

What belongs here: the parts of a symbol's input and their hashes. What does not: what follows from a difference
(`deltas.py`), and scanners. A part is an order-independent hash (exclusive or of row hashes), so that rows may be
stored in any order; a row is named by its session or ex-date, so that no two of a symbol are the same.

| part | over |
| --- | --- |
| `bars` | the symbol's bars of the whole history that the scan reads, as traded |
| `splits` | its splits within that history, as known on the session: with the bars they make the adjusted ones |
| `reference` | its row of the universe |
| `screen` | whether it passed the screen |
"""

from datetime import date

from scan_pipeline.store.connection import Connection

_FINGERPRINTS = """
create or replace temp table current_fingerprints as
with bars as (
    select symbol, bit_xor(hash(session, open, high, low, close, volume)) as bars
    from price_bars where session between $start and $session group by symbol
),
events as (
    select symbol, bit_xor(hash(ex_date, split_from, split_to, greatest(ex_date, known_on))) as splits from splits
    where ex_date between $start and $session and known_on <= $session group by symbol
)
select universe.symbol, coalesce(bars, 0) as bars, coalesce(splits, 0) as splits,
    hash(name, exchange, type, sector, industry, country, universe.market_cap, delisted is null) as reference,
    coalesce(passed, false) as screen, reason
from universe left join bars using (symbol) left join events using (symbol)
    left join prefiltered_symbols using (session, symbol)
where session = $session
"""


def compute_fingerprints(connection: Connection, session: date, start: date) -> None:
    """Make the temporary table `current_fingerprints`: a row for every symbol of the session's universe.

    `start` is where the history begins that a scan of the session reads.
    """
    connection.execute(_FINGERPRINTS, {"session": session, "start": start})
