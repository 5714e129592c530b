"""Tables in printed lines: as pandas prints them, with bars and boxes, with spaces, as CSV.

What belongs here: finding the header and the rows that belong to it, and cutting lines into cells. What does not: hits
in single lines (`printed_lines.py`), and joining it all (`printed.py`). A table begins with a header that names a
symbol column. Cells stay text. A table that was cut short when it was printed (`...`, `…`) says so.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from scan_pipeline.scripts.results.columns import (
    Table,
    find_roles,
    is_date_name,
    is_missing,
    is_symbol_name,
    is_ticker,
    plain,
)
from scan_pipeline.scripts.results.values import unique_names

#: Boxes of rich, tabulate and prettytable, as the bars and dashes that they stand for.
_BOXES = str.maketrans(
    dict.fromkeys("│┃║╷╵╎┊", "|")
    | dict.fromkeys("─━═╌", "-")
    | dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╒╕╘╛╞╡╪╤╧┏┓┗┛┡┩╇┳╋┣┫┻╔╗╚╝╠╣╦╩╬╶╴", "+")
)
_RULE = re.compile(r"[\s|+:=-]*[=-]{2,}[\s|+:=-]*")
_DATE_LIKE = re.compile(
    r"\d{4}-\d|\d{1,2}/\d{1,2}/\d|(?:19|20)\d{6}\b|[A-Z][a-z]{2} \d{1,2},? \d{4}|\bNaT\b|\bNone\b|^\s*\.\."
)
_DAY = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d|\d{1,2}/\d{1,2}/\d{4}|\b(?:19|20)\d{6}\b")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?.*")
_SHAPE = re.compile(r"\[(\d+) rows x \d+ columns\]")
_DOTS = re.compile(r"\s*\.\.[\s.]*")
_WIDEST = 20_000
#: Lines right below a table that are none of its rows.
MOST_SPARE = 4


@dataclass
class Budget:
    """How many more lines may be read ahead for tables and values: some outputs begin one in every line."""

    left: int = 400_000

    def take(self, lines: int) -> bool:
        """Take so many lines; whether any are left."""
        self.left -= lines
        return self.left > 0


@dataclass(frozen=True)
class Block:
    """A printed table: where its lines end, and whether it was cut short (then `total` rows, where that is said)."""

    table: Table
    end: int
    truncated: bool = False
    total: int | None = None


def read_table(lines: Sequence[str], start: int, budget: Budget) -> Block | None:
    """The table whose header is the line at `start`; None where there is none."""
    header = lines[start]
    if budget.left <= 0:
        return None
    if not header.strip() or len(header) > _WIDEST or _DAY.search(header):
        return None
    boxed = header.translate(_BOXES)
    if "|" in boxed:
        return _read_bars(lines, start, budget)
    for delimiter in (",", ";", "\t"):
        if delimiter in header and (block := _read_csv(lines, start, delimiter, budget)):
            return block
    below = lines[start + 1].rstrip() if start + 1 < len(lines) else ""
    names = header.split() + (below.split() if below and _fits_beside(below, header) else [])
    if header.rstrip().endswith("\\") or any(map(_names_symbols, names)):
        return _read_spaces(lines, start, budget)
    return None


def _read_bars(lines: Sequence[str], start: int, budget: Budget) -> Block | None:
    names = _between_bars(lines[start])
    if not any(map(_names_symbols, names)):
        return None
    is_boxed = lines[start] != lines[start].translate(_BOXES)
    rows: list[list[str]] = []
    end = start + 1
    while end < len(lines):
        line = lines[end].translate(_BOXES)
        if not _RULE.fullmatch(line):
            cells = _between_bars(lines[end])
            if "|" not in line or len(cells) != len(names):
                break
            if is_boxed and rows and not cells[0] and any(cells):
                # A cell that was too wide goes on in the next line.
                rows[-1] = [" ".join(filter(None, both)) for both in zip(rows[-1], cells, strict=True)]
            else:
                rows.append(cells)
        end += 1
    budget.take(end - start)
    edges = lines[start].translate(_BOXES).strip()
    truncated = is_boxed and edges[0] == "|" and edges[-1] != "|"  # wider than its console
    truncated |= any("…" in cell or cell in ("...", "..") for row in rows for cell in row)
    return _finish(names, rows, end, truncated=truncated)


def _between_bars(line: str) -> list[str]:
    text = line.translate(_BOXES).strip()
    if text[:1] == "|" and text[-1:] == "|":
        text = text[1:-1]
    return [cell.strip() for cell in text.split("|")]


def _read_csv(lines: Sequence[str], start: int, delimiter: str, budget: Budget) -> Block | None:
    names = _split(lines[start], delimiter)
    if len(names) < 2 or not any(map(_names_symbols, names)):
        return None
    rows = []
    end = start + 1
    while end < len(lines) and len(cells := _split(lines[end], delimiter)) == len(names):
        rows.append(cells)
        end += 1
    budget.take(end - start)
    if not rows and not (all(re.fullmatch(r"[\w %./#-]*", name) for name in names) and any(map(is_date_name, names))):
        return None
    return _finish(names, rows, end)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []  # a field that is larger than any hit


def _read_spaces(lines: Sequence[str], start: int, budget: Budget) -> Block | None:
    """pandas' own form, wrapped or not, and columns that a program has aligned itself.

    Lines may follow without a blank one between: where all of them are no table, all but the last few are tried.
    """
    for spare in range(MOST_SPARE):
        if block := _read_parts(lines, start, spare, budget):
            return block
    return None


def _read_parts(lines: Sequence[str], start: int, spare: int, budget: Budget) -> Block | None:
    end = start
    parts: list[Block] = []
    while end < len(lines):
        header = lines[end].rstrip()
        is_wrapped = bool(parts) or header.endswith("\\")
        most = len(parts[0].table.rows) if parts else None
        part = _read_part(lines, end, is_wrapped, spare, most, budget)
        if part is None:
            return None
        parts.append(part)
        end = part.end
        if not header.endswith("\\"):
            break
        while end < len(lines) and not lines[end].strip():
            end += 1
    first = parts[0]
    if len({len(part.table.rows) for part in parts}) > 1:
        return None
    names = [name for part in parts for name in part.table.columns]
    rows = [[cell for part in parts for cell in part.table.rows[place]] for place in range(len(first.table.rows))]
    cells = {cell for row in rows for cell in row}
    truncated = "..." in names or bool({"...", ".."} & cells) or any(map(_DOTS.fullmatch, lines[start : end + 1]))
    total = None
    for line in lines[end : end + 3]:
        if shape := _SHAPE.fullmatch(line.strip()):
            total = int(shape[1])
            truncated |= total != len(rows)
    if truncated:
        rows = [row for row in rows if not set(row) <= {"...", "..", ""}]
    return _finish(names, rows, end, truncated, total)


def _read_part(
    lines: Sequence[str], start: int, is_wrapped: bool, spare: int, most: int | None, budget: Budget
) -> Block | None:
    header = lines[start].rstrip()
    header = header[:-1].rstrip() if header.endswith("\\") else header
    begin = start + 1
    index_names = 0
    if begin < len(lines) and (second := lines[begin].rstrip()) and _fits_beside(second, header):
        # pandas prints the names of the index below those of the columns.
        index_names = len(second)
        header = second + header[len(second) :]
        begin += 1
    rule = ""
    if begin < len(lines) and _RULE.fullmatch(lines[begin].translate(_BOXES)):
        rule = lines[begin].translate(_BOXES)
        begin += 1
    end = begin
    begins_dated = begin < len(lines) and re.match(r"\s*\d{4}-\d\d-\d\d", lines[begin])
    has_dates = begins_dated or any(map(is_date_name, header.split()))
    while end < len(lines) and (line := lines[end]).strip() and not _RULE.fullmatch(line.translate(_BOXES)):
        if has_dates and not index_names and not is_wrapped and not _DATE_LIKE.search(line):
            break
        if most is not None and end - begin == most:
            break
        end += 1
    end = max(begin, end - (spare if most is None else 0))
    body = [line.rstrip() for line in lines[begin:end]]
    if not body or not budget.take(len(body)) or max(map(len, body)) > _WIDEST:
        return None
    readings = (_by_rule(header, body, rule), _by_gaps(header, body), _by_words(header, body, bool(index_names)))
    tables = [one for one in readings if one]
    table = next((one for one in tables if _is_sound(one)), tables[0] if tables else None)
    if index_names and table:
        table = _filled_down(table, len(header[:index_names].split()))
    if table and is_wrapped and table.columns[0] == "":
        table = Table(table.columns[1:], [row[1:] for row in table.rows])
    return Block(table, end) if table else None


def _fits_beside(second: str, header: str) -> bool:
    """Whether a line holds names where the header above it is blank."""
    return not header[: len(second)].strip() and not re.search(r"\d{4}|\.\.|[|]", second) and second[0] != " "


def _by_rule(header: str, body: Sequence[str], rule: str) -> Table | None:
    """Columns as wide as the dashes under their names."""
    spans = [match.span() for match in re.finditer(r"[-=]+", rule)]
    if len(spans) < 2:
        return None
    starts = [begin for begin, _ in spans]
    ends = [*starts[1:], None]
    return _cut(header, body, list(zip(starts, ends, strict=True)))


def _by_words(header: str, body: Sequence[str], has_index_names: bool) -> Table | None:
    """As many words in each row as in the header, or one more in front: the row's number."""
    names, rows = header.split(), [line.split() for line in body]
    counts = {len(row) for row in rows}
    if counts == {len(names)}:
        return Table(unique_names(names), rows)
    if counts == {len(names) + 1} and not has_index_names and all(row[0].isdigit() or row[0] == ".." for row in rows):
        return Table(unique_names(["", *names]), rows)
    return None


