"""Scanners in Python as an asset: a graph of ops that plans shards, runs each as a mapped op, and merges them.

What belongs here: the asset, its checks, and what starts it. What does not: the stages (`python_pipeline.py`), and the
executor that gives shards processes of their own (`scripts.py`). The merging op is given the plan, and refuses a shard
that is missing: a retry from failure can skip mapped shards without a word.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from msgspec.structs import replace
from pydantic import Field

from scan_pipeline.defs import metadata
from scan_pipeline.defs.cancellation import Cancellation
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.defs.scripts import STORE_POOL, as_failure
from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.hits import Outcome
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.python_pipeline import PythonPipeline
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.python.plans import read_plan

PYTHON_SCAN = "python_scan"
PYTHON_RESULTS = dg.AssetKey("python_scan_results")
GROUP = "python"
#: The op that plans, for run configuration.
PLAN = "plan_python_scan"


class PythonScanConfig(dg.Config):
    """How sessions are scanned by scanners in Python."""

    incremental: bool = Field(
        default=True,
        description="Only symbols whose bars or whose scanner's code changed; the hits are those of a full scan.",
    )
    shards: int | None = Field(
        default=None, description="Slices of the symbols for each scanner; left out: SCAN_PYTHON_SHARDS."
    )
    workers: int = Field(
        default=1, ge=1, description="Worker processes of a shard at once; of use where shards run one after another."
    )
    parameters: dict[str, dict[str, Any]] = Field(
        default={}, description="Other values of parameters, by scanner: {inside_day_breakout: {min_gap: 6}}."
    )


@dg.op(name="run_shard_of_python", out=dg.Out(dict))
def run_shard(
    context: dg.OpExecutionContext, shard: dict[str, Any], pipelines: dg.ResourceParam[Pipelines]
) -> dict[str, Any]:
    """Call one scanner for one slice of the symbols. What it does wrong is for the merging step to tell."""
    with as_failure():
        scanners = PythonPipeline(pipelines.for_step(context))
        scanners.run_shard(
            read_plan(Path(shard["folder"])),
            shard["scanner"],
            shard["number"],
            Cancellation(context.instance, context.run_id),
        )
    return shard


def build_python_assets(
    partitions: dg.PartitionsDefinition[str], scanners: Sequence[PythonScanner]
) -> list[dg.AssetsDefinition]:
    """The hits of all scanners in Python, over the given sessions; nothing where there are none."""
    return [_asset(partitions, scanners)] if scanners else []


def _asset(partitions: dg.PartitionsDefinition[str], scanners: Sequence[PythonScanner]) -> dg.AssetsDefinition:
    checks = [
        dg.AssetCheckSpec(
            f"scanner_{one.name}", asset=PYTHON_RESULTS, description=f"{one.title}: the scanner runs, on every symbol."
        )
        for one in scanners
    ]
    outputs = {check.name: f"{PYTHON_RESULTS.to_python_identifier()}_{check.name}" for check in checks}

    @dg.op(
        name=PLAN,
        ins={"prefiltered_symbols": dg.In(dg.Nothing)},
        out={"shards": dg.DynamicOut(dict), "planned": dg.Out(str)},
    )
    def plan(
        context: dg.OpExecutionContext, config: PythonScanConfig, pipelines: dg.ResourceParam[Pipelines]
    ) -> Iterator[dg.DynamicOutput[dict[str, Any]] | dg.Output[str]]:
        """Find what changed for each scanner, and cut its symbols into shards."""
        with as_failure():
            sessions = [metadata.session_of(partition) for partition in context.partition_keys]
            made = PythonPipeline(pipelines.for_step(context)).plan(
                sessions,
                context.run_id,
                incremental=config.incremental,
                parameters=config.parameters,
                shards=config.shards,
                workers=config.workers,
            )
        for scanner, number in made.shards():
            shard = {"folder": made.folder, "scanner": scanner, "number": number}
            yield dg.DynamicOutput(shard, f"{scanner}_{number:02}", "shards")
        yield dg.Output(made.folder, "planned")

    @dg.op(
        name="merge_python_scan",
        out={"result": dg.Out(dg.Nothing), **{output: dg.Out(dg.Nothing) for output in outputs.values()}},
        pool=STORE_POOL,
    )
    def merge(
        context: dg.OpExecutionContext,
        planned: str,
        shards: list[dict[str, Any]],
        pipelines: dg.ResourceParam[Pipelines],
    ) -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        """Rank what all shards found, and replace the sessions' hits of these scanners."""
        with as_failure():
            run = PythonPipeline(pipelines.for_step(context)).merge(
                read_plan(Path(planned)), [(one["scanner"], one["number"]) for one in shards]
            )
        yield dg.Output(None, "result", metadata=metadata.python_run(run))
        became = [outcome for one in run.sessions for outcome in one.outcomes]
        for scanner in scanners:
            yield _check_result(scanner, [one for one in became if one.scanner == scanner.name])

    @dg.graph_asset(
        key=PYTHON_RESULTS,
        ins={"prefiltered_symbols": dg.AssetIn("prefiltered_symbols")},
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        check_specs=checks,
        kinds={"python", "pandas", "duckdb"},
        description="The ranked hits of every scanner in Python, called symbol by symbol in shards. They are in "
        "`scan_results`, beside those of scanners in SQL.",
    )
    def python_scan_results(prefiltered_symbols: Any) -> dict[str, Any]:
        made = plan(prefiltered_symbols)
        merged = merge(made.planned, made.shards.map(run_shard).collect())
        return {"result": merged.result, **{output: getattr(merged, output) for output in outputs.values()}}

    return python_scan_results


