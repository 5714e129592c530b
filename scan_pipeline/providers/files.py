"""Bars from a person's own files: Parquet or CSV, one or many symbols a file.

Columns are recognised by name; a file with any other column is refused with a list of what was found and what was
expected, so that nothing is ever read as something it is not. `splits.csv` and `symbols.csv` beside the bars, where
present, give splits and reference data. Files are read by DuckDB, in place, and only the dates that are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby
from pathlib import Path

import duckdb

from scan_pipeline.providers.base import REFERENCE_COLUMNS, SPLIT_COLUMNS, Delivery, ProviderError
from scan_pipeline.quoting import identifier, literal

#: Every name under which a column is recognised, in small letters, and what it is.
BAR_ALIASES = {
    "symbol": "symbol", "ticker": "symbol",
    "session": "session", "date": "session", "timestamp": "session",
    "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume",
    "adj_close": "adj_close", "vwap": "vwap", "vw": "vwap", "trades": "trades", "transactions": "trades",
    "reported_on": "reported_on",
}  # fmt: skip
REQUIRED_BAR_COLUMNS = ("session", "open", "high", "low", "close", "volume")
SPLIT_ALIASES = {name: name for name in SPLIT_COLUMNS} | {"ticker": "symbol", "execution_date": "ex_date"}
REFERENCE_ALIASES = {name: name for name in REFERENCE_COLUMNS} | {"ticker": "symbol"}
_NUMBERS = ("open", "high", "low", "close", "volume", "adj_close", "vwap", "trades")

#: A part holds a month: large enough to be quick, small enough that a killed ingest loses little.
SESSIONS_A_PART = 21


@dataclass(frozen=True)
class FileGroup:
    """Files of one kind with the same columns. `columns` maps ours to theirs."""

    kind: str  # "parquet" or "csv"
    columns: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    delimiter: str
    paths: tuple[Path, ...]


class FilesProvider:
    """The provider `files`: a folder of bar files, or a single one."""

    is_metered = False
    calls = 0
    missing: Mapping[date, str] = {}
    sources: Sequence[str] = ()

    def __init__(self, path: Path | None, name: str = "files") -> None:
        if path is None:
            raise ProviderError(
                "SCAN_PROVIDER=files needs SCAN_FILES_PATH: a folder of Parquet or CSV files of bars, or one such file."
            )
        self.path = path
        self.name = name

    def deliveries(self, sessions: Sequence[date], previous: date) -> Iterator[tuple[Sequence[date], date, Delivery]]:
        """Parts of a month each; the files are read when the part's rows are."""
        for start in range(0, len(sessions), SESSIONS_A_PART):
            part = sessions[start : start + SESSIONS_A_PART]
            yield part, previous, FilesDelivery(self.name, self.groups, previous, part[-1])
            previous = part[-1]

    def snapshot(self, session: date) -> None:
        """Files hold sessions that are over."""

    def prepare(self, what: str, fetched: Mapping[str, date], sessions: Sequence[date]) -> None:
        """Nothing: files are read where they are."""

    def splits(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """The rows of `splits.csv`."""
        path = self._beside / "splits.csv"
        if not path.exists():
            return None
        ratio = ("split_from", "split_to")
        return read_table(connection, path, SPLIT_COLUMNS, SPLIT_ALIASES, ("symbol", "ex_date", *ratio), ratio)

    def reference(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation | None:
        """The rows of `symbols.csv`."""
        path = self._beside / "symbols.csv"
        return (
            read_table(connection, path, REFERENCE_COLUMNS, REFERENCE_ALIASES, ("symbol",)) if path.exists() else None
        )

    def note(self, sessions_left: int) -> str:
        """Nothing: reading files is neither limited nor waited for."""
        return ""

    def held(self) -> tuple[date, date] | None:
        """The first and last date in the files."""
        with duckdb.connect() as connection:
            bounds = [
                connection.sql(_select(group)).aggregate("min(session_day), max(session_day)").fetchall()[0]
                for group in self.groups
            ]
        dated = [(first, last) for first, last in bounds if first is not None]
        return (min(first for first, _ in dated), max(last for _, last in dated)) if dated else None

    @property
    def _beside(self) -> Path:
        return self.path.parent

    @cached_property
    def groups(self) -> list[FileGroup]:
        """The files, grouped by kind and columns. Raises ProviderError for a missing path or unrecognised columns."""
        if not self.path.exists():
            raise ProviderError(f"SCAN_FILES_PATH={self.path} does not exist. Point it at your bars.")
        found = [self.path] if self.path.is_file() else sorted(p for p in self.path.rglob("*") if p.is_file())
        paths = [path for path in found if path.suffix.lower() in (".parquet", ".csv")]
        if not paths:
            raise ProviderError(f"SCAN_FILES_PATH={self.path} holds no file that ends in .parquet or .csv.")
        with duckdb.connect() as connection:
            inspected = [_inspect(path, connection) for path in paths]
        inspected.sort(key=lambda group: (group.kind, group.header, group.delimiter))
        return [
            FileGroup(
                first.kind, first.columns, first.header, first.delimiter, tuple(g.paths[0] for g in (first, *rest))
            )
            for _, (first, *rest) in groupby(inspected, key=lambda group: (group.kind, group.header, group.delimiter))
        ]


@dataclass(frozen=True)
class FilesDelivery:
    """The rows of the files dated after `after` and up to `through`, and the undated ones reported in between."""

    name: str
    groups: Sequence[FileGroup]
    after: date
    through: date

    def rows(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """See `Delivery.rows`. Lines of a CSV file that have too few or too many fields come as rows without values."""
        wanted = f"day > date '{self.after}' and day <= date '{self.through}'"
        dated = wanted.replace("day", "session_day")
        reported = wanted.replace("day", "try_cast(reported_on as DATE)")
        # Two selects rather than one `or`: the first reaches the row groups of a Parquet file as a date range.
        selects = [
            f"select * from ({_select(group)}) where {condition}"
            for group in self.groups
            for condition in (dated, f"session_day is null and coalesce({reported}, true)")
        ]
        if all(group.kind == "parquet" for group in self.groups):
            return connection.sql(" union all ".join(selects))
        connection.execute("drop table if exists reject_errors; drop table if exists reject_scans")
        connection.execute(f"create or replace temp table file_rows as {' union all '.join(selects)}")
        return connection.sql(f"from file_rows union all {_BROKEN_LINES}")


_BROKEN_LINES = """
select distinct on (scans.file_path, errors.line) scans.file_path, null, null, null, null, null, null, null, null, null,
    null, null,
    to_json({'line': errors.line::VARCHAR, 'text': errors.csv_line, 'fault': errors.error_message})
from reject_errors errors join reject_scans scans using (scan_id, file_id)
"""


def _inspect(path: Path, connection: duckdb.DuckDBPyConnection) -> FileGroup:
    kind = path.suffix.lower().removeprefix(".")
    delimiter = ""
    try:
        if kind == "parquet":
            header = tuple(connection.sql(f"from read_parquet({literal(path)})").columns)
        else:
            header, delimiter = _csv_header(path)
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        raise ProviderError(
            f"{path} cannot be read as {kind}: {str(error).splitlines()[0]}. Mend or remove it."
        ) from error
    columns = _recognise(path, header, BAR_ALIASES, REQUIRED_BAR_COLUMNS)
    return FileGroup(kind, tuple(columns.items()), header, delimiter, (path,))


def _csv_header(path: Path) -> tuple[tuple[str, ...], str]:
    with path.open("rb") as lines:  # the header alone: a line that is no text is a broken line, not a broken file
        first = lines.readline().decode("utf-8-sig").rstrip("\r\n")
    delimiter = max(",;\t|", key=first.count)
    return tuple(name.strip().strip('"') for name in first.split(delimiter)), delimiter


def _recognise(
    path: Path, header: Sequence[str], aliases: Mapping[str, str], required: Sequence[str]
) -> dict[str, str]:
    """Our names to the file's. Raises ProviderError for an unknown, doubled or missing column."""
    columns: dict[str, str] = {}
    unknown = []
    for theirs in header:
        ours = aliases.get(theirs.strip().lower())
        if ours is None or ours in columns:
            unknown.append(theirs)
        else:
            columns[ours] = theirs
    missing = [name for name in required if name not in columns]
    if unknown or missing:
        faults = [f"not recognised or given twice: {', '.join(unknown)}"] if unknown else []
        faults += [f"missing: {', '.join(missing)}"] if missing else []
        optional = [name for name in aliases if aliases[name] not in required]
        raise ProviderError(
            f"{path}: columns {'; '.join(faults)}. Found: {', '.join(header)}. "
            f"Expected: {', '.join(name for name in aliases if aliases[name] in required)}; "
            f"optionally {', '.join(optional)}. Rename, add or drop columns, then try again."
        )
    return columns


def _select(group: FileGroup) -> str:
    """The files of a group as a select with the columns of a delivery."""
    paths = "[" + ", ".join(literal(path) for path in group.paths) + "]"
    columns = dict(group.columns)
    if group.kind == "parquet":
        source = f"read_parquet({paths}, union_by_name = true, filename = '_source')"
    else:
        source = _csv(paths, group.header, group.delimiter, "", "store_rejects = true, filename = '_source'")

    def theirs(name: str, otherwise: str = "null") -> str:
        if name not in columns:
            return otherwise
        column = identifier(columns[name])
        # No character quotes in bars: an unclosed quote would swallow the lines after it. Whole fields are unquoted
        # here, and what still holds a quote is unreadable.
        bare = f"case when {column} like '\"%\"' then {column}[2:-2] else {column} end"
        return column if group.kind == "parquet" else f"nullif(case when {bare} not like '%\"%' then {bare} end, '')"

    raw = ", ".join(f"{literal(name)}: {identifier(name)}" for name in group.header)
    # A file without a symbol column holds one symbol, and is named after it.
    symbol = theirs("symbol", "parse_filename(_source, true)")
    numbers = ", ".join(f"{theirs(name)} as {name}" for name in _NUMBERS)
    raw = f"to_json({{{raw}}})" if group.kind == "csv" else f"{{{raw}}}"
    return (
        f"select _source as source, {theirs('reported_on')} as reported_on, {symbol} as symbol, "
        f"{_day(theirs('session'))} as session_day, {numbers}, {raw} as raw from {source}"
    )


def _csv(
    paths: str, header: Sequence[str], delimiter: str, quote: str = '"', options: str = "strict_mode = true"
) -> str:
    """A table function that reads CSV files as text: nothing about them is guessed."""
    types = "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header) + "}"
    return (
        f"read_csv({paths}, columns = {types}, delim = {literal(delimiter)}, header = true, auto_detect = false, "
        f"quote = '{quote}', {options})"
    )


def _day(column: str) -> str:
    """SQL: the date in a column of dates, timestamps, text (its date part as written) or epoch numbers (New York)."""
    text = f"{column}::VARCHAR"
    epoch = f"try_cast({text} as BIGINT)"
    seconds = f"case when abs({epoch}) > 100000000000 then {epoch} / 1000 else {epoch} end"
    return (
        f"case when typeof({column}) = 'DATE' then {column}::DATE "
        f"when typeof({column}) = 'TIMESTAMP WITH TIME ZONE' "
        f"then timezone('America/New_York', try_cast({column} as TIMESTAMPTZ))::DATE "
        f"when regexp_full_match({text}, '[0-9]{{8}}') then try_strptime({text}, '%Y%m%d')::DATE "
        f"when regexp_full_match({text}, '[0-9]{{9,14}}') "
        f"then timezone('America/New_York', to_timestamp({seconds}))::DATE "
        f"else try_cast({text} as DATE) end"
    )


def read_table(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    types: Mapping[str, str],
    aliases: Mapping[str, str],
    required: Sequence[str],
    positive: Sequence[str] = (),
) -> duckdb.DuckDBPyRelation:
    """A CSV file as a relation with the columns `types`, in that order; columns it lacks are null. Text is trimmed.

    Raises ProviderError for unrecognised columns, broken lines, and the first value that cannot be read or, in the
    columns `positive`, is not above zero and finite.
    """
    try:
        header, delimiter = _csv_header(path)
        columns = _recognise(path, header, aliases, required)
        text = connection.sql(f"from {_csv(literal(path), header, delimiter)}")
        trimmed = [f"nullif(trim({identifier(theirs)}), '') as {ours}" for ours, theirs in columns.items()]
        text = text.project(", ".join(trimmed))
        text = text.project("row_number() over () as row, *")
        faults = " or ".join(
            [f"({name} is not null and try_cast({name} as {types[name]}) is null)" for name in columns]
            + [f"{name} is null" for name in required]
            + [f"not coalesce(try_cast({name} as DOUBLE) between 1e-9 and 1e9, false)" for name in positive]
        )
        faulty = text.filter(faults).limit(1).fetchall()
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        raise ProviderError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]} Mend or remove it.") from error
    if faulty:
        row, *values = faulty[0]
        line = _line_of(path, row)
        above = f", with {' and '.join(positive)} above 0" if positive else ""
        raise ProviderError(
            f"{path}, line {line}: {dict(zip(columns, values, strict=True))} cannot be read. "
            f"Expected: {', '.join(f'{name} {types[name]}' for name in columns)}"
            f"{above}. Mend or remove the line."
        )
    return text.project(
        ", ".join(f"{name if name in columns else 'null'}::{kind} as {name}" for name, kind in types.items())
    )


def _line_of(path: Path, row: int) -> int:
    """The line of a CSV file on which its n-th row of data begins; blank lines are no rows."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        filled = [number for number, line in enumerate(lines, start=1) if line.strip()]
    return filled[row]
