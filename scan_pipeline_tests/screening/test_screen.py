"""The screen: one row for every symbol of the universe, with the reason why it is not scanned."""

import math
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from scan_pipeline.errors import SettingsError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.screening.limits import ScreenLimits
from scan_pipeline.screening.screen import REASONS, Funnel, read_deny_list
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.desk import Row, bar, write_parquet

#: The screened session, and the number of bars that most symbols have by then.
SESSION = date(2015, 7, 15)
BARS = 25
#: Limits of the tests: the defaults, but for the bars, which a small market does not have.
LIMITS = ScreenLimits(min_bars_held=20)

#: symbol: (close, volume, market cap, bars held). What is not said is well within the limits.
MARKET: dict[str, tuple[float, float, float | None, int]] = {
    "GOOD": (50, 2e6, 1e9, BARS),
    "VOLUME_AT_LIMIT": (50, 1_000_000, 1e9, BARS),
    "VOLUME_BELOW": (50, 999_999.95, 1e9, BARS),
    "PRICE_AT_MIN": (1.00, 2e6, 1e9, BARS),
    "PRICE_BELOW_MIN": (0.9999, 2e6, 1e9, BARS),
    "PRICE_AT_MAX": (500.00, 2e6, 1e9, BARS),
    "PRICE_ABOVE_MAX": (500.0001, 2e6, 1e9, BARS),
    "CAP_AT_LIMIT": (50, 2e6, 500e6, BARS),
    "CAP_BELOW": (50, 2e6, 499_999_999, BARS),
    "CAP_UNKNOWN": (50, 2e6, None, BARS),
    "BARS_AT_LIMIT": (50, 2e6, 1e9, 20),
    "BARS_BELOW": (50, 2e6, 1e9, 19),
}
#: What is expected of them; None is a pass.
VERDICTS = {
    "GOOD": None,
    "VOLUME_AT_LIMIT": None,
    "VOLUME_BELOW": "too little volume",
    "PRICE_AT_MIN": None,
    "PRICE_BELOW_MIN": "price outside the limits",
    "PRICE_AT_MAX": None,
    "PRICE_ABOVE_MAX": "price outside the limits",
    "CAP_AT_LIMIT": None,
    "CAP_BELOW": "market cap too small",
    "CAP_UNKNOWN": None,
    "BARS_AT_LIMIT": None,
    "BARS_BELOW": "too few bars",
    "HALTED": "not traded that day",
    "NO_VOLUME": "not traded that day",
    "NEVER_TRADED": "not traded that day",
}


@pytest.fixture(scope="module")
def market(
    settings_at: SettingsFactory, calendar: Calendar, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], Pipeline]:
    """`market(data_dir)`: a pipeline that holds the small market and its universe, in this folder."""
    folder = tmp_path_factory.mktemp("market")
    last = calendar.index_at_or_after(SESSION)
    days = [str(day) for day in calendar.days[last - BARS + 1 : last + 1]]
    rows: list[Row] = []
    for symbol, (close, volume, _, held) in MARKET.items():
        rows += [flat(symbol, day, close, volume) for day in days[BARS - held :]]
    rows += [flat("HALTED", day, 50, 2e6) for day in days[:-1]]
    rows += [flat("NO_VOLUME", day, 50, 2e6 if day != days[-1] else 0) for day in days]
    (folder / "feed").mkdir()
    write_parquet(folder / "feed" / "bars.parquet", rows)
    caps = {symbol: cap for symbol, (_, _, cap, _) in MARKET.items() if cap}
    listed = "".join(f"{symbol},{cap},2015-01-02,\n" for symbol, cap in caps.items())
    (folder / "symbols.csv").write_text(
        f"symbol,market_cap,as_of,listed\n{listed}NEVER_TRADED,1000000000,2015-01-02,2015-01-02\n"
    )
    pipeline = Pipeline(settings_at(folder / "data", provider="files", files_path=folder / "feed"))
    list(pipeline.ingest([date.fromisoformat(day) for day in days], "test"))
    pipeline.build_universe([SESSION])

    def copy(data_dir: Path) -> Pipeline:
        shutil.copytree(folder / "data", data_dir)
        return Pipeline(settings_at(data_dir, provider="files", files_path=folder / "feed"))

    return copy


@pytest.fixture
def pipeline(market: Callable[[Path], Pipeline], tmp_path: Path) -> Pipeline:
    return market(tmp_path / "data")


def flat(symbol: str, day: str, close: float, volume: float) -> Row:
    return bar(symbol, day, open=close, high=close, low=close, close=close, volume=volume)


