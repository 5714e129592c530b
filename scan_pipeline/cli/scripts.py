"""The command `scan-pipeline script`: add a user's own script, run it, prove that shards and screen change nothing."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from rich.console import Console

from scan_pipeline.cli.display import progress_bars
from scan_pipeline.errors import ScriptError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Display, Monitor
from scan_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:  # Dagster takes a second to load
    from scan_pipeline.defs.runs import RunFailed

OUT = Console(width=None if sys.stdout.isatty() else 140)
REMARKS = Console(stderr=True)
#: Hits that a run prints.
LISTED = 20


@click.group()
def script() -> None:
    """Your own scripts against the vendor's API, run unmodified, from the store."""


@script.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a script of that name.")
def add(file: Path, replace: bool) -> None:
    """Copy FILE to the scripts, say what it is, and make ready its environment."""
    from scan_pipeline.report.scripts import print_inspection
    from scan_pipeline.scripts.environment import missing_imports, prepare_environment
    from scan_pipeline.scripts.library import add_script
    from scan_pipeline.scripts.requirements import requirements_of
    from scan_pipeline.scripts.running.supervise import RUNTIME_DIR

    settings = load_settings()
    one = add_script(file, settings.scripts_dir, replace=replace, say=_say)
    if one.fault:
        raise ScriptError(f"{one.fault} The script is added.")
    print_inspection(OUT, one)
    needs = requirements_of(one.inspection, one.sidecar)
    if needs.remark:
        _say(needs.remark)
    with REMARKS.status("Making ready its environment …"):
        python = prepare_environment(needs, settings.environments_dir, RUNTIME_DIR, REMARKS.print)
        missing = missing_imports(python, [*one.inspection.imports])
    _say(f"environment   {python.parent.parent}")
    if missing:
        raise ScriptError(
            f"Its environment lacks {', '.join(missing)}. Name the package in `requirements` of "
            f"{one.path.with_suffix('.toml')}, or a Python that has it in `python`. The script is added."
        )
    _say(f"\nNext: scan-pipeline script run {one.name}")


@script.command("list")
def list_() -> None:
    """List the scripts, and how their last runs ended."""
    from scan_pipeline.report.scripts import print_scripts
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
    print_scripts(OUT, found, outcomes)


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
    from scan_pipeline.defs.runs import RunFailed, run_script
    from scan_pipeline.report.scripts import print_script_run
    from scan_pipeline.script_pipeline import ScriptPipeline
    from scan_pipeline.store.scripts import read_script_hits, read_script_outcomes

    settings = load_settings()
    pipeline = Pipeline(settings)
    scripts = ScriptPipeline(pipeline)
    one = scripts.get(name)
    sessions = _given_sessions(pipeline, session_session, from_session, to_session)
    started = time.perf_counter()
    scripts.environment(one, REMARKS.print)  # here, where a person sees why the first run takes longer
    try:
        with progress_bars(REMARKS) as display, _watched(settings, one.name, display):
            _, fault = run_script(
                settings, one.name, sessions, {"shards": shards, "screen": screen, "timeout_seconds": timeout}
            )
    except RunFailed as failed:
        raise _told_of(one.name, failed) from failed
    with pipeline.store.read() as connection:
        for run_sessions in scripts.runs_of(one.name, sessions):
            as_of = run_sessions[-1]
            outcome = next(o for o in read_script_outcomes(connection, one.name) if o["as_of"] == as_of)
            # What went wrong is told once, at the end.
            told = (fault.partition(f"As of {as_of}: ")[2] or fault).partition(" As of ")[0]
            print_script_run(OUT, outcome, read_script_hits(connection, one.name, as_of), LISTED, told)
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
    from scan_pipeline.report.scripts import print_difference, print_hidden
    from scan_pipeline.script_pipeline import RunOptions, ScriptPipeline, ScriptRun
    from scan_pipeline.scripts.results.merging import compare
    from scan_pipeline.scripts.sidecar import pin

    settings = load_settings()
    pipeline = Pipeline(settings, Monitor(log=None if REMARKS.is_terminal else lambda line: REMARKS.print(line)))
    scripts = ScriptPipeline(pipeline)
    one = scripts.get(name)
    sessions = _given_sessions(pipeline, session_session, from_session, to_session)
    if len(scripts.runs_of(one.name, sessions)) > 1:
        raise ScriptError(
            f"{one.name} takes no range: its runs are of one session each. Check one: --session {sessions[-1]}."
        )
    number = shards or max(2, settings.script_shards)
    source = ""

    def run_as(way: str, shards: int, *, screen: bool) -> ScriptRun:
        started = time.perf_counter()
        with progress_bars(REMARKS) as display, _watched(settings, one.name, display):
            # All ways look for hits where the first one found them: like is compared with like.
            found = scripts.run_here(
                one.name, sessions, uuid4().hex, RunOptions(shards, screen, timeout), result=source
            )
        if found.fault:
            raise ScriptError(f"{way}: {found.fault} Nothing can be compared.")
        _say(
            f"{way}: {len(found.hits):,} hits on {found.plan.symbols_shown:,} symbols, "
            f"{time.perf_counter() - started:.1f} s, a shard took at most {found.outcome.peak_mib:,.0f} MiB"
        )
        return found

    whole = run_as("whole, all symbols", 1, screen=False)
    source = whole.outcome.source
    sharded = run_as(f"{number} shards, all symbols", number, screen=False)
    by_shards = compare(whole.hits, sharded.hits)
    print_difference(OUT, "whole against shards", by_shards)
    beside = one.path.with_suffix(".toml")
    why = "it compares symbols with each other: found by `scan-pipeline script check`"
    if not by_shards.is_empty:
        pin(beside, "shards", 1, why)
        _say(f"It compares symbols with each other: {beside} now says `shards = 1`, and it runs whole.")
    number = number if by_shards.is_empty else 1
    screened = run_as(f"{number} shards, screened" if number > 1 else "whole, screened", number, screen=True)
    # What the screen hides cannot be found; what it shows must be found all the same.
    symbols = set(screened.plan.read_symbols())
    hidden = [hit for hit in whole.hits if hit.symbol not in symbols]
    by_screen = compare([hit for hit in whole.hits if hit.symbol in symbols], screened.hits)
    print_difference(OUT, "all symbols against screened, where both show them", by_screen)
    if not by_screen.is_empty:
        pin(beside, "screen", False, why)
        _say(f"What it finds of a symbol depends on others: {beside} now says `screen = false`, and it sees them all.")
    elif hidden:
        print_hidden(OUT, hidden)
        _say(f"To have these too: `screen = false` in {beside}, or --no-screen.")


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


def _told_of(name: str, failed: "RunFailed") -> "RunFailed":
    """A failed run in the words of its steps, each once, without the steps' names, which mean nothing here."""
    lines = []
    for line in str(failed).splitlines():
        step, _, words = line.partition(": ")
        if words.endswith("ChildProcessCrashException"):
            words = f"The process that ran a shard of {name} was killed, and the shard with it. Run it again."
        elif words.endswith("DagsterExecutionInterruptedError"):
            words = f"{name} was ended from outside. Nothing of it is stored."
        lines.append(words if step.startswith("script_results__") and words else line)
    return type(failed)("\n".join(dict.fromkeys(lines)), failed.traceback)


def _say(line: str) -> None:
    """A line with paths in it: never broken, never markup."""
    OUT.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _watched(settings: Settings, name: str, display: Display | None) -> Iterator[None]:
    """Shows how the shards go: they run in other processes, and keep their progress in the folder of the run."""
    from scan_pipeline.scripts.running.shards import read_progress

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
