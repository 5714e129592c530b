"""Which symbols are asked for where a provider charges by the symbol and calls are few, in which order, and why.

What belongs here: the decision alone, from what is known of each symbol. What does not: finding that out and keeping
what was decided (`store/refreshes.py`), and asking (`providers/`).

| place | reason | who |
| --- | --- | --- |
| always | `watchlist` | on the user's list |
| always | `recent hit` | found by a scanner in the last sessions |
| always | `top dollar volume` | among the first by mean dollar volume |
| always | `changed` | known to have changed: a split since it was last asked for |
| then | `age` | not asked for since as many sessions as the policy allows, or never: the oldest first |
| last | `sample` | fresh enough, and drawn by lot |
| – | `over budget` | would have been asked for, and the calls did not suffice |
| – | `fresh enough` | asked for not long ago |

Where two are equally old, a lot decides, drawn from seed, session and symbol: the same decision in every run, and
another order each session, so that nobody is last for ever by its name.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

WATCHLIST, RECENT_HIT, TOP_DOLLAR_VOLUME, CHANGED = ALWAYS = (
    "watchlist", "recent hit", "top dollar volume", "changed",
)  # fmt: skip
AGE, SAMPLE = "age", "sample"
OVER_BUDGET, FRESH_ENOUGH = "over budget", "fresh enough"
#: What is held of these is older than it could be.
NOT_ASKED = (OVER_BUDGET, FRESH_ENOUGH)


@dataclass(frozen=True)
class Policy:
    """How far calls go. With the defaults everybody is asked for.

    `max_age_sessions`: sessions after which a symbol is due; 0: it always is. `top_dollar_volume`: so many symbols are
    always asked for. `sample_share`: of those that are fresh enough, the share that is asked for all the same.
    """

    max_age_sessions: int = 0
    top_dollar_volume: int = 0
    sample_share: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """What is known of a symbol. `age`: sessions since it was last asked for; None: never.

    `dollar_volume_rank` counts from 1; None: unknown.
    """

    symbol: str
    age: int | None = None
    on_watchlist: bool = False
    is_recent_hit: bool = False
    dollar_volume_rank: int | None = None
    changed: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether a symbol is asked for, and why, or why not. `priority`: why it always is; None for the others."""

    symbol: str
    refreshed: bool
    reason: str
    priority: str | None


def priority(one: Candidate, policy: Policy) -> str | None:
    """The first of ALWAYS that holds for a symbol."""
    if one.on_watchlist:
        return WATCHLIST
    if one.is_recent_hit:
        return RECENT_HIT
    if one.dollar_volume_rank is not None and one.dollar_volume_rank <= policy.top_dollar_volume:
        return TOP_DOLLAR_VOLUME
    return CHANGED if one.changed else None


def decide(candidates: Iterable[Candidate], policy: Policy, session: date, budget: int | None) -> list[Decision]:
    """A decision for every candidate: first those that are asked for, in the order of asking, then the others.

    `session` is the one that bars are asked for, `budget` the number of symbols that the calls suffice for; None: no
    limit.
    """
    placed = sorted((_place(one, policy, session), one.symbol, one) for one in candidates)
    decisions = []
    asked = 0
    for (rank, *_), symbol, one in placed:
        always = priority(one, policy)
        wanted = rank < len(_REASONS)
        refreshed = wanted and (budget is None or asked < budget)
        asked += refreshed
        reason = _REASONS[rank] if refreshed else OVER_BUDGET if wanted else FRESH_ENOUGH
        decisions.append(Decision(symbol, refreshed, reason, always))
    return sorted(decisions, key=lambda decision: not decision.refreshed)


#: Why a symbol is asked for, in the order of asking.
_REASONS = (*ALWAYS, AGE, SAMPLE)


def _place(one: Candidate, policy: Policy, session: date) -> tuple[int, float, float]:
    """Where a symbol stands among all: its class, then the oldest first, then by lot."""
    lot = _lot(policy.seed, session, one.symbol)
    oldest_first = float("-inf") if one.age is None else -one.age
    always = priority(one, policy)
    if always:
        return ALWAYS.index(always), oldest_first, lot
    if one.age is None or one.age >= policy.max_age_sessions:
        return _REASONS.index(AGE), oldest_first, lot
    # Who is drawn does not depend on how old it is: a sample tells something of all that are left alone.
    return (_REASONS.index(SAMPLE) if lot < policy.sample_share else len(_REASONS)), 0.0, lot


def _lot(seed: int, session: date, symbol: str) -> float:
    """A number from 0 up to 1, the same in every process."""
    digest = hashlib.blake2b(f"{seed}|{session}|{symbol}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56
