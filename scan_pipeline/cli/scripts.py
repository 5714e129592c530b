"""The command `scan-pipeline script`: add a user's own script, run it, prove that shards and screen change nothing."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scan_pipeline.cli.display import progress_bars
from scan_pipeline.errors import ScriptError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Display, Monitor
from scan_pipeline.settings import Settings, load_settings

OUT = Console(width=None if sys.stdout.isatty() else 140)
REMARKS = Console(stderr=True)
#: Hits that a run prints.
LISTED = 20


@click.group()
def script() -> None:
    """Your own scripts against the vendor's API, run unmodified, from the store."""


@script.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a script of that name.")
def add(file: Path, replace: bool) -> None:
    """Copy FILE to the scripts, say what it is, and make ready its environment."""
    from scan_pipeline.report.scripts import print_inspection
    from scan_pipeline.scripts.environment import missing_imports, prepare_environment
    from scan_pipeline.scripts.library import add_script
    from scan_pipeline.scripts.requirements import requirements_of
    from scan_pipeline.scripts.supervise import RUNTIME_DIR

    settings = load_settings()
    one = add_script(file, settings.scripts_dir, replace=replace, say=OUT.print)
    if one.fault:
        raise ScriptError(f"{one.fault} The script is added.")
    print_inspection(OUT, one)
    needs = requirements_of(one.inspection, one.sidecar)
    if needs.remark:
        OUT.print(needs.remark, markup=False, soft_wrap=True)
    with REMARKS.status("Making ready its environment …"):
        python = prepare_environment(needs, settings.environments_dir, RUNTIME_DIR, REMARKS.print)
        missing = missing_imports(python, [*one.inspection.imports])
    OUT.print(f"environment   {python.parent.parent}")
    if missing:
        raise ScriptError(
            f"Its environment lacks {', '.join(missing)}. Name the package in `requirements` of "
            f"{one.path.with_suffix('.toml')}, or a Python that has it in `python`. The script is added."
        )
    OUT.print(f"\nNext: scan-pipeline script run {one.name} --session YYYY-MM-DD")


@script.command("list")
def list_() -> None:
    """List the scripts, and how their last runs ended."""
    from scan_pipeline.script_pipeline import ScriptPipeline
    from scan_pipeline.store.scripts import read_script_outcomes

    pipeline = Pipeline(load_settings())
    found = ScriptPipeline(pipeline).find()
    if not found:
        raise ScriptError("There is no script yet. `scan-pipeline script add FILE` adds one.")
    outcomes: dict[str, dict[str, Any]] = {}
    if pipeline.store.exists:
        with pipeline.store.read() as connection:
            for outcome in read_script_outcomes(connection):
                outcomes.setdefault(outcome["script"], outcome)
    table = Table(box=None, pad_edge=False)
    for name in ("script", "kind", "last run as of", "hits", "outcome"):
        table.add_column(name)
    for one in found:
        last = outcomes.get(one.name)
        said = one.fault or (last["message"] or "ok" if last else "never run")
        kind = "" if one.fault else one.inspection.kind
        cells = (str(last["as_of"]), str(last["hits"])) if last else ("–", "–")
        table.add_row(one.name, kind, *cells, escape(said))
    OUT.print(table)


def _sessions(command: Any) -> Any:
    for name, text in (
        ("to", "Last session of a range."),
        ("from", "First session of a range."),
        ("session", "The session; the last one that is held if left out."),
    ):
        command = click.option(f"--{name}", f"{name}_session", metavar="YYYY-MM-DD", help=text)(command)
    return command


@script.command()
@click.argument("name")
@_sessions
@click.option("--shards", type=click.IntRange(1, 64), help="Slices of the symbols; one a processor if left out.")
@click.option("--screen/--no-screen", default=None, help="Show only symbols that passed the screen, or all.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for a shard.")
def run(
    name: str,
    session_session: str | None,
    from_session: str | None,
    to_session: str | None,
    shards: int | None,
    screen: bool | None,
    timeout: float | None,
) -> None:
    """Run a script as of a session, or over a range, and show its hits."""
    from scan_pipeline.defs.runs import run_script
    from scan_pipeline.report.scripts import print_script_run
    from scan_pipeline.script_pipeline import ScriptPipeline
    from scan_pipeline.store.scripts import read_script_hits, read_script_outcomes

    settings = load_settings()
    pipeline = Pipeline(settings)
    scripts = ScriptPipeline(pipeline)
    one = scripts.get(name)
    sessions = _given_sessions(pipeline, session_session, from_session, to_session)
    started = time.perf_counter()
    with progress_bars(REMARKS) as display, _watched(settings, one.name, display):
        _, fault = run_script(
            settings, one.name, sessions, {"shards": shards, "screen": screen, "timeout_seconds": timeout}
        )
    with pipeline.store.read() as connection:
        for run_sessions in scripts.runs_of(one.name, sessions):
            as_of = run_sessions[-1]
            outcome = next(o for o in read_script_outcomes(connection, one.name) if o["as_of"] == as_of)
            print_script_run(OUT, outcome, read_script_hits(connection, one.name, as_of), LISTED)
    OUT.print(f"{time.perf_counter() - started:.1f} s in all with Dagster.")
    if fault:
        raise ScriptError(fault)


