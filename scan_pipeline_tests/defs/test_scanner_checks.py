"""The check for look-ahead in the UI: a job of its own, which names who looks ahead; nights go on without it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from scan_pipeline.definitions import build_definitions
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import copy_of, prepare, write_scanner

CONFIG = {"scan_results_no_look_ahead": {"config": {"samples": 2, "symbols": 20}}}
TOMORROW = """
from scan_pipeline import scanner


@scanner(lookback=1)
def tomorrow(bars):
    return bars.close.shift(-1) > bars.close
"""


@pytest.fixture(scope="module")
def settings(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    pipeline = copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("checks") / "data")
    prepare(pipeline, pipeline.calendar.between(date(2025, 9, 22), date(2025, 9, 26)))
    pipeline.settings.scanners_dir.mkdir(parents=True, exist_ok=True)
    return pipeline.settings


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def check(settings: Settings, instance: dg.DagsterInstance) -> Any:
    result = (
        build_definitions(settings)
        .resolve_job_def("scanner_checks")
        .execute_in_process(instance=instance, run_config={"ops": CONFIG})
    )
    (one,) = result.get_asset_check_evaluations()
    return one


def test_all_built_in_scanners_pass(settings: Settings, instance: dg.DagsterInstance) -> None:
    one = check(settings, instance)
    assert one.passed, one.description
    assert "2 sessions of 2025-09-22 to 2025-09-26 were replayed" in one.description
    assert one.metadata["accused"].value == 0
    assert one.metadata["scanners"].value >= 20


def test_who_looks_ahead_is_named_with_the_hits_and_a_faulty_one_with_its_line(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    path = settings.scanners_dir / "tomorrow.py"
    path.write_text(TOMORROW)
    write_scanner(Pipeline(settings), "broken", "select session,\n  symbl\nfrom features")
    try:
        one = check(settings, instance)
    finally:
        path.unlink()
        (settings.scanners_dir / "broken.sql").unlink()
    assert not one.passed
    assert "tomorrow: LOOK-AHEAD" in one.description
    assert "broken.sql, line 2" in one.description
    records = [record.data for record in one.metadata["differences"].value.records]
    assert {record["scanner"] for record in records} == {"tomorrow"}
    assert all(record["one"] != record["other"] for record in records)


def test_no_night_waits_for_it(settings: Settings) -> None:
    definitions = build_definitions(settings)
    for name in ("nightly_scan", "backfill", "incremental_scan", "intraday_scan"):
        nodes = {node.name for node in definitions.resolve_job_def(name).nodes}
        assert "scan_results" in nodes
        assert "scan_results_no_look_ahead" not in nodes
