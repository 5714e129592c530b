"""Typed settings, read once at the edge: environment variables and `.env`, prefix `SCAN_`.

What belongs here: everything a person configures outside the Launchpad, with defaults that work, and the paths that
follow from `SCAN_DATA_DIR`. What does not: secrets of a provider's own, and what the groups that are nested here hold,
which their rooms define: the limits of the screen (`screening/limits.py`: `SCAN_SCREEN__…`), the score's weights and
the rules of a trade plan (`features/rules.py`: `SCAN_SCORE__…`, `SCAN_PLAN__…`).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from scan_pipeline.errors import SettingsError
from scan_pipeline.features.rules import PlanRules, ScoreWeights
from scan_pipeline.screening.limits import ScreenLimits

#: The folder of the checkout: where `data/dagster_home/dagster.yaml` and `workspace.yaml` are.
PROJECT_DIR = Path(__file__).resolve().parent.parent
PREFIX = "SCAN_"
Provider = Literal["demo", "files", "massive", "alpaca"]
#: What one setting of a nested group is called, by the group's field.
_NOUNS = {"screen": "limit", "score": "weight", "plan": "rule"}


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. Each field's environment variable is `SCAN_` and its name in capitals."""

    data_dir: Annotated[Path, Meta(description="Holds the database, published results, caches, dagster_home.")] = Path(
        "data"
    )
    provider: Annotated[Provider, Meta(description="Where bars come from.")] = "demo"
    files_path: Annotated[Path | None, Meta(description="For provider `files`: a folder (or one file) of bars.")] = None
    demo_symbols: Annotated[int, Meta(ge=20, le=20_000, description="For provider `demo`: symbols in the market.")] = (
        6_000
    )
    massive_url: Annotated[
        str, Meta(pattern=r"^https?://[^/]+$", description="For provider `massive`: the vendor, or a gateway.")
    ] = "https://api.massive.com"
    massive_plan: Annotated[
        str,
        Meta(
            pattern=r"^(basic|paid|\d+/\d+)$",
            description="What the key's plan allows: `basic` (5 calls a minute), `paid`, or CALLS/SECONDS.",
        ),
    ] = "basic"
    massive_concurrency: Annotated[int, Meta(ge=1, le=64, description="Calls under way at once.")] = 16
    massive_timeout_seconds: Annotated[float, Meta(gt=0, description="One call; then it is tried again.")] = 30
    massive_tries: Annotated[int, Meta(ge=1, le=20, description="Tries of one call before it is given up.")] = 6
    alpaca_url: Annotated[str, Meta(pattern=r"^https?://[^/]+$", description="For provider `alpaca`: the vendor.")] = (
        "https://data.alpaca.markets"
    )
    alpaca_feed: Annotated[
        Literal["sip", "iex"], Meta(description="Whose trades bars are made of: `sip` all exchanges', `iex` one's.")
    ] = "sip"
    alpaca_plan: Annotated[
        str,
        Meta(
            pattern=r"^\d+/\d+$",
            description="Calls that the key allows, CALLS/SECONDS. Time limits and tries are those for `massive`.",
        ),
    ] = "200/60"
    alpaca_symbols: Annotated[int, Meta(ge=1, le=1_000, description="Symbols that one call asks for at most.")] = 200
    refresh_budget_calls: Annotated[
        int,
        Meta(
            ge=0,
            description="For a provider that is asked by the symbol (`alpaca`): calls for bars in a day, tries and "
            "pages included; 0: no limit. What they do not suffice for keeps the bars that are held. A provider that "
            "gives the whole market in a call needs no order: there, this and the next four settings change nothing "
            "but the column `priority` of `incremental_deltas`.",
        ),
    ] = 0
    refresh_max_age_sessions: Annotated[
        int, Meta(ge=0, description="A symbol is due so many sessions after it was last asked for; 0: always.")
    ] = 0
    refresh_top_dollar_volume: Annotated[
        int,
        Meta(ge=0, description="So many symbols of the highest mean dollar volume are always asked for, and first."),
    ] = 0
    refresh_sample_share: Annotated[
        float, Meta(ge=0, le=1, description="The share of symbols that are not due yet which is asked for by lot.")
    ] = 0.0
    refresh_seed: Annotated[int, Meta(description="Another number draws other lots.")] = 0
    watchlist: Annotated[
        Path | None,
        Meta(description="Symbols to always ask for, and first: a CSV file `symbol,note`; else data/watchlist.csv."),
    ] = None
    correction_sessions: Annotated[
        int, Meta(ge=0, le=20, description="Sessions before a night's that are fetched again, for corrections.")
    ] = 3
    intraday_minutes: Annotated[
        int,
        Meta(ge=1, le=30, description="Minutes between two scans of the open session, by the schedule for them."),
    ] = 15
    reference_days: Annotated[
        int, Meta(ge=1, description="Lists of symbols and shares outstanding are fetched again after so many days.")
    ] = 7
    sec_contact: Annotated[
        str,
        Meta(
            pattern=r"^$|^[^@\s]+@[^@\s]+$",
            description="Your e-mail address, which the SEC asks for; without it, market caps are not known.",
        ),
    ] = ""
    max_rejected_share: Annotated[
        float,
        Meta(ge=0, le=1, description="More of a session's bars lost to the bar rules than this stops the session."),
    ] = 0.05
    screen: Annotated[ScreenLimits, Meta(description="Default limits of the screen.")] = ScreenLimits()
    benchmark: Annotated[
        str,
        Meta(
            pattern=r"^[A-Z][A-Z0-9.-]{0,11}$",
            description="The symbol that others are held against: beta, correlation, relative strength.",
        ),
    ] = "SPY"
    score: Annotated[ScoreWeights, Meta(description="What the components of `score` count.")] = ScoreWeights()
    plan: Annotated[PlanRules, Meta(description="How a trade is planned: the columns `plan_…` and `short_…`.")] = (
        PlanRules()
    )
    batch_symbols: Annotated[int, Meta(ge=1, description="Symbols worked on at once; bounds memory.")] = 2_000
    keep_features_sessions: Annotated[int, Meta(ge=0, description="Sessions kept in the table `features`.")] = 5
    scanner_timeout_seconds: Annotated[
        float, Meta(gt=0, description="One query of one scanner; then it fails, alone.")
    ] = 60
    max_hits: Annotated[
        int, Meta(ge=1, description="A scanner that returns more hits for one session fails, alone.")
    ] = 20_000
    python_shards: Annotated[
        int, Meta(ge=0, le=64, description="Slices of the symbols that a Python scanner runs on; 0: one a processor.")
    ] = 0
    python_symbol_seconds: Annotated[
        float, Meta(gt=0, description="One symbol in a Python scanner; then it is quarantined, and the others go on.")
    ] = 10
    python_shard_seconds: Annotated[
        float, Meta(gt=0, description="One shard of a Python scanner; then the rest of its symbols is quarantined.")
    ] = 900
    python_memory_mib: Annotated[
        int, Meta(ge=256, description="One worker of a Python scanner: a symbol that takes it further is quarantined.")
    ] = 1_024
    script_shards: Annotated[
        int, Meta(ge=0, le=64, description="Slices of the symbols that a script is run on; 0: one a processor.")
    ] = 0
    script_timeout_seconds: Annotated[float, Meta(gt=0, description="One shard of a script; then it is ended.")] = 180
    script_collect_mib: Annotated[
        int, Meta(ge=64, description="A script whose shard takes more memory is asked to collect garbage.")
    ] = 1_500
    script_memory_mib: Annotated[int, Meta(ge=128, description="A script whose shard takes more memory is ended.")] = (
        3_000
    )
    script_hosts: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9.-]+(,[A-Za-z0-9.-]+)*)?$",
            description="Hosts that scripts may reach beside the vendor's, which are answered from the store: a comma "
            "between two. With any, scripts get no network namespace.",
        ),
    ] = ""
    script_read_through: Annotated[
        bool,
        Meta(description="Whether what scripts ask for and the store does not hold is fetched with your key, once."),
    ] = False
    keep_script_runs: Annotated[int, Meta(ge=1, description="Runs of each script whose output and files are kept.")] = (
        20
    )
    store_wait_seconds: Annotated[float, Meta(ge=0, description="How long to wait for a busy database.")] = 120
    store_memory_limit: Annotated[
        str,
        Meta(
            pattern=r"^\d+(\.\d+)? ?([KMGT]i?B|%)$",
            description="DuckDB's memory limit: the database spills to disk beyond it, a scanner ends.",
        ),
    ] = "2GB"

    @property
    def database_path(self) -> Path:
        """The DuckDB file."""
        return self.data_dir / "scan.duckdb"

    @property
    def results_dir(self) -> Path:
        """Published results: one Parquet file a session."""
        return self.data_dir / "results"

    @property
    def cache_dir(self) -> Path:
        """What can be made again at any time: the calendar, the demo market."""
        return self.data_dir / "cache"

    @property
    def scanners_dir(self) -> Path:
        """The user's own scanners."""
        return self.data_dir / "scanners"

    @property
    def scripts_dir(self) -> Path:
        """The user's own scripts, which run unmodified."""
        return self.data_dir / "scripts"

    @property
    def script_runs_dir(self) -> Path:
        """What runs of scripts printed and wrote."""
        return self.data_dir / "script_runs"

    @property
    def python_runs_dir(self) -> Path:
        """What the shards of Python scanners leave for the step that puts them together."""
        return self.cache_dir / "python_runs"

    @property
    def environments_dir(self) -> Path:
        """Virtual environments of scripts, one for each set of requirements."""
        return self.cache_dir / "environments"

    @property
    def authority_dir(self) -> Path:
        """The local authority whose certificates scripts trust."""
        return self.cache_dir / "authority"

    @property
    def deny_list_path(self) -> Path:
        """Symbols never to scan, with the reason: a CSV file `symbol,reason`. Optional."""
        return self.data_dir / "deny_list.csv"

    @property
    def watchlist_path(self) -> Path:
        """Symbols that are always asked for, where calls are few. Optional."""
        return self.watchlist or self.data_dir / "watchlist.csv"

    @property
    def dagster_home(self) -> Path:
        """`DAGSTER_HOME` where it is set, else `dagster_home` in the data folder."""
        return Path(os.environ.get("DAGSTER_HOME") or self.data_dir / "dagster_home").absolute()

    @property
    def rate_ledger_path(self) -> Path:
        """Where calls to vendors are noted, so that all processes together keep to the plan."""
        return self.cache_dir / "calls.sqlite"


