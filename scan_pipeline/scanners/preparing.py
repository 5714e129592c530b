"""A SQL scanner made ready to run: parameters filled in, its tables known, and the features that it asks for.

A scanner names features (`rsi_14`, `rs_rating`) and calls indicators (`ta.rsi(close, 7)`, `weekly.sma(close, 10)`).
Each call becomes a feature of the same name, computed with the others before the scanner runs, and a column in its
select. What belongs here: from the file's text to that. What does not: DuckDB's syntax trees in detail (`syntax.py`),
the language of the calls (`features/expressions.py`), and running (`sql.py`).
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

import duckdb

from scan_pipeline.errors import ScannerError, ScanPipelineError
from scan_pipeline.features import catalogue, cross_section
from scan_pipeline.features.feature import Feature
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.quoting import identifier
from scan_pipeline.scanners.parameters import fill_in
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.scanners.syntax import (
    columns_of,
    indicator_calls,
    is_plain,
    is_plain_with_joins,
    is_row_by_row,
    tables_of,
    unrepeatable,
    with_columns,
)

#: The tables that a scanner may read.
TABLES = ("features", "universe", "bars", "market_context")


@dataclass(frozen=True)
class Prepared:
    """What the bench runs.

    `statement` is the select on the lines that it has in the file, `rank` the header's. `features` are the columns of
    `features` that it asks for beside those that are always there, `cross_sectional` those of them that compare
    symbols. `is_plain`: a select of `session`, `symbol` and expressions over `features` alone. `is_row_by_row`: it is
    certain that each row of `features` is decided on by itself, and by rows of other tables that are its own.
    `condition`: what a row of `features` must meet to be a hit, in SQL, where that is certain and it is decided on by
    its own symbol's bars alone; else None.
    """

    scanner: SqlScanner
    statement: str
    rank: str
    tables: frozenset[str]
    features: tuple[Feature, ...]
    cross_sectional: tuple[str, ...]
    is_plain: bool
    is_row_by_row: bool
    condition: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `features` that it asks for."""
        return (*(one.name for one in self.features), *self.cross_sectional)


@dataclass(frozen=True)
class Demand:
    """What some scanners together ask for: features of one symbol's bars, columns that compare symbols, tables."""

    features: tuple[Feature, ...]
    cross_sectional: tuple[str, ...]
    tables: frozenset[str]

    @property
    def names(self) -> set[str]:
        """The names of the features of one symbol's bars."""
        return {one.name for one in self.features}

    @property
    def needs_benchmark(self) -> bool:
        """Whether any of the features holds a symbol against the benchmark."""
        return any(one.needs_benchmark for one in self.features)

    @property
    def history_sessions(self) -> int:
        """Sessions of history that computing the features needs."""
        return catalogue.history_sessions(self.features)


def prepare(scanner: SqlScanner) -> Prepared:
    """The scanner, ready to run. Raises ScannerError, with the file and where it is known the line."""
    if scanner.fault:
        raise ScannerError(scanner.fault)
    key = scanner.path, scanner.text, tuple(scanner.parameters.items())
    if key not in _PREPARED:
        _PREPARED[key] = _prepare(scanner)
    return replace(_PREPARED[key], scanner=scanner)


def versions_of_code(
    scanners: Iterable[SqlScanner], weights: ScoreWeights, rules: PlanRules, benchmark: str
) -> dict[str, str]:
    """The version of each scanner's code, by name: of its file and parameters and, where it asks for columns that are
    made by them, of the score's weights and the trade plan's rules, and of the benchmark's name."""
    versions = {}
    for scanner in scanners:
        version = scanner.code_version
        asked = demand([scanner])
        if asked.cross_sectional:
            version = sha256(f"{version} {weights} {rules}".encode()).hexdigest()[:12]
        if asked.needs_benchmark:
            version = sha256(f"{version} {benchmark}".encode()).hexdigest()[:12]
        versions[scanner.name] = version
    return versions


