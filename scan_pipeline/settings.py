"""Typed settings, read once at the edge: environment variables and `.env`, prefix `SCAN_`.

What belongs here: everything a person configures outside the Launchpad, with defaults that work, and the paths that
follow from `SCAN_DATA_DIR`. What does not: the limits of the screen (`screening/limits.py` defines them; they are
nested here as `SCAN_SCREEN__…`), and secrets of a provider's own.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettings

from scan_pipeline.errors import SettingsError
from scan_pipeline.screening.limits import ScreenLimits

#: The folder of the checkout: where `data/dagster_home/dagster.yaml` and `workspace.yaml` are.
PROJECT_DIR = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """All settings. Each field's environment variable is `SCAN_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="SCAN_",
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    data_dir: Path = Field(Path("data"), description="Holds the database, published results, caches, dagster_home.")
    provider: Literal["demo", "files"] = Field("demo", description="Where bars come from.")
    files_path: Path | None = Field(None, description="For provider `files`: a folder (or one file) of bars.")
    demo_symbols: int = Field(6_000, ge=20, le=20_000, description="For provider `demo`: symbols in the market.")
    max_rejected_share: float = Field(
        0.05, ge=0, le=1, description="More of a session's bars lost to the bar rules than this stops the session."
    )
    screen: ScreenLimits = Field(ScreenLimits(), description="Default limits of the screen.")
    batch_symbols: int = Field(2_000, ge=1, description="Symbols worked on at once; bounds memory.")
    keep_features_sessions: int = Field(5, ge=0, description="Sessions kept in the table `features`.")
    scanner_timeout_seconds: float = Field(60, gt=0, description="One query of one scanner; then it fails, alone.")
    max_hits: int = Field(20_000, ge=1, description="A scanner that returns more hits for one session fails, alone.")
    store_wait_seconds: float = Field(120, ge=0, description="How long to wait for a busy database.")
    store_memory_limit: str = Field(
        "2GB",
        pattern=r"^\d+(\.\d+)? ?([KMGT]i?B|%)$",
        description="DuckDB's memory limit; beyond it, it spills to disk.",
    )

    @field_validator("data_dir", "files_path", mode="after")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Dagster starts runs from folders of its own choosing: a relative path must not change its meaning there.
        return path.expanduser().absolute() if path else None

    @property
    def database_path(self) -> Path:
        """The DuckDB file."""
        return self.data_dir / "scan.duckdb"

    @property
    def results_dir(self) -> Path:
        """Published results: one Parquet file a session."""
        return self.data_dir / "results"

    @property
    def cache_dir(self) -> Path:
        """What can be made again at any time: the calendar, the demo market."""
        return self.data_dir / "cache"

    @property
    def scanners_dir(self) -> Path:
        """The user's own scanners."""
        return self.data_dir / "scanners"

    @property
    def deny_list_path(self) -> Path:
        """Symbols never to scan, with the reason: a CSV file `symbol,reason`. Optional."""
        return self.data_dir / "deny_list.csv"

    @property
    def dagster_home(self) -> Path:
        """`DAGSTER_HOME` where it is set, else `dagster_home` in the data folder."""
        return Path(os.environ.get("DAGSTER_HOME") or self.data_dir / "dagster_home").absolute()


def load_settings() -> Settings:
    """Read the settings. Raises SettingsError that names every wrong variable, its value's fault and what it is for."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(dict(fault)) for fault in error.errors())) from error
    except UnreadableSettings as error:
        raise SettingsError(f"{error}. SCAN_SCREEN is JSON; rather set SCAN_SCREEN__MIN_PRICE and its like.") from error


def _explain(fault: dict[str, Any]) -> str:
    location = [str(part) for part in fault["loc"]]
    field = Settings.model_fields.get(location[0])
    purpose = f" ({field.description})" if field and field.description else ""
    variable = "SCAN_" + "__".join(location).upper()
    given = f"{variable}={fault.get('input')!r}"
    if isinstance(fault.get("input"), dict):  # limits that contradict each other: name those that are set
        given = ", ".join(f"{variable}__{name.upper()}={value}" for name, value in fault["input"].items())
    return f"{given} is not usable: {fault['msg']}{purpose} Correct it, or unset it."
