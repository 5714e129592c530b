"""The tables: columns, types, units, keys. Everything else reads them from here.

What belongs here: what a table is, for a reader and for DuckDB. What does not: how it is filled (`store/`). A change
to a table raises `VERSION` and adds a step to `store/migrations.py`.

Conventions: `session` is the trading day; prices are dollars as traded, volumes shares; `run_id` is the Dagster run.
No table declares a primary key to DuckDB (its index would double the time of an ingest): the keys named here hold
because a session is always replaced as a whole, in one transaction.
"""

from dataclasses import dataclass

VERSION = 6


@dataclass(frozen=True)
class Column:
    """One column. `unit` is empty for names, dates and flags."""

    name: str
    type: str
    description: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """One table, with the columns that identify a row."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def ddl(self) -> str:
        """The statement that creates it."""
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f"create table {self.name} ({columns})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


SESSION = Column("session", "DATE", "The trading day.")
SYMBOL = Column("symbol", "VARCHAR", "The ticker, as the vendor writes it; case-sensitive.")
RUN_ID = Column("run_id", "VARCHAR", "The Dagster run that wrote the row.")
PRICES = tuple(
    Column(name, "DOUBLE", f"The bar's {name}, as traded.", "dollars") for name in ("open", "high", "low", "close")
)
VOLUME = Column("volume", "DOUBLE", "Shares traded, as traded; a vendor may give fractions.", "shares")
SNAPSHOT_AT = Column(
    "snapshot_at", "TIMESTAMP", "The instant that provisional bars are of, in UTC; null where all bars are final."
)

PRICE_BARS = Table(
    "price_bars",
    "The bar of every symbol and session, as traded: the latest good print.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        *PRICES,
        VOLUME,
        Column(
            "adj_close", "DOUBLE", "The vendor's adjusted close, as delivered; nothing is computed from it.", "dollars"
        ),
        Column("first_reported_on", "DATE", "The day of the first print that was seen."),
        Column("reported_on", "DATE", "The day of the print that stands."),
        Column("vwap", "DOUBLE", "Volume-weighted mean price, where the vendor gives it.", "dollars"),
        Column("trades", "BIGINT", "Number of trades, where the vendor gives it.", "trades"),
        Column("provisional", "BOOLEAN", "Whether it was taken before the close; the session's ingest replaces it."),
    ),
)
BAR_REVISIONS = Table(
    "bar_revisions",
    "What changed in a bar after it was first taken in; an old value is null for a bar that came late, a new one for a "
    "bar that was withdrawn.",
    ("session", "symbol", "revised_at"),
    (
        SESSION,
        SYMBOL,
        *(
            Column(f"{when}_{column.name}", "DOUBLE", f"The {when} {column.name}.", column.unit)
            for when in ("old", "new")
            for column in (*PRICES, VOLUME)
        ),
        Column("revised_at", "TIMESTAMP", "When the new values were taken in, in UTC."),
        RUN_ID,
    ),
)
REJECTED_BARS = Table(
    "rejected_bars",
    "Every delivered row that is no bar, with the rule that says so and its raw values.",
    ("session", "symbol", "rule", "raw"),
    (
        Column("session", "DATE", "The session whose ingest rejected it; null where the row has no date at all."),
        SYMBOL,
        Column("rule", "VARCHAR", "The rule of `store/bar_rules.py` that rejected it."),
        Column("raw", "VARCHAR", "The row as delivered, as JSON."),
        Column("reported_on", "DATE", "The day of the delivery, where known."),
        Column("source", "VARCHAR", "The file or address it came from."),
    ),
)
INGESTED_SESSIONS = Table(
    "ingested_sessions",
    "One row a session held: what was delivered and what became of it. delivered = bars + superseded + rejected.",
    ("session",),
    (
        SESSION,
        Column("provider", "VARCHAR", "Where it came from."),
        Column("delivered", "INTEGER", "Rows delivered for the session."),
        Column("bars", "INTEGER", "Rows that became bars."),
        Column("superseded", "INTEGER", "Good prints that a later print of the same bar replaced."),
        Column("rejected", "INTEGER", "Rows that a rule rejected."),
        Column("lost_bars", "INTEGER", "Bars (symbol and date) of which no print was good."),
        Column("bars_hash", "UBIGINT", "Hash of the session's symbols, prices and volumes, in any order."),
        Column("ingested_at", "TIMESTAMP", "When, in UTC."),
        RUN_ID,
        Column("provisional", "BOOLEAN", "Whether its bars were taken before the close: the session is not held yet."),
        SNAPSHOT_AT,
    ),
)
SPLITS = Table(
    "splits",
    "Split events, with the day on which we learned each.",
    ("symbol", "ex_date"),
    (
        SYMBOL,
        Column("ex_date", "DATE", "The first session at the new price."),
        Column("split_from", "DOUBLE", "Old shares: 1 of a 2-for-1 split.", "shares"),
        Column("split_to", "DOUBLE", "New shares: 2 of a 2-for-1 split.", "shares"),
        Column("known_on", "DATE", "The day on which the split was known to us."),
    ),
)
UNIVERSE = Table(
    "universe",
    "The symbols that could trade on the session, as known on it.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        Column("name", "VARCHAR", "The company's or fund's name."),
        Column("exchange", "VARCHAR", "The listing exchange."),
        Column("type", "VARCHAR", "Kind of security, where the provider tells."),
        Column("sector", "VARCHAR", "Sector."),
        Column("industry", "VARCHAR", "Industry."),
        Column("country", "VARCHAR", "Country."),
        Column(
            "market_cap",
            "DOUBLE",
            "Market capitalisation known on the session; null where unknown. Each of several classes of shares "
            "has that of all the company's shares as filed, at its own price: not to be added up.",
            "dollars",
        ),
        Column(
            "listed", "DATE", "Listing date: the vendor's, or the first bar held where that is earlier or all there is."
        ),
        Column(
            "delisted",
            "DATE",
            "Delisting date: the vendor's once it has come, else the last bar of a symbol that missed 5 sessions.",
        ),
        Column("traded", "BOOLEAN", "Whether it has a bar on the session."),
    ),
)
PREFILTERED_SYMBOLS = Table(
    "prefiltered_symbols",
    "The screen's decision for every symbol of the universe. An `ok_` column is null where the value is unknown.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        Column("passed", "BOOLEAN", "Whether it is scanned."),
        Column(
            "reason",
            "VARCHAR",
            "The first rule that it fails, in the order of the `ok_` columns, or that its bar was not asked for; null "
            "if passed.",
        ),
        Column("close", "DOUBLE", "Close on the session.", "dollars"),
        Column("average_volume_20", "DOUBLE", "Mean volume of the last 20 bars, split-adjusted.", "shares"),
        Column("dollar_volume_20", "DOUBLE", "Mean of close times volume over the last 20 bars.", "dollars"),
        Column("market_cap", "DOUBLE", "As in the universe.", "dollars"),
        Column("bars_held", "SMALLINT", "Bars up to the session, counted to 252.", "bars"),
        Column("priority_rank", "INTEGER", "Place among those that pass all other rules; null without a cap."),
        Column("ok_traded", "BOOLEAN", "Has a bar with volume on the session."),
        Column("ok_not_denied", "BOOLEAN", "Is not on the deny list."),
        Column("ok_bars_held", "BOOLEAN", "Enough bars."),
        Column("ok_price", "BOOLEAN", "Close within the limits."),
        Column("ok_average_volume", "BOOLEAN", "Enough volume."),
        Column("ok_market_cap", "BOOLEAN", "Large enough; null where the market cap is unknown."),
        Column("ok_within_cap", "BOOLEAN", "Within the cap on the number of symbols."),
        Column("deny_reason", "VARCHAR", "Why it is on the deny list."),
    ),
)
_SHARES = tuple(
    Column(
        f"share_above_sma_{bars}",
        "DOUBLE",
        f"Of the symbols that have `sma_{bars}`, how many close above it.",
        "percent",
    )
    for bars in (20, 50, 200)
)
_ETF_RATIOS = tuple(
    column
    for above, below, what in (
        ("qqq", "spy", "growth against the whole market"),
        ("hyg", "lqd", "appetite for credit risk"),
        ("shy", "tlt", "short against long Treasury bonds"),
        ("iwm", "spy", "small companies against large ones"),
    )
    for column in (
        Column(
            f"{above}_{below}", "DOUBLE", f"Close of {above.upper()} over that of {below.upper()}: {what}.", "ratio"
        ),
        Column(
            f"{above}_{below}_change_20_pct",
            "DOUBLE",
            f"Change of {above}_{below} over the last 20 sessions on which both traded.",
            "percent",
        ),
    )
)
MARKET_CONTEXT = Table(
    "market_context",
    "The market on a session: breadth, trend and volatility of the symbols that passed the screen, and ratios of ETFs. "
    "What fewer than 20 symbols have, or an ETF too few bars for, is null. `features/market_context.py` has the "
    "thresholds.",
    ("session",),
    (
        SESSION,
        Column("symbols", "INTEGER", "Symbols that passed the screen.", "symbols"),
        Column("advancers", "INTEGER", "Symbols that closed above their previous close.", "symbols"),
        Column("decliners", "INTEGER", "Symbols that closed below it.", "symbols"),
        Column("unchanged", "INTEGER", "Symbols that closed at it.", "symbols"),
        Column(
            "new_highs_52w", "INTEGER", "Symbols whose high is above the highest of the 252 bars before.", "symbols"
        ),
        Column("new_lows_52w", "INTEGER", "Symbols whose low is below the lowest of the 252 bars before.", "symbols"),
        *_SHARES,
        Column(
            "up_volume_share", "DOUBLE", "Of the volume of advancers and decliners, that of the advancers.", "percent"
        ),
        Column("equal_weight_return_20", "DOUBLE", "Mean of `roc_20`.", "percent"),
        Column("equal_weight_return_60", "DOUBLE", "Mean of `roc_60`.", "percent"),
        Column(
            "trend",
            "VARCHAR",
            "up: equal_weight_return_60 of 3 or more and share_above_sma_50 of 55 or more; down: -3 or less and 45 or "
            "less; else sideways.",
        ),
        Column(
            "volatility_ratio",
            "DOUBLE",
            "Median of `historical_volatility_20` over median of `historical_volatility_100`.",
            "ratio",
        ),
        Column("volatility_regime", "VARCHAR", "calm: volatility_ratio below 0.8; turbulent: above 1.25; else normal."),
        *_ETF_RATIOS,
        Column("vixy_trend", "DOUBLE", "Close of VIXY against the mean of its last 20 closes.", "percent"),
        Column("data_version", "VARCHAR", "Hash of what the scan read, as in `scan_results`."),
        RUN_ID,
    ),
)
KIND = Column("kind", "VARCHAR", "What the scanner is written in: `sql` or `python`.")
SCAN_RESULTS = Table(
    "scan_results",
    "The hits of every scanner.",
    ("session", "scanner", "symbol"),
    (
        SESSION,
        Column("scanner", "VARCHAR", "The scanner's name: its file's."),
        SYMBOL,
        Column("rank", "INTEGER", "Place within the scanner and session, from 1."),
        Column("score", "DOUBLE", "The scanner's column `score`, else the first expression that it ranks by."),
        Column("details", "JSON", "The scanner's own columns."),
        Column("code_version", "VARCHAR", "Hash of the scanner's code."),
        Column("data_version", "VARCHAR", "Hash of what the scan read: bars, splits and decisions."),
        RUN_ID,
        Column(
            "cached_since",
            "TIMESTAMP",
            "When the symbol's features were computed, in UTC, if an earlier run did that; null: this run did.",
        ),
        Column("provisional", "BOOLEAN", "Whether the scan read bars that were taken before their session's close."),
        KIND,
        Column(
            "stale_since",
            "TIMESTAMP",
            "When the symbol's bar of the session was last asked for, in UTC, if the latest ingest left it out for its "
            "budget or its age; null: it is of the latest ingest.",
        ),
    ),
)
SCANNER_OUTCOMES = Table(
    "scanner_outcomes",
    "What became of each scanner on each session: hits, none, or the reason why it failed.",
    ("session", "scanner"),
    (
        SESSION,
        Column("scanner", "VARCHAR", "The scanner's name."),
        Column("ok", "BOOLEAN", "Whether it ran."),
        Column("hits", "INTEGER", "Hits found; null if it failed."),
        Column("message", "VARCHAR", "Why it failed."),
        Column("code_version", "VARCHAR", "Hash of the scanner's code."),
        Column("data_version", "VARCHAR", "Hash of what the scan read."),
        Column("scanned_at", "TIMESTAMP", "When, in UTC."),
        RUN_ID,
        Column("provisional", "BOOLEAN", "Whether the scan read bars that were taken before their session's close."),
        SNAPSHOT_AT,
        KIND,
    ),
)
PYTHON_SCANS = Table(
    "python_scans",
    "What scanners in Python found in each symbol before rank and limit, of the newest sessions: those whose bars and "
    "code stay the same are not called again.",
    ("session", "scanner", "symbol"),
    (
        SESSION,
        Column("scanner", "VARCHAR", "The scanner's name."),
        Column("symbol", "VARCHAR", "The ticker; empty for a scanner that sees all symbols at once."),
        Column("fingerprint", "UBIGINT", "Hash of the bars and splits of the history that it was given."),
        Column("code_version", "VARCHAR", "Hash of its code, parameters and what it imports."),
        Column("hits", "JSON", "A list of its hits: the symbol, and the scanner's own columns."),
        Column("scanned_at", "TIMESTAMP", "When it was called, in UTC."),
        RUN_ID,
    ),
)
QUARANTINED_SYMBOLS = Table(
    "quarantined_symbols",
    "Symbols on which a scanner in Python failed, hung or took too much memory: they were not scanned by it.",
    ("session", "scanner", "symbol"),
    (
        SESSION,
        Column("scanner", "VARCHAR", "The scanner's name."),
        Column("symbol", "VARCHAR", "The ticker; empty for a scanner that sees all symbols at once."),
        Column("reason", "VARCHAR", "What happened, with the line."),
        Column("traceback", "VARCHAR", "Where in the scanner's own files; empty where the process was ended."),
        Column("code_version", "VARCHAR", "Hash of the scanner's code."),
        Column("quarantined_at", "TIMESTAMP", "When, in UTC."),
        RUN_ID,
    ),
)

FINGERPRINTS = (
    Column("bars", "UBIGINT", "Hash of its bars in the history that a scan reads, in any order."),
    Column("recent_bars", "UBIGINT", "The part of it that is of the last five sessions."),
    Column("splits", "UBIGINT", "Hash of its splits in that history, as known on the session."),
    Column("reference", "UBIGINT", "Hash of its row of the universe."),
    Column("screen", "BOOLEAN", "Whether it passed the screen."),
)
SCAN_FINGERPRINTS = Table(
    "scan_fingerprints",
    "What cached features were computed from: every symbol of the universe, of the sessions in `features`.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        *FINGERPRINTS,
        Column("engine", "VARCHAR", "Hash of the code that computes features."),
        Column("older_version", "VARCHAR", "Hash of all bars in the history but those of the last five sessions."),
        Column("scanned_at", "TIMESTAMP", "When its features were computed, in UTC."),
        RUN_ID,
    ),
)
INCREMENTAL_DELTAS = Table(
    "incremental_deltas",
    "For every symbol what changed since the session was last scanned, and whether it is scanned again.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        Column(
            "change",
            "VARCHAR",
            "new_bar, listed, delisted, split, revised, screen, reference, scanner or none: the first that holds.",
        ),
        Column("rescan", "BOOLEAN", "Whether its features are computed again."),
        Column("why", "VARCHAR", "Why, or why not."),
        Column("cached_since", "TIMESTAMP", "When what is cached of it was computed, in UTC; null where nothing is."),
        Column("age_hours", "DOUBLE", "The age of that.", "hours"),
        *FINGERPRINTS,
        Column("data_version", "VARCHAR", "Hash of what a scan would read, as in `scan_results`."),
        Column("cached_run_id", "VARCHAR", "The run whose scan is cached."),
        RUN_ID,
        Column("priority", "VARCHAR", "Why it is always asked for, as in `symbol_refreshes`; null: it is not."),
        Column("refreshed", "BOOLEAN", "Whether the latest ingest of the session asked for its bar."),
        Column("refresh_reason", "VARCHAR", "Why, or why not; `whole market` where one call brings everybody."),
        Column("refreshed_at", "TIMESTAMP", "When a bar of it was last asked for, in UTC; null: never."),
        Column("refresh_age_hours", "DOUBLE", "How long ago that is.", "hours"),
    ),
)
SYMBOL_REFRESHES = Table(
    "symbol_refreshes",
    "For a provider that is asked by the symbol: who was asked for of a session, who was not, and why.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        Column("refreshed", "BOOLEAN", "Whether the latest ingest of the session asked for it."),
        Column(
            "reason",
            "VARCHAR",
            "watchlist, recent hit, top dollar volume, changed, age or sample; not refreshed: over budget, "
            "fresh enough, or not to be had.",
        ),
        Column("priority", "VARCHAR", "The first of those reasons for which it is always asked for; null: of none."),
        Column("refreshed_at", "TIMESTAMP", "When its bar of the session was last asked for, in UTC; null: never."),
        RUN_ID,
    ),
)
HIT_CHANGES = Table(
    "hit_changes",
    "How the hits of a session changed when it was scanned again.",
    ("session", "scanner", "symbol", "changed_at"),
    (
        SESSION,
        Column("scanner", "VARCHAR", "The scanner's name."),
        SYMBOL,
        Column("change", "VARCHAR", "new, gone, or moved (another rank)."),
        Column("old_rank", "INTEGER", "Rank before; null if it is new."),
        Column("new_rank", "INTEGER", "Rank now; null if it is gone."),
        Column("changed_at", "TIMESTAMP", "When, in UTC."),
        Column("before_run_id", "VARCHAR", "The Dagster run whose hits were replaced."),
        RUN_ID,
    ),
)

FETCHES = Table(
    "fetches",
    "What was fetched from a vendor beside bars of the whole market, and when.",
    ("what", "fetched_on"),
    (
        Column(
            "what",
            "VARCHAR",
            "`splits`, `listings YYYY-MM-DD` (the day that the list is of), `shares YYYYQn`, or `bars of PROVIDER`, "
            "where they come by the symbol within a budget.",
        ),
        Column("fetched_on", "DATE", "The day in New York."),
        Column("calls", "INTEGER", "Calls that it took."),
    ),
)
LISTINGS = Table(
    "listings",
    "Lists of symbols as fetched, each whole: who was listed on a day.",
    ("as_of", "source", "symbol"),
    (
        Column("as_of", "DATE", "The day that the list is of."),
        SYMBOL,
        Column("name", "VARCHAR", "The company's or fund's name."),
        Column("exchange", "VARCHAR", "The listing exchange."),
        Column("type", "VARCHAR", "Kind of security."),
        Column("cik", "VARCHAR", "The company's number at the SEC."),
        Column("source", "VARCHAR", "Whose list it is."),
    ),
)
SHARES_OUTSTANDING = Table(
    "shares_outstanding",
    "Shares outstanding of companies, as stated to the SEC.",
    ("cik", "counted_on"),
    (
        Column("cik", "VARCHAR", "The company's number at the SEC."),
        Column("counted_on", "DATE", "The day that the number is of."),
        Column("as_of", "DATE", "The day from which it counts as known."),
        Column("shares", "DOUBLE", "Shares outstanding.", "shares"),
    ),
)

INTRADAY_BARS = Table(
    "intraday_bars",
    "Bars of one minute, for the symbols and sessions that scripts have asked for, as traded.",
    ("symbol", "starts_at"),
    (
        SESSION,
        SYMBOL,
        Column("starts_at", "TIMESTAMP", "The minute's begin, in UTC."),
        *PRICES,
        VOLUME,
        Column("vwap", "DOUBLE", "Volume-weighted mean price, where the vendor gives it.", "dollars"),
        Column("trades", "BIGINT", "Number of trades, where the vendor gives it.", "trades"),
    ),
)
INTRADAY_SESSIONS = Table(
    "intraday_sessions",
    "For which symbols and sessions `intraday_bars` is complete; a session without a trade has no bar.",
    ("session", "symbol"),
    (
        SESSION,
        SYMBOL,
        Column("bars", "INTEGER", "Bars held."),
        Column("fetched_at", "TIMESTAMP", "When, in UTC."),
    ),
)
TICKER_DETAILS = Table(
    "ticker_details",
    "What the vendor says of one symbol on a day, for those that scripts have asked for.",
    ("symbol", "as_of"),
    (
        SYMBOL,
        Column("as_of", "DATE", "The day that was asked for."),
        Column("body", "JSON", "The vendor's `results`; null where it does not know the symbol."),
        Column("fetched_at", "TIMESTAMP", "When, in UTC."),
    ),
)
SCRIPT_RESULTS = Table(
    "script_results",
    "The hits of users' scripts, run unmodified. A run as of a session keeps every hit that the script gave, of "
    "earlier sessions too.",
    ("as_of", "script", "rank"),
    (
        Column("as_of", "DATE", "The session that the script was run as of: it saw nothing later."),
        Column("session", "DATE", "The hit's own date, as the script gives it; `as_of` where it gives none."),
        Column("script", "VARCHAR", "The script's name: its file's."),
        SYMBOL,
        Column("rank", "INTEGER", "Place within the run, from 1: newest session first, then as the script gave them."),
        Column("score", "DOUBLE", "The script's column `score`, where it has one."),
        Column("details", "JSON", "The script's own columns."),
        Column("partial", "BOOLEAN", "Whether the script, or one of its shards, did not come to its end."),
        Column("code_version", "VARCHAR", "Hash of the script's bytes."),
        Column("data_version", "VARCHAR", "Hash of the bars held up to `as_of`."),
        RUN_ID,
    ),
)
SCRIPT_OUTCOMES = Table(
    "script_outcomes",
    "What became of each run of a script: hits, none, or the reason why it failed.",
    ("as_of", "script"),
    (
        Column("as_of", "DATE", "The session that the script was run as of."),
        Column("script", "VARCHAR", "The script's name."),
        Column("ok", "BOOLEAN", "Whether it came to its end and its result was found."),
        Column("hits", "INTEGER", "Hits found; null if it failed without any."),
        Column("message", "VARCHAR", "Why it failed, or what a reader should know."),
        Column("source", "VARCHAR", "Where its result was found: a file, a variable, or what it printed."),
        Column("shards", "INTEGER", "Slices of the symbols that it was run on."),
        Column("symbols_held", "INTEGER", "Symbols with a bar up to `as_of`."),
        Column("symbols_shown", "INTEGER", "Symbols that it could see: those that passed the screen, or all."),
        Column("screened", "BOOLEAN", "Whether only symbols that passed the screen were shown."),
        Column("requests", "INTEGER", "Requests that were answered from the store."),
        Column("answered_empty", "INTEGER", "Requests answered empty because the store does not hold what they ask."),
        Column("vendor_calls", "INTEGER", "Calls made to the vendor for it; 0 unless read-through is on."),
        Column("seconds", "DOUBLE", "Time of the whole run.", "seconds"),
        Column("peak_mib", "DOUBLE", "Most memory of one shard's processes.", "MiB"),
        Column("isolation", "VARCHAR", "What kept it from network and disk."),
        Column("folder", "VARCHAR", "Where its output and files are kept."),
        Column("code_version", "VARCHAR", "Hash of the script's bytes."),
        Column("data_version", "VARCHAR", "Hash of the bars held up to `as_of`."),
        Column("ran_at", "TIMESTAMP", "When, in UTC."),
        RUN_ID,
    ),
)

#: The table `features` is not here: its columns are those of the feature catalogue, and it is a cache of the last
#: few sessions, made anew when the catalogue changes.
TABLES = (
    PRICE_BARS,
    BAR_REVISIONS,
    REJECTED_BARS,
    INGESTED_SESSIONS,
    SPLITS,
    UNIVERSE,
    PREFILTERED_SYMBOLS,
    MARKET_CONTEXT,
    SCAN_RESULTS,
    SCANNER_OUTCOMES,
    PYTHON_SCANS,
    QUARANTINED_SYMBOLS,
    FETCHES,
    LISTINGS,
    SHARES_OUTSTANDING,
    SCAN_FINGERPRINTS,
    INCREMENTAL_DELTAS,
    SYMBOL_REFRESHES,
    HIT_CHANGES,
    INTRADAY_BARS,
    INTRADAY_SESSIONS,
    TICKER_DETAILS,
    SCRIPT_RESULTS,
    SCRIPT_OUTCOMES,
)
