"""What follows from the fingerprints of a session: for every symbol what changed, and whether it is scanned again.

The kinds of change, in the order in which one is named where there are several:

`new_bar` the session was not scanned before, or nothing of it is cached · `listed` the symbol was not there at the last
scan · `delisted` it was, and is no longer · `split` a split came, was corrected or became known · `revised` a bar of
its history is another · `screen` it passes the screen now and did not, or the other way round · `reference` name,
exchange, sector or market cap · `scanner` only scanners are others · `none`.

What belongs here: comparing and deciding, in SQL, one row a symbol. What does not: scanning. A symbol is scanned again
if it passes the screen and anything that its features or its hits are made of is another than at the last scan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from scan_pipeline.changes.fingerprints import compute_fingerprints
from scan_pipeline.store.connection import Connection

CHANGES = ("new_bar", "listed", "delisted", "split", "revised", "screen", "reference", "scanner", "none")


@dataclass(frozen=True)
class Deltas:
    """One session's changes since it was last scanned. `changes` counts symbols by kind, `rescanned` those of a kind
    that are scanned again. `cached_since`: when what is cached was computed (UTC); None where nothing is."""

    session: date
    symbols: int
    rescan: int
    changes: Mapping[str, int] = field(default_factory=dict)
    rescanned: Mapping[str, int] = field(default_factory=dict)
    cached_since: datetime | None = None
    scanners_changed: bool = False

    @property
    def cached(self) -> int:
        """Symbols whose cached features and hits stand."""
        return self.symbols - self.rescan

    @property
    def is_unchanged(self) -> bool:
        """Whether a scan would give what is there already."""
        return self.cached_since is not None and self.changes.get("none", 0) == self.symbols


_COMPARE = """
insert into incremental_deltas
with compared as (
    select symbol, now.bars, now.splits, now.reference, now.screen, reason, coalesce(now.has_bar, false) as has_bar,
        was.scanned_at, was.screen as was_screened,
        case
            when not $has_cache then 'new_bar'
            when was.symbol is null then 'listed'
            when now.symbol is null then 'delisted'
            when now.splits <> was.splits then 'split'
            when now.bars <> was.bars then 'revised'
            when now.screen <> was.screen then 'screen'
            when now.reference <> was.reference then 'reference'
            when $scanners_changed then 'scanner'
            else 'none'
        end as change
    from current_fingerprints now
        full join (from scan_fingerprints where session = $session and $has_cache) was using (symbol)
)
select $session, symbol, change, coalesce(screen, false) and change not in ('none', 'scanner') as rescan,
    case
        when change = 'delisted' then 'no longer in the universe'
        when not screen and was_screened then 'screened out: ' || reason
        when not screen then 'left out by the screen: ' || coalesce(reason, 'not decided')
        when change = 'none' then 'nothing that it is made of changed'
        when change = 'scanner' then 'its features stand; scanners run on them again'
        when change = 'screen' then 'screened in'
        when change = 'new_bar' then 'nothing of the session is cached'
        else change
    end as why,
    scanned_at as cached_since, bars, splits, reference, screen, $data_version, $run_id
from compared order by symbol
"""


def compute_deltas(
    connection: Connection,
    session: date,
    start: date,
    *,
    data_version: str,
    scanners_changed: bool,
    run_id: str,
) -> Deltas:
    """Replace the session's rows of `incremental_deltas`, and count them. Must run in a write transaction.

    `start` is where the history begins that a scan of the session reads; `data_version` that of what it would read.
    """
    compute_fingerprints(connection, session, start)
    cached_since = _cached_since(connection, session)
    connection.execute("delete from incremental_deltas where session = ?", [session])
    connection.execute(
        _COMPARE,
        {
            "session": session,
            "has_cache": cached_since is not None,
            "scanners_changed": scanners_changed,
            "data_version": data_version,
            "run_id": run_id,
        },
    )
    connection.execute("drop table current_fingerprints")
    rows = connection.execute(
        "select change, count(*), count(*) filter (rescan) from incremental_deltas where session = ? group by change",
        [session],
    ).fetchall()
    changes = {change: count for change, count, _ in rows}
    return Deltas(
        session,
        symbols=sum(changes.values()),
        rescan=sum(rescan for _, _, rescan in rows),
        changes=changes,
        rescanned={change: rescan for change, _, rescan in rows if rescan},
        cached_since=cached_since,
        scanners_changed=scanners_changed,
    )


def _cached_since(connection: Connection, session: date) -> datetime | None:
    """When what is cached of the session was computed, if features and fingerprints of the same scan are held."""
    row = connection.execute("select max(scanned_at) from scan_fingerprints where session = ?", [session]).fetchone()
    return row[0] if row else None
