"""The use cases of whoever writes a scanner: which there are, and one tried on stored bars, with nothing stored.

1.  `find`, `get`: the scanners in SQL and in Python, built-in and the user's.
2.  `sessions`: those of a range that were screened: what was never screened cannot be scanned.
3.  `test`: one scanner on them.
4.  `sweep`: one scanner with several values of its parameters, in one pass: bars are read, laid out and made into
    features once for all combinations.                                              stages/trying.py

Like `pipeline.py`, this room joins the layers, and knows no Dagster. Checking a scanner is in `checking_pipeline.py`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from scan_pipeline.errors import ScannerError
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import peak_mib
from scan_pipeline.python_pipeline import run_here, shards_for
from scan_pipeline.scanners.preparing import prepare
from scan_pipeline.scanners.python.authoring import Value
from scan_pipeline.scanners.python.library import PythonScanner, find_python_scanners
from scan_pipeline.scanners.python.workers import Quarantined
from scan_pipeline.scanners.registry import SqlScanner, find_scanners
from scan_pipeline.scanners.typed import Scanner, with_values
from scan_pipeline.stages.groups import make_groups
from scan_pipeline.stages.python_merge import put_together
from scan_pipeline.stages.python_scan import read_bars, read_wanted, slice_of
from scan_pipeline.stages.trying import asked_by, benches
from scan_pipeline.store.aftermath import read_returns

#: Sessions after a hit over which a sweep tells what followed.
HORIZONS = (1, 5, 20)
#: Screened sessions that a trial goes through where no range is given: a quarter.
QUARTER = 63


@dataclass(frozen=True)
class Trial:
    """A scanner's run on some sessions. `symbols`: those scanned, by session.

    `reading_seconds`: bars read and, for SQL, made into features. `peak_mib` is this process's, or a worker's.
    """

    scanner: Scanner
    sessions: list[date]
    hits: list[Hit]
    outcomes: list[Outcome]
    quarantined: list[Quarantined]
    symbols: Mapping[date, int]
    reading_seconds: float
    scanner_seconds: float
    peak_mib: float

    @property
    def hits_per_session(self) -> dict[date, int]:
        """The number of hits on each session."""
        found = dict.fromkeys(self.sessions, 0)
        for hit in self.hits:
            found[hit.session] += 1
        return found


@dataclass(frozen=True)
class Combination:
    """A scanner with certain values. `followed`: by horizon in sessions, the mean return over it after the hits, and
    of how many hits it is known."""

    values: Mapping[str, Value]
    trial: Trial
    followed: Mapping[int, tuple[float, int]]


@dataclass
class AuthoringPipeline:
    """Trying scanners, over a pipeline's settings, calendar, store and monitor."""

    pipeline: Pipeline

    def find(self) -> list[Scanner]:
        """All scanners, by name; those that cannot be run say so in `fault`."""
        folder = self.pipeline.settings.scanners_dir
        found: list[Scanner] = [*find_scanners(folder), *find_python_scanners(folder)]
        return sorted(found, key=lambda one: one.name)

    def get(self, name: str) -> Scanner:
        """One scanner that can be run. Raises ScannerError where there is none, and with what is wrong with it."""
        scanners = {one.name: one for one in self.find()}
        if name not in scanners:
            near = get_close_matches(name, scanners, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise ScannerError(
                f"There is no scanner {name}. {hint}`scan-pipeline scanners` lists them; "
                f"`scan-pipeline scanner new {name} --sql` begins one."
            )
        scanner = scanners[name]
        if isinstance(scanner, SqlScanner):
            prepare(scanner)
        elif scanner.fault:
            raise ScannerError(scanner.fault)
        return scanner

    def sessions(self, first: date | None, last: date | None, count: int) -> list[date]:
        """The sessions from `first` to `last`, all of which must have been screened.

        Without `last`, up to the last screened one; without `first`, the last `count` screened ones. Raises
        ScannerError where one was never screened.
        """
        with self.pipeline.store.read() as connection:
            screened = [day for (day,) in connection.execute(
                "select distinct session from prefiltered_symbols order by session"
            ).fetchall()]  # fmt: skip
        if not screened:
            raise ScannerError(
                "No session was screened yet, so none can be scanned. `scan-pipeline run` does both for the last one."
            )
        until = last or screened[-1]
        if first is None:
            asked = [day for day in screened if day <= until][-count:]
        else:
            asked = self.pipeline.calendar.between(first, until)
        missing = sorted(set(asked) - set(screened))
        if missing or not asked:
            named = ", ".join(map(str, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            what = (
                f"`scan-pipeline backfill --from {missing[0]} --to {missing[-1]}` screens and scans them"
                if missing
                else "Choose sessions of the exchange"
            )
            raise ScannerError(
                f"{named or f'{first} to {until}'} {'was' if len(missing) == 1 else 'were'} never screened: which "
                f"symbols would be scanned is not known. {what}. Screened are {screened[0]} to {screened[-1]}."
            )
        return asked

    def test(self, scanner: Scanner, sessions: Sequence[date]) -> Trial:
        """The scanner on sessions that were screened."""
        return self.run([scanner], sessions)[0]

    def sweep(
        self, scanner: Scanner, combinations: Sequence[Mapping[str, Value]], sessions: Sequence[date]
    ) -> list[Combination]:
        """The scanner with each combination of values, and what followed its hits as far as it is held."""
        trials = self.run([with_values(scanner, values) for values in combinations], sessions)
        calendar = self.pipeline.calendar
        later = {day: {horizon: calendar.after(day, horizon) for horizon in HORIZONS} for day in sessions}
        hits = {(hit.session, hit.symbol) for trial in trials for hit in trial.hits}
        with self.pipeline.store.read() as connection:
            returns = read_returns(connection, hits, later)
        swept = []
        for values, trial in zip(combinations, trials, strict=True):
            followed = {}
            for horizon in HORIZONS:
                known = [
                    returns[hit.session, hit.symbol][horizon]
                    for hit in trial.hits
                    if horizon in returns[hit.session, hit.symbol]
                ]
                if known:
                    followed[horizon] = (sum(known) / len(known), len(known))
            swept.append(Combination(values, trial, followed))
        return swept

    def run(self, variants: Sequence[Scanner], sessions: Sequence[date]) -> list[Trial]:
        """One scanner, with one or several sets of values, on sessions that were screened; one reading for all."""
        in_sql = [one for one in variants if isinstance(one, SqlScanner)]
        in_python = [one for one in variants if isinstance(one, PythonScanner)]
        return [
            *(self._run_sql(in_sql, sorted(sessions)) if in_sql else []),
            *(self._run_python(in_python, sorted(sessions)) if in_python else []),
        ]

    def _run_sql(self, variants: Sequence[SqlScanner], sessions: list[date]) -> list[Trial]:
        pipeline = self.pipeline
        hits: list[list[Hit]] = [[] for _ in variants]
        outcomes: list[list[Outcome]] = [[] for _ in variants]
        seconds = [0.0] * len(variants)
        symbols: dict[date, int] = {}
        started = time.perf_counter()
        groups = [*make_groups(pipeline.calendar, sessions, asked_by(variants).history_sessions)]
        with pipeline.monitor.stage("scanner", len(sessions), "sessions") as stage:
            for group, bench, scanned in benches(pipeline.store, groups, variants, pipeline.scan_rules()):
                symbols |= scanned
                for place, scanner in enumerate(variants):
                    begun = time.perf_counter()
                    found, became = bench.run(scanner, group.sessions)
                    seconds[place] += time.perf_counter() - begun
                    hits[place] += found
                    outcomes[place] += became
                stage.advance(len(group.sessions))
        reading = time.perf_counter() - started - sum(seconds)
        return [
            Trial(one, sessions, hits[place], outcomes[place], [], symbols, reading, seconds[place], peak_mib())
            for place, one in enumerate(variants)
        ]

    def _run_python(self, variants: Sequence[PythonScanner], sessions: list[date]) -> list[Trial]:
        pipeline, first = self.pipeline, variants[0]
        started = time.perf_counter()
        with pipeline.store.read() as connection:
            wanted = read_wanted(connection, sessions)
            shards = shards_for(pipeline, first, wanted)
            blocks = [
                [*read_bars(connection, pipeline.calendar, slice_of(wanted, number, shards), first.lookback)]
                for number in range(1, shards + 1)
            ]
        reading = time.perf_counter() - started
        symbols = {session: len(passed) for session, passed in wanted.items()}
        trials = []
        with pipeline.monitor.stage("scanner", len(variants), "runs") as stage:
            for scanner in variants:
                begun = time.perf_counter()
                results = run_here(pipeline, scanner, blocks)
                hits, outcomes, failed = put_together(scanner, pipeline.settings.max_hits, wanted, results, [])
                peak = max((one.peak_mib for one in results), default=0.0)
                spent = time.perf_counter() - begun
                trials.append(Trial(scanner, sessions, hits, outcomes, failed, symbols, reading, spent, peak))
                stage.advance(1)
        return trials
