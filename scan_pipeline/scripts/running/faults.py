"""What went wrong with a run's shards, and what a person should know of them, in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from scan_pipeline.scripts.results.outcome import Choice
from scan_pipeline.scripts.running.shards import ShardOutcome, ShardPlan
from scan_pipeline.scripts.running.supervise import Ended, Limits

#: Of a script's last line, this much is told.
LONGEST_WORDS = 300
_ONLY_CODE = re.compile(r"^exit: \d+$")
#: What a shard's end is called, by the first word of what the warden says ended it, with what to do.
_ENDS = {
    "timeout": "took longer than {seconds:g} s and was ended. Raise SCAN_SCRIPT_TIMEOUT_SECONDS or --timeout, or give "
    "it more shards",
    "memory": "took more memory than {memory_mib:,} MiB ({why}) and was ended. Give it more shards with --shards, or "
    "raise SCAN_SCRIPT_MEMORY_MIB",
    "processes": "had more than {processes:,} processes at once ({why}) and was ended",
    "output": "printed more than {output_mib:,} MiB and was ended",
    "files": "wrote more than {files_mib:,} MiB of files and was ended",
    "cancelled": "was cancelled",
    "abandoned": "was ended because the process that watched it was gone",
}


def fault_of(plan: ShardPlan, number: int, ended: Ended, limits: Limits) -> str:
    """Why the shard did not come to its end, in words; empty where it did."""
    if ended.why:
        kind, _, why = ended.why.partition(": ")
        return _ENDS[kind].format(why=why, **asdict(limits))
    harvest = plan.shard_folder(number) / "harvest.json"
    error = msgspec.json.decode(harvest.read_bytes()).get("error") if harvest.exists() else None
    if error and not _ONLY_CODE.match(error):
        return f"crashed: {' '.join(error.split())}"
    if ended.exit_code < 0:
        return f"was killed by signal {-ended.exit_code}"
    if not ended.exit_code:
        return ""
    said = _last_line(plan.shard_folder(number) / "stderr.txt")
    return f"ended with exit code {ended.exit_code}" + (f": {said}" if said else "")


def _last_line(path: Path) -> str:
    """The last words of a program that says no more than an exit code; argparse says there what it lacks."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:LONGEST_WORDS] for line in reversed(lines) if line.strip()), "")


def faults_of(choice: Choice, outcomes: Sequence[ShardOutcome]) -> dict[int, str]:
    """The shards' faults by number, but for those that failed as scripts do on an empty result: they found nothing."""
    ordered = sorted(outcomes, key=lambda one: one.number)
    faults = {one.number: one.fault for one in ordered if one.fault}
    for one, result in zip(ordered, choice.shards, strict=False):
        if one.fault.startswith("crashed") and result.candidate is None and not result.is_missing:
            del faults[one.number]
    return faults


def refused_hosts(folder: Path) -> list[str]:
    """The hosts and addresses that a shard was refused."""
    path = folder / "recorded.jsonl"
    if not path.exists():
        return []
    recorded = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    return sorted({one["detail"] for one in recorded if one["what"] in ("host refused", "connection refused")})


def remarks_of(outcomes: Sequence[ShardOutcome]) -> list[str]:
    """What was answered empty, and which hosts were refused, over all shards."""
    empty: dict[str, int] = {}
    for one in outcomes:
        for kind, count in one.answered_empty.items():
            empty[kind] = empty.get(kind, 0) + count
    remarks = [f"{count:,} requests for {kind} were answered empty." for kind, count in sorted(empty.items())]
    hosts = sorted({host for one in outcomes for host in one.refused_hosts})
    if hosts:
        remarks.append(f"It asked for {', '.join(hosts)} and was refused. SCAN_SCRIPT_HOSTS allows hosts.")
    return remarks


def in_sentences(plan: ShardPlan, faults: Mapping[int, str], others: Sequence[str], hits: int) -> str:
    """The faults of the shards and of the merging as sentences: alike ones once, and what became of the hits."""
    if not faults and not others:
        return ""
    said = []
    for fault in dict.fromkeys(faults.values()):
        numbers = [number for number, one in faults.items() if one == fault]
        which = f" ({len(numbers)} of {plan.shards} shards)" if plan.shards > 1 else ""
        said.append(f"{plan.script} {fault}{which}{'' if fault.endswith(('.', '!')) else '.'}")
    if faults:
        said.append(f"What it said: {plan.shard_folder(min(faults)) / 'stderr.txt'}.")
    said += others
    if hits:
        said.append(f"{hits:,} hits were found all the same; they are kept, marked partial.")
    return " ".join(said)