#: What was made ready before in this process: a file is asked for by several stages, and parsing takes its time.
_PREPARED: dict[tuple[Any, ...], Prepared] = {}


def demand(scanners: Iterable[SqlScanner], more: Iterable[str] = ()) -> Demand:
    """What the scanners ask for together, the always computed features first; `more`: names asked for beside.

    A scanner that cannot be made ready asks for nothing: it fails at its turn, with a message.
    """
    always = {one.name: one for one in catalogue.CORE}
    features = {one.name: one for one in map(catalogue.feature, more)}
    columns: set[str] = set()
    tables: set[str] = set()
    for scanner in scanners:
        try:
            prepared = prepare(scanner)
        except ScannerError:
            continue
        features |= {one.name: one for one in prepared.features}
        columns |= {*prepared.cross_sectional}
        tables |= prepared.tables
    features |= {name: catalogue.feature(name) for name in cross_section.reads(columns)}
    asked = (one for name, one in sorted(features.items()) if name not in always)
    return Demand((*always.values(), *asked), tuple(sorted(columns)), frozenset(tables))


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def _prepare(scanner: SqlScanner) -> Prepared:
    try:
        text = fill_in(scanner.text, scanner.parameters)
        rank = fill_in(scanner.rank, scanner.parameters)
    except ScannerError as error:
        raise ScannerError(f"{scanner.path}, {error}") from error
    node = _parse(scanner, text)
    tables = tables_of(node, TABLES)
    for table, position in tables.items():
        if table not in TABLES:
            raise ScannerError(
                f"{_place(scanner, text, position)}: there is no table {table}. A scanner can read {', '.join(TABLES)}."
            )
    if found := unrepeatable(node):
        name, position = found
        raise ScannerError(
            f"{_place(scanner, text, position)}: {name} comes out differently every time, and a session's hits must "
            "not. Leave it out; `session` is the day that is scanned."
        )
    _refuse_rank(scanner, rank)
    called = _called(scanner, text, node)
    node = with_columns(node, {place: feature.name for place, feature in called.items()})
    always = {one.name for one in catalogue.CORE}
    asked = {feature.name: feature for feature in called.values()}
    cross: set[str] = set()
    for name in columns_of(node):
        if name in cross_section.CROSS_SECTIONAL:
            cross.add(name)
        elif name in catalogue.CATALOGUE:
            asked[name] = catalogue.CATALOGUE[name]
    plain = is_plain(node) and "getvariable" not in text.lower()
    certain = is_plain_with_joins(node) and is_row_by_row(node)
    return Prepared(
        scanner=scanner,
        statement=_with_columns(_without_end(text), called),
        rank=rank,
        tables=frozenset(tables),
        features=tuple(one for name, one in sorted(asked.items()) if name not in always),
        cross_sectional=tuple(sorted(cross)),
        is_plain=plain,
        is_row_by_row=certain,
        condition=_condition(node, {*always, *asked}) if plain and certain and not cross else None,
    )


def _condition(node: dict[str, Any], features: Collection[str]) -> str | None:
    """What a row must meet, if each is decided on by itself; names that a select gives are none of a row's."""
    where = node["where_clause"]
    if where is None:
        return "true"
    if not set(columns_of(where)) <= {*features, "session", "symbol"}:
        return None
    select = {"error": False, "statements": [{"node": {**_empty_select(), "select_list": [where]}}]}
    ((text,),) = _parser().execute("select json_deserialize_sql(?)", [json.dumps(select)]).fetchall()
    return str(text).removeprefix("SELECT ")


@cache
def _empty_select() -> dict[str, Any]:
    ((text,),) = _parser().execute("select json_serialize_sql('select 1')").fetchall()
    node: dict[str, Any] = json.loads(text)["statements"][0]["node"]
    return node


