"""Shards as they travel between processes: what a run plans, how a shard goes, what became of it.

What belongs here: these records, how they are kept in the folder of the run, and which symbols are a shard's. What does
not: what is done with them (`script_pipeline.py`).
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from scan_pipeline.errors import ScriptError


class ShardPlan(msgspec.Struct, frozen=True):
    """What is the same for all shards of a run, as it travels between Dagster's steps and is kept in its folder.

    `first` and `as_of` bound the sessions; they are the same unless the script takes a range.
    """

    script: str
    run_id: str
    folder: str
    first: date
    as_of: date
    shards: int
    symbols_held: int
    symbols_shown: int
    screened: bool
    python: str
    timeout_seconds: float
    memory_mib: int
    parameters: dict[str, Any]
    arguments: list[str]
    key_variables: list[str]
    pinned_result: str
    code_version: str
    data_version: str
    remarks: list[str]
    planned_at: float

    def shard_folder(self, number: int) -> Path:
        """Where shard `number`, counted from 1, leaves everything."""
        return Path(self.folder) / f"shard-{number:02}"

    def read_symbols(self) -> list[str]:
        """The symbols that the script is shown, all shards together."""
        return (Path(self.folder) / "symbols.txt").read_text(encoding="utf-8").splitlines()


class ShardOutcome(msgspec.Struct, frozen=True):
    """How one shard went. `fault` is empty where the script came to its end."""

    number: int
    fault: str
    seconds: float
    peak_mib: float
    symbols: int
    requests: int
    answered_empty: dict[str, int]
    refused_hosts: list[str]
    vendor_calls: int
    isolation: str


class ShardProgress(msgspec.Struct, frozen=True):
    """A shard at a moment, as it is kept in its folder for whoever shows it."""

    number: int
    shards: int
    requests: int
    symbols: int
    symbols_shown: int
    sessions: int
    mib: float
    seconds: float
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"shard {self.number} of {self.shards}: {self.requests:,} requests answered, {self.symbols:,} of "
            f"{self.symbols_shown:,} symbols and {self.sessions:,} sessions asked for, {self.mib:,.0f} MiB, "
            f"{self.seconds:.0f} s, at most {max(0, self.seconds_left):.0f} s left"
        )


def read_plan(folder: Path) -> ShardPlan:
    """The plan of a run, from its folder. Raises ScriptError where it is gone."""
    try:
        return msgspec.json.decode((folder / "plan.json").read_bytes(), type=ShardPlan)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ScriptError(f"The folder of the run, {folder}, is gone, or not on this machine. Run it again.") from error


def read_progress(plan_folder: Path) -> list[ShardProgress]:
    """Where the shards of a run are, for those that have begun."""
    found = []
    for path in sorted(plan_folder.glob("shard-*/progress.json")):
        found.append(msgspec.json.decode(path.read_bytes(), type=ShardProgress))
    return found


def slice_of(symbols: Sequence[str], number: int, shards: int) -> list[str]:
    """The symbols of one shard: the same at every run, and of about the same number as the others."""
    return [symbol for symbol in symbols if crc32(symbol.encode()) % shards == number - 1]
