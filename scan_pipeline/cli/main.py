"""The command `scan-pipeline`. Each command reads its options, calls one function, and prints what came of it."""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, get_args

import click
from msgspec.structs import replace
from rich.console import Console

from scan_pipeline import __version__
from scan_pipeline.cli.display import progress_bars
from scan_pipeline.cli.python_scanners import run_after
from scan_pipeline.cli.scanners import NO_OVERRIDES, Overrides, features, overrides_of, scanner, scanners
from scan_pipeline.cli.scripts import script
from scan_pipeline.errors import ScanPipelineError, SessionError, SettingsError, StoreError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import utc_now
from scan_pipeline.settings import Provider, Settings, load_settings

#: Where the output is no terminal it has no width of its own; tables get room.
OUT = Console(width=None if sys.stdout.isatty() else 140)
#: Progress and remarks: they must not mix with results that are piped on.
REMARKS = Console(stderr=True)


class Commands(click.Group):
    """A group whose commands answer an error for people with one line, and with the traceback on demand."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; exit code 1 for an error that a person can mend, 130 for Ctrl-C."""
        try:
            return super().invoke(ctx)
        except ScanPipelineError as error:
            if ctx.params["traceback"]:
                REMARKS.print(getattr(error, "traceback", ""), markup=False, highlight=False)
                REMARKS.print_exception()
            for line in str(error).splitlines():
                REMARKS.print("[red]error:[/]", end=" ")
                REMARKS.print(line, markup=False, highlight=False, soft_wrap=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            REMARKS.print("Interrupted. What had landed is kept; the same command goes on from there.")
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__)
def main(traceback: bool) -> None:
    """Scan the whole US stock market. Settings come from SCAN_… variables and .env; see README.md."""


for _command in (features, scanners, scanner, script):
    main.add_command(_command)


def _session(name: str, text: str) -> Callable[..., Any]:
    return click.option(f"--{name}", f"{name}_session", metavar="YYYY-MM-DD", help=text)


@main.command()
@_session("from", "First session.")
@_session("to", "Last session; the last closed one if left out.")
@click.option("--provider", type=click.Choice(get_args(Provider)), help="Instead of SCAN_PROVIDER.")
def ingest(from_session: str | None, to_session: str | None, provider: Provider | None) -> None:
    """Take in bars and splits of a range of sessions, replacing what is held of them."""
    settings = load_settings()
    if provider:
        settings = replace(settings, provider=provider)
    pipeline = Pipeline(settings)
    sessions = _range(pipeline, from_session, to_session)
    _ingest(settings, sessions)


@main.command()
@_session("session", "The session; the last one that the provider has if left out.")
@click.option("--param", "params", multiple=True, metavar="SCANNER.NAME=VALUE", help="Another value in this run.")
def run(session_session: str | None, params: tuple[str, ...]) -> None:
    """Run the nightly job for one session, from bars to ranked hits."""
    settings = load_settings()
    pipeline = Pipeline(settings)
    session = pipeline.calendar.parse(session_session) if session_session else _last_session(pipeline)
    pipeline.calendar.require_closed([session])
    _run_night(settings, pipeline, session, overrides=overrides_of(settings, params))


@main.command()
@_session("from", "First session.")
@_session("to", "Last session; the last closed one if left out.")
def backfill(from_session: str | None, to_session: str | None) -> None:
    """Run the nightly stages for a range of sessions, each stage in one pass."""
    from scan_pipeline.defs.runs import run_job

    settings = load_settings()
    pipeline = Pipeline(settings)
    sessions = _range(pipeline, from_session, to_session)
    started = time.perf_counter()
    with progress_bars(REMARKS) as display:
        finished = run_job(settings, "backfill", sessions, display)
    hits = sum(finished.number("scan_results", session, "hits") for session in sessions)
    run_after(settings, sessions, OUT, REMARKS)
    OUT.print(
        f"{len(sessions):,} sessions, {sessions[0]} to {sessions[-1]}: {hits:,.0f} hits, "
        f"{time.perf_counter() - started:.1f} s, at most {_peak(finished):,.0f} MiB."
    )
    _print_failed_checks(finished)