@script.command()
@click.argument("name")
@_sessions
@click.option("--shards", type=click.IntRange(2, 64), help="Slices of the symbols to compare with the whole.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for a shard.")
def check(
    name: str,
    session_session: str | None,
    from_session: str | None,
    to_session: str | None,
    shards: int | None,
    timeout: float | None,
) -> None:
    """Run a script whole and sharded, screened and unscreened, and show every hit that differs."""
    from scan_pipeline.report.scripts import print_difference
    from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
    from scan_pipeline.scripts.merging import compare
    from scan_pipeline.scripts.sidecar import pin

    settings = load_settings()
    pipeline = Pipeline(settings, Monitor(log=None if REMARKS.is_terminal else lambda line: REMARKS.print(line)))
    scripts = ScriptPipeline(pipeline)
    one = scripts.get(name)
    sessions = _given_sessions(pipeline, session_session, from_session, to_session)
    number = shards or max(2, settings.script_shards)
    ways = {
        "whole, all symbols": RunOptions(1, False, timeout),
        f"{number} shards, all symbols": RunOptions(number, False, timeout),
        f"{number} shards, screened": RunOptions(number, True, timeout),
    }
    runs: dict[str, ScriptRun] = {}
    for way, options in ways.items():
        started = time.perf_counter()
        with progress_bars(REMARKS) as display, _watched(settings, one.name, display):
            runs[way] = scripts.run_here(one.name, sessions, uuid4().hex, options)
        found = runs[way]
        OUT.print(
            f"{way}: {len(found.hits):,} hits on {found.plan.symbols_shown:,} symbols, "
            f"{time.perf_counter() - started:.1f} s, a shard took at most {found.outcome.peak_mib:,.0f} MiB"
        )
        if found.fault:
            raise ScriptError(f"{way}: {found.fault} Nothing can be compared.")
    whole, sharded, screened = runs.values()
    by_shards = compare(whole.hits, sharded.hits)
    print_difference(OUT, "whole against shards", by_shards)
    beside = one.path.with_suffix(".toml")
    # What the screen leaves out is compared between runs of the same shards.
    by_screen = compare(sharded.hits, screened.hits)
    print_difference(OUT, "all symbols against screened", by_screen)
    if not by_shards.is_empty:
        pin(beside, "shards", 1, "it compares symbols with each other: found by `scan-pipeline script check`")
        OUT.print(
            "[yellow]It compares symbols with each other, or depends on what it is shown[/]: "
            f"{beside} now says `shards = 1`, and it runs whole."
        )
    if not by_screen.is_empty:
        OUT.print(
            "Hits on symbols that the screen leaves out are not found when it is screened. "
            f"`screen = false` in {beside} shows it all symbols."
        )


def _given_sessions(pipeline: Pipeline, session: str | None, first: str | None, last: str | None) -> list[date]:
    from scan_pipeline.cli.status import held_sessions

    if session and (first or last):
        raise ScriptError("Give either --session, or --from and --to.")
    if session:
        return [pipeline.calendar.parse(session)]
    with pipeline.store.read() as connection:
        held = held_sessions(connection)
    if not held:
        raise ScriptError("No session is held yet. `scan-pipeline ingest --from … --to …` takes some in.")
    if not first:
        return [pipeline.calendar.parse(last)] if last else [held[-1]]
    sessions = pipeline.calendar.between(
        pipeline.calendar.parse(first), pipeline.calendar.parse(last) if last else held[-1]
    )
    if not sessions:
        raise ScriptError(f"There is no session from {first} to {last}.")
    return sessions


@contextmanager
def _watched(settings: Settings, name: str, display: Display | None) -> Iterator[None]:
    """Shows how the shards go: they run in other processes, and keep their progress in the folder of the run."""
    from scan_pipeline.script_pipeline import read_progress

    if display is None:
        yield
        return
    begun, done = time.time(), threading.Event()
    folder = settings.script_runs_dir / name

    def watch() -> None:
        while not done.wait(0.5):
            for run in _newer(folder, begun):
                for one in read_progress(run):
                    display.show(
                        f"shard {one.number} of {one.shards}", one.requests, 0,
                        f"requests, {one.symbols:,} symbols, {one.mib:,.0f} MiB, at most "
                        f"{max(0.0, one.seconds_left):.0f} s left",
                    )  # fmt: skip

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _newer(folder: Path, since: float) -> Sequence[Path]:
    if not folder.exists():
        return []
    return [run for run in folder.iterdir() if run.stat().st_mtime >= since]
