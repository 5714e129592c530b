"""The assets: one a stage, one partition a session. https://docs.dagster.io/guides/build/assets

Bodies read the config, call `pipeline.py` and report. A run over a range (`BackfillPolicy.single_run`) goes through
each stage once, and reports every session as it lands, so that a killed backfill keeps what it did.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg

from scan_pipeline.defs import checks, metadata
from scan_pipeline.defs.config import IngestConfig, ScanConfig, screen_config, to_limits
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.features.catalogue import HISTORY_SESSIONS, SCREEN_SESSIONS
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import peak_mib
from scan_pipeline.scanners.registry import SqlScanner, find_scanners
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.store.bars import IngestedSession

#: One step at a time may write the database; the pool's limit is in dagster.yaml.
STORE_POOL = "store"


def build_assets(
    partitions: dg.PartitionsDefinition[str], limits: ScreenLimits, scanners: Sequence[SqlScanner]
) -> list[dg.AssetsDefinition]:
    """The assets of one night, over the given sessions."""
    common: dict[str, Any] = {
        "partitions_def": partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "pool": STORE_POOL,
        "group_name": "market",
    }

    def history(asset: str, sessions: int) -> dg.AssetDep:
        """The session and so many before it, as far as they are held."""
        mapping = dg.TimeWindowPartitionMapping(start_offset=-sessions, allow_nonexistent_upstream_partitions=True)
        return dg.AssetDep(asset, partition_mapping=mapping)

    @dg.asset(**common, kinds={"duckdb"})
    def splits(context: dg.AssetExecutionContext, pipelines: dg.ResourceParam[Pipelines]) -> None:
        """Split events, each with the day on which it was known."""
        with _step(context, pipelines) as step:
            provider = step.pipeline.provider()
            held = step.pipeline.record_splits(provider)
            for session in step.sessions:
                step.landed(session, {"splits_held": held, **metadata.calls(provider)})

    @dg.asset(**common, kinds={"duckdb"}, check_specs=[checks.REJECTED_SHARE])
    def price_bars(
        context: dg.AssetExecutionContext, config: IngestConfig, pipelines: dg.ResourceParam[Pipelines]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare class
        """The bar of every symbol, as traded. What is no bar is in `rejected_bars`, with the rule that says so."""
        ingested = []
        with _step(context, pipelines) as step:
            provider = step.pipeline.provider()
            landed: Iterable[IngestedSession] = step.pipeline.ingest(step.sessions, context.run.run_id, provider)
            if config.provisional:
                landed = (
                    step.pipeline.ingest_provisional(session, context.run.run_id, provider) for session in step.sessions
                )
            for one in landed:
                ingested.append(one)
                step.landed(one.session, metadata.ingested(one), now=True)
            for session in step.sessions:
                context.add_asset_metadata(metadata.calls(provider), partition_key=str(session))
        return dg.MaterializeResult(
            check_results=[checks.rejected_share(ingested, pipelines.settings.max_rejected_share)]
        )

    @dg.asset(**common, kinds={"duckdb"}, deps=[history("price_bars", 20)])
    def universe(context: dg.AssetExecutionContext, pipelines: dg.ResourceParam[Pipelines]) -> None:
        """The symbols that could trade on the session, from what was known on it."""
        with _step(context, pipelines) as step:
            provider = step.pipeline.provider()
            for one in step.pipeline.build_universe(step.sessions, provider):
                step.landed(one.session, metadata.universe(one) | metadata.calls(provider))

    config_class = screen_config(limits)

    @dg.asset(
        **common,
        kinds={"duckdb", "numpy"},
        deps=["universe", "splits", history("price_bars", SCREEN_SESSIONS)],
    )
    def prefiltered_symbols(
        context: dg.AssetExecutionContext,
        config: config_class,  # type: ignore[valid-type]
        pipelines: dg.ResourceParam[Pipelines],
    ) -> None:
        """The screen's decision for every symbol of the universe, with the measured values and the reason."""
        with _step(context, pipelines) as step:
            for funnel in step.pipeline.screen(step.sessions, to_limits(config)):
                step.landed(funnel.session, metadata.funnel(funnel))

    @dg.asset(
        **common,
        kinds={"duckdb"},
        deps=["prefiltered_symbols", "splits", history("price_bars", HISTORY_SESSIONS)],
    )
    def incremental_deltas(context: dg.AssetExecutionContext, pipelines: dg.ResourceParam[Pipelines]) -> None:
        """For every symbol what changed since the session was last scanned, and whether it is scanned again."""
        with _step(context, pipelines) as step:
            found = {one.session: one for one in step.pipeline.find_changes(step.sessions, context.run.run_id)}
            for session in step.sessions:
                step.landed(session, metadata.deltas(found.get(session)))

    inputs = ["prefiltered_symbols", "incremental_deltas", "splits", history("price_bars", HISTORY_SESSIONS)]

    def outcome(name: str, description: str, deps: Sequence[Any]) -> dg.AssetSpec:
        return dg.AssetSpec(
            name, deps=deps, description=description, group_name=common["group_name"], kinds={"duckdb", "numpy", "sql"}
        )

    # One step: the market's context is made of the features that scanners run on, and scanners read it.
    @dg.multi_asset(
        name="scan_results",
        specs=[
            outcome("market_context", "The market's breadth, trend and volatility; ETFs against each other.", inputs),
            outcome(
                "scan_results",
                "The ranked hits of every scanner. Also published as Parquet, one file a session.",
                [*inputs, "market_context"],
            ),
        ],
        partitions_def=partitions,
        backfill_policy=common["backfill_policy"],
        pool=STORE_POOL,
        check_specs=[checks.scanner_check(scanner) for scanner in scanners],
    )
    def scan_results(
        context: dg.AssetExecutionContext, config: ScanConfig, pipelines: dg.ResourceParam[Pipelines]
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]  # Dagster reads the bare class
        outcomes = []
        with _step(context, pipelines) as step:
            given = find_scanners(pipelines.settings.scanners_dir, config.overrides())
            for one in step.pipeline.scan(step.sessions, context.run.run_id, given, incremental=config.incremental):
                outcomes += one.outcomes
                step.landed(one.session, metadata.market_context(one), asset="market_context", now=True)
                step.landed(
                    one.session, metadata.scanned(one, pipelines.settings.results_dir), asset="scan_results", now=True
                )
        yield dg.MaterializeResult("market_context")
        yield dg.MaterializeResult("scan_results", check_results=checks.scanner_results(scanners, outcomes))

    return [splits, price_bars, universe, prefiltered_symbols, incremental_deltas, scan_results]


