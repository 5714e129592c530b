"""The schema's version and the way from each to the next.

A new database is created at the current version from `schema.py`. An older one is brought up by the steps below, all
in one transaction: a process killed in between leaves the old version, complete. A newer one is refused.
"""

from collections.abc import Sequence

import duckdb

from scan_pipeline import schema
from scan_pipeline.errors import StoreError

#: For each version before the current one, the statements that lead to the next.
STEPS: dict[int, Sequence[str]] = {
    1: (
        "alter table price_bars add column vwap DOUBLE",
        "alter table price_bars add column trades BIGINT",
        schema.BAR_REVISIONS.ddl,
        schema.FETCHES.ddl,
        schema.LISTINGS.ddl.replace('"as_of"', '"fetched_on"'),
        schema.SHARES_OUTSTANDING.ddl,
    ),
    2: (
        "alter table listings rename column fetched_on to as_of",
        "alter table scan_results add column cached_since TIMESTAMP",
        *(
            f"alter table {table} add column provisional BOOLEAN default false"
            for table in ("price_bars", "ingested_sessions", "scan_results", "scanner_outcomes")
        ),
        *(
            f"alter table {table} add column snapshot_at TIMESTAMP"
            for table in ("ingested_sessions", "scanner_outcomes")
        ),
        schema.SCAN_FINGERPRINTS.ddl,
        schema.INCREMENTAL_DELTAS.ddl,
        schema.HIT_CHANGES.ddl,
        schema.INTRADAY_BARS.ddl,
        schema.INTRADAY_SESSIONS.ddl,
        schema.TICKER_DETAILS.ddl,
        schema.SCRIPT_RESULTS.ddl,
        schema.SCRIPT_OUTCOMES.ddl,
    ),
    3: (schema.MARKET_CONTEXT.ddl,),
    4: (
        *(
            f"alter table {table} add column if not exists kind VARCHAR default 'sql'"
            for table in ("scan_results", "scanner_outcomes")
        ),
        # It is a cache, and now a view of two tables.
        "drop table if exists features",
        "drop table scan_fingerprints",
        schema.SCAN_FINGERPRINTS.ddl,
        "drop table incremental_deltas",
        schema.INCREMENTAL_DELTAS.ddl,
        schema.PYTHON_SCANS.ddl,
        schema.QUARANTINED_SYMBOLS.ddl,
    ),
    # Tables that an earlier step makes are made with today's columns.
    5: (
        schema.SYMBOL_REFRESHES.ddl,
        "alter table scan_results add column if not exists stale_since TIMESTAMP",
        *(
            f"alter table incremental_deltas add column if not exists {column.name} {column.type}"
            for column in schema.INCREMENTAL_DELTAS.columns[-5:]
        ),
    ),
}


def current_version(connection: duckdb.DuckDBPyConnection) -> int:
    """The version of the open database; 0 for an empty one."""
    try:
        ((version,),) = connection.execute("select version from schema_version").fetchall()
    except duckdb.CatalogException:
        return 0
    return int(version)


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether nothing needs doing. Raises StoreError for a database of a newer scan_pipeline."""
    version = current_version(connection)
    if version > schema.VERSION:
        raise StoreError(
            f"The database has schema version {version}, this scan_pipeline knows up to {schema.VERSION}. "
            "Update scan_pipeline, or point SCAN_DATA_DIR at another folder."
        )
    return version == schema.VERSION


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the open database to the current version, in one transaction."""
    if is_current(connection):
        return
    version = current_version(connection)
    statements = (
        ["create table schema_version (version INTEGER)", "insert into schema_version values (0)"]
        + [table.ddl for table in schema.TABLES]
        if version == 0
        else [statement for step in range(version, schema.VERSION) for statement in STEPS[step]]
    )
    connection.execute("begin")
    for statement in statements:
        connection.execute(statement)
    connection.execute("update schema_version set version = ?", [schema.VERSION])
    connection.execute("commit")
