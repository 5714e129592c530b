"""Hits and outcomes in the store, and the published files.

A session's hits are replaced as a whole. They are also published as Parquet, one file a session, replaced atomically:
notebooks and other processes read those without touching the database.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.quoting import literal
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.refreshes import mark_stale


def replace_hits(
    connection: Connection,
    sessions: Sequence[date],
    hits: Sequence[Hit],
    outcomes: Sequence[Outcome],
    code_versions: Mapping[str, str],
    data_versions: Mapping[date, str],
    cached_since: Mapping[date, Mapping[str, datetime]],
    untouched: Mapping[date, Collection[str]],
    provisional: Mapping[date, datetime],
    now: datetime,
    run_id: str,
    kind: str = "sql",
) -> dict[date, dict[str, int]]:
    """Replace hits and outcomes of the sessions, but for `untouched` scanners. Must run in a write transaction.

    The hits of untouched scanners stand, and are those of the data as it is now: only their versions change. `kind`:
    what the scanners are written in; those of other kinds are left alone.
    `cached_since`: when the features of symbols were computed, where an earlier run did that. `provisional`: sessions
    that were scanned on provisional bars, and the instant that these are of. Returns how many hits are `new`, `gone`
    and `moved` of each session that had been scanned before; which, is in `hit_changes`.
    """
    connection.execute(
        "create or replace temp table replaced as select session, scanner, symbol, rank, run_id from scan_results "
        "where session in (select unnest(?::DATE[])) and kind = ?",
        [sessions, kind],
    )
    before = dict(
        connection.execute(
            "select session, any_value(run_id) from scanner_outcomes where session in (select unnest(?::DATE[])) "
            "and kind = ? group by session",
            [sessions, kind],
        ).fetchall()
    )
    for session in sessions:
        stand = {"session": session, "kind": kind, "stand": sorted(untouched.get(session, ()))}
        for table in ("scan_results", "scanner_outcomes"):
            connection.execute(
                f"delete from {table} where session = $session and kind = $kind "
                "and scanner not in (select unnest($stand::VARCHAR[]))",
                stand,
            )
        if untouched.get(session):
            _carry_over(connection, session, data_versions[session], provisional.get(session), now, run_id)
    if hits:
        columns = {
            "day": _days([hit.session for hit in hits]),
            "scanner": _texts([hit.scanner for hit in hits]),
            "symbol": _texts([hit.symbol for hit in hits]),
            "rank": np.array([hit.rank for hit in hits], dtype=np.int32),
            "score": np.array([np.nan if hit.score is None else hit.score for hit in hits]),
            "details": _texts([hit.details for hit in hits]),
            "code_version": _texts([code_versions[hit.scanner] for hit in hits]),
            "data_version": _texts([data_versions[hit.session] for hit in hits]),
            "cached_since": np.array(
                [cached_since.get(hit.session, {}).get(hit.symbol) for hit in hits], dtype="datetime64[us]"
            ),
            "provisional": np.array([hit.session in provisional for hit in hits]),
        }
        connection.register("given_hits", columns)
        connection.execute(
            "insert into scan_results select date '1970-01-01' + day, * exclude (day, cached_since, provisional), ?, "
            "cached_since, provisional, ?, null from given_hits",
            [run_id, kind],
        )
        connection.unregister("given_hits")
    if outcomes:
        _insert_outcomes(connection, outcomes, code_versions, data_versions, provisional, now, run_id, kind)
    mark_stale(connection, sessions)
    return _note_changes(connection, kind, before, now, run_id)


def _insert_outcomes(
    connection: Connection,
    outcomes: Sequence[Outcome],
    code_versions: Mapping[str, str],
    data_versions: Mapping[date, str],
    provisional: Mapping[date, datetime],
    now: datetime,
    run_id: str,
    kind: str,
) -> None:
    columns = {
        "day": _days([one.session for one in outcomes]),
        "scanner": _texts([one.scanner for one in outcomes]),
        "ok": np.array([one.hits is not None for one in outcomes]),
        "hits": np.array([-1 if one.hits is None else one.hits for one in outcomes], dtype=np.int32),
        "message": _texts([one.message for one in outcomes]),
        "code_version": _texts([code_versions[one.scanner] for one in outcomes]),
        "data_version": _texts([data_versions[one.session] for one in outcomes]),
        "provisional": np.array([one.session in provisional for one in outcomes]),
        "snapshot_at": np.array([provisional.get(one.session) for one in outcomes], dtype="datetime64[us]"),
    }
    connection.register("given_outcomes", columns)
    connection.execute(
        "insert into scanner_outcomes "
        "select date '1970-01-01' + day, scanner, ok, case when ok then hits end, message, code_version, data_version, "
        "?, ?, provisional, snapshot_at, ? from given_outcomes",
        [now, run_id, kind],
    )
    connection.unregister("given_outcomes")


def _carry_over(
    connection: Connection, session: date, data_version: str, snapshot_at: datetime | None, now: datetime, run_id: str
) -> None:
    """Give what is left of a session's hits and outcomes the versions of a scan that would give the same."""
    given = {"session": session, "version": data_version, "snapshot_at": snapshot_at, "run": run_id}
    connection.execute(
        """
        update scan_results set data_version = $version, run_id = $run, provisional = $snapshot_at is not null,
            cached_since = coalesce(cached_since, scanned_at)
        from (select symbol, scanned_at from scan_fingerprints where session = $session) was
        where session = $session and kind = 'sql' and scan_results.symbol = was.symbol
        """,
        given,
    )
    connection.execute(
        "update scanner_outcomes set data_version = $version, run_id = $run, scanned_at = $now, "
        "provisional = $snapshot_at is not null, snapshot_at = $snapshot_at where session = $session and kind = 'sql'",
        given | {"now": now},
    )


