"""The use case that finds look-ahead: a scanner on data that ends with a session, against the same on all data.

1.  One pass over the range, as a backfill makes it.
2.  Python, symbol by symbol: the same pass with the symbols in another order and in one process. Hits
    that differ come from what the scanner keeps between calls, or from chance.
3.  Sampled sessions alone, from a store that ends with each of them: the hits are compared with those of
    the pass. One that changes, appears or vanishes looks ahead.                    store/cut_off.py
4.  Some of them with exactly the history that the scanner declares, and with twice as much, for symbols
    without a gap in it. A difference says that it looks further back than it declares.
    SQL declares by the lookbacks of the features that it names; Python by `lookback`.

Hits are compared before the limit. Like `pipeline.py`, this room joins the layers, and knows no Dagster.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from scan_pipeline.authoring_pipeline import AuthoringPipeline
from scan_pipeline.errors import ScannerError
from scan_pipeline.features import catalogue
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.python_pipeline import run_here
from scan_pipeline.quoting import identifier
from scan_pipeline.scanners.checking.comparing import Difference, compare, is_same
from scan_pipeline.scanners.checking.sampling import choose_sessions, choose_symbols, spread
from scan_pipeline.scanners.preparing import prepare
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.python.tasks import Bars
from scan_pipeline.scanners.python.workers import ShardResult
from scan_pipeline.scanners.registry import BUILTIN_DIR, SqlScanner
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.scanners.typed import Scanner
from scan_pipeline.stages.groups import Group, make_groups
from scan_pipeline.stages.python_merge import put_together
from scan_pipeline.stages.python_scan import read_bars, read_wanted
from scan_pipeline.stages.trying import asked_by, benches, with_history
from scan_pipeline.store.cut_off import cut_off

#: Sessions that are replayed, and of these, that are tried with more and with less history.
SAMPLES, HISTORY_SAMPLES = 12, 4
#: Symbols on which a scanner in Python is called again: one call takes a millisecond or more.
PYTHON_SYMBOLS = 300
#: Processes in which a scanner in Python is called again at once.
PROCESSES = 2
#: Fewer calls than this are not worth another process.
CALLS_A_PROCESS = 1_000
#: By how much more history may change a number that a scanner in Python computes: what rounding does to moving sums.
PYTHON_RELATIVE, PYTHON_ABSOLUTE = 1e-6, 1e-9
#: And a feature: lookbacks leave 1e-7 of what a recursion began with, which ratios of such means multiply.
SQL_RELATIVE, SQL_ABSOLUTE = 1e-4, 1e-6
#: What a difference's column is called where the scanner fails on one of the two.
RESULT = "result"


@dataclass(frozen=True)
class Check:
    """What a check found. `symbols`: those compared; None: all. `hits`: those compared on the sampled sessions.

    `look_ahead`: with all bars against without later ones. `order`: in order against in another. `history`: with
    `declared` sessions before each of `history_sessions` against with `more` of them. `remarks` say what was not
    checked.
    """

    scanner: Scanner
    sessions: list[date]
    sampled: list[date]
    symbols: int | None
    hits: int
    look_ahead: list[Difference] = field(default_factory=list)
    order: list[Difference] = field(default_factory=list)
    history: list[Difference] = field(default_factory=list)
    history_sessions: list[date] = field(default_factory=list)
    declared: int = 0
    more: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.look_ahead or self.order or self.history)


def check(
    pipeline: Pipeline,
    scanner: Scanner,
    sessions: Sequence[date],
    samples: int = SAMPLES,
    python_symbols: int = PYTHON_SYMBOLS,
) -> Check:
    """Check a scanner over sessions that were screened. Raises ScannerError where it fails on all of them."""
    scanner = replace(scanner, limit=None)
    ordered = sorted(sessions)
    sampled = choose_sessions(ordered, samples, _around_splits(pipeline, ordered))
    if isinstance(scanner, SqlScanner):
        return _SqlCheck(pipeline, scanner, ordered, sampled).run()
    return _PythonCheck(pipeline, scanner, ordered, sampled, python_symbols).run()


def check_all(
    pipeline: Pipeline, sessions: Sequence[date], samples: int, python_symbols: int
) -> tuple[list[Check], dict[str, str]]:
    """Check every scanner, and say of those that cannot be run why: by name.

    The built-in ones are replayed together, without a look at their history, which our tests take; the user's own one
    by one, as `check` does.
    """
    ordered = sorted(sessions)
    found = AuthoringPipeline(pipeline).find()
    built_in = [
        replace(one, limit=None) for one in found if isinstance(one, SqlScanner) and one.path.parent == BUILTIN_DIR
    ]
    sampled = choose_sessions(ordered, samples, _around_splits(pipeline, ordered))
    checks: list[Check] = []
    faults: dict[str, str] = {}
    for scanner, one in zip(built_in, _replayed(pipeline, built_in, ordered, sampled), strict=True):
        if isinstance(one, ScannerError):
            faults[scanner.name] = str(one)
        else:
            checks.append(one)
    for own in found:
        if own.path.parent != BUILTIN_DIR:
            try:
                if own.fault:
                    raise ScannerError(own.fault)
                checks.append(check(pipeline, own, ordered, samples, python_symbols))
            except ScannerError as error:
                faults[own.name] = str(error)
    return checks, faults


@dataclass
class _SqlCheck:
    pipeline: Pipeline
    scanner: SqlScanner
    sessions: list[date]
    sampled: list[date]

    def __post_init__(self) -> None:
        self.prepared = prepare(self.scanner)
        self.wanted = asked_by([self.scanner])
        #: The features that its text names: those that can have moved a hit.
        self.names = [
            name for name in (*(one.name for one in catalogue.CORE), *self.prepared.columns)
            if name in self.prepared.columns or re.search(rf"\b{name}\b", self.scanner.text, re.IGNORECASE)
        ]  # fmt: skip

    def run(self) -> Check:
        (one,) = _replayed(self.pipeline, [self.scanner], self.sessions, self.sampled)
        if isinstance(one, ScannerError):
            raise one
        lookback = max((feature.lookback for feature in self.wanted.features), default=0)
        return _with_history(self.pipeline, one, self.wanted.history_sessions, lookback + 1, self._moved)

    def _moved(self, wanted: Mapping[date, list[str]], less: int, more: int) -> list[Difference]:
        """What is another with more history, for these symbols."""
        found: list[Difference] = []
        with self.pipeline.monitor.stage("history", len(wanted), "sessions") as stage:
            for session, symbols in wanted.items():
                found += self._moved_on(session, symbols, less, more)
                stage.advance(1)
        return found

    def _moved_on(self, session: date, symbols: Collection[str], less: int, more: int) -> list[Difference]:
        seen = _seen_at(self.pipeline, session, symbols)
        found: list[list[Hit]] = []
        values: list[dict[str, dict[str, float]]] = []
        for history in (less, more):
            group = with_history(self.pipeline.calendar, session, history)
            for _, bench, _ in benches(seen.store, [group], [self.scanner], seen.scan_rules()):
                hits, outcomes = bench.run(self.scanner, [session])
                _refuse_failed(self.scanner, outcomes, 1)
                found.append(hits)
                values.append(self._features(bench))
        moved = compare(*found, relative=PYTHON_RELATIVE, absolute=PYTHON_ABSOLUTE, ranks=False)
        of_features = {key: self._moved_features(session, key, *values) for key in {one.symbol for one in moved}}
        # A hit at the edge of a condition turns with the last bit of a moving sum: none of its features has moved.
        is_certain = "bars" in self.prepared.tables
        return [
            difference
            for one in moved
            for difference in (of_features[one.symbol] or ([one] if is_certain else []))
        ]  # fmt: skip

    def _features(self, bench: Bench) -> dict[str, dict[str, float]]:
        if not self.names:
            return {}
        rows = bench.rows(f"select symbol, close, {', '.join(map(identifier, self.names))} from all_features")
        return {row[0]: dict(zip((".close", *self.names), row[1:], strict=True)) for row in rows}

    def _moved_features(
        self,
        session: date,
        symbol: str,
        ones: Mapping[str, Mapping[str, float]],
        others: Mapping[str, Mapping[str, float]],
    ) -> list[Difference]:
        one, other = ones.get(symbol, {}), others.get(symbol, {})
        absolute = SQL_ABSOLUTE * max(1.0, abs(one.get(".close") or 0.0))
        return [
            Difference(session, symbol, name, one.get(name), other.get(name))
            for name in self.names
            if not is_same(one.get(name), other.get(name), SQL_RELATIVE, absolute)
        ]


def _replayed(
    pipeline: Pipeline, scanners: Sequence[SqlScanner], sessions: Sequence[date], sampled: Sequence[date]
) -> list[Check | ScannerError]:
    """Steps 1 and 3 for scanners in SQL, on benches that they share; for each what was found, or why it fails."""
    history = asked_by(scanners).history_sessions
    whole = _run_together(pipeline, scanners, make_groups(pipeline.calendar, sessions, history))
    alone: dict[str, list[Hit]] = {one.name: [] for one in scanners}
    with pipeline.monitor.stage("replay", len(sampled), "sessions") as stage:
        for session in sampled:
            groups = make_groups(pipeline.calendar, [session], history)
            for name, (hits, _) in _run_together(_seen_at(pipeline, session), scanners, groups).items():
                alone[name] += hits
            stage.advance(1)
    found: list[Check | ScannerError] = []
    for scanner in scanners:
        hits, outcomes = whole[scanner.name]
        compared = [hit for hit in hits if hit.session in sampled]
        try:
            _refuse_failed(scanner, outcomes, len(sessions))
        except ScannerError as error:
            found.append(error)
            continue
        look_ahead = compare(compared, alone[scanner.name])
        found.append(Check(scanner, list(sessions), list(sampled), None, len(compared), look_ahead))
    return found


def _run_together(
    pipeline: Pipeline, scanners: Sequence[SqlScanner], groups: Iterable[Group]
) -> dict[str, tuple[list[Hit], list[Outcome]]]:
    ran: dict[str, tuple[list[Hit], list[Outcome]]] = {one.name: ([], []) for one in scanners}
    for group, bench, _ in benches(pipeline.store, groups, scanners, pipeline.scan_rules()):
        for scanner in scanners:
            hits, outcomes = bench.run(scanner, group.sessions)
            ran[scanner.name][0].extend(hits)
            ran[scanner.name][1].extend(outcomes)
    return ran


@dataclass
class _PythonCheck:
    pipeline: Pipeline
    scanner: PythonScanner
    sessions: list[date]
    sampled: list[date]
    most_symbols: int

    def run(self) -> Check:
        is_by_symbol = self.scanner.scope == "symbol"
        whole = AuthoringPipeline(self.pipeline).run([self.scanner], self.sessions)[0]
        _refuse_failed(self.scanner, whole.outcomes, len(self.sessions))
        failed = {(one.session, one.symbol) for one in whole.quarantined}
        symbols = self._symbols(whole.hits) if is_by_symbol else None
        hits = [hit for hit in whole.hits if symbols is None or hit.symbol in symbols]
        sampled = [hit for hit in hits if hit.session in self.sampled]
        one = Check(self.scanner, self.sessions, self.sampled, None if symbols is None else len(symbols), len(sampled))
        if failed:
            one.remarks.append(f"On {len(failed):,} symbols and sessions the scanner failed: they are not compared.")
        if symbols is not None:
            one.order.extend(_without(compare(hits, self._reordered(symbols), ranks=False), failed))
        if one.order:
            one.remarks.append("Sessions were not replayed: what is kept between calls would look like look-ahead.")
            return one
        with self.pipeline.store.read() as connection:
            passed = read_wanted(connection, self.sampled)
        alone = self._run_apart(
            "replay",
            {day: [one for one in found if symbols is None or one in symbols] for day, found in passed.items()},
            None,
        )
        one.look_ahead.extend(_without(_compare_runs(_Run(sampled, {}), alone), failed))
        lookback = self.scanner.lookback
        return _with_history(self.pipeline, one, lookback, lookback + 1, self._moved, symbols=symbols)

    def _run_apart(self, what: str, wanted: Mapping[date, list[str]], history: int | None) -> "_Run":
        """Each session on bars that end with it; `history`: with exactly so many sessions before it.

        In a few processes: starting one for each session would take longer than the calls. A scanner of the whole
        universe is given few sessions at once, whose bars are held together.
        """
        sessions = sorted(wanted)
        together = len(sessions) if self.scanner.scope == "symbol" else PROCESSES
        processes = PROCESSES if sum(map(len, wanted.values())) > CALLS_A_PROCESS else 1
        results: list[ShardResult] = []
        with self.pipeline.monitor.stage(what, len(sessions), "sessions") as stage:
            for first in range(0, len(sessions), max(1, together)):
                blocks: list[list[Bars]] = []
                for session in sessions[first : first + together]:
                    with _seen_at(self.pipeline, session).store.read() as connection:
                        asked = {session: wanted[session]}
                        blocks.append(
                            [*read_bars(connection, self.pipeline.calendar, asked, self.scanner.lookback, history)]
                        )
                shards = [[one for block in blocks[place::processes] for one in block] for place in range(processes)]
                results += run_here(self.pipeline, self.scanner, [shard for shard in shards if shard])
                stage.advance(len(blocks))
        hits, outcomes, quarantined = put_together(
            self.scanner, self.pipeline.settings.max_hits, wanted, results, []
        )  # fmt: skip
        reasons = {(one.session, one.symbol): one.reason for one in quarantined}
        reasons |= {(one.session, ""): one.message or "failed" for one in outcomes if one.hits is None}
        return _Run(hits, reasons)

    def _symbols(self, hits: Sequence[Hit]) -> set[str]:
        """The symbols on which it is called again: those with hits on the sampled sessions before others."""
        with self.pipeline.store.read() as connection:
            passed = set().union(*read_wanted(connection, self.sampled).values())
            split = {symbol for (symbol,) in connection.execute(
                "select distinct symbol from splits where ex_date between ? and ?",
                [self.sessions[0], self.sessions[-1]],
            ).fetchall()}  # fmt: skip
        found = {hit.symbol for hit in hits if hit.session in self.sampled}
        return set(choose_symbols(found, split & passed, passed, self.most_symbols))

    def _reordered(self, symbols: Collection[str]) -> list[Hit]:
        """The hits of the same pass on these symbols alone, called in the opposite order."""
        with self.pipeline.store.read() as connection:
            wanted = {
                session: [symbol for symbol in passed if symbol in symbols]
                for session, passed in read_wanted(connection, self.sessions).items()
            }
            blocks = [_turned(one) for one in read_bars(
                connection, self.pipeline.calendar, wanted, self.scanner.lookback
            )]  # fmt: skip
        results = run_here(self.pipeline, self.scanner, [blocks])
        hits, _, _ = put_together(self.scanner, self.pipeline.settings.max_hits, wanted, results, [])
        return hits

    def _moved(self, wanted: Mapping[date, list[str]], less: int, more: int) -> list[Difference]:
        """What is another with more history, for these symbols."""
        one, other = (self._run_apart("history", wanted, history) for history in (less, more))
        return _compare_runs(one, other, PYTHON_RELATIVE, PYTHON_ABSOLUTE)


def _with_history(
    pipeline: Pipeline,
    one: Check,
    declared: int,
    bars: int,
    moved: Callable[[Mapping[date, list[str]], int, int], list[Difference]],
    symbols: Collection[str] | None = None,
) -> Check:
    """The check with what more history changes, on sessions for which more is held.

    Only symbols are looked at that have `bars` bars within the declared sessions, up to the session.
    """
    if one.look_ahead:
        return replace(one, remarks=[*one.remarks, "Mend that first: whether the history is enough was not looked at."])
    more = max(2 * declared, declared + catalogue.ALLOWED_GAPS)
    with pipeline.store.read() as connection:
        ((first,),) = connection.execute("select min(session) from ingested_sessions").fetchall()
        able = [day for day in one.sampled if pipeline.calendar.before(day, declared) > first]
        chosen = spread(able, HISTORY_SAMPLES) if able else []
        wanted = read_wanted(connection, chosen)
        whole: dict[date, list[str]] = {}
        for session in chosen:
            start = pipeline.calendar.before(session, declared)
            held = {symbol for (symbol,) in connection.execute(
                "select symbol from price_bars where session between ? and ? group by symbol having count(*) >= ?",
                [start, session, bars],
            ).fetchall()}  # fmt: skip
            whole[session] = [
                symbol for symbol in wanted[session] if symbol in held and (symbols is None or symbol in symbols)
            ]
    whole = {session: found for session, found in whole.items() if found}
    differences = moved(whole, declared, more) if whole else []
    remarks = list(one.remarks)
    if not whole:
        remarks.append(
            f"Whether {declared:,} sessions of history are enough was not checked: too few are held before "
            f"{one.sampled[-1]} (the first is {first})."
        )
    return replace(
        one, history=differences, history_sessions=list(whole), declared=declared, more=more, remarks=remarks
    )  # fmt: skip


@dataclass(frozen=True)
class _Run:
    """Hits, and why there are none, by session and symbol (empty: all symbols)."""

    hits: list[Hit]
    reasons: Mapping[tuple[date, str], str]


def _compare_runs(one: _Run, other: _Run, relative: float = 0.0, absolute: float = 0.0) -> list[Difference]:
    """How the hits differ, and on what one of the two fails alone."""
    hits = compare(one.hits, other.hits, relative=relative, absolute=absolute, ranks=False)
    failing = sorted({*one.reasons, *other.reasons})
    fails = [
        Difference(session, symbol, RESULT, one.reasons.get(key, "scanned"), other.reasons.get(key, "scanned"))
        for key in failing
        for session, symbol in [key]
        if (key in one.reasons) != (key in other.reasons)
    ]
    return [*_without(hits, failing), *fails]


def _without(differences: Sequence[Difference], failed: Collection[tuple[date, str]]) -> list[Difference]:
    whole = {session for session, symbol in failed if not symbol}
    return [one for one in differences if (one.session, one.symbol) not in failed and one.session not in whole]


def _turned(bars: Bars) -> Bars:
    """The same bars, with the symbols in the opposite order."""
    last = len(bars.symbols) - 1
    return Bars(
        bars.window, bars.symbols[::-1], bars.wanted[::-1], replace(bars.block, symbol=last - bars.block.symbol)
    )


def _seen_at(pipeline: Pipeline, session: date, symbols: Collection[str] | None = None) -> Pipeline:
    """The pipeline with a store that ends with the session; with `symbols`, as if no others had passed the screen."""
    seen = copy(pipeline)
    seen.store = cut_off(pipeline.store, session, symbols)
    return seen


def _around_splits(pipeline: Pipeline, sessions: Sequence[date]) -> set[date]:
    """The sessions on which a split of a scanned symbol takes effect, and those before them."""
    with pipeline.store.read() as connection:
        days = [day for (day,) in connection.execute(
            "select distinct greatest(ex_date, known_on) as day from splits "
            "where day between ? and ? and symbol in (select symbol from prefiltered_symbols where passed)",
            [sessions[0], sessions[-1]],
        ).fetchall()]  # fmt: skip
    known = np.array(sessions, dtype="datetime64[D]")
    places = np.searchsorted(known, np.array(days, dtype="datetime64[D]"))
    return {sessions[near] for place in places.tolist() for near in (place - 1, place) if 0 <= near < len(sessions)}


def _refuse_failed(scanner: Scanner, outcomes: Sequence[Outcome], sessions: int) -> None:
    """Raises ScannerError for a scanner that fails on all sessions: there is nothing to compare."""
    messages = [one.message for one in outcomes if one.hits is None]
    if messages and len(messages) == sessions:
        raise ScannerError(messages[0] or f"{scanner.path} failed.")
