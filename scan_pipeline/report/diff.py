"""How hits differ between two sessions, or since a run: which entered, left, or moved."""

from dataclasses import dataclass
from datetime import date

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.errors import SessionError
from scan_pipeline.store.connection import Connection


@dataclass(frozen=True)
class HitChange:
    """One hit that entered (`before` is None), left (`now` is None) or moved; numbers are ranks."""

    session: date
    scanner: str
    symbol: str
    before: int | None
    now: int | None

    @property
    def change(self) -> str:
        """In a word."""
        return "entered" if self.before is None else "left" if self.now is None else "moved"


def between_sessions(connection: Connection, first: date, second: date) -> list[HitChange]:
    """Hits of `second` against those of `first`. Raises SessionError for a session that has not been scanned."""
    for session in (first, second):
        if not connection.execute("select 1 from scanner_outcomes where session = ? limit 1", [session]).fetchall():
            raise SessionError(f"{session} has not been scanned. `scan-pipeline run --session {session}` scans it.")
    rows = connection.execute(
        """
        select $second, scanner, symbol, a.rank, b.rank
        from (from scan_results where session = $first) a
            full join (from scan_results where session = $second) b using (scanner, symbol)
        where a.rank is distinct from b.rank order by scanner, b.rank nulls last, a.rank
        """,
        {"first": first, "second": second},
    ).fetchall()
    return [HitChange(*row) for row in rows]


def since_run(connection: Connection, run_id: str) -> list[HitChange]:
    """How the hits of all sessions changed since a run (its id, or the begin of it) had stored its own.

    Raises SessionError for a run that stored none, or that is not the only one with that begin.
    """
    runs = connection.execute(
        """
        select run_id, min(moment) from (
            select run_id, scanned_at as moment from scanner_outcomes
            union all select run_id, changed_at from hit_changes
            union all select before_run_id, null from hit_changes
        ) where starts_with(run_id, ?) group by run_id order by 2 nulls first
        """,
        [run_id],
    ).fetchall()
    if not runs:
        raise SessionError(f"No run {run_id} has stored hits. `scan-pipeline status` lists the last runs.")
    if len(runs) > 1:
        raise SessionError(
            f"Several runs begin with {run_id}: {', '.join(run for run, _ in runs[:3])}. Give more of it."
        )
    ((run, at),) = runs
    rows = connection.execute(
        """
        select session, scanner, symbol, arg_min(coalesce(old_rank, 0), changed_at) as before,
            arg_max(coalesce(new_rank, 0), changed_at) as now
        from hit_changes
        where run_id <> $run and changed_at > coalesce($at,
            (select min(changed_at) - interval 1 microsecond from hit_changes where before_run_id = $run))
        group by all having before <> now order by session, scanner, now = 0, now, before
        """,
        {"run": run, "at": at},
    ).fetchall()
    return [
        HitChange(session, scanner, symbol, before or None, now or None)
        for session, scanner, symbol, before, now in rows
    ]


def print_changes(console: Console, title: str, changes: list[HitChange]) -> None:
    """One line a hit that entered, left or moved, and how many of each."""
    counts = {word: sum(one.change == word for one in changes) for word in ("entered", "left", "moved")}
    console.print(f"{title}: " + ", ".join(f"{count:,} {word}" for word, count in counts.items()))
    if not changes:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("session", "scanner", "symbol", "change"):
        table.add_column(name)
    for name in ("rank before", "rank now"):
        table.add_column(name, justify="right")
    for one in changes:
        ranks = ("–" if rank is None else str(rank) for rank in (one.before, one.now))
        table.add_row(str(one.session), one.scanner, escape(one.symbol), one.change, *ranks)
    console.print(table)
