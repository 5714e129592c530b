"""Files that a script wrote, as tables: CSV, Parquet, JSON, and texts of hits.

What belongs here: finding the files of a shard's working folder and reading them, bounded in size, rows and number.
What does not: whether a table is a result (`candidates.py`). Nothing outside the folder is read: links are not
followed. A file that is not read, and why, is noted; no file can end the reading of the others.
"""

import csv
import re
import stat
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from scan_pipeline.scripts.results.columns import Table, as_day, is_missing, is_symbol_name, is_ticker, words
from scan_pipeline.scripts.results.printed import read_text
from scan_pipeline.scripts.results.printed_tables import without_row_numbers
from scan_pipeline.scripts.results.values import tables_in, unique_names

MOST_BYTES = 50 * 10**6
MOST_ROWS = 100_000
#: Of more files, the ones written last are read.
MOST_FILES = 1_000
#: Of files with more rows together, the ones written first are not read.
MOST_ROWS_TOGETHER = 1_000_000

_DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 1,
    "autoinstall_known_extensions": False,
}
_LINES = msgspec.json.Decoder()
#: Folders that hold no results.
_OTHER_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True)
class Written:
    """A file of the working folder and its table. `name` is its path there; `why_not` says why there is no table."""

    name: str
    written: float  # seconds since 1970
    table: Table | None = None
    why_not: str = ""
    is_text: bool = False  # whether cells are text that still has to be read


class _Unreadable(Exception):
    """A file that is not read, and why."""


def read_written(
    work: Path, known: Collection[str] | None = None, given: Collection[str] = ()
) -> tuple[list[Written], list[str]]:
    """The files below the folder, last written first, and what a reader should know of those left out.

    `given`: paths in the folder of files that the script did not write.
    """
    written_ones = [file for file in _files(work) if file[0].relative_to(work).as_posix() not in given]
    files = sorted(written_ones, key=lambda file: (-file[1], str(file[0])))
    notes = []
    if len(files) > MOST_FILES:
        notes.append(f"it wrote {len(files):,} files, of which the last {MOST_FILES:,} were looked at")
    found: list[Written] = []
    rows = 0
    for path, written, size in files[:MOST_FILES]:
        name = path.relative_to(work).as_posix()
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            found.append(Written(name, written, why_not="is of no kind that is read (CSV, Parquet, JSON, text)"))
        elif size > MOST_BYTES:
            found.append(Written(name, written, why_not=f"is too large ({size / 1e6:,.0f} MB)"))
        elif rows > MOST_ROWS_TOGETHER:
            found.append(Written(name, written, why_not="was not read: there was enough in files written later"))
        else:
            one = _read(path, name, written, reader, known)
            rows += len(one.table.rows) if one.table else 0
            found.append(one)
    return found, notes


def _files(work: Path) -> Iterator[tuple[Path, float, int]]:
    """Every regular file with the time it was written and its size; nothing hidden, no links."""
    try:
        entries = sorted(work.iterdir())
    except OSError:
        return  # a folder that the script took its rights from, or removed
    for path in entries:
        if path.name.startswith(".") or path.name in _OTHER_FOLDERS:
            continue
        try:
            status = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if stat.S_ISDIR(status.st_mode):
            yield from _files(path)
        elif stat.S_ISREG(status.st_mode):
            yield path, status.st_mtime, status.st_size


