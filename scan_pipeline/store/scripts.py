"""Scripts in the store: which symbols one is shown, and what became of its runs.

What belongs here: the tables `script_results` and `script_outcomes`, and the questions a run asks before it starts.
What does not: running (`script_pipeline.py`) and finding hits in what a script left behind (`scripts/`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import numpy as np

from scan_pipeline.store.connection import Connection


@dataclass(frozen=True)
class ScriptHit:
    """One hit, as stored: `details` are the script's own columns."""

    session: date
    symbol: str
    score: float | None
    details: dict[str, Any]


@dataclass(frozen=True)
class ScriptOutcome:
    """What became of a run; see the table `script_outcomes` for each field."""

    as_of: date
    script: str
    ok: bool
    hits: int | None
    message: str
    source: str
    shards: int
    symbols_held: int
    symbols_shown: int
    screened: bool
    requests: int
    answered_empty: int
    vendor_calls: int
    seconds: float
    peak_mib: float
    isolation: str
    folder: str
    code_version: str
    data_version: str


def sessions_lacking(connection: Connection, sessions: Sequence[date]) -> list[date]:
    """Those of the sessions of which no bar is held, in order; one whose bars are provisional lacks them."""
    held = connection.execute(
        "select session from ingested_sessions "
        "where bars > 0 and not provisional and session in (select unnest(?::DATE[]))",
        [list(sessions)],
    ).fetchall()
    return sorted(set(sessions) - {session for (session,) in held})


def symbols_held(connection: Connection, as_of: date) -> list[str]:
    """The symbols that have a bar up to the session, sorted."""
    rows = connection.execute(
        "select distinct symbol from price_bars where session <= ? order by symbol", [as_of]
    ).fetchnumpy()
    return list(rows["symbol"])


def symbols_passed(connection: Connection, sessions: Sequence[date]) -> list[str] | None:
    """The symbols that passed the screen on any of the sessions, sorted; None if one of them was not screened."""
    asked = [list(sessions)]
    screened = connection.execute(
        "select count(distinct session) from prefiltered_symbols where session in (select unnest(?::DATE[]))", asked
    ).fetchone()
    if not screened or screened[0] < len(set(sessions)):
        return None
    rows = connection.execute(
        "select distinct symbol from prefiltered_symbols where passed and session in (select unnest(?::DATE[])) "
        "order by symbol",
        asked,
    ).fetchnumpy()
    return list(rows["symbol"])


def bars_version(connection: Connection, as_of: date) -> str:
    """Changes when a bar up to the session does, or a split known by then."""
    row = connection.execute(
        """
        select (select bit_xor(hash(session, bars_hash)) from ingested_sessions where session <= $as_of),
            (select bit_xor(hash(symbol, ex_date, split_from, split_to, known_on)) from splits where known_on <= $as_of)
        """,
        {"as_of": as_of},
    ).fetchone()
    assert row is not None
    return sha256(repr(row).encode()).hexdigest()[:12]


def replace_script_run(
    connection: Connection, outcome: ScriptOutcome, hits: Sequence[ScriptHit], run_id: str, *, partial: bool
) -> None:
    """Replace what is held of the script as of the session. Must run in a write transaction."""
    key = [outcome.as_of, outcome.script]
    for table in ("script_results", "script_outcomes"):
        connection.execute(f"delete from {table} where as_of = ? and script = ?", key)
    if hits:
        connection.register(
            "given_hits",
            {
                "day": np.array([hit.session for hit in hits], dtype="datetime64[D]").astype(np.int32),
                "symbol": np.array([hit.symbol for hit in hits], dtype=object),
                "rank": np.arange(1, len(hits) + 1, dtype=np.int32),
                "score": np.array([np.nan if hit.score is None else hit.score for hit in hits]),
                "details": np.array([json.dumps(hit.details, default=str) for hit in hits], dtype=object),
            },
        )
        connection.execute(
            "insert into script_results select ?, date '1970-01-01' + day, ?, symbol, rank, "
            "case when not isnan(score) then score end, details, ?, ?, ?, ? from given_hits",
            [*key, partial, outcome.code_version, outcome.data_version, run_id],
        )
        connection.unregister("given_hits")
    one = outcome
    connection.execute(
        "insert into script_outcomes values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [one.as_of, one.script, one.ok, one.hits, one.message, one.source, one.shards, one.symbols_held,
         one.symbols_shown, one.screened, one.requests, one.answered_empty, one.vendor_calls, one.seconds,
         one.peak_mib, one.isolation, one.folder, one.code_version, one.data_version,
         datetime.now(UTC).replace(tzinfo=None), run_id],
    )  # fmt: skip


def read_script_hits(connection: Connection, script: str, as_of: date) -> list[dict[str, Any]]:
    """The hits of a script's run as of a session, by rank; `details` as a dict."""
    rows = connection.execute(
        "select session, symbol, rank, score, details, partial from script_results where script = ? and as_of = ? "
        "order by rank",
        [script, as_of],
    ).fetchall()
    return [
        {"session": session, "symbol": symbol, "rank": rank, "score": score, "details": json.loads(details),
         "partial": partial}
        for session, symbol, rank, score, details, partial in rows
    ]  # fmt: skip


def read_script_outcomes(connection: Connection, script: str | None = None) -> list[dict[str, Any]]:
    """What became of the runs of a script, or of all, the newest session first."""
    cursor = connection.execute(
        "select * from script_outcomes where $script is null or script = $script order by as_of desc, script",
        {"script": script},
    )
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
