"""What one measured process of ours does: `python _workloads.py NAME ARGUMENTS`, settings in the environment.

Each workload times its own parts and prints them, with its results, as one line of JSON. Imports stand inside, because
they are part of what is measured, and because `empty_job` must load nothing of ours.
"""

import json
import pickle
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from scan_pipeline.pipeline import Pipeline

NIGHTLY_SCAN = "nightly_scan"


class Clock:
    """Splits the time since it was made into named parts."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """What has passed since the last lap belongs to `part`."""
        now = time.perf_counter()
        self.parts[part] = now - self._last
        self._last = now


def market(folder: str, symbols: str, cache: str) -> dict[str, Any]:
    """Make the demo market's files in `folder`."""
    from scan_pipeline.providers.demo import make_market
    from scan_pipeline.sessions import Calendar

    make_market(Path(folder), int(symbols), Calendar.load(Path(cache)))
    return {}


def sessions() -> dict[str, Any]:
    """The sessions that the feed has, oldest first."""
    pipeline = _pipeline()
    held = pipeline.provider().held()
    assert held
    return {"sessions": [str(session) for session in pipeline.calendar.between(*held)]}


def ingest(first: str, last: str) -> dict[str, Any]:
    """Splits, and all bars from `first` to `last`."""
    clock = Clock()
    pipeline = _pipeline()
    clock.lap("import")
    pipeline.record_splits()
    delivered = bars = 0
    for one in pipeline.ingest(_between(pipeline, first, last), "benchmark"):
        delivered += one.delivered
        bars += one.bars
    return {"parts": clock.parts | pipeline.monitor.seconds, "delivered": delivered, "bars": bars}


def universe(first: str, last: str) -> dict[str, Any]:
    """The universes from `first` to `last`; the number of symbols in the last one."""
    pipeline = _pipeline()
    return {"symbols": pipeline.build_universe(_between(pipeline, first, last))[-1].symbols}


#: The scanners that the yardsticks know too.
SIX = ("breakout_52w", "gap_and_go", "oversold_bounce", "pullback_sma_20", "tight_range", "unusual_volume")


def scan(first: str, last: str) -> dict[str, Any]:
    """Screen from `first` to `last` and scan with the six scanners; the hits of the last session."""
    clock = Clock()
    from scan_pipeline.scanners.registry import BUILTIN_DIR, read_scanner

    pipeline = _pipeline()
    clock.lap("import")
    chosen = _between(pipeline, first, last)
    passed = pipeline.screen(chosen, pipeline.settings.screen)[-1].passed
    hits, found = 0, []
    scanners = [read_scanner(BUILTIN_DIR / f"{name}.sql") for name in SIX]
    for one in pipeline.scan(chosen, "benchmark", scanners):
        failed = [f"{outcome.scanner}: {outcome.message}" for outcome in one.outcomes if outcome.hits is None]
        if failed:
            sys.exit(f"Scanners failed on {one.session}: {'; '.join(failed)}")
        hits += len(one.hits)
        if one.session == chosen[-1]:
            found = [[hit.scanner, hit.symbol] for hit in one.hits]
    parts = clock.parts | pipeline.monitor.seconds
    return {"parts": parts, "hits": hits, "found": found, "passed": passed}


def export(session: str, folder: str) -> dict[str, Any]:
    """For the yardsticks: what a script with clean data of its own would read to scan `session`, as Parquet files.

    Bars as traded of the same history that our scan reads, by symbol and session; the splits known; the universe's
    market caps; the limits of the screen.
    """
    from msgspec.structs import asdict

    from scan_pipeline.features.catalogue import HISTORY_SESSIONS

    pipeline = _pipeline()
    start = pipeline.calendar.history_start(date.fromisoformat(session), HISTORY_SESSIONS)
    queries = {
        "bars": "select symbol, session::TIMESTAMP as session, open, high, low, close, volume from price_bars "
        f"where session between '{start}' and '{session}' order by symbol, price_bars.session",
        "splits": "select symbol, ex_date::TIMESTAMP as ex_date, split_from, split_to from splits "
        f"where greatest(ex_date, known_on) <= date '{session}' order by ex_date, symbol",
        "universe": f"select symbol, market_cap from universe where session = '{session}' order by symbol",
    }
    with pipeline.store.read() as connection:
        for name, query in queries.items():
            connection.execute(f"copy ({query}) to '{folder}/{name}.parquet' (format parquet)")
    limits = asdict(pipeline.settings.screen)
    Path(folder, "limits.json").write_text(json.dumps(limits), encoding="utf-8")
    return {}


def forget(session: str) -> dict[str, Any]:
    """Take a session's rows out of the store again: the store as it is on the evening of that session."""
    from scan_pipeline.schema import TABLES

    with _pipeline().store.write() as connection:
        for table in TABLES:
            if "session" in table.names:
                connection.execute(f"delete from {table.name} where session = ?", [session])
    return {}


