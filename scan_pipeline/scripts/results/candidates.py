"""What a finished shard left behind that may be its result: variables, files, printed tables and lines.

What belongs here: looking at one shard and saying what each thing is worth. What does not: choosing over all shards
(`outcome.py`), and how files and printed text are read (`written.py`, `printed.py`). Nothing is decided here: a table
with a column of symbols is a candidate, with the doubts that there are about it. No candidate and no sign of an empty
result is not an error here either: `Found.looked_at` says what there was.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

import msgspec

from scan_pipeline.scripts.results.columns import (
    Table,
    as_symbol,
    find_roles,
    is_date_name,
    plain,
    read_days,
    word_set,
    words,
)
from scan_pipeline.scripts.results.printed import Printed, read_printed
from scan_pipeline.scripts.results.values import read_cell, unique_names
from scan_pipeline.scripts.results.written import Written, name_words, read_written, stem
from scan_pipeline.scripts.running.given import unchanged

#: What a shard's folder holds.
WORK, STDOUT, HARVEST = "work", "stdout.txt", "harvest.json"

#: Names of what holds a result, of what does not, and of what does not unless its name says so too.
RESULT_WORDS = word_set(
    "hit hits result results out output signal signals match matches found pick picks row rows final candidate "
    "candidates alert alerts setup setups scan scanner winners selected filtered answer watchlist trigger triggers"
)
OTHER_WORDS = word_set(
    "raw cache cached debug log logs tmp temp summary stats statistics counts error errors failed failures skipped "
    "missing input config meta metadata"
)
WEAK_OTHER_WORDS = word_set(
    "all bars daily prices history hist universe tickers symbols data grouped minute ohlc ohlcv"
)

#: Columns of bars, as stores, vendors and scripts name them.
BAR_COLUMNS = word_set(
    "open high low close volume o h l c v vw vwap n t transactions trades timestamp adjclose otc symbol ticker sym "
    "date session day datetime index level0 adjusted"
)
PRICE_COLUMNS = (word_set("open high low close volume"), word_set("o h l c v"))
#: Columns by which a vendor's list of tickers is known.
REFERENCE_COLUMNS = word_set(
    "market locale primaryexchange currencyname cik compositefigi shareclassfigi lastupdatedutc"
)
MOST_BARS = 20_000
LARGEST_HARVEST = 512 * 2**20


class Kind(Enum):
    """Where a candidate was found."""

    FILE = "file"
    GLOBAL = "global"
    PRINTED = "stdout"


class Doubt(IntEnum):
    """Why a table may be no result, the gravest last."""

    NONE = 0
    NO_DATE = 1
    NAME = 2
    MARKET_DATA = 3


class Pair(msgspec.Struct, frozen=True):
    """A row's symbol and day; no day where the table has no column of days."""

    symbol: str
    day: date | None


