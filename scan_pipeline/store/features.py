"""The features of the last few sessions in the store: for reruns, and for people.

Their columns are what the scanners ask for, so they are no part of `schema.py`: they are a cache, and made anew when
a column is missing. Two tables hold them, `kept_features` (of a symbol's own bars) and `kept_scores` (which compare
symbols, and change whenever one of them does); the view `features` joins them, and is what a scanner sees.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb
import numpy as np

from scan_pipeline.quoting import identifier
from scan_pipeline.store.connection import Connection

FEATURES, SCORES = "kept_features", "kept_scores"


def kept_columns(connection: Connection) -> set[str]:
    """The features that are kept; none where no session is."""
    return set(_columns(connection, FEATURES)) - {"session", "symbol"}


def kept_sessions(connection: Connection) -> set[date]:
    """The sessions whose features are kept."""
    if not _columns(connection, FEATURES):
        return set()
    return {day for (day,) in connection.execute(f"select distinct session from {FEATURES}").fetchall()}


def read_kept(
    connection: Connection,
    session: date,
    names: Sequence[str],
    *,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """The kept features `names` of a session, as columns: `symbol`, and floats (NaN: unknown).

    Of the symbols in `only`, or of all but those in `without`.
    """
    listed = ", ".join(map(identifier, ("symbol", *names)))
    columns = connection.execute(
        f"select {listed} from {FEATURES} where session = ? order by symbol", [session]
    ).fetchnumpy()
    # Chosen here: a list of thousands takes longer to hand over than the others' features.
    wanted = np.fromiter(
        ((only is None or symbol in only) and symbol not in without for symbol in columns["symbol"]), dtype=bool
    )
    return {
        name: values[wanted] if name == "symbol" else np.ma.filled(values[wanted].astype(float), np.nan)
        for name, values in columns.items()
    }


def keep_features(
    connection: Connection,
    sessions: Sequence[date],
    columns: Mapping[str, Any],
    scores: Mapping[str, Any],
    standing: Mapping[date, Collection[str]],
    keep_sessions: int,
) -> None:
    """Replace these sessions' features, but for the symbols that are `standing`, and keep only the newest sessions.

    `columns`: `session` as int32 days since 1970, `symbol`, and the features, of the symbols that were computed;
    `scores` the same of those that compare symbols, of all symbols. Where a column is not held yet, all other sessions
    are let go; one that is no longer asked for is dropped. Must run in a write transaction.
    """
    _replace(connection, FEATURES, sessions, columns, standing)
    _replace(connection, SCORES, sessions, scores, {})
    for table in (SCORES, FEATURES):
        connection.execute(
            f"delete from {table} where session not in "
            f"(select distinct session from {FEATURES} order by 1 desc limit ?)",
            [keep_sessions],
        )
    connection.execute(
        f"create or replace view features as select * from {FEATURES} left join {SCORES} using (session, symbol)"
    )


def _replace(
    connection: Connection,
    table: str,
    sessions: Sequence[date],
    columns: Mapping[str, Any],
    standing: Mapping[date, Collection[str]],
) -> None:
    connection.register("given_rows", dict(columns))
    # Where there are no rows, numpy's texts have no type.
    select = (
        "select date '1970-01-01' + session as session, symbol::VARCHAR as symbol, * exclude (session, symbol) "
        "from given_rows"
    )
    held = _columns(connection, table)
    if not set(columns) <= set(held):
        connection.execute(f"create or replace table {table} as {select} limit 0")
    for name in held:
        if set(columns) <= set(held) and name not in columns:
            connection.execute(f"alter table {table} drop column {identifier(name)}")
    for session in sessions:
        symbols = np.array([*standing.get(session, ())], dtype=object)
        connection.register("standing", {"symbol": symbols})
        connection.execute(
            f"delete from {table} where session = ? and symbol not in (select symbol::VARCHAR from standing)", [session]
        )
        connection.unregister("standing")
    connection.execute(f"insert into {table} by name {select}")
    connection.unregister("given_rows")


def _columns(connection: Connection, table: str) -> list[str]:
    try:
        return connection.sql(f"from {table}").columns
    except duckdb.CatalogException:
        return []
