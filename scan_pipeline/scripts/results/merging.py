"""The hits of a run, from what each of its shards gave; and how the hits of two runs differ.

What belongs here: making hits of the chosen rows, putting shards together, comparing. What does not: choosing the rows
(`outcome.py`) and keeping hits (the store).
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from scan_pipeline.scripts.results.candidates import Candidate
from scan_pipeline.scripts.results.outcome import Choice
from scan_pipeline.scripts.results.values import read_cell

#: Of a longer text in a hit's details, this much is kept.
LONGEST_TEXT = 4_000
#: Numbers that differ by less, as a share of the larger, are equal.
TOLERANCE = 1e-9
#: A message names so many symbols or hits.
MOST_NAMED = 5

_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_MIDNIGHT = re.compile(r"\b0?0:00(?::00(?:\.0+)?)?(?!\d)")


@dataclass(frozen=True)
class FoundHit:
    """A symbol that a script found on a session. `details`: the script's own columns, plain JSON values."""

    session: date
    symbol: str
    score: float | None
    details: dict[str, Any]


@dataclass(frozen=True)
class Merged:
    """The hits of a run. `remarks`: what a reader should know, the choice's own among it; `faults`: why it is wrong."""

    hits: Sequence[FoundHit]
    remarks: Sequence[str] = ()
    faults: Sequence[str] = ()


def merge(
    choice: Choice,
    as_of: date,
    known: Collection[str] | None = None,
    shard_symbols: Sequence[Collection[str]] | None = None,
) -> Merged:
    """The hits of all shards: newest session first, then by shard, then as the script gave them.

    Rows without a day are of the session `as_of`. Hits dated after it are left out: a fault. A hit that several shards
    give, the same in every column, is one. `known`: all symbols that there are; `shard_symbols`: what each shard was
    shown, in the order of the choice's shards. Hits of other symbols are kept, and remarked on.
    """
    hits: list[FoundHit] = []
    most: Counter[bytes] = Counter()
    repeated = 0
    foreign: Counter[str] = Counter()
    for place, shard in enumerate(choice.shards):
        seen: Counter[bytes] = Counter()
        for hit in hits_of(shard.candidate, as_of) if shard.candidate else ():
            same = msgspec.json.encode((hit.session, hit.symbol, hit.score, hit.details))
            seen[same] += 1
            if seen[same] <= most[same]:
                repeated += 1
                continue
            hits.append(hit)
            if shard_symbols is not None and hit.symbol not in shard_symbols[place]:
                foreign[hit.symbol] += 1
        most |= seen
    late = [hit for hit in hits if hit.session > as_of]
    hits = [hit for hit in hits if hit.session <= as_of]
    unknown = Counter(hit.symbol for hit in hits if known is not None and hit.symbol not in known)
    for symbol in unknown:
        foreign.pop(symbol, None)
    remarks = [*choice.remarks]
    if repeated:
        remarks.append(f"{_count(repeated, 'hit')} of several shards alike: each is kept once.")
    if foreign:
        remarks.append(f"{_count(foreign.total(), 'hit')} of symbols that the shard was not shown: {_some(foreign)}.")
    if unknown:
        remarks.append(f"{_count(unknown.total(), 'hit')} of symbols that are not known: {_some(unknown)}.")
    faults = []
    if late:
        named = _some([f"{hit.symbol} {hit.session}" for hit in late])
        be = "is" if len(late) == 1 else "are"
        faults.append(f"{_count(len(late), 'hit')} {be} dated after the session {as_of}: {named}.")
    hits.sort(key=lambda hit: -hit.session.toordinal())
    return Merged(hits, remarks, faults)


