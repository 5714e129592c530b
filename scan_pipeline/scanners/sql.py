"""Running SQL scanners: a bench in memory with the tables that they read, and a fence around each.

The bench is a DuckDB of its own, without access to the store, files or the network. Scanners see `features` with the
columns that they ask for, `universe`, `bars` and `market_context`. A scanner that fails, runs too long or returns too
much fails alone.

One session is the unit: a scanner sees one session's rows, in the order of their symbols. For a range, a plain select
of `session`, `symbol` and expressions over `features` that only reads, filters and computes row by row gives the same
rows for all sessions at once, and is run so; `universe` and `market_context` may be joined by their keys. Any other
(bars, a window, an aggregate, a limit) runs session by session, as its nights would. One thread does it all: sums come
out the same, to the last bit, whatever else is there.
"""

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb
import numpy as np

from scan_pipeline.errors import ScannerError
from scan_pipeline.features import catalogue, cross_section
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.quoting import identifier, literal
from scan_pipeline.scanners.preparing import Prepared, explain, prepare
from scan_pipeline.scanners.ranking import ranked
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.scanners.syntax import ROW_BY_ROW, operators_of

#: The rows of one session, or of all where a range is scanned at once.
_AS_OF = "(getvariable('as_of')::DATE is null or session = getvariable('as_of')::DATE)"
#: How a column comes over, by numpy's kind: days since 1970, and text (which has no type where there are no rows).
_CASTS = {"i": "(date '1970-01-01' + {})", "O": "{}::VARCHAR"}


#: How often it is looked whether a statement is past its deadline.
WATCH_SECONDS = 0.05


class _TimedOut(ScannerError):
    pass


