"""Bars in the store: taking a delivery in, and reading history out.

Taking in: a delivery's rows are judged by the named rules, the latest good print of each bar becomes the bar, every
other row is accounted for, and the sessions are replaced as a whole, or some symbols of them, in the caller's
transaction.
Reading out: plain columns for `features/bars.py`, which lays them out and applies splits. Prices stay as traded here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from scan_pipeline.providers.base import Delivery
from scan_pipeline.store.bar_rules import DUPLICATE, first_broken_rule
from scan_pipeline.store.connection import Connection


@dataclass(frozen=True)
class Refreshed:
    """How far the calls of an ingest went, in symbols: `listed` = `refreshed` + `settled` + sum of `left_out`.

    `settled` ones needed no call. `left_out` counts the others by reason, `oldest` is the greatest age among them, in
    sessions; None where one was never asked for. `budget_calls` 0: no limit.
    """

    listed: int
    refreshed: int
    settled: int
    left_out: Mapping[str, int]
    oldest: int | None
    budget_calls: int

    @property
    def cached_share(self) -> float:
        """Of all symbols, the share whose bars are those that were held."""
        return 1 - self.refreshed / self.listed if self.listed else 0.0

    def __str__(self) -> str:
        said = [f"refreshed {self.refreshed:,} of {self.listed:,} symbols"]
        for reason, count in self.left_out.items():
            words = f"not within the budget of {self.budget_calls:,} calls a day" if reason == "over budget" else reason
            said.append(f"{count:,} {words}")
        if self.settled:
            said.append(f"{self.settled:,} needed no call")
        if self.left_out:
            age = "never asked for yet" if self.oldest is None else f"asked for {self.oldest:,} sessions ago"
            said.append(f"the oldest of those left out {age}")
        return ", ".join(said)


@dataclass(frozen=True)
class IngestedSession:
    """What became of one session's delivery. `delivered` = `bars` + `superseded` + sum of `rejected`, in rows."""

    session: date
    delivered: int
    bars: int
    superseded: int
    rejected: dict[str, int]
    lost_bars: int
    revised: int = 0
    #: Not asked for again: it is held, and the vendor no longer changes it.
    was_held: bool = False
    #: The instant (UTC) that provisional bars are of; None: they are final.
    snapshot_at: datetime | None = None
    #: How far the calls went, where a provider is asked by the symbol.
    refresh: Refreshed | None = None

    @property
    def lost_share(self) -> float:
        """Of all bars (symbol and date) delivered, the share without one good print."""
        distinct = self.bars + self.lost_bars
        return self.lost_bars / distinct if distinct else 0.0


def take_in(
    connection: Connection,
    delivery: Delivery,
    sessions: Sequence[date],
    previous: date,
    run_id: str,
    snapshot_at: datetime | None = None,
    only: Sequence[str] | None = None,
    left_alone: Sequence[date] = (),
) -> tuple[list[IngestedSession], int]:
    """Replace `sessions` (consecutive, oldest first) by what the delivery holds for them.

    `previous` is the session before the first: rows dated on a closed day in between belong to the session after it.
    A row without a readable date belongs to the session of its `reported_on`, or, without one, to none.

    What differs from the bars that were held is noted in `bar_revisions`. With `snapshot_at` (UTC) the bars are
    provisional, as of that instant: they are not held, and what replaces them revises nothing.
    With `only`, bars and rejected rows of these symbols alone are replaced, those of the others stand, and a session's
    account is that of all; `sessions` may have gaps then, and rows of the sessions `left_alone` in them are not read.
    Returns what became of each session that something was delivered for, and the number of rejected rows of none.
    Must run in a write transaction.
    """
    connection.execute("create or replace temp table taken (session DATE)")
    connection.executemany("insert into taken values (?)", [[session] for session in sessions])
    connection.execute(f"create or replace temp table delivered as {delivery.rows(connection).sql_query()}")
    mine = "true"
    if only is not None:
        mine = "symbol in (from asked)"
        connection.execute("create or replace temp table asked as select unnest(?::VARCHAR[]) as symbol", [list(only)])
        connection.execute("delete from delivered where session_day in (select unnest(?::DATE[]))", [list(left_alone)])
    connection.execute(_JUDGE)
    connection.execute(
        """
        create or replace temp table prints as
        select * exclude (rule),
            case when rule is not null then rule
                 when place > 1 and later_reported_on is not distinct from reported_on then $duplicate
            end as rule
        from (
            select *,
                case when rule is null then row_number() over bar end as place,
                case when rule is null then lag(reported_on) over bar end as later_reported_on,
                case when rule is null then min(reported_on) over bar_prints end as first_reported_on
            from judged
            window bar_prints as (partition by rule is null, symbol, day),
                   bar as (partition by rule is null, symbol, day order by reported_on desc nulls last, line desc)
        )
        """,
        {"duplicate": DUPLICATE.name},
    )
    # A session for which nothing is delivered keeps what it has.
    connection.execute("delete from taken where session not in (select session from prints where session is not null)")
    connection.execute(_REPLACE_BARS.format(mine=mine), {"provisional": snapshot_at is not None})
    taken_at = datetime.now(UTC).replace(tzinfo=None)
    was_asked = "true" if only is None else _WAS_ASKED
    connection.execute(
        _NOTE_REVISIONS.format(mine=mine, was_asked=was_asked), {"revised_at": taken_at, "run_id": run_id}
    )
    undated = _replace_rejected(connection, mine)
    outcomes = _account(connection, taken_at, snapshot_at) if only is None else _account_all(connection, taken_at)
    connection.execute("delete from ingested_sessions where session in (from taken)")
    if outcomes:
        connection.executemany(
            "insert into ingested_sessions values (?, ?, ?, ?, ?, ?, ?, null, ?, ?, ?, ?)",
            [
                [one.session, delivery.name, one.delivered, one.bars, one.superseded, sum(one.rejected.values()),
                 one.lost_bars, taken_at, run_id, snapshot_at is not None, snapshot_at]
                for one in outcomes
            ],
        )  # fmt: skip
        hash_bars(connection, [one.session for one in outcomes])
    connection.execute("drop table delivered; drop table judged; drop table prints; drop table seen; drop table taken")
    return outcomes, undated


