"""What the UI shows of a session: numbers under stable names, so that the UI plots them, and tables for people."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from scan_pipeline.changes.deltas import Deltas
from scan_pipeline.providers.base import Source
from scan_pipeline.python_pipeline import PythonRun
from scan_pipeline.report.hits import said_provisional
from scan_pipeline.screening.screen import REASONS, Funnel
from scan_pipeline.script_pipeline import ScriptRun
from scan_pipeline.stages.scan import ScannedSession
from scan_pipeline.store.bars import IngestedSession, Refreshed
from scan_pipeline.store.reference import UniverseSession

#: Hits of each scanner that the UI's table lists.
LISTED_HITS = 10


def ingested(one: IngestedSession) -> dict[str, Any]:
    """delivered = bars + superseded + rejected."""
    return {
        "delivered": one.delivered,
        "bars": one.bars,
        "superseded": one.superseded,
        "rejected": sum(one.rejected.values()),
        "lost_bars": one.lost_bars,
        "lost_share": one.lost_share,
        "revised": one.revised,
        **({"not_fetched": "It is held, and the vendor no longer changes it."} if one.was_held else {}),
        **{f"rejected_{rule}": count for rule, count in one.rejected.items()},
        **(_refreshed(one.refresh) if one.refresh else {}),
    }


def _refreshed(one: Refreshed) -> dict[str, Any]:
    """How far the calls of the whole run went, where a provider is asked by the symbol."""
    return {
        "symbols": one.listed,
        "symbols_refreshed": one.refreshed,
        "symbols_settled": one.settled,
        "cached_share": round(one.cached_share, 4),
        "refresh": str(one),
        **{f"left_out_{reason.replace(' ', '_')}": count for reason, count in one.left_out.items()},
    }


def provisional(session: date, snapshot_at: datetime | None) -> dict[str, Any]:
    """That the session's bars were taken before its close, and when (UTC); nothing where they are final."""
    return {"provisional": True, "as_of": said_provisional(session, snapshot_at)} if snapshot_at else {}


def calls(provider: Source) -> dict[str, Any]:
    """Calls made to the vendor for all sessions of the step together; nothing where calls are free."""
    sources = {"sources": "; ".join(provider.sources)} if provider.sources else {}
    return {"calls": provider.calls, **sources} if provider.is_metered else {}


def universe(one: UniverseSession) -> dict[str, Any]:
    """Counts, and the share of symbols that have each reference field."""
    values: dict[str, Any] = {"symbols": one.symbols, "traded": one.traded}
    values |= {f"share_with_{field}": round(share, 4) for field, share in one.known.items()}
    if one.market_caps_of_unknown_date:
        values["market_caps_left_out"] = one.market_caps_of_unknown_date
        values["why_left_out"] = (
            "Market caps without an as_of day could be of any time; give symbols.csv a column as_of to use them."
        )
    return values


def funnel(one: Funnel) -> dict[str, Any]:
    """The funnel as numbers and as a table."""
    return {
        "universe": one.universe,
        "passed": one.passed,
        "unknown_market_cap": one.unknown_market_cap,
        "funnel": _table(("left out", "symbols", "symbols left"), _funnel_rows(one)),
        **{f"left_after_{rule}": left for rule, left in one.remaining.items()},
    }


def deltas(one: Deltas | None) -> dict[str, Any]:
    """What changed since the session was last scanned, by kind; None: the session is not kept for reruns."""
    if one is None:
        return {"not_kept": "Only the newest sessions of a range are kept for reruns: this one is scanned whole."}
    kinds = [(kind, count, one.rescanned.get(kind, 0)) for kind, count in one.changes.items()]
    return {
        "symbols": one.symbols,
        "rescan": one.rescan,
        "cached": one.symbols - one.rescan,
        "said": str(one),
        "cached_since": f"{one.cached_since:%Y-%m-%d %H:%M} UTC" if one.cached_since else "nothing is cached",
        "changes": _table(("change", "symbols", "scanned again"), kinds),
        **{f"changed_{kind}": count for kind, count in one.changes.items() if kind != "none"},
    }


def market_context(one: ScannedSession) -> dict[str, Any]:
    """The market on the session, under the names of the table's columns; what is unknown is left out."""
    left_out = ("session", "data_version", "run_id")
    return {name: value for name, value in one.market_context.items() if value is not None and name not in left_out}


