"""What a check of a scanner found, for the terminal and for Dagster: in words, with both values."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.checking_pipeline import RESULT, Check
from scan_pipeline.scanners.checking.comparing import HIT, Difference
from scan_pipeline.scanners.python.library import PythonScanner

#: Differences that are shown.
SHOWN = 15


def headline(one: Check) -> str:
    """What was found, in a sentence or two."""
    span = f"{one.sessions[0]} to {one.sessions[-1]}"
    if one.is_clean:
        hits = "the one hit is" if one.hits == 1 else f"{one.hits:,} hits are"
        symbols = "" if one.symbols is None else f" on {one.symbols:,} symbols"
        return (
            f"no look-ahead found in {len(one.sampled):,} sessions of {span}{symbols}: {hits} the same without "
            "later bars" + _said_of_history(one)
        )
    found = []
    if one.look_ahead:
        found.append(
            f"LOOK-AHEAD: {_hits(one.look_ahead)} of {len(one.sampled):,} sampled sessions of {span} are others where "
            "no later bar can be read"
        )
    if one.order:
        found.append(f"STATE OR CHANCE: {_hits(one.order)} are others where the symbols are called in another order")
    if one.history:
        found.append(
            f"HISTORY: {_hits(one.history)} are others with {one.more:,} sessions before them than with "
            f"{one.declared:,}, which is what the scanner declares"
        )
    return "; ".join(found)


def advice(one: Check) -> list[str]:
    """What to do about it."""
    is_python = isinstance(one.scanner, PythonScanner)
    said = []
    if one.look_ahead:
        said.append(
            "A bar may be decided on by itself and those before it alone. Look for shift(-1), for the mean, the rank "
            "or the last value of the whole column, and for weeks or months that are not over."
            if is_python
            else "The scanner or the data read what was later: compare the session in `scan-pipeline why SYMBOL`."
        )
    if one.order:
        said.append("Keep nothing between calls (global variables, caches), and use no random numbers.")
    if one.history and is_python:
        said.append(
            f"lookback={one.declared} is too short, or it depends on where history begins: raise it in `@scanner` "
            "until the check passes; an exponential mean of n bars needs some 8 × n."
        )
    elif one.history:
        said.append(
            f"It reads further back than {one.declared:,} sessions, or depends on where history begins: count rows of "
            "`bars` from the session backwards, and use changes of what is marked as path-dependent."
        )
    return said


def print_check(console: Console, one: Check) -> None:
    """The sentence, the differences with both values, and what the check does not say."""
    console.print(f"[bold]{one.scanner.name}[/]: ", end="")
    console.print(headline(one), markup=False, highlight=False, soft_wrap=True)
    for differences, ways in (
        (one.look_ahead, ("with later bars", "without")),
        (one.order, ("in order", "in another")),
        (one.history, (f"{one.declared:,} sessions", f"{one.more:,} sessions")),
    ):
        if differences:
            console.print(_table(differences, ways))
    for line in (*advice(one), *one.remarks):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if one.is_clean and not one.hits:
        console.print("There was not one hit on the sampled sessions: that proves little. Try a longer range.")
    elif one.is_clean:
        console.print(
            "A sample: what happens on other sessions and symbols only would not be seen. More with --samples.",
            highlight=False,
        )


def rows_of(one: Check) -> list[tuple[str, str, str, str, str, str]]:
    """The differences as kind, session, symbol, column and both values."""
    kinds = (("look-ahead", one.look_ahead), ("order", one.order), ("history", one.history))
    return [
        (kind, str(found.session), found.symbol, found.column, _said(found, found.one), _said(found, found.other))
        for kind, differences in kinds
        for found in differences[:SHOWN]
    ]


def _said_of_history(one: Check) -> str:
    if not one.history_sessions:
        return ""
    return (
        f", and on {len(one.history_sessions)} of them with {one.more:,} sessions of history as with {one.declared:,}"
    )


def _hits(differences: Sequence[Difference]) -> str:
    hits = len({(one.session, one.symbol) for one in differences})
    sessions = len({one.session for one in differences})
    return f"{hits:,} hit{'' if hits == 1 else 's'} on {sessions:,}"


def _table(differences: Sequence[Difference], ways: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("session", "symbol", "column", *ways):
        table.add_column(title, no_wrap=title in ("session", "symbol"), justify="right" if title in ways else "left")
    for one in differences[:SHOWN]:
        table.add_row(
            str(one.session), escape(one.symbol), escape(one.column), _said(one, one.one), _said(one, one.other)
        )
    if len(differences) > SHOWN:
        table.add_row(f"and {len(differences) - SHOWN:,} more")
    return table


def _said(difference: Difference, value: Any) -> str:
    if difference.column == HIT:
        return "a hit" if value else "none"
    if value is None:
        return "–"
    if difference.column == RESULT:
        return escape(str(value))
    return f"{value:.10g}" if isinstance(value, float) else escape(str(value))
