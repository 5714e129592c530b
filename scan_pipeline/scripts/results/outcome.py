"""Which of all that a script left behind is its result, over all shards of a run.

What belongs here: the order of trust, and choosing one source for every shard. What does not: finding candidates
(`candidates.py`), comparing them with what was printed (`evidence.py`), making hits of the choice (`merging.py`).

The order of trust. The first of these that is there is the result:

1. What the script's sidecar pins: `result = "global:out"`, `"file:hits.csv"` or `"stdout"`.
2. A file that holds exactly the symbols and days that were printed; then one of which the print is a part: a round
   number of its first, last, top or bottom rows, or a print that was cut short.
3. A variable that holds exactly what was printed; then one of which the print is a part, in the same sense.
4. Any other file with symbols and days: the one written last.
5. Printed rows that are a choice among a variable's: the variable is what the script worked on.
6. Nothing, where every shard ends by telling so ("no hits", "found 0", "Empty DataFrame").
7. A variable: the one assigned last in the program, and of two a DataFrame before a list.
8. A doubtful one that holds what was printed.
9. Printed tables and lines, the ones printed last.
10. Doubtful ones: without days (hits are then of the run's session), by their name no result (`raw`, `cache`, `errors`,
    `summary`, …), market data.

A shard that ended well and has not the source, or has it empty, found nothing; so did one that failed in the way in
which scripts fail on an empty result. A source that is empty in every shard is a result as well, and zero hits a good
answer, unless rows were printed. Where nothing of all this is found, the choice has no source, and says what was looked
at: that is a failure of the script's run, for the caller to tell.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from scan_pipeline.scripts.results.candidates import Candidate, Doubt, Found, Kind
from scan_pipeline.scripts.results.evidence import Relation, Support, support

MOST_NAMED = 12
HOW_TO_PIN = 'If it is among these, name it in the sidecar: result = "global:NAME", "file:NAME" or "stdout".'

#: How scripts fail when there is no row to work on.
_FAILS_ON_NOTHING = re.compile(
    r"No objects to concatenate|out[- ]of[- ]bounds|index out of range|arg(?:ument)? is (?:an )?empty|empty sequence|"
    r"no defined columns|without columns|zero-size array|in the \[columns\]|same length as key|"
    r"^KeyError: ['\"](?!results)\w+['\"]$|NoneType|division by zero|empty|need at least one array",
    re.IGNORECASE,
)


class Trust(IntEnum):
    """The order of trust, the most trusted first."""

    PINNED = 0
    SHOWN_FILE = 1
    PARTLY_SHOWN_FILE = 2
    SHOWN_GLOBAL = 3
    PARTLY_SHOWN_GLOBAL = 4
    FILE = 5
    PRINTED_CHOICE = 6
    SAID_NONE = 7
    GLOBAL = 8
    SHOWN_DOUBTFUL = 9
    PRINTED = 10
    EMPTY_BUT_ROWS_PRINTED = 11
    NO_DATE = 12
    OTHER_NAME = 13
    MARKET_DATA = 14


_WHY = {
    Trust.PINNED: "the sidecar names it",
    Trust.SHOWN_FILE: "a file that holds what was printed",
    Trust.PARTLY_SHOWN_FILE: "a file of which a part was printed",
    Trust.SHOWN_GLOBAL: "a variable that holds what was printed",
    Trust.PARTLY_SHOWN_GLOBAL: "a variable of which a part was printed",
    Trust.FILE: "the file that was written last",
    Trust.PRINTED_CHOICE: "printed rows, chosen from a variable's",
    Trust.SAID_NONE: "the script says that there is no hit",
    Trust.GLOBAL: "the variable that was assigned last",
    Trust.SHOWN_DOUBTFUL: "it holds what was printed",
    Trust.PRINTED: "printed rows",
    Trust.EMPTY_BUT_ROWS_PRINTED: "a result that is empty, though rows were printed",
    Trust.NO_DATE: "nothing else was found; it has no column of days, so that its rows are of the run's session",
    Trust.OTHER_NAME: "nothing else was found; by its name it is no result",
    Trust.MARKET_DATA: "nothing else was found; it looks like market data",
}
_DOUBTFUL = {
    Doubt.NO_DATE: Trust.NO_DATE,
    Doubt.NAME: Trust.OTHER_NAME,
    Doubt.MARKET_DATA: Trust.MARKET_DATA,
}


@dataclass(frozen=True)
class ShardResult:
    """What one shard gives. No candidate: it found nothing, or, where `is_missing`, it did not come so far."""

    shard: str
    candidate: Candidate | None
    is_partial: bool = False
    is_missing: bool = False


@dataclass(frozen=True)
class Choice:
    """The result of a run: one source, and what each shard has of it.

    `source` can be pinned as it is; None: no result was found. `why`: why it was chosen, or what was looked at in vain.
    `remarks`: what a reader should know, in sentences.
    """

    source: str | None
    trust: Trust | None
    why: str
    shards: Sequence[ShardResult]
    remarks: Sequence[str] = ()
    looked_at: Sequence[str] = ()

    @property
    def is_partial(self) -> bool:
        """Whether a shard did not come to its end."""
        return any(one.is_partial or one.is_missing for one in self.shards)

    @property
    def missing(self) -> Sequence[str]:
        """Shards that gave nothing because they did not come so far."""
        return [one.shard for one in self.shards if one.is_missing]


@dataclass(frozen=True)
class _Source:
    """One source over all shards; None where a shard has it not."""

    key: str
    shards: Sequence[Candidate | None]
    support: Support

    @property
    def present(self) -> list[Candidate]:
        return [one for one in self.shards if one is not None]

    @property
    def is_empty(self) -> bool:
        return all(one.is_empty for one in self.present)

    @property
    def kind(self) -> Kind:
        return self.present[0].kind

    @property
    def doubt(self) -> Doubt:
        return max(one.doubt for one in self.present if self.is_empty or not one.is_empty)

    @property
    def name(self) -> str:
        """Its name for people: the file's own where it has one name in all shards."""
        names = {one.source for one in self.present}
        return names.pop() if len(names) == 1 else self.key


