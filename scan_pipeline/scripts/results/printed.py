"""What a script printed: its tables, its lines of hits, and what it says of their number.

What belongs here: reading standard output as a whole, each line taken by one reader alone: values (JSON, Python
literals), then tables, then single lines. What does not: the forms themselves (`values.py`, `printed_tables.py`,
`printed_lines.py`), and weighing what is printed against files and variables (`outcome.py`).
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from scan_pipeline.scripts.results.columns import TICKER, Table, find_roles
from scan_pipeline.scripts.results.printed_lines import NEVER, WORDS, Line, Lines
from scan_pipeline.scripts.results.printed_tables import Budget, read_table
from scan_pipeline.scripts.results.values import read_literal, tables_in

#: Of a longer output, this much of its end is read.
MOST_BYTES = 8 * 2**20
#: A program says that it found nothing near the end of what it prints.
LAST_LINES = 40
#: Values that are printed over several lines end within so many.
LONGEST_VALUE = 50_000
#: A value may end at so many lines that end with its bracket.
MOST_TRIES = 50

_COLOURS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_THINGS = (
    r"(?:hits?|signals?|match(?:es)?|results?|setups?|candidates?|alerts?|picks?|stocks?|symbols?|tickers?|trades?)"
)
_NOTHING = re.compile(
    rf"\b(?:no|zero|0)\s+(?:[\w-]+\s+){{0,3}}?{_THINGS}\b|\bnothing\s+(?:was\s+)?(?:found|matched|to report|today)"
    rf"|\bnone\s+found\b|\bfound\s*:?\s*(?:0|none|nothing|no)\b|\b{_THINGS}(?:\s+found)?\s*[:=]\s*(?:0|none|\[\])\s*$"
    rf"|^Empty DataFrame$",
    re.IGNORECASE,
)
_COUNTED = r"hits?|signals?|match(?:es)?|results?|setups?|candidates?|alerts?|rows|found"
_COUNT = re.compile(rf"\b(\d[\d,]*)\s+(?:\w+\s+){{0,2}}?(?:{_COUNTED})\b", re.IGNORECASE)
_COUNT_BEHIND = re.compile(rf"\b(?:total|{_COUNTED})(?:\s+\w+){{0,2}}?\s*[:=(]?\s*(\d[\d,]*)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Shown:
    """A group of printed rows: all tables with the same columns, or all lines. `total`: rows that it says it has."""

    part: str
    table: Table
    place: int  # the line that it ends in
    is_text: bool
    truncated: bool = False
    total: int | None = None


@dataclass
class Printed:
    """What standard output holds. `counts`: the numbers of hits it tells; `says_none`: it ends by telling none."""

    shown: list[Shown] = field(default_factory=list)
    says_none: bool = False
    counts: frozenset[int] = frozenset()
    notes: list[str] = field(default_factory=list)


def read_printed(path: Path, known: Collection[str] | None = None, as_of: date | None = None) -> Printed:
    """What the file of a script's standard output shows.

    `known`: symbols, which printed words must be among. `as_of`: the session on whose evening it was printed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - MOST_BYTES))
            data = file.read(MOST_BYTES)
    except OSError as error:
        return Printed(notes=[f"what it printed could not be read ({error.strerror})"])
    cut = size > MOST_BYTES
    text = data.decode("utf-8", errors="replace")
    printed = read_text(text.partition("\n")[2] if cut else text, known, as_of)
    if cut:
        printed.notes.append(f"it printed {size / 2**20:,.0f} MiB, of which the last {MOST_BYTES // 2**20} were read")
    elif not text.strip():
        printed.notes.append("it printed nothing")
    return printed


def read_text(text: str, known: Collection[str] | None = None, as_of: date | None = None) -> Printed:
    """What printed text shows."""
    lines = [_visible(line) for line in text.split("\n")]
    groups: dict[str, Shown] = {}
    hits: list[Line] = []
    reader = Lines(known, as_of)
    budget = Budget()
    place = last_hit = 0
    while place < len(lines):
        start = place
        shown, place = _read_block(lines, place, known, budget)
        for one in shown:
            groups[one.part] = _joined(groups.get(one.part), one)
        if place == start:
            if found := reader.read(lines[place]):
                hits += found
                last_hit = place
            place += 1
        else:
            reader = Lines(known, as_of)
    if hits:
        groups["lines"] = Shown("lines", _as_table(hits), last_hit, is_text=False)
    printed = Printed(sorted(groups.values(), key=lambda one: one.place))
    printed.says_none = _says_none(lines, known)
    printed.counts = frozenset(_counts(lines))
    printed.notes += [
        f"its printed table {one.part} was cut short when it was printed (...)"
        for one in printed.shown
        if one.truncated
    ]
    return printed