def _note_changes(
    connection: Connection, kind: str, before: Mapping[date, str], now: datetime, run_id: str
) -> dict[date, dict[str, int]]:
    """Compare the hits of sessions that were scanned before with those in `replaced`, and note the difference."""
    changes: dict[date, dict[str, int]] = {session: {"new": 0, "gone": 0, "moved": 0} for session in before}
    for session, run_before in before.items():
        connection.execute(
            """
            insert into hit_changes
            select $session, scanner, symbol,
                case when was.rank is null then 'new' when now.rank is null then 'gone' else 'moved' end,
                was.rank, now.rank, $now, $run_before, $run_id
            from (from replaced where session = $session) was
                full join (from scan_results where session = $session and kind = $kind) now using (scanner, symbol)
            where was.rank is distinct from now.rank order by scanner, symbol
            """,
            {"session": session, "now": now, "run_before": run_before, "run_id": run_id, "kind": kind},
        )
    connection.execute("drop table replaced")
    for session, change, count in connection.execute(
        "select session, change, count(*) from hit_changes where changed_at = ? and run_id = ? group by all",
        [now, run_id],
    ).fetchall():
        changes[session][change] = count
    return changes


def read_results(connection: Connection, session: date, kind: str = "sql") -> tuple[list[Hit], list[Outcome]]:
    """The stored hits of a session, and what became of each scanner; of scanners of one kind."""
    hits = connection.execute(
        "select session, scanner, symbol, rank, score, details from scan_results where session = ? and kind = ? "
        "order by scanner, rank",
        [session, kind],
    ).fetchall()
    outcomes = connection.execute(
        "select session, scanner, hits, message from scanner_outcomes where session = ? and kind = ? order by scanner",
        [session, kind],
    ).fetchall()
    return [Hit(*row) for row in hits], [Outcome(*row) for row in outcomes]


def write_aside(connection: Connection, sessions: Sequence[date], folder: Path) -> dict[Path, Path]:
    """Write each session's hits to a file beside `folder`/YYYY-MM-DD.parquet; where it is, and where it shall be.

    Runs in the transaction that replaces the hits. `publish` puts the files in place once that is committed. What
    killed writers left aside is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left_aside(folder)
    paths = {}
    for session in sessions:
        path = folder / f"{session}.parquet"
        aside = path.with_suffix(f".{os.getpid()}.tmp")
        connection.execute(
            f"copy (select * from scan_results where session = date '{session}' order by scanner, rank) "
            f"to {literal(aside)} (format parquet)"
        )
        paths[aside] = path
    return paths


def unpublished(connection: Connection, sessions: Sequence[date], folder: Path) -> list[date]:
    """Those of the sessions whose published file is missing or older than the hits: its writer was ended before."""
    scanned = connection.execute(
        "select session, max(scanned_at) from scanner_outcomes where session in (select unnest(?::DATE[])) "
        "group by session order by session",
        [list(sessions)],
    ).fetchall()
    files = {session: folder / f"{session}.parquet" for session, _ in scanned}
    return [
        session
        for session, at in scanned
        if not files[session].exists() or files[session].stat().st_mtime < at.replace(tzinfo=UTC).timestamp()
    ]


def _remove_left_aside(folder: Path) -> None:
    for aside in folder.glob("*.tmp"):
        import psutil

        writer = aside.suffixes[0][1:]
        if not (writer.isdigit() and psutil.pid_exists(int(writer))):
            aside.unlink(missing_ok=True)


def publish(paths: Mapping[Path, Path]) -> None:
    """Put the files that `write_aside` wrote in place, each atomically."""
    for aside, path in paths.items():
        aside.replace(path)


def _days(sessions: Sequence[date]) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.array(sessions, dtype="datetime64[D]").astype(np.int32)


def _texts(texts: Sequence[str | None]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(texts, dtype=object)
