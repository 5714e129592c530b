"""Which column of a table holds symbols, and which one days; and how cells of either are read.

What belongs here: names and values by which such columns are known, symbols and days in the forms that scripts write
them. What does not: where a table came from (`written.py`, `printed.py`), and whether it is a result (`candidates.py`).

Symbols are case-sensitive and stay the text that they are: `NA`, `NULL` and `TRUE` are symbols like any other. A column
is known by its name first, by its values second. A day is a date on the New York clock; a column of instants that are
all at midnight on their own clock means the days that it says (pandas writes days so).
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from scan_pipeline.sessions import NEW_YORK

Cell = Any


class Table(NamedTuple):
    """Rows as a script left them: each row has a cell for each column."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Roles:
    """Which column (its place) holds symbols and which one days; None where there is none."""

    symbol: int | None
    date: int | None


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


#: Names of symbol columns, best first, in small letters and digits only. `T` is the vendor's.
SYMBOL_NAMES = ("symbol", "ticker", "sym", "symbols", "tickers", "tickersymbol", "stocksymbol", "tick")
#: Names that hold symbols at times: only where the values look like symbols.
WEAK_SYMBOL_NAMES = ("stock", "code", "instrument", "security", "asset", "stocks", "name", "s")
#: Names of day columns, best first. `t` is the vendor's, in milliseconds since 1970.
DATE_NAMES = (
    "session", "date", "signaldate", "hitdate", "triggerdate", "eventdate", "gapdate", "setupdate", "tradedate",
    "tradingdate", "tradingday", "tradeday", "day", "sessiondate", "entrydate", "datetime", "timestamp", "dt", "time",
    "t", "asof", "asofdate",
)  # fmt: skip
DATE_WORDS = frozenset({"date", "day", "session", "datetime", "timestamp", "time", "dt"})
#: Words that make a date something else than the hit's day.
OTHER_DATES = word_set(
    "list listed listing ipo updated update created expiry expiration expires delisted birth run generated fetched "
    "exit end until earnings dividend next prev previous prior last first start from"
)

#: A symbol as printed, where the known ones are not given: BRK.B, KIMpL, AHACW.
TICKER = re.compile(r"(?:[A-Z]{1,6}|[A-Z]{2,5}[pwru][A-Z]{0,2})(?:[./^-][A-Z]{1,3})?")
#: What columns hold that look like symbols and are none.
NOT_SYMBOLS = word_set(
    "BUY SELL LONG SHORT YES NO TRUE FALSE UP DOWN HIGH LOW OPEN CLOSE NYSE NASDAQ AMEX ARCA BATS OTC XNAS XNYS XASE "
    "ARCX CS ETF ADR ADRC ETN USD OK PASS FAIL BULL BEAR NEW OLD Y N NONE STRONG WEAK"
)
_FEWEST = 0.9

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: 1 + place for place, name in enumerate(_MONTH_NAMES)}
_MONTH = rf"(?:{'|'.join(_MONTH_NAMES)})[a-z]*\.?"
_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(Z|UTC|GMT|EST|EDT|ET|"
    r"[+-]\d{2}:?\d{2})?(?:\[[\w/]+\])?)?"
)
_PARTS = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:[T ]+\d{1,2}:\d{2}.*)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_MONTH_FIRST = re.compile(rf"(?:[a-z]{{3,9}},? )?({_MONTH})[ -](\d{{1,2}}),?[ -](\d{{4}})(?: .*)?", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"(?:[a-z]{{3,9}},? )?(\d{{1,2}})[ -]({_MONTH}),?[ -](\d{{4}})(?: .*)?", re.IGNORECASE)
#: Instants since 1970 by the size of the number: the unit's parts a second, for 1980 to 2100.
_EPOCHS = tuple((unit, 315_532_800 * unit, 4_102_444_800 * unit) for unit in (1, 10**3, 10**6, 10**9))