def choose(founds: Sequence[Found], pinned: str = "") -> Choice:
    """The result of a run whose shards left these behind. `pinned`: the source that the sidecar names."""
    looked_at = what_was_looked_at(founds)
    sources = _sources(founds)
    if pinned:
        return _pinned(founds, sources, pinned, looked_at)
    chosen_parts = {
        one.support.part
        for one in sources
        if one.kind is Kind.GLOBAL and one.doubt is Doubt.NONE and one.support.relation is Relation.CHOSEN
    }
    ranked = sorted(
        ((_trust(one, founds, chosen_parts), one) for one in sources), key=lambda two: _rank(two[0], two[1], founds)
    )
    ranked = [(trust, one) for trust, one in ranked if _counts(one, founds)]
    if _all_say_none(founds) and (not ranked or ranked[0][0] > Trust.SAID_NONE):
        return _said_none(founds, sources, looked_at)
    if not ranked:
        return _no_result(founds, looked_at)
    trust, source = _not_contradicted(ranked)
    return _choice(source, trust, founds, sources, looked_at)


def _sources(founds: Sequence[Found]) -> list[_Source]:
    keys = dict.fromkeys(one.key for found in founds for one in found.candidates)
    return [
        _Source(
            key,
            [next((one for one in found.candidates if one.key == key), None) for found in founds],
            support(key, founds),
        )
        for key in keys
    ]


def _trust(source: _Source, founds: Sequence[Found], chosen_parts: set[str]) -> Trust:
    relation = source.support.relation
    if source.is_empty and any(found.shown and not found.says_none for found in founds):
        return Trust.EMPTY_BUT_ROWS_PRINTED
    if source.doubt is not Doubt.NONE:
        is_shown = relation <= Relation.PART and source.kind is not Kind.PRINTED and source.doubt < Doubt.MARKET_DATA
        return Trust.SHOWN_DOUBTFUL if is_shown else _DOUBTFUL[source.doubt]
    if source.kind is Kind.PRINTED:
        part = source.key.removeprefix("stdout:")
        return Trust.PRINTED_CHOICE if part in chosen_parts else Trust.PRINTED
    if source.kind is Kind.FILE:
        return {Relation.SAME: Trust.SHOWN_FILE, Relation.PART: Trust.PARTLY_SHOWN_FILE}.get(relation, Trust.FILE)
    return {Relation.SAME: Trust.SHOWN_GLOBAL, Relation.PART: Trust.PARTLY_SHOWN_GLOBAL}.get(relation, Trust.GLOBAL)