@main.command()
@_session("session", "The last session; the last scanned one if left out.")
@click.option("--provisional", is_flag=True, help="The session that is open now, on its bars so far, from one call.")
def rerun(session_session: str | None, provisional: bool) -> None:
    """Take in corrections and scan again what changed, of a session and of those before it that may be corrected."""
    from scan_pipeline.defs.runs import run_job

    settings = load_settings()
    if provisional:
        if session_session:
            raise SessionError("--provisional is of the session that is open now: leave --session out.")
        rerun_provisional(settings)
        return
    pipeline = Pipeline(settings)
    last = pipeline.calendar.parse(session_session) if session_session else None
    sessions = pipeline.rerun_sessions(last)
    started = time.perf_counter()
    with progress_bars(REMARKS) as display:
        finished = run_job(settings, "incremental_scan", sessions, display, ops={"scan_results": {"incremental": True}})
    for session in sessions:
        _print_rescanned(finished, session)
    run_after(settings, sessions, OUT, REMARKS)
    OUT.print(f"{time.perf_counter() - started:.2f} s in all with Dagster.{_calls(finished)}")
    _print_failed_checks(finished)


def rerun_provisional(settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
    """Scan the session that is open by the clock, on its bars so far."""
    from scan_pipeline.defs.runs import run_job

    session = Pipeline(settings, clock=clock).open_session()
    started = time.perf_counter()
    ops = {"price_bars": {"provisional": True}, "scan_results": {"incremental": True}}
    with progress_bars(REMARKS) as display:
        finished = run_job(settings, "intraday_scan", [session], display, ops=ops, clock=clock)
    OUT.print(finished.metadata["price_bars"][str(session)]["as_of"])
    _print_rescanned(finished, session)
    OUT.print(f"{time.perf_counter() - started:.2f} s in all with Dagster.{_calls(finished)}")
    _print_failed_checks(finished)


def _print_rescanned(finished: Any, session: date) -> None:
    said = finished.metadata["incremental_deltas"][str(session)].get("said", "scanned whole: it is not kept")
    changes = ", ".join(
        f"{finished.number('scan_results', session, f'hits_{change}'):,.0f} {change}"
        for change in ("new", "gone", "moved")
    )
    OUT.print(f"{session}: {said}; hits: {changes}", soft_wrap=True)
    _print_refreshed(finished, session)


@main.command()
@click.option("--session", "sessions", multiple=True, metavar="YYYY-MM-DD", help="Twice: from which one to which.")
@click.option("--since", metavar="RUN", help="A run's id, or its begin: what changed after it.")
def diff(sessions: tuple[str, ...], since: str | None) -> None:
    """Show hits that entered, left or moved, between two sessions or since a run."""
    from scan_pipeline.report.diff import between_sessions, print_changes, since_run
    from scan_pipeline.report.hits import read_outcomes, said_provisional

    if bool(since) == bool(sessions) or (sessions and len(sessions) != 2):
        raise SessionError("Give two sessions, --session A --session B, or a run, --since RUN.")
    pipeline = Pipeline(load_settings())
    with pipeline.store.read() as connection:
        if since:
            print_changes(OUT, f"since run {since}", since_run(connection, since))
        else:
            first, second = map(pipeline.calendar.parse, sessions)
            changes = between_sessions(connection, first, second)
            at = read_outcomes(connection, second)[0]["snapshot_at"]
            mark = f", {said_provisional(second, at)}" if at else ""
            print_changes(OUT, f"{first} to {second}{mark}", changes)


@main.command()
@_session("session", "The session; the last scanned one if left out.")
@click.option("--scanner", help="Only this scanner.")
@click.option("--symbol", help="Only this symbol.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table")
def results(session_session: str | None, scanner: str | None, symbol: str | None, form: str) -> None:
    """Show the hits of a session."""
    from scan_pipeline.report import hits as report
    from scan_pipeline.report.tables import print_hits

    pipeline = Pipeline(load_settings())
    with pipeline.store.read() as connection:
        session = pipeline.calendar.parse(session_session) if session_session else report.latest_scanned(connection)
        outcomes = report.read_outcomes(connection, session) if session else []
        if session is None or not outcomes:
            raise SessionError(
                f"{session or 'No session'} has not been scanned. "
                f"`scan-pipeline run{f' --session {session}' if session else ''}` scans it."
            )
        names = [outcome["scanner"] for outcome in outcomes]
        if scanner and scanner not in names:
            raise SessionError(f"No scanner '{scanner}' ran on {session}. Those that did: {', '.join(names)}.")
        found = report.read_hits(connection, session, scanner, symbol)
    if form == "table":
        at = outcomes[0]["snapshot_at"]
        mark = f"{report.said_provisional(session, at)}; " if at else ""
        OUT.print(f"Hits of {session}, {mark}scanned {outcomes[0]['scanned_at']:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
        shown = [one for one in outcomes if scanner in (None, one["scanner"])]
        print_hits(OUT, found, shown)
    elif form == "csv":
        report.write_csv(found, sys.stdout)
    elif form == "json":
        report.write_json(found, sys.stdout)
    elif sys.stdout.isatty():
        raise SessionError(
            "Parquet is no text. Send it to a file: `scan-pipeline results --format parquet > hits.parquet`."
        )
    else:
        report.write_parquet(found, sys.stdout.buffer)


@main.command()
@click.argument("symbol")
@_session("session", "The session; the last one that is held if left out.")
def why(symbol: str, session_session: str | None) -> None:
    """Tell what is known of SYMBOL on a session: bar, screen decision, features, hits."""
    from scan_pipeline.cli.status import held_sessions
    from scan_pipeline.report.tables import print_explanation

    pipeline = Pipeline(load_settings())
    if session_session:
        session = pipeline.calendar.parse(session_session)
    else:
        with pipeline.store.read() as connection:
            held = held_sessions(connection)
        if not held:
            raise SessionError("No session is held yet. `scan-pipeline ingest --from … --to …` takes some in.")
        session = held[-1]
    one = pipeline.explain(symbol, session)
    if not any(one.facts[table] for table in ("price_bars", "rejected_bars", "universe")):
        hint = " Symbols are case-sensitive." if symbol != symbol.upper() else ""
        raise SessionError(
            f"Nothing is known of '{symbol}' on {session}.{hint} `scan-pipeline status` shows what is held."
        )
    print_explanation(OUT, one)


@main.command()
def status() -> None:
    """Show the sessions held, gaps, the last runs, the database's size and who holds it."""
    from scan_pipeline.cli.status import print_status

    print_status(OUT, load_settings())


@main.command()
def doctor() -> None:
    """Check the installation, the settings, the database and the scanners, and say what to mend."""
    from scan_pipeline.cli.doctor import examine

    if not examine(OUT):
        sys.exit(1)


@main.command()
@click.option("--port", default=8030, show_default=True, help="0: any free port.")
def gateway(port: int) -> None:
    """Serve the vendor's API on loopback, from the store."""
    from scan_pipeline.gateway.server import HOST, Gateway, serve

    pipeline = Pipeline(load_settings())
    if not pipeline.store.exists:
        raise StoreError("There is no bar to serve yet. `scan-pipeline ingest --from … --to …` takes some in.")
    here = Gateway(pipeline.store, pipeline.calendar)

    def started(at: int) -> None:
        OUT.print(
            f"The vendor's API on http://{HOST}:{at}, from {pipeline.store.path}. Any key is good. Ctrl-C ends it.\n"
            f"  curl 'http://{HOST}:{at}/v2/aggs/ticker/SPY/prev?apiKey=any'"
        )

    try:
        serve(here, port, started)
    except OSError as error:
        raise SettingsError(f"Port {port} cannot be served: {error.strerror}. Choose another with --port.") from error
    except KeyboardInterrupt:
        answered = ", ".join(f"{count:,} {kind}" for kind, count in sorted(here.answered.items()))
        OUT.print(f"Ended. Answered: {answered or 'nothing'}.")
        sys.exit(130)


@main.command()
@click.option("--port", default=3000, show_default=True)
def ui(port: int) -> None:
    """Start the Dagster UI and its daemon, here."""
    import os

    from scan_pipeline.defs.runs import prepare_dagster_home
    from scan_pipeline.settings import PROJECT_DIR

    home = prepare_dagster_home(load_settings())
    OUT.print(f"Dagster on http://localhost:{port} (DAGSTER_HOME={home}). Ctrl-C ends it.")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "dagster",
        "dev",
        "-w",
        str(PROJECT_DIR / "workspace.yaml"),
        "-p",
        str(port),
    ]
    os.execv(sys.executable, command)


@main.command()
def demo() -> None:
    """Make the demo market, take it in, scan its last session, and show the hits."""
    from scan_pipeline.cli.status import held_sessions
    from scan_pipeline.providers.demo import FIRST, LAST, DemoProvider

    settings = replace(load_settings(), provider="demo")
    pipeline = Pipeline(settings)
    started = time.perf_counter()
    with REMARKS.status("Making the demo market …") if REMARKS.is_terminal else _quiet():
        provider = pipeline.provider()
    assert isinstance(provider, DemoProvider)
    made = "Reused" if provider.reused else "Made"
    OUT.print(f"{made} the demo market: {settings.demo_symbols:,} symbols, {FIRST} to {LAST}, in {provider.folder}")
    held = set()
    if pipeline.store.exists:
        with pipeline.store.read() as connection:
            held = set(held_sessions(connection))
    sessions = pipeline.calendar.between(FIRST, LAST)
    missing = [session for session in sessions if session not in held]
    if len(held) and not missing:
        OUT.print(f"Reused {len(sessions):,} sessions of bars that are held in {settings.database_path}")
    if missing:
        _ingest(settings, pipeline.calendar.between(missing[0], missing[-1]), assets=["price_bars"])
    _run_night(settings, pipeline, LAST, most=3)
    OUT.print(
        f"\nDone in {time.perf_counter() - started:.1f} s. Next:\n"
        "  source .venv/bin/activate\n"
        "  scan-pipeline results --scanner gap_and_go     all hits of a scanner\n"
        "  scan-pipeline why SPY                          what is known of a symbol, and why it is scanned or not\n"
        "  scan-pipeline backfill --from 2025-12-01       a month of nights in one pass\n"
        "  scan-pipeline rerun                            what changed since, and that alone scanned again\n"
        "  scan-pipeline script run example_gap_scan      a trader's own script, unmodified, on the whole market\n"
        "  make ui                                        the same in the Dagster UI, on http://localhost:3000\n"
        "Your own bars and scanners: see README.md."
    )


def _ingest(settings: Settings, sessions: Sequence[date], assets: Sequence[str] | None = None) -> None:
    from scan_pipeline.defs.runs import run_job

    started = time.perf_counter()
    with progress_bars(REMARKS) as display:
        finished = run_job(settings, "ingest", sessions, display, assets)

    def total(name: str) -> int:
        return int(sum(finished.number("price_bars", session, name) for session in sessions))

    OUT.print(
        f"Ingested {len(sessions):,} sessions, {sessions[0]} to {sessions[-1]}, "
        f"in {time.perf_counter() - started:.1f} s: {total('delivered'):,} rows = "
        f"{total('bars'):,} bars + {total('superseded'):,} earlier prints "
        f"+ {total('rejected'):,} rejected ({total('lost_bars'):,} bars lost; see the table rejected_bars)."
        f"{_calls(finished)}"
    )
    _print_failed_checks(finished)


def _run_night(
    settings: Settings, pipeline: Pipeline, session: date, most: int | None = 5, overrides: Overrides = NO_OVERRIDES
) -> None:
    from scan_pipeline.defs.runs import run_job
    from scan_pipeline.report import hits as report
    from scan_pipeline.report.tables import print_funnel, print_hits

    started = time.perf_counter()
    with progress_bars(REMARKS) as display:
        ops = {"scan_results": {"parameters": overrides.sql}} if overrides.sql else None
        finished = run_job(settings, "nightly_scan", [session], display, ops=ops)
    run_after(settings, [session], OUT, REMARKS, overrides.python)
    seconds = time.perf_counter() - started
    with pipeline.store.read() as connection:
        found = report.read_hits(connection, session)
        outcomes = report.read_outcomes(connection, session)
    OUT.print(f"\n[bold]nightly_scan of {session}[/] ({finished.run_id})")
    screened = finished.metadata["prefiltered_symbols"][str(session)]
    remaining = {
        name.removeprefix("left_after_"): int(left) for name, left in screened.items() if name.startswith("left_after_")
    }
    print_funnel(OUT, int(screened["universe"]), remaining, int(screened["unknown_market_cap"]))
    print_hits(OUT, found, outcomes, most)
    stages = ", ".join(
        f"{asset} {finished.number(asset, session, 'seconds'):.2f} s"
        for asset in finished.metadata
        if "seconds" in finished.metadata[asset][str(session)]
    )
    OUT.print(f"\n{stages}; {seconds:.2f} s in all with Dagster, at most {_peak(finished):,.0f} MiB.{_calls(finished)}")
    _print_refreshed(finished, session)
    history = finished.number("scan_results", session, "history_sessions")
    wanted = finished.number("scan_results", session, "history_wanted")
    if history < wanted:
        first = pipeline.calendar.before(session, int(wanted) - 1)
        OUT.print(
            f"[yellow]{history:,.0f} of the {wanted:,.0f} sessions before it are held[/]: features that need more are "
            f"unknown, not guessed. `scan-pipeline ingest --from {first} --to {session}` takes the rest in, "
            "where the provider has it."
        )
    _print_failed_checks(finished)


def _print_failed_checks(finished: Any) -> None:
    for name, description in finished.failed_checks.items():
        REMARKS.print(f"[yellow]check {name}[/]: ", end="")
        REMARKS.print(description, markup=False, highlight=False, soft_wrap=True)


def _calls(finished: Any) -> str:
    return f" {finished.calls:,} calls to the vendor." if finished.calls else ""


def _print_refreshed(finished: Any, session: date) -> None:
    """How far the calls went, where the provider is asked by the symbol."""
    refreshed = finished.metadata.get("price_bars", {}).get(str(session), {}).get("refresh")
    if refreshed:
        OUT.print(f"{session}: {refreshed}.", soft_wrap=True)


def _peak(finished: Any) -> float:
    return max(
        (float(values.get("peak_mib", 0)) for sessions in finished.metadata.values() for values in sessions.values()),
        default=0,
    )


def _range(pipeline: Pipeline, first: str | None, last: str | None) -> list[date]:
    if not first:
        raise SessionError("Give the first session: --from YYYY-MM-DD, for example --from 2015-03-20.")
    calendar = pipeline.calendar
    until = _day(last) if last else _last_session(pipeline)
    sessions = calendar.between(_day(first), until)
    if not sessions:
        raise SessionError(f"There is no session from {first} to {until}: the exchange was closed.")
    calendar.require_closed(sessions)
    return sessions


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SessionError(f"'{text}' is not a date. Write it as YYYY-MM-DD, for example 2015-07-15.") from None


def _last_session(pipeline: Pipeline) -> date:
    """The last closed session, or the last one that the provider has."""
    closed = pipeline.calendar.latest_closed()
    held = pipeline.provider().held()
    return min(closed, pipeline.calendar.between(held[0], held[1])[-1]) if held else closed


def _quiet() -> Any:
    from contextlib import nullcontext

    return nullcontext()
