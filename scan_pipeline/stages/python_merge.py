"""What becomes of what scanners in Python found: shards put together, ranked, judged, and kept for reruns.

What belongs here: one scanner's hits and failures on all sessions, in memory. What does not: reading bars
(`python_scan.py`) and the store (`store/python_scans.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

from scan_pipeline.errors import ScannerError
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.python.plans import PlannedScan
from scan_pipeline.scanners.python.workers import FoundHit, Quarantined, ShardResult
from scan_pipeline.scanners.ranking import rank_hits
from scan_pipeline.store.python_scans import EVERYBODY, Found

#: Quarantined symbols that a message names.
NAMED = 3


def put_together(
    scanner: PythonScanner,
    most: int,
    passed: Mapping[date, Collection[str]],
    results: Iterable[ShardResult],
    cached: Iterable[FoundHit],
) -> tuple[list[Hit], list[Outcome], list[Quarantined]]:
    """The ranked hits of all shards and of what was cached, what became of each session, and who is quarantined.

    With more than `most` hits on a session, the scanner has failed on it. `passed`: the symbols of each session.
    """
    results = list(results)
    broken = next((one.broken for one in results if one.broken), scanner.fault)
    if broken:
        return [], [Outcome(session, scanner.name, None, broken) for session in sorted(passed)], []
    failed = {(one.session, one.symbol): one for result in results for one in result.quarantined}
    quarantined = [failed[key] for key in sorted(failed)]
    found: dict[date, list[tuple[date, str, str]]] = {session: [] for session in sorted(passed)}
    for one in [*cached, *(hit for result in results for hit in result.hits)]:
        if (one.session, one.symbol) not in failed:
            found[one.session].append((one.session, one.symbol, one.details))
    hits: list[Hit] = []
    outcomes: list[Outcome] = []
    ranked = _ranked(scanner, most, found)
    for session in found:
        given = ranked[session]
        if isinstance(given, ScannerError):
            outcomes.append(Outcome(session, scanner.name, None, str(given)))
            continue
        of_session = [one for one in quarantined if one.session == session]
        outcomes.append(judge(scanner, session, len(given), len(passed[session]), of_session))
        hits += given if outcomes[-1].hits is not None else []
    return hits, outcomes, quarantined


def _ranked(
    scanner: PythonScanner, most: int, found: Mapping[date, list[tuple[date, str, str]]]
) -> dict[date, list[Hit] | ScannerError]:
    """The hits of each session in order, or why they cannot be: all at once, and where that fails one by one."""
    ranked: dict[date, list[Hit] | ScannerError] = {session: [] for session in found}
    try:
        for hit in _rank(scanner, [row for rows in found.values() for row in rows if len(rows) <= most]):
            of_session = ranked[hit.session]
            assert isinstance(of_session, list)
            of_session.append(hit)
    except ScannerError:
        for session, rows in found.items():
            try:
                ranked[session] = _rank(scanner, rows if len(rows) <= most else [])
            except ScannerError as error:
                ranked[session] = error
    for session, rows in found.items():
        if len(rows) > most:
            ranked[session] = ScannerError(
                f"{scanner.path}: more than {most:,} hits on {session}; narrow it, or raise SCAN_MAX_HITS."
            )
    return ranked


def _rank(scanner: PythonScanner, rows: Sequence[tuple[date, str, str]]) -> list[Hit]:
    return rank_hits(scanner.name, scanner.path, scanner.rank, scanner.limit, rows)


def judge(scanner: PythonScanner, session: date, hits: int, passed: int, failed: Sequence[Quarantined]) -> Outcome:
    """What became of the scanner on a session: of `passed` symbols, those in `failed` have no result."""
    if not failed:
        return Outcome(session, scanner.name, hits)
    first = failed[0]
    if not first.symbol:
        return Outcome(session, scanner.name, None, f"{scanner.path}: {first.reason}")
    if len(failed) == passed:
        return Outcome(
            session,
            scanner.name,
            None,
            f"{scanner.path}: all {passed:,} symbols failed; {first.symbol}: {first.reason}",
        )
    named = ", ".join(f"{one.symbol} ({one.reason})" for one in failed[:NAMED])
    more = ", …" if len(failed) > NAMED else ""
    return Outcome(session, scanner.name, hits, f"{len(failed):,} of {passed:,} symbols quarantined: {named}{more}")


def to_keep(
    planned: PlannedScan, scanner: PythonScanner, results: Sequence[ShardResult], quarantined: Sequence[Quarantined]
) -> list[Found]:
    """What is kept for reruns: of each symbol that was scanned on a kept session, its hits and what its bars were."""
    failed = {(one.session, one.symbol) for one in quarantined}
    hits: dict[tuple[date, str], list[tuple[str, str]]] = {}
    for hit in (hit for result in results for hit in result.hits):
        symbol = EVERYBODY if scanner.scope == "universe" else hit.symbol
        hits.setdefault((hit.session, symbol), []).append((hit.symbol, hit.details))
    found = []
    for session, prints in planned.fingerprints.items():
        wanted = planned.wanted[session]
        symbols = [EVERYBODY] if scanner.scope == "universe" and wanted else wanted
        found += [
            Found(session, scanner.name, symbol, prints[symbol], hits.get((session, symbol), []))
            for symbol in symbols
            if (session, symbol) not in failed
        ]
    return found
