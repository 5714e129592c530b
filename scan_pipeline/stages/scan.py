"""The scan of a group of sessions: features of the symbols that passed, every scanner on them, hits in the store.

1.  In one reading: the version of the data; where the scan is incremental, which sessions are as a scan would leave
    them, and which symbols' cached features stand; bars of the others, and their features.
2.  With the store free: each scanner on the bench, on all symbols' features, cached ones and new ones.
3.  In one transaction: hits, outcomes, the newest features, and the fingerprints of what these were computed from.
    Whoever is killed leaves the old results or the new ones.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scan_pipeline.changes.deltas import is_scanned, keep_fingerprints, read_standing
from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import PRICE_COLUMNS
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.scanners.registry import SqlScanner, code_versions_of
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.sessions import SessionArray
from scan_pipeline.stages.groups import Group
from scan_pipeline.store.connection import Connection, Store
from scan_pipeline.store.history import data_versions, provisional_at, read_block
from scan_pipeline.store.results import (
    keep_features,
    publish,
    read_cached_features,
    read_results,
    replace_hits,
    write_aside,
)

#: For each session, the symbols whose cached features stand, and when these were computed (UTC).
Standing = dict[date, dict[str, datetime]]


@dataclass(frozen=True)
class ScannedSession:
    """One session's scan. `history_sessions` of `history_wanted` sessions before it are held.

    `rescanned_symbols` of its `scanned_symbols` had their features computed; the others' were cached. `is_cached`: a
    scan would have given what was there, so nothing was done. `hit_changes`: hits `new`, `gone` and `moved` since the
    session was scanned before; empty where it was not. `snapshot_at`: the instant (UTC) of the provisional bars that it
    was made of; None where all were final.
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


@dataclass(frozen=True)
class ScanLimits:
    """Bounds of a scan: symbols worked on at once; sessions whose features are kept; seconds and hits a scanner."""

    batch_symbols: int
    keep_sessions: int
    scanner_seconds: float
    max_hits: int


@dataclass(frozen=True)
class _Filled:
    """What was put on the bench: symbols and those computed, by session; the features that are kept, as columns."""

    scanned: dict[date, int]
    computed: dict[date, int]
    kept: dict[str, Any]


def scan_group(
    store: Store,
    group: Group,
    scanners: Sequence[SqlScanner],
    limits: ScanLimits,
    results_dir: Path,
    run_id: str,
    *,
    incremental: bool,
) -> list[ScannedSession]:
    """Replace and publish the hits of the group's sessions; what became of each, oldest first."""
    code_versions = code_versions_of(scanners)
    done: list[ScannedSession] = []
    todo, standing = group.sessions, Standing()
    with ExitStack() as stack:
        with store.read() as connection:
            versions = data_versions(connection, group.windows())
            provisional = provisional_at(connection, group.windows())
            held = _held_sessions(connection, group.window)
            if incremental:
                done = list(_as_scanned(connection, group, versions, held, provisional, code_versions))
                todo = [one for one in group.sessions if one not in {scanned.session for scanned in done}]
                standing = {one: read_standing(connection, one, versions[one]) for one in todo}
            if not todo:
                return done
            group = replace(group, sessions=todo)
            bench = stack.enter_context(Bench(limits.scanner_seconds, limits.max_hits))
            tables = set().union(*(bench.tables_read(scanner) for scanner in scanners))
            filled = _fill(bench, connection, group, tables, standing, limits)
        bench.close_fence()
        hits: list[Hit] = []
        outcomes: list[Outcome] = []
        for scanner in scanners:
            found, became = bench.run(scanner, todo)
            hits += found
            outcomes += became
    now = datetime.now(UTC).replace(tzinfo=None)
    with store.write() as connection:
        changes = replace_hits(connection, hits, outcomes, code_versions, versions, standing, provisional, now, run_id)
        keep_features(connection, todo, filled.kept, limits.keep_sessions)
        _keep_fingerprints(connection, group, versions, standing, now, run_id)
        files = write_aside(connection, todo, results_dir)
    publish(files)
    done += [
        ScannedSession(
            session=session,
            scanned_symbols=filled.scanned[session],
            rescanned_symbols=filled.computed[session],
            outcomes=[outcome for outcome in outcomes if outcome.session == session],
            hits=[hit for hit in hits if hit.session == session],
            history_sessions=int(np.searchsorted(held, np.datetime64(session), side="right")),
            history_wanted=group.place(session) + 1,
            data_version=versions[session],
            hit_changes=changes.get(session, {}),
            snapshot_at=provisional.get(session),
        )
        for session in todo
    ]
    return sorted(done, key=lambda one: one.session)


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
            snapshot_at=provisional.get(session),
        )