def _visible(line: str) -> str:
    """A line as a terminal would leave it: without colours, and after the last return of the carriage."""
    line = line.rstrip("\r")
    if "\r" in line:
        line = line.rsplit("\r", 1)[1]
    return _COLOURS.sub("", line).replace("\u00a0", " ")


def _read_block(
    lines: Sequence[str], place: int, known: Collection[str] | None, budget: Budget
) -> tuple[list[Shown], int]:
    """The values or the table that begin at a line, and the line behind them; the same line where nothing begins."""
    line = lines[place]
    if line.lstrip()[:1] in ("[", "{", "("):
        values, end = _read_value(lines, place, budget)
        if shown := [one for value in values for one in _value_shown(value, end, known)]:
            return shown, end
    block = read_table(lines, place, budget)
    if block is None:
        return [], place
    part = "with " + ", ".join(block.table.columns)
    return [Shown(part, block.table, block.end, True, block.truncated, block.total)], block.end


def _value_shown(value: Any, place: int, known: Collection[str] | None) -> Iterable[Shown]:
    for table in tables_in(value):
        roles = find_roles(table, known)
        if table.rows and roles.symbol is not None and (len(table.columns) > 1 or known is not None):
            yield Shown("with " + ", ".join(table.columns), table, place, is_text=False)


def _read_value(lines: Sequence[str], place: int, budget: Budget) -> tuple[list[Any], int]:
    """A JSON value or a Python literal, on one line or up to the line with its closing bracket."""
    first = lines[place].strip()
    if budget.left <= 0:
        return [], place
    value = _decode(first)
    if value is not None:
        return [value], place + 1
    if first[0] == "(" or (len(first) > 300 and first[-1] in "]}"):
        return [], place
    closing = {"[": "]", "{": "}"}[first[0]]
    tries = 0
    for end in range(place + 1, min(len(lines), place + LONGEST_VALUE)):
        line = lines[end].rstrip()
        if line == closing or (line.endswith(closing) and line.startswith(" ") and len(first) > 1):
            tries += 1
            if not budget.take(end - place):
                break
            if (value := _decode("\n".join(lines[place : end + 1]))) is not None:
                return [value], end + 1
            if line == closing or tries == MOST_TRIES:
                break
        elif not line or line[0] not in " ]}[{" or not budget.take(1):
            break
    return [], place


def _decode(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return read_literal(text)


def _joined(before: Shown | None, now: Shown) -> Shown:
    """Tables of the same columns are one; one that is printed again is there once."""
    if before is None:
        return now
    again = list(now.table.rows) == list(before.table.rows)[-len(now.table.rows) :] if now.table.rows else False
    rows = before.table.rows if again else [*before.table.rows, *now.table.rows]
    totals = [one.total for one in (before, now) if one.total is not None]
    return Shown(
        now.part,
        Table(now.table.columns, rows),
        now.place,
        now.is_text,
        before.truncated or now.truncated,
        max(totals, default=None),
    )


def _as_table(hits: Sequence[Line]) -> Table:
    own = list(dict.fromkeys(key for hit in hits for key in hit.details if key not in ("symbol", "date")))
    return Table(("symbol", "date", *own), [[hit.symbol, hit.date, *map(hit.details.get, own)] for hit in hits])


def _says_none(lines: Sequence[str], known: Collection[str] | None) -> bool:
    """Whether the end of the output tells that nothing was found; of one symbol alone does not count."""
    last = [line.strip() for line in lines if line.strip()][-LAST_LINES:]
    return any(_NOTHING.search(line) and not _names_symbol(line, known) for line in last if len(line) < 300)


def _names_symbol(line: str, known: Collection[str] | None) -> bool:
    words = re.findall(r"[A-Za-z][\w./^-]*", line)
    return any(
        word not in NEVER and word not in WORDS and (word in known if known is not None else TICKER.fullmatch(word))
        for word in (word.rstrip(".-/") for word in words)
        if (word.upper() != "NO" and not word.isupper()) or len(word) <= 6
    )


def _counts(lines: Sequence[str]) -> Iterable[int]:
    for line in lines:
        if len(line) < 300:
            for pattern in (_COUNT, _COUNT_BEHIND):
                for match in pattern.finditer(line):
                    if len(digits := match[1].replace(",", "")) <= 9:
                        yield int(digits)
