"""The command `scan-pipeline scanner`: begin a scanner, try it, sweep its parameters; and lists of what there is."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import click
from rich.console import Console

from scan_pipeline.cli.display import progress_bars
from scan_pipeline.errors import ScannerError, SessionError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.progress import Display, Monitor
from scan_pipeline.settings import Settings, load_settings

OUT = Console(width=None if sys.stdout.isatty() else 140)
REMARKS = Console(stderr=True)
#: Combinations that a sweep runs at most.
MOST_COMBINATIONS = 500


@dataclass(frozen=True)
class Overrides:
    """Other values of parameters in a run, by scanner, of those in SQL and in Python."""

    sql: Mapping[str, Mapping[str, Any]]
    python: Mapping[str, Mapping[str, Any]]


NO_OVERRIDES = Overrides({}, {})


def overrides_of(settings: Settings, params: Sequence[str]) -> Overrides:
    """`gap_and_go.min_gap=5` and others, as a person types them. Raises ScannerError for what is not there."""
    if not params:
        return NO_OVERRIDES
    from scan_pipeline.authoring_pipeline import AuthoringPipeline
    from scan_pipeline.scanners.registry import SqlScanner
    from scan_pipeline.scanners.typed import by_scanner, with_values

    found = {one.name: one for one in AuthoringPipeline(Pipeline(settings)).find()}
    given = by_scanner([*found.values()], params)
    for name, values in given.items():
        with_values(found[name], values)  # raises for a value that it cannot have
    in_sql = {name for name in given if isinstance(found[name], SqlScanner)}
    return Overrides(
        {name: values for name, values in given.items() if name in in_sql},
        {name: values for name, values in given.items() if name not in in_sql},
    )


@click.group()
def scanner() -> None:
    """Your own scanners: begin one, try it on stored bars, sweep its parameters, find look-ahead."""


@click.command()
def scanners() -> None:
    """List the scanners: parameters, where they come from, hits of the last scanned session, faults."""
    from scan_pipeline.authoring_pipeline import AuthoringPipeline
    from scan_pipeline.report.authoring import print_scanners
    from scan_pipeline.report.hits import latest_scanned, read_outcomes

    pipeline = Pipeline(load_settings())
    session, outcomes = None, {}
    if pipeline.store.exists:
        with pipeline.store.read() as connection:
            session = latest_scanned(connection)
            outcomes = {one["scanner"]: one for one in read_outcomes(connection, session)} if session else {}
    print_scanners(OUT, AuthoringPipeline(pipeline).find(), session, outcomes)


@click.command()
@click.argument("pattern", default="")
@click.option("--functions", is_flag=True, help="Also every ta. function: inputs, parameters, outputs.")
def features(pattern: str, functions: bool) -> None:
    """List the features that scanners read: formula, unit, lookback, source.

    With PATTERN, those that have it in their name or formula; with * or ?, those whose name it matches.
    """
    from scan_pipeline.report.authoring import print_features

    print_features(OUT, pattern, functions=functions)


@scanner.command()
@click.argument("name")
@click.option("--sql", "language", flag_value="sql", help="A select.")
@click.option("--python", "language", flag_value="python", help="A function of pandas DataFrames.")
def new(name: str, language: str | None) -> None:
    """Begin a scanner: a small file that works, in your folder."""
    from scan_pipeline.scanners.starting import write_new

    if language is None:
        raise ScannerError(f"Say in what: `scan-pipeline scanner new {name} --sql`, or --python.")
    path = write_new(load_settings().scanners_dir, name, "sql" if language == "sql" else "python")
    OUT.print(f"Written: {path}", markup=False, highlight=False, soft_wrap=True)
    OUT.print(f"Next: change it, then `scan-pipeline scanner test {name}`", highlight=False)


def _range(command: Any) -> Any:
    for name, text in (("to", "Last session; the last screened one if left out."), ("from", "First session.")):
        command = click.option(f"--{name}", f"{name}_session", metavar="YYYY-MM-DD", help=text)(command)
    return command


@scanner.command()
@click.argument("name")
@click.option("--session", "session_session", metavar="YYYY-MM-DD", help="The session; the last screened one if left "
              "out.")  # fmt: skip
@_range
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
def test(
    name: str,
    session_session: str | None,
    from_session: str | None,
    to_session: str | None,
    params: tuple[str, ...],
) -> None:
    """Run a scanner alone on stored bars, store nothing, and show hits, times and memory."""
    from scan_pipeline.authoring_pipeline import AuthoringPipeline
    from scan_pipeline.report.authoring import print_trial
    from scan_pipeline.scanners.typed import one_value_each, with_values

    if session_session and (from_session or to_session):
        raise ScannerError("Give either --session, or --from and --to.")
    with progress_bars(REMARKS) as display:
        pipeline = _pipeline(display)
        authoring = AuthoringPipeline(pipeline)
        one = authoring.get(name)
        one = with_values(one, one_value_each(one, params))
        if session_session:
            pipeline.calendar.parse(session_session)  # raises, with the sessions around, for a day that is none
        first, last = session_session or from_session, session_session or to_session
        trial = authoring.test(one, _sessions(pipeline, first, last, 1))
    with pipeline.store.read() as connection:
        names = dict(connection.execute(
            "select symbol, any_value(name) from universe where session = ? group by symbol", [trial.sessions[-1]]
        ).fetchall())  # fmt: skip
    if all(outcome.hits is None for outcome in trial.outcomes):
        raise ScannerError(next((one.message for one in trial.outcomes if one.message), f"{name} failed everywhere."))
    print_trial(OUT, trial, names)


@scanner.command()
@click.argument("name")
@_range
@click.option("--param", "params", multiple=True, metavar="NAME=V1,V2,…", help="Values of a parameter to try.")
def sweep(name: str, from_session: str | None, to_session: str | None, params: tuple[str, ...]) -> None:
    """Run a scanner with every combination of values, in one pass over a range; a quarter if none is given."""
    from scan_pipeline.authoring_pipeline import QUARTER, AuthoringPipeline
    from scan_pipeline.report.authoring import print_sweep
    from scan_pipeline.scanners.typed import combinations, several_values_each

    if not params:
        raise ScannerError("Say what to try: --param NAME=V1,V2,…, as in --param min_gap=2,4,6.")
    with progress_bars(REMARKS) as display:
        pipeline = _pipeline(display)
        authoring = AuthoringPipeline(pipeline)
        one = authoring.get(name)
        tried = combinations(several_values_each(one, params))
        if len(tried) > MOST_COMBINATIONS:
            raise ScannerError(f"{len(tried):,} combinations are more than {MOST_COMBINATIONS}. Give fewer values.")
        swept = authoring.sweep(one, tried, _sessions(pipeline, from_session, to_session, QUARTER))
    print_sweep(OUT, one.name, swept)


@scanner.command()
@click.argument("name")
@_range
@click.option("--samples", type=click.IntRange(min=1), default=12, show_default=True, help="Sessions to replay.")
@click.option("--symbols", type=click.IntRange(min=1), default=300, show_default=True, help="For Python: symbols to "
              "call it on again.")  # fmt: skip
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
def check(
    name: str,
    from_session: str | None,
    to_session: str | None,
    samples: int,
    symbols: int,
    params: tuple[str, ...],
) -> None:
    """Find look-ahead: replay sessions on data that ends with them, and compare; a quarter if no range is given.

    Then with more history than the scanner declares. Exit code 1 where anything differs.
    """
    from scan_pipeline.authoring_pipeline import QUARTER, AuthoringPipeline
    from scan_pipeline.checking_pipeline import check as find_look_ahead
    from scan_pipeline.report.checking import print_check
    from scan_pipeline.scanners.typed import one_value_each, with_values

    with progress_bars(REMARKS) as display:
        pipeline = _pipeline(display)
        one = AuthoringPipeline(pipeline).get(name)
        one = with_values(one, one_value_each(one, params))
        sessions = _sessions(pipeline, from_session, to_session, QUARTER)
        found = find_look_ahead(pipeline, one, sessions, samples, symbols)
    print_check(OUT, found)
    if not found.is_clean:
        sys.exit(1)


def _pipeline(display: Display | None) -> Pipeline:
    """A pipeline that shows its progress; where there is no terminal, nothing but results is said."""
    return Pipeline(load_settings(), Monitor(display=display))


def _sessions(pipeline: Pipeline, first: str | None, last: str | None, count: int) -> Sequence[date]:
    from scan_pipeline.authoring_pipeline import AuthoringPipeline

    return AuthoringPipeline(pipeline).sessions(_day(first) if first else None, _day(last) if last else None, count)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SessionError(f"'{text}' is not a date. Write it as YYYY-MM-DD, for example 2015-07-15.") from None
