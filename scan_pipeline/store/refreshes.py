"""Bars that are taken in symbol by symbol: whom to ask for, what came of it, and how old the others are.

What belongs here: the table `symbol_refreshes`, and taking in some symbols of a session without touching the others.
What does not: who is chosen (`changes/refresh.py`), and for which sessions (`stages/refresh.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from scan_pipeline.providers.base import SymbolDelivery
from scan_pipeline.store.bars import IngestedSession, take_in
from scan_pipeline.store.connection import Connection

#: The reason in `symbol_refreshes` for those that were asked for in vain.
NOT_HAD = "not to be had"


class LosesBarsError(Exception):
    """What came would lose too many of the bars that are held: `lost` of each session."""

    def __init__(self, lost: Mapping[date, int]) -> None:
        super().__init__(", ".join(f"{count:,} bars of {day}" for day, count in sorted(lost.items())))
        self.lost = lost


@dataclass(frozen=True)
class SymbolFacts:
    """What is known of a symbol. `due_from`: the first session for which its bar is missing or may be another by now;
    None: there is none. `last_asked`: the last session up to now for which it was asked for; None: never.
    """

    symbol: str
    due_from: date | None
    last_asked: date | None
    is_recent_hit: bool
    dollar_volume_rank: int | None
    has_split: bool


@dataclass(frozen=True)
class Since:
    """From which session on something is looked at: scanners' hits, dollar volume, splits of those never asked for."""

    hits: date
    dollars: date
    splits: date


def listed_symbols(connection: Connection, first: date, last: date, since: date) -> set[str]:
    """The symbols that may have traded from `first` to `last`: those on lists of that time, or of the next one after
    it, and those with a bar from `since` on.
    """
    rows = connection.execute(
        """
        select distinct symbol from listings
        where as_of >= coalesce((select max(as_of) from listings where as_of <= $first), date '1970-01-01')
            and as_of <= coalesce((select min(as_of) from listings where as_of >= $last), $last)
        union
        select distinct symbol from price_bars where session between $since and $last
        """,
        {"first": first, "last": last, "since": since},
    ).fetchall()
    return {symbol for (symbol,) in rows}


def read_facts(
    connection: Connection,
    symbols: Collection[str],
    sessions: Mapping[date, datetime],
    reopened: Mapping[date, datetime],
    last: date,
    since: Since,
) -> list[SymbolFacts]:
    """What is known of each symbol, in their order, as of the session `last`.

    `sessions` are those to hold, each with the instant (UTC) from which on it is settled: a bar that was asked for
    before may be another by now. `reopened` ones are looked at only for symbols due in `sessions`, and only where a
    former ingest had decided on them.
    """
    _register_days(connection, "wanted", {**reopened, **sessions}, [*sessions])
    connection.execute(
        "create or replace temp table listed as select unnest(?::VARCHAR[]) as symbol", [sorted(symbols)]
    )
    rows = connection.execute(
        """
        with due as (
            select listed.symbol, min(wanted.session) as due_from, bool_or(is_core) as is_due
            from listed cross join wanted
                left join symbol_refreshes asked on asked.session = wanted.session and asked.symbol = listed.symbol
            where (asked.refreshed_at is null or asked.refreshed_at < settled_at)
                and (is_core or asked.symbol is not null)
            group by listed.symbol
        ),
        last_asked as (
            select symbol, max(session) as last_asked from symbol_refreshes
            where refreshed_at is not null and session <= $last group by symbol
        ),
        hits as (
            select distinct symbol, true as is_hit from scan_results where session between $hits and $last
        ),
        dollars as (
            select symbol, row_number() over (order by avg(close * volume) desc, symbol) as place
            from price_bars where session between $dollars and $last group by symbol
        ),
        divided as (
            select distinct symbol, true as has_split from splits left join last_asked using (symbol)
            where ex_date > coalesce(last_asked, $splits) and ex_date <= $last
        )
        select symbol, case when is_due then due_from end, last_asked, coalesce(is_hit, false), place,
            coalesce(has_split, false)
        from listed left join due using (symbol) left join last_asked using (symbol) left join hits using (symbol)
            left join dollars using (symbol) left join divided using (symbol)
        order by symbol
        """,
        {"last": last, "hits": since.hits, "dollars": since.dollars, "splits": since.splits},
    ).fetchall()
    connection.execute("drop table wanted; drop table listed")
    return [SymbolFacts(*row) for row in rows]