class _Step:
    """One stage in Dagster: its sessions, its pipeline, and how a session is reported."""

    def __init__(self, context: dg.AssetExecutionContext, pipeline: Pipeline) -> None:
        self.context = context
        self.pipeline = pipeline
        self.sessions = [date.fromisoformat(key) for key in context.partition_keys]
        self._landed: list[tuple[str, dg.AssetKey]] = []

    def landed(self, session: date, values: dict[str, Any], *, asset: str | None = None, now: bool = False) -> None:
        """The session is done and stored. `now`: in a range, Dagster hears of it at once, and not at the step's end.

        That is for the stages that take long; it costs an event more, which Dagster's SQLite writes in 8 ms. `asset`:
        which one, where the step makes several.
        """
        key = dg.AssetKey(asset) if asset else self.context.asset_key
        values = {**values, "peak_mib": round(peak_mib(), 1)}
        if now and len(self.sessions) > 1:
            self.context.log_event(dg.AssetMaterialization(key, partition=str(session), metadata=values))
        self.context.add_asset_metadata(values, asset_key=key, partition_key=str(session))
        self._landed.append((str(session), key))

    def close(self) -> None:
        """Adds the time of the stages to every session's metadata, and whether its bars are provisional."""
        seconds = {"seconds": round(sum(self.pipeline.monitor.seconds.values()), 3)}
        provisional = self.pipeline.provisional_sessions()
        for session, key in self._landed:
            day = date.fromisoformat(session)
            # The time is the step's: where it makes several assets, that of the one that it is named after.
            spent = seconds if key.path[-1] == self.context.op_def.name else {}
            values = spent | metadata.provisional(day, provisional.get(day))
            self.context.add_asset_metadata(values, asset_key=key, partition_key=session)


@contextmanager
def _step(context: dg.AssetExecutionContext, pipelines: Pipelines) -> Iterator[_Step]:
    """Runs a stage; an error for people becomes the step's failure, in one line."""
    try:
        step = _Step(context, pipelines.for_step(context))
        yield step
        step.close()
    except ScanPipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