def _rank(trust: Trust, source: _Source, founds: Sequence[Found]) -> tuple[object, ...]:
    is_frame = any(one.is_frame for one in source.present)
    if source.kind is Kind.GLOBAL:
        return trust, -max(one.order for one in source.present), not is_frame, source.key
    # Shards run at different times, so that only the order within each counts.
    places = [
        sum(other.kind is one.kind and other.order > one.order for other in found.candidates)
        for one, found in zip(source.shards, founds, strict=True)
        if one is not None
    ]
    return trust, sum(places) / len(places), False, source.key


def _counts(source: _Source, founds: Sequence[Found]) -> bool:
    """Whether a source says anything: it has rows, or a shard that ended so that being empty means something has it."""
    return not source.is_empty or any(
        one is not None and _may_be_empty(found) for one, found in zip(source.shards, founds, strict=True)
    )


def _may_be_empty(found: Found) -> bool:
    """Whether a shard without rows found nothing, and did not just fail before it could find any."""
    return found.ended_well or found.says_none or fails_on_nothing(found)


def fails_on_nothing(found: Found) -> bool:
    """Whether a shard has an empty result and failed as scripts do that have not thought of one."""
    has_empty = any(one.is_empty and one.doubt is Doubt.NONE for one in found.candidates)
    return found.ended == "crashed" and has_empty and bool(found.error and _FAILS_ON_NOTHING.search(found.error))


def _all_say_none(founds: Sequence[Found]) -> bool:
    return bool(founds) and all(found.says_none and not any(one.pairs for one in found.shown) for found in founds)


def _not_contradicted(ranked: Sequence[tuple[Trust, _Source]]) -> tuple[Trust, _Source]:
    """The first source, or one that has the same rows wherever that has any, and rows where that is not there."""
    trust, first = ranked[0]
    absent = [place for place, one in enumerate(first.shards) if one is None]
    for other_trust, other in ranked[1:] if absent and not first.is_empty else ():
        more = any((one := other.shards[place]) is not None and not one.is_empty for place in absent)
        same = all(
            mine is None or (theirs is not None and set(mine.pairs) == set(theirs.pairs))
            for mine, theirs in zip(first.shards, other.shards, strict=True)
        )
        if more and same and other_trust < Trust.NO_DATE:
            return other_trust, other
    return trust, first


def _choice(
    source: _Source, trust: Trust, founds: Sequence[Found], sources: Sequence[_Source], looked_at: Sequence[str]
) -> Choice:
    shards = [_result(one, found) for one, found in zip(source.shards, founds, strict=True)]
    if all(one.is_missing for one in shards):
        return _no_result(founds, looked_at)
    remarks = [
        *_endings(shards, founds),
        *_rows_elsewhere(source, founds, sources),
        *_left_out(source),
    ]
    if trust is Trust.EMPTY_BUT_ROWS_PRINTED or (not source.is_empty and _all_say_none(founds)):
        remarks.append(f"What it printed says otherwise than {source.name}.")
    name = "stdout" if source.kind is Kind.PRINTED else source.name
    return Choice(name, trust, _WHY[trust], shards, remarks, looked_at)


def _result(candidate: Candidate | None, found: Found) -> ShardResult:
    if candidate is not None and not candidate.is_empty:
        return ShardResult(found.shard, candidate, is_partial=not found.ended_well)
    missing = not _may_be_empty(found)
    return ShardResult(found.shard, None, is_partial=not found.ended_well and not missing, is_missing=missing)


def _endings(shards: Sequence[ShardResult], founds: Sequence[Found]) -> list[str]:
    remarks = []
    for result, found in zip(shards, founds, strict=True):
        if found.ended_well:
            continue
        error = f" ({found.error})" if found.error else ""
        became = (
            "and left no result"
            if result.is_missing
            else f"with {len(result.candidate.pairs):,} hits"
            if result.candidate
            else "with an empty result, taken as no hits"
        )
        remarks.append(f"{found.shard} {_ENDED.get(found.ended, found.ended)}{error} {became}.")
    return remarks


_ENDED = {"crashed": "crashed", "interrupted": "was interrupted", "killed": "was killed"}


def _rows_elsewhere(source: _Source, founds: Sequence[Found], sources: Sequence[_Source]) -> list[str]:
    """Shards without the source that have rows in another, of which the source is no part where both are."""
    remarks = []
    for place, found in enumerate(founds):
        if source.shards[place] is not None or not found.ended_well:
            continue
        for other in sources:
            candidate = other.shards[place]
            if candidate is None or candidate.is_empty or other.doubt is not Doubt.NONE:
                continue
            if not all(
                mine is None or (theirs is not None and set(mine.pairs) <= set(theirs.pairs))
                for mine, theirs in zip(source.shards, other.shards, strict=True)
            ):
                count = len(candidate.pairs)
                remarks.append(
                    f"{found.shard} has no {source.name}, but {count:,} rows in {other.name}, which are left out."
                )
                break
    return remarks


