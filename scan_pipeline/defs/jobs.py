"""Jobs and schedules: the night, a range of nights, and taking bars in alone.

https://docs.dagster.io/guides/automate/schedules. All run in one process: the stages on the whole market are seconds
long, and a process for each would cost more than the work. The UI starts each run in a process of its own.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from scan_pipeline.sessions import NEW_YORK, Calendar

if TYPE_CHECKING:  # what define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

#: Two hours after the regular close, when the vendors' end-of-day bars are there.
NIGHTLY_CRON = "0 18 * * 1-5"

NIGHTLY_SCAN, BACKFILL, INGEST = "nightly_scan", "backfill", "ingest"


def build_jobs() -> "list[AssetJob]":
    """The jobs. `dagster/max_runtime` is what run monitoring ends them after, in seconds."""

    def job(name: str, selection: dg.AssetSelection, hours: float, description: str) -> "AssetJob":
        return dg.define_asset_job(
            name,
            selection,
            executor_def=dg.in_process_executor,
            tags={"dagster/max_runtime": str(int(hours * 3600))},
            description=description,
        )

    return [
        job(NIGHTLY_SCAN, dg.AssetSelection.all(), 0.5, "One session, from its bars to ranked hits."),
        job(BACKFILL, dg.AssetSelection.all(), 4, "A range of sessions in a single run, each stage in one pass."),
        job(INGEST, dg.AssetSelection.assets("splits", "price_bars"), 4, "Bars and splits of one session or a range."),
    ]


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