def screen(pipeline: Pipeline, **limits: Any) -> Funnel:
    [funnel] = pipeline.screen([SESSION], replace(LIMITS, **limits))
    return funnel


def decisions(pipeline: Pipeline, *columns: str) -> dict[str, Any]:
    """The columns by symbol; a single one as it is."""
    with pipeline.store.read() as connection:
        rows = connection.execute(
            f"select symbol, {', '.join(columns)} from prefiltered_symbols where session = ? order by symbol", [SESSION]
        ).fetchall()
    assert len({symbol for symbol, *_ in rows}) == len(rows)
    return {symbol: values[0] if len(values) == 1 else tuple(values) for symbol, *values in rows}


def reasons(pipeline: Pipeline) -> dict[str, str | None]:
    return decisions(pipeline, "reason")


def deny(pipeline: Pipeline, text: str) -> None:
    pipeline.settings.deny_list_path.write_text(text)


# Who passes, and why the others do not


def test_every_symbol_of_the_universe_gets_one_decision_and_the_reason(pipeline: Pipeline) -> None:
    screen(pipeline)
    assert reasons(pipeline) == dict(sorted(VERDICTS.items()))
    assert decisions(pipeline, "passed") == {symbol: reason is None for symbol, reason in sorted(VERDICTS.items())}


def test_the_default_limits_ask_for_60_bars_a_million_shares_and_1_to_500_dollars(pipeline: Pipeline) -> None:
    limits = pipeline.settings.screen
    assert (limits.min_bars_held, limits.min_average_volume, limits.min_price, limits.max_price) == (60, 1e6, 1, 500)
    [funnel] = pipeline.screen([SESSION], limits)
    assert funnel.passed == 0
    assert reasons(pipeline)["GOOD"] == "too few bars"


@pytest.mark.parametrize(
    ("limits", "changed"),
    [
        ({"min_average_volume": 999_999.9}, {"VOLUME_BELOW": None}),
        ({"min_average_volume": 1_000_001}, {"VOLUME_AT_LIMIT": "too little volume"}),
        ({"min_price": 0.9999}, {"PRICE_BELOW_MIN": None}),
        ({"min_price": 1.0001}, {"PRICE_AT_MIN": "price outside the limits"}),
        ({"max_price": 500.0001}, {"PRICE_ABOVE_MAX": None}),
        ({"max_price": 499.99}, {"PRICE_AT_MAX": "price outside the limits"}),
        ({"min_market_cap": 499_999_999}, {"CAP_BELOW": None}),
        ({"min_market_cap": 500_000_001}, {"CAP_AT_LIMIT": "market cap too small"}),
        ({"unknown_market_cap": "reject"}, {"CAP_UNKNOWN": "market cap too small"}),
        ({"min_bars_held": 21}, {"BARS_AT_LIMIT": "too few bars"}),
        ({"min_bars_held": 19}, {"BARS_BELOW": "too little volume"}),  # no mean of 20 bars without 20 bars
    ],
    ids=str,
)
def test_a_limit_changes_the_decisions_that_depend_on_it_and_no_other(
    pipeline: Pipeline, limits: dict[str, Any], changed: dict[str, str | None]
) -> None:
    screen(pipeline, **limits)
    assert reasons(pipeline) == dict(sorted((VERDICTS | changed).items()))


def test_measured_values_are_kept_with_the_decision(pipeline: Pipeline) -> None:
    screen(pipeline)
    measured = decisions(
        pipeline, "close", "average_volume_20", "dollar_volume_20", "market_cap", "bars_held", "priority_rank"
    )
    assert measured["GOOD"] == (50, 2e6, 100e6, 1e9, BARS, None)
    assert measured["BARS_BELOW"] == (50, None, None, 1e9, 19, None)
    assert measured["HALTED"] == (None, None, None, None, 0, None)
    assert measured["NEVER_TRADED"] == (None, None, None, 1e9, 0, None)


def test_each_rule_is_decided_on_its_own_and_the_first_one_failed_is_the_reason(pipeline: Pipeline) -> None:
    deny(pipeline, "symbol,reason\nHALTED,in court\nBARS_BELOW,in court\n")
    # Every symbol fails all rules from some rule on: the limits let none pass.
    screen(pipeline, min_price=400, max_price=450, min_average_volume=3e6, min_market_cap=2e9, min_bars_held=22)
    rules = [rule for rule in REASONS if rule != "ok_within_cap"]
    outcomes = decisions(pipeline, *rules, "reason")
    assert outcomes["HALTED"] == (False, False, False, False, False, None, "not traded that day")
    assert outcomes["BARS_BELOW"] == (True, False, False, False, False, False, "on the deny list")
    assert outcomes["BARS_AT_LIMIT"] == (True, True, False, False, False, False, "too few bars")
    assert outcomes["GOOD"] == (True, True, True, False, False, False, "price outside the limits")
    screen(pipeline, min_average_volume=3e6, min_market_cap=2e9, min_bars_held=22)
    assert decisions(pipeline, *rules, "reason")["GOOD"] == (True, True, True, True, False, False, "too little volume")
    screen(pipeline, min_market_cap=2e9, min_bars_held=22)
    assert decisions(pipeline, *rules, "reason")["GOOD"] == (
        True,
        True,
        True,
        True,
        True,
        False,
        "market cap too small",
    )