def plain(name: str) -> str:
    """A column's name in small letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def words(name: str) -> list[str]:
    """The words of a name in small letters: `dfHits_raw2` has df, hits, raw."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def is_ticker(text: object) -> bool:
    """Whether a cell looks like a symbol."""
    return isinstance(text, str) and TICKER.fullmatch(text.strip()) is not None


def as_symbol(cell: Cell) -> str | None:
    """The symbol in a cell of a symbol column; None where there is none."""
    if isinstance(cell, bool) or cell is None or isinstance(cell, float):
        return None
    text = str(cell).strip().removeprefix("$")
    return text if text and len(text) <= 20 and not re.search(r"\s", text) else None


def is_missing(cell: Cell) -> bool:
    """Whether a cell holds nothing."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or (
        isinstance(cell, str) and cell.strip() in ("", "NaN", "nan", "NaT", "None", "<NA>", "null", "-")
    )


def read_days(cells: Sequence[Cell], *, epochs: bool = True) -> list[date | None]:
    """The day of each cell of a column, None where it holds none. `epochs`: whether numbers may be instants."""
    moments = [_moment(cell, epochs) for cell in cells]
    instants = [moment for moment in moments if isinstance(moment, datetime)]
    as_written = all((moment.hour, moment.minute, moment.second) == (0, 0, 0) for moment in instants)
    european = _is_day_first(moments)
    return [_day(moment, as_written, european) for moment in moments]


def as_day(cell: Cell) -> date | None:
    """The day of one cell."""
    return read_days([cell])[0]


def find_roles(table: Table, known: Collection[str] | None = None) -> Roles:
    """The table's symbol column and its day column."""
    symbol = _find_symbols(table, known)
    return Roles(symbol, _find_days(table, symbol))


def is_symbol_name(name: str) -> bool:
    """Whether a column of this name holds symbols."""
    return name.strip() == "T" or plain(name) in SYMBOL_NAMES or bool({"ticker", "symbol"} & set(words(name)))


def is_date_name(name: str) -> bool:
    """Whether a column of this name may hold the hit's day."""
    return name.strip() != "T" and (
        plain(name) in DATE_NAMES or bool(DATE_WORDS & set(words(name)) and not OTHER_DATES & set(words(name)))
    )


def _find_symbols(table: Table, known: Collection[str] | None) -> int | None:
    places = range(len(table.columns))
    named = [place for place in places if is_symbol_name(table.columns[place])]
    named.sort(key=lambda place: _rank(table.columns[place], SYMBOL_NAMES))
    weak = [place for place in places if plain(table.columns[place]) in WEAK_SYMBOL_NAMES]
    if not table.rows:
        return next(iter(named + weak), None)
    for place in named:
        cells = [cell for row in table.rows if not is_missing(cell := row[place])]
        if cells and sum(_may_be_symbol(cell) for cell in cells) >= _FEWEST * len(cells):
            return place
    for place in weak:
        if _distinct_symbols(table, place, known):
            return place
    by_values = [(_distinct_symbols(table, place, known), -place) for place in places]
    most, place = max(by_values, default=(0, 0))
    return -place if most else None


def _may_be_symbol(cell: Cell) -> bool:
    symbol = as_symbol(cell)
    return symbol is not None and as_day(symbol) is None


def _distinct_symbols(table: Table, place: int, known: Collection[str] | None) -> int:
    """How many different symbols a column holds, 0 where it holds anything else."""
    cells = [row[place] for row in table.rows if row[place] is not None]
    if not cells or sum(map(is_ticker, cells)) < _FEWEST * len(cells):
        return 0
    distinct = {cell.strip() for cell in cells if isinstance(cell, str)}
    if distinct <= NOT_SYMBOLS or (known is not None and sum(one in known for one in distinct) < 0.8 * len(distinct)):
        return 0
    return len(distinct)


