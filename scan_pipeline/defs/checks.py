"""Asset checks: what stops a session, and what is shown of each scanner.

https://docs.dagster.io/guides/test/asset-checks. The checks are evaluated by the asset that they belong to.
"""

from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from scan_pipeline.hits import Outcome
from scan_pipeline.scanners.registry import SqlScanner
from scan_pipeline.store.bars import IngestedSession

REJECTED_SHARE = dg.AssetCheckSpec(
    "rejected_share",
    asset="price_bars",
    blocking=True,
    description="No more of a session's bars are lost to the bar rules than SCAN_MAX_REJECTED_SHARE allows.",
)


def rejected_share(ingested: Sequence[IngestedSession], limit: float) -> dg.AssetCheckResult:
    """Fails, and so stops everything after the bars, if a session lost more than the share `limit` of its bars."""
    over = [one for one in ingested if one.lost_share > limit]
    worst = max(ingested, key=lambda one: one.lost_share)
    said = "; ".join(
        f"{one.session} lost {one.lost_bars:,} of {one.lost_bars + one.bars:,} bars ({one.lost_share:.1%}): "
        + ", ".join(f"{rule} {count:,}" for rule, count in one.rejected.items())
        for one in over[:10]
    )
    return dg.AssetCheckResult(
        check_name=REJECTED_SHARE.name,
        passed=not over,
        description=(
            f"{said}. The limit is {limit:.1%}. Look at rejected_bars, mend the delivery and materialize the session "
            "again, or raise SCAN_MAX_REJECTED_SHARE."
            if over
            else f"At most {worst.lost_share:.2%} of a session's bars were lost ({worst.session})."
        ),
        metadata={"worst_share": worst.lost_share, "sessions_over_limit": len(over)},
    )


def scanner_check(scanner: SqlScanner) -> dg.AssetCheckSpec:
    """The check that shows whether the scanner ran. It does not stop anything: the others' results stand."""
    return dg.AssetCheckSpec(
        f"scanner_{scanner.name}", asset="scan_results", description=f"{scanner.title}: the scanner runs."
    )


def scanner_results(scanners: Sequence[SqlScanner], outcomes: Sequence[Outcome]) -> list[dg.AssetCheckResult]:
    """One result for each scanner that Dagster knows of, over all sessions of the run."""
    by_scanner: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_scanner[outcome.scanner].append(outcome)
    return [_scanner_result(scanner, by_scanner[scanner.name]) for scanner in scanners]


def _scanner_result(scanner: SqlScanner, outcomes: Sequence[Outcome]) -> dg.AssetCheckResult:
    failed = [outcome for outcome in outcomes if outcome.hits is None]
    hits = sum(outcome.hits or 0 for outcome in outcomes)
    if not outcomes:
        description = "The scanner's file is gone; reload the code location."
    elif failed:
        description = (
            f"Failed on {len(failed)} of {len(outcomes)} sessions, first {failed[0].session}: {failed[0].message}"
        )
    else:
        description = f"{hits:,} hits on {len(outcomes)} session{'s' if len(outcomes) > 1 else ''}."
    return dg.AssetCheckResult(
        check_name=f"scanner_{scanner.name}",
        passed=bool(outcomes) and not failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"hits": hits, "sessions_failed": len(failed)},
    )
