"""Scripts as assets: each a graph of ops that plans shards, runs each as a mapped op, and merges them.

https://docs.dagster.io/guides/build/ops/dynamic-graphs. A retry from failure can skip mapped shards without a word:
the merging op is given the plan, and refuses a missing one. Shards run in processes of their own where the run's
executor has several; `shards_in_processes` chooses, so that a night of market assets stays in one.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from scan_pipeline.defs import metadata
from scan_pipeline.defs.cancellation import Cancellation
from scan_pipeline.defs.config import PROVISIONAL_TAG
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.defs.step_processes import PRELOADED
from scan_pipeline.errors import ScanPipelineError, ScriptError
from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
from scan_pipeline.scripts.library import Script
from scan_pipeline.scripts.running.shards import ShardOutcome, ShardPlan, read_plan

GROUP = "scripts"
#: One step at a time writes the database; the pool's limit is in dagster.yaml.
STORE_POOL = "store"


class PlanConfig(dg.Config):
    """What a person may ask of one run; left out: as the file beside the script says, else the settings."""

    shards: int | None = None
    screen: bool | None = None
    timeout_seconds: float | None = None


def asset_key(name: str) -> dg.AssetKey:
    """The asset of a script."""
    return dg.AssetKey(["script_results", name])


def build_script_assets(
    partitions: dg.PartitionsDefinition[str], scripts: Sequence[Script]
) -> list[dg.AssetsDefinition]:
    """One asset a script, over the given sessions. A script that cannot be read has one too, which says why."""
    return [_script_asset(partitions, script) for script in scripts]


@dg.op(name="run_shard", out=dg.Out(dict))
def run_shard(
    context: dg.OpExecutionContext, shard: dict[str, Any], pipelines: dg.ResourceParam[Pipelines]
) -> dict[str, Any]:
    """Run the script on one slice of the symbols. What it does wrong is for the merging step to tell."""
    with as_failure():
        scripts = ScriptPipeline(pipelines.for_step(context))
        outcome = scripts.run_shard(
            read_plan(Path(shard["folder"])), shard["number"], Cancellation(context.instance, context.run_id)
        )
    return {"folder": shard["folder"], "outcome": msgspec.to_builtins(outcome)}


#: Scripts run on sessions that have closed: a screen of provisional bars starts none.
_ONCE_FINAL = (
    dg.AutomationCondition.eager()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    & ~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.executed_with_tags(tag_keys={PROVISIONAL_TAG}))
)


def _script_asset(partitions: dg.PartitionsDefinition[str], script: Script) -> dg.AssetsDefinition:
    key = asset_key(script.name)
    ended = dg.AssetCheckSpec("ended", asset=key, description="The script came to its end, in every shard.")
    check_output = f"{key.to_python_identifier()}_{ended.name}"

    @dg.op(
        name=f"plan_{script.name}",
        ins={"prefiltered_symbols": dg.In(dg.Nothing)},
        out={"shards": dg.DynamicOut(dict), "planned": dg.Out(list)},
    )
    def plan(
        context: dg.OpExecutionContext, config: PlanConfig, pipelines: dg.ResourceParam[Pipelines]
    ) -> Iterator[dg.DynamicOutput[dict[str, Any]] | dg.Output[list[str]]]:
        """Choose the symbols that the script is shown, and cut them into shards."""
        with as_failure():
            scripts = ScriptPipeline(pipelines.for_step(context))
            options = RunOptions(config.shards, config.screen, config.timeout_seconds)
            sessions = [metadata.session_of(partition) for partition in context.partition_keys]
            plans = [
                scripts.plan(script.name, run, context.run_id, options)
                for run in scripts.runs_of(script.name, sessions)
            ]
        for one in plans:
            for number in range(1, one.shards + 1):
                yield dg.DynamicOutput(
                    {"folder": one.folder, "number": number}, f"s{one.as_of:%Y%m%d}_{number:02}", "shards"
                )
        yield dg.Output([one.folder for one in plans], "planned")

    @dg.op(
        name=f"merge_{script.name}",
        out={"result": dg.Out(dg.Nothing), check_output: dg.Out(dg.Nothing)},
        pool=STORE_POOL,
    )
    def merge(
        context: dg.OpExecutionContext,
        planned: list[str],
        shards: list[dict[str, Any]],
        pipelines: dg.ResourceParam[Pipelines],
    ) -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        """Find the hits in what the shards left behind, and store them."""
        with as_failure():
            scripts = ScriptPipeline(pipelines.for_step(context))
            runs: list[ScriptRun] = []
            for folder in planned:
                given = [msgspec.convert(one["outcome"], ShardOutcome) for one in shards if one["folder"] == folder]
                runs.append(scripts.merge(read_plan(Path(folder)), given))
                scripts.store(runs[-1])
            faults = [
                f"As of {run.plan.as_of}: {run.fault}" if len(runs) > 1 else run.fault for run in runs if run.fault
            ]
            if all(run.fault and not run.hits for run in runs):
                raise ScriptError("\n".join(faults))
        yield dg.Output(None, "result", metadata=metadata.script_runs(runs))
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=ended.name,
            passed=not faults,
            severity=dg.AssetCheckSeverity.ERROR,
            description=" ".join(faults) or "It came to its end in every shard.",
        )

    @dg.graph_asset(
        key=key,
        ins={"prefiltered_symbols": dg.AssetIn("prefiltered_symbols")},
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        check_specs=[ended],
        kinds={"python", "duckdb"},
        description=script.fault or f"{script.title}: the hits of {script.path.name}, run unmodified in shards.",
        code_version=script.code_version,
        automation_condition=_ONCE_FINAL,
    )
    def script_results(prefiltered_symbols: Any) -> dict[str, Any]:
        made = plan(prefiltered_symbols)
        merged = merge(made.planned, made.shards.map(run_shard).collect())
        return {"result": merged.result, check_output: getattr(merged, check_output)}

    return script_results


@dg.executor(name="shards_in_processes", requirements=dg.multiple_process_executor_requirements())
def shards_in_processes(context: dg.InitExecutorContext) -> dg.Executor:
    """In-process for the market's assets, whose stages are seconds long; a process a step where there are shards."""

    def made(definition: dg.ExecutorDefinition, config: dict[str, Any]) -> dg.Executor:
        assert definition.executor_creation_fn
        return definition.executor_creation_fn(context._replace(executor_config={"retries": {"enabled": {}}, **config}))

    return _ShardsInProcesses(
        made(dg.in_process_executor, {"marker_to_close": None}),
        made(
            dg.multiprocess_executor,
            {
                "max_concurrent": None,
                "tag_concurrency_limits": [],
                "start_method": {"forkserver": {"preload_modules": [*PRELOADED]}},
            },
        ),
    )


class _ShardsInProcesses(dg.Executor):
    """Leaves the work to one of two executors."""

    def __init__(self, in_process: dg.Executor, processes: dg.Executor) -> None:
        self._in_process, self._processes = in_process, processes

    @property
    def retries(self) -> Any:
        """As both have it."""
        return self._processes.retries

    @property
    def step_dependency_config(self) -> Any:
        """As both have it."""
        return self._processes.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        """Run the steps."""
        has_shards = any("run_shard" in key for key in execution_plan.step_keys_to_execute)
        yield from (self._processes if has_shards else self._in_process).execute(plan_context, execution_plan)


class as_failure:
    """An error for people becomes the step's failure, in its own words."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, ScanPipelineError):
            raise dg.Failure(str(error), allow_retries=False) from error


__all__ = ["ShardPlan", "asset_key", "build_script_assets", "shards_in_processes"]
