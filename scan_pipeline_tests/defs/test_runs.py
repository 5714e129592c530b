"""A night and a backfill as Dagster runs: what the UI shows of them, and what stops them."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from scan_pipeline.definitions import build_definitions
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings
from scan_pipeline_tests.conftest import SettingsFactory

pytestmark = pytest.mark.usefixtures("few_built_in_jobs")

ASSETS = ("splits", "price_bars", "universe", "prefiltered_symbols", "scan_results")
NIGHT = date(2025, 3, 20)


@pytest.fixture
def settings(settings_for: SettingsFactory, demo_market: Path) -> Settings:
    return settings_for(provider="files", files_path=demo_market / "feed")


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    home = settings.data_dir / "dagster_home"
    home.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


def run(settings: Settings, instance: dg.DagsterInstance, job: str, first: date, last: date | None = None, **config):  # type: ignore[no-untyped-def]
    tags = {} if last is None else {
        "dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last),
    }  # fmt: skip
    return (
        build_definitions(settings)
        .resolve_job_def(job)
        .execute_in_process(
            instance=instance,
            partition_key=None if last else str(first),
            tags=tags,
            run_config={"ops": config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    )


def latest(instance: dg.DagsterInstance, asset: str, session: date) -> dict[str, object]:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[str(session)])
    records = instance.fetch_materializations(wanted, limit=1).records
    materialization = records[0].asset_materialization if records else None
    return {name: value.value for name, value in materialization.metadata.items()} if materialization else {}


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(
        event.step_failure_data.user_failure_data.description or ""
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_a_night_materializes_every_asset_for_its_session_with_numbers_that_add_up(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert run(settings, instance, "nightly_scan", NIGHT).success
    values = {asset: latest(instance, asset, NIGHT) for asset in ASSETS}
    bars = values["price_bars"]
    assert bars["delivered"] == bars["bars"] + bars["superseded"] + bars["rejected"] > 0
    assert values["universe"]["symbols"] == values["prefiltered_symbols"]["universe"]
    assert values["prefiltered_symbols"]["passed"] == values["scan_results"]["scanned_symbols"]
    assert all(one["seconds"] >= 0 and one["peak_mib"] > 10 for one in values.values())
    with Pipeline(settings).store.read() as connection:
        assert connection.execute("select count(*) from price_bars").fetchone() == (bars["bars"],)


def test_the_limits_of_the_screen_are_typed_in_the_launchpad_and_take_effect(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    limits = {"min_bars_held": 1, "min_average_volume": 0, "max_symbols": 3}
    assert run(settings, instance, "ingest", date(2025, 2, 3), NIGHT).success
    assert run(settings, instance, "nightly_scan", NIGHT, prefiltered_symbols={"config": limits}).success
    assert latest(instance, "prefiltered_symbols", NIGHT)["passed"] == 3
    with pytest.raises(dg.DagsterInvalidConfigError, match="min_price"):
        run(settings, instance, "nightly_scan", NIGHT, prefiltered_symbols={"config": {"min_price": "cheap"}})
    result = run(settings, instance, "nightly_scan", NIGHT, prefiltered_symbols={"config": {"min_price": 900.0}})
    assert not result.success
    assert "min_price 900 is above max_price 500" in failure_text(result)


def test_too_many_rejected_bars_stop_the_session_and_say_why(
    settings_for: SettingsFactory, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    bad = "".join(f"BAD{number},{NIGHT},10,9,11,10,5\n" for number in range(3))
    good = "".join(f"GOOD{number},{NIGHT},10,11,9,10,5\n" for number in range(20))
    (feed / "bars.csv").write_text("symbol,date,open,high,low,close,volume\n" + good + bad)
    result = run(settings_for(provider="files", files_path=feed), instance, "nightly_scan", NIGHT)
    assert not result.success
    check = checks(result)["rejected_share"]
    assert not check.passed
    assert "2025-03-20 lost 3 of 23 bars (13.0%): high_below_low 3" in check.description
    assert "SCAN_MAX_REJECTED_SHARE" in check.description
    assert not latest(instance, "scan_results", NIGHT)
    assert not latest(instance, "prefiltered_symbols", NIGHT)
    tolerant = settings_for(provider="files", files_path=feed, max_rejected_share=0.2)
    assert run(tolerant, instance, "nightly_scan", NIGHT).success


def test_a_scanner_that_fails_shows_a_failed_check_and_the_others_stand(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    settings.scanners_dir.mkdir(parents=True)
    (settings.scanners_dir / "mine.sql").write_text("select session, symbol, gap_percent from features")
    (settings.scanners_dir / "all_of_them.sql").write_text("select session, symbol from features")
    limits = {"min_bars_held": 1, "min_average_volume": 0}
    result = run(settings, instance, "nightly_scan", NIGHT, prefiltered_symbols={"config": limits})
    assert result.success
    found = checks(result)
    assert not found["scanner_mine"].passed
    assert "mine.sql" in found["scanner_mine"].description
    assert "gap_percent" in found["scanner_mine"].description
    assert found["scanner_all_of_them"].passed
    assert found["scanner_gap_and_go"].passed
    assert latest(instance, "scan_results", NIGHT)["scanners_failed"] == 1


def test_a_session_that_has_not_closed_is_refused_in_words(settings: Settings, instance: dg.DagsterInstance) -> None:
    tomorrow = max(build_definitions(settings).resolve_job_def("ingest").partitions_def.get_partition_keys())
    result = run(settings, instance, "ingest", date.fromisoformat(tomorrow))
    if not result.success:  # on the evening of a session its partition is closed, and there is nothing to refuse
        assert "has not closed" in failure_text(result) or "has no bars for" in failure_text(result)
    assert not latest(instance, "price_bars", date.fromisoformat(tomorrow))


def test_a_backfill_is_one_run_that_reports_every_session(settings: Settings, instance: dg.DagsterInstance) -> None:
    first, last = date(2025, 3, 14), date(2025, 3, 20)
    assert run(settings, instance, "backfill", first, last).success
    sessions = Pipeline(settings).calendar.between(first, last)
    for asset in ASSETS:
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {str(session) for session in sessions}
    delivered = {latest(instance, "price_bars", session)["delivered"] for session in sessions}
    assert len(delivered) > 1, "each session has its own numbers"
    assert len(instance.get_runs()) == 1


def test_what_a_provider_does_not_have_is_named_and_the_other_sessions_stand(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    result = run(settings, instance, "ingest", date(2025, 12, 30), date(2026, 1, 5))
    assert not result.success
    assert "no bars for 2026-01-02, 2026-01-05. It has 2024-01-02 to 2025-12-31" in failure_text(result)
    assert instance.get_materialized_partitions(dg.AssetKey("price_bars")) == {"2025-12-30", "2025-12-31"}


def test_steps_write_the_database_one_at_a_time_and_every_job_has_a_time_limit(settings: Settings) -> None:
    definitions = build_definitions(settings)
    for name in ("nightly_scan", "backfill", "ingest"):
        job = definitions.resolve_job_def(name)
        assert int(job.tags["dagster/max_runtime"]) > 0
        assert {node.definition.pool for node in job.nodes} == {"store"}


def test_the_instance_that_is_committed_monitors_runs_and_sends_no_telemetry() -> None:
    import yaml

    from scan_pipeline.settings import PROJECT_DIR

    config = yaml.safe_load((PROJECT_DIR / "data" / "dagster_home" / "dagster.yaml").read_text())
    assert config["run_monitoring"]["enabled"]
    assert config["run_monitoring"]["max_runtime_seconds"] > 0
    assert config["concurrency"]["pools"]["default_limit"] == 1
    assert config["telemetry"] == {"enabled": False}


def test_the_workspace_loads(settings: Settings, tmp_path: Path) -> None:
    import subprocess
    import sys

    from scan_pipeline.settings import PROJECT_DIR

    environment = {**os.environ, "SCAN_DATA_DIR": str(settings.data_dir), "DAGSTER_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(PROJECT_DIR / "workspace.yaml")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
