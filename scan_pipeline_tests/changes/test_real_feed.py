"""A real feed, delivered day by day as the vendor did: after each rerun the results are those of a full scan."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest
from msgspec.structs import replace

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import change, content, prepare, query, write_scanner

#: Over the new year: a delivery has rows of a holiday, and splits become known.
DAYS = (date(2015, 12, 24), date(2016, 1, 7))
TABLES = ("scan_results", "scanner_outcomes", "features", "market_context")
#: A scanner that compares all symbols: a cached one must count in it like any other.
RANKS = "select session, symbol, percent_rank() over (order by change_pct) as place from features qualify place > 0.97"


class Vendor:
    """Every symbol that ever split and half of the others of the real market, as far as they were delivered.

    There is a file for each day of reports, and `splits.csv` holds the splits known by then.
    """

    def __init__(self, market: Path, folder: Path) -> None:
        self.feed = folder / "feed"
        self.feed.mkdir(parents=True)
        shutil.copy(market / "symbols.csv", folder)
        self._folder = folder
        self._connection = duckdb.connect()
        self._connection.execute(f"create view splits as from read_csv('{market}/splits.csv')")
        self._connection.execute(
            f"create view rows as from read_parquet('{market}/feed/*.parquet') "
            "where symbol in (select symbol from splits) or hash(symbol) % 2 = 0"
        )

    def days(self, first: date, last: date) -> list[date]:
        """The days on which something was reported."""
        rows = self._connection.execute(
            "select distinct reported_on from rows where reported_on between ? and ? order by all", [first, last]
        )
        return [day for (day,) in rows.fetchall()]

    def deliver(self, after: date, day: date) -> tuple[date, date]:
        """What was reported after one day and up to another; the first and the last date in it."""
        file = self.feed / f"{day}.parquet"
        reported = f"reported_on > '{after}' and reported_on <= '{day}'"
        self._connection.execute(f"copy (from rows where {reported}) to '{file}' (format parquet)")
        known = f"from splits where coalesce(known_on, ex_date) <= '{day}'"
        self._connection.execute(f"copy ({known}) to '{self._folder}/splits.csv' (header)")
        ((first, last),) = self._connection.execute(f"select min(date), max(date) from '{file}'").fetchall()
        return first, last


def in_full(pipeline: Pipeline, sessions: Sequence[date], data_dir: Path) -> Pipeline:
    """The sessions scanned from scratch, from the same bars and splits, in a store of their own."""
    shutil.copytree(pipeline.settings.cache_dir, data_dir / "cache")
    shutil.copytree(pipeline.settings.scanners_dir, data_dir / "scanners")
    made = Pipeline(replace(pipeline.settings, data_dir=data_dir))
    shutil.copy(pipeline.settings.database_path, made.settings.database_path)
    for table in ("universe", "prefiltered_symbols", "scan_results", "scanner_outcomes", "scan_fingerprints",
                  "incremental_deltas", "hit_changes", "kept_features", "kept_scores", "market_context"):  # fmt: skip
        change(made, f"delete from {table}")
    prepare(made, sessions)
    assert all(not one.is_cached for one in made.scan(sessions, "full"))
    return made


@pytest.mark.slow
def test_a_rerun_after_each_delivery_gives_what_a_full_scan_of_what_was_known_then_gives(
    real_market: Path, settings_at: SettingsFactory, tmp_path: Path, calendar: Calendar
) -> None:
    vendor = Vendor(real_market, tmp_path / "market")
    pipeline = Pipeline(settings_at(tmp_path / "data", provider="files", files_path=vendor.feed))
    write_scanner(pipeline, "ranks", RANKS)
    before, *days = vendor.days(*DAYS)
    assert len(days) == 8

    def take_in(after: date, day: date) -> list[date]:
        sessions = calendar.between(*vendor.deliver(after, day))
        pipeline.record_splits()
        list(pipeline.ingest(sessions, str(day)))
        return sessions

    history = take_in(date.min, before)
    list(prepare(pipeline, history[-1:]).scan(history[-1:], "first"))
    held = query(pipeline, "select count(*) from splits")[0][0]
    corrected = []
    for after, day in zip([before, *days], days, strict=False):
        sessions = take_in(after, day)
        prepare(pipeline, sessions)
        pipeline.find_changes(sessions, str(day))
        *again, new = pipeline.scan(sessions, str(day), incremental=True)
        assert new.rescanned_symbols == new.scanned_symbols
        corrected += [(one.rescanned_symbols, one.scanned_symbols) for one in again]
        if day in days[1::2]:
            kept = [one for (one,) in query(pipeline, "select distinct session from features order by session")]
            full = in_full(pipeline, kept, tmp_path / f"full {day}")
            for table in TABLES:
                rows = content(pipeline, table, kept)
                assert rows
                assert rows == content(full, table, kept), f"{table}, delivery of {day}"
    assert query(pipeline, "select count(*) from splits")[0][0] > held, "no split became known in between"
    assert len(corrected) == len(days)
    assert all(0 < again < scanned / 2 for again, scanned in corrected), "some were cached, and some were not"