def _fill(
    bench: Bench,
    connection: Connection,
    group: Group,
    tables: Collection[str],
    standing: Standing,
    limits: ScanLimits,
) -> _Filled:
    """Put on the bench what the scanners read, `tables`: features always, those `standing` as they are kept."""
    everyone, passed = _passed(connection, group)
    wanted = passed.copy()
    for session, cached in standing.items():
        stands = np.fromiter((symbol in cached for symbol in everyone), dtype=bool, count=len(everyone))
        wanted[stands, group.place(session)] = False
    # Bars are read of symbols that are computed; of all, where a scanner looks at bars.
    read_of = np.flatnonzero((passed if "bars" in tables else wanted).any(axis=1))
    days = group.window.astype(np.int32)
    newest = group.sessions[-limits.keep_sessions :] if limits.keep_sessions else []
    kept_days = np.array(newest, dtype="datetime64[D]").astype(np.int32)
    kept: list[dict[str, Any]] = []

    def add(rows: dict[str, Any]) -> None:
        bench.add("features", rows)
        is_kept = np.isin(rows["session"], kept_days)
        kept.append({name: rows[name][is_kept] for name in (kept[0] if kept else rows)})

    for first in range(0, max(1, len(read_of)), limits.batch_symbols):
        places = read_of[first : first + limits.batch_symbols]
        batch = [everyone[place] for place in places]
        block = read_block(
            connection, batch, group.window, group.sessions[0], (*PRICE_COLUMNS, "volume"), count_from=group.start
        )
        names = np.array(batch, dtype=object)
        series = block.series_of_bar()
        bars = block.bars_as_of(wanted[places])
        rows = {"session": days[block.session[bars]], "symbol": names[block.symbol[series[bars]]]}
        add(rows | catalogue.compute(block, catalogue.CORE, bars))
        if "bars" in tables:
            bench.add(
                "bars",
                {"session": days[block.session], "symbol": names[block.symbol[series]],
                 "valid_from": days[block.valid_from[series]], "valid_to": days[block.valid_to[series]],
                 **block.columns},
            )  # fmt: skip
    for session, cached in standing.items():
        if cached:
            rows = read_cached_features(connection, session, cached)
            add({"session": np.full(len(rows["symbol"]), days[group.place(session)]), **rows})
    if "universe" in tables:
        universe = connection.execute(
            "select session - date '1970-01-01' as session, symbol, name, exchange, type, sector, industry, "
            "country, universe.market_cap from universe join prefiltered_symbols using (session, symbol) "
            "where passed and session in (select unnest(?::DATE[]))",
            [group.sessions],
        ).fetchnumpy()
        bench.add("universe", {"session": universe.pop("session").astype(np.int32), **universe})
    scanned, computed = (
        {session: int(counts[group.place(session)]) for session in group.sessions}
        for counts in (passed.sum(axis=0), wanted.sum(axis=0))
    )
    return _Filled(scanned, computed, {name: np.concatenate([part[name] for part in kept]) for name in kept[0]})


def _keep_fingerprints(
    connection: Connection,
    group: Group,
    versions: Mapping[date, str],
    standing: Standing,
    now: datetime,
    run_id: str,
) -> None:
    """Note what the features that are kept were computed from, unless that has changed since they were."""
    connection.execute("delete from scan_fingerprints where session not in (select distinct session from features)")
    kept = {day for (day,) in connection.execute("select distinct session from features").fetchall()}
    days = [day for day in group.sessions if day in kept]
    still = data_versions(connection, group.windows(days)) if days else {}
    for day in days:
        if still[day] == versions[day]:
            keep_fingerprints(
                connection, day, group.start, data_version=versions[day], cached=standing.get(day, {}),
                scanned_at=now, run_id=run_id,
            )  # fmt: skip
        else:
            connection.execute("delete from scan_fingerprints where session = ?", [day])


def _passed(connection: Connection, group: Group) -> tuple[list[str], np.ndarray[Any, np.dtype[np.bool_]]]:
    """The symbols that passed the screen on any session of the group, and on which: passed[symbol, session]."""
    rows = connection.execute(
        "select symbol, session - date '1970-01-01' as day from prefiltered_symbols "
        "where passed and session in (select unnest(?::DATE[]))",
        [group.sessions],
    ).fetchnumpy()
    symbols, code = np.unique(rows["symbol"].astype(object), return_inverse=True)
    passed = np.zeros((len(symbols), len(group.window)), dtype=bool)
    passed[code, np.searchsorted(group.window.astype(np.int64), rows["day"])] = True
    return symbols.tolist(), passed


def _held_sessions(connection: Connection, window: SessionArray) -> SessionArray:
    rows = connection.execute(
        "select session - date '1970-01-01' as day from ingested_sessions where session between ? and ? order by day",
        [str(window[0]), str(window[-1])],
    ).fetchnumpy()
    return rows["day"].astype("datetime64[D]")
