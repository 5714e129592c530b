"""The use cases, one function a stage, and the order in which they make a night.

The algorithm of a night for session T, each step an asset of the same name in `defs/assets.py`:

1.  `record_splits`: add the provider's split events to ours, with the day each was known.      store/reference.py
2.  `ingest`: take T's bars in, as traded. Named rules reject what is no bar; the rest replaces T. store/bars.py
    While T is open, `ingest_provisional`: its bars so far, from one call, until the night replaces
    them. What is made of them is marked, and T is not held. From a vendor that charges by the
    symbol, `stages/refresh.py` chooses whom to ask for; the others' bars stand.
3.  `build_universe`: who could trade on T, from what was known on T.                            store/reference.py
4.  `screen`: for every symbol of the universe, measure volume and price over its last bars,
    split-adjusted as known on T, and decide whether it is worth scanning, and why not.          screening/screen.py
5.  `find_changes`: for every symbol, what changed since the session was last scanned, and whether
    it is scanned again.                                                                         changes/deltas.py
6.  `scan`: for the symbols that passed (incremental: those alone that step 5 names; the others' features are cached)
    a.  see what the scanners ask for, and so how much history is read                           scanners/preparing.py
    b.  read the bars, lay them out series by series, apply splits                               features/bars.py
    c.  compute the features at T that are asked for                                             features/catalogue.py
    d.  put beside them what is cached, the columns that compare symbols, the market's context   stages/filling.py
    e.  run every scanner on them, each behind its own fence (incremental: those alone whose
        hits could be others, `stages/standing.py`)                                              scanners/sql.py
    f.  replace T's hits, and publish them.                                                      store/results.py
7.  Scanners in Python, in worker processes on slices of the symbols.                            python_pipeline.py

A range of sessions goes through the same functions in one pass. Sessions that read history from the same start
(`Calendar.history_start`) are worked on together: the bars are read and laid out once for all of them. Symbols are
worked on in batches, whose size bounds memory.

This room joins the layers, with those beside it: `script_pipeline.py` (users' scripts), `python_pipeline.py`,
`authoring_pipeline.py` (trying a scanner), `checking_pipeline.py` (looking for look-ahead). They know no Dagster:
`defs/` calls them, and so can a notebook.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

import duckdb

from scan_pipeline.changes.deltas import Deltas, compute_deltas, is_scanned
from scan_pipeline.changes.refresh import OVER_BUDGET, Policy
from scan_pipeline.changes.watchlist import read_watchlist
from scan_pipeline.errors import IngestError, SessionError
from scan_pipeline.features import catalogue, market_context
from scan_pipeline.features.bars import PRICE_COLUMNS
from scan_pipeline.progress import Monitor
from scan_pipeline.providers import WITH_SNAPSHOTS, make_provider
from scan_pipeline.providers.base import Provider, Source, SymbolDelivery, SymbolProvider
from scan_pipeline.scanners.preparing import Demand, demand, versions_of_code
from scan_pipeline.scanners.registry import SqlScanner, find_scanners
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.screening.screen import Funnel, decide, read_deny_list
from scan_pipeline.sessions import NEW_YORK, Calendar, utc_now
from scan_pipeline.settings import Settings
from scan_pipeline.stages.groups import make_groups
from scan_pipeline.stages.measure import measure
from scan_pipeline.stages.refresh import RefreshPlan, find_priorities, plan_refresh
from scan_pipeline.stages.scan import ScannedSession, ScanRules, scan_group
from scan_pipeline.store.bars import IngestedSession, Refreshed, read_accounts, read_provisional, take_in
from scan_pipeline.store.connection import Connection, Store
from scan_pipeline.store.corrections import Due, due, loses_bars
from scan_pipeline.store.features import kept_columns
from scan_pipeline.store.history import data_versions, read_block
from scan_pipeline.store.reference import UniverseSession, build_universe, record_splits
from scan_pipeline.store.refreshes import (
    NOT_HAD,
    LosesBarsError,
    calls_made,
    mark_deltas,
    mark_unasked,
    note_calls,
    note_left_out,
    take_in_symbols,
)


@dataclass(frozen=True)
class Explanation:
    """What is known of a symbol on a session: rows by table, as dicts, and its features (NaN: unknown)."""

    symbol: str
    session: date
    facts: dict[str, list[dict[str, Any]]]
    features: dict[str, float]


#: What `explain` looks up, by table.
_FACTS = {
    "price_bars": "select * from price_bars where symbol = $symbol and session = $session",
    "rejected_bars": "select * from rejected_bars where symbol = $symbol and session = $session",
    "symbol_refreshes": "select * from symbol_refreshes where symbol = $symbol and session = $session",
    "splits": "select * from splits where symbol = $symbol and known_on <= $session order by ex_date",
    "universe": "select * from universe where symbol = $symbol and session = $session",
    "prefiltered_symbols": "select * from prefiltered_symbols where symbol = $symbol and session = $session",
    "scan_results": "select * from scan_results where symbol = $symbol and session = $session order by scanner",
    "scanner_outcomes": "select * from scanner_outcomes where session = $session and $symbol is not null",
}


@dataclass
class Pipeline:
    """The stages, with what they need: settings, the calendar, the store, where bars come from, and the time."""

    settings: Settings
    monitor: Monitor = field(default_factory=Monitor)
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self.calendar = Calendar.load(self.settings.cache_dir)
        self.store = Store(
            self.settings.database_path,
            wait_seconds=self.settings.store_wait_seconds,
            memory_limit=self.settings.store_memory_limit,
            on_wait=self.monitor.say,
        )

    def provider(self) -> Provider | SymbolProvider:
        """Where bars come from, as the settings say."""
        return make_provider(self.settings, self.calendar)

    def record_splits(self, provider: Source | None = None) -> int:
        """Step 1. The number of split events held afterwards."""
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
        provider.prepare("splits", self._fetched(), ())
        with self.monitor.stage("splits", 0, "events") as stage, self.store.write() as connection:
            splits = provider.splits(connection)
            if splits is None:
                for words in provider.sources:
                    self.monitor.say(words)
            held = record_splits(connection, splits if splits is not None else _no_splits(connection))
            stage.done = held
        return held

    def ingest(
        self, sessions: Sequence[date], run_id: str, provider: Provider | SymbolProvider | None = None
    ) -> Iterator[IngestedSession]:
        """Step 2. Replaces the sessions' bars, a part at a time, each in one transaction, and says what became of each.

        A metered provider is not asked again for what is held and settled, and is asked for corrections: of held
        sessions that could still be revised when they were taken in. What changes is in `bar_revisions`; a correction
        that would lose bars is not taken.

        Raises SessionError for a session that has not closed, and IngestError, after all others have landed, if the
        provider has no bar at all for some.
        """
        self.calendar.require_closed(sessions, self.clock())
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
        if isinstance(provider, SymbolProvider):
            yield from self._ingest_by_symbol(sessions, run_id, provider)
            return
        empty: list[date] = []
        asked = self._due(sessions) if provider.is_metered else Due(sorted(sessions))
        yield from asked.settled
        # A correction is a part of its own: it can be refused alone.
        runs = [*self._consecutive(asked.missing), *([day] for day in sorted(asked.corrected))]
        with self.monitor.stage("ingest", sum(map(len, runs)), "sessions") as stage:
            for run in runs:
                for part, previous, delivery in provider.deliveries(run, self.calendar.before(run[0], 1)):
                    with self.store.write() as connection:
                        landed, undated = take_in(connection, delivery, part, previous, run_id)
                        before = asked.corrected.get(part[0])
                        if before and (not landed or loses_bars(landed[0], before, self.settings.max_rejected_share)):
                            connection.rollback()
                            connection.begin()
                            self._say_refused(part[0], landed, before, provider)
                            landed = [before]
                    if undated:
                        self.monitor.say(f"{undated:,} delivered rows have no readable date; see rejected_bars.")
                    yield from (one for one in landed if one.session in sessions)
                    for one in landed:
                        if one.revised:
                            self.monitor.say(f"{one.revised:,} bars of {one.session} were revised; see bar_revisions.")
                    empty += sorted(set(part) - {outcome.session for outcome in landed})
                    stage.advance(len(part), provider.note(stage.total - stage.done - len(part)))
        if empty:
            raise IngestError(self._nothing_delivered(provider, empty))

    def _ingest_by_symbol(
        self, sessions: Sequence[date], run_id: str, provider: SymbolProvider
    ) -> Iterator[IngestedSession]:
        """Step 2 where a call brings some symbols. Each call's symbols are replaced in one transaction of their own."""
        given, now = self.settings, self.clock()
        # Who is listed must be known before anybody is asked for.
        closed = sorted({*sessions, self.calendar.latest_closed(now)})
        provider.prepare("reference", self._fetched(), closed)
        budget, today = given.refresh_budget_calls, now.astimezone(NEW_YORK).date()
        with self.store.write() as connection:
            provider.reference(connection)
            left = max(0, budget - calls_made(connection, provider.name, today)) if budget else None
            plan = plan_refresh(
                connection, sessions, read_accounts(connection), self.calendar, self._policy(),
                read_watchlist(given.watchlist_path), given.correction_sessions, provider.symbols_per_call,
                left,
            )  # fmt: skip
        if not plan.decisions and not plan.settled:
            raise IngestError(
                f"No symbol is known to ask '{provider.name}' for. {'; '.join(provider.sources)}. Try again when a "
                f"list of symbols can be had, or write some into {given.watchlist_path}."
            )
        landed: set[str] = set()
        failed: dict[str, str] = {}
        revised: Counter[date] = Counter()
        asked_at = now.astimezone(UTC).replace(tzinfo=None)
        noted = provider.calls

        def note() -> None:
            nonlocal noted
            if budget and provider.calls > noted:
                with self.store.write() as connection:
                    note_calls(connection, provider.name, today, provider.calls - noted)
                noted = provider.calls

        with self.monitor.stage("ingest", len(plan.asked), "symbols") as stage:
            try:
                for part in provider.deliveries_of(plan.asked, plan.sessions[-1], left):
                    note()
                    if part.missing:
                        failed |= dict.fromkeys(part.symbols, part.missing)
                    else:
                        days = [day for day in plan.sessions if day >= part.first]
                        took = self._take_in_symbols(part, days, plan, asked_at, run_id)
                        landed |= {*part.symbols}
                        revised.update({one.session: one.revised for one in took})
                    if part.unknown:
                        self.monitor.say(f"No symbols to '{provider.name}': {', '.join(part.unknown)}")
                    stage.advance(len(part.symbols), provider.note(0))
            finally:
                note()
        refreshed = self._note_refresh(plan, landed, failed, run_id)
        with self.store.read() as connection:
            accounts = read_accounts(connection)
        self.monitor.say(f"{max(sessions)}: {refreshed}")
        for day, count in sorted(revised.items()):
            if count:
                self.monitor.say(f"{count:,} bars of {day} were revised; see bar_revisions.")
        for day in sorted(sessions):
            if day in accounts:
                yield replace(
                    accounts[day][1], revised=revised[day], was_held=day not in revised, refresh=refreshed
                )  # fmt: skip
        if empty := [day for day in sorted(sessions) if day not in accounts]:
            raise IngestError(self._nothing_delivered(provider, empty))
        if failed:
            reasons = Counter(failed.values()).most_common(2)
            raise IngestError(
                f"{len(failed):,} symbols could not be had of '{provider.name}'. "
                f"{' '.join(reason for reason, _ in reasons)} What arrived is kept; the same command fetches the rest."
            )

    def _take_in_symbols(
        self, part: SymbolDelivery, days: list[date], plan: RefreshPlan, asked_at: datetime, run_id: str
    ) -> list[IngestedSession]:
        """Take in a call's symbols; a session of which that would lose bars stays as it is."""
        left_alone = list(plan.left_alone)
        while days:
            with self.store.write() as connection:
                try:
                    return take_in_symbols(
                        connection, part, days, left_alone, plan.reasons, self.settings.max_rejected_share, asked_at,
                        run_id,
                    )  # fmt: skip
                except LosesBarsError as error:
                    connection.rollback()
                    connection.begin()
                    lost = error.lost
            for day, count in sorted(lost.items()):
                self.monitor.say(
                    f"The correction of {day} is not taken for {len(part.symbols):,} symbols, whose bars stand: "
                    f"{count:,} of them would be lost."
                )
            days = [day for day in days if day not in lost]
            left_alone += lost
        return []

    def _note_refresh(
        self, plan: RefreshPlan, landed: Collection[str], failed: Collection[str], run_id: str
    ) -> Refreshed:
        """Note who was left out and why, and count them. Those for whom the calls did not suffice are over budget."""
        left_out = {
            one.symbol: (
                NOT_HAD if one.symbol in failed else OVER_BUDGET if one.refreshed else one.reason, one.priority
            )
            for one in plan.decisions
            if one.symbol not in landed
        }  # fmt: skip
        with self.store.write() as connection:
            note_left_out(connection, plan.settled_at, left_out, run_id)
        ages = [plan.ages[symbol] for symbol in left_out]
        return Refreshed(
            listed=len(plan.decisions) + plan.settled,
            refreshed=len(landed),
            settled=plan.settled,
            left_out=dict(Counter(reason for reason, _ in left_out.values()).most_common()),
            oldest=None if None in ages else max((age for age in ages if age is not None), default=None),
            budget_calls=self.settings.refresh_budget_calls,
        )

    def _policy(self) -> Policy:
        given = self.settings
        return Policy(
            given.refresh_max_age_sessions, given.refresh_top_dollar_volume, given.refresh_sample_share,
            given.refresh_seed,
        )  # fmt: skip

    def _priorities(self, connection: Connection, session: date) -> dict[str, str]:
        """Why symbols come first, where the settings ask for that."""
        given = self.settings
        watched = read_watchlist(given.watchlist_path)
        if not (watched or given.refresh_top_dollar_volume or given.refresh_budget_calls):
            return {}
        return find_priorities(connection, session, self.calendar, self._policy(), watched)

    def ingest_provisional(
        self, session: date, run_id: str, provider: Provider | SymbolProvider | None = None
    ) -> IngestedSession:
        """Step 2 while the session is open: replaces its bars by those so far, in one transaction, from one call.

        They are marked as provisional until `ingest` replaces them. An earlier session whose bars still are is taken in
        first: the history must not be made of them.

        Raises SessionError for a session that is not open, and IngestError where there is no bar of it.
        """
        self.calendar.require_open(session, self.clock())
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
        left = [day for day in self.provisional_sessions() if day < session]
        if left:
            self.monitor.say(f"Bars of {', '.join(map(str, left))} are still provisional: taken in again first.")
            list(self.ingest(left, run_id, provider))
        with self.monitor.stage("ingest", 1, "sessions") as stage:
            snapshot = provider.snapshot(session)
            if snapshot is None:
                raise IngestError(_no_snapshots(provider.name))
            at = (snapshot.at or self.clock()).astimezone(UTC).replace(tzinfo=None)
            with self.store.write() as connection:
                landed, _ = take_in(connection, snapshot, [session], self.calendar.before(session, 1), run_id, at)
            stage.advance(1, provider.note(0))
        if not landed:
            raise IngestError(
                f"The provider '{provider.name}' has no bar of {session} yet: nothing has traded since the open, or "
                "the plan tells it later (delayed plans after 15 minutes). Try again in some minutes."
            )
        return landed[0]

    def open_session(self) -> date:
        """The session that is open, for `ingest_provisional`. Raises where none is, or the provider cannot tell it."""
        if self.settings.provider not in WITH_SNAPSHOTS:
            raise IngestError(_no_snapshots(self.settings.provider))
        now = self.clock()
        session = now.astimezone(NEW_YORK).date()
        self.calendar.require_open(session, now)
        return session

    def provisional_sessions(self) -> dict[date, datetime]:
        """The sessions whose bars are provisional, and the instant (UTC) that they are of."""
        if not self.store.exists:
            return {}
        with self.store.read() as connection:
            return read_provisional(connection)

    def _require_bars(self, sessions: Sequence[date]) -> None:
        """Raises SessionError for a session that has not closed, unless its provisional bars are there."""
        now = self.clock()
        coming = [session for session in sessions if self.calendar.closes_at(session) > now]
        if coming:
            provisional = self.provisional_sessions()
            self.calendar.require_closed([session for session in coming if session not in provisional], now)

    def _due(self, sessions: Sequence[date]) -> Due:
        held, provisional = {}, {}
        if self.store.exists:
            with self.store.read() as connection:
                held, provisional = read_accounts(connection), read_provisional(connection)
        given = self.settings
        return due(sessions, held, self.calendar, given.correction_sessions, given.max_rejected_share, provisional)

    def _say_refused(
        self, session: date, landed: Sequence[IngestedSession], before: IngestedSession, provider: Source
    ) -> None:
        came = f"{landed[0].bars:,} good bars" if landed else provider.missing.get(session, "nothing")
        self.monitor.say(
            f"The correction of {session} is not taken, its {before.bars:,} bars stand. The vendor gave: {came}"
        )

    def _fetched(self) -> dict[str, date]:
        """When each thing beside bars was last fetched. A list of symbols is named by the day that it is of."""
        if not self.store.exists:
            return {}
        with self.store.read() as connection:
            rows = connection.execute(
                # Lists once were of the day on which they were fetched, and named without it.
                "select if(what = 'listings', 'listings ' || fetched_on, what) as thing, max(fetched_on) from fetches "
                "group by thing"
            ).fetchall()
        return dict(rows)

    def build_universe(self, sessions: Sequence[date], provider: Source | None = None) -> list[UniverseSession]:
        """Step 3. Replaces the universe of the sessions. Before the close, the lists that are held do."""
        self._require_bars(sessions)
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
        now = self.clock()
        closed = [session for session in sessions if self.calendar.closes_at(session) <= now]
        if closed:
            provider.prepare("reference", self._fetched(), closed)
        with self.monitor.stage("universe", len(sessions), "sessions") as stage, self.store.write() as connection:
            outcomes = build_universe(connection, sessions, self.calendar, provider.reference(connection))
            stage.advance(len(sessions))
        return outcomes

    def screen(self, sessions: Sequence[date], limits: ScreenLimits) -> list[Funnel]:
        """Step 4. Replaces the decisions for the sessions' universes."""
        self._require_bars(sessions)
        denied = read_deny_list(self.settings.deny_list_path)
        funnels = []
        with self.monitor.stage("screen", len(sessions), "sessions") as stage, self.store.write() as connection:
            for group in make_groups(self.calendar, sessions, catalogue.SCREEN_SESSIONS):
                measured = measure(connection, group, self.calendar, self.settings.batch_symbols)
                funnels += decide(connection, group.sessions, measured, limits, denied)
                mark_unasked(connection, group.sessions)
                connection.commit()  # group by group, which bounds memory; the file stays attached, which saves time
                connection.begin()
                stage.advance(len(group.sessions))
        return funnels

    def find_changes(
        self, sessions: Sequence[date], run_id: str, scanners: Sequence[SqlScanner] | None = None
    ) -> list[Deltas]:
        """Step 5. Replaces the sessions' rows of `incremental_deltas`; of a longer range, those that are kept."""
        self._require_bars(sessions)
        scanners = find_scanners(self.settings.scanners_dir) if scanners is None else scanners
        wanted, code_versions = self._demand(scanners), self._versions_of_code(scanners)
        keep = self.settings.keep_features_sessions
        kept = sorted(sessions)[-keep:] if keep else []
        found = []
        now = self.clock().astimezone(UTC).replace(tzinfo=None)
        with self.monitor.stage("changes", len(kept), "sessions") as stage, self.store.write() as connection:
            benchmark = self.settings.benchmark if wanted.needs_benchmark else None
            are_kept = wanted.names <= kept_columns(connection)
            for group in make_groups(self.calendar, kept, wanted.history_sessions):
                windows = group.windows()
                versions = data_versions(connection, windows)
                for session in group.sessions:
                    found.append(
                        compute_deltas(
                            connection, session, windows[session], benchmark=benchmark, data_version=versions[session],
                            code_versions=code_versions, are_features_kept=are_kept, run_id=run_id,
                        )
                    )  # fmt: skip
                    mark_deltas(connection, session, self._priorities(connection, session), now)
                    stage.advance(1)
        for one in found:
            self.monitor.say(f"{one.session}: {one}")
        return found

    def scan(
        self,
        sessions: Sequence[date],
        run_id: str,
        scanners: Sequence[SqlScanner] | None = None,
        *,
        incremental: bool = False,
    ) -> Iterator[ScannedSession]:
        """Step 6. Replaces and publishes the sessions' hits of every scanner, group by group.

        `incremental`: what step 5 found to be cached is not computed again; the hits are those of a full scan.
        """
        self._require_bars(sessions)
        if scanners is None:
            scanners = find_scanners(self.settings.scanners_dir)
        rules, results_dir = self.scan_rules(), self.settings.results_dir
        with self.monitor.stage("scan", len(sessions), "sessions") as stage:
            for group in make_groups(self.calendar, sessions, self._demand(scanners).history_sessions):
                yield from scan_group(self.store, group, scanners, rules, results_dir, run_id, incremental=incremental)
                stage.advance(len(group.sessions))

    def scan_rules(self) -> ScanRules:
        """What a scan is told by the settings."""
        given = self.settings
        return ScanRules(
            given.batch_symbols, given.keep_features_sessions, given.scanner_timeout_seconds, given.max_hits,
            given.store_memory_limit, given.benchmark, given.score, given.plan,
        )  # fmt: skip

    def rerun_sessions(self, last: date | None = None) -> list[date]:
        """The sessions that a rerun goes through: `last` (the last scanned one, if None) and those before it that may
        still be corrected and were scanned, with all in between. One that was scanned on provisional bars alone awaits
        its night. Raises SessionError where `last` was never scanned.
        """
        with self.store.read() as connection:
            scanned = {day for (day,) in connection.execute(
                "select distinct session from scanner_outcomes where not provisional"
            ).fetchall()}  # fmt: skip
        if not scanned or (last and last not in scanned):
            day = last or "any session"
            raise SessionError(
                f"{day} has not been scanned yet. `scan-pipeline run` scans a session for the first time."
            )
        last = last or max(scanned)
        first = self.calendar.before(last, self.settings.correction_sessions)
        return self.calendar.between(min(day for day in scanned if first <= day <= last), last)

    def stale_sessions(self) -> list[date]:
        """Kept sessions whose results are not what a scan would give now: bars, splits, the universe, the screen's
        decisions or a scanner's file changed since. Those whose results are provisional await their night."""
        scanners = find_scanners(self.settings.scanners_dir)
        wanted, code_versions = self._demand(scanners), self._versions_of_code(scanners)
        if not self.store.exists:
            return []
        with self.store.read() as connection:
            kept = [day for (day,) in connection.execute(
                "select distinct session from scan_fingerprints where session not in "
                "(select session from scanner_outcomes where provisional) order by session"
            ).fetchall()]  # fmt: skip
            stale = []
            for group in make_groups(self.calendar, kept, wanted.history_sessions):
                versions = data_versions(connection, group.windows())
                stale += [
                    day for day in group.sessions if not is_scanned(connection, day, versions[day], code_versions)
                ]
        return stale

    def explain(self, symbol: str, session: date) -> Explanation:
        """Everything the pipeline knows about a symbol on a session; the features are computed afresh."""
        self.calendar.require(session)
        with self.store.read() as connection:
            facts = {table: _rows(connection, query, symbol, session) for table, query in _FACTS.items()}
            features: dict[str, float] = {}
            if facts["price_bars"]:
                (group,) = make_groups(self.calendar, [session], catalogue.HISTORY_SESSIONS)
                columns = (*PRICE_COLUMNS, "volume")
                block = read_block(connection, [symbol], group.window, session, columns, count_from=group.start)
                bars = block.bars_as_of(group.is_wanted.reshape(1, -1))
                values = catalogue.compute(block, catalogue.CORE, bars)
                features = {name: float(value[0]) for name, value in values.items()}
        return Explanation(symbol, session, facts, features)

    def _demand(self, scanners: Sequence[SqlScanner]) -> Demand:
        """What a scan computes: what the scanners ask for, and what the market's context is made of."""
        return demand(scanners, market_context.READS)

    def _versions_of_code(self, scanners: Sequence[SqlScanner]) -> dict[str, str]:
        return versions_of_code(scanners, self.settings.score, self.settings.plan, self.settings.benchmark)

    def _consecutive(self, sessions: Sequence[date]) -> Iterator[list[date]]:
        ordered = sorted(sessions)
        positions = [self.calendar.index_at_or_after(session) for session in ordered]
        pairs = zip(ordered, (position - number for number, position in enumerate(positions)), strict=True)
        for _, run in groupby(pairs, key=lambda pair: pair[1]):
            yield [session for session, _ in run]

    def _refuse_to_mix(self, provider: Source) -> None:
        """The demo market's symbols are made up; a database holds them or real ones, never both."""
        if not self.store.exists:
            return
        with self.store.read() as connection:
            rows = connection.execute("select distinct provider from ingested_sessions").fetchall()
        held = {name for (name,) in rows}
        if held and ("demo" in held) != (provider.name == "demo"):
            raise IngestError(
                f"The database {self.store.path} holds bars of provider '{', '.join(sorted(held))}', and these are of "
                f"'{provider.name}': made-up and real symbols do not mix. Set SCAN_DATA_DIR to another folder."
            )

    def _nothing_delivered(self, provider: Source, empty: Sequence[date]) -> str:
        listed = ", ".join(map(str, empty[:5])) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        held = provider.held()
        if provider.is_metered:
            why = "; ".join(sorted({provider.missing[day] for day in empty if day in provider.missing})[:3])
            return (
                f"The provider '{provider.name}' gave no bars for {listed}. {why or 'It has none.'} "
                "What arrived is kept; the same command fetches the rest."
            )
        has = f"It has {held[0]} to {held[1]}." if held else "It has no dated bar at all."
        return f"The provider '{provider.name}' has no bars for {listed}. {has} Choose sessions among them."


def _rows(connection: Connection, query: str, symbol: str, session: date) -> list[dict[str, Any]]:
    cursor = connection.execute(query, {"symbol": symbol, "session": session})
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _no_snapshots(provider: str) -> str:
    return (
        f"The provider '{provider}' cannot tell bars before the close. Set SCAN_PROVIDER to "
        f"{' or '.join(WITH_SNAPSHOTS)}, with a paid plan, or wait for the close: `scan-pipeline run`."
    )


def _no_splits(connection: Connection) -> duckdb.DuckDBPyRelation:
    return connection.sql("select * from splits limit 0")