def take_in_symbols(
    connection: Connection,
    delivery: SymbolDelivery,
    sessions: Sequence[date],
    left_alone: Sequence[date],
    reasons: Mapping[str, tuple[str, str | None]],
    max_lost_share: float,
    asked_at: datetime,
    run_id: str,
) -> list[IngestedSession]:
    """Replace the bars of the delivery's symbols in `sessions`; those of all others stand. What each session holds now.

    `left_alone` are sessions in between that are not taken in. `reasons`: for each symbol why it was asked for, and its
    priority. Raises LosesBarsError, which the caller answers by a rollback, where too many bars would be lost.
    """
    symbols = delivery.symbols
    connection.execute(
        "create or replace temp table held_before as select session, symbol from price_bars "
        "where session in (select unnest($1::DATE[])) and symbol in (select unnest($2::VARCHAR[])) and not provisional",
        [list(sessions), list(symbols)],
    )
    landed, _ = take_in(connection, delivery, sessions, sessions[0], run_id, only=symbols, left_alone=left_alone)
    # One bar may be withdrawn from however few: a share of them would never allow it.
    losing = connection.execute(
        "select session, count(*) filter (price_bars.symbol is null) as lost from held_before "
        "left join price_bars using (session, symbol) group by session having lost > greatest(1, ? * count(*))",
        [max_lost_share],
    ).fetchall()
    if losing:
        raise LosesBarsError(dict(losing))
    held = _held(connection, sessions)
    _note(connection, dict.fromkeys(held, asked_at), {one: reasons[one] for one in symbols}, asked_at, run_id)
    return landed


def note_left_out(
    connection: Connection,
    settled_at: Mapping[date, datetime],
    reasons: Mapping[str, tuple[str, str | None]],
    run_id: str,
) -> None:
    """Note for which reason symbols were not asked for, or in vain: of the sessions held that they were due for.

    `settled_at`: as in `read_facts`. When they were asked for before stays. Must run in a write transaction.
    """
    _note(connection, {day: settled_at[day] for day in _held(connection, [*settled_at])}, reasons, None, run_id)


def _note(
    connection: Connection,
    days: Mapping[date, datetime],
    reasons: Mapping[str, tuple[str, str | None]],
    asked_at: datetime | None,
    run_id: str,
) -> None:
    """Replace rows of the days: of all the symbols where they were asked for, else of those not asked for since."""
    _register_days(connection, "noted_days", days, ())
    connection.register(
        "given_reasons",
        {
            "symbol": _texts([*reasons]),
            "reason": _texts([reason for reason, _ in reasons.values()]),
            "priority": _texts([priority for _, priority in reasons.values()]),
        },
    )
    connection.execute(
        """
        create or replace temp table noted as
        select noted_days.session, given.symbol::VARCHAR as symbol, $asked_at::TIMESTAMP is not null as refreshed,
            given.reason::VARCHAR as reason, given.priority::VARCHAR as priority,
            coalesce($asked_at::TIMESTAMP, refreshed_at) as refreshed_at, $run_id as run_id
        from given_reasons given cross join noted_days
            left join symbol_refreshes before
            on before.session = noted_days.session and before.symbol = given.symbol::VARCHAR
        where $asked_at::TIMESTAMP is not null or refreshed_at is null or refreshed_at < settled_at
        """,
        {"asked_at": asked_at, "run_id": run_id},
    )
    connection.execute(
        "delete from symbol_refreshes using noted where symbol_refreshes.session = noted.session "
        "and symbol_refreshes.symbol = noted.symbol"
    )
    connection.execute("insert into symbol_refreshes from noted order by session, symbol")
    connection.execute("drop table noted; drop table noted_days")
    connection.unregister("given_reasons")


def _held(connection: Connection, sessions: Sequence[date]) -> list[date]:
    """Those of the sessions that are held. One that is not is not there yet: nobody has been asked in earnest."""
    rows = connection.execute(
        "select session from ingested_sessions where not provisional and session in (select unnest(?::DATE[]))",
        [list(sessions)],
    ).fetchall()
    return [day for (day,) in rows]


def calls_made(connection: Connection, provider: str, day: date) -> int:
    """Calls for bars that were noted on the day."""
    ((calls,),) = connection.execute(
        "select coalesce(sum(calls), 0) from fetches where what = ? and fetched_on = ?", [f"bars of {provider}", day]
    ).fetchall()
    return int(calls)


