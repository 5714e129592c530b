"""Which scanners' hits stand in a rerun: those that decide on each symbol by itself, and on none that changed.

A scanner that selects rows of `features` by a condition gives the same hits as before where no symbol whose features
are others meets the condition now, nor met it before. One query answers that for all such scanners. Any other (one that
compares symbols, reads bars, the universe or the market's context, was edited, or failed) runs again.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.preparing import prepare
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.scanners.sql import Bench

#: For each session, the symbols whose cached features stand, and when these were computed (UTC).
Standing = dict[date, dict[str, datetime]]


def find_untouched(
    bench: Bench,
    scanners: Sequence[SqlScanner],
    code_versions: Mapping[str, str],
    before: Mapping[date, Mapping[str, str]],
    standing: Standing,
) -> dict[date, set[str]]:
    """For each session, the scanners whose stored hits are what running them would give.

    `before`: by session, the scanners that came to their end, and their code's version then. On the bench, `features`
    holds what was computed now and `before` what these symbols' features were.
    """
    conditions = {}
    for scanner in scanners:
        try:
            condition = prepare(scanner).condition
        except ScannerError:
            continue  # it fails at its turn
        if condition is not None:
            conditions[scanner.name] = condition
    untouched = {}
    for session, cached in standing.items():
        if not cached:
            continue
        same = {name for name in conditions if before.get(session, {}).get(name) == code_versions[name]}
        untouched[session] = same - bench.met(session, {name: conditions[name] for name in same})
    return untouched
