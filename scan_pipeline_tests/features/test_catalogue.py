"""The features' numbers, held against two yardsticks that share nothing with them; TA-Lib is not one of them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import PRICE_COLUMNS, lay_out
from scan_pipeline.features.named import NAMED
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.sessions import Calendar
from scan_pipeline.store.history import read_block
from scan_pipeline_tests import yardsticks
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.features.named_yardsticks import differences

YARDSTICKS = {"pandas": yardsticks.by_pandas, "by hand": yardsticks.by_hand}

#: A kind of symbol, and the condition on its bars (and splits) in the demo market that finds one.
DEMO_SYMBOLS = {
    "trades every session": "bars = sessions and splits = 0",
    "missed sessions": "bars between sessions - 40 and sessions - 15 and first_bar = first_session and splits = 0",
    "was listed lately": "bars between 15 and 60 and last_bar = last_session",
    "was delisted": "last_bar < last_session - 60 and first_bar = first_session",
    "is a penny stock": "lowest < 0.5 and highest < 2 and bars > 400",
    "split on time": "splits > 0 and known_on = ex_date and ex_date > '2025-06-01' and split_to > split_from",
    "split in reverse": "splits > 0 and known_on = ex_date and ex_date > '2025-06-01' and split_to < split_from",
    "split before it was known": "known_on > ex_date",
    "was known to split before it did": "known_on < ex_date",
}
#: The last session of the demo market; a session after which a split is known late; one between knowledge and ex-date.
DEMO_SESSIONS = [date(2025, 12, 31), date(2025, 9, 30), date(2025, 5, 16)]

#: Symbols of the real feed, and what makes each worth a look.
REAL_SYMBOLS = {
    "AAPL": "a bar on every session",
    "SEB": "a price in the thousands",
    "BAA": "a penny stock",
    "HERO": "missing sessions, and a relisting at another price",
    "EDIT": "listed in February 2016: few bars",
    "LMHA": "listed in March 2016: a handful of bars",
    "BLVD": "missing sessions, and sessions without volume",
    "NFLX": "a 7-for-1 split, known the day before",
    "NKE": "a 2-for-1 split",
    "TVIX": "a 1-for-10 reverse split",
    "FREE": "two reverse splits, 1-for-50 and 1-for-60",
    "IO": "a reverse split, known the day before",
}


def bars_and_features(pipeline: Pipeline, symbol: str, session: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The symbol's history as `session` knew it, read by hand, and what the pipeline computes at every bar of it."""
    start = pipeline.calendar.history_start(session, catalogue.HISTORY_SESSIONS)
    window = np.array(pipeline.calendar.between(start, session), dtype="datetime64[D]")
    with pipeline.store.read() as connection:
        bars = yardsticks.adjusted_bars(connection, symbol, start, session)
        block = read_block(connection, [symbol], window, session, (*PRICE_COLUMNS, "volume"), count_from=start)
    values = catalogue.compute(block, catalogue.CORE, np.arange(len(block.session)))
    features = pd.DataFrame(values, index=window[block.session].astype(object))
    assert features.index.tolist() == bars.index.tolist()
    return bars, features


@pytest.fixture(scope="module")
def demo_symbols(demo_pipeline: Pipeline) -> dict[str, str]:
    """A symbol of each kind, the first one by name."""
    with demo_pipeline.store.read() as connection:
        found = {
            kind: connection.execute(
                f"""
                with of_symbol as (
                    select symbol, count(*) as bars, min(session) as first_bar, max(session) as last_bar,
                        min(close) as lowest, max(close) as highest
                    from price_bars group by symbol
                ),
                market as (
                    select count(distinct session) as sessions, min(session) as first_session,
                        max(session) as last_session
                    from price_bars
                )
                select symbol
                from of_symbol cross join market left join splits using (symbol)
                    left join (select symbol, count(*) as splits from splits group by symbol) using (symbol)
                where {condition.replace("splits = 0", "splits is null")} order by symbol limit 1
                """
            ).fetchall()
            for kind, condition in DEMO_SYMBOLS.items()
        }
    assert all(found.values()), f"the demo market lacks {[kind for kind, symbols in found.items() if not symbols]}"
    return {kind: symbols[0][0] for kind, symbols in found.items()}


