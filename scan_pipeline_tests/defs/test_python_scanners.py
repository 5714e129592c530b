"""Scanners in Python in Dagster: the asset with its mapped shards and checks, what starts it, and the command line."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from scan_pipeline.definitions import build_definitions
from scan_pipeline.defs.python_scanners import PLAN, PYTHON_RESULTS
from scan_pipeline.defs.runs import RunFailed, open_instance, run_python_scanners
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.python_pipeline import PythonPipeline
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import copy_of, prepare, query
from scan_pipeline_tests.step_processes import step_processes

SESSIONS = [date(2025, 9, day) for day in (23, 24, 25, 26)]
LAST = SESSIONS[-1]
RISES = """
from scan_pipeline import scanner


@scanner(lookback=5, rank="close desc", limit=20, title="Rises")
def rises(bars, *, least: float = 0):
    if bars.attrs["symbol"] in BAD:
        raise ValueError("not this one")
    return bars.close > bars.close.shift(1) * (1 + least)


BAD = ()
"""


@pytest.fixture(scope="module")
def desk(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Screened sessions and one scanner."""
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("python") / "data"), SESSIONS)
    settings = pipeline.settings
    settings.scanners_dir.mkdir(exist_ok=True)
    (settings.scanners_dir / "rises.py").write_text(RISES)
    with step_processes(settings):
        yield pipeline


@pytest.fixture(scope="module")
def instance(desk: Pipeline) -> Iterator[dg.DagsterInstance]:
    with open_instance(desk.settings) as instance:
        yield instance


def latest(instance: dg.DagsterInstance, session: date) -> dict[str, object]:
    wanted = dg.AssetRecordsFilter(asset_key=PYTHON_RESULTS, asset_partitions=[str(session)])
    (record,) = instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


