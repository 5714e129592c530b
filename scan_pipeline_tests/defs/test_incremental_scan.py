"""Incremental scans as Dagster runs: what the UI shows of them, and what starts them by itself."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from msgspec.structs import replace

from scan_pipeline.definitions import build_definitions
from scan_pipeline.defs.jobs import build_change_sensor
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings
from scan_pipeline.store.bars import hash_bars
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.defs.test_runs import failure_text, latest, run
from scan_pipeline_tests.scans import write_scanner

pytestmark = pytest.mark.usefixtures("few_built_in_jobs")

NIGHTS = [date(2025, 3, 18), date(2025, 3, 19), date(2025, 3, 20)]
INCREMENTAL = {"scan_results": {"config": {"incremental": True}}}


@pytest.fixture(scope="module")
def settings(settings_at: SettingsFactory, demo_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("incremental")
    given = settings_at(folder, provider="files", files_path=demo_market / "feed")
    pipeline = Pipeline(given)
    list(pipeline.ingest(pipeline.calendar.between(date(2024, 10, 1), NIGHTS[-1]), "before"))
    return given


@pytest.fixture(scope="module")
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    home = settings.data_dir / "dagster_home"
    home.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        assert run(settings, instance, "backfill", NIGHTS[0], NIGHTS[-1]).success
        yield instance


def tick(settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    sensor = build_change_sensor(Pipelines(settings))
    repository = build_definitions(settings).get_repository_def()
    return sensor.evaluate_tick(dg.build_sensor_context(instance, cursor, repository_def=repository))


def test_a_rerun_after_no_change_says_that_everything_is_cached(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert run(settings, instance, "incremental_scan", NIGHTS[0], NIGHTS[-1], **INCREMENTAL).success
    for night in NIGHTS:
        deltas, scanned = latest(instance, "incremental_deltas", night), latest(instance, "scan_results", night)
        assert (deltas["rescan"], deltas["cached"]) == (0, deltas["symbols"])
        assert (scanned["rescanned_symbols"], scanned["cached_share"]) == (0, 1.0)
        assert "Nothing that the session is made of changed" in str(scanned["cached"])


def test_a_range_that_is_scanned_whole_says_so(settings: Settings, instance: dg.DagsterInstance) -> None:
    scanned = latest(instance, "scan_results", NIGHTS[0])
    assert scanned["scanned_symbols"]
    assert "hits_new" in scanned


def test_the_sensor_starts_a_scan_when_something_changed_and_rests_after_it(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    resting = tick(settings, instance)
    assert not resting.run_requests
    assert resting.skip_message == "Nothing changed since the last scan."
    with Pipeline(settings).store.write() as connection:
        connection.execute(
            "update price_bars set volume = volume + 1 where symbol = 'SPY' and session = ?", [NIGHTS[1]]
        )
        hash_bars(connection, [NIGHTS[1]])
    (request,) = tick(settings, instance).run_requests or ()
    assert request.tags["dagster/asset_partition_range_start"] == str(NIGHTS[0])
    assert request.tags["dagster/asset_partition_range_end"] == str(NIGHTS[-1])
    # The rerun takes the bars in again, which undoes that change: what it finds is right either way.
    assert run(settings, instance, "incremental_scan", NIGHTS[0], NIGHTS[-1], **INCREMENTAL).success
    assert not tick(settings, instance).run_requests


def test_the_sensor_reaches_back_to_what_changed_before_the_sessions_that_are_corrected(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    narrow = replace(settings, correction_sessions=1)
    with Pipeline(settings).store.write() as connection:
        connection.execute(
            "update price_bars set volume = volume + 1 where symbol = 'SPY' and session = ?", [NIGHTS[0]]
        )
        hash_bars(connection, [NIGHTS[0]])
    assert Pipeline(narrow).rerun_sessions()[0] > NIGHTS[0]
    (request,) = tick(narrow, instance).run_requests or ()
    assert request.tags["dagster/asset_partition_range_start"] == str(NIGHTS[0])
    # Otherwise the first night would be found stale after every run, and each would start the next.
    assert run(settings, instance, "incremental_scan", NIGHTS[0], NIGHTS[-1], **INCREMENTAL).success
    assert not tick(narrow, instance).run_requests


def test_the_sensor_heeds_scanners_and_limits(settings: Settings, instance: dg.DagsterInstance) -> None:
    write_scanner(Pipeline(settings), "mine", "select session, symbol from features where close > 100")
    assert tick(settings, instance).run_requests
    assert run(settings, instance, "incremental_scan", NIGHTS[0], NIGHTS[-1], **INCREMENTAL).success
    assert not tick(settings, instance, str(settings.screen)).run_requests
    assert tick(settings, instance, "limits of yesterday").run_requests


def test_the_sensor_says_why_it_cannot_look(settings_for: SettingsFactory, instance: dg.DagsterInstance) -> None:
    assert not tick(settings_for(), instance).run_requests


def test_parameters_of_a_run_are_given_in_the_launchpad_and_hold_for_it_alone(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    write_scanner(
        Pipeline(settings),
        "averaged",
        "-- param: bars = 5\n-- param: least = 0.5\n"
        "select session, symbol, close from features where close > $least * ta.sma(close, $bars)",
    )
    night = NIGHTS[-1]

    def stored() -> list[tuple[Any, ...]]:
        with Pipeline(settings).store.read() as connection:
            return connection.execute(
                "select code_version, ok, hits from scanner_outcomes where scanner = 'averaged' and session = ?",
                [night],
            ).fetchall()

    assert run(settings, instance, "incremental_scan", night, **INCREMENTAL).success
    before = stored()
    given = {"incremental": True, "parameters": {"averaged": {"bars": 9, "least": 1.01}}}
    assert run(settings, instance, "incremental_scan", night, scan_results={"config": given}).success
    ((version, ok, hits),) = stored()
    assert ok, "a number of bars stays whole on its way through Dagster"
    assert version != before[0][0]
    assert hits < before[0][2]
    assert run(settings, instance, "incremental_scan", night, **INCREMENTAL).success
    assert stored() == before
    wrong = {"parameters": {"averaged": {"bar": 9}}}
    failed = run(settings, instance, "incremental_scan", night, scan_results={"config": wrong})
    assert not failed.success
    assert "Did you mean bars" in failure_text(failed)