def hits_of(candidate: Candidate, as_of: date) -> list[FoundHit]:
    """One shard's rows as hits, in their order."""
    columns, rows = candidate.table
    score = next((place for place, name in enumerate(columns) if name.lower() == "score"), None)
    if score is not None and not all(_is_number(rows[place][score]) for place in candidate.places):
        score = None
    roles = {candidate.symbol_column, candidate.date_column, score}
    own = [(place, name) for place, name in enumerate(columns) if place not in roles]
    hits = []
    for place, pair in zip(candidate.places, candidate.pairs, strict=True):
        row = rows[place]
        details = {name: as_json(row[column]) for column, name in own}
        if candidate.date_column is not None and (moment := _moment(row[candidate.date_column])):
            details = {columns[candidate.date_column]: moment} | details
        value = None if score is None else as_json(_number(row[score]))
        hits.append(FoundHit(pair.day or as_of, pair.symbol, None if value is None else float(value), details))
    return hits


def as_json(cell: Any) -> Any:
    """A cell as a plain JSON value: no NaN, no number beyond 64 bits, nested values as JSON text."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, int):
        return cell if -(2**63) <= cell < 2**63 else str(cell)
    if isinstance(cell, float | Decimal):
        number = float(cell)
        return number if math.isfinite(number) else None
    if isinstance(cell, date | datetime | time):
        return cell.isoformat()
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", errors="replace")
    elif not isinstance(cell, str):
        cell = _as_text(cell)
    text: str = cell.replace("\0", "").encode("utf-8", errors="replace").decode()
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _as_text(cell: Any) -> str:
    try:
        return msgspec.json.encode(cell, enc_hook=str).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return str(cell)


def _moment(cell: Any) -> str | None:
    """The text of a day's cell that tells a time too."""
    text = cell.isoformat() if isinstance(cell, datetime) else cell
    if isinstance(text, str) and _CLOCK.search(text) and not _MIDNIGHT.search(text):
        return text.strip()
    return None


def _number(cell: Any) -> Any:
    return read_cell(cell) if isinstance(cell, str) else cell


def _is_number(cell: Any) -> bool:
    value = _number(cell)
    return value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _some(names: Collection[str]) -> str:
    shown = list(names)[:MOST_NAMED]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


class Changed(NamedTuple):
    """A hit that both runs have, with other values in these columns."""

    left: FoundHit
    right: FoundHit
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """How the hits of two runs differ; `same` is the number of hits that both have alike."""

    only_left: Sequence[FoundHit] = ()
    only_right: Sequence[FoundHit] = ()
    changed: Sequence[Changed] = ()
    same: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether both runs gave the same hits with the same values; order does not count."""
        return not (self.only_left or self.only_right or self.changed)


def compare(left: Sequence[FoundHit], right: Sequence[FoundHit]) -> Difference:
    """The hits that only one run has, and those of both that have other values.

    Numbers are equal within 1e-9 of the larger; a column that one run lacks is equal to one without a value. Where a
    run has several hits of a symbol and session, equal ones belong together first.
    """
    theirs: defaultdict[tuple[date, str], list[FoundHit]] = defaultdict(list)
    for hit in right:
        theirs[hit.session, hit.symbol].append(hit)
    same = 0
    rest: list[FoundHit] = []
    for hit in left:
        others = theirs[hit.session, hit.symbol]
        match = next((place for place, other in enumerate(others) if not differing(hit, other)), None)
        if match is None:
            rest.append(hit)
        else:
            others.pop(match)
            same += 1
    only_left, changed = [], []
    for hit in rest:
        if others := theirs[hit.session, hit.symbol]:
            other = others.pop(0)
            changed.append(Changed(hit, other, differing(hit, other)))
        else:
            only_left.append(hit)
    only_right = [hit for others in theirs.values() for hit in others]
    return Difference(only_left, only_right, changed, same)


def differing(left: FoundHit, right: FoundHit) -> tuple[str, ...]:
    """The columns in which two hits differ, `score` among them."""
    mine, theirs = ({"score": hit.score} | hit.details for hit in (left, right))
    return tuple(
        column for column in dict.fromkeys((*mine, *theirs)) if not _equal(mine.get(column), theirs.get(column))
    )


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right or math.isclose(left, right, rel_tol=TOLERANCE)
    return bool(left == right)
