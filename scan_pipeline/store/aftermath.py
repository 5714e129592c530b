"""What followed hits: returns over the sessions after them. It looks ahead on purpose, for whoever tries parameters.

What belongs here: reading later bars for hits. What does not: anything that a scan reads.
"""

from collections.abc import Collection, Mapping
from datetime import date

import numpy as np

from scan_pipeline.store.connection import Connection

Key = tuple[date, str]


def read_returns(
    connection: Connection, hits: Collection[Key], later: Mapping[date, Mapping[int, date]]
) -> dict[Key, dict[int, float]]:
    """For each hit (session and symbol) and horizon, close then over close on the session, minus 1.

    `later[session][horizon]` is the session then. Prices are adjusted by the splits in between, as they are known now.
    A symbol that trades no more is held at its last close. A horizon is left out where its session is not held.
    """
    held = {day for (day,) in connection.execute("select session from ingested_sessions").fetchall()}
    rows = [
        (session, symbol, horizon, then)
        for session, symbol in sorted(hits)
        for horizon, then in later[session].items()
        if then in held
    ]
    returns: dict[Key, dict[int, float]] = {key: {} for key in hits}
    if not rows:
        return returns
    columns = list(zip(*rows, strict=True))
    connection.register(
        "asked",
        {
            "day": np.array(columns[0], dtype="datetime64[D]").astype(np.int32),
            "symbol": np.array(columns[1], dtype=object),
            "horizon": np.array(columns[2], dtype=np.int32),
            "later": np.array(columns[3], dtype="datetime64[D]").astype(np.int32),
        },
    )
    found = connection.execute(
        """
        with hits as (
            select date '1970-01-01' + day as session, symbol::VARCHAR as symbol, horizon,
                date '1970-01-01' + later as later from asked
        ),
        bars as (
            select symbol, session, close from price_bars where symbol in (select symbol from hits)
                and session between (select min(session) from hits) and (select max(later) from hits)
        ),
        ends as (
            select hits.*, bars.close as last_close, bars.session as last_session
            from hits asof join bars on hits.symbol = bars.symbol and hits.later >= bars.session
        ),
        factors as (
            select ends.session, symbol, horizon, product(split_from / split_to) as factor
            from ends join splits using (symbol)
            where ex_date > ends.session and ex_date <= last_session group by all
        )
        select ends.session, symbol, horizon, last_close / (bars.close * coalesce(factor, 1)) - 1
        from ends join bars using (session, symbol) left join factors using (session, symbol, horizon)
        """
    ).fetchall()
    connection.unregister("asked")
    for session, symbol, horizon, change in found:
        returns[session, symbol][horizon] = change
    return returns