@pytest.mark.parametrize("policy", ["pass", "reject"])
def test_an_unknown_market_cap_is_flagged_as_unknown_whatever_becomes_of_it(pipeline: Pipeline, policy: str) -> None:
    funnel = screen(pipeline, unknown_market_cap=policy)
    assert decisions(pipeline, "passed", "ok_market_cap")["CAP_UNKNOWN"] == (policy == "pass", None)
    assert funnel.unknown_market_cap == (1 if policy == "pass" else 0)


def test_screening_again_replaces_the_decisions(pipeline: Pipeline) -> None:
    screen(pipeline)
    before = decisions(pipeline, "*")
    screen(pipeline, min_price=40)
    assert decisions(pipeline, "*") != before
    screen(pipeline)
    assert decisions(pipeline, "*") == before


def test_the_size_of_a_batch_changes_nothing(pipeline: Pipeline, settings_at: SettingsFactory) -> None:
    screen(pipeline)
    before = decisions(pipeline, "*")
    settings = pipeline.settings
    small = settings_at(settings.data_dir, provider="files", files_path=settings.files_path, batch_symbols=4)
    screen(Pipeline(small))
    assert decisions(pipeline, "*") == before


def test_a_symbol_back_from_a_long_halt_is_measured_over_its_last_20_bars(
    settings_at: SettingsFactory, calendar: Calendar, tmp_path: Path
) -> None:
    last = calendar.index_at_or_after(SESSION)
    days = [str(day) for day in calendar.days[last - 189 : last + 1]]
    (tmp_path / "feed").mkdir()
    write_parquet(tmp_path / "feed" / "bars.parquet", [flat("HALT", day, 50, 2e6) for day in days[:70] + days[-5:]])
    pipeline = Pipeline(settings_at(tmp_path / "data", provider="files", files_path=tmp_path / "feed"))
    list(pipeline.ingest([date.fromisoformat(day) for day in days[:70] + days[-5:]], "test"))
    pipeline.build_universe([SESSION])
    screen(pipeline)
    # The features of a scan of the same session know it.
    assert pipeline.explain("HALT", SESSION).features["average_volume_20"] == 2e6
    assert decisions(pipeline, "bars_held", "average_volume_20", "reason") == {"HALT": (75, 2e6, None)}


# The deny list


def test_a_denied_symbol_is_not_scanned_and_the_persons_own_reason_is_kept(pipeline: Pipeline) -> None:
    deny(pipeline, 'symbol,reason\n# funds\nGOOD,"merger, price is fixed"\nNOT_IN_THE_UNIVERSE,whatever\n\n')
    screen(pipeline)
    denied = {symbol: row for symbol, row in decisions(pipeline, "reason", "deny_reason").items() if row[1]}
    assert denied == {"GOOD": ("on the deny list", "merger, price is fixed")}
    assert "NOT_IN_THE_UNIVERSE" not in reasons(pipeline)


@pytest.mark.parametrize("line", ["GOOD", "GOOD,because,of,commas", ",no symbol", "  ,no symbol"])
def test_a_bad_line_of_the_deny_list_is_named_and_nothing_is_decided(pipeline: Pipeline, line: str) -> None:
    deny(pipeline, f"symbol,reason\nAAA,fine\n{line}\n")
    with pytest.raises(SettingsError) as error:
        screen(pipeline)
    path = pipeline.settings.deny_list_path
    assert str(error.value) == f"{path}, line 3: expected `symbol,reason`, found '{line}'. Mend it."
    assert decisions(pipeline, "reason") == {}


def test_without_a_deny_list_nothing_is_denied(tmp_path: Path) -> None:
    assert read_deny_list(tmp_path / "deny_list.csv") == {}


def test_a_deny_list_needs_no_header(tmp_path: Path) -> None:
    (tmp_path / "deny_list.csv").write_text("AAA,one\nBBB,another\n")
    assert read_deny_list(tmp_path / "deny_list.csv") == {"AAA": "one", "BBB": "another"}