def massive_key() -> str:
    """The vendor's key, from MASSIVE_API_KEY or POLYGON_API_KEY. Raises SettingsError where there is none.

    It is no field of `Settings`, which are printed and compared.
    """
    given = _variables()
    key = given.get("MASSIVE_API_KEY") or given.get("POLYGON_API_KEY")
    if not key:
        raise SettingsError(
            "SCAN_PROVIDER=massive needs a key: set MASSIVE_API_KEY in the environment or in .env. "
            "https://massive.com gives one away."
        )
    return _clean("MASSIVE_API_KEY", key)


#: The variables of Alpaca's key, by the names of the headers in which they travel.
ALPACA_KEYS = {"APCA-API-KEY-ID": "APCA_API_KEY_ID", "APCA-API-SECRET-KEY": "APCA_API_SECRET_KEY"}


def alpaca_keys() -> dict[str, str]:
    """The two parts of Alpaca's key, by header. Raises SettingsError where one is missing; see `massive_key`."""
    given = _variables()
    missing = [variable for variable in ALPACA_KEYS.values() if not given.get(variable)]
    if missing:
        raise SettingsError(
            f"SCAN_PROVIDER=alpaca needs a key of two parts: set {' and '.join(missing)} in the environment or in "
            ".env. https://alpaca.markets gives one away."
        )
    return {header: _clean(variable, given[variable] or "") for header, variable in ALPACA_KEYS.items()}


