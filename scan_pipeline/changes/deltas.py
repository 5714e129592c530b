"""What follows from the fingerprints of a session: for every symbol what changed, and whether it is scanned again.

The kinds of change; where there are several, the first is named:

`new_bar` nothing of the session is cached · `listed` the symbol was not there at the last scan · `delisted` it was, and
is no longer · `split` a split came, was corrected or became known · `revised` a bar of its history is another ·
`screen` it passes the screen now and did not, or the other way round · `reference` name, exchange, sector or market
cap · `scanner` only scanners are others · `none`.

What belongs here: comparing and deciding, in SQL, one row a symbol. What does not: scanning. A symbol is scanned again
if it passes the screen and anything that its features are made of is another than at the last scan. Scanners then see
all symbols' features, cached ones and new ones, so that one which compares symbols is right as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np

from scan_pipeline.changes.fingerprints import compute_fingerprints, older_version
from scan_pipeline.features.version import features_version
from scan_pipeline.sessions import SessionArray
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.refreshes import marks_stand

CHANGES = ("new_bar", "listed", "delisted", "split", "revised", "screen", "reference", "scanner", "none")


@dataclass(frozen=True)
class Deltas:
    """One session's changes since it was last scanned, in symbols.

    `changes` counts all by kind, `rescanned` those that are scanned again. `cached_since`: when what is cached was
    computed (UTC), the oldest of it; None where nothing is.
    """

    session: date
    symbols: int
    changes: Mapping[str, int] = field(default_factory=dict)
    rescanned: Mapping[str, int] = field(default_factory=dict)
    cached_since: datetime | None = None

    @property
    def rescan(self) -> int:
        """Symbols that are scanned again."""
        return sum(self.rescanned.values())

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} {_WORDS.get(kind, kind)}" for kind, count in self.rescanned.items())
        return (
            f"{self.rescan:,} of {self.symbols:,} symbols rescanned{f' ({kinds})' if kinds else ''}, "
            f"{self.symbols - self.rescan:,} cached"
        )


_WORDS = {"new_bar": "new", "screen": "screened in"}

_COMPARE = """
insert into incremental_deltas
with was as (from scan_fingerprints where session = $session and $has_cache),
compared as (
    select symbol, now.bars, now.recent_bars, now.splits, now.reference, now.screen, reason, was.scanned_at,
        was.screen as was_screened,
        case
            when not $has_cache then 'new_bar'
            when was.symbol is null then 'listed'
            when now.symbol is null then 'delisted'
            when $scanners_changed and not $are_features_kept then 'scanner'
            when now.splits <> was.splits then 'split'
            when now.bars <> was.bars then 'revised'
            when now.screen <> was.screen then 'screen'
            when now.reference <> was.reference then 'reference'
            when $scanners_changed then 'scanner'
            else 'none'
        end as change
    from current_fingerprints now full join was using (symbol)
)
select $session, symbol, change,
    coalesce(screen, false) and (change not in ('none', 'scanner') or not $are_features_kept) as rescan,
    case
        when change = 'delisted' then 'no longer in the universe'
        when not screen and was_screened then 'screened out: ' || coalesce(reason, 'not decided')
        when not screen then 'left out by the screen: ' || coalesce(reason, 'not decided')
        when change in ('none', 'scanner') and not $are_features_kept
            then 'a scanner asks for features that are not cached'
        when change = 'none' then 'nothing that it is made of changed'
        when change = 'scanner' then 'its features stand; scanners run on them again'
        when change = 'new_bar' then 'nothing of the session is cached'
        when change = 'listed' then 'not in the universe at the last scan'
        when change = 'split' then 'a split came, was corrected or became known'
        when change = 'revised' then 'a bar of its history is another'
        when change = 'screen' then 'screened in'
        else 'name, exchange, sector or market cap is another'
    end as why,
    scanned_at as cached_since, epoch($now - scanned_at) / 3600 as age_hours, bars, recent_bars, splits,
    reference, screen, $data_version, $cached_run_id, $run_id,
    null, true, 'whole market', $ingested_at, epoch($now - $ingested_at) / 3600
from compared order by symbol
"""

_NOTHING_CHANGED = """
insert into incremental_deltas
select $session, symbol, 'none', false,
    case when screen then 'nothing that it is made of changed' else 'left out by the screen, as before' end,
    scanned_at, epoch($now - scanned_at) / 3600, bars, recent_bars, splits, reference, screen, $data_version, run_id,
    $run_id,
    null, true, 'whole market', $ingested_at, epoch($now - $ingested_at) / 3600