def _find_days(table: Table, symbol: int | None) -> int | None:
    places = [place for place in range(len(table.columns)) if place != symbol]
    named = [place for place in places if is_date_name(table.columns[place])]
    named.sort(key=lambda place: _rank(table.columns[place], DATE_NAMES))
    if not table.rows:
        return next(iter(named), None)
    for place in named:
        if _holds_days([row[place] for row in table.rows], epochs=True):
            return place
    others = [place for place in places if place not in named and not OTHER_DATES & set(words(table.columns[place]))]
    for place in others:
        if _holds_days([row[place] for row in table.rows], epochs=False):
            return place
    return None


def _holds_days(cells: Sequence[Cell], epochs: bool) -> bool:
    """Whether nearly all cells are days. A glance at the first ones spares reading a long column of numbers."""
    cells = [cell for cell in cells if not is_missing(cell)]
    for some in (cells[:50], cells):
        if not some or sum(day is not None for day in read_days(some, epochs=epochs)) < _FEWEST * len(some):
            return False
    return True


def _rank(name: str, names: tuple[str, ...]) -> int:
    return names.index(plain(name)) if plain(name) in names else len(names)


class _Parts(NamedTuple):
    """A day in numbers whose order is not said: month first in New York, day first in Europe."""

    first: int
    second: int
    year: int


def _moment(cell: Cell, epochs: bool) -> date | datetime | _Parts | None:
    if isinstance(cell, str):
        return _read_text(cell.strip(), epochs)
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float) or cell != cell or cell != int(cell):
        return None
    return _read_number(int(cell), epochs)


def _read_number(number: int, epochs: bool) -> date | datetime | None:
    if 19_800_101 <= number <= 21_001_231:
        return _make(number // 10_000, number // 100 % 100, number % 100)
    if epochs:
        for parts, first, last in _EPOCHS:
            if first <= number <= last:
                return datetime.fromtimestamp(number / parts, UTC)
    return None


@lru_cache(maxsize=20_000)
def _read_text(text: str, epochs: bool) -> date | datetime | _Parts | None:
    if not 6 <= len(text) <= 48:
        return None
    if match := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups()
        found = _make(int(year), int(month), int(day))
        if found is None or zone is None or zone in ("EST", "EDT", "ET"):
            return found
        offset = "+00:00" if zone in ("Z", "UTC", "GMT") else zone
        try:
            return datetime.fromisoformat(f"{found}T{int(hour):02}:{minute}:{second or '00'}{offset}")
        except ValueError:
            return None
    if match := _PARTS.fullmatch(text):
        return _Parts(*(int(part) for part in match.groups()))
    if match := _MONTH_FIRST.fullmatch(text):
        return _make(int(match[3]), _MONTHS[match[1][:3].lower()], int(match[2]))
    if match := _DAY_FIRST.fullmatch(text):
        return _make(int(match[3]), _MONTHS[match[2][:3].lower()], int(match[1]))
    if match := _COMPACT.fullmatch(text):
        return _make(int(match[1]), int(match[2]), int(match[3]))
    if epochs and re.fullmatch(r"\d{9,19}(?:\.0)?", text):
        return _read_number(int(text.removesuffix(".0")), epochs)
    return None


def _make(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if 1980 <= year <= 2100 else None
    except ValueError:
        return None


def _is_day_first(moments: Sequence[date | datetime | _Parts | None]) -> bool:
    parts = [moment for moment in moments if isinstance(moment, _Parts)]
    return any(part.first > 12 for part in parts) and all(part.second <= 12 for part in parts)


def _day(moment: date | datetime | _Parts | None, as_written: bool, european: bool) -> date | None:
    if isinstance(moment, _Parts):
        month, day = (moment.second, moment.first) if european else (moment.first, moment.second)
        return _make(moment.year, month, day)
    if isinstance(moment, datetime):
        return moment.date() if as_written else moment.astimezone(NEW_YORK).date()
    return moment
