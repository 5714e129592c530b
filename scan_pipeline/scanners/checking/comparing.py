"""What a scanner gave on one set of data against what it gave on another: hit by hit, column by column.

What belongs here: comparing. What does not: which data that is, and what a difference means (`checking_pipeline.py`).
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from scan_pipeline.hits import Hit

#: The column of a difference that is the hit itself: there or not.
HIT = "hit"


@dataclass(frozen=True)
class Difference:
    """A hit that is another: `column` has the value `one` on the first set of data and `other` on the second.

    Where there is a hit on one of them alone, the column is `HIT` and the values are booleans.
    """

    session: date
    symbol: str
    column: str
    one: Any
    other: Any


def compare(
    ones: Iterable[Hit], others: Iterable[Hit], *, relative: float = 0.0, absolute: float = 0.0, ranks: bool = True
) -> list[Difference]:
    """All differences, by session and symbol. Numbers may differ by `relative` of the larger, and by `absolute`.

    Of a session, ranks are compared where nothing else differs: one hit more or less moves all that follow.
    """
    one, other = _by_key(ones), _by_key(others)
    found: list[Difference] = []
    for session, symbol in sorted({*one, *other}):
        key = session, symbol
        if key not in one or key not in other:
            found.append(Difference(session, symbol, HIT, key in one, key in other))
            continue
        columns, against = _columns(one[key]), _columns(other[key])
        found += [
            Difference(session, symbol, name, columns.get(name), against.get(name))
            for name in dict.fromkeys([*columns, *against])
            if not is_same(columns.get(name), against.get(name), relative, absolute)
        ]
    if ranks:
        moved = {difference.session for difference in found}
        found += [
            Difference(*key, "rank", one[key].rank, other[key].rank)
            for key in sorted(one.keys() & other.keys())
            if key[0] not in moved and one[key].rank != other[key].rank
        ]
    return found


def is_same(one: Any, other: Any, relative: float = 0.0, absolute: float = 0.0) -> bool:
    """Whether two values of a column are the same; numbers within the tolerance. What is unknown is None or NaN."""
    one, other = _known(one), _known(other)
    if isinstance(one, bool) or isinstance(other, bool) or not (_is_number(one) and _is_number(other)):
        return type(one) is type(other) and bool(one == other)
    return bool(abs(one - other) <= relative * max(abs(one), abs(other)) + absolute) or one == other


def _by_key(hits: Iterable[Hit]) -> dict[tuple[date, str], Hit]:
    return {(hit.session, hit.symbol): hit for hit in hits}


def _columns(hit: Hit) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(hit.details)
    return details if "score" in details else {**details, "score": hit.score}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
