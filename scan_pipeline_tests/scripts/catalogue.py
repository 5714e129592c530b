"""The example scripts: what kind each is of, the tricks it plays, and what a run must give it.

What belongs here: one entry a file of `examples/`. What does not: what they find (`expected.py`), and running them.
The scripts themselves know nothing of this: they are what traders have on their disks.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scan_pipeline_tests.scripts.expected import EXAMPLES_DIR

ASYNC, LIST, CLASS, DETAILS, MODULE, NAUGHTY = (
    "async-main-DATES",
    "symbol list",
    "class",
    "grouped first, then details",
    "module level",
    "naughty",
)


@dataclass(frozen=True)
class Example:
    """A script. `expected.STRATEGIES` says what an honest one finds, under the same name."""

    name: str
    kind: str
    tricks: str
    #: Where its answer is: what a sidecar would pin as `result`. Empty: nowhere.
    result: str = ""
    #: What it must be given so that it looks at the run's session; its own constants end on the demo market's last.
    parameters: dict[str, Any] = field(default_factory=dict)
    #: Whether its hits stay the same when each copy sees a slice of the symbols.
    separable: bool = True
    #: How it ends when it has hits, and nothing stops it.
    ends: str = "finished"
    #: What its command line takes, in words.
    arguments: str = ""
    #: Whether it asks for symbols by name, one by one; else it looks at the whole market.
    lists_symbols: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return EXAMPLES_DIR / f"{self.name}.py"


HONEST = (
    Example(
        "gap_up_async", ASYNC,
        "DATES under the guard; gather over one aiohttp session, adjusted and unadjusted; ProcessPoolExecutor of "
        "cpu_count() - 1 on top-level functions; drop of vw, n, t; a global DataFrame; to_csv; print",
        "global:final_df", {"END_DATE": "{session}"},
    ),
    Example(
        "market_rank_async", ASYNC,
        "ranks over the whole market: other hits when sliced or screened; DATES from bdate_range; a semaphore; a pool",
        "global:ranked", {"END_DATE": "{session}"}, separable=False,
    ),
    Example(
        "breakout_spawn_pool", ASYNC,
        "a spawn pool; `adjust=true` misspelt; global `results` is the raw list, `out` the answer",
        "global:out", {"END_DATE": "{session}"},
    ),
    Example(
        "high_52w_threads", LIST,
        "SYMBOLS, requests.Session, ThreadPoolExecutor, daily bars from 2020; hits on stdout alone, as `SYM date`; "
        "symbols that do not exist here",
        "stdout", {"END_DATE": "{session}"}, lists_symbols=True,
    ),
    Example(
        "inside_day_list", LIST,
        "a list inside main(); key in a header; adjusted=false; a file in a sub folder; fillna(method=); crashes after "
        "its last step",
        "global:table", {"END_DATE": "{session}"}, ends="crashed", lists_symbols=True,
    ),
    Example(
        "three_green_urllib3", LIST,
        "urllib3; pages of 120 bars by next_url; hits on stdout alone, as `date SYM +x%`, and progress beside them",
        "stdout", {"END": "{session}"}, lists_symbols=True,
    ),
    Example(
        "volume_surge_urllib", LIST,
        "urllib.request; newest first; a list of lists beside a DataFrame with an index of date and symbol; "
        "lines `SYM, date`",
        "global:df", {"END_DATE": "{session}"}, lists_symbols=True,
    ),
    Example(
        "class_volume_scanner", CLASS,
        "run_scan() gives dicts; HTTPAdapter with retries, mounted; argparse with defaults; api.massive.com; threads; "
        "logging; JSON in a sub folder; a column `score`",
        "global:results", {"end": "{session}"},
    ),
    Example(
        "class_nr7_scanner", CLASS,
        "a dataclass for settings; adjusted absent; argparse with dest; KeyError when there is no hit",
        "global:table", {"end": "{session}"},
    ),
    Example(
        "grouped_then_details", DETAILS,
        "details, minute and 30-minute bars for each candidate, which may be empty; sleeps on 429; details before "
        "filtering by market cap",
        "global:watchlist", {"END_DATE": "{session}"},
    ),
    Example(
        "pullback_httpx", DETAILS,
        "httpx; unadjusted grouped days, then 400 days of adjusted bars; Parquet in a sub folder",
        "global:frame", {"TO": "{session}"},
    ),
    Example(
        "opening_range_30m", DETAILS,
        "aiohttp without a limit; hits only where there are 30-minute bars, else an empty DataFrame: zero hits",
        "global:df", {"END_DATE": "{session}"},
    ),
    Example(
        "outside_day_module_level", MODULE,
        "no guard; date.today() arithmetic; time.sleep; requests.get without a session; plotly fig.show(); "
        "webbrowser.open; C:\\scans",
        "global:outside",
    ),
    Example(
        "reversal_by_hand", MODULE,
        "async main(start, end) on a loop of its own; datetime.now(); an import that may be missing; "
        "/Users/mike/scans/out.csv",
        "global:df",
    ),
    Example(
        "pocket_pivot_http_client", MODULE,
        "http.client, one connection; datetime.today(); hits on stdout alone, as `SYM - date`; input() at its end",
        "stdout", ends="crashed", lists_symbols=True,
    ),
    Example(
        "trend_pandas2", MODULE,
        "chained assignment and inplace on a column: pandas 3 ends well and finds nothing; date.today()",
        "global:picks",
    ),
)  # fmt: skip

NAUGHTY_ONES = (
    Example("naughty_writes_10gb", NAUGHTY, "writes 10 GB into its folder, 2.5 GB a file"),
    Example("naughty_forks", NAUGHTY, "forks without end, one child after the other; takes no for an answer and tries "
            "again"),
    Example("naughty_prints_1gb", NAUGHTY, "prints 1 GB that looks like hits"),
    Example("naughty_garbage", NAUGHTY, "bytes that are no text on stdout, in its files and among its globals"),
    Example("naughty_returns_nothing", NAUGHTY, "ends well without any result"),
    Example("naughty_daemon", NAUGHTY, "ignores SIGINT, SIGTERM and SIGHUP; forks twice into a session of its own; "
            "main process and daemon append to work/heartbeat.txt five times a second"),
    Example("naughty_pools", NAUGHTY, "cpu_count() pools inside pools; what it believes to have is in cores.json",
            "global:out"),
    Example("naughty_asks", NAUGHTY, "input() before it has anything"),
    Example("naughty_other_hosts", NAUGHTY, "example.com by name, raw addresses, UDP; contacts.json says how it went: "
            "`ok …` or the error"),
    Example("naughty_local_port", NAUGHTY, "connects to a service of this machine; prints `HOST connected:` if it may",
            arguments="the service's port"),
    Example("naughty_writes_outside", NAUGHTY, "appends to files outside its folder; targets.json says how it went: "
            "`written` or the error", arguments="folders and files, the store's among them"),
    Example("naughty_reads_keys", NAUGHTY, "prints its environment, its parent's and the usual files with keys"),
    Example("naughty_memory", NAUGHTY, "6 GB, 64 MB at a time"),
    Example("naughty_sleeps", NAUGHTY, "sleeps for ever"),
    Example("naughty_progress", NAUGHTY, "prints progress with carriage returns for ever"),
    Example("naughty_segfault", NAUGHTY, "ends by a segmentation fault"),
    Example("naughty_exit_hard", NAUGHTY, "os._exit(0): its file is all there is", "file:green_days.csv"),
    Example("naughty_exit_message", NAUGHTY, "sys.exit with a text: exit code 1, though all is well", "global:green"),
)  # fmt: skip

EXAMPLES = {example.name: example for example in (*HONEST, *NAUGHTY_ONES)}