# The raw values are kept as JSON for rejected rows alone: `case` spares the others the conversion.
_JUDGE = f"""
create or replace temp table judged as
with parsed as (
    select rowid as line, source, try_cast(reported_on as DATE) as reported_on,
        nullif(trim(symbol), '') as symbol, session_day as day,
        try_cast(open as DOUBLE) as open, try_cast(high as DOUBLE) as high, try_cast(low as DOUBLE) as low,
        try_cast(close as DOUBLE) as close, try_cast(volume as DOUBLE) as volume,
        try_cast(adj_close as DOUBLE) as adj_close, try_cast(vwap as DOUBLE) as vwap,
        try_cast(trades as BIGINT) as trades,
        symbol as raw_symbol, raw
    from delivered
),
dated as (
    select parsed.*, coalesce(parsed.day, parsed.reported_on) as counted_on, taken.session is not null as is_session
    from parsed left join taken on taken.session = parsed.day
),
judged as (select *, {first_broken_rule()} as rule from dated)
select judged.* exclude (raw, raw_symbol, counted_on, is_session), taken.session,
    case when rule is not null then to_json(raw) end as raw
from judged asof left join taken on judged.counted_on <= taken.session
"""

_REPLACE_BARS = """
create or replace temp table seen as
select * from price_bars where session in (from taken) and not provisional and {mine};
delete from price_bars where session in (from taken) and ({mine} or provisional);
insert into price_bars
select prints.session, symbol, prints.open, prints.high, prints.low, prints.close, prints.volume, prints.adj_close,
    least(prints.first_reported_on, seen.first_reported_on), prints.reported_on, prints.vwap, prints.trades,
    $provisional
from prints left join seen using (session, symbol)
where rule is null and place = 1
order by session, symbol;
"""

_NOTE_REVISIONS = """
insert into bar_revisions
select session, symbol, seen.open, seen.high, seen.low, seen.close, seen.volume,
    bars.open, bars.high, bars.low, bars.close, bars.volume, $revised_at, $run_id
from (from price_bars where session in (from taken) and {mine}) bars full join seen using (session, symbol)
where session in (select session from ingested_sessions where not provisional) and {was_asked}
    and row(bars.open, bars.high, bars.low, bars.close, bars.volume)
        is distinct from row(seen.open, seen.high, seen.low, seen.close, seen.volume)
order by session, symbol
"""

# Of a session that is taken in symbol by symbol, a symbol's first bar came no later than others': it revises nothing.
_WAS_ASKED = (
    "(seen.symbol is not null or (session, symbol) in "
    "(select session, symbol from symbol_refreshes where refreshed_at is not null))"
)


def hash_bars(connection: Connection, sessions: Sequence[date]) -> None:
    """Note in `ingested_sessions` the hash of the sessions' bars. Whatever changes bars must end with it."""
    connection.execute(
        """
        update ingested_sessions set bars_hash = hashed.bars_hash
        from (
            select session, bit_xor(hash(symbol, open, high, low, close, volume)) as bars_hash
            from price_bars where session in (select unnest(?::DATE[])) group by session
        ) as hashed
        where ingested_sessions.session = hashed.session
        """,
        [list(sessions)],
    )