def _left_out(source: _Source) -> list[str]:
    count = sum(one.left_out for one in source.present)
    return [f"{count:,} rows of {source.name} have no symbol or no day, and are left out."] if count else []


def _said_none(founds: Sequence[Found], sources: Sequence[_Source], looked_at: Sequence[str]) -> Choice:
    rows = [one for one in sources if not one.is_empty and one.doubt is Doubt.NONE]
    remarks = [f"It says that there is no hit, though {one.name} has rows." for one in rows[:1]]
    shards = [ShardResult(found.shard, None, is_partial=not found.ended_well) for found in founds]
    remarks = [*_endings(shards, founds), *remarks]
    return Choice("stdout", Trust.SAID_NONE, _WHY[Trust.SAID_NONE], shards, remarks, looked_at)


def _pinned(founds: Sequence[Found], sources: Sequence[_Source], pinned: str, looked_at: Sequence[str]) -> Choice:
    matching = sorted(
        (one for one in sources if _matches(one, pinned)),
        key=lambda one: (one.is_empty, one.doubt, _rank(Trust.PINNED, one, founds)),
    )
    if matching:
        return _choice(matching[0], Trust.PINNED, founds, sources, looked_at)
    for found in founds:
        for source, why in found.unread.items():
            if source == pinned or fnmatchcase(source, pinned):
                return _nothing(
                    founds, f"{pinned}, which the sidecar names as the result, {why} ({found.shard}).", looked_at
                )
    finished = all(found.ended_well for found in founds)
    is_empty = all(found.says_none or any(one.is_empty for one in found.candidates) for found in founds)
    if finished and bool(founds) and (is_empty or (pinned == "stdout" and not any(found.shown for found in founds))):
        shards = [ShardResult(found.shard, None) for found in founds]
        return Choice(pinned, Trust.PINNED, _WHY[Trust.PINNED], shards, (), looked_at)
    return _no_result(founds, looked_at, pinned)


def _matches(source: _Source, pinned: str) -> bool:
    if pinned == "stdout" or source.kind is Kind.PRINTED:
        return pinned == "stdout" and source.kind is Kind.PRINTED
    if source.kind is Kind.GLOBAL:
        return source.key == pinned
    kind, _, pattern = pinned.partition(":")
    names = {one.source.partition(":")[2] for one in source.present} | {source.key.partition(":")[2]}
    return kind == "file" and any(
        name == pattern
        or fnmatchcase(name, pattern)
        or ("/" not in pattern and fnmatchcase(PurePosixPath(name).name, pattern))
        for name in names
    )


def what_was_looked_at(founds: Sequence[Found]) -> list[str]:
    """Everything that was looked at, each once, with the number of shards where that is not all of them."""
    counts = Counter(text for found in founds for text in dict.fromkeys(found.looked_at))
    return [
        text if count == len(founds) else f"{text} [{count} of {len(founds)} shards]" for text, count in counts.items()
    ]


def _nothing(founds: Sequence[Found], why: str, looked_at: Sequence[str]) -> Choice:
    shards = [ShardResult(found.shard, None, is_missing=True) for found in founds]
    return Choice(None, None, why, shards, (), looked_at)


def _no_result(founds: Sequence[Found], looked_at: Sequence[str], pinned: str = "") -> Choice:
    what = f"{pinned}, which the sidecar names as the result, was not found" if pinned else "No result found"
    endings = [
        f"{found.shard} {_ENDED.get(found.ended, found.ended)}" + (f": {found.error}" if found.error else "")
        for found in founds
        if not found.ended_well
    ]
    named = list(looked_at[:MOST_NAMED])
    if len(looked_at) > MOST_NAMED:
        named.append(f"and {len(looked_at) - MOST_NAMED:,} more")
    ended = f" ({'; '.join(endings[:3])}{' …' if len(endings) > 3 else ''})" if endings else ""
    looked = "; ".join(named) or "nothing was left behind"
    return _nothing(founds, f"{what}{ended}. Looked at: {looked}. {HOW_TO_PIN}", looked_at)
