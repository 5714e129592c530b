"""Scripts on the terminal: what one is, what a run found, and how two runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.report.hits import number
from scan_pipeline.scripts.library import Script
from scan_pipeline.scripts.results.merging import Difference, FoundHit

#: Hits of each kind of difference that are listed.
LISTED_DIFFERENCES = 8
#: Columns of the script's own that a table has room for.
SHOWN_COLUMNS = 8


def print_inspection(console: Console, script: Script) -> None:
    """What a script is, and what will be done with it."""
    found = script.inspection
    console.print(f"[bold]{script.name}[/]: {found.kind}")
    _line(console, "file", f"{script.path}, unmodified (sha256 {script.code_version}…)")
    _line(console, "imports", ", ".join(found.imports) or "the standard library alone")
    _line(console, "asks for", ", ".join(found.endpoints) or "nothing of the vendor's that can be seen")
    lists = [f"{one.name} (line {one.line}): {one.count:,}" for one in found.symbols]
    _line(console, "symbols", "; ".join(lists) or "no list of its own: the whole market")
    _line(console, "dates", "; ".join(f"{one.text} (line {one.line})" for one in found.dates) or "none")
    _line(console, "results", "; ".join(map(str, found.results)) or "none that can be seen")
    for note in found.notes:
        _line(console, "note", note)
    if found.parameters:
        console.print(f"parameters    proposed in {script.path.with_suffix('.toml')}; none is given until you say so:")
        for one in found.parameters:
            console.print(f"  {one.name} (line {one.line}, {one.where}): {one.present} → {one.proposed}", markup=False)


def print_scripts(console: Console, scripts: Sequence[Script], last: Mapping[str, Mapping[str, Any]]) -> None:
    """The scripts, one a line, with the outcome of the last run of each."""
    rows = [("script", "kind", "as of", "hits", "last run")]
    for one in scripts:
        run = last.get(one.name)
        as_of, hits, said = ("–", "–", "never run")
        if run:
            as_of, hits = str(run["as_of"]), "–" if run["hits"] is None else f"{run['hits']:,}"
            said = ("" if run["ok"] else "failed: " if run["hits"] is None else "partial: ") + (run["message"] or "ok")
        kind = "" if one.fault else one.inspection.kind
        rows.append((one.name, kind, as_of, hits, " ".join((one.fault or said).split())))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    for row in rows:
        line = "  ".join(
            f"{cell:>{width}}" if place == 3 else f"{cell:{width}}"
            for place, (cell, width) in enumerate(zip(row, (*widths, 0), strict=True))
        )
        # One line each: the run says it in full.
        line = line if len(line) <= console.width else line[: console.width - 1] + "…"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_script_run(
    console: Console, outcome: Mapping[str, Any], hits: Sequence[Mapping[str, Any]], most: int, fault: str = ""
) -> None:
    """A run's hits, newest first, and what a person should know of it. `fault`: what is told of it elsewhere."""
    shown = f"{outcome['symbols_shown']:,} of {outcome['symbols_held']:,} symbols"
    shown += " (those that passed the screen)" if outcome["screened"] else ""
    left = f", the first {most}" if len(hits) > most else ""
    partial = "" if outcome["ok"] else " partial"
    shards = f"in {outcome['shards']} shards" if outcome["shards"] > 1 else "whole"
    console.print(
        f"\n[bold]{outcome['script']}[/] as of {outcome['as_of']}: "
        f"{_count(len(hits), partial + ' hit')}{left}; found in {escape(outcome['source']) or '–'}",
        highlight=False,
        soft_wrap=True,
    )
    if hits:
        console.print(_table(hits[:most]))
    calls = f"; {_count(outcome['vendor_calls'], ' call')} to the vendor" if outcome["vendor_calls"] else ""
    empty = f", {outcome['answered_empty']:,} of them empty" if outcome["answered_empty"] else ""
    console.print(
        f"{shown}, {shards}; {_count(outcome['requests'], ' request')} answered from the store{empty}{calls}; "
        f"{outcome['seconds']:.1f} s; at most {outcome['peak_mib']:,.0f} MiB a shard",
        highlight=False,
        soft_wrap=True,
    )
    console.print(outcome["isolation"], markup=False, highlight=False, soft_wrap=True)
    console.print(f"what it printed and wrote: {outcome['folder']}", markup=False, highlight=False, soft_wrap=True)
    if remarks := outcome["message"].removeprefix(fault).strip():
        console.print(f"[yellow]{escape(remarks)}[/]", highlight=False, soft_wrap=True)


def print_difference(console: Console, title: str, difference: Difference) -> None:
    """Hits that are only in one of two runs, or in both with other values."""
    if difference.is_empty:
        console.print(f"[green]{title}[/]: the same {_count(difference.same, ' hit')}", highlight=False)
        return
    console.print(
        f"[yellow]{title}[/]: {_count(difference.same, ' hit')} the same, {len(difference.only_left):,} only in the "
        f"first, {len(difference.only_right):,} only in the second, {len(difference.changed):,} with other values",
        highlight=False,
        soft_wrap=True,
    )
    _listed(console, "only in the first", [_named(hit) for hit in difference.only_left])
    _listed(console, "only in the second", [_named(hit) for hit in difference.only_right])
    _listed(console, "other values", [_changed(*one) for one in difference.changed])


def print_hidden(console: Console, hits: Sequence[FoundHit]) -> None:
    """Hits of symbols that the screen hides."""
    console.print(f"[yellow]hidden by the screen[/]: {_count(len(hits), ' hit')}", highlight=False)
    _listed(console, "hidden", [_named(hit) for hit in hits])


def _listed(console: Console, title: str, lines: Sequence[str]) -> None:
    for line in lines[:LISTED_DIFFERENCES]:
        console.print(f"  {title}: {line}", markup=False, highlight=False, soft_wrap=True)
    if len(lines) > LISTED_DIFFERENCES:
        console.print(f"  {title}: {len(lines) - LISTED_DIFFERENCES:,} more", highlight=False)


def _named(hit: FoundHit) -> str:
    return f"{hit.session} {hit.symbol}"


def _changed(left: FoundHit, right: FoundHit, columns: Sequence[str]) -> str:
    values = (f"{name} {_value(left, name)} → {_value(right, name)}" for name in columns)
    return f"{_named(left)}: {', '.join(values)}"


def _value(hit: FoundHit, name: str) -> Any:
    return hit.score if name == "score" and name not in hit.details else hit.details.get(name, "–")


def _count(number: int, thing: str) -> str:
    return f"{number:,}{thing}{'' if number == 1 else 's'}"


def _line(console: Console, title: str, text: str) -> None:
    console.print(f"{title:14}", end="")
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(hits: Sequence[Mapping[str, Any]]) -> Table:
    own = list(dict.fromkeys(name for hit in hits for name in hit["details"]))[:SHOWN_COLUMNS]
    table = Table(box=None, pad_edge=False)
    for name in ("session", "symbol", *own):
        table.add_column(name, justify="left" if name in ("session", "symbol") else "right")
    for hit in hits:
        table.add_row(
            str(hit["session"]), escape(hit["symbol"]), *(escape(number(hit["details"].get(name))) for name in own)
        )
    return table