def _read(path: Path, name: str, written: float, reader: Any, known: Collection[str] | None) -> Written:
    try:
        table = reader(path, known)
    except (OSError, _Unreadable, csv.Error, duckdb.Error, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Written(name, written, why_not=f"could not be read: {why[:200]}")
    if table is None:
        return Written(name, written, why_not="holds no table")
    if len(table.rows) > MOST_ROWS:
        return Written(name, written, why_not=f"has too many rows ({len(table.rows):,})")
    is_text = path.suffix.lower() in (".csv", ".tsv", ".txt")
    return Written(name, written, table, is_text=is_text)


def _read_csv(path: Path, known: Collection[str] | None) -> Table | None:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.read(64_000)
        file.seek(0)
        delimiter = _delimiter(head)
        rows = []
        for row in csv.reader((line.replace("\0", "") for line in file), delimiter=delimiter):
            if any(cell.strip() for cell in row):
                rows.append(row)
            if len(rows) > MOST_ROWS + 1:
                raise _Unreadable(f"more than {MOST_ROWS:,} rows")
    if not rows:
        return Table((), ())
    header = [cell.strip() for cell in rows[0]]
    if _is_row(header):
        header, body = list(map(str, range(max(map(len, rows))))), rows
    else:
        body = rows[1:]
    width = len(header)
    table = Table(unique_names(header), [[*row[:width], *[""] * (width - len(row))] for row in body])
    return without_row_numbers(table)


def _delimiter(head: str) -> str:
    """The delimiter of the first line; where it has several, the one that the next line has as often."""
    first, _, rest = head.lstrip().partition("\n")
    second = rest.partition("\n")[0]

    def rank(delimiter: str) -> tuple[bool, int]:
        count = first.count(delimiter)
        return (count > 0 and (not second.strip() or second.count(delimiter) == count), count)

    return max(",;\t|", key=rank)


def _is_row(header: list[str]) -> bool:
    """Whether the first line of a CSV is a row already: a symbol and a day, or a symbol alone."""
    if any(is_symbol_name(name) for name in header if name != "T"):
        return False
    if len(header) == 1:
        return is_ticker(header[0])
    return any(as_day(cell) for cell in header) and any(is_ticker(cell) for cell in header)


def _read_text_file(path: Path, known: Collection[str] | None) -> Table | None:
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.strip():
        return Table((), ())
    lines = text.split()
    if all(map(is_ticker, lines)):
        return Table(("symbol",), [[line] for line in lines])
    shown = [one for one in read_text(text, known).shown if not one.truncated]
    return max((one.table for one in shown), key=lambda table: len(table.rows), default=None)


def _read_json(path: Path, known: Collection[str] | None) -> Table | None:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        return Table((), ())
    try:
        value = msgspec.json.decode(_without_nan(data))
    except msgspec.DecodeError:
        value = _LINES.decode_lines(_without_nan(data)) if b"\n" in data.strip() else None
        if value is None:
            raise
    if isinstance(value, dict) and value and not any(isinstance(one, dict | list) for one in value.values()):
        value = [value]
    return max(tables_in(value), key=lambda table: len(table.rows), default=None)


def _without_nan(data: bytes) -> bytes:
    """Python writes NaN and Infinity, which are no JSON."""
    return re.sub(rb"(?<=[\s:,\[])(?:NaN|-?Infinity)(?=\s*[,\]}\n])", b"null", data)


def _read_json_lines(path: Path, known: Collection[str] | None) -> Table | None:
    data = _without_nan(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    return max(tables_in(_LINES.decode_lines(data)), key=lambda table: len(table.rows), default=None)


def _read_parquet(path: Path, known: Collection[str] | None) -> Table | None:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config=dict(_DUCKDB)) as connection:
        # DuckDB takes some characters of a path for patterns: it is given a name without any.
        plain = str(Path(folder) / "written.parquet")
        Path(plain).symlink_to(path.absolute())
        count = connection.execute("select sum(num_rows) from parquet_file_metadata(?)", [plain]).fetchone()
        if count and count[0] and count[0] > MOST_ROWS:
            raise _Unreadable(f"{count[0]:,} rows")
        described = connection.execute("describe select * from read_parquet(?)", [plain]).fetchall()
        columns = [column[0] for column in described]
        rows = connection.execute(f"select {_selected(described)} from read_parquet(?)", [plain]).fetchall()
    kept = [
        place
        for place, name in enumerate(columns)
        if not re.fullmatch(r"__index_level_\d+__", name) or _useful(rows, place)
    ]
    return Table(unique_names([columns[place] for place in kept]), [[row[place] for place in kept] for row in rows])


def _selected(described: list[Any]) -> str:
    """The columns, instants as text in UTC: their zone's name may be one that is not known here."""
    quoted = [('"' + name.replace('"', '""') + '"', kind) for name, kind, *_ in described]
    return ", ".join(
        f"strftime({name} at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')" if "WITH TIME ZONE" in kind else name
        for name, kind in quoted
    )


def _useful(rows: list[Any], place: int) -> bool:
    """Whether pandas' nameless index holds more than the rows' numbers."""
    return not all(isinstance(row[place], int) or is_missing(row[place]) for row in rows)


def stem(name: str, symbols: Collection[str]) -> str:
    """A file's name with what differs from shard to shard as `*`: long numbers, and its only symbol."""
    text = re.sub(r"\d{4,}(?:[-_T:.]?\d{2,})*|\d{2}(?:[-_]\d{2})+", "*", name)
    if len(symbols) == 1 and (only := next(iter(symbols))) and only in re.split(r"[/_.\s-]+", name):
        text = re.sub(rf"(?<![A-Za-z]){re.escape(only)}(?![A-Za-z])", "*", text)
    return text


def name_words(name: str) -> list[str]:
    """The words of a file's name, its folders and ending left out."""
    return words(Path(name).stem)


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".txt": _read_text_file,
}
