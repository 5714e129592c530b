"""The rows of `market_context` in the store, and the closes that they are made of.

What a row is computed from, and how, is `features/market_context.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from scan_pipeline.features.market_context import COLUMNS, ETF_SESSIONS, SYMBOLS
from scan_pipeline.schema import MARKET_CONTEXT
from scan_pipeline.sessions import SessionArray
from scan_pipeline.store.connection import Connection


def read_closes(connection: Connection, windows: Mapping[date, SessionArray]) -> dict[str, Any]:
    """Closes of `SYMBOLS` for each as-of session: those of the last `ETF_SESSIONS` of its window and of itself.

    `windows`: for each as-of session, sessions up to and including itself. Closes are dollars, split-adjusted as known
    on the as-of session. Returns the columns `as_of` and `session` (int32 days since 1970), `symbol` and `close`.
    """
    first = np.array([window[-ETF_SESSIONS - 1 :][0] for window in windows.values()], dtype="datetime64[D]")
    as_of = np.array(list(windows), dtype="datetime64[D]")
    connection.register("asked", {"as_of": as_of.astype(np.int32), "first": first.astype(np.int32)})
    # Splits are applied oldest ex-date first, as `features/bars.py` does it: the last bit depends on it.
    columns = connection.execute(
        """
        with as_ofs as (select date '1970-01-01' + as_of as as_of, date '1970-01-01' + first as first from asked),
        traded as (
            select session, symbol, close from price_bars
            where symbol in (select unnest($symbols::VARCHAR[])) and session between $first and $last
        ),
        bars as (select as_of, session, symbol, close from as_ofs join traded on session between first and as_of),
        factors as (
            select as_of, session, symbol,
                product(split_from / split_to order by ex_date, greatest(ex_date, known_on)) as factor
            from bars join splits using (symbol)
            where ex_date > session and greatest(ex_date, known_on) <= as_of group by all
        )
        select as_of - date '1970-01-01' as as_of, session - date '1970-01-01' as session, symbol,
            close * coalesce(factor, 1) as close
        from bars left join factors using (as_of, session, symbol) order by as_of, session, symbol
        """,
        # Bounds that are values, not selects, keep DuckDB from reading what lies outside of them.
        {"symbols": list(SYMBOLS), "first": str(first.min()), "last": str(as_of.max())},
    ).fetchnumpy()
    connection.unregister("asked")
    return {
        name: values.astype(np.int32) if name in ("as_of", "session") else np.asarray(values)
        for name, values in columns.items()
    }


def replace_market_context(
    connection: Connection,
    sessions: Sequence[date],
    rows: Sequence[Sequence[Any]],
    data_versions: Mapping[date, str],
    run_id: str,
) -> None:
    """Replace the rows of these sessions; one of which nothing is known has none. Must run in a write transaction.

    `rows`: values in the order of `features.market_context.COLUMNS`, the session first, as its select gives them.
    """
    connection.execute("delete from market_context where session in (select unnest(?::DATE[]))", [list(sessions)])
    if not rows:
        return
    columns: dict[str, Any] = {"data_version": np.array([data_versions[row[0]] for row in rows], dtype=object)}
    casts = ["data_version", "$run_id as run_id"]
    for place, column in enumerate(one for one in MARKET_CONTEXT.columns if one.name in COLUMNS):
        values = [row[place] for row in rows]
        if column.type == "DATE":
            columns[column.name] = np.array(values, dtype="datetime64[D]").astype(np.int32)
            casts.append(f"date '1970-01-01' + {column.name} as {column.name}")
        else:
            # Floats carry counts too: NaN is null.
            columns[column.name] = np.array(values, dtype=object if column.type == "VARCHAR" else np.float64)
            casts.append(f"{column.name}::{column.type} as {column.name}")
    connection.register("given_context", columns)
    connection.execute(
        f"insert into market_context by name select {', '.join(casts)} from given_context", {"run_id": run_id}
    )
    connection.unregister("given_context")


def read_market_context(connection: Connection, sessions: Sequence[date]) -> list[dict[str, Any]]:
    """The stored rows of these sessions by column, oldest first; none for a session that was not scanned."""
    found = connection.execute(
        "select * from market_context where session in (select unnest(?::DATE[])) order by session", [list(sessions)]
    )
    return [dict(zip(MARKET_CONTEXT.names, row, strict=True)) for row in found.fetchall()]