@pytest.mark.slow
def test_shards_run_in_processes_of_their_own_and_every_session_is_reported(
    desk: Pipeline, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scan_pipeline.defs.runs.FEW_SESSIONS", 0)
    finished = run_python_scanners(desk.settings, SESSIONS, None, {"shards": 2, "incremental": False})
    assert finished is not None
    assert finished.failed_checks == {}
    run = instance.get_run_by_id(finished.run_id)
    assert run
    processes = {
        record.step_key: record.dagster_event.engine_event_data.metadata["pid"].value
        for record in instance.all_logs(run.run_id)
        if record.dagster_event and record.step_key and record.dagster_event.event_type_value == "STEP_WORKER_STARTED"
    }
    shards = [step for step in processes if "run_shard" in step]
    assert len(shards) == 2
    assert len(set(processes.values())) == len(processes) == 4
    values = latest(instance, LAST)
    assert latest(instance, SESSIONS[0]) == values
    stored = query(desk, "select count(*) from scan_results where scanner = 'rises'")
    assert values["hits"] == stored[0][0] > 0
    assert values["shards"] == 2
    assert values["symbols_cached"] == values["symbols_quarantined"] == values["scanners_failed"] == 0
    assert "| rises |" in str(values["hits_by_scanner"])


@pytest.mark.slow
def test_in_one_process_nothing_is_called_twice_and_parameters_can_be_others(
    desk: Pipeline, instance: dg.DagsterInstance
) -> None:
    for _ in range(2):
        finished = run_python_scanners(desk.settings, [LAST], None)
    assert finished is not None
    values = latest(instance, LAST)
    assert (values["symbols_called"], values["shards"]) == (0, 0)
    hits = values["hits"]
    run_python_scanners(desk.settings, [LAST], None, {"parameters": {"rises": {"least": 10.0}}})
    values = latest(instance, LAST)
    assert (values["hits"], values["hits_gone"]) == (0, hits)
    with pytest.raises(
        RunFailed, match=r"The scanner rises has no parameter leest. It has least. Did you mean least\?"
    ):
        run_python_scanners(desk.settings, [LAST], None, {"parameters": {"rises": {"leest": 1}}})
    run_python_scanners(desk.settings, [LAST], None)
    assert latest(instance, LAST)["hits_new"] == hits


@pytest.mark.slow
def test_a_quarantined_symbol_is_a_warning_and_a_file_that_cannot_be_imported_fails_its_check_alone(
    desk: Pipeline, instance: dg.DagsterInstance
) -> None:
    folder = desk.settings.scanners_dir
    (one,), *_ = query(desk, "select symbol from prefiltered_symbols where passed and session = ? order by 1", LAST)
    (folder / "rises.py").write_text(RISES.replace("BAD = ()", f"BAD = ('{one}',)"))
    (folder / "nowhere.py").write_text("import nowhere_at_all\n" + RISES.replace("rises", "nowhere"))
    try:
        finished = run_python_scanners(desk.settings, [LAST], None)
        assert finished is not None
        assert (
            f"symbols quarantined: {one} (ValueError: not this one (line 8))" in finished.failed_checks["scanner_rises"]
        )
        assert "No module named 'nowhere_at_all' (line 1)" in finished.failed_checks["scanner_nowhere"]
        assert latest(instance, LAST)["symbols_quarantined"] == 1
        checks = [
            record.dagster_event.asset_check_evaluation_data
            for record in instance.all_logs(finished.run_id)
            if record.dagster_event and record.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
        ]
        assert {check.check_name: check.severity.value for check in checks} == {
            "scanner_rises": "WARN",
            "scanner_nowhere": "ERROR",
        }
        assert query(desk, "select symbol, reason from quarantined_symbols") == [
            (one, "ValueError: not this one (line 8)")
        ]
    finally:
        (folder / "nowhere.py").unlink()
        (folder / "rises.py").write_text(RISES)


@pytest.mark.slow
def test_the_merge_refuses_a_shard_that_a_retry_left_out(desk: Pipeline, instance: dg.DagsterInstance) -> None:
    before = query(desk, "from scan_results order by all")
    job = build_definitions(desk.settings).resolve_job_def("python_scan")
    plan = PythonPipeline(desk).plan([LAST], "parts", incremental=False, shards=2)
    merge = job.graph.node_named("python_scan_results").definition.node_named("merge_python_scan").definition  # type: ignore[attr-defined]
    context = dg.build_op_context(
        resources={"pipelines": build_definitions(desk.settings).resources["pipelines"]},
        instance=instance,  # type: ignore[index]
    )
    with pytest.raises(dg.Failure, match="these are missing: 2 of rises"):
        list(merge(context, plan.folder, [{"folder": plan.folder, "scanner": "rises", "number": 1}]))
    assert query(desk, "from scan_results order by all") == before


def test_the_asset_waits_for_the_screen_and_has_a_check_for_each_scanner(desk: Pipeline) -> None:
    definitions = build_definitions(desk.settings)
    asset = definitions.resolve_assets_def(PYTHON_RESULTS)
    assert dg.AssetKey("prefiltered_symbols") in asset.dependency_keys
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()
    assert [check.name for check in asset.check_specs] == ["scanner_rises"]
    nightly = definitions.resolve_job_def("nightly_scan")
    assert PYTHON_RESULTS not in nightly.asset_layer.executable_asset_keys
    graph = definitions.resolve_job_def("python_scan").graph.node_named("python_scan_results").definition
    assert PLAN in [node.name for node in graph.nodes]  # type: ignore[attr-defined]


def test_without_scanners_in_python_there_is_no_asset_job_or_sensor(settings_for: SettingsFactory) -> None:
    settings = settings_for()
    definitions = build_definitions(settings)
    assert "python_scan" not in [job.name for job in definitions.resolve_all_job_defs()]
    assert not [sensor.name for sensor in definitions.sensors or [] if "python" in sensor.name]
    assert run_python_scanners(settings, SESSIONS, None) is None


@pytest.mark.parametrize("job_name", ["nightly_scan", "incremental_scan"])
def test_after_a_scan_of_the_market_the_sensor_asks_for_its_sessions(
    desk: Pipeline, instance: dg.DagsterInstance, job_name: str
) -> None:
    definitions = build_definitions(desk.settings)
    sensor = definitions.resolve_sensor_def("python_scan_after_scan")
    ends = {
        "dagster/asset_partition_range_start": str(SESSIONS[0]),
        "dagster/asset_partition_range_end": str(LAST),
    }
    for tags in ({"dagster/partition": str(LAST)}, ends):
        run = instance.create_run_for_job(definitions.resolve_job_def(job_name), tags=tags)
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_instance=instance,
            dagster_run=run,
            dagster_event=dg.DagsterEvent("PIPELINE_SUCCESS", job_name),
        )
        asked = sensor(context)
        assert isinstance(asked, dg.RunRequest)
        assert asked.partition_key == tags.get("dagster/partition")
        assert tags.items() & ends.items() <= asked.tags.items()


@pytest.mark.slow
def test_an_edited_file_asks_for_the_kept_sessions_once(
    desk: Pipeline, instance: dg.DagsterInstance, settings_at: SettingsFactory, tmp_path: Path
) -> None:
    pipeline = copy_of(desk, settings_at, tmp_path)
    list(pipeline.scan([LAST], "sql"))
    shutil.copytree(desk.settings.scanners_dir, pipeline.settings.scanners_dir, dirs_exist_ok=True)
    PythonPipeline(pipeline).scan([LAST], "python")
    definitions = build_definitions(pipeline.settings)
    sensor = definitions.resolve_sensor_def("python_scan_on_change")
    context = dg.build_sensor_context(instance=instance, definitions=definitions)
    assert isinstance(sensor(context), dg.SkipReason)
    (pipeline.settings.scanners_dir / "rises.py").write_text(RISES + "# edited\n")
    asked = sensor(context)
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == str(LAST)
    assert isinstance(sensor(context), dg.SkipReason)
    PythonPipeline(pipeline).scan([LAST], "again")
    assert PythonPipeline(pipeline).stale_sessions() == []
