"""What scanners in Python found and failed on, in the store: fingerprints, cached hits, quarantined symbols.

What belongs here: the tables `python_scans` and `quarantined_symbols`, and replacing a run's results as a whole. What
does not: running scanners, and what is ranked and judged (`stages/python_scan.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import msgspec
import numpy as np

from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.results import replace_hits, write_aside

#: The symbol under which a scanner of the whole universe is kept.
EVERYBODY = ""


@dataclass(frozen=True)
class Found:
    """What one scanner found in a symbol (or in everybody) on a session: hits as symbol and details (JSON)."""

    session: date
    scanner: str
    symbol: str
    fingerprint: int
    hits: list[tuple[str, str]]


@dataclass(frozen=True)
class Failed:
    """A symbol (or everybody) that one scanner failed on."""

    session: date
    scanner: str
    symbol: str
    reason: str
    traceback: str


@dataclass(frozen=True)
class PythonResults:
    """A run's results, as they replace what is held of its sessions.

    `found`: of the sessions that are kept for reruns, what was scanned now. `standing`: of these, by session and
    scanner, the symbols of which stands what was found before.
    """

    sessions: Sequence[date]
    hits: Sequence[Hit]
    outcomes: Sequence[Outcome]
    failed: Sequence[Failed]
    found: Sequence[Found] = ()
    standing: Mapping[tuple[date, str], Sequence[str]] = field(default_factory=dict)


def fingerprints_of(connection: Connection) -> dict[str, int]:
    """What the bars and splits of every symbol that passed the screen are, by symbol.

    From the temporary table `current_fingerprints`, which must have been computed from where the scanner's history
    begins (`changes/fingerprints.py`).
    """
    return dict(
        connection.execute(
            "select symbol, hash(bars, splits) from current_fingerprints where screen order by symbol"
        ).fetchall()
    )


def joint_fingerprint(connection: Connection) -> int:
    """The same of all symbols that passed, as one."""
    row = connection.execute(
        "select coalesce(bit_xor(hash(symbol, bars, splits)), 0) from current_fingerprints where screen"
    ).fetchone()
    assert row is not None
    return int(row[0])


def read_found(
    connection: Connection, session: date, scanner: str, code_version: str
) -> dict[str, tuple[int, list[tuple[str, str]]]]:
    """What this code of the scanner found on the session: fingerprint and hits, by symbol."""
    rows = connection.execute(
        "select symbol, fingerprint, hits from python_scans where session = ? and scanner = ? and code_version = ?",
        [session, scanner, code_version],
    ).fetchall()
    return {
        symbol: (fingerprint, msgspec.json.decode(hits, type=list[tuple[str, str]]))
        for symbol, fingerprint, hits in rows
    }


def stored_code(connection: Connection, sessions: Sequence[date]) -> dict[date, dict[str, str]]:
    """Which code of which scanners in Python the sessions' final results are of."""
    versions: dict[date, dict[str, str]] = {session: {} for session in sessions}
    for session, scanner, version in connection.execute(
        "select session, scanner, code_version from scanner_outcomes where kind = 'python' and not provisional "
        "and session in (select unnest(?::DATE[]))",
        [list(sessions)],
    ).fetchall():
        versions[session][scanner] = version
    return versions


def replace_python_results(
    connection: Connection,
    results: PythonResults,
    code_versions: Mapping[str, str],
    data_versions: Mapping[date, str],
    provisional: Mapping[date, datetime],
    keep_sessions: int,
    folder: Path,
    now: datetime,
    run_id: str,
) -> tuple[dict[date, dict[str, int]], dict[Path, Path]]:
    """Replace what is held of the sessions, in the write transaction that is under way.

    How the hits of each session changed, where it had been scanned before; and the files to publish once it is
    committed, as `write_aside` gives them.
    """
    sessions = results.sessions
    changes = replace_hits(
        connection,
        sessions,
        results.hits,
        results.outcomes,
        code_versions,
        data_versions,
        {},
        {},
        provisional,
        now,
        run_id,
        "python",
    )
    _replace_found(connection, results, code_versions, keep_sessions, now, run_id)
    connection.execute("delete from quarantined_symbols where session in (select unnest(?::DATE[]))", [sessions])
    if results.failed:
        connection.executemany(
            "insert into quarantined_symbols values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [
                    one.session,
                    one.scanner,
                    one.symbol,
                    one.reason,
                    one.traceback,
                    code_versions[one.scanner],
                    now,
                    run_id,
                ]
                for one in results.failed
            ],
        )
    connection.execute(
        """
        update scan_results set cached_since = was.scanned_at
        from (from python_scans where scanned_at < $now and session in (select unnest($sessions::DATE[]))) was
        where scan_results.kind = 'python' and scan_results.session = was.session
            and scan_results.scanner = was.scanner and was.symbol in (scan_results.symbol, $everybody)
        """,
        {"now": now, "sessions": sessions, "everybody": EVERYBODY},
    )
    return changes, write_aside(connection, sessions, folder)


def _replace_found(
    connection: Connection,
    results: PythonResults,
    code_versions: Mapping[str, str],
    keep_sessions: int,
    now: datetime,
    run_id: str,
) -> None:
    for session in results.sessions:
        connection.execute(
            "delete from python_scans where session = ? and scanner not in (select unnest(?::VARCHAR[]))",
            [session, [*code_versions]],
        )
        for scanner in code_versions:
            connection.execute(
                "delete from python_scans where session = ? and scanner = ? "
                "and symbol not in (select unnest(?::VARCHAR[]))",
                [session, scanner, list(results.standing.get((session, scanner), ()))],
            )
    if results.found:
        found = results.found
        columns = {
            "day": np.array([one.session for one in found], dtype="datetime64[D]").astype(np.int32),
            "scanner": np.array([one.scanner for one in found], dtype=object),
            "symbol": np.array([one.symbol for one in found], dtype=object),
            "fingerprint": np.array([one.fingerprint for one in found], dtype=np.uint64),
            "code_version": np.array([code_versions[one.scanner] for one in found], dtype=object),
            "hits": np.array([msgspec.json.encode(one.hits).decode() for one in found], dtype=object),
        }
        connection.register("given_found", columns)
        connection.execute(
            "insert into python_scans select date '1970-01-01' + day, * exclude (day), ?, ? from given_found",
            [now, run_id],
        )
        connection.unregister("given_found")
    connection.execute(
        "delete from python_scans where session not in "
        "(select distinct session from python_scans order by 1 desc limit ?)",
        [keep_sessions],
    )
