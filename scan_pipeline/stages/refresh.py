"""Which symbols an ingest asks for, and from which session on, where a provider is asked by the symbol.

What belongs here: sessions, the budget of calls, and putting what the store knows before `changes/refresh.py`, which
decides. What does not: asking, and taking in.

A symbol is asked for where a session's bar is missing, or was taken in while the vendor could still revise it. With it
come, in the same call, the sessions shortly before for which it was left out: those who wait for their turn have no
holes afterwards, as long as that costs no call more.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from scan_pipeline.changes.refresh import Candidate, Decision, Policy, decide, priority
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.refreshes import Since, SymbolFacts, listed_symbols, read_facts

#: A hit is recent on its session and on so many after it.
RECENT_HIT_SESSIONS = 5
#: Sessions that mean dollar volume is of, and in which a symbol that traded is still asked for.
DOLLAR_VOLUME_SESSIONS = 20
#: How far back sessions are looked at for which a symbol was left out.
REOPENED_SESSIONS = 45


@dataclass(frozen=True)
class RefreshPlan:
    """Whom an ingest asks for: `decisions` in the order of asking, and from which session on each is due.

    `sessions` are those that bars are taken in of, `left_alone` those in between. `settled_at`: those that bars are
    asked for on purpose, each with the instant (UTC) from which on the vendor no longer revises it. `ages`: sessions
    since each symbol was last asked for. `settled` symbols need no call.
    """

    sessions: Sequence[date]
    left_alone: Sequence[date]
    settled_at: Mapping[date, datetime]
    decisions: Sequence[Decision]
    due_from: Mapping[str, date]
    ages: Mapping[str, int | None]
    settled: int
    reasons: Mapping[str, tuple[str, str | None]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reasons", {one.symbol: (one.reason, one.priority) for one in self.decisions})

    @property
    def asked(self) -> list[tuple[str, date]]:
        """Those that are asked for, each with the first session that it is due for."""
        return [(one.symbol, self.due_from[one.symbol]) for one in self.decisions if one.refreshed]


def plan_refresh(
    connection: Connection,
    sessions: Sequence[date],
    held: Collection[date],
    calendar: Calendar,
    policy: Policy,
    watched: Collection[str],
    correction_sessions: int,
    symbols_per_call: Callable[[date, date], int],
    calls_left: int | None,
) -> RefreshPlan:
    """Decide whom to ask for, so that `sessions` are held and right, as far as the calls go; None: without a limit.

    `held` are the sessions held so far. The last `correction_sessions` of them before the last of `sessions` are asked
    for again, where that was not done since the vendor settled them.
    """
    first, last = min(sessions), max(sessions)
    corrected = {day for day in held if calendar.before(last, correction_sessions) <= day < last}
    core = sorted({*sessions, *corrected})
    size = symbols_per_call(core[0], last)
    back = next(
        day
        for count in range(REOPENED_SESSIONS, -1, -1)
        if (day := min(core[0], calendar.before(last, count))) and symbols_per_call(day, last) == size
    )
    reopened = [day for day in held if back <= day < last and day not in core]

    def settled_at(day: date) -> datetime:
        last_revision = min(last, calendar.after(day, correction_sessions))
        return calendar.closes_at(last_revision).astimezone(UTC).replace(tzinfo=None)

    symbols = listed_symbols(connection, first, last, calendar.before(core[0], DOLLAR_VOLUME_SESSIONS)) | {*watched}
    settled = {day: settled_at(day) for day in core}
    facts = read_facts(
        connection, symbols, settled, {day: settled_at(day) for day in reopened}, last, _since(calendar, last)
    )
    due = {one.symbol: one.due_from for one in facts if one.due_from}
    candidates = [_candidate(one, calendar, last, watched) for one in facts if one.symbol in due]
    decisions = decide(candidates, policy, last, None if calls_left is None else calls_left * size)
    taken = sorted({*core, *reopened})
    between = calendar.between(taken[0], last)
    return RefreshPlan(
        taken,
        [day for day in between if day not in set(taken)],
        settled,
        decisions,
        due,
        {one.symbol: one.age for one in candidates},
        len(facts) - len(candidates),
    )


def find_priorities(
    connection: Connection, session: date, calendar: Calendar, policy: Policy, watched: Collection[str]
) -> dict[str, str]:
    """Why symbols of the session's universe are always asked for; those for no reason are left out."""
    rows = connection.execute("select symbol from universe where session = ?", [session]).fetchall()
    facts = read_facts(connection, [symbol for (symbol,) in rows], {}, {}, session, _since(calendar, session))
    found = {one.symbol: priority(_candidate(one, calendar, session, watched), policy) for one in facts}
    return {symbol: reason for symbol, reason in found.items() if reason}


def _since(calendar: Calendar, last: date) -> Since:
    return Since(
        hits=calendar.before(last, RECENT_HIT_SESSIONS),
        dollars=calendar.before(last, DOLLAR_VOLUME_SESSIONS - 1),
        splits=calendar.before(last, 1),
    )


def _candidate(one: SymbolFacts, calendar: Calendar, last: date, watched: Collection[str]) -> Candidate:
    age = None
    if one.last_asked:
        age = calendar.index_at_or_after(last) - calendar.index_at_or_after(one.last_asked)
    return Candidate(
        one.symbol,
        age=age,
        on_watchlist=one.symbol in watched,
        is_recent_hit=one.is_recent_hit,
        dollar_volume_rank=one.dollar_volume_rank,
        changed=one.has_split,
    )