def scanned(one: ScannedSession, results_dir: Path) -> dict[str, Any]:
    """Counts, the hits of every scanner as a table, and where they are published."""
    by_scanner = defaultdict(list)
    for hit in one.hits:
        by_scanner[hit.scanner].append(hit.symbol)
    rows = [
        (outcome.scanner, "failed" if outcome.hits is None else outcome.hits, _some(by_scanner[outcome.scanner]))
        for outcome in one.outcomes
    ]
    return {
        "hits": len(one.hits),
        "scanned_symbols": one.scanned_symbols,
        "rescanned_symbols": one.rescanned_symbols,
        "untouched_scanners": len(one.untouched_scanners),
        "cached_symbols": one.scanned_symbols - one.rescanned_symbols,
        "cached_share": round(1 - one.rescanned_symbols / one.scanned_symbols, 4) if one.scanned_symbols else 0.0,
        **{f"hits_{change}": count for change, count in one.hit_changes.items()},
        **(
            {"cached": "Nothing that the session is made of changed: its results are those of before."}
            if one.is_cached
            else {}
        ),
        "scanners_failed": sum(outcome.hits is None for outcome in one.outcomes),
        "history_sessions": one.history_sessions,
        "history_wanted": one.history_wanted,
        "data_version": one.data_version,
        **provisional(one.session, one.snapshot_at),
        "hits_by_scanner": _table(("scanner", "hits", "first by rank"), rows),
        "published": _path(results_dir / f"{one.session}.parquet"),
    }


def script_runs(runs: Sequence[ScriptRun]) -> dict[str, Any]:
    """Runs of one script in one step: counts, what a person should know, the newest hits, and where the output is."""
    outcomes = [run.outcome for run in runs]
    hits = [hit for run in runs for hit in run.hits]
    newest = sorted(hits, key=lambda hit: hit.session, reverse=True)[:LISTED_HITS]
    by_session = Counter(hit.session for hit in hits)
    return {
        "hits": len(hits),
        "hits_on_the_session": sum(by_session[run.plan.as_of] for run in runs),
        "partial": any(run.is_partial for run in runs),
        "found_in": ", ".join(sorted({one.source for one in outcomes if one.source})) or "–",
        "shards": max(one.shards for one in outcomes),
        "symbols_held": max(one.symbols_held for one in outcomes),
        "symbols_shown": max(one.symbols_shown for one in outcomes),
        "screened": all(one.screened for one in outcomes),
        "requests": sum(one.requests for one in outcomes),
        "answered_empty": sum(one.answered_empty for one in outcomes),
        "calls": sum(one.vendor_calls for one in outcomes),
        "seconds": round(sum(one.seconds for one in outcomes), 3),
        "peak_mib": max(one.peak_mib for one in outcomes),
        "isolation": outcomes[0].isolation,
        "remarks": " ".join(dict.fromkeys(remark for run in runs for remark in run.remarks)) or "none",
        "newest_hits": _table(("session", "symbol"), [(hit.session, hit.symbol) for hit in newest]),
        "printed": _table(
            ("shard", "output"),
            [
                (number, runs[-1].plan.shard_folder(number) / "stdout.txt")
                for number in range(1, runs[-1].plan.shards + 1)
            ],
        ),
        "output": _path(Path(runs[-1].plan.folder)),
    }


def python_run(run: PythonRun) -> dict[str, Any]:
    """A run of scanners in Python: counts over all its sessions, and the newest session's hits as a table."""
    newest = run.sessions[-1]
    by_scanner = defaultdict(list)
    for hit in newest.hits:
        by_scanner[hit.scanner].append(hit.symbol)
    rows = [
        (one.scanner, "failed" if one.hits is None else one.hits, _some(by_scanner[one.scanner]), one.message or "")
        for one in newest.outcomes
    ]
    changes = Counter[str]()
    for one in run.sessions:
        changes.update(one.hit_changes)
    return {
        "hits": sum(len(one.hits) for one in run.sessions),
        "symbols_called": sum(one.called for one in run.sessions),
        "symbols_cached": sum(one.cached for one in run.sessions),
        "symbols_quarantined": sum(one.quarantined for one in run.sessions),
        "scanners_failed": sum(outcome.hits is None for one in run.sessions for outcome in one.outcomes),
        **{f"hits_{change}": count for change, count in changes.items()},
        "shards": run.shards,
        "seconds": round(run.seconds, 3),
        "peak_mib": run.peak_mib,
        **provisional(newest.session, newest.snapshot_at),
        "hits_by_scanner": _table(("scanner", f"hits on {newest.session}", "first by rank", "remarks"), rows),
    }


def session_of(partition: str) -> date:
    """The session of a partition."""
    return date.fromisoformat(partition)


def _funnel_rows(one: Funnel) -> list[tuple[Any, ...]]:
    before = [one.universe, *one.remaining.values()]
    stopped = [
        (REASONS[rule], last - left, left) for (rule, left), last in zip(one.remaining.items(), before, strict=False)
    ]
    return [("universe", "", one.universe), *stopped]


def _some(symbols: list[str]) -> str:
    return ", ".join(symbols[:LISTED_HITS]) + (" …" if len(symbols) > LISTED_HITS else "")


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
    lines = [header, ("---",) * len(header), *rows]
    return dg.MetadataValue.md("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))


def _path(path: Path) -> Any:
    return dg.MetadataValue.path(path)