def test_a_deny_list_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "deny_list.csv").write_text("AAA,one\nBBB,another\n", encoding="utf-8-sig")
    assert read_deny_list(tmp_path / "deny_list.csv") == {"AAA": "one", "BBB": "another"}


# The cap on the number of symbols


@pytest.fixture
def ranked(settings_at: SettingsFactory, calendar: Calendar, tmp_path: Path) -> Pipeline:
    """A market in which each priority ranks the symbols otherwise."""
    last = calendar.index_at_or_after(SESSION)
    days = [str(day) for day in calendar.days[last - 19 : last + 1]]
    market = {
        "A": (10, 9e6, 1e9),
        "B": (100, 2e6, 3e9),
        "C": (50, 3e6, 9e9),
        "D": (20, 7e6, None),
        "E": (20, 7e6, None),
    }
    (tmp_path / "feed").mkdir()
    write_parquet(
        tmp_path / "feed" / "bars.parquet",
        [flat(symbol, day, close, volume) for symbol, (close, volume, _) in market.items() for day in days]
        + [flat("THIN", day, 300, 10) for day in days],
    )
    caps = "".join(f"{symbol},{cap or ''},2015-01-02\n" for symbol, (_, _, cap) in market.items())
    (tmp_path / "symbols.csv").write_text("symbol,market_cap,as_of\n" + caps)
    pipeline = Pipeline(settings_at(tmp_path / "data", provider="files", files_path=tmp_path / "feed"))
    list(pipeline.ingest([date.fromisoformat(day) for day in days], "test"))
    pipeline.build_universe([SESSION])
    return pipeline


@pytest.mark.parametrize(
    ("priority", "order"),
    [
        ("dollar_volume_20", "BCDEA"),  # 200, 150, 140, 140 and 90 million dollars; equals by symbol
        ("average_volume_20", "ADECB"),
        ("market_cap", "CBADE"),  # the unknown last
    ],
)
def test_a_cap_keeps_the_first_by_priority(ranked: Pipeline, priority: str, order: str) -> None:
    for most in (1, 3, 5, 100):
        funnel = screen(ranked, max_symbols=most, priority=priority)
        ranks = decisions(ranked, "priority_rank")
        assert ranks == {"THIN": None} | {symbol: number for number, symbol in enumerate(order, start=1)}
        assert {symbol for symbol, passed in decisions(ranked, "passed").items() if passed} == set(order[:most])
        beyond = dict.fromkeys(order[most:], "beyond the cap on symbols")
        assert reasons(ranked) == dict.fromkeys(order) | beyond | {"THIN": "too little volume"}
        assert funnel.passed == min(most, 5)


def test_without_a_cap_all_that_pass_are_scanned_and_none_is_ranked(ranked: Pipeline) -> None:
    assert screen(ranked, max_symbols=0).passed == 5
    assert set(decisions(ranked, "priority_rank").values()) == {None}


# The funnel


def test_the_funnel_adds_up_to_the_universe_and_ends_with_those_that_passed(pipeline: Pipeline) -> None:
    deny(pipeline, "GOOD,a reason\n")
    funnel = screen(pipeline, max_symbols=4, priority="average_volume_20")
    stopped = Counter(reasons(pipeline).values())
    assert funnel.universe == len(VERDICTS) == sum(stopped.values())
    left = funnel.universe
    for rule, reason in REASONS.items():
        left -= stopped[reason]
        assert funnel.remaining[rule] == left
    assert list(funnel.remaining) == list(REASONS)
    assert left == funnel.passed == stopped[None] == 4


# The demo market, decided a second time by other means


#: Sessions with few bars, around splits that were known on time, a day early and a day late, and at the end.
DEMO_SESSIONS = [
    date.fromisoformat(day)
    for day in ("2024-03-28", "2024-12-20", "2025-05-16", "2025-05-19", "2025-08-05", "2025-08-18", "2025-09-30",
                "2025-10-01", "2025-10-27", "2025-12-31")
]  # fmt: skip


@pytest.fixture(scope="module")
def screened_demo(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pipeline, list[Funnel]]:
    data_dir = tmp_path_factory.mktemp("screened_demo")
    shutil.copytree(demo_pipeline.settings.data_dir, data_dir, dirs_exist_ok=True)
    pipeline = Pipeline(settings_at(data_dir, provider="files", files_path=demo_pipeline.settings.files_path))
    pipeline.build_universe(DEMO_SESSIONS)
    return pipeline, pipeline.screen(DEMO_SESSIONS, ScreenLimits(min_average_volume=300_000))