@pytest.fixture(scope="module")
def real_pipeline(
    tmp_path_factory: pytest.TempPathFactory, settings_at: SettingsFactory, real_market: Path, calendar: Calendar
) -> Iterator[Pipeline]:
    """A pipeline that holds the real bars of REAL_SYMBOLS, and all real splits."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "feed").mkdir()
    (folder / "splits.csv").write_bytes((real_market / "splits.csv").read_bytes())
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * from read_parquet('{real_market}/feed/*.parquet') where symbol in {tuple(REAL_SYMBOLS)}) "
            f"to '{folder}/feed/bars.parquet' (format parquet)"
        )
    pipeline = Pipeline(settings_at(folder / "data", provider="files", files_path=folder / "feed"))
    pipeline.record_splits()
    list(pipeline.ingest(calendar.between(date(2015, 3, 20), date(2016, 3, 31)), "real"))
    return pipeline


def test_every_feature_of_the_catalogue_is_held_against_the_yardsticks() -> None:
    names = [feature.name for feature in catalogue.CORE]
    bars = pd.DataFrame({column: [1.0, 2.0] for column in yardsticks.COLUMNS})
    for yardstick in YARDSTICKS.values():
        assert list(yardstick(bars).columns) == names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("yardstick", YARDSTICKS)
@pytest.mark.parametrize("session", DEMO_SESSIONS, ids=str)
@pytest.mark.parametrize("kind", DEMO_SYMBOLS)
def test_features_of_a_demo_symbol_equal_their_formulas(
    demo_pipeline: Pipeline, demo_symbols: dict[str, str], kind: str, session: date, yardstick: str
) -> None:
    symbol = demo_symbols[kind]
    bars, computed = bars_and_features(demo_pipeline, symbol, session)
    if bars.empty:
        assert kind == "was listed lately"
        return
    assert yardsticks.differences(computed, YARDSTICKS[yardstick](bars)) == []


def test_demo_features_are_known_from_their_first_full_window_on(
    demo_pipeline: Pipeline, demo_symbols: dict[str, str]
) -> None:
    _, computed = bars_and_features(demo_pipeline, demo_symbols["trades every session"], DEMO_SESSIONS[0])
    unknown = computed.isna().sum().to_dict()
    assert unknown == dict.fromkeys(unknown, 0) | {
        "change_pct": 1, "gap_pct": 1, "true_range": 1, "sma_20": 19, "sma_50": 49, "sma_200": 199, "ema_9": 8,
        "ema_20": 19, "ema_9_slope_5": 12, "atr_14": 14, "atr_14_simple": 14, "rsi_14": 14, "average_volume_20": 19,
        "dollar_volume_20": 19, "relative_volume": 20, "high_20": 19, "high_52w": 251, "low_52w": 251,
        "distance_high_52w_pct": 251, "distance_low_52w_pct": 251,
    }  # fmt: skip


def test_bars_before_those_that_are_read_are_counted(demo_pipeline: Pipeline, demo_symbols: dict[str, str]) -> None:
    """The screen reads a few weeks and counts the rest: it must come to the same number of bars as a scan."""
    session = DEMO_SESSIONS[0]
    window = np.array(demo_pipeline.calendar.between(date(2025, 11, 3), session), dtype="datetime64[D]")
    for symbol in demo_symbols.values():
        bars, features = bars_and_features(demo_pipeline, symbol, session)
        with demo_pipeline.store.read() as connection:
            held = connection.execute("select min(session) from price_bars where symbol = ?", [symbol]).fetchall()[0][0]
            count_from = max(held, demo_pipeline.calendar.history_start(session, catalogue.HISTORY_SESSIONS))
            block = read_block(connection, [symbol], window, session, ("close",), count_from=count_from)
        counted = catalogue.CATALOGUE["bars_held"].compute(block)
        assert counted.tolist() == features["bars_held"][bars.index >= date(2025, 11, 3)].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("yardstick", YARDSTICKS)
@pytest.mark.parametrize("symbol", REAL_SYMBOLS)
def test_features_of_a_real_symbol_equal_their_formulas(real_pipeline: Pipeline, symbol: str, yardstick: str) -> None:
    bars, computed = bars_and_features(real_pipeline, symbol, date(2016, 3, 31))
    assert yardsticks.differences(computed, YARDSTICKS[yardstick](bars)) == []


@pytest.mark.slow
@pytest.mark.parametrize("symbol", REAL_SYMBOLS)
def test_named_features_of_a_real_symbol_equal_their_formulas(real_pipeline: Pipeline, symbol: str) -> None:
    session, following = date(2016, 3, 31), date(2016, 4, 1)
    start = real_pipeline.calendar.history_start(session, catalogue.HISTORY_SESSIONS)
    window = np.array(real_pipeline.calendar.between(start, session), dtype="datetime64[D]")
    with real_pipeline.store.read() as connection:
        bars, benchmark = (yardsticks.adjusted_bars(connection, one, start, session) for one in (symbol, "AAPL"))
        block = read_block(
            connection, [symbol], window, session, yardsticks.COLUMNS, start, following, benchmark="AAPL"
        )
    computed = catalogue.compute(block, NAMED, np.arange(len(block.session)))
    bars.index, benchmark.index = pd.DatetimeIndex(bars.index), pd.DatetimeIndex(benchmark.index)
    assert differences(computed, bars, pd.DatetimeIndex(window), benchmark["close"]) == []


REAL_SPLITS = {
    # symbol: (the session before, the ex-date, a month later), new shares for an old one
    "NFLX": ((date(2015, 7, 14), date(2015, 7, 15), date(2015, 8, 14)), 7),
    "NKE": ((date(2015, 12, 23), date(2015, 12, 24), date(2016, 1, 25)), 2),
    "TVIX": ((date(2015, 6, 22), date(2015, 6, 23), date(2015, 7, 23)), 1 / 10),
    "IO": ((date(2016, 2, 4), date(2016, 2, 5), date(2016, 3, 4)), 1 / 15),
}


@pytest.mark.slow
@pytest.mark.parametrize("symbol", REAL_SPLITS)
def test_a_real_split_changes_what_is_read_from_its_ex_date_on_and_never_what_is_stored(
    real_pipeline: Pipeline, real_market: Path, symbol: str
) -> None:
    (before, ex_date, later), factor = REAL_SPLITS[symbol]
    with duckdb.connect() as feed:
        as_traded = pd.DataFrame(
            feed.execute(
                f"""
                select date, open, high, low, close, volume::DOUBLE from read_parquet('{real_market}/feed/*.parquet')
                where symbol = ? and least(open, high, low, close) > 0
                qualify row_number() over (partition by date order by reported_on desc) = 1 order by date
                """,
                [symbol],
            ).fetchall(),
            columns=["session", *yardsticks.COLUMNS],
        ).set_index("session")

    for session in (before, ex_date, later):
        bars = as_traded[as_traded.index <= session].copy()
        if session >= ex_date:
            old = bars.index < ex_date
            bars.loc[old, list(PRICE_COLUMNS)] /= factor
            bars.loc[old, "volume"] *= factor
        read, computed = bars_and_features(real_pipeline, symbol, session)
        assert read.index.tolist() == bars.index.tolist()
        assert yardsticks.differences(computed, yardsticks.by_pandas(bars)) == [], f"as of {session}"

    # Across the split, a chart shows a plausible day; as traded, it shows a crash or a miracle.
    _, on_ex_date = bars_and_features(real_pipeline, symbol, ex_date)
    assert abs(on_ex_date["change_pct"].iloc[-1]) < 25
    jump = as_traded["close"][ex_date] / as_traded["close"][before]
    assert jump == pytest.approx(1 / factor, rel=0.25)
    with real_pipeline.store.read() as connection:
        stored = connection.execute(
            "select session, open, high, low, close, volume from price_bars where symbol = ? order by session", [symbol]
        ).fetchall()
    assert stored == list(as_traded.itertuples(name=None))


def features_of(bars: pd.DataFrame) -> pd.DataFrame:
    """The features of one symbol's made-up bars."""
    sessions = np.arange(len(bars))
    block = lay_out(
        1, sessions, sessions.astype(np.int32), {column: bars[column].to_numpy() for column in yardsticks.COLUMNS}
    )
    return pd.DataFrame(catalogue.compute(block, catalogue.CORE, sessions), index=bars.index)


