"""Tables for the terminal: hits, the funnel, what is known of a symbol, and what is held."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.features.catalogue import CORE
from scan_pipeline.pipeline import Explanation
from scan_pipeline.report.hits import number
from scan_pipeline.screening.screen import REASONS


def print_hits(
    console: Console, hits: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any]], most: int | None = None
) -> None:
    """One table a scanner, best rank first; `most` hits of each. Those that failed say so, those without hits are
    named together."""
    by_scanner = {scanner: list(group) for scanner, group in groupby(hits, key=lambda hit: hit["scanner"])}
    for outcome in outcomes:
        scanner = outcome["scanner"]
        found = by_scanner.get(scanner, [])
        if not outcome["ok"]:
            console.print(f"\n[bold]{scanner}[/] [red]failed[/]: {escape(outcome['message'])}")
        elif found:
            shown = found[:most]
            left = f", the first {len(shown)}" if len(shown) < len(found) else ""
            console.print(f"\n[bold]{scanner}[/]: {len(found)} hits{left}")
            console.print(_hit_table(shown))
    without = [outcome["scanner"] for outcome in outcomes if outcome["ok"] and outcome["scanner"] not in by_scanner]
    if without:
        console.print(f"\nno hits: {', '.join(without)}")


def _hit_table(hits: Sequence[Mapping[str, Any]]) -> Table:
    own = list(dict.fromkeys(name for hit in hits for name in hit["details"]))
    stale = any(hit["stale_since"] for hit in hits)
    table = Table(box=None, pad_edge=False)
    for name in ("rank", "symbol", "name"):
        table.add_column(name, justify="right" if name == "rank" else "left", no_wrap=True, max_width=26)
    for name in own:
        table.add_column(name, justify="right")
    if stale:
        table.add_column("stale since (UTC)")
    for hit in hits:
        cells = [number(hit["details"].get(name)) for name in own]
        if stale:
            cells.append(f"{hit['stale_since']:%Y-%m-%d %H:%M}" if hit["stale_since"] else "")
        table.add_row(str(hit["rank"]), escape(hit["symbol"]), escape(hit["name"] or ""), *cells)
    return table


def print_funnel(console: Console, universe: int, remaining: Mapping[str, int], unknown_market_cap: int) -> None:
    """What the screen left out, rule by rule."""
    table = Table(box=None, pad_edge=False)
    table.add_column("screen")
    table.add_column("left out", justify="right")
    table.add_column("symbols left", justify="right")
    table.add_row("universe", "", f"{universe:,}")
    before = universe
    for rule, left in remaining.items():
        table.add_row(REASONS[rule], f"{before - left:,}", f"{left:,}")
        before = left
    console.print(table)
    if unknown_market_cap:
        console.print(
            f"{unknown_market_cap:,} of them have no known market cap on the session; they are flagged, not left out."
        )


def print_explanation(console: Console, one: Explanation) -> None:
    """Everything known of a symbol on a session, section by section; what is not known is said."""
    title = one.facts["universe"][0].get("name") if one.facts["universe"] else None
    console.print(f"[bold]{escape(one.symbol)}[/] {escape(title or '')} on {one.session}")
    _section(console, "bar, as traded", one.facts["price_bars"], "It has no bar on this session.")
    _section(console, "rejected rows", one.facts["rejected_bars"], None)
    _section(console, "asked for by the symbol", one.facts["symbol_refreshes"], None)
    _section(console, "splits known by then", one.facts["splits"], None)
    _section(
        console, "universe", one.facts["universe"], "It is not in the universe of this session (or none was built)."
    )
    _print_decision(console, one.facts["prefiltered_symbols"])
    if one.features:
        table = Table(title="features, computed now", title_justify="left", box=None, pad_edge=False)
        table.add_column("feature")
        table.add_column("value", justify="right")
        table.add_column("unit")
        table.add_column("formula")
        for feature in CORE:
            table.add_row(feature.name, number(one.features[feature.name]), feature.unit, escape(feature.formula))
        console.print(table)
    found = {hit["scanner"]: hit for hit in one.facts["scan_results"]}
    if not one.facts["scanner_outcomes"]:
        console.print("\nThis session has not been scanned.")
    for outcome in one.facts["scanner_outcomes"]:
        hit = found.get(outcome["scanner"])
        said = f"[green]hit, rank {hit['rank']}[/] {escape(hit['details'])}" if hit else "no hit"
        console.print(f"{outcome['scanner']}: {said if outcome['ok'] else '[red]failed[/]'}")


def _print_decision(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        console.print("\nThe screen has not decided on it for this session.")
        return
    (row,) = rows
    verdict = "[green]passed: it is scanned[/]" if row["passed"] else f"[red]left out[/]: {row['reason']}"
    console.print(f"\n[bold]screen[/]: {verdict}")
    measured = {
        "ok_bars_held": "bars_held", "ok_price": "close", "ok_average_volume": "average_volume_20",
        "ok_market_cap": "market_cap", "ok_within_cap": "priority_rank", "ok_not_denied": "deny_reason",
    }  # fmt: skip
    for rule in REASONS:
        mark = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]unknown[/]"}[row[rule]]
        value = f" ({measured[rule]} {number(row[measured[rule]])})" if rule in measured else ""
        label = rule.removeprefix("ok_").replace("_", " ")
        console.print(f"  {label}{value}: {mark}")


def _section(console: Console, title: str, rows: Iterable[Mapping[str, Any]], otherwise: str | None) -> None:
    rows = list(rows)
    if not rows:
        if otherwise:
            console.print(f"\n{otherwise}")
        return
    console.print(f"\n[bold]{title}[/]")
    for row in rows:
        cells = (f"{name} {escape(number(value))}" for name, value in row.items() if name not in ("session", "symbol"))
        console.print("  " + " · ".join(cells))
