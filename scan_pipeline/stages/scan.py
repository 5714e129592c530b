"""The scan of a group of sessions: features of the symbols that passed, every scanner on them, hits in the store.

1.  In one reading: the version of the data; where the scan is incremental, which sessions are as a scan would leave
    them, and which symbols' cached features stand; bars of the others, and their features (`filling.py`).
2.  Incremental: which scanners' hits stand, since none of the symbols that changed is a hit of theirs, nor was one
    (`standing.py`). What the others read of the cached features is put beside the new ones.
3.  With the store free: each of the others on the bench, on all symbols' features.
4.  In one transaction: hits, outcomes, the newest features, and the fingerprints of what these were computed from.
    Whoever is killed leaves the old results or the new ones. Where another scan has replaced what was found to stand,
    all begins anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scan_pipeline.changes.deltas import cached_run, is_scanned, keep_fingerprints, read_standing
from scan_pipeline.features import market_context
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.scanners.preparing import demand, versions_of_code
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.sessions import SessionArray
from scan_pipeline.stages import filling
from scan_pipeline.stages.groups import Group
from scan_pipeline.stages.standing import Standing, find_untouched
from scan_pipeline.store.connection import Connection, Store
from scan_pipeline.store.features import keep_features, kept_columns, kept_sessions
from scan_pipeline.store.history import data_versions, provisional_at
from scan_pipeline.store.market_context import read_market_context, replace_market_context
from scan_pipeline.store.results import publish, read_results, replace_hits, unpublished, write_aside


@dataclass(frozen=True)
class ScannedSession:
    """One session's scan. `history_sessions` of `history_wanted` sessions before it are held.

    `rescanned_symbols` of its `scanned_symbols` had their features computed; the others' were cached. `is_cached`: a
    scan would have given what was there, so nothing was done. `hit_changes`: hits `new`, `gone` and `moved` since the
    session was scanned before; empty where it was not. `snapshot_at`: the instant (UTC) of the provisional bars that it
    was made of; None where all were final. `untouched_scanners`: their hits stand, since nothing that they select by
    changed. `market_context` is the session's row of that table.
    """

    session: date
    scanned_symbols: int
    rescanned_symbols: int
    outcomes: list[Outcome]
    hits: list[Hit]
    history_sessions: int
    history_wanted: int
    data_version: str
    hit_changes: Mapping[str, int] = field(default_factory=dict)
    is_cached: bool = False
    snapshot_at: datetime | None = None
    untouched_scanners: frozenset[str] = frozenset()
    market_context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanRules:
    """What a scan is told: symbols worked on at once; sessions whose features are kept; seconds and hits a scanner; the
    memory of their bench, as DuckDB has it.

    `benchmark` is the symbol that others are held against, `score` and `plan` are what columns that compare symbols and
    plan trades are made by.
    """

    batch_symbols: int
    keep_sessions: int
    scanner_seconds: float
    max_hits: int
    memory_limit: str
    benchmark: str
    score: ScoreWeights
    plan: PlanRules


def scan_group(
    store: Store,
    group: Group,
    scanners: Sequence[SqlScanner],
    rules: ScanRules,
    results_dir: Path,
    run_id: str,
    *,
    incremental: bool,
) -> list[ScannedSession]:
    """Replace and publish the hits of the group's sessions; what became of each, oldest first."""
    code_versions = versions_of_code(scanners, rules.score, rules.plan, rules.benchmark)
    whole = group
    done: list[ScannedSession] = []
    todo, standing = group.sessions, Standing()
    stored: dict[date, tuple[list[Hit], list[Outcome]]] = {}
    with ExitStack() as stack:
        with store.read() as connection:
            versions = data_versions(connection, group.windows())
            provisional = provisional_at(connection, group.windows())
            held = _held_sessions(connection, group.window)
            if incremental:
                done = list(_as_scanned(connection, group, versions, held, provisional, code_versions))
                todo = [one for one in group.sessions if one not in {scanned.session for scanned in done}]
                if left := unpublished(connection, [one.session for one in done], results_dir):
                    publish(write_aside(connection, left, results_dir))
            if not todo:
                return done
            group = Group(todo, group.window, group.start, group.following)
            wanted = demand(scanners, market_context.READS)
            if incremental and wanted.names <= kept_columns(connection):
                standing = {one: read_standing(connection, one, versions[one]) for one in todo}
                stored = {one: read_results(connection, one) for one in todo if standing[one]}
            caches = {one: cached_run(connection, one) for one in todo if standing.get(one)}
            bench = stack.enter_context(Bench(rules.scanner_seconds, rules.max_hits, rules.memory_limit))
            computed = filling.add_computed(
                bench, connection, group, wanted, standing, batch_symbols=rules.batch_symbols,
                keep_sessions=rules.keep_sessions, benchmark=rules.benchmark,
            )  # fmt: skip
            filling.add_before(bench, connection, wanted, standing)
            untouched = find_untouched(bench, scanners, code_versions, _ended(connection, todo), standing)
            again = [one for one in scanners if any(one.name not in untouched.get(session, ()) for session in todo)]
            filling.add_cached(bench, connection, demand(again, market_context.READS), standing)
            filling.add_derived(bench, connection, group, wanted, rules.score, rules.plan)
        kept = filling.scores(bench, wanted, todo[-rules.keep_sessions :] if rules.keep_sessions else [])
        context = bench.rows("from all_market_context")
        bench.close_fence()
        hits: list[Hit] = []
        outcomes: list[Outcome] = []
        for scanner in again:
            found, became = bench.run(scanner, [one for one in todo if scanner.name not in untouched.get(one, ())])
            hits += found
            outcomes += became
    now = datetime.now(UTC).replace(tzinfo=None)
    with store.write() as connection:
        is_overtaken = any(cached_run(connection, one) != run for one, run in caches.items())
        if not is_overtaken:
            changes = replace_hits(
                connection, todo, hits, outcomes, code_versions, versions, standing, untouched, provisional, now, run_id
            )
            keep_features(connection, todo, computed.kept, kept, standing, rules.keep_sessions)
            replace_market_context(connection, todo, context, versions, run_id)
            benchmark = rules.benchmark if wanted.needs_benchmark else None
            _keep_fingerprints(connection, group, versions, standing, benchmark, now, run_id)
            files = write_aside(connection, todo, results_dir)
    if is_overtaken:
        return scan_group(store, whole, scanners, rules, results_dir, run_id, incremental=incremental)
    publish(files)
    by_session = {row[0]: dict(zip(market_context.COLUMNS[1:], row[1:], strict=True)) for row in context}
    for session, (hits_before, outcomes_before) in stored.items():
        stands = untouched.get(session, set())
        hits += [hit for hit in hits_before if hit.scanner in stands]
        outcomes += [outcome for outcome in outcomes_before if outcome.scanner in stands]
    hits.sort(key=lambda hit: (hit.scanner, hit.session, hit.rank))
    outcomes.sort(key=lambda outcome: outcome.scanner)
    done += [
        ScannedSession(
            session=session,
            scanned_symbols=computed.scanned[session],
            rescanned_symbols=computed.computed[session],
            outcomes=[outcome for outcome in outcomes if outcome.session == session],
            hits=[hit for hit in hits if hit.session == session],
            history_sessions=int(np.searchsorted(held, np.datetime64(session), side="right")),
            history_wanted=group.place(session) + 1,
            data_version=versions[session],
            hit_changes=changes.get(session, {}),
            snapshot_at=provisional.get(session),
            untouched_scanners=frozenset(untouched.get(session, ())),
            market_context=by_session.get(session, {}),
        )
        for session in todo
    ]
    return sorted(done, key=lambda one: one.session)