def quiet_bars(count: int) -> pd.DataFrame:
    """Bars of a symbol whose price stands still."""
    return pd.DataFrame({column: np.full(count, 20.0) for column in yardsticks.COLUMNS})


@pytest.mark.parametrize("count", [1, 2, 5, 14, 15, 16, 20, 21, 252, 253])
def test_features_of_a_symbol_with_few_bars_are_unknown_exactly_until_their_window_is_full(count: int) -> None:
    bars = quiet_bars(count)
    bars["close"] += np.linspace(-1, 1, count) ** 2
    bars["high"], bars["low"] = bars["close"] + 1, bars["close"] - 1
    assert yardsticks.differences(features_of(bars), yardsticks.by_hand(bars)) == []


def test_a_symbol_that_did_not_trade_for_20_bars_has_no_relative_volume() -> None:
    """Fractional volumes, as a split leaves them, followed by none at all: a ratio to nothing is unknown."""
    bars = quiet_bars(100)
    bars["volume"] = np.random.default_rng(1).integers(100_000, 10_000_000, 100) / 3
    bars.loc[50:79, "volume"] = 0
    computed = features_of(bars)
    assert computed["average_volume_20"][69:80].tolist() == [0] * 11
    assert computed["relative_volume"][70:81].isna().all()


def test_a_symbol_whose_close_never_changed_is_not_oversold() -> None:
    """No rise and no fall: 100 × up / (up + down) has no value. A 0 would be found by every `rsi_14 < 30`."""
    assert features_of(quiet_bars(40))["rsi_14"].isna().all()


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_an_expression_may_be_asked_for_by_itself_and_within_another(order: tuple[int, int]) -> None:
    close = np.arange(1.0, 9.0)
    block = lay_out(1, np.arange(8), np.arange(8, dtype=np.int32), {"close": close})
    texts = {1: "ta.prev(close, 1)", 2: "ta.prev(ta.prev(close, 1), 1)"}
    values = {bars: catalogue.feature(texts[bars]).compute(block) for bars in order}
    for bars in order:
        np.testing.assert_array_equal(values[bars], [np.nan] * bars + close[:-bars].tolist())