def frame(pipeline: Pipeline, sql: str) -> pd.DataFrame:
    with pipeline.store.read() as connection:
        return connection.execute(sql).df()


def decide_by_hand(bars: pd.DataFrame, splits: pd.DataFrame, universe: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """The measured values and the reason of every symbol of the session's universe, symbol by symbol."""
    held = dict(list(bars[bars.session <= day].sort_values("session").groupby("symbol")))
    known = dict(list(splits[(splits.ex_date <= day) & (splits.known_on <= day)].groupby("symbol")))
    rows = []
    for symbol, market_cap in universe.loc[universe.session == day, ["symbol", "market_cap"]].itertuples(index=False):
        own = held.get(symbol, bars.head(0))
        session, close, volume = own.session.to_numpy(), own.close.to_numpy(), own.volume.to_numpy()
        for split in known[symbol].itertuples() if symbol in known else ():
            factor = np.where(session < split.ex_date, split.split_to / split.split_from, 1)
            close, volume = close / factor, volume * factor
        traded = len(own) > 0 and session[-1] == day and volume[-1] > 0
        measured = traded and len(own) >= 20
        average = volume[-20:].mean() if measured else math.nan
        dollars = (close * volume)[-20:].mean() if measured else math.nan
        faults = {
            "not traded that day": not traded,
            "too few bars": len(own) < 60,
            "price outside the limits": not (traded and 1 <= close[-1] <= 500),
            "too little volume": not average >= 300_000,
            "market cap too small": market_cap < 500e6,
        }
        rows.append((symbol, average, dollars, next((reason for reason, holds in faults.items() if holds), "passed")))
    return pd.DataFrame(rows, columns=["symbol", "average", "dollars", "reason"]).set_index("symbol")


@pytest.mark.slow
def test_the_decisions_on_the_demo_market_are_those_of_a_loop_over_symbols(
    screened_demo: tuple[Pipeline, list[Funnel]],
) -> None:
    pipeline, funnels = screened_demo
    bars = frame(pipeline, "select session, symbol, close, volume from price_bars")
    splits = frame(pipeline, "select * from splits")
    universe = frame(pipeline, "select session, symbol, market_cap from universe")
    decided = frame(pipeline, "from prefiltered_symbols")
    seen: set[str] = set()
    for session, funnel in zip(DEMO_SESSIONS, funnels, strict=True):
        day = pd.Timestamp(session)
        wanted = decide_by_hand(bars, splits, universe, day)
        given = decided[decided.session == day].set_index("symbol")
        assert sorted(given.index) == sorted(wanted.index)
        given = given.loc[wanted.index]
        assert given.reason.fillna("passed").tolist() == wanted.reason.tolist()
        assert given.passed.tolist() == (wanted.reason == "passed").tolist()
        np.testing.assert_allclose(given.average_volume_20, wanted.average, rtol=1e-9)
        np.testing.assert_allclose(given.dollar_volume_20, wanted.dollars, rtol=1e-9)
        assert funnel.session == session
        assert funnel.universe == len(wanted)
        assert funnel.passed == int((wanted.reason == "passed").sum())
        seen.update(wanted.reason)
    # The market is one on which every rule matters.
    assert seen == {"passed", *REASONS.values()} - {"on the deny list", "beyond the cap on symbols"}


def test_volume_before_a_split_is_counted_in_new_shares_once_the_split_is_known(
    screened_demo: tuple[Pipeline, list[Funnel]],
) -> None:
    pipeline, _ = screened_demo
    bars = frame(pipeline, "select session, volume from price_bars where symbol = 'ZMJD' order by session")
    averages = frame(pipeline, "select session, average_volume_20 from prefiltered_symbols where symbol = 'ZMJD'")
    given = averages.set_index("session").average_volume_20
    [split] = frame(pipeline, "from splits where symbol = 'ZMJD'").itertuples()
    assert (split.split_to / split.split_from, str(split.ex_date.date()), str(split.known_on.date())) == (
        7.0,
        "2025-09-30",
        "2025-10-01",
    )
    # On its ex-date the split is not known yet: old shares and new ones are added as they are.
    unknown = bars[bars.session <= "2025-09-30"].volume.tail(20)
    assert given[pd.Timestamp("2025-09-30")] == pytest.approx(unknown.mean(), rel=1e-9)
    known = bars[bars.session <= "2025-10-01"].set_index("session").volume.tail(20)
    known[known.index < "2025-09-30"] *= 7
    assert given[pd.Timestamp("2025-10-01")] == pytest.approx(known.mean(), rel=1e-9)