def _clean(variable: str, key: str) -> str:
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"{variable} holds characters that no key has: blanks or line breaks. Set it again.")
    return key


def load_settings() -> Settings:
    """Read the settings. Raises SettingsError that names every wrong variable, its value's fault and what it is for."""
    given = {name.upper(): value for name, value in _variables().items() if value}
    faults: list[str] = []
    values = dict(_read(Settings, PREFIX, given, faults))
    for name, kind in nested_settings().items():
        values |= _read_nested(name, kind, given, faults)
    if faults:
        raise SettingsError("; ".join(faults))
    # Dagster starts runs from folders of its own choosing: a relative path must not change its meaning there.
    values["data_dir"] = values.get("data_dir", Path("data")).absolute()
    return Settings(**values)


def nested_settings() -> dict[str, type[Struct]]:
    """The groups of settings, by the name of their field: a variable is `SCAN_GROUP__` and a field's name."""
    kinds = {field.name: get_args(field.type)[0] for field in msgspec.structs.fields(Settings)}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Struct)}


def nested_prefix(name: str) -> str:
    """What the variables of a group begin with."""
    return f"{PREFIX}{name.upper()}__"


def _variables() -> Mapping[str, str | None]:
    """The environment, and what a file `.env` in the current folder adds to it."""
    if not Path(".env").is_file():
        return os.environ
    from dotenv import dotenv_values

    return dotenv_values(".env") | os.environ