class Bench:
    """The tables of some sessions in memory, and the scanners run on them."""

    def __init__(self, timeout_seconds: float, max_hits: int, memory_limit: str) -> None:
        self._timeout = timeout_seconds
        self._max_hits = max_hits
        # A ratio to nothing is unknown: null meets no condition, where NaN would be above every number.
        self._connection = duckdb.connect(
            config={
                "threads": 1,
                "memory_limit": memory_limit,
                "ieee_floating_point_ops": False,
                "error_on_division_by_zero": False,
            }
        )
        self._closed, self._watched = threading.Event(), threading.Lock()
        self._deadline, self._is_late = math.inf, False
        threading.Thread(target=self._watch, daemon=True).start()
        self._added: set[str] = set()
        #: The symbols in `features`, by session.
        self._scanned: dict[date, set[str]] = {}

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._connection.close()

    def add(self, table: str, columns: Mapping[str, Any]) -> None:
        """Append rows to a table: `symbol` as text, days (`session`, …) as int32 since 1970, floats (NaN: null)."""
        self._connection.register("given", dict(columns))
        casts = {name: _CASTS.get(np.asarray(values).dtype.char, "{}") for name, values in columns.items()}
        select = ", ".join(f"{cast.format(identifier(name))} as {identifier(name)}" for name, cast in casts.items())
        # By name: cached features come with the columns alone that are read.
        statement = f"insert into all_{table} by name" if table in self._added else f"create table all_{table} as"
        self._added.add(table)
        self._connection.execute(f"{statement} select {select} from given")
        self._connection.unregister("given")

    def compare(self, wanted: Sequence[str], weights: ScoreWeights, rules: PlanRules) -> None:
        """Add to `features` the wanted columns that compare symbols."""
        cross_section.add_columns(self._connection, "all_features", wanted, weights, rules)

    def make(self, table: str, select: str) -> None:
        """Add a table that a select of the others gives."""
        self._connection.execute(f"create table all_{table} as {select}")
        self._added.add(table)

    def met(self, session: date, conditions: Mapping[str, str]) -> set[str]:
        """The names of the conditions that a row of the session meets, in `features` or `before`; all, where that
        cannot be told."""
        if not conditions:
            return set()
        tables = [f"from all_{table}" for table in ("features", "before") if table in self._added]
        # A flag is a number: `where inside_bar`.
        asked = ", ".join(f"coalesce(bool_or(({condition})::BOOLEAN), false)" for condition in conditions.values())
        try:
            (answers,) = self._connection.execute(
                f"select {asked} from ({' union all by name '.join(tables)}) where session = ?", [session]
            ).fetchall()
        except duckdb.Error:
            return set(conditions)
        return {name for name, is_met in zip(conditions, answers, strict=True) if is_met}

    def columns(self, query: str) -> dict[str, Any]:
        """What a query of the tables (`all_features`, …) gives, as columns of numpy."""
        return dict(self._connection.execute(query).fetchnumpy())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of the tables gives, row by row."""
        return self._connection.execute(query).fetchall()

    def close_fence(self) -> None:
        """After the last `add`: define what scanners see of the tables that were added, and lock everything else."""
        self._connection.execute("set variable as_of = null")
        # What was added in parts; other tables come in order.
        for table, order in (("features", "session, symbol"), ("bars", "symbol, valid_from, session")):
            if table not in self._added:
                continue
            self._connection.execute(f"create table sorted as from all_{table} order by {order}")
            self._connection.execute(f"drop table all_{table}; alter table sorted rename to all_{table}")
        for table in {"universe", "market_context"} & self._added:
            self._connection.execute(f"create view {table} as select * from all_{table} where {_AS_OF}")
        if "bars" in self._added:
            self._connection.execute(
                "create view bars as select session, symbol, open, high, low, close, volume from all_bars "
                "where getvariable('as_of')::DATE between valid_from and valid_to "
                "and session <= getvariable('as_of')::DATE "
                "and symbol in (select symbol from all_features where session = getvariable('as_of')::DATE)"
            )
        self._connection.execute("set enable_external_access = false; set lock_configuration = true")

    def run(self, scanner: SqlScanner, sessions: Sequence[date]) -> tuple[list[Hit], list[Outcome]]:
        """The scanner's hits on the sessions, and what became of it on each."""
        try:
            prepared = prepare(scanner)
        except ScannerError as error:
            return [], [Outcome(session, scanner.name, None, str(error)) for session in sessions]
        self._show(prepared)
        try:
            if len(sessions) > 1 and self.is_row_by_row(prepared):
                with self._as_of(None):
                    columns = self._select(prepared, self._max_hits * len(sessions), sessions)
                    self._refuse_too_many(scanner)
                    hits = self._rank(prepared, columns)
                return hits, _count(scanner, sessions, hits)
        except ScannerError:
            pass  # session by session, each with its own outcome and message, as its nights would have them
        hits, outcomes = [], []
        gave_up: _TimedOut | None = None
        for session in sessions:
            try:
                if gave_up:
                    raise gave_up
                with self._as_of(session):
                    columns = self._select(prepared, self._max_hits)
                    self._refuse_strange(scanner, session)
                    found = self._rank(prepared, columns)
                hits += found
                outcomes.append(Outcome(session, scanner.name, len(found)))
            except ScannerError as error:
                outcomes.append(Outcome(session, scanner.name, None, str(error)))
                gave_up = error if isinstance(error, _TimedOut) else None
        return hits, outcomes

    def _show(self, prepared: Prepared) -> None:
        """Make the view `features` that the scanner sees: the columns that are always there, and those it asks for."""
        names = ("session", "symbol", *(one.name for one in catalogue.CORE), *prepared.columns)
        columns = ", ".join(map(identifier, names))
        self._connection.execute(
            f"create or replace temp view features as select {columns} from all_features where {_AS_OF}"
        )

    @contextmanager
    def _as_of(self, session: date | None) -> Iterator[None]:
        self._connection.execute("set variable as_of = " + (f"date '{session}'" if session else "null"))
        yield

    def is_row_by_row(self, prepared: Prepared) -> bool:
        """Whether the scanner decides on each row of `features` by that row, and those of other tables that are its."""
        if prepared.is_row_by_row or not prepared.is_plain:
            return prepared.is_row_by_row
        with self._fence(prepared.scanner):
            plan = self._connection.execute(f"explain (format json) {prepared.statement}").fetchall()[0][1]
        return operators_of(json.loads(plan)) <= ROW_BY_ROW

    def _select(self, prepared: Prepared, most: int, sessions: Sequence[date] = ()) -> list[str]:
        """Put what the scanner selects, at most `most` rows and one more, into `hits`; its columns.

        With several sessions on the bench, of `sessions` alone.
        """
        days = ", ".join(f"date '{session}'" for session in sessions)
        only = f"where session in ({days})" if sessions else ""
        with self._fence(prepared.scanner):
            # The statement begins on the first line, so that DuckDB's line numbers are the file's.
            self._connection.execute(
                f"create or replace temp table hits as select * from ({prepared.statement}\n) {only} limit {most + 1}"
            )
        hits = self._connection.sql("from hits")
        _refuse_columns(prepared.scanner, dict(zip(hits.columns, map(str, hits.types), strict=True)))
        return hits.columns

    def _rank(self, prepared: Prepared, columns: Sequence[str]) -> list[Hit]:
        scanner = prepared.scanner
        own = [name for name in columns if name.lower() not in ("session", "symbol", "score")]
        details = "to_json({" + ", ".join(f"{literal(name)}: {identifier(name)}" for name in own) + "})"
        statement = ranked(columns, prepared.rank, scanner.limit, details if own else "'{}'")
        with self._fence(scanner, "the header line `-- rank:`"):
            rows = self._connection.execute(statement).fetchall()
        return [
            Hit(session, scanner.name, symbol, place, score, _as_json(text))
            for session, symbol, place, score, text in rows
        ]

    def _refuse_too_many(self, scanner: SqlScanner) -> None:
        """Raises ScannerError if `hits` holds more rows for a session than a scanner may return."""
        counts = self._connection.execute("select session, count(*) from hits group by session order by session")
        for session, count in counts.fetchall():
            if count > self._max_hits:
                raise ScannerError(
                    f"{scanner.path}: the select returns more than {self._max_hits:,} hits on {session}; "
                    "narrow it, or raise SCAN_MAX_HITS."
                )

    def _refuse_strange(self, scanner: SqlScanner, session: date) -> None:
        """Raises ScannerError unless `hits` are symbols scanned on the session, each there once, and not too many."""
        rows = self._connection.execute("select session, symbol from hits order by all").fetchall()
        if len(rows) > self._max_hits:
            self._refuse_too_many(scanner)  # they may be of several sessions
        if session not in self._scanned:
            scanned = self._connection.execute("select symbol from features").fetchall()
            self._scanned[session] = {symbol for (symbol,) in scanned}
        seen: set[str] = set()
        for found, symbol in rows:
            if found is None or symbol is None:
                fault = "a row without a session or symbol; both must be filled"
            elif found != session:
                fault = (
                    f"rows of another session, {found}; keep to the session that is scanned, "
                    "which is the only one in `features`"
                )
            elif symbol not in self._scanned[session]:
                fault = f"{symbol}, which was not scanned on {session}; return symbols of `features`"
            elif symbol in seen:
                fault = f"{symbol} more than once on {session}; return one row a symbol"
            else:
                seen.add(symbol)
                continue
            raise ScannerError(f"{scanner.path}: the select returns {fault}.")

    @contextmanager
    def _fence(self, scanner: SqlScanner, where: str = "") -> Iterator[None]:
        """Turns whatever DuckDB says of a scanner's SQL into a ScannerError, and ends what takes too long."""
        with self._watched:
            self._is_late, self._deadline = False, time.monotonic() + self._timeout
        try:
            yield
        except duckdb.Error as error:
            if self._is_late:
                raise _TimedOut(
                    f"{scanner.path}: still running after {self._timeout:g} s, ended. "
                    "Narrow it, or raise SCAN_SCANNER_TIMEOUT_SECONDS."
                ) from error
            raise ScannerError(explain(scanner, str(error), where)) from error
        finally:
            with self._watched:
                self._deadline = math.inf

    def _watch(self) -> None:
        """Interrupts the statement that is past its deadline. One thread does it: starting one for each takes longer
        than many a statement."""
        while not self._closed.wait(WATCH_SECONDS):
            with self._watched:
                if time.monotonic() > self._deadline:
                    self._is_late, self._deadline = True, math.inf
                    self._connection.interrupt()


def _refuse_columns(scanner: SqlScanner, columns: Mapping[str, str]) -> None:
    kinds = {name.lower(): kind for name, kind in columns.items()}
    for needed, kind in (("session", "DATE"), ("symbol", "VARCHAR")):
        if needed not in kinds:
            raise ScannerError(
                f"{scanner.path}: the select returns no column `{needed}`; it returns {', '.join(columns)}. "
                "A scanner must return `session` and `symbol`."
            )
        if kinds[needed] != kind:
            raise ScannerError(
                f"{scanner.path}: the column `{needed}` is a {kinds[needed]}, not a {kind}. "
                f"Return `{needed}` as it is in `features`."
            )


def _as_json(text: str) -> str:
    """What DuckDB calls JSON, with null for numbers that JSON does not have: infinities, and what is none."""
    if "NaN" in text or "Infinity" in text:
        return json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)
    return text


def _count(scanner: SqlScanner, sessions: Sequence[date], hits: Sequence[Hit]) -> list[Outcome]:
    found = dict.fromkeys(sessions, 0)
    for hit in hits:
        found[hit.session] += 1
    return [Outcome(session, scanner.name, count) for session, count in found.items()]
