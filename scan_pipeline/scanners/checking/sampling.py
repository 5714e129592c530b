"""Which sessions and symbols a check looks at: chosen by chance, the same at every run.

What belongs here: choosing. What does not: where sessions and symbols come from.
"""

from collections.abc import Collection, Sequence
from datetime import date
from itertools import pairwise
from random import Random

SEED = 20_240_102


def choose_sessions(sessions: Sequence[date], count: int, preferred: Collection[date], seed: int = SEED) -> list[date]:
    """So many of the sessions, oldest first: the first and the last; for half of the rest, those that are preferred.

    One that is not the last of its week is among them, if there is one: a week is not over in it.
    """
    ordered = sorted(set(sessions))
    if count >= len(ordered):
        return ordered
    random = Random(seed)
    chosen = {ordered[0], ordered[-1]} if count > 1 else {ordered[-1]}
    near = [day for day in ordered if day in preferred and day not in chosen]
    chosen |= {*random.sample(near, min(len(near), (count - len(chosen)) // 2))}
    within = {day for day, following in pairwise(ordered) if _week(day) == _week(following)}
    if not chosen & within and within and len(chosen) < count:
        chosen.add(random.choice(sorted(within)))
    rest = [day for day in ordered if day not in chosen]
    return sorted(chosen | {*random.sample(rest, count - len(chosen))})


def choose_symbols(first: Collection[str], then: Collection[str], rest: Collection[str], count: int) -> list[str]:
    """So many symbols, sorted: of `first` before any of `then`, and of those before any of the rest."""
    random = Random(SEED)
    chosen: dict[str, None] = {}
    for among in (first, then, rest):
        left = sorted(set(among) - set(chosen))
        chosen |= dict.fromkeys(random.sample(left, min(len(left), count - len(chosen))))
    return sorted(chosen)


def spread(sessions: Sequence[date], count: int) -> list[date]:
    """So many of the sessions, evenly spread, the last among them."""
    if count >= len(sessions):
        return list(sessions)
    step = len(sessions) / count
    return [sessions[len(sessions) - 1 - int(place * step)] for place in reversed(range(count))]


def _week(day: date) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    return year, week
