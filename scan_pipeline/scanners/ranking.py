"""Rank and limit: the order of a scanner's hits within each session, as SQL over the columns of a table `hits`.

The same for scanners in SQL and in Python. What belongs here: the statement, and the table of hits that came from
Python. What does not: running scanners (`sql.py`, `python/`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from scan_pipeline.errors import ScannerError
from scan_pipeline.hits import Hit
from scan_pipeline.quoting import identifier
from scan_pipeline.scanners.syntax import first_expression

#: Of a column of hits from Python, by the kind of its values: how JSON's text becomes SQL's value.
_KINDS = {bool: "BOOLEAN", int: "DOUBLE", float: "DOUBLE", str: "VARCHAR"}


def ranked(columns: Sequence[str], rank: str, limit: int | None, details: str) -> str:
    """A select of session, symbol, place, score and `details` (SQL) over the table `hits`, which has these `columns`.

    Without a rank: by the column `score`, the best first, else by symbol. The score is that column, else the first
    expression of the rank, where it is a number.
    """
    has_score = "score" in map(str.lower, columns)
    score = "score" if has_score else first_expression(rank) if rank else "null"
    keep = f"qualify place <= {limit}" if limit else ""
    return f"""
        select session, symbol, row_number() over (
                partition by session order by {rank or ("score desc" if has_score else "symbol")}, symbol) as place,
            try_cast({score} as DOUBLE), {details}
        from hits {keep} order by session, place
        """


def rank_hits(name: str, path: Path, rank: str, limit: int | None, found: Sequence[tuple[date, str, str]]) -> list[Hit]:
    """Hits of any sessions, given as session, symbol and details (JSON), in order. Raises ScannerError for a rank that
    the columns do not have."""
    if not found:
        return []
    columns = _columns([json.loads(details) for _, _, details in found])
    own = [column for column in columns if column.lower() not in ("session", "symbol")]
    values = ", ".join(
        f"try_cast(json_extract_string(details, '{_pointer(column)}') as {columns[column]}) as {identifier(column)}"
        for column in own
    )
    given = {
        "day": np.array([session for session, _, _ in found], dtype="datetime64[D]").astype(np.int32),
        "symbol": np.array([symbol for _, symbol, _ in found], dtype=object),
        "details": np.array([details for _, _, details in found], dtype=object),
    }
    with duckdb.connect(
        config={"threads": 1, "ieee_floating_point_ops": False, "error_on_division_by_zero": False}
    ) as connection:
        connection.register("given", given)
        connection.execute(
            "create table hits as select date '1970-01-01' + day as session, symbol::VARCHAR as symbol, "
            f'details as "their details"{", " + values if own else ""} from given'
        )
        connection.unregister("given")
        connection.execute("set enable_external_access = false; set lock_configuration = true")
        try:
            rows = connection.execute(ranked(own, rank, limit, '"their details"')).fetchall()
        except duckdb.Error as error:
            first = str(error).strip().splitlines()[0].rstrip("!.")
            raise ScannerError(
                f"{path}: rank={rank!r} cannot be used: {first}. The hits have the columns symbol"
                f"{''.join(f', {column}' for column in own)}."
            ) from error
    return [
        Hit(session, name, symbol, place, score, _without_score(details))
        for session, symbol, place, score, details in rows
    ]


def _columns(details: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the hits' own columns, and the SQL type of each."""
    kinds: dict[str, set[str]] = {}
    for one in details:
        for name, value in one.items():
            kinds.setdefault(name, set()).update([] if value is None else [_KINDS[type(value)]])
    return {name: kind.pop() if len(kind) == 1 else "VARCHAR" for name, kind in kinds.items()}


def _without_score(details: str) -> str:
    """The score is a column of its own."""
    if '"score"' not in details.lower():
        return details
    kept = {name: value for name, value in json.loads(details).items() if name.lower() != "score"}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _pointer(name: str) -> str:
    """A key as a JSON pointer, in an SQL string."""
    return "/" + name.replace("~", "~0").replace("/", "~1").replace("'", "''")
