"""What Dagster loads. Nothing else knows the whole, and nothing happens at import.

`build_definitions` joins the parts; a test or the command line gives it other settings or a display.
"""

import warnings
from collections.abc import Callable
from datetime import datetime

import dagster as dg

from scan_pipeline.defs.assets import build_assets
from scan_pipeline.defs.jobs import (
    SCRIPT_SCAN,
    build_intraday_schedule,
    build_jobs,
    build_schedule,
    build_sensors,
)
from scan_pipeline.defs.partitions import session_partitions
from scan_pipeline.defs.python_scanners import PYTHON_SCAN, build_python_assets
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.defs.scanner_checks import no_look_ahead
from scan_pipeline.defs.scripts import build_script_assets, shards_in_processes
from scan_pipeline.progress import Display
from scan_pipeline.scanners.python.library import find_python_scanners
from scan_pipeline.scanners.registry import find_scanners
from scan_pipeline.scripts.library import find_scripts
from scan_pipeline.sessions import Calendar, utc_now
from scan_pipeline.settings import Settings, load_settings


def build_definitions(
    settings: Settings, display: Display | None = None, clock: Callable[[], datetime] = utc_now
) -> dg.Definitions:
    """Everything, for the given settings."""
    calendar = Calendar.load(settings.cache_dir)
    scripts = find_scripts(settings.scripts_dir)
    pipelines = Pipelines(settings, display, clock)
    in_python = find_python_scanners(settings.scanners_dir)
    jobs = build_jobs(has_scripts=bool(scripts), has_python=bool(in_python))
    with warnings.catch_warnings():
        # Backfill policies and exclusions are marked beta; the versions of Dagster that we allow have them.
        warnings.simplefilter("ignore", dg.BetaWarning)
        partitions = session_partitions(calendar)
        assets = build_assets(partitions, settings.screen, find_scanners(settings.scanners_dir))
        assets += build_script_assets(partitions, scripts) + build_python_assets(partitions, in_python)
    return dg.Definitions(
        assets=assets,
        asset_checks=[no_look_ahead],
        jobs=jobs,
        schedules=[build_schedule(calendar), build_intraday_schedule(pipelines)],
        sensors=build_sensors(pipelines, jobs),
        resources={"pipelines": pipelines},
        executor=shards_in_processes,
    )


@dg.definitions
def scan_pipeline_definitions() -> dg.Definitions:
    """The definitions for the settings of the environment."""
    return build_definitions(load_settings())


def script_job() -> dg.JobDefinition:
    """The job of all scripts, for processes that build it anew: each shard's does."""
    return build_definitions(load_settings()).resolve_job_def(SCRIPT_SCAN)


def python_job() -> dg.JobDefinition:
    """The job of scanners in Python, for processes that build it anew: each shard's does."""
    return build_definitions(load_settings()).resolve_job_def(PYTHON_SCAN)