from scan_fingerprints where session = $session order by symbol
"""


def compute_deltas(
    connection: Connection,
    session: date,
    window: SessionArray,
    *,
    benchmark: str | None,
    data_version: str,
    code_versions: Mapping[str, str],
    are_features_kept: bool,
    run_id: str,
) -> Deltas:
    """Replace the session's rows of `incremental_deltas`, and count them. Must run in a write transaction.

    `window` are the sessions that a scan of the session reads, up to itself, and `benchmark` the symbol that others are
    held against, where scanners ask for that. `data_version` is that of what a scan would read now, `code_versions`
    those of the scanners by name. `are_features_kept`: whether the cache has all features that scanners ask for.
    """
    cached_run_id = cached_run(connection, session)
    same_data, same_scanners = _what_is_the_same(connection, session, data_version, code_versions)
    connection.execute("delete from incremental_deltas where session = ?", [session])
    given = {
        "session": session,
        "now": datetime.now(UTC).replace(tzinfo=None),
        "data_version": data_version,
        "run_id": run_id,
        "ingested_at": _ingested_at(connection, session),
    }
    if cached_run_id and same_data and same_scanners and are_features_kept:
        connection.execute(_NOTHING_CHANGED, given)
    else:
        compute_fingerprints(connection, session, window, benchmark, features_version())
        cache = {"has_cache": cached_run_id is not None, "cached_run_id": cached_run_id}
        connection.execute(
            _COMPARE, given | cache | {"scanners_changed": not same_scanners, "are_features_kept": are_features_kept}
        )
        connection.execute("drop table current_fingerprints")
    rows = connection.execute(
        "select change, count(*), count(*) filter (rescan), min(cached_since) from incremental_deltas "
        "where session = ? group by change",
        [session],
    ).fetchall()
    counts = {change: (count, rescanned) for change, count, rescanned, _ in rows}
    return Deltas(
        session,
        symbols=sum(count for count, _ in counts.values()),
        changes={change: counts[change][0] for change in CHANGES if change in counts},
        rescanned={change: counts[change][1] for change in CHANGES if change in counts and counts[change][1]},
        cached_since=min((since for *_, since in rows if since), default=None),
    )


def read_standing(connection: Connection, session: date, data_version: str) -> dict[str, datetime]:
    """The symbols of the session whose cached features stand, and when these were computed (UTC).

    None do where the deltas are of other data than `data_version`, or where the cache is no longer the one that they
    were compared with.
    """
    return dict(
        connection.execute(
            """
            select symbol, cached_since from incremental_deltas
            where session = $session and data_version = $data_version and screen and not rescan
                and cached_run_id = $cached_run_id
            """,
            {"session": session, "data_version": data_version, "cached_run_id": cached_run(connection, session)},
        ).fetchall()
    )


def is_scanned(connection: Connection, session: date, data_version: str, code_versions: Mapping[str, str]) -> bool:
    """Whether the last scan of the session read this data, ran these scanners, and is what a scan would give now."""
    return (
        cached_run(connection, session) is not None
        and all(_what_is_the_same(connection, session, data_version, code_versions))
        and marks_stand(connection, session)
    )


def keep_fingerprints(
    connection: Connection,
    session: date,
    window: SessionArray,
    *,
    benchmark: str | None,
    data_version: str,
    cached: Mapping[str, datetime],
    scanned_at: datetime,
    run_id: str,
) -> None:
    """Note what the session's features, just stored, were computed from. Must run in the same write transaction.

    The features of the symbols in `cached` were computed before, at the time that is given; the others' at
    `scanned_at`. Where deltas of the same data are there, their fingerprints are taken; else they are computed.
    """
    made = connection.execute(
        "create or replace temp table current_fingerprints as "
        "select symbol, bars, recent_bars, splits, reference, screen "
        "from incremental_deltas where session = ? and data_version = ? and change <> 'delisted'",
        [session, data_version],
    ).fetchone()
    if not made or not made[0]:
        compute_fingerprints(connection, session, window, benchmark, features_version())
    connection.execute("delete from scan_fingerprints where session = ?", [session])
    times = np.array([*cached.values()], dtype="datetime64[us]")
    connection.register("cached", {"symbol": np.array([*cached], dtype=object), "cached_at": times})
    connection.execute(
        "insert into scan_fingerprints "
        "select ?, symbol, bars, recent_bars, splits, reference, screen, ?, ?, coalesce(cached_at, ?), ? "
        "from current_fingerprints "
        # Where there are no rows, numpy's texts have no type.
        "left join (select symbol::VARCHAR as symbol, cached_at from cached) using (symbol) order by symbol",
        [session, features_version(), older_version(connection, window), scanned_at, run_id],
    )
    connection.unregister("cached")
    connection.execute("drop table current_fingerprints")


def cached_run(connection: Connection, session: date) -> str | None:
    """The run whose scan of the session is cached, if its features were computed by the same code."""
    row = connection.execute(
        "select any_value(run_id) from scan_fingerprints where session = ? and engine = ?",
        [session, features_version()],
    ).fetchone()
    return row[0] if row else None


def _ingested_at(connection: Connection, session: date) -> datetime | None:
    """When the session's bars were taken in (UTC)."""
    row = connection.execute("select ingested_at from ingested_sessions where session = ?", [session]).fetchone()
    return row[0] if row else None


def _what_is_the_same(
    connection: Connection, session: date, data_version: str, code_versions: Mapping[str, str]
) -> tuple[bool, bool]:
    """Whether the last scan of the session read the same data, and ran the same scanners."""
    rows = connection.execute(
        "select scanner, code_version, data_version from scanner_outcomes where session = ? and kind = 'sql'", [session]
    ).fetchall()
    same_data = bool(rows) and all(version == data_version for *_, version in rows)
    return same_data, {scanner: version for scanner, version, _ in rows} == dict(code_versions)