def _ended(connection: Connection, sessions: Sequence[date]) -> dict[date, dict[str, str]]:
    """The scanners that came to their end on each session, and their code's version then."""
    ended: dict[date, dict[str, str]] = {session: {} for session in sessions}
    for session, scanner, version in connection.execute(
        "select session, scanner, code_version from scanner_outcomes "
        "where ok and kind = 'sql' and session in (select unnest(?::DATE[]))",
        [sessions],
    ).fetchall():
        ended[session][scanner] = version
    return ended


def _as_scanned(
    connection: Connection,
    group: Group,
    versions: Mapping[date, str],
    held: SessionArray,
    provisional: Mapping[date, datetime],
    code_versions: Mapping[str, str],
) -> Iterator[ScannedSession]:
    """The group's sessions whose stored results are what a scan would give."""
    for session in group.sessions:
        if not is_scanned(connection, session, versions[session], code_versions):
            continue
        hits, outcomes = read_results(connection, session)
        if any(outcome.hits is None for outcome in outcomes):
            continue  # a scanner that failed, for lack of time maybe, is tried again
        row = connection.execute(
            "select count(*) from prefiltered_symbols where passed and session = ?", [session]
        ).fetchone()
        yield ScannedSession(
            session=session,
            scanned_symbols=row[0] if row else 0,
            rescanned_symbols=0,
            outcomes=outcomes,
            hits=hits,
            history_sessions=int(np.searchsorted(held, np.datetime64(session), side="right")),
            history_wanted=group.place(session) + 1,
            data_version=versions[session],
            hit_changes={"new": 0, "gone": 0, "moved": 0},
            is_cached=True,
            market_context=next(iter(read_market_context(connection, [session])), {}),
            snapshot_at=provisional.get(session),
        )


def _keep_fingerprints(
    connection: Connection,
    group: Group,
    versions: Mapping[date, str],
    standing: Standing,
    benchmark: str | None,
    now: datetime,
    run_id: str,
) -> None:
    """Note what the features that are kept were computed from, unless that has changed since they were."""
    kept = kept_sessions(connection)
    connection.execute("delete from scan_fingerprints where session not in (select unnest(?::DATE[]))", [[*kept]])
    days = [day for day in group.sessions if day in kept]
    windows = group.windows(days)
    still = data_versions(connection, windows) if days else {}
    for day in days:
        if still[day] == versions[day]:
            keep_fingerprints(
                connection, day, windows[day], benchmark=benchmark, data_version=versions[day],
                cached=standing.get(day, {}), scanned_at=now, run_id=run_id,
            )  # fmt: skip
        else:
            connection.execute("delete from scan_fingerprints where session = ?", [day])


def _held_sessions(connection: Connection, window: SessionArray) -> SessionArray:
    rows = connection.execute(
        "select session - date '1970-01-01' as day from ingested_sessions where session between ? and ? order by day",
        [str(window[0]), str(window[-1])],
    ).fetchnumpy()
    return rows["day"].astype("datetime64[D]")
