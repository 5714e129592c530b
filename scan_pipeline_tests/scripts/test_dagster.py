"""Scripts as assets: what Dagster loads, materializes, checks and asks for after a night."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from scan_pipeline.definitions import build_definitions, script_job
from scan_pipeline.defs.cancellation import Cancellation
from scan_pipeline.defs.runs import RunFailed, open_instance, run_script
from scan_pipeline.defs.scripts import asset_key
from scan_pipeline.defs.step_processes import start_ahead
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.script_pipeline import ScriptPipeline
from scan_pipeline.scripts.library import add_script
from scan_pipeline.settings import Settings
from scan_pipeline.store.scripts import read_script_hits
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scripts.conftest import AS_OF
from scan_pipeline_tests.step_processes import step_processes

#: Asks for one day; fails after its last step on a symbol of the market's.
GREEN = """
import json, urllib.request
DAY = "2025-12-31"
hits = []
URL = "https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/"
with urllib.request.urlopen(f"{URL}{DAY}?apiKey=mine") as answer:
    for bar in json.load(answer).get("results", []):
        if bar["c"] > bar["o"] * 1.01:
            hits.append({"symbol": bar["T"], "date": DAY, "close": bar["c"]})
"""
FAILS_ONCE_DONE = GREEN + "raise SystemExit('the disk is full')\n"
NOTHING = "print('hello')\n"
SIDECAR = '[parameters]\nDAY = "{to}"\n'


@pytest.fixture(scope="module")
def desk(
    scripts_store: Path, environments_dir: Path, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScriptPipeline]:
    """Scripts that end in different ways, and one that is none."""
    folder = tmp_path_factory.mktemp("scripts_in_dagster")
    settings = settings_at(folder / "data")
    shutil.copyfile(scripts_store, settings.database_path)
    settings.environments_dir.symlink_to(environments_dir)
    for name, text in (("green", GREEN), ("fails", FAILS_ONCE_DONE), ("nothing", NOTHING)):
        (folder / f"{name}.py").write_text(text)
        script = add_script(folder / f"{name}.py", settings.scripts_dir)
        script.path.with_suffix(".toml").write_text(SIDECAR)
    (settings.scripts_dir / "torn.py").write_text("def (:\n")
    with step_processes(settings):
        yield ScriptPipeline(Pipeline(settings))


@pytest.fixture(scope="module")
def instance(desk: ScriptPipeline) -> Iterator[dg.DagsterInstance]:
    with open_instance(desk.pipeline.settings) as instance:
        yield instance


def latest(instance: dg.DagsterInstance, name: str, session: object) -> dict[str, object]:
    wanted = dg.AssetRecordsFilter(asset_key=asset_key(name), asset_partitions=[str(session)])
    (record,) = instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


@pytest.mark.slow
def test_a_range_is_one_run_that_reports_every_session_with_numbers(
    desk: ScriptPipeline, instance: dg.DagsterInstance
) -> None:
    settings = desk.pipeline.settings
    sessions = desk.pipeline.calendar.between(AS_OF.replace(day=29), AS_OF)
    before = len(instance.get_runs())
    finished, fault = run_script(settings, "green", sessions, {"shards": 2, "screen": False})
    assert fault == ""
    assert len(instance.get_runs()) == before + 1
    values = latest(instance, "green", AS_OF)
    assert latest(instance, "green", sessions[0]) == values
    with desk.pipeline.store.read() as connection:
        hits = read_script_hits(connection, "green", AS_OF)
    assert hits
    assert {hit["session"] for hit in hits} == {AS_OF}
    assert (values["hits"], values["hits_on_the_session"]) == (len(hits), len(hits))
    assert (values["shards"], values["requests"], values["calls"]) == (2, 2, 0)
    assert values["partial"] is False
    assert values["symbols_shown"] == values["symbols_held"]
    assert str(values["output"]).startswith(str(settings.script_runs_dir))
    assert hits[0]["symbol"] in str(values["newest_hits"])
    assert (Path(str(values["output"])) / "shard-02" / "stdout.txt").exists()
    assert finished.failed_checks == {}


@pytest.mark.slow
def test_a_script_that_fails_after_it_has_found_something_fails_its_check_and_not_the_run(
    desk: ScriptPipeline, instance: dg.DagsterInstance
) -> None:
    finished, fault = run_script(desk.pipeline.settings, "fails", [AS_OF], {"shards": 1, "screen": False})
    assert [*finished.failed_checks] == ["ended"]
    assert "fails crashed: exit: the disk is full" in fault
    assert "they are kept, marked partial" in fault
    assert latest(instance, "fails", AS_OF)["partial"] is True
    with desk.pipeline.store.read() as connection:
        hits = read_script_hits(connection, "fails", AS_OF)
    assert hits
    assert all(hit["partial"] for hit in hits)


def in_process(settings: Settings, instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    return (
        build_definitions(settings)
        .resolve_job_def("script_scan")
        .execute_in_process(
            instance=instance,
            partition_key=str(AS_OF),
            asset_selection=[asset_key(name)],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    )


@pytest.mark.slow
def test_scripts_run_in_a_single_process_too_and_what_has_no_result_fails_in_words(
    desk: ScriptPipeline, instance: dg.DagsterInstance
) -> None:
    settings = desk.pipeline.settings
    result = in_process(settings, instance, "green")
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    failed = in_process(settings, instance, "nothing")
    assert not failed.success
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    assert failure.step_key.endswith("merge_nothing")
    assert failure.step_failure_data.user_failure_data
    assert "No result found" in str(failure.step_failure_data.user_failure_data.description)
    torn = in_process(settings, instance, "torn")
    (failure,) = [event for event in torn.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data
    assert "torn.py, line 1" in str(failure.step_failure_data.user_failure_data.description)


@pytest.mark.slow
def test_what_a_shard_left_must_be_there_when_a_run_is_merged_again(
    desk: ScriptPipeline, instance: dg.DagsterInstance
) -> None:
    settings = desk.pipeline.settings
    with pytest.raises(RunFailed, match="No result found"):
        run_script(settings, "nothing", [AS_OF], {"shards": 2, "screen": False})
    run = instance.get_runs(limit=1)[0]
    for folder in (settings.script_runs_dir / "nothing").glob("*/shard-01"):
        shutil.rmtree(folder)
    with dg.execute_job(
        dg.reconstructable(script_job),
        instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(run.run_id, instance),
        run_config=run.run_config,
    ) as again:
        (failure,) = [event for event in again.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data
    assert "What shard 1 of nothing left" in str(failure.step_failure_data.user_failure_data.description)


@pytest.mark.slow
def test_a_run_that_fails_before_any_step_says_why(
    desk: ScriptPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = desk.pipeline.settings
    with step_processes(settings):
        with monkeypatch.context() as patch:  # steps that see a folder without scripts
            patch.setenv("SCAN_DATA_DIR", str(tmp_path))
            start_ahead()
        with pytest.raises(RunFailed, match="Could not find job 'script_scan'") as failed:
            run_script(settings, "green", [AS_OF], {"shards": 1, "screen": False})
    assert "\n" not in str(failed.value)


def test_every_script_is_an_asset_that_waits_for_the_screen_and_a_broken_one_says_why(desk: ScriptPipeline) -> None:
    definitions = build_definitions(desk.pipeline.settings)
    for name in ("green", "fails", "nothing", "torn"):
        asset = definitions.resolve_assets_def(asset_key(name))
        assert dg.AssetKey("prefiltered_symbols") in asset.dependency_keys
        assert asset.partitions_def
        assert asset.backfill_policy == dg.BackfillPolicy.single_run()
        assert asset.automation_conditions_by_key[asset_key(name)]
    torn = definitions.resolve_assets_def(asset_key("torn")).descriptions_by_key[asset_key("torn")]
    assert "torn.py, line 1" in torn
    assert "None" not in torn


def test_without_scripts_there_is_neither_job_nor_sensor(settings_for: SettingsFactory) -> None:
    definitions = build_definitions(settings_for())
    assert not [sensor.name for sensor in definitions.sensors or [] if "script" in sensor.name]
    assert "script_scan" not in [job.name for job in definitions.resolve_all_job_defs()]


def test_after_a_night_the_sensor_asks_for_the_scripts_on_its_session(
    desk: ScriptPipeline, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(desk.pipeline.settings)
    sensor = definitions.resolve_sensor_def("scripts_after_nightly_scan")
    job = definitions.resolve_job_def("nightly_scan")
    run = instance.create_run_for_job(job, tags={"dagster/partition": str(AS_OF)})
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=run,
        dagster_event=dg.DagsterEvent("PIPELINE_SUCCESS", job.name),
    )
    asked = sensor(context)
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == str(AS_OF)


def test_a_run_that_was_ended_is_noticed(
    desk: ScriptPipeline, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scan_pipeline.defs.cancellation.ASK_EVERY", 0.0)
    job = build_definitions(desk.pipeline.settings).resolve_job_def("script_scan")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    is_over = Cancellation(instance, run.run_id)
    assert not is_over()
    instance.report_run_canceling(run)
    assert is_over()
    assert Cancellation(instance, "of-nobody")()
