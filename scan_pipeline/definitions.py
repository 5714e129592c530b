"""What Dagster loads. Nothing else knows the whole, and nothing happens at import.

`build_definitions` joins the parts; a test or the command line gives it other settings or a display.
"""

import warnings

import dagster as dg

from scan_pipeline.defs.assets import build_assets
from scan_pipeline.defs.jobs import build_jobs, build_schedule
from scan_pipeline.defs.partitions import session_partitions
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.progress import Display
from scan_pipeline.scanners.registry import find_scanners
from scan_pipeline.sessions import Calendar
from scan_pipeline.settings import Settings, load_settings


def build_definitions(settings: Settings, display: Display | None = None) -> dg.Definitions:
    """Everything, for the given settings."""
    calendar = Calendar.load(settings.cache_dir)
    with warnings.catch_warnings():
        # Backfill policies and exclusions are marked beta; the versions of Dagster that we allow have them.
        warnings.simplefilter("ignore", dg.BetaWarning)
        partitions = session_partitions(calendar)
        assets = build_assets(partitions, settings.screen, find_scanners(settings.scanners_dir))
    return dg.Definitions(
        assets=assets,
        jobs=build_jobs(),
        schedules=[build_schedule(calendar)],
        resources={"pipelines": Pipelines(settings, display)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def scan_pipeline_definitions() -> dg.Definitions:
    """The definitions for the settings of the environment."""
    return build_definitions(load_settings())
