"""Run configuration that the Launchpad shows: the screen's limits, with defaults from the settings, and the scan's."""

from typing import Any, get_args

import dagster as dg
import msgspec
from pydantic import Field, create_model

from scan_pipeline.screening.limits import ScreenLimits

#: On runs that scan provisional bars: what follows a night waits for the night's own.
PROVISIONAL_TAG = "scan_pipeline/provisional"


class IngestConfig(dg.Config):
    """Which bars are taken in."""

    provisional: bool = Field(
        default=False,
        description="The bars so far of the session that is open now, from one call; the night replaces them.",
    )


class ScanConfig(dg.Config):
    """How a session is scanned."""

    incremental: bool = Field(
        default=False, description="Only what changed since its last scan; the hits are those of a full scan."
    )
    parameters: dict[str, dict[str, float]] = Field(
        default={},
        description="Other values of parameters in this run, by scanner: {gap_and_go: {min_gap: 5}}. The next scan "
        "without them goes back to those of the files.",
    )

    def overrides(self) -> dict[str, dict[str, float]]:
        """The parameters, whole numbers as such: a number of bars is one, and Dagster makes a float of it."""
        return {
            scanner: {name: int(value) if value.is_integer() else value for name, value in values.items()}
            for scanner, values in self.parameters.items()
        }


def screen_config(defaults: ScreenLimits) -> type[dg.Config]:
    """A Dagster config class with the fields of `ScreenLimits`, so that they are defined once."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(ScreenLimits):
        kind, meta = get_args(field.type)
        fields[field.name] = (kind, Field(default=getattr(defaults, field.name), description=meta.description))
    return create_model("ScreenConfig", __base__=dg.Config, __doc__=ScreenLimits.__doc__, **fields)


def to_limits(config: dg.Config) -> ScreenLimits:
    """The limits that a run was configured with. Raises Failure, in words, for limits that contradict each other."""
    try:
        return msgspec.convert(config.model_dump(), ScreenLimits)
    except msgspec.ValidationError as error:
        raise dg.Failure(f"The screen's limits in the run config cannot be used: {error}") from error