def _by_gaps(header: str, body: Sequence[str]) -> Table | None:
    """Columns are what no line has a blank in; what has no name belongs to a neighbour, or is the index."""
    width = max(map(len, [header, *body]))
    used = bytearray(width)
    for line in [header, *body]:
        for place, character in enumerate(line):
            if character != " ":
                used[place] = 1
    runs = [match.span() for match in re.finditer(rb"\x01+", bytes(used))]
    merged = _merged(header, body, runs)
    return _cut(header, body, merged) if merged else None


def _merged(header: str, body: Sequence[str], runs: list[tuple[int, int]]) -> list[tuple[int, int | None]]:
    """Runs of used places, those that are part of one column put together."""
    spans: list[tuple[int, int]] = []
    named = [bool(header[begin:end].strip()) for begin, end in runs]
    filled = [any(line[begin:end].strip() for line in body) for begin, end in runs]
    waiting: int | None = None
    for place, (begin, end) in enumerate(runs):
        last = place + 1 == len(runs)
        close = not last and runs[place + 1][0] - end == 1
        start = begin if waiting is None else waiting
        waiting = None
        if not named[place] and spans and _are_clocks(body, runs[place]):
            spans[-1] = (spans[-1][0], end)  # the time of a day at its left
        elif named[place] and not filled[place] and close:
            waiting = start  # a name of two words over narrow cells
        elif not named[place] and close and named[place + 1] and _ends_there(header, runs[place + 1]) and spans:
            waiting = start  # cells of two words under a name at their right
        elif not named[place] and spans and begin - spans[-1][1] == 1:
            spans[-1] = (spans[-1][0], end)  # cells of two words under a name at their left
        elif not spans and not named[place] and close and _are_clocks(body, runs[place + 1]):
            waiting = start  # days with a time
        else:
            spans.append((start, end))
    return [(begin, end) for begin, end in spans]


