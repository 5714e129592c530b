"""Tables in plain values: decoded JSON, printed Python literals, and the text of single cells.

What belongs here: the shapes in which scripts write rows (lists of records, dicts of lists, pandas' own JSON shapes, a
symbol's list of days and a day's list of symbols), and reading a cell's text as the number it says. What does not:
opening files (`written.py`), finding such values among printed lines (`printed.py`).
"""

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scan_pipeline.scripts.results.columns import Table, as_day, is_missing, is_ticker

#: Keys under which programs put their rows beside totals and the like.
_DEEPEST = 3
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")

#: How Python prints values that are no literals.
_REPRS = (
    (re.compile(r"\b(?:np|numpy)\.(?:str_|float\d+|int\d+|uint\d+|bool_?)\(([^()]*)\)"), r"\1"),
    (re.compile(r"\b(?:pd\.)?Timestamp\(('[^']*')[^()]*\)"), r"\1"),
    (re.compile(r"\bdatetime\.date\((\d+), (\d+), (\d+)\)"), r"'\1-\2-\3'"),
    (re.compile(r"\bdatetime\.datetime\((\d+), (\d+), (\d+)(?:, \d+)*\)"), r"'\1-\2-\3'"),
    (re.compile(r"(?<=[\s:,\[(])(?:nan|NaT|inf|-inf|<NA>)(?=[,\]})])"), "None"),
)


def tables_in(value: Any, depth: int = 0) -> list[Table]:
    """Every table in a value; empty where it holds none. An empty list is a table without columns and rows."""
    if isinstance(value, list | tuple):
        return _in_list(value)
    if isinstance(value, Mapping) and value and depth < _DEEPEST:
        return _in_mapping({str(key): inner for key, inner in value.items()}, depth)
    return [Table((), ())] if isinstance(value, Mapping) and not value else []


def read_literal(text: str) -> Any:
    """The value that Python's `print` wrote, or None. Timestamps are text, and nan is None."""
    for pattern, becomes in _REPRS:
        text = pattern.sub(becomes, text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None  # some other text that begins with a bracket


def read_cell(text: str) -> Any:
    """What a cell's text says: a number, a truth value, nothing (None), or the text."""
    text = text.strip()
    if is_missing(text):
        return None
    if text in ("True", "False"):
        return text == "True"
    if _NUMBER.fullmatch(text) and not re.match(r"[+-]?0\d", text):
        if re.fullmatch(r"[+-]?\d+", text):
            return int(text) if len(text) <= 40 else text
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def from_records(records: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of dicts: the columns are all keys, in the order of their first appearance."""
    columns = tuple(dict.fromkeys(str(key) for record in records for key in record))
    rows = [{str(key): cell for key, cell in record.items()} for record in records]
    return Table(columns, [[row.get(column) for column in columns] for row in rows])


def from_tuples(rows: Sequence[Sequence[Any]]) -> Table:
    """Rows of tuples: the columns are named by their places."""
    width = max(map(len, rows), default=0)
    return Table(tuple(map(str, range(width))), [[*row, *[None] * (width - len(row))] for row in rows])


def unique_names(columns: Sequence[Any]) -> tuple[str, ...]:
    """Column names, each once: a second `close` is `close.1`, as pandas says."""
    counts: dict[str, int] = {}
    names = []
    for column in map(str, columns):
        seen = counts.get(column, 0)
        counts[column] = seen + 1
        names.append(f"{column}.{seen}" if seen else column)
    return tuple(names)


def _in_list(values: Sequence[Any]) -> list[Table]:
    if not values:
        return [Table((), ())]
    if all(isinstance(one, Mapping) for one in values):
        return [from_records(values)]
    if all(isinstance(one, list | tuple) for one in values):
        return [from_tuples(values)]
    if all(map(is_ticker, values)):
        return [Table(("symbol",), [[one] for one in values])]
    if isinstance(values, tuple) and all(one is None or isinstance(one, str | int | float) for one in values):
        return [from_tuples([values])]
    return []


def _in_mapping(value: dict[str, Any], depth: int) -> list[Table]:
    inner = list(value.values())
    if set(value) >= {"columns", "data"} and isinstance(value["columns"], list) and isinstance(value["data"], list):
        rows = [row for row in value["data"] if isinstance(row, list) and len(row) == len(value["columns"])]
        return [Table(unique_names(value["columns"]), rows)]
    if isinstance(value.get("schema"), dict) and isinstance(value.get("data"), list):
        return tables_in(value["data"], depth + 1)
    if grouped := _grouped(value):
        return [grouped]
    if all(isinstance(one, list) for one in inner) and len({len(one) for one in inner}) == 1 and len(inner) > 1:
        return [Table(tuple(value), [list(row) for row in zip(*inner, strict=True)])]
    if all(isinstance(one, Mapping) for one in inner):
        return [_crossed(value)]
    if depth == 0 and not any(isinstance(one, list | Mapping) for one in inner):
        return [from_records([value])]
    return [table for one in inner if isinstance(one, list | Mapping) for table in tables_in(one, depth + 1)]


def _grouped(value: dict[str, Any]) -> Table | None:
    """Rows under their symbol or their day: {"AAPL": ["2016-03-21"]}, {"2016-03-21": [{"symbol": …}]}."""
    key = "symbol" if all(map(is_ticker, value)) else "date" if all(as_day(one) for one in value) else ""
    if not key:
        return None
    other = "date" if key == "symbol" else "symbol"
    rows: list[dict[str, Any]] = []
    for name, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, Mapping):
                rows.append({key: name} | {str(column): cell for column, cell in one.items()})
            elif isinstance(one, str | int | float):
                rows.append({key: name, other if as_day(one) or is_ticker(one) else "value": one})
    return from_records(rows) if rows else None


def _crossed(value: dict[str, Any]) -> Table:
    """pandas' shapes of a dict of dicts: by column ({"symbol": {"0": …}}) or by row ({"0": {"symbol": …}})."""
    keys = list(dict.fromkeys(str(key) for inner in value.values() for key in inner))
    by_column = all(key.isdigit() for key in keys) and not all(name.isdigit() for name in value)
    if not by_column:
        return from_records(list(value.values()))
    return Table(tuple(value), [[inner.get(key) for inner in value.values()] for key in keys])
