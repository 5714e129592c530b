"""Jobs, schedules and sensors: the night, a range of nights, taking bars in alone, and the user's scripts.

https://docs.dagster.io/guides/automate/schedules. The market's run in one process: their stages are
seconds long, and a process for each would cost more than the work. Scripts run as shards, in processes.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from msgspec.structs import replace

from scan_pipeline.defs.config import PROVISIONAL_TAG
from scan_pipeline.defs.python_scanners import PYTHON_RESULTS, PYTHON_SCAN, build_python_sensors
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.defs.scanner_checks import NO_LOOK_AHEAD, SCANNER_CHECKS
from scan_pipeline.defs.scripts import GROUP, shards_in_processes
from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import NEW_YORK, Calendar

if TYPE_CHECKING:  # what define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

#: Two hours after the regular close, when the vendors' end-of-day bars are there.
NIGHTLY_CRON = "0 18 * * 1-5"

NIGHTLY_SCAN, BACKFILL, INGEST = "nightly_scan", "backfill", "ingest"
INCREMENTAL_SCAN, INTRADAY_SCAN, SCRIPT_SCAN = "incremental_scan", "intraday_scan", "script_scan"


def build_jobs(*, has_scripts: bool, has_python: bool = False) -> "list[AssetJob]":
    """The jobs. `dagster/max_runtime` is what run monitoring ends them after, in seconds."""

    def job(
        name: str,
        selection: dg.AssetSelection,
        hours: float,
        description: str,
        executor: dg.ExecutorDefinition = dg.in_process_executor,
        config: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> "AssetJob":
        return dg.define_asset_job(
            name,
            selection,
            config=config,
            executor_def=executor,
            tags={"dagster/max_runtime": str(int(hours * 3600)), **(tags or {})},
            description=description,
        )

    # Checking scanners takes longer than a night: it is a job of its own.
    market = dg.AssetSelection.groups("market") - dg.AssetSelection.checks(NO_LOOK_AHEAD)
    jobs = [
        job(NIGHTLY_SCAN, market, 0.5, "One session, from its bars to ranked hits."),
        job(BACKFILL, market, 4, "A range of sessions in a single run, each stage in one pass."),
        job(INGEST, dg.AssetSelection.assets("splits", "price_bars"), 4, "Bars and splits of one session or a range."),
    ]
    jobs.append(
        job(
            INCREMENTAL_SCAN,
            market,
            0.5,
            "Sessions that were scanned before: corrections, what changed, and that alone scanned again.",
            config={"ops": {"scan_results": {"config": {"incremental": True}}}},
        )
    )
    jobs.append(
        job(
            INTRADAY_SCAN,
            market - dg.AssetSelection.assets("splits"),
            0.25,
            "The session that is open: its bars so far, from one call, marked provisional, and what changed scanned.",
            config={
                "ops": {
                    "price_bars": {"config": {"provisional": True}},
                    "scan_results": {"config": {"incremental": True}},
                }
            },
            tags={PROVISIONAL_TAG: "true"},
        )
    )
    jobs.append(
        job(
            SCANNER_CHECKS,
            dg.AssetSelection.checks(NO_LOOK_AHEAD),
            1,
            "All scanners over the last quarter that was screened: does any look ahead? Nothing is stored.",
        )
    )
    if has_scripts:
        words = "The user's scripts, unmodified, on one session or a range."
        jobs.append(job(SCRIPT_SCAN, dg.AssetSelection.groups(GROUP), 4, words, shards_in_processes))
    if has_python:
        words = "Scanners in Python, on one session or a range that was screened."
        jobs.append(job(PYTHON_SCAN, dg.AssetSelection.assets(PYTHON_RESULTS), 2, words, shards_in_processes))
    return jobs


def build_change_sensor(pipelines: Pipelines) -> dg.SensorDefinition:
    """Starts an incremental scan of the newest sessions when what their results are made of has changed."""

    @dg.sensor(
        job_name=INCREMENTAL_SCAN,
        name="incremental_scan_on_change",
        minimum_interval_seconds=60,
        description="When bars, splits, reference data, the screen's limits or a scanner's file changed.",
    )
    def on_change(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = pipelines.settings
        pipeline = Pipeline(replace(settings, store_wait_seconds=0))
        limits = str(settings.screen)
        try:
            stale = pipeline.stale_sessions()
            sessions = pipeline.rerun_sessions() if stale or context.cursor not in (None, limits) else []
        except ScanPipelineError as error:
            return dg.SkipReason(str(error))  # the database is busy, or nothing has been scanned yet: asked again soon
        context.update_cursor(limits)
        if not sessions:
            return dg.SkipReason("Nothing changed since the last scan.")
        # Whatever is stale is scanned: what is left so would start the next run, and that one the one after it.
        first, last = min([sessions[0], *stale]), sessions[-1]
        return dg.RunRequest(
            partition_key=str(last) if first == last else None,
            tags={} if first == last else {
                "dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last),
            },
        )  # fmt: skip

    return on_change


def build_script_sensor(jobs: "list[AssetJob]") -> dg.SensorDefinition:
    """Runs all scripts on the session of a night, once that night has succeeded."""
    by_name = {job.name: job for job in jobs}

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[by_name[NIGHTLY_SCAN]],
        request_job=by_name[SCRIPT_SCAN],
        name="scripts_after_nightly_scan",
        description="When a nightly scan has succeeded: every script, on its session.",
    )
    def scripts(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        session = context.dagster_run.tags.get("dagster/partition")
        if not session:
            return dg.SkipReason("The run was not of a single session.")
        return dg.RunRequest(partition_key=session, run_key=context.dagster_run.run_id)

    return scripts


def build_sensors(pipelines: Pipelines, jobs: "list[AssetJob]") -> list[dg.SensorDefinition]:
    """The sensors, for the jobs that there are."""
    by_name = {job.name: job for job in jobs}
    sensors = [build_change_sensor(pipelines)]
    if SCRIPT_SCAN in by_name:
        sensors.append(build_script_sensor(jobs))
    if PYTHON_SCAN in by_name:
        after = [by_name[NIGHTLY_SCAN], by_name[INCREMENTAL_SCAN]]
        sensors += build_python_sensors(pipelines, after, by_name[PYTHON_SCAN])
    return sensors


def build_schedule(calendar: Calendar) -> dg.ScheduleDefinition:
    """The nightly scan, after the close in New York; on a day without a session it says so and skips."""

    @dg.schedule(
        job_name=NIGHTLY_SCAN,
        cron_schedule=NIGHTLY_CRON,
        execution_timezone=str(NEW_YORK),
        name="nightly_scan_after_close",
        description="18:00 New York time, Monday to Friday, on every session of the exchange.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        evening: datetime = context.scheduled_execution_time.astimezone(NEW_YORK)
        session = evening.date()
        if not calendar.is_session(session):
            return dg.SkipReason(f"{session} ({session:%A}) is no session: the exchange is closed.")
        return dg.RunRequest(partition_key=str(session), run_key=str(session))

    return nightly


def build_intraday_schedule(pipelines: Pipelines) -> dg.ScheduleDefinition:
    """Scans of the open session every few minutes, off until switched on; outside of its hours it says so and skips."""
    minutes = pipelines.settings.intraday_minutes

    @dg.schedule(
        job_name=INTRADAY_SCAN,
        cron_schedule=f"*/{minutes} 9-16 * * 1-5",
        execution_timezone=str(NEW_YORK),
        name="intraday_scan_every_n_minutes",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Every {minutes} minutes while the exchange is open (SCAN_INTRADAY_MINUTES), on provisional bars.",
    )
    def intraday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at: datetime = context.scheduled_execution_time
        if pipelines.settings.provider == "massive" and pipelines.settings.massive_plan == "basic":
            return dg.SkipReason(
                "SCAN_MASSIVE_PLAN is basic, which has no snapshots, and bars before the close are made of them. "
                "Choose a paid plan at https://massive.com and set SCAN_MASSIVE_PLAN=paid."
            )
        try:
            session = Pipeline(pipelines.settings, clock=lambda: at).open_session()
        except ScanPipelineError as error:
            return dg.SkipReason(str(error))
        return dg.RunRequest(partition_key=str(session), run_key=at.astimezone(NEW_YORK).isoformat())

    return intraday