def _parse(scanner: SqlScanner, text: str) -> dict[str, Any]:
    """The syntax tree of the file's one select."""
    try:
        statements = _parser().extract_statements(text)
    except duckdb.Error as error:
        raise ScannerError(explain(scanner, str(error), "")) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name.lower() for statement in statements) or "nothing"
        raise ScannerError(f"{scanner.path}: expected one select, found {kinds}. Keep one select a file.")
    ((serialized,),) = _parser().execute("select json_serialize_sql(?)", [text]).fetchall()
    tree = json.loads(serialized)
    if tree["error"]:
        raise ScannerError(f"{scanner.path}: {tree['error_message']}. Write it as a plain select.")
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


def _refuse_rank(scanner: SqlScanner, rank: str) -> None:
    """Raises ScannerError for a rank that looks at anything but the hits. Where it is no SQL, the bench will say so."""
    if not rank:
        return
    select = f"select row_number() over (order by {rank})"
    ((serialized,),) = _parser().execute("select json_serialize_sql(?)", [select]).fetchall()
    tree = json.loads(serialized)
    if tree["error"]:
        return
    for table in tables_of(tree["statements"]):
        raise ScannerError(
            f"{scanner.path}, the header line `-- rank:`: it reads the table {table}. A rank is made of columns that "
            "the select returns: add one."
        )
    if found := unrepeatable(tree["statements"]):
        raise ScannerError(
            f"{scanner.path}, the header line `-- rank:`: {found[0]} comes out differently every time, and a session's "
            "hits must not. Leave it out."
        )


def _without_end(text: str) -> str:
    """The select without the semicolon and the comments that follow it."""
    encoded = text.encode()
    for offset, kind in reversed(duckdb.tokenize(text)):
        if kind != duckdb.token_type.comment and encoded[offset : offset + 1] != b";":
            break
        encoded = encoded[:offset]
    return encoded.decode()


def _called(scanner: SqlScanner, text: str, node: Mapping[str, Any]) -> dict[tuple[int, int], Feature]:
    """The features that are calls of indicators, by where these are in the text, in bytes."""
    features = {}
    for start, length in sorted(set(indicator_calls(node))):
        try:
            written = text.encode()[start : start + length].decode()
            features[start, length] = catalogue.feature(_as_expression(written))
        except ScanPipelineError as error:
            raise ScannerError(f"{_place(scanner, text, start)}: {error}") from error
    return features


def _with_columns(text: str, called: Mapping[tuple[int, int], Feature]) -> str:
    """The text with a column in place of each call of an indicator, on the same lines."""
    encoded = text.encode()
    for (start, length), feature in sorted(called.items(), reverse=True):
        lines = encoded[start : start + length].count(b"\n")
        column = identifier(feature.name).encode() + b"\n" * lines
        encoded = encoded[:start] + column + encoded[start + length :]
    return encoded.decode()


def _as_expression(call: str) -> str:
    """A call as it is written in SQL, in the language of expressions: on one line, without comments, `=` for `:=`."""
    lines = (re.sub(r"--.*$", "", line) for line in call.splitlines())
    return re.sub(r":=|=>", "=", " ".join(lines)).strip().lower()


def _place(scanner: SqlScanner, text: str, position: int) -> str:
    line = text.encode()[:position].count(b"\n") + 1
    return f"{scanner.path}, line {line}"


def explain(scanner: SqlScanner, message: str, where: str) -> str:
    """DuckDB's message as one line with the file, the line and a hint."""
    first = message.strip().splitlines()[0].rstrip("!.")
    line = re.search(r"^LINE (\d+):", message, re.MULTILINE)
    place = where or (f"line {line[1]}" if line else "")
    candidates = re.search(r"^(Candidate bindings|Did you mean)[^\n]*", message, re.MULTILINE)
    if candidates:
        hint = candidates[0].rstrip(".")
    elif message.startswith("Out of Memory"):
        hint = "Narrow what it joins or collects, or raise SCAN_STORE_MEMORY_LIMIT"
    elif "disabled" in first or "Permission" in first:
        hint = "A scanner can read its tables, and no files or addresses"
    else:
        hint = "`scan-pipeline features` lists the columns of `features`"
    return f"{scanner.path}{f', {place}' if place else ''}: {first}. {hint}."
