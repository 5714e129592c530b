"""Run configuration that the Launchpad shows: the limits of the screen, typed, with defaults from the settings."""

from typing import Any

import dagster as dg
from pydantic import Field, create_model

from scan_pipeline.screening.limits import ScreenLimits


def screen_config(defaults: ScreenLimits) -> type[dg.Config]:
    """A Dagster config class with the fields of `ScreenLimits`, so that they are defined once."""
    fields: dict[str, Any] = {
        name: (field.annotation, Field(default=getattr(defaults, name), description=field.description))
        for name, field in ScreenLimits.model_fields.items()
    }
    return create_model("ScreenConfig", __base__=dg.Config, __doc__=ScreenLimits.__doc__, **fields)


def to_limits(config: dg.Config) -> ScreenLimits:
    """The limits that a run was configured with. Raises Failure, in words, for limits that contradict each other."""
    try:
        return ScreenLimits.model_validate(config.model_dump())
    except ValueError as error:
        raise dg.Failure(f"The screen's limits in the run config cannot be used: {error}") from error