def nightly(session: str) -> dict[str, Any]:
    """The job `nightly_scan` for one session, as the daemon's run process carries it out."""
    clock = Clock()
    import dagster  # noqa: F401

    clock.lap("import dagster")
    from scan_pipeline.definitions import build_definitions
    from scan_pipeline.settings import load_settings

    clock.lap("import ours")
    definitions = build_definitions(load_settings())
    result = _execute(definitions, session, clock)
    stages = {}
    for event in result.all_events:
        if event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            if "seconds" not in materialization.metadata:
                continue  # made in the step of another asset
            spent = materialization.metadata["seconds"].value
            assert isinstance(spent, float)
            stages[f"stages of {materialization.asset_key.to_user_string()}"] = spent
    clock.parts["Dagster's run around the stages"] = clock.parts.pop("run") - sum(stages.values())
    return {"parts": clock.parts | stages}


def shape(path: str) -> dict[str, Any]:
    """Write down the shape of our assets, without their bodies, for `empty_job`."""
    import dagster as dg

    from scan_pipeline.definitions import build_definitions
    from scan_pipeline.settings import load_settings

    shapes = []
    for asset in build_definitions(load_settings()).assets or []:
        assert isinstance(asset, dg.AssetsDefinition)
        shapes.append(
            {
                "name": asset.op.name,
                "specs": [
                    {
                        "key": spec.key,
                        "deps": [(dep.asset_key, dep.partition_mapping) for dep in spec.deps],
                        "group_name": spec.group_name,
                        "kinds": spec.kinds,
                    }
                    for spec in asset.specs
                ],
                "checks": [(check.name, check.asset_key, check.blocking) for check in asset.check_specs],
                "partitions_def": asset.partitions_def,
                "backfill_policy": asset.backfill_policy,
                "pool": asset.op.pool,
            }
        )
    Path(path).write_bytes(pickle.dumps(shapes))
    return {}


def empty_job(path: str, session: str) -> dict[str, Any]:
    """A job of the same shape as `nightly_scan` (assets, dependencies, partitions, checks, pool) that does nothing."""
    clock = Clock()
    import dagster as dg

    clock.lap("import dagster")
    assets = [_empty_asset(**one) for one in pickle.loads(Path(path).read_bytes())]
    job = dg.define_asset_job(
        NIGHTLY_SCAN,
        dg.AssetSelection.all(),
        partitions_def=assets[0].partitions_def,
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": "1800"},
    )
    _execute(dg.Definitions(assets=assets, jobs=[job], executor=dg.in_process_executor), session, clock)
    clock.parts["Dagster's run"] = clock.parts.pop("run")
    return {"parts": clock.parts}


def _empty_asset(
    name: str, specs: list[dict[str, Any]], checks: list[tuple[str, Any, bool]], **parts: Any
) -> "dg.AssetsDefinition":
    import dagster as dg

    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                spec["key"],
                deps=[dg.AssetDep(key, partition_mapping=mapping) for key, mapping in spec["deps"]],
                group_name=spec["group_name"],
                kinds=spec["kinds"],
            )
            for spec in specs
        ],
        check_specs=[dg.AssetCheckSpec(check, asset=key, blocking=blocking) for check, key, blocking in checks],
        **parts,
    )
    def empty() -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]  # Dagster reads the bare class
        for spec in specs:
            of_it = [(check, key) for check, key, _ in checks if key == spec["key"]]
            yield dg.MaterializeResult(
                spec["key"],
                check_results=[
                    dg.AssetCheckResult(passed=True, asset_key=key, check_name=check) for check, key in of_it
                ],
            )

    return empty


def _execute(definitions: "dg.Definitions", session: str, clock: Clock) -> "dg.ExecuteInProcessResult":
    """The job for one session in this process, recorded in the instance of DAGSTER_HOME like any run."""
    import dagster as dg

    job = definitions.resolve_job_def(NIGHTLY_SCAN)
    clock.lap("definitions")
    with dg.DagsterInstance.get() as instance:
        clock.lap("instance")
        result = job.execute_in_process(
            instance=instance,
            partition_key=session,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
    clock.lap("run")
    assert result.success
    return result


def _pipeline() -> "Pipeline":
    from scan_pipeline.pipeline import Pipeline
    from scan_pipeline.settings import load_settings

    return Pipeline(load_settings())


def _between(pipeline: "Pipeline", first: str, last: str) -> list[date]:
    return pipeline.calendar.between(date.fromisoformat(first), date.fromisoformat(last))


WORKLOADS = (market, sessions, ingest, universe, scan, export, forget, nightly, shape, empty_job)

if __name__ == "__main__":
    chosen = {workload.__name__: workload for workload in WORKLOADS}[sys.argv[1]]
    said = chosen(*sys.argv[2:])
    print(json.dumps(said), flush=True)