def read_accounts(connection: Connection) -> dict[date, tuple[datetime, IngestedSession]]:
    """For every session held, when it was taken in (UTC) and what became of it then. Provisional ones are not held."""
    rejected: dict[date, dict[str, int]] = {}
    for session, rule, count in connection.execute(
        "select session, rule, count(*) from rejected_bars where session is not null group by all"
    ).fetchall():
        rejected.setdefault(session, {})[rule] = count
    return {
        session: (
            at,
            IngestedSession(session, delivered, bars, superseded, rejected.get(session, {}), lost, was_held=True),
        )
        for session, delivered, bars, superseded, lost, at in connection.execute(
            "select session, delivered, bars, superseded, lost_bars, ingested_at from ingested_sessions "
            "where not provisional"
        ).fetchall()
    }


def read_provisional(connection: Connection) -> dict[date, datetime]:
    """The sessions whose bars are provisional, and the instant (UTC) that they are of."""
    return dict(connection.execute("select session, snapshot_at from ingested_sessions where provisional").fetchall())


def _replace_rejected(connection: Connection, mine: str) -> int:
    connection.execute(
        f"""
        delete from rejected_bars where session in (from taken) and {mine};
        delete from rejected_bars where session is null
            and source in (select distinct source from prints);
        insert into rejected_bars
        select session, symbol, rule,
            coalesce(raw, to_json({{open: open, high: high, low: low, close: close, volume: volume, date: day}})),
            reported_on, source
        from prints where rule is not null order by session, symbol, line
        """
    )
    row = connection.execute("select count(*) from prints where session is null").fetchone()
    return int(row[0]) if row else 0


def _account(connection: Connection, taken_at: datetime, snapshot_at: datetime | None) -> list[IngestedSession]:
    totals: list[Any] = connection.execute(
        """
        with by_bar as (
            select session, symbol, day, count(*) as rows, count(*) filter (rule is null and place = 1) as bars,
                count(*) filter (rule is null and place > 1) as superseded, bool_and(rule is not null) as lost
            from prints where session is not null group by all
        )
        select session, coalesce(sum(rows), 0), coalesce(sum(bars), 0), coalesce(sum(superseded), 0),
            count(*) filter (lost)
        from taken left join by_bar using (session) group by session order by session
        """
    ).fetchall()
    rejected: dict[date, dict[str, int]] = {}
    for session, rule, count in connection.execute(
        "select session, rule, count(*) from prints where rule is not null and session is not null "
        "group by all order by all"
    ).fetchall():
        rejected.setdefault(session, {})[rule] = count
    revised = _revised(connection, taken_at)
    return [
        IngestedSession(
            session,
            int(rows),
            int(bars),
            int(superseded),
            rejected.get(session, {}),
            int(lost),
            revised.get(session, 0),
            snapshot_at=snapshot_at,
        )
        for session, rows, bars, superseded, lost in totals
    ]


def _account_all(connection: Connection, taken_at: datetime) -> list[IngestedSession]:
    """What the sessions hold now, after some symbols were replaced; earlier prints are those of all deliveries."""
    totals: list[Any] = connection.execute(
        """
        with held as (select session, symbol from price_bars where session in (from taken))
        select session, (select count(*) from held where held.session = taken.session),
            coalesce(ingested_sessions.superseded, 0)
                + (select count(*) from prints where prints.session = taken.session and rule is null and place > 1),
            (select count(distinct symbol) from rejected_bars anti join held using (session, symbol)
             where rejected_bars.session = taken.session)
        from taken left join ingested_sessions using (session) order by session
        """
    ).fetchall()
    rejected: dict[date, dict[str, int]] = {}
    for session, rule, count in connection.execute(
        "select session, rule, count(*) from rejected_bars where session in (from taken) group by all order by all"
    ).fetchall():
        rejected.setdefault(session, {})[rule] = count
    revised = _revised(connection, taken_at)
    return [
        IngestedSession(
            session, bars + superseded + sum(rejected.get(session, {}).values()), bars, superseded,
            rejected.get(session, {}), lost, revised.get(session, 0),
        )
        for session, bars, superseded, lost in totals
    ]  # fmt: skip


def _revised(connection: Connection, taken_at: datetime) -> dict[date, int]:
    """Bars that changed at that instant, by session."""
    return dict(
        connection.execute(
            "select session, count(*) from bar_revisions where revised_at = ? and session in (from taken) group by all",
            [taken_at],
        ).fetchall()
    )