def _ends_there(header: str, run: tuple[int, int]) -> bool:
    return len(header[: run[1]].rstrip()) == run[1]


def _are_clocks(body: Sequence[str], run: tuple[int, int]) -> bool:
    return all(_CLOCK.fullmatch(line[run[0] : run[1]].strip()) for line in body)


def _cut(header: str, body: Sequence[str], spans: Sequence[tuple[int, int | None]]) -> Table:
    names = [header[begin:end].strip() for begin, end in spans]
    rows = [[line[begin:end].strip() for begin, end in spans] for line in body]
    return Table(unique_names(names), rows)


def _filled_down(table: Table, index_columns: int) -> Table:
    """pandas prints a value of a nested index once, for all its rows."""
    rows = [list(row) for row in table.rows]
    for above, row in pairwise(rows):
        for place in range(index_columns):
            if row[place] != "":
                break
            row[place] = above[place]
    return Table(table.columns, rows)


def _finish(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    end: int,
    truncated: bool = False,
    total: int | None = None,
) -> Block | None:
    """The table, if it is one: symbols where its header says so, and days too."""
    table = without_row_numbers(Table(unique_names(names), rows))
    kept = [row for row in table.rows if any(cell for cell in row)]
    block = Block(Table(table.columns, kept), end, truncated, total)
    return block if _is_sound(block.table, truncated) else None


def _is_sound(table: Table, truncated: bool = False) -> bool:
    """Whether a table's symbols are where its header says so, and its days too."""
    roles = find_roles(table)
    if roles.symbol is None or not _names_symbols(table.columns[roles.symbol]):
        return False
    symbols = [row[roles.symbol] for row in table.rows]
    if sum(map(is_ticker, symbols)) < 0.8 * len(symbols):
        return False
    return not table.rows or truncated or roles.date is not None or not any(map(is_date_name, table.columns))


def _names_symbols(name: str) -> bool:
    """Whether a word of a printed line may be the header of symbols; `symbols` is one of a sentence."""
    return is_symbol_name(name) and plain(name) not in ("symbols", "tickers")


def without_row_numbers(table: Table) -> Table:
    """The table without a nameless first column that only counts rows."""
    if not table.columns or table.columns[0].strip() not in ("", "..", "Unnamed: 0"):
        return table
    if not all(str(row[0]).isdigit() or str(row[0]) in ("..", "...") or is_missing(row[0]) for row in table.rows):
        return table
    return Table(table.columns[1:], [row[1:] for row in table.rows])
