"""The use cases, one function a stage, and the order in which they make a night.

The algorithm of a night for session T, each step an asset of the same name in `defs/assets.py`:

1.  `record_splits`: add the provider's split events to ours, with the day each was known.      store/reference.py
2.  `ingest`: take T's bars in, as traded. Named rules reject what is no bar; the rest replaces T. store/bars.py
3.  `build_universe`: who could trade on T, from what was known on T.                            store/reference.py
4.  `screen`: for every symbol of the universe, measure volume and price over its last bars,
    split-adjusted as known on T, and decide whether it is worth scanning, and why not.          screening/screen.py
5.  `scan`: for the symbols that passed
    a.  read a year of bars, lay them out series by series, apply splits                         features/bars.py
    b.  compute the features at T                                                                features/catalogue.py
    c.  run every scanner on them, each behind its own fence                                     scanners/sql.py
    d.  replace T's hits, and publish them.                                                      store/results.py

A range of sessions goes through the same functions in one pass. Sessions that read history from the same start
(`Calendar.history_start`) are worked on together: the bars are read and laid out once for all of them. Symbols are
worked on in batches, whose size bounds memory.

This is the only room that joins the layers. It knows no Dagster: `defs/` calls it, and so can a notebook.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from scan_pipeline.errors import IngestError
from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import PRICE_COLUMNS
from scan_pipeline.hits import Hit, Outcome
from scan_pipeline.progress import Monitor
from scan_pipeline.providers import make_provider
from scan_pipeline.providers.base import Provider
from scan_pipeline.scanners.registry import SqlScanner, find_scanners
from scan_pipeline.scanners.sql import Bench
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.screening.screen import Funnel, Measured, decide, read_deny_list
from scan_pipeline.sessions import Calendar, SessionArray
from scan_pipeline.settings import Settings
from scan_pipeline.store.bars import IngestedSession, read_accounts, take_in
from scan_pipeline.store.connection import Connection, Store
from scan_pipeline.store.corrections import Due, due, loses_bars
from scan_pipeline.store.history import data_versions, read_block
from scan_pipeline.store.reference import UniverseSession, build_universe, record_splits
from scan_pipeline.store.results import keep_features, publish, replace_hits, write_aside


@dataclass(frozen=True)
class ScannedSession:
    """One session's scan. `history_sessions` of `history_wanted` sessions before it are held."""

    session: date
    scanned_symbols: int
    outcomes: list[Outcome]
    hits: list[Hit]
    history_sessions: int
    history_wanted: int
    data_version: str


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
    "splits": "select * from splits where symbol = $symbol and known_on <= $session order by ex_date",
    "universe": "select * from universe where symbol = $symbol and session = $session",
    "prefiltered_symbols": "select * from prefiltered_symbols where symbol = $symbol and session = $session",
    "scan_results": "select * from scan_results where symbol = $symbol and session = $session order by scanner",
    "scanner_outcomes": "select * from scanner_outcomes where session = $session and $symbol is not null",
}


