"""What whoever writes scanners sees in the terminal: the scanners, the features, a trial, a sweep.

What belongs here: tables and charts of what is given. What does not: finding and running.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from fnmatch import fnmatch
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.authoring_pipeline import HORIZONS, Combination, Trial
from scan_pipeline.features import named
from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.catalogue import CORE
from scan_pipeline.features.cross_section import CROSS_SECTIONAL
from scan_pipeline.features.feature import Feature
from scan_pipeline.report.tables import print_hits
from scan_pipeline.scanners.python.library import PythonScanner
from scan_pipeline.scanners.registry import BUILTIN_DIR
from scan_pipeline.scanners.typed import Scanner

#: Lines of a chart; more sessions are put together.
MOST_LINES = 40
#: Cells of a chart's longest bar.
WIDTH = 40
#: Quarantined symbols that are named.
NAMED = 5
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GROUPS = {
    "always there": CORE, "averages": named.AVERAGES, "volatility": named.VOLATILITY, "momentum": named.MOMENTUM,
    "volume": named.VOLUME, "levels": named.LEVELS, "against the benchmark": named.BENCHMARK,
    "candles": named.CANDLES, "closed weeks and months": named.PERIODS,
}  # fmt: skip


def print_scanners(
    console: Console, scanners: Sequence[Scanner], session: date | None, outcomes: Mapping[str, Mapping[str, Any]]
) -> None:
    """All scanners, and for each its hits on `session`; what is wrong with one is said below."""
    table = Table(box=None, pad_edge=False)
    for name in ("scanner", "kind", "whose", "hits", "parameters", "title", "definition"):
        table.add_column(name, justify="right" if name == "hits" else "left", no_wrap=name in ("scanner", "kind"))
    faults = []
    for one in scanners:
        outcome = outcomes.get(one.name)
        hits = "–" if outcome is None else f"{outcome['hits']:,}" if outcome["ok"] else "[red]failed[/]"
        fault = one.fault or (outcome["message"] if outcome and not outcome["ok"] else None)
        if fault:
            faults.append((one.name, fault))
        table.add_row(
            one.name,
            "Python" if isinstance(one, PythonScanner) else "SQL",
            "built-in" if one.path.parent == BUILTIN_DIR else "yours",
            "[red]fault[/]" if one.fault else hits,
            escape(", ".join(f"{name}={value}" for name, value in one.parameters.items())),
            escape(one.title),
            escape("" if isinstance(one, PythonScanner) else one.source),
        )
    console.print(table)
    if session:
        console.print(f"\nHits of {session}, the last session that was scanned.")
    else:
        console.print("\nNo session has been scanned yet: `scan-pipeline run` scans one.")
    for name, fault in faults:
        console.print(f"[red]{name}[/]: ", end="")
        console.print(fault, markup=False, highlight=False, soft_wrap=True)


def print_features(console: Console, pattern: str, *, functions: bool) -> None:
    """The features by groups, those alone that have `pattern` (or match it, with * and ?) in name or formula."""
    shown = 0
    for title, group in _GROUPS.items():
        rows = [_feature_row(one) for one in group if _meets(pattern, one.name, one.formula)]
        shown += _print_group(console, title, ("feature", "unit", "lookback", "formula", "source"), rows)
    columns = [
        (one.name, one.unit, escape(one.formula), escape(one.source))
        for one in CROSS_SECTIONAL.values()
        if _meets(pattern, one.name, one.formula)
    ]
    shown += _print_group(console, "among the symbols of a session", ("column", "unit", "formula", "source"), columns)
    rows = [_function_row(name) for name in INDICATORS if _meets(pattern, name, INDICATORS[name].title)] if (
        functions or (pattern and not shown)
    ) else []  # fmt: skip
    shown += _print_group(console, "functions", ("function", "what", "outputs", "lookback", "source"), rows)
    if not shown:
        console.print(f"Nothing has '{escape(pattern)}' in its name or formula. `scan-pipeline features` lists all.")
    elif not rows:
        console.print(
            f"\n{len(INDICATORS):,} functions with parameters, ta.NAME(…), weekly.NAME(…), monthly.NAME(…): "
            "`scan-pipeline features --functions`."
        )


def print_trial(console: Console, trial: Trial, names: Mapping[str, str | None], most: int = 15) -> None:
    """The hits of the last session that has some, hits by session, times, memory, and what failed."""
    scanner, counts = trial.scanner, trial.hits_per_session
    print_failures(console, trial)
    found = [session for session in trial.sessions if counts[session]]
    if found:
        shown = [hit for hit in trial.hits if hit.session == found[-1]]
        rows = [
            {"scanner": scanner.name, "rank": hit.rank, "symbol": hit.symbol, "name": names.get(hit.symbol),
             "details": _details(hit.details), "stale_since": None}
            for hit in shown
        ]  # fmt: skip
        console.print(f"Hits of {found[-1]}:")
        print_hits(console, rows, [{"scanner": scanner.name, "ok": True}], most)
    total = len(trial.hits)
    with_hits = f", on {len(found):,} of them" if len(trial.sessions) > 1 else ""
    span = f"{trial.sessions[0]} to {trial.sessions[-1]}" if len(trial.sessions) > 1 else str(trial.sessions[0])
    console.print(
        f"\n[bold]{scanner.name}[/] on {_count(len(trial.sessions), 'session')}, {span}: {_count(total, 'hit')}"
        f"{with_hits}"
    )
    if len(trial.sessions) > 1:
        print_chart(console, counts)
    mean = sum(trial.symbols.values()) / max(1, len(trial.symbols))
    console.print(
        f"{mean:,.0f} symbols a session; reading and computing {trial.reading_seconds:.2f} s, scanner "
        f"{trial.scanner_seconds:.2f} s, at most {trial.peak_mib:,.0f} MiB. Nothing was stored."
    )


def print_failures(console: Console, trial: Trial) -> None:
    """Sessions on which the scanner failed, by message, and quarantined symbols."""
    messages: dict[str, list[date]] = {}
    for outcome in trial.outcomes:
        if outcome.hits is None and outcome.message:
            messages.setdefault(outcome.message, []).append(outcome.session)
    for message, sessions in list(messages.items())[:NAMED]:
        of = f"{len(sessions):,} of {len(trial.sessions):,} sessions, first {sessions[0]}"
        console.print(f"[red]Failed[/] on {of}: ", end="")
        console.print(message, markup=False, highlight=False, soft_wrap=True)
    quarantined = {one.symbol: one for one in trial.quarantined if one.symbol}
    if quarantined:
        console.print(f"[yellow]{_count(len(quarantined), 'symbol')} quarantined[/]:")
        for one in list(quarantined.values())[:NAMED]:
            console.print(f"  {one.symbol}: {one.reason}", markup=False, highlight=False, soft_wrap=True)
        first = next(iter(quarantined.values()))
        if first.traceback:
            console.print(first.traceback, markup=False, highlight=False, soft_wrap=True)


def print_chart(console: Console, counts: Mapping[date, int]) -> None:
    """A number for each session as bars, one line a session, or for so many sessions together that they fit."""
    sessions = sorted(counts)
    size = math.ceil(len(sessions) / MOST_LINES)
    parts = [sessions[first : first + size] for first in range(0, len(sessions), max(1, size))]
    values = [sum(counts[session] for session in part) / len(part) for part in parts]
    most = max(values, default=0) or 1
    if size > 1:
        console.print(f"mean of {size} sessions a line, from the session given")
    for part, value in zip(parts, values, strict=True):
        said = f"{value:,.0f}" if size == 1 else f"{value:,.1f}"
        console.print(f"{part[0]}  {_bar(value / most)} {said}", highlight=False)


def print_sweep(console: Console, name: str, swept: Sequence[Combination]) -> None:
    """A line for each combination: its values, hits, and what followed them."""
    sessions = swept[0].trial.sessions
    table = Table(box=None, pad_edge=False)
    for parameter in swept[0].values:
        table.add_column(parameter, justify="right")
    for title in ("hits", "a session", "sessions with hits", *(f"next {horizon}" for horizon in HORIZONS)):
        table.add_column(title, justify="right")
    for one in swept:
        counts = one.trial.hits_per_session
        hits = sum(counts.values())
        failed = any(outcome.hits is None for outcome in one.trial.outcomes)
        followed = [
            f"{one.followed[horizon][0]:+.2%} ({one.followed[horizon][1]:,})" if horizon in one.followed else "–"
            for horizon in HORIZONS
        ]
        table.add_row(
            *(str(value) for value in one.values.values()),
            "[red]failed[/]" if failed else f"{hits:,}",
            f"{hits / len(sessions):,.1f}",
            f"{sum(count > 0 for count in counts.values()):,}",
            *followed,
        )
    console.print(
        f"[bold]{name}[/] on {_count(len(sessions), 'session')}, {sessions[0]} to {sessions[-1]}, "
        f"{_count(len(swept), 'combination')}"
    )
    console.print(table)
    first = swept[0].trial
    for one in swept:
        if any(outcome.hits is None for outcome in one.trial.outcomes):
            print_failures(console, one.trial)
            break
    console.print(
        "What followed: mean return of the hits over the next 1, 5 and 20 sessions, close to close, split-adjusted, "
        "without costs, and in brackets of how many hits it is held. It looks ahead on purpose: values that are chosen "
        "by it have seen the future of this range.\n"
        f"Reading and computing once {first.reading_seconds:.2f} s, scanner "
        f"{sum(one.trial.scanner_seconds for one in swept):.2f} s, at most "
        f"{max(one.trial.peak_mib for one in swept):,.0f} MiB. Nothing was stored."
    )


def _bar(share: float) -> str:
    eighths = round(share * WIDTH * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _meets(pattern: str, name: str, words: str) -> bool:
    pattern = pattern.lower()
    if any(mark in pattern for mark in "*?["):
        return fnmatch(name, pattern)
    return pattern in name or pattern in words.lower()


def _print_group(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The number of rows."""
    if rows:
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in columns:
            table.add_column(name, justify="right" if name == "lookback" else "left", no_wrap=name == columns[0])
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    return len(rows)


def _feature_row(one: Feature) -> tuple[str, ...]:
    mark = " (its level depends on where history begins)" if one.is_path_dependent else ""
    return one.name, one.unit, str(one.lookback), escape(one.formula + mark), escape(one.source)


def _function_row(name: str) -> tuple[str, ...]:
    one = INDICATORS[name]
    arguments = [*one.inputs, *(f"{parameter}={value:g}" for parameter, value in one.parameters.items())]
    outputs = ", ".join(f"{output} ({unit})" for output, unit in zip(one.outputs, one.units, strict=True))
    call = f"ta.{name}({', '.join(arguments)})"
    return escape(call), escape(one.title), escape(outputs), str(one.lookback(**one.parameters)), escape(one.source)


def _details(text: str) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(text)
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
