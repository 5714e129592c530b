"""What a script showed, held against what it left behind.

What belongs here: whether printed rows are a candidate's rows, a part of them, or a choice among them; over one shard
and over all. What does not: which candidate is taken then (`outcome.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain

from scan_pipeline.scripts.results.candidates import Candidate, Evidence, Found, Pair

#: How many rows people show of more: `head()`, `head(20)`, the top 50.
ROUND = frozenset({5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 150, 200, 250, 300, 400, 500, 1000})
#: The name of all that was printed together.
EVERYTHING = "everything"


class Relation(IntEnum):
    """How printed rows stand to a candidate's, the best first."""

    SAME = 0  # the same symbols and days
    PART = 1  # the candidate has more, and the print is its head, its top, or says that it is cut short
    CHOSEN = 2  # the candidate has more, of which some were printed
    OTHER = 3  # something was printed that the candidate has not, or nothing was printed at all


@dataclass(frozen=True)
class Support:
    """How a candidate stands to what was printed, over all shards. `part`: which of the printed groups that is."""

    relation: Relation
    part: str = ""


def support(key: str, founds: Sequence[Found]) -> Support:
    """The best relation of a candidate to any group of printed rows, the one printed last before the others."""
    parts = dict.fromkeys(one.part for found in founds for one in sorted(found.shown, key=lambda one: -one.place))
    candidates = [_of_key(found.candidates, key) for found in founds]
    best = Support(Relation.OTHER)
    for part in chain(parts, [EVERYTHING] if len(parts) > 1 else []):
        now = Support(_over_shards(candidates, founds, part), part)
        if now.relation < best.relation:
            best = now
    return best


def _of_key(candidates: Sequence[Candidate], key: str) -> Candidate | None:
    return next((one for one in candidates if one.key == key), None)


def printed_as(found: Found, part: str) -> Evidence | None:
    """The shard's printed group of that name."""
    if part != EVERYTHING:
        return next((one for one in found.shown if one.part == part), None)
    whole = [one for one in found.shown if not one.truncated]
    return Evidence(part, [pair for one in whole for pair in one.pairs], 0) if whole else None


def _over_shards(candidates: Sequence[Candidate | None], founds: Sequence[Found], part: str) -> Relation:
    worst = Relation.SAME
    heads: set[int] = set()
    something = False
    for candidate, found in zip(candidates, founds, strict=True):
        shown = printed_as(found, part)
        if shown is None and not found.ended_well:
            continue  # it may not have come to its printing
        something |= shown is not None and bool(shown.pairs)
        now = relation(candidate, shown, found.counts)
        if now is Relation.PART and shown is not None and not shown.truncated and shown.total is None:
            heads.add(len(shown.pairs))
        worst = max(worst, now)
    if not something:
        return Relation.OTHER
    # The head that is shown of a table has one length in every shard that has more.
    return Relation.CHOSEN if worst is Relation.PART and len(heads) > 1 else worst


def relation(candidate: Candidate | None, shown: Evidence | None, counts: Collection[int]) -> Relation:
    """How one shard's printed group stands to its candidate; either may be missing, which is no rows."""
    theirs = candidate.pairs if candidate else ()
    ours = shown.pairs if shown else ()
    if any(pair.day is None for pair in chain(theirs[:1], ours[:1])):
        theirs, ours = _dateless(theirs), _dateless(ours)
    have, see = set(theirs), set(ours)
    if not see <= have:
        return Relation.OTHER
    if shown is not None and shown.truncated:
        if shown.total is None:
            return Relation.PART
        return Relation.SAME if candidate and shown.total == len(candidate.table.rows) else Relation.OTHER
    if see == have:
        return Relation.SAME
    if not see:
        return Relation.CHOSEN
    told = len(theirs) in counts and len(ours) not in counts
    if candidate and len(ours) in ROUND and (told or _is_head(ours, candidate, theirs)):
        return Relation.PART
    return Relation.CHOSEN


def _dateless(pairs: Sequence[Pair]) -> list[Pair]:
    return [Pair(pair.symbol, None) for pair in pairs]


def _is_head(ours: Sequence[Pair], candidate: Candidate, theirs: Sequence[Pair]) -> bool:
    """Whether the first or last rows are shown, or the top or bottom by a column."""
    count = len(ours)
    if list(ours) in (list(theirs[:count]), list(theirs[-count:])):
        return True
    seen = set(ours)
    shown = [place for place, pair in zip(candidate.places, theirs, strict=True) if pair in seen]
    rest = [place for place, pair in zip(candidate.places, theirs, strict=True) if pair not in seen]
    return any(_parts_by(candidate, column, shown, rest) for column in range(len(candidate.table.columns)))


def _parts_by(candidate: Candidate, column: int, shown: Sequence[int], rest: Sequence[int]) -> bool:
    """Whether the shown rows have the largest, or the smallest, values of a column."""
    ours, others = ([candidate.table.rows[place][column] for place in places] for places in (shown, rest))
    if not all(isinstance(cell, int | float) and not isinstance(cell, bool) and cell == cell for cell in ours + others):
        return False
    return bool(min(ours) > max(others) or max(ours) < min(others))
