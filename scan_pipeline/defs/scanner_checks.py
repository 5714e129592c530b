"""The asset check that looks for look-ahead in all scanners: a job of its own, which a person launches.

What belongs here: the check. What does not: how look-ahead is found (`checking_pipeline.py`), and the checks that say
whether scanners ran (`checks.py`), which every night makes.
"""

import dagster as dg
from pydantic import Field

from scan_pipeline.authoring_pipeline import QUARTER, AuthoringPipeline
from scan_pipeline.defs.resources import Pipelines
from scan_pipeline.errors import ScanPipelineError

SCANNER_CHECKS = "scanner_checks"
NO_LOOK_AHEAD = dg.AssetCheckKey(dg.AssetKey("scan_results"), "no_look_ahead")
#: Accused and faulty scanners that the description names.
NAMED = 5


class ScannerChecksConfig(dg.Config):
    """How much is looked at."""

    sessions: int = Field(default=QUARTER, ge=2, description="The last screened sessions, so many.")
    samples: int = Field(default=4, ge=1, description="Sessions of them that are replayed.")
    symbols: int = Field(default=100, ge=1, description="Symbols on which scanners in Python are called again.")


@dg.asset_check(
    asset=NO_LOOK_AHEAD.asset_key,
    name=NO_LOOK_AHEAD.name,
    description=f"No scanner gives other hits where no later bar can be read. The job {SCANNER_CHECKS} looks.",
)
def no_look_ahead(
    context: dg.AssetCheckExecutionContext, config: ScannerChecksConfig, pipelines: dg.ResourceParam[Pipelines]
) -> dg.AssetCheckResult:
    """Fails where a scanner looks ahead, keeps state between calls, or looks further back than it declares."""
    # Here: they load what no night needs.
    from scan_pipeline.checking_pipeline import check_all
    from scan_pipeline.report.checking import headline, rows_of

    pipeline = pipelines.for_step(context)
    try:
        sessions = AuthoringPipeline(pipeline).sessions(None, None, config.sessions)
        checks, faults = check_all(pipeline, sessions, config.samples, config.symbols)
    except ScanPipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    accused = [one for one in checks if not one.is_clean]
    words = [f"{one.scanner.name}: {headline(one)}" for one in accused] + [*faults.values()]
    said = "; ".join(words[:NAMED]) + (f"; and {len(words) - NAMED} more" if len(words) > NAMED else "")
    table = dg.TableMetadataValue(
        records=[
            dg.TableRecord(
                {"scanner": one.scanner.name, "kind": kind, "session": session, "symbol": symbol, "column": column,
                 "one": before, "other": after}
            )
            for one in accused
            for kind, session, symbol, column, before, after in rows_of(one)
        ],
        schema=dg.TableSchema(
            [dg.TableColumn(name) for name in ("scanner", "kind", "session", "symbol", "column", "one", "other")]
        ),
    )  # fmt: skip
    return dg.AssetCheckResult(
        passed=not words,
        severity=dg.AssetCheckSeverity.ERROR if accused else dg.AssetCheckSeverity.WARN,
        description=said
        or f"No look-ahead found in {len(checks)} scanners: {min(config.samples, len(sessions))} sessions of "
        f"{sessions[0]} to {sessions[-1]} were replayed.",
        metadata={
            "scanners": len(checks),
            "accused": len(accused),
            "cannot_be_run": len(faults),
            "hits_compared": sum(one.hits for one in checks),
            "differences": table,
        },
    )
