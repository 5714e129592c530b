"""Scripts on the terminal: what one is, what a run found, and how two runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.report.hits import number
from scan_pipeline.scripts.library import Script
from scan_pipeline.scripts.merging import Difference, FoundHit

#: Hits of each kind of difference that are listed.
LISTED_DIFFERENCES = 20
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


def print_script_run(
    console: Console, outcome: Mapping[str, Any], hits: Sequence[Mapping[str, Any]], most: int
) -> None:
    """A run's hits, newest first, and what a person should know of it."""
    shown = f"{outcome['symbols_shown']:,} of {outcome['symbols_held']:,} symbols"
    shown += " (those that passed the screen)" if outcome["screened"] else ""
    left = f", the first {most}" if len(hits) > most else ""
    console.print(
        f"\n[bold]{outcome['script']}[/] as of {outcome['as_of']}: {len(hits):,} hits{left}; found in "
        f"{outcome['source'] or '–'}; on {shown}, {outcome['shards']} shards"
    )
    if hits:
        console.print(_table(hits[:most]))
    console.print(
        f"{outcome['requests']:,} requests answered from the store, {outcome['answered_empty']:,} of them empty; "
        f"{outcome['vendor_calls']:,} calls to the vendor; {outcome['seconds']:.1f} s; a shard took at most "
        f"{outcome['peak_mib']:,.0f} MiB"
    )
    console.print(f"{outcome['isolation']}", markup=False)
    console.print(f"What it printed and wrote: {outcome['folder']}", markup=False, soft_wrap=True)
    if outcome["message"]:
        console.print(f"[yellow]{escape(outcome['message'])}[/]", soft_wrap=True)


def print_difference(console: Console, title: str, difference: Difference) -> None:
    """Hits that are only in one of two runs, or in both with other values."""
    if difference.is_empty:
        console.print(f"[green]{title}[/]: the same {difference.same:,} hits")
        return
    console.print(
        f"[yellow]{title}[/]: {difference.same:,} hits the same, {len(difference.only_left):,} only in the first, "
        f"{len(difference.only_right):,} only in the second, {len(difference.changed):,} with other values"
    )
    for which, hits in (("only in the first", difference.only_left), ("only in the second", difference.only_right)):
        for hit in hits[:LISTED_DIFFERENCES]:
            console.print(f"  {which}: {_named(hit)}", markup=False)
    for left, _, columns in difference.changed[:LISTED_DIFFERENCES]:
        console.print(f"  other values: {_named(left)}: {', '.join(columns)}", markup=False)


def _named(hit: FoundHit) -> str:
    return f"{hit.session} {hit.symbol}"


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
