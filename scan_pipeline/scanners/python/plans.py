"""What a scan by scanners in Python plans, as it travels between processes: kept in the folder of the run.

What belongs here: these records, and which shards there must be. What does not: who makes and carries them out
(`python_pipeline.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import msgspec

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.python.authoring import Value
from scan_pipeline.scanners.python.workers import FoundHit, ShardResult


class PlannedScan(msgspec.Struct, frozen=True):
    """One scanner: the symbols that it is called for on each session, and what it found before in the others.

    `shards`: 0 where it need not be called, or cannot be; `workers`: of each shard at once. `fingerprints`: of the
    sessions that are kept for reruns, what the bars of each symbol are; of everybody, under the empty name, for a
    scanner of the whole universe.
    """

    scanner: str
    code_version: str
    parameters: dict[str, Value]
    shards: int
    workers: int
    wanted: dict[date, list[str]]
    standing: dict[date, list[str]]
    cached: list[FoundHit]
    fingerprints: dict[date, dict[str, int]]


class PythonPlan(msgspec.Struct, frozen=True):
    """A run: its sessions with the versions of their data, and every scanner.

    `provisional`: sessions that read bars from before their close, and the instant (UTC) that those are of.
    """

    run_id: str
    folder: str
    data_versions: dict[date, str]
    provisional: dict[date, datetime]
    scans: list[PlannedScan]

    def shards(self) -> list[tuple[str, int]]:
        """All shards: scanner and number, from 1."""
        return [(one.scanner, number) for one in self.scans for number in range(1, one.shards + 1)]

    def scan_of(self, scanner: str) -> PlannedScan:
        """What is planned for one scanner."""
        return next(one for one in self.scans if one.scanner == scanner)

    def result_path(self, scanner: str, number: int) -> Path:
        """Where a shard leaves its result."""
        return Path(self.folder) / f"{scanner}-{number:02}.json"

    def read_results(self, given: Sequence[tuple[str, int]]) -> dict[str, list[ShardResult]]:
        """What the shards left, by scanner. Raises ScannerError unless `given` is every shard, once."""
        planned = self.shards()
        missing = [shard for shard in planned if shard not in given]
        if missing or len(given) != len(planned):
            named = ", ".join(f"{number} of {scanner}" for scanner, number in missing)
            raise ScannerError(
                f"Of the {len(planned)} shards of scanners in Python, "
                f"{f'these are missing: {named}' if missing else 'one came twice'}. "
                "Nothing is merged from a part. Run it again as a whole."
            )
        results: dict[str, list[ShardResult]] = {one.scanner: [] for one in self.scans}
        for scanner, number in planned:
            try:
                content = self.result_path(scanner, number).read_bytes()
            except OSError as error:
                raise ScannerError(
                    f"What shard {number} of {scanner} left in {self.folder} is gone. Run it again."
                ) from error
            results[scanner].append(msgspec.json.decode(content, type=ShardResult))
        return results


def write_plan(plan: PythonPlan) -> None:
    """Keep the plan in its folder."""
    (Path(plan.folder) / "plan.json").write_bytes(msgspec.json.encode(plan))


def read_plan(folder: Path) -> PythonPlan:
    """The plan of a run, from its folder. Raises ScannerError where it is gone."""
    try:
        return msgspec.json.decode((folder / "plan.json").read_bytes(), type=PythonPlan)
    except OSError as error:
        raise ScannerError(
            f"The folder of the run, {folder}, is gone, or not on this machine. Run it again."
        ) from error
