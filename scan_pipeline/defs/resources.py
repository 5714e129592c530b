"""What assets are given: the stages, reporting to Dagster's log and to the command line's progress bars."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Display, Monitor
from scan_pipeline.sessions import utc_now
from scan_pipeline.settings import Settings


@dataclass(frozen=True)
class Pipelines:
    """Makes the pipeline of a step. `display` is the command line's; in the UI there is none. `clock` is the time."""

    settings: Settings
    display: Display | None = None
    clock: Callable[[], datetime] = utc_now

    def for_step(
        self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext
    ) -> Pipeline:
        """A pipeline that speaks through the step's log."""
        return Pipeline(self.settings, Monitor(log=context.log.info, display=self.display), self.clock)
