"""`scan-pipeline doctor`: checks the installation and says what to mend. Nothing is changed."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace as replace_dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from rich.console import Console

from scan_pipeline.errors import ScannerError, ScanPipelineError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import Settings, load_settings

#: Below this much free space, in GiB, a year of the market and its history of runs does not fit.
ENOUGH_DISK_GIB = 2


def examine(console: Console) -> bool:
    """Run every check and print its outcome; whether all are well."""
    well = True
    for name, check in _CHECKS.items():
        try:
            said = check()
            console.print(f"[green]ok[/]    {name}: ", end="")
        except Exception as error:  # whatever a check meets is its finding, and the others go on
            well = False
            said = str(error) if isinstance(error, ScanPipelineError) else f"{type(error).__name__}: {error}"
            console.print(f"[red]mend[/]  {name}: ", end="")
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    return well


def _python() -> str:
    if not (3, 11) <= sys.version_info < (3, 14):
        raise ScanPipelineError(
            f"Python {sys.version.split()[0]}: 3.11 to 3.13 is needed. `make PYTHON=python3.11 setup`."
        )
    slow = "; PYTHONDONTWRITEBYTECODE is set, which slows every start" if sys.dont_write_bytecode else ""
    return f"{sys.version.split()[0]}{slow}"


def _packages() -> str:
    from packaging.requirements import Requirement

    found = []
    for text in requires("scan-pipeline") or []:
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(needed.name)
        except PackageNotFoundError:
            raise ScanPipelineError(f"{needed.name} is not installed. `make setup` installs it.") from None
        if not needed.specifier.contains(installed, prereleases=True):
            raise ScanPipelineError(f"{needed.name} {installed} is not {needed.specifier}. `make setup` mends it.")
        found.append(f"{needed.name} {installed}")
    return ", ".join(found)


def _talib() -> str:
    import numpy as np

    from scan_pipeline.features.indicators import talib_function

    mean = talib_function("SMA")(np.arange(5.0), timeperiod=5)[-1]
    if mean != 2.0:
        raise ScanPipelineError(f"The mean of 0 to 4 is 2, TA-Lib says {mean}. Install it again: `make clean setup`.")
    return "computes"


def _settings() -> str:
    settings = load_settings()
    return f"provider {settings.provider}, data in {settings.data_dir}"


def _disk() -> str:
    settings = load_settings()
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise ScanPipelineError(f"{folder} cannot be written. Give this user the right, or set SCAN_DATA_DIR.")
    free = shutil.disk_usage(folder).free / 2**30
    if free < ENOUGH_DISK_GIB:
        raise ScanPipelineError(
            f"{free:.1f} GiB free in {folder}; have {ENOUGH_DISK_GIB}. Make room, or set SCAN_DATA_DIR."
        )
    return f"{free:,.0f} GiB free in {folder}"


def _database() -> str:
    store = Pipeline(load_settings()).store
    if not store.exists:
        return "none yet"
    holder = store.held_by()
    if holder:
        return f"held by {holder}; look again when it is done"
    with store.read() as connection:
        row = connection.execute(
            "select count(*) from (select 1 from price_bars group by session, symbol having count(*) > 1)"
        ).fetchone()
        wrong = connection.execute(
            "select session, ingested_sessions.bars, count(symbol) from ingested_sessions "
            "left join price_bars using (session) group by all having ingested_sessions.bars <> count(symbol) limit 1"
        ).fetchone()
    if row and row[0]:
        raise ScanPipelineError(f"{row[0]:,} bars are held twice. Ingest their sessions again.")
    if wrong:
        raise ScanPipelineError(f"{wrong[0]}: {wrong[1]:,} bars were ingested, {wrong[2]:,} are held. Ingest it again.")
    return "opens, is of this version, and holds what was ingested"


def _provider() -> str:
    provider = load_settings().provider
    if provider == "demo":
        return "the demo market; SCAN_PROVIDER=files and SCAN_FILES_PATH point it at your own bars"
    if provider == "massive":
        return _vendor()
    if provider == "alpaca":
        return _alpaca()
    held = Pipeline(load_settings()).provider().held()
    if not held:
        raise ScanPipelineError("The files hold no dated bar. Point SCAN_FILES_PATH at your bars.")
    return f"{provider} has {held[0]} to {held[1]}"


def _alpaca() -> str:
    """Whether the key is good, asked of the vendor: one call."""
    import asyncio

    from scan_pipeline.providers import make_alpaca_client
    from scan_pipeline.providers.alpaca import fetch_symbols
    from scan_pipeline.sessions import Calendar

    settings = load_settings()
    client = replace_dataclass(make_alpaca_client(settings), tries=2, timeout_seconds=10)
    day = Calendar.load(settings.cache_dir).latest_closed()

    async def ask() -> int:
        async with client.opened():
            return len((await fetch_symbols(client, ["SPY"], day, day, settings.alpaca_feed)).bars)

    bars = asyncio.run(ask())
    plan = client.plan
    return (
        f"alpaca at {settings.alpaca_url}: the key is good; {'a' if bars else 'no'} bar of SPY on {day}. "
        f"SCAN_ALPACA_PLAN={plan.name} keeps to {plan.calls} calls in {plan.seconds:g} s; splits are not given"
    )


def _vendor() -> str:
    """What the key is good for, asked of the vendor: two calls."""
    import asyncio

    from scan_pipeline.providers import make_client
    from scan_pipeline.providers.base import ProviderError

    settings = load_settings()
    client = replace_dataclass(make_client(settings), tries=2, timeout_seconds=10)

    async def ask() -> bool:
        async with client.opened():
            await client.get("/v3/reference/tickers", {"limit": "1"}, len)
            try:
                await client.get("/v2/snapshot/locale/us/markets/stocks/tickers/SPY", {}, len)
            except ProviderError:
                return False
            return True

    has_snapshots = asyncio.run(ask())
    plan = client.plan
    seems = "snapshots are answered: a paid plan" if has_snapshots else "no snapshots: as on the free plan, `basic`"
    return (
        f"massive at {settings.massive_url}: the key is good; {seems}. "
        f"SCAN_MASSIVE_PLAN={plan.name} keeps to {plan.calls} calls in {plan.seconds:g} s"
    )


def _scanners() -> str:
    from scan_pipeline.scanners.python.library import find_python_scanners
    from scan_pipeline.scanners.registry import find_scanners

    folder = load_settings().scanners_dir
    in_sql, in_python = find_scanners(folder), find_python_scanners(folder)
    faults = [one.fault for one in in_sql if one.fault] + [one.fault for one in in_python if one.fault]
    if faults:
        raise ScannerError(" ".join(faults))
    return ", ".join([*(scanner.name for scanner in in_sql), *(scanner.name for scanner in in_python)])


def _deny_list() -> str:
    from scan_pipeline.screening.screen import read_deny_list

    settings = load_settings()
    return f"{len(read_deny_list(settings.deny_list_path)):,} symbols in {settings.deny_list_path}"


def _dagster() -> str:
    from scan_pipeline.definitions import build_definitions
    from scan_pipeline.defs.runs import open_instance

    settings: Settings = load_settings()
    definitions = build_definitions(settings)
    jobs = list(_job_names(definitions))
    with open_instance(settings) as instance:
        if not instance.run_monitoring_enabled:
            raise ScanPipelineError(
                f"Run monitoring is off in {settings.dagster_home / 'dagster.yaml'}: "
                "nothing ends a run that hangs. Turn it on."
            )
    return f"loads, with the jobs {', '.join(jobs)}; run monitoring is on"


def _job_names(definitions: object) -> Iterator[str]:
    for job in getattr(definitions, "jobs", None) or []:
        yield job.name


_CHECKS: dict[str, Callable[[], str]] = {
    "Python": _python,
    "packages": _packages,
    "TA-Lib": _talib,
    "settings": _settings,
    "disk": _disk,
    "database": _database,
    "provider": _provider,
    "scanners": _scanners,
    "deny list": _deny_list,
    "Dagster": _dagster,
}