@dataclass
class Pipeline:
    """The stages, with what they need: settings, the calendar, the store and where bars come from."""

    settings: Settings
    monitor: Monitor = field(default_factory=Monitor)

    def __post_init__(self) -> None:
        self.calendar = Calendar.load(self.settings.cache_dir)
        self.store = Store(
            self.settings.database_path,
            wait_seconds=self.settings.store_wait_seconds,
            memory_limit=self.settings.store_memory_limit,
            on_wait=self.monitor.say,
        )

    def provider(self) -> Provider:
        """Where bars come from, as the settings say."""
        return make_provider(self.settings, self.calendar)

    def record_splits(self, provider: Provider | None = None) -> int:
        """Step 1. The number of split events held afterwards."""
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
        provider.prepare("splits", self._fetched(), ())
        with self.monitor.stage("splits", 0, "events") as stage, self.store.write() as connection:
            splits = provider.splits(connection)
            held = record_splits(connection, splits if splits is not None else _no_splits(connection))
            stage.done = held
        return held

    def ingest(
        self, sessions: Sequence[date], run_id: str, provider: Provider | None = None
    ) -> Iterator[IngestedSession]:
        """Step 2. Replaces the sessions' bars, a part at a time, each in one transaction, and says what became of each.

        A metered provider is not asked again for what is held and settled, and is asked for corrections: of held
        sessions that could still be revised when they were taken in. What changes is in `bar_revisions`; a correction
        that would lose bars is not taken.

        Raises SessionError for a session that has not closed, and IngestError, after all others have landed, if the
        provider has no bar at all for some.
        """
        self.calendar.require_closed(sessions)
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
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

    def _due(self, sessions: Sequence[date]) -> Due:
        held = {}
        if self.store.exists:
            with self.store.read() as connection:
                held = read_accounts(connection)
        return due(sessions, held, self.calendar, self.settings.correction_sessions, self.settings.max_rejected_share)

    def _say_refused(
        self, session: date, landed: Sequence[IngestedSession], before: IngestedSession, provider: Provider
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

    def build_universe(self, sessions: Sequence[date], provider: Provider | None = None) -> list[UniverseSession]:
        """Step 3. Replaces the universe of the sessions."""
        self.calendar.require_closed(sessions)
        provider = provider or self.provider()
        self._refuse_to_mix(provider)
        provider.prepare("reference", self._fetched(), sessions)
        with self.monitor.stage("universe", len(sessions), "sessions") as stage, self.store.write() as connection:
            outcomes = build_universe(connection, sessions, self.calendar, provider.reference(connection))
            stage.advance(len(sessions))
        return outcomes

    def screen(self, sessions: Sequence[date], limits: ScreenLimits) -> list[Funnel]:
        """Step 4. Replaces the decisions for the sessions' universes."""
        self.calendar.require_closed(sessions)
        denied = read_deny_list(self.settings.deny_list_path)
        funnels = []
        with self.monitor.stage("screen", len(sessions), "sessions") as stage, self.store.write() as connection:
            for group, window, start in self._groups(sessions, catalogue.SCREEN_SESSIONS):
                measured = self._measure(connection, group, window, start)
                funnels += decide(connection, group, measured, limits, denied)
                connection.commit()  # group by group, which bounds memory; the file stays attached, which saves time
                connection.begin()
                stage.advance(len(group))
        return funnels

    def scan(
        self, sessions: Sequence[date], run_id: str, scanners: Sequence[SqlScanner] | None = None
    ) -> Iterator[ScannedSession]:
        """Step 5. Replaces and publishes the sessions' hits of every scanner, group by group."""
        self.calendar.require_closed(sessions)
        if scanners is None:
            scanners = find_scanners(self.settings.scanners_dir)
        code_versions = {scanner.name: scanner.code_version for scanner in scanners}
        with self.monitor.stage("scan", len(sessions), "sessions") as stage:
            for group, window, start in self._groups(sessions, catalogue.HISTORY_SESSIONS):
                windows = {session: _window(window, session) for session in group}
                hits: list[Hit] = []
                outcomes: list[Outcome] = []
                with Bench(self.settings.scanner_timeout_seconds, self.settings.max_hits) as bench:
                    read = set().union(*(bench.tables_read(scanner) for scanner in scanners))
                    with self.store.read() as connection:
                        scanned, recent = self._fill(bench, connection, group, window, start, read)
                        versions = data_versions(connection, windows)
                        held = _held_sessions(connection, window)
                    bench.close_fence()
                    for scanner in scanners:
                        found, became = bench.run(scanner, group)
                        hits += found
                        outcomes += became
                with self.store.write() as connection:
                    replace_hits(connection, hits, outcomes, code_versions, versions, run_id)
                    keep_features(connection, group, recent, self.settings.keep_features_sessions)
                    files = write_aside(connection, group, self.settings.results_dir)
                publish(files)
                stage.advance(len(group))
                for session in group:
                    yield ScannedSession(
                        session=session,
                        scanned_symbols=scanned[session],
                        outcomes=[outcome for outcome in outcomes if outcome.session == session],
                        hits=[hit for hit in hits if hit.session == session],
                        history_sessions=int(np.searchsorted(held, np.datetime64(session), side="right")),
                        history_wanted=len(windows[session]),
                        data_version=versions[session],
                    )

    def explain(self, symbol: str, session: date) -> Explanation:
        """Everything the pipeline knows about a symbol on a session; the features are computed afresh."""
        self.calendar.require(session)
        with self.store.read() as connection:
            facts = {table: _rows(connection, query, symbol, session) for table, query in _FACTS.items()}
            features: dict[str, float] = {}
            if facts["price_bars"]:
                ((_, window, start),) = self._groups([session], catalogue.HISTORY_SESSIONS)
                block = read_block(connection, [symbol], window, session, (*PRICE_COLUMNS, "volume"), count_from=start)
                bars = block.bars_as_of((window == np.datetime64(session)).reshape(1, -1))
                values = catalogue.compute(block, catalogue.FEATURES, bars)
                features = {name: float(value[0]) for name, value in values.items()}
        return Explanation(symbol, session, facts, features)

    def _measure(self, connection: Connection, group: Sequence[date], window: SessionArray, start: date) -> Measured:
        """What the screen looks at, for every symbol and session of the group that has a bar."""
        symbols = _symbols(connection, group)
        is_wanted = np.isin(window, np.array(group, dtype="datetime64[D]"))
        parts: list[dict[str, Any]] = []
        # As many bars at once as a scan has: the window is shorter.
        size = self.settings.batch_symbols * max(1, catalogue.HISTORY_SESSIONS // len(window))
        for first in range(0, len(symbols), size):
            batch = symbols[first : first + size]
            block = read_block(connection, batch, window, group[0], ("close", "volume"), count_from=start)
            bars = block.bars_as_of(np.broadcast_to(is_wanted, (len(batch), len(window))))
            symbol = block.symbol[block.series_of_bar()[bars]]
            values = catalogue.compute(block, catalogue.SCREEN_FEATURES, bars)
            session = block.session[bars]
            # A symbol back from a long halt has its last 20 bars before the window: it is measured over more history.
            halted = np.isnan(values["average_volume_20"]) & (values["bars_held"] >= catalogue.AVERAGED_BARS)
            if halted.any():
                again = self._measure_halted(connection, batch, symbol[halted], window[session[halted]], start)
                for name, longer in again.items():
                    values[name][halted] = longer
            parts.append({"symbol": symbol + first, "session": window[session], **values})
        merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
        return Measured(symbols, merged.pop("symbol", np.empty(0, int)), merged.pop("session", window[:0]), merged)

    def _measure_halted(
        self,
        connection: Connection,
        batch: Sequence[str],
        symbol: npt.NDArray[np.int64],
        session: SessionArray,
        start: date,
    ) -> dict[str, npt.NDArray[np.float64]]:
        """What the screen looks at, for these bars of symbols of the batch, from the whole history that counts."""
        codes, code = np.unique(symbol, return_inverse=True)
        last = session.max().astype(object)
        window = np.array(self.calendar.between(start, last), dtype="datetime64[D]")
        names = [batch[one] for one in codes]
        first = session.min().astype(object)
        block = read_block(connection, names, window, first, ("close", "volume"), count_from=start)
        wanted = np.zeros((len(names), len(window)), dtype=bool)
        position = np.searchsorted(window, session)
        wanted[code, position] = True
        bars = block.bars_as_of(wanted)
        found = catalogue.compute(block, catalogue.SCREEN_FEATURES, bars)
        # From the order of the block's bars to the order that was asked for.
        cell = block.symbol[block.series_of_bar()[bars]] * len(window) + block.session[bars]
        order = np.argsort(cell)[np.searchsorted(np.sort(cell), code * len(window) + position)]
        return {name: values[order] for name, values in found.items()}

    def _fill(
        self,
        bench: Bench,
        connection: Connection,
        group: Sequence[date],
        window: SessionArray,
        start: date,
        read: Collection[str],
    ) -> tuple[dict[date, int], dict[str, Any]]:
        """Put on the bench what the scanners `read`: features always.

        Returns the number of symbols scanned, by session, and the features of the last few sessions, as columns.
        """
        symbols, passed = _passed(connection, group, window)
        days = window.astype(np.int32)
        kept = np.array(group[-self.settings.keep_features_sessions :] if self.settings.keep_features_sessions else [])
        recent: list[dict[str, Any]] = []
        for first in range(0, max(1, len(symbols)), self.settings.batch_symbols):
            batch = symbols[first : first + self.settings.batch_symbols]
            block = read_block(connection, batch, window, group[0], (*PRICE_COLUMNS, "volume"), count_from=start)
            names = np.array(batch, dtype=object)
            series = block.series_of_bar()
            bars = block.bars_as_of(passed[first : first + len(batch)])
            rows = {"session": days[block.session[bars]], "symbol": names[block.symbol[series[bars]]]}
            rows |= catalogue.compute(block, catalogue.FEATURES, bars)
            bench.add("features", rows)
            is_recent = np.isin(rows["session"], kept.astype("datetime64[D]").astype(np.int32))
            recent.append({name: values[is_recent] for name, values in rows.items()})
            if "bars" in read:
                bench.add(
                    "bars",
                    {"session": days[block.session], "symbol": names[block.symbol[series]],
                     "valid_from": days[block.valid_from[series]], "valid_to": days[block.valid_to[series]],
                     **block.columns},
                )  # fmt: skip
        if "universe" in read:
            universe = connection.execute(
                "select session - date '1970-01-01' as session, symbol, name, exchange, type, sector, industry, "
                "country, universe.market_cap from universe join prefiltered_symbols using (session, symbol) "
                "where passed and session in (select unnest(?::DATE[]))",
                [list(group)],
            ).fetchnumpy()
            bench.add("universe", {"session": universe.pop("session").astype(np.int32), **universe})
        counts = passed.sum(axis=0)
        scanned = {session: int(counts[np.searchsorted(window, np.datetime64(session))]) for session in group}
        return scanned, {name: np.concatenate([part[name] for part in recent]) for name in recent[0]}

    def _groups(self, sessions: Sequence[date], history: int) -> Iterator[tuple[list[date], SessionArray, date]]:
        """Sessions that are worked on together: those whose history begins at the same session.

        Each group comes with its window, the sessions from the start of `history` to the group's last, and with the
        start of the whole history that counts.
        """

        def starts(session: date) -> tuple[date, date]:
            return (
                self.calendar.history_start(session, catalogue.HISTORY_SESSIONS),
                self.calendar.history_start(session, history),
            )

        for (whole, first), group in groupby(sorted(sessions), key=starts):
            members = list(group)
            yield members, np.array(self.calendar.between(first, members[-1]), dtype="datetime64[D]"), whole

    def _consecutive(self, sessions: Sequence[date]) -> Iterator[list[date]]:
        ordered = sorted(sessions)
        positions = [self.calendar.index_at_or_after(session) for session in ordered]
        pairs = zip(ordered, (position - number for number, position in enumerate(positions)), strict=True)
        for _, run in groupby(pairs, key=lambda pair: pair[1]):
            yield [session for session, _ in run]

    def _refuse_to_mix(self, provider: Provider) -> None:
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

    def _nothing_delivered(self, provider: Provider, empty: Sequence[date]) -> str:
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


def _symbols(connection: Connection, group: Sequence[date]) -> list[str]:
    rows = connection.execute(
        "select distinct symbol from universe where session in (select unnest(?::DATE[])) order by symbol",
        [list(group)],
    ).fetchnumpy()
    return list(rows["symbol"])


def _passed(
    connection: Connection, group: Sequence[date], window: SessionArray
) -> tuple[list[str], np.ndarray[Any, np.dtype[np.bool_]]]:
    """The symbols that passed the screen on any session of the group, and on which: passed[symbol, session]."""
    rows = connection.execute(
        "select symbol, session - date '1970-01-01' as day from prefiltered_symbols "
        "where passed and session in (select unnest(?::DATE[]))",
        [list(group)],
    ).fetchnumpy()
    symbols, code = np.unique(rows["symbol"].astype(object), return_inverse=True)
    passed = np.zeros((len(symbols), len(window)), dtype=bool)
    passed[code, np.searchsorted(window.astype(np.int64), rows["day"])] = True
    return symbols.tolist(), passed


def _window(window: SessionArray, session: date) -> SessionArray:
    return window[: int(np.searchsorted(window, np.datetime64(session))) + 1]


def _held_sessions(connection: Connection, window: SessionArray) -> SessionArray:
    rows = connection.execute(
        "select session - date '1970-01-01' as day from ingested_sessions where session between ? and ? order by day",
        [str(window[0]), str(window[-1])],
    ).fetchnumpy()
    return rows["day"].astype("datetime64[D]")


def _no_splits(connection: Connection) -> duckdb.DuckDBPyRelation:
    return connection.sql("select * from splits limit 0")