def _check_result(scanner: PythonScanner, outcomes: Sequence[Outcome]) -> dg.AssetCheckResult:
    """Over all sessions of the run; symbols that are quarantined are a warning."""
    failed = [one for one in outcomes if one.hits is None]
    told = [one for one in outcomes if one.message]
    hits = sum(one.hits or 0 for one in outcomes)
    if not outcomes:
        description = "The scanner's file is gone; reload the code location."
    elif told:
        what = "Failed" if failed else "Incomplete"
        first = (failed or told)[0]
        description = (
            f"{what} on {len(failed or told)} of {len(outcomes)} sessions, first {first.session}: {first.message}"
        )
    else:
        description = f"{hits:,} hits on {len(outcomes)} session{'s' if len(outcomes) > 1 else ''}."
    return dg.AssetCheckResult(
        asset_key=PYTHON_RESULTS,
        check_name=f"scanner_{scanner.name}",
        passed=bool(outcomes) and not told,
        severity=dg.AssetCheckSeverity.ERROR if failed or not outcomes else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={"hits": hits, "sessions_failed": len(failed), "sessions_incomplete": len(told) - len(failed)},
    )


def build_python_sensors(pipelines: Pipelines, after: Sequence[Any], job: Any) -> list[dg.SensorDefinition]:
    """What starts the scan: a scan of the market that succeeded (of the jobs `after`), and an edited file."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[*after],
        request_job=job,
        name="python_scan_after_scan",
        description="When a nightly or an incremental scan has succeeded: scanners in Python, on its sessions.",
    )
    def after_scan(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        tags = context.dagster_run.tags
        session = tags.get("dagster/partition")
        whole_range = {name: tags[name] for name in _RANGE if name in tags}
        if not session and not whole_range:
            return dg.SkipReason("The run was of no session.")
        return dg.RunRequest(partition_key=session, tags=whole_range, run_key=context.dagster_run.run_id)

    @dg.sensor(
        job=job,
        name="python_scan_on_change",
        minimum_interval_seconds=60,
        description="When the file of a scanner in Python, or one that it imports, was added or edited.",
    )
    def on_change(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        scanners = PythonPipeline(Pipeline(replace(pipelines.settings, store_wait_seconds=0)))
        try:
            stale = scanners.stale_sessions()
        except ScanPipelineError as error:
            return dg.SkipReason(str(error))  # the database is busy: asked again soon
        seen = json.dumps([[one.code_version for one in scanners.find()], [str(day) for day in stale]])
        if not stale or context.cursor == seen:
            return dg.SkipReason("Nothing changed, or its run was asked for already.")
        context.update_cursor(seen)
        first, last = str(stale[0]), str(stale[-1])
        return dg.RunRequest(
            partition_key=last if first == last else None,
            tags={} if first == last else dict(zip(_RANGE, (first, last), strict=True)),
        )

    return [after_scan, on_change]


_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
