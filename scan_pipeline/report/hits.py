"""Hits out of the store, as rows for a table, CSV, JSON or Parquet."""

import csv
import json
import math
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import duckdb

from scan_pipeline.sessions import NEW_YORK
from scan_pipeline.store.connection import Connection

#: The columns that every hit has; a scanner's own follow.
COMMON = ("session", "scanner", "rank", "symbol", "name", "score")
VERSIONS = ("code_version", "data_version", "run_id", "provisional", "stale_since")


def latest_scanned(connection: Connection) -> date | None:
    """The last session that has been scanned."""
    row = connection.execute("select max(session) from scanner_outcomes").fetchone()
    return row[0] if row else None


def read_hits(
    connection: Connection, session: date, scanner: str | None = None, symbol: str | None = None
) -> list[dict[str, Any]]:
    """Hits by scanner and rank. Each has COMMON, `details` (the scanner's own columns, as a dict) and VERSIONS."""
    cursor = connection.execute(
        """
        select session, scanner, rank, symbol, name, score, details, code_version, data_version, run_id,
            scan_results.provisional, stale_since
        from scan_results left join universe using (session, symbol)
        where session = $session and ($scanner is null or scanner = $scanner) and ($symbol is null or symbol = $symbol)
        order by scanner, rank
        """,
        {"session": session, "scanner": scanner, "symbol": symbol},
    )
    names = [column[0] for column in cursor.description]
    hits = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for hit in hits:
        hit["details"] = json.loads(hit["details"])
    return hits


def read_outcomes(connection: Connection, session: date) -> list[dict[str, Any]]:
    """What became of each scanner on the session."""
    rows = connection.execute(
        f"select {', '.join(_OUTCOME)} from scanner_outcomes where session = ? order by scanner", [session]
    ).fetchall()
    return [dict(zip(_OUTCOME, row, strict=True)) for row in rows]


_OUTCOME = ("scanner", "ok", "hits", "message", "scanned_at", "provisional", "snapshot_at")


def said_provisional(session: date, snapshot_at: datetime) -> str:
    """That bars or hits of a session are provisional; `snapshot_at` is in UTC. With the day, where that is another."""
    at = snapshot_at.replace(tzinfo=UTC).astimezone(NEW_YORK)
    return f"provisional, as of {at:{'%H:%M' if at.date() == session else '%Y-%m-%d %H:%M'}} New York, before the close"


def write_csv(hits: Iterable[dict[str, Any]], out: TextIO) -> None:
    """One line a hit; the scanners' own columns are spread over columns, empty where a scanner has no such column."""
    rows = [_flat(hit) for hit in hits]
    names = list(dict.fromkeys([*COMMON, *(name for row in rows for name in row), *VERSIONS]))
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_json(hits: Iterable[dict[str, Any]], out: TextIO) -> None:
    """An array of objects, with the scanner's own columns under `details`."""
    json.dump(list(hits), out, default=str, indent=1, allow_nan=False)
    out.write("\n")


def write_parquet(hits: list[dict[str, Any]], out: BinaryIO) -> None:
    """A Parquet file, in the shape of the table `scan_results` and with the names."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as writer:
        path = Path(folder) / "hits.parquet"
        writer.execute(
            "create table hits (session DATE, scanner VARCHAR, rank INTEGER, symbol VARCHAR, name VARCHAR, "
            "score DOUBLE, details JSON, code_version VARCHAR, data_version VARCHAR, run_id VARCHAR, "
            "provisional BOOLEAN, stale_since TIMESTAMP)"
        )
        if hits:
            writer.executemany(
                "insert into hits values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [[*(hit[name] for name in COMMON), json.dumps(hit["details"]), *(hit[name] for name in VERSIONS)]
                 for hit in hits],
            )  # fmt: skip
        writer.execute(f"copy hits to '{path}' (format parquet)")
        out.write(path.read_bytes())


def number(value: Any) -> str:
    """A number for people: 1.2M shares, 3.46, and nothing for what is unknown."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:,.1f}{suffix}"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 10_000 else f"{value:,.2f}"


def _flat(hit: dict[str, Any]) -> dict[str, Any]:
    return {**{name: hit[name] for name in COMMON}, **hit["details"], **{name: hit[name] for name in VERSIONS}}