def note_calls(connection: Connection, provider: str, day: date, calls: int) -> None:
    """Note that so many more calls for bars were made on the day. Must run in a write transaction."""
    if calls:
        total = calls_made(connection, provider, day) + calls
        connection.execute("delete from fetches where what = ? and fetched_on = ?", [f"bars of {provider}", day])
        connection.execute("insert into fetches values (?, ?, ?)", [f"bars of {provider}", day, total])


def mark_unasked(connection: Connection, sessions: Sequence[date]) -> None:
    """Say in the screen's decisions of symbols without a bar that nobody asked for one. In a write transaction."""
    connection.execute(
        """
        update prefiltered_symbols set reason = 'not asked for that day: ' || asked.reason
        from symbol_refreshes asked
        where asked.session in (select unnest(?::DATE[])) and asked.refreshed_at is null and not ok_traded
            and prefiltered_symbols.session = asked.session and prefiltered_symbols.symbol = asked.symbol
        """,
        [list(sessions)],
    )


def mark_deltas(connection: Connection, session: date, priorities: Mapping[str, str], now: datetime) -> None:
    """Add to the session's `incremental_deltas` who was asked for and why. Must run in the same write transaction.

    `priorities`: why symbols would always be asked for, where one call brings the whole market.
    """
    ((by_symbol,),) = connection.execute(
        "select count(*) from symbol_refreshes where session = ?", [session]
    ).fetchall()
    if by_symbol:
        connection.execute(
            """
            update incremental_deltas set priority = known.priority, refreshed = coalesce(known.refreshed, false),
                refresh_reason = coalesce(reason, 'not on a list when bars were asked for'),
                refreshed_at = known.refreshed_at, refresh_age_hours = epoch($now - known.refreshed_at) / 3600
            from (
                select symbol, any_value(asked.priority) filter (asked.session = $session) as priority,
                    bool_or(asked.refreshed) filter (asked.session = $session) as refreshed,
                    any_value(reason) filter (asked.session = $session) as reason,
                    max(asked.refreshed_at) as refreshed_at
                from incremental_deltas deltas
                    left join (from symbol_refreshes where session <= $session) asked using (symbol)
                where deltas.session = $session group by symbol
            ) known
            where incremental_deltas.session = $session and incremental_deltas.symbol = known.symbol
            """,
            {"session": session, "now": now},
        )
        return
    if priorities:
        connection.register(
            "given_priorities", {"symbol": _texts([*priorities]), "priority": _texts([*priorities.values()])}
        )
        connection.execute(
            "update incremental_deltas set priority = given_priorities.priority::VARCHAR from given_priorities "
            "where session = ? and incremental_deltas.symbol = given_priorities.symbol",
            [session],
        )
        connection.unregister("given_priorities")


_STALE = """
select session, symbol, refreshed_at from symbol_refreshes
where not refreshed and refreshed_at is not null and session in (select unnest(?::DATE[]))
"""


def mark_stale(connection: Connection, sessions: Sequence[date]) -> None:
    """Mark the hits whose bar of the session the latest ingest left out. Must run in a write transaction."""
    connection.execute(
        "update scan_results set stale_since = null "
        "where stale_since is not null and session in (select unnest(?::DATE[]))",
        [list(sessions)],
    )
    connection.execute(
        f"update scan_results set stale_since = refreshed_at from ({_STALE}) stale "
        "where scan_results.session = stale.session and scan_results.symbol = stale.symbol",
        [list(sessions)],
    )


def marks_stand(connection: Connection, session: date) -> bool:
    """Whether the hits of the session are marked as `mark_stale` would mark them now."""
    ((wrong,),) = connection.execute(
        f"select count(*) from scan_results left join ({_STALE}) stale using (session, symbol) "
        "where session = ? and stale_since is distinct from refreshed_at",
        [[session], session],
    ).fetchall()
    return not wrong


def _register_days(connection: Connection, name: str, days: Mapping[date, datetime], core: Collection[date]) -> None:
    """A temporary table of sessions: `session`, `settled_at`, `is_core`."""
    connection.register(
        "given_days",
        {
            "day": np.array([*days], dtype="datetime64[D]").astype(np.int32),
            "settled_at": np.array([*days.values()], dtype="datetime64[us]"),
            "is_core": np.array([day in core for day in days], dtype=bool),
        },
    )
    connection.execute(
        f"create or replace temp table {name} as "
        "select date '1970-01-01' + day as session, settled_at, is_core from given_days"
    )
    connection.unregister("given_days")


def _texts(texts: Sequence[str | None]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(texts, dtype=object)