def _read(kind: type[Struct], prefix: str, given: Mapping[str, Any], faults: list[str]) -> Iterator[tuple[str, Any]]:
    """The fields of a struct that are given, converted; what cannot be is added to `faults`."""
    for field in msgspec.structs.fields(kind):
        variable = prefix + field.name.upper()
        base, meta = get_args(field.type)
        if variable not in given or (isinstance(base, type) and issubclass(base, Struct)):
            continue
        try:
            yield field.name, msgspec.convert(given[variable], field.type, strict=False, dec_hook=_to_path)
        except msgspec.ValidationError as error:
            choices = f" (one of {', '.join(get_args(base))})" if get_args(base) and Path not in get_args(base) else ""
            faults.append(
                f"{variable}={given[variable]!r} is not usable: {error}{choices}. {meta.description} "
                "Correct it, or unset it."
            )


def _read_nested(name: str, kind: type[Struct], given: Mapping[str, Any], faults: list[str]) -> dict[str, Struct]:
    """The group of settings, where it can be made of what is given; what is wrong is added to `faults`."""
    prefix, noun = nested_prefix(name), _NOUNS[name]
    known = {prefix + field.name.upper() for field in msgspec.structs.fields(kind)}
    found: list[str] = []
    values = dict(_read(kind, prefix, given, found))
    found += [
        f"{variable}={given[variable]!r} is not usable: there is no such {noun}. "
        f"Those that are: {', '.join(sorted(known))}."
        for variable in sorted(given.keys() - known)
        if variable == prefix.rstrip("_") or variable.startswith(prefix[:-1])
    ]
    faults += found
    if not found:
        try:
            return {name: kind(**values)}
        except ValueError as error:
            named = ", ".join(f"{prefix}{field.upper()}={value}" for field, value in values.items())
            faults.append(f"{named} is not usable: {error}. Correct it, or unset it.")
    return {}


def _to_path(kind: type, text: str) -> Path:
    return Path(text).expanduser().absolute()