@dataclass(frozen=True)
class Candidate:
    """A table that may be the result of a shard.

    `source` is its name for people and for a sidecar; `key` is the same in every shard. `places` are the rows that hold
    a hit, `pairs` their symbols and days. `order`: larger was later (line of the program, time of writing, line of the
    output). `left_out`: rows without a symbol or a day.
    """

    kind: Kind
    source: str
    key: str
    table: Table
    symbol_column: int | None
    date_column: int | None
    places: Sequence[int]
    pairs: Sequence[Pair]
    order: float = 0.0
    is_frame: bool = False
    doubt: Doubt = Doubt.NONE
    left_out: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it holds no hit."""
        return not self.pairs


@dataclass(frozen=True)
class Evidence:
    """What was printed: a group of pairs in order. A `truncated` one shows a part, of `total` rows where it says so."""

    part: str
    pairs: Sequence[Pair]
    place: int
    truncated: bool = False
    total: int | None = None


@dataclass(frozen=True)
class Found:
    """What one shard left behind.

    `ended`: finished, crashed, interrupted, or killed (it left no word). `unread`: sources that are there and were not
    read, and why. `says_none`: its output ends by telling that there is no hit. `counts`: numbers of hits it tells.
    """

    shard: str
    ended: str
    error: str | None = None
    candidates: Sequence[Candidate] = ()
    shown: Sequence[Evidence] = ()
    says_none: bool = False
    counts: frozenset[int] = frozenset()
    looked_at: Sequence[str] = ()
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def ended_well(self) -> bool:
        """Whether the script came to its end."""
        return self.ended == "finished"


class _Global(msgspec.Struct):
    name: str
    kind: str
    rows: int
    columns: list[Any] = []
    assigned: int | None = None
    data: list[list[Any]] | None = None
    why_no_data: str | None = None


class _Harvest(msgspec.Struct):
    ended: str
    error: str | None = None
    globals: list[_Global] = []


def look(shard_folder: Path, known: Collection[str] | None = None, as_of: date | None = None) -> Found:
    """What the shard in this folder left behind.

    `known`: all symbols, where the caller has them. `as_of`: the session on whose evening the script believes to run.

    Reads files only; a folder without any is a Found without candidates. Nothing that a script left there raises.
    """
    harvest, harvest_note = _read_harvest(shard_folder / HARVEST)
    symbols = known if known is None or isinstance(known, set | frozenset | dict) else frozenset(known)
    written, notes = read_written(shard_folder / WORK, symbols, unchanged(shard_folder))
    printed = read_printed(shard_folder / STDOUT, symbols, as_of)
    candidates: list[Candidate] = []
    looked_at: list[str] = [harvest_note] if harvest_note else []
    unread: dict[str, str] = {}
    for one in harvest.globals:
        _take(_from_global(one, symbols), f"global:{one.name}", candidates, looked_at, unread)
    for file in written:
        _take(_from_file(file, symbols), f"file:{file.name}", candidates, looked_at, unread)
    if not harvest.globals and not harvest_note:
        looked_at.append("it had no variable that is a table")
    if not written:
        looked_at.append("it wrote no file")
    shown = _from_printed(printed, symbols, candidates, looked_at)
    return Found(
        shard_folder.name,
        harvest.ended,
        harvest.error,
        tuple(_joined(candidates)),
        tuple(shown),
        printed.says_none,
        printed.counts,
        (*looked_at, *notes, *printed.notes),
        unread,
    )


def _read_harvest(path: Path) -> tuple[_Harvest, str]:
    if not path.exists():
        return _Harvest("killed"), "its variables were not kept: it was ended before it could"
    try:
        if path.stat().st_size > LARGEST_HARVEST:
            return _Harvest("killed"), f"its variables were not read: {path.stat().st_size / 2**20:,.0f} MiB"
        return msgspec.json.decode(path.read_bytes(), type=_Harvest), ""
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        return _Harvest("killed"), f"its variables could not be read ({error})"


def _take(
    one: Candidate | str, source: str, candidates: list[Candidate], looked_at: list[str], unread: dict[str, str]
) -> None:
    if isinstance(one, str):
        looked_at.append(f"{source} {one}")
        unread[source] = one
    else:
        candidates.append(one)
        looked_at.append(describe(one))


def describe(candidate: Candidate) -> str:
    """A candidate in a few words."""
    doubts = {
        Doubt.NONE: "",
        Doubt.NO_DATE: ", without a column of days",
        Doubt.NAME: ", by its name no result",
        Doubt.MARKET_DATA: ", market data by the look of it",
    }
    rows = len(candidate.pairs)
    return f"{candidate.source} ({'empty' if not rows else f'{rows:,} rows'}{doubts[candidate.doubt]})"


def is_result_name(parts: Iterable[str]) -> bool:
    """Whether the words of a name are those of a result."""
    return any(
        word in RESULT_WORDS or any(word.startswith(one) or word.endswith(one) for one in _LONG) for word in parts
    )


_LONG = tuple(word for word in RESULT_WORDS if len(word) > 3 and word not in ("rows", "final", "scan"))


def _is_other_name(parts: Sequence[str]) -> bool:
    return bool(OTHER_WORDS & set(parts)) or (bool(WEAK_OTHER_WORDS & set(parts)) and not is_result_name(parts))


def _from_global(one: _Global, known: Collection[str] | None) -> Candidate | str:
    parts = words(one.name)
    if one.data is None and one.rows:
        return f"was not kept ({one.why_no_data or f'{one.rows:,} rows'})"
    columns = unique_names(one.columns)
    rows = [row for row in one.data or [] if len(row) == len(columns)]
    source = f"global:{one.name}"
    candidate = make_candidate(Kind.GLOBAL, source, source, Table(columns, rows), known=known, parts=parts)
    if isinstance(candidate, str):
        return candidate
    return replace(candidate, order=one.assigned or 0, is_frame=one.kind == "DataFrame")


def _from_file(file: Written, known: Collection[str] | None) -> Candidate | str:
    if file.table is None:
        return file.why_not
    source = f"file:{file.name}"
    parts = name_words(file.name)
    found = make_candidate(Kind.FILE, source, source, file.table, known=known, parts=parts, is_text=file.is_text)
    if isinstance(found, str):
        return found
    key = "file:" + stem(file.name, {pair.symbol for pair in found.pairs})
    return replace(found, key=key, order=file.written)


def _from_printed(
    printed: Printed, known: Collection[str] | None, candidates: list[Candidate], looked_at: list[str]
) -> list[Evidence]:
    shown = []
    for one in printed.shown:
        key = f"stdout:{one.part}"
        found = make_candidate(
            Kind.PRINTED, "stdout", key, one.table, known=known, parts=(), is_text=one.is_text, only=known
        )
        if isinstance(found, str):
            continue
        shown.append(Evidence(one.part, found.pairs, one.place, one.truncated, one.total))
        if not one.truncated:
            candidates.append(replace(found, order=one.place))
            what = "lines of hits" if one.part == "lines" else f"a table {one.part}"
            looked_at.append(f"stdout: {what} ({len(found.pairs):,} rows)")
    if printed.says_none:
        looked_at.append("stdout: it says that there is no hit")
    elif not printed.shown and not printed.notes:
        looked_at.append("stdout: no table and no line with a symbol and a date")
    return shown


def make_candidate(
    kind: Kind,
    source: str,
    key: str,
    table: Table,
    *,
    known: Collection[str] | None,
    parts: Sequence[str],
    is_text: bool = False,
    only: Collection[str] | None = None,
) -> Candidate | str:
    """A table as a candidate, or why it is none.

    `parts`: the words of its name. `is_text`: its cells are text to be read as what they say. `only`: other symbols
    are no symbols.
    """
    roles = find_roles(table, known)
    if roles.symbol is None:
        if not table.rows and is_result_name(parts):
            return Candidate(kind, source, key, table, None, None, (), (), doubt=_doubt_of_name(parts))
        if not table.rows:
            return "is empty, and its name is not that of a result"
        return f"has no column of symbols ({', '.join(table.columns[:8])})"
    days: Sequence[date | None] = [None] * len(table.rows)
    if roles.date is not None:
        days = read_days([row[roles.date] for row in table.rows])
    places, pairs = [], []
    for place, row in enumerate(table.rows):
        symbol = as_symbol(row[roles.symbol])
        if (
            symbol is None
            or (roles.date is not None and days[place] is None)
            or (only is not None and symbol not in only)
        ):
            continue
        places.append(place)
        pairs.append(Pair(symbol, days[place]))
    if table.rows and not pairs:
        return "has no row with a symbol and a day"
    if is_text:
        table = Table(table.columns, [_read_row(row, roles.symbol, roles.date) for row in table.rows])
    doubt = _doubt_of_name(parts)
    if roles.date is None and (table.rows or not any(map(is_date_name, table.columns))):
        doubt = max(doubt, Doubt.NO_DATE)
    if is_market_data(table, pairs, known):
        doubt = Doubt.MARKET_DATA
    left_out = len(table.rows) - len(pairs)
    return Candidate(kind, source, key, table, roles.symbol, roles.date, places, pairs, doubt=doubt, left_out=left_out)


def _doubt_of_name(parts: Sequence[str]) -> Doubt:
    return Doubt.NAME if _is_other_name(parts) else Doubt.NONE


def _read_row(row: Sequence[Any], symbol: int, day: int | None) -> list[Any]:
    return [
        read_cell(cell) if isinstance(cell, str) and place not in (symbol, day) else cell
        for place, cell in enumerate(row)
    ]


def is_market_data(table: Table, pairs: Sequence[Pair], known: Collection[str] | None = None) -> bool:
    """Whether a table is what a script works on, not what it found.

    That is: bars and little else, of more than 20,000 rows or of nearly every symbol; or nearly every weekday of a
    month and more for each of its symbols; or a vendor's list of tickers.
    """
    if not pairs:
        return False
    names = {plain(name) for name in table.columns}
    if len(names & REFERENCE_COLUMNS) >= 3:
        return True
    symbols = {pair.symbol for pair in pairs}
    is_bars = len(names - BAR_COLUMNS) <= 1 and any(len(names & prices) >= 4 for prices in PRICE_COLUMNS)
    nearly_all = known is not None and len(known) >= 50 and len(symbols) >= 0.9 * len(known)
    if is_bars and (len(pairs) > MOST_BARS or nearly_all):
        return True
    days = sorted({pair.day for pair in pairs if pair.day is not None})
    if len(days) < 20:
        return is_bars and len(symbols) > 1_000
    return len({(pair.symbol, pair.day) for pair in pairs}) >= 0.8 * len(symbols) * _weekdays(days[0], days[-1])


def _weekdays(first: date, last: date) -> int:
    weeks, rest = divmod((last - first).days + 1, 7)
    return weeks * 5 + sum((first + timedelta(days=place)).weekday() < 5 for place in range(rest))


def _joined(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Files of one kind, such as one a day, are one candidate; the others stand for themselves."""
    found: dict[str, Candidate] = {}
    for one in reversed(candidates):
        before = found.get(one.key)
        if before is None:
            found[one.key] = one
        elif one.kind is Kind.FILE and before.table.columns == one.table.columns:
            count = len(before.table.rows)
            found[one.key] = replace(
                before,
                source=one.key,
                table=Table(one.table.columns, [*before.table.rows, *one.table.rows]),
                places=[*before.places, *(count + place for place in one.places)],
                pairs=[*before.pairs, *one.pairs],
                order=max(before.order, one.order),
                doubt=max(before.doubt, one.doubt),
                left_out=before.left_out + one.left_out,
            )
        else:
            found[one.source] = replace(one, key=one.source)
    return list(reversed(found.values()))
