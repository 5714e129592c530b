"""What assets are given: the stages, reporting to Dagster's log and to the command line's progress bars."""

from dataclasses import dataclass

import dagster as dg

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Display, Monitor
from scan_pipeline.settings import Settings


@dataclass(frozen=True)
class Pipelines:
    """Makes the pipeline of a step. `display` is the command line's; in the UI there is none."""

    settings: Settings
    display: Display | None = None

    def for_step(self, context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Pipeline:
        """A pipeline that speaks through the step's log."""
        return Pipeline(self.settings, Monitor(log=context.log.info, display=self.display))
