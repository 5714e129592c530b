"""Who cheats is caught, with the hit and both values; who does not is not accused, and no built-in scanner is."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from scan_pipeline import checking_pipeline
from scan_pipeline.authoring_pipeline import AuthoringPipeline
from scan_pipeline.checking_pipeline import RESULT, Check, check
from scan_pipeline.errors import ScannerError, StoreError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.report.checking import advice, headline
from scan_pipeline.scanners.checking.comparing import HIT
from scan_pipeline.scanners.registry import BUILTIN_DIR
from scan_pipeline.store.cut_off import cut_off
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import copy_of, prepare

#: Three weeks, with splits in between.
FIRST, LAST = date(2025, 9, 22), date(2025, 10, 10)
SAMPLES, SYMBOLS = 4, 40
HEAD = "import pandas as pd\nfrom scan_pipeline import scanner, ta\n\n\n"

#: What looks ahead, and what means the same and does not: the decorator's arguments, and what is returned.
CHEATS = {
    "tomorrow": ("lookback=1", "bars.close.shift(-1) > bars.close * 1.01"),
    "mean_of_all": (
        "lookback=20",
        "pd.DataFrame({'times': bars.volume / bars.volume.mean()})[bars.volume > bars.volume.mean()]",
    ),
    "adjusted_by_a_later_split": (
        "lookback=20",
        "pd.DataFrame({'normal': bars.close / bars.close.iloc[-1]})[bars.close > bars.close.shift(1)]",
    ),
    "rank_over_all_sessions": ("lookback=60", "bars.close.rank(pct=True) > 0.8"),
    "week_that_is_not_over": (
        "lookback=20",
        "bars.close > 0.98 * bars.high.resample('W-FRI').max().reindex(bars.index, method='bfill')",
    ),
}
HONEST = {
    "yesterday": ("lookback=1", "bars.close > bars.close.shift(1) * 1.01"),
    "mean_of_twenty": (
        "lookback=19",
        "pd.DataFrame({'times': bars.volume / bars.volume.rolling(20).mean()})[bars.close > bars.open]",
    ),
    "adjusted_as_known": (
        "lookback=20",
        "pd.DataFrame({'normal': bars.close / bars.close.shift(20)})[bars.close > bars.close.shift(1)]",
    ),
    "rank_within_sixty": ("lookback=59", "bars.close.rolling(60).rank(pct=True) > 0.8"),
    "week_that_is_over": (
        "lookback=20",
        "bars.close > 0.98 * ta.weekly(bars).high.reindex(bars.index, method='ffill')",
    ),
}  # fmt: skip
TOO_SHORT = {
    "mean_of_fifty": ("lookback=20", "bars.close > 1.02 * bars.close.rolling(50, min_periods=1).mean()"),
    "exponential": ("lookback=30", "pd.DataFrame({'mean': bars.close.ewm(span=20).mean()})[bars.close > bars.open]"),
}
PLACE = (
    "    bars['change'] = bars.groupby('symbol').close.pct_change()\n"
    "    bars['place'] = {place}.rank(pct=True)\n"
    "    return bars[bars.place > 0.8][['session', 'symbol', 'place']]\n"
)
Checked = Callable[..., Check]


@pytest.fixture(scope="module")
def pipeline(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """The demo market, with three weeks screened."""
    pipeline = copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("checking") / "data")
    pipeline.settings.scanners_dir.mkdir(parents=True)
    return prepare(pipeline, pipeline.calendar.between(FIRST, LAST))


@pytest.fixture
def checked(pipeline: Pipeline) -> Checked:
    """`checked(name, text, suffix)`: what the check of such a file finds."""

    def run(name: str, text: str = "", suffix: str = "py") -> Check:
        path: Path = pipeline.settings.scanners_dir / f"{name}.{suffix}"
        if text:
            path.write_text(text)
        try:
            scanner = AuthoringPipeline(pipeline).get(name)
            return check(pipeline, scanner, pipeline.calendar.between(FIRST, LAST), SAMPLES, SYMBOLS)
        finally:
            path.unlink(missing_ok=True)

    return run


def by_symbol(name: str, arguments: str, returned: str) -> str:
    return f"{HEAD}@scanner({arguments})\ndef {name}(bars):\n    return {returned}\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_a_scanner_that_looks_ahead_is_caught_with_session_symbol_and_values(checked: Checked, name: str) -> None:
    found = checked(name, by_symbol(name, *CHEATS[name]))
    assert found.look_ahead
    assert not found.order
    for one in found.look_ahead:
        assert one.session in found.sampled
        assert one.symbol
        assert one.one != one.other
    assert "LOOK-AHEAD" in headline(found)
    assert "shift(-1)" in advice(found)[0]


def test_the_column_that_moved_is_shown_where_the_hits_are_the_same(checked: Checked) -> None:
    name = "adjusted_by_a_later_split"
    found = checked(name, by_symbol(name, *CHEATS[name]))
    assert {one.column for one in found.look_ahead} == {"normal"}
    assert all(one.other == 1.0 for one in found.look_ahead), "without later bars, the last close is the session's own"


@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
def test_a_scanner_that_does_not_is_not_accused(checked: Checked, name: str) -> None:
    found = checked(name, by_symbol(name, *HONEST[name]))
    assert found.is_clean, (found.look_ahead, found.order, found.history)
    assert found.hits > 0
    assert found.history_sessions
    assert f"no look-ahead found in {SAMPLES} sessions" in headline(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", TOO_SHORT)
def test_a_lookback_that_is_too_short_is_said(checked: Checked, name: str) -> None:
    found = checked(name, by_symbol(name, *TOO_SHORT[name]))
    assert not found.look_ahead
    assert not found.order
    assert found.history
    assert f"lookback={found.declared} is too short" in advice(found)[0]


@pytest.mark.slow
def test_a_rank_over_all_sessions_of_the_universe_is_caught_by_its_history(checked: Checked) -> None:
    declared = f"{HEAD}@scanner(lookback=20, scope='universe')\ndef place(bars):\n"
    cheating = checked("place_of_all", declared + PLACE.format(place="bars.change"))
    assert not cheating.is_clean
    honest = checked("place_of_session", declared + PLACE.format(place="bars.groupby('session').change"))
    assert honest.is_clean, (honest.look_ahead, honest.history)
    assert honest.hits > 0


def test_what_is_kept_between_calls_is_caught(checked: Checked) -> None:
    text = (
        f"{HEAD}SEEN = []\n\n@scanner(lookback=1)\ndef memory(bars):\n    SEEN.append(bars.close.iloc[-1])\n"
        "    return bars.close > sum(SEEN) / len(SEEN)\n"
    )
    found = checked("memory", text)
    assert found.order
    assert "STATE OR CHANCE" in headline(found)
    assert "Keep nothing between calls" in advice(found)[0]


def test_a_scanner_that_needs_later_bars_to_run_at_all_is_caught(checked: Checked) -> None:
    text = by_symbol("needy", "lookback=5", "bars.close > bars.close.loc['2025-10-09']")
    found = checked("needy", text)
    assert RESULT in {one.column for one in found.look_ahead}
    assert any("KeyError" in str(one.other) for one in found.look_ahead)


def test_a_scanner_that_fails_everywhere_is_an_error(checked: Checked) -> None:
    with pytest.raises(ScannerError, match="ZeroDivisionError"):
        checked("hopeless", by_symbol("hopeless", "lookback=1", "1 / 0"))
    with pytest.raises(ScannerError, match="rank"):
        checked("misranked", "-- rank: nothing desc\nselect session, symbol from features", "sql")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in BUILTIN_DIR.glob("*.sql")))
def test_no_builtin_scanner_is_accused(checked: Checked, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(checking_pipeline, "HISTORY_SAMPLES", 1)
    found = checked(name)
    assert found.is_clean, (found.look_ahead, found.history)
    assert len(found.sampled) == SAMPLES


def test_sql_over_all_bars_depends_on_how_many_there_are(checked: Checked) -> None:
    text = (
        "select session, symbol, mean from features join (select symbol, avg(close) as mean from bars group by symbol) "
        "using (symbol) where close > mean"
    )
    found = checked("all_bars", text, "sql")
    assert not found.look_ahead
    assert {one.column for one in found.history} <= {"mean", HIT}
    assert found.history
    assert "rows of `bars`" in advice(found)[0]


def test_sql_over_the_last_bars_does_not(checked: Checked) -> None:
    text = (
        "with placed as (select symbol, close, row_number() over (partition by symbol order by session desc) as place "
        "from bars), means as (select symbol, avg(close) as mean from placed where place <= 10 group by symbol) "
        "select session, symbol, mean from features join means using (symbol) where features.close > mean"
    )
    found = checked("last_bars", text, "sql")
    assert found.is_clean, (found.look_ahead, found.history)
    assert found.hits > 0


def test_sql_by_a_level_that_depends_on_where_history_begins_is_said(checked: Checked) -> None:
    found = checked("level", "select session, symbol, obv from features where obv > 0", "sql")
    assert "obv" in {one.column for one in found.history}


def test_nothing_later_can_be_read_through_a_store_that_ends(pipeline: Pipeline) -> None:
    session = date(2025, 9, 30)
    store = cut_off(pipeline.store, session, ["SPY"])
    with store.read() as connection:
        for table, column in (
            ("price_bars", "session"), ("splits", "known_on"), ("universe", "session"),
            ("ingested_sessions", "session"), ("prefiltered_symbols", "session"),
        ):  # fmt: skip
            ((last,),) = connection.execute(f"select max({column}) from {table}").fetchall()
            assert last is None or last <= session, table
        passed = connection.execute("select distinct symbol from prefiltered_symbols where passed").fetchall()
        assert passed in ([], [("SPY",)])
    with pytest.raises(StoreError, match="can only be read"):
        store.write()
    with pipeline.store.read() as connection:
        ((last,),) = connection.execute("select max(session) from price_bars").fetchall()
    assert last > session
