"""The market on a session: what its row says, from the features of the symbols that passed and a few ETFs' closes."""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from scan_pipeline import schema
from scan_pipeline.features import market_context
from scan_pipeline.features.market_context import COLUMNS, ETF_BARS, MIN_SYMBOLS, READS, SYMBOLS

MON = date(2025, 6, 2)
#: A symbol on an ordinary day: up a little, in the middle of everything.
ORDINARY = {
    "change_pct": 1.0, "close": 10.0, "high": 11.0, "low": 9.0, "volume": 1000.0, "high_52w_before": 20.0,
    "low_52w_before": 5.0, "sma_20": 9.0, "sma_50": 9.0, "sma_200": 9.0, "roc_20": 1.0, "roc_60": 2.0,
    "historical_volatility_20": 30.0, "historical_volatility_100": 30.0,
}  # fmt: skip
Rows = list[dict[str, Any]]


def symbols(count: int, session: date = MON, **values: float | None) -> Rows:
    """So many ordinary symbols, but for these values; their names are those of no others of the test."""
    name = f"{sorted(values.items())}"
    return [{"session": session, "symbol": f"{name} {n}", **ORDINARY, **values} for n in range(count)]


def closes(symbol: str, values: list[float | None], as_of: date = MON) -> Rows:
    """An ETF's closes on consecutive days up to the as-of one; None: it did not trade."""
    days = [as_of - timedelta(days=back) for back in reversed(range(len(values)))]
    return [
        {"as_of": as_of, "session": day, "symbol": symbol, "close": value}
        for day, value in zip(days, values, strict=True)
        if value is not None
    ]


def contexts(features: Rows, etfs: Rows | None = None) -> list[dict[str, Any]]:
    """The rows that the select gives, by column, oldest session first."""
    with duckdb.connect(config={"threads": 1, "ieee_floating_point_ops": False}) as connection:
        columns = ", ".join(f"{name} DOUBLE" for name in sorted(READS))
        connection.execute(f"create table f (session DATE, symbol VARCHAR, {columns})")
        connection.execute("create table c (as_of DATE, session DATE, symbol VARCHAR, close DOUBLE)")
        for table, rows in (("f", features), ("c", etfs or [])):
            if rows:
                connection.register("given", pd.DataFrame(rows))
                connection.execute(f"insert into {table} by name select * from given")
                connection.unregister("given")
        found = connection.execute(market_context.select("f", "c")).fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def context(features: Rows, etfs: Rows | None = None) -> dict[str, Any]:
    [row] = contexts(features, etfs)
    return row


# Breadth


def test_breadth_is_counted_over_the_symbols_that_have_a_value() -> None:
    row = context(
        symbols(12)
        + symbols(6, change_pct=-2.0, volume=500.0)
        + symbols(2, change_pct=0.0, volume=9e9)
        + symbols(3, change_pct=None)
    )
    assert row["session"] == MON
    assert (row["symbols"], row["advancers"], row["decliners"], row["unchanged"]) == (23, 12, 6, 2)
    assert row["up_volume_share"] == 80  # 12,000 of 15,000 shares; what did not move is left out


def test_new_highs_and_lows_go_beyond_the_year_before_them() -> None:
    row = context(
        symbols(20) + symbols(3, high=20.01) + symbols(4, high=20.0) + symbols(2, low=4.99) + symbols(5, low=5.0)
    )
    assert (row["new_highs_52w"], row["new_lows_52w"]) == (3, 2)


def test_shares_above_averages_are_percents_of_the_symbols_that_have_the_average() -> None:
    row = context(
        symbols(15, sma_20=9.99, sma_50=10.0)
        + symbols(10, sma_20=12.0, sma_50=9.0)
        + symbols(15, sma_20=None, sma_50=None, sma_200=None)
    )
    assert (row["share_above_sma_20"], row["share_above_sma_50"], row["share_above_sma_200"]) == (60, 40, 100)


BREADTH = [
    ("change_pct", ["advancers", "decliners", "unchanged", "up_volume_share"]),
    ("volume", ["up_volume_share"]),
    ("high_52w_before", ["new_highs_52w"]),
    ("low_52w_before", ["new_lows_52w"]),
    ("sma_20", ["share_above_sma_20"]),
    ("sma_50", ["share_above_sma_50", "trend"]),
    ("sma_200", ["share_above_sma_200"]),
    ("roc_20", ["equal_weight_return_20"]),
    ("roc_60", ["equal_weight_return_60", "trend"]),
    ("historical_volatility_20", ["volatility_ratio", "volatility_regime"]),
    ("historical_volatility_100", ["volatility_ratio", "volatility_regime"]),
]


@pytest.mark.parametrize(("feature", "columns"), BREADTH)
def test_what_too_few_symbols_have_is_unknown_and_nothing_else_is(feature: str, columns: list[str]) -> None:
    whole = context(symbols(MIN_SYMBOLS + 5))
    enough = context(symbols(MIN_SYMBOLS) + symbols(5, **{feature: None}))
    too_few = context(symbols(MIN_SYMBOLS - 1) + symbols(6, **{feature: None}))
    etfs = [name for name in COLUMNS if any(name.startswith(one.lower()) for one in SYMBOLS)]
    assert {name for name, value in whole.items() if value is None} == set(etfs)
    assert {name for name, value in enough.items() if value is None} == set(etfs)
    assert {name for name, value in too_few.items() if value is None} == {*etfs, *columns}


def test_a_day_without_volume_has_no_share_of_it() -> None:
    assert context(symbols(30, volume=0.0))["up_volume_share"] is None
    assert context(symbols(30, change_pct=0.0))["up_volume_share"] is None


# Trend and volatility


@pytest.mark.parametrize(
    ("return_60", "above_of_100", "trend"),
    [
        (3.0, 55, "up"),
        (2.99, 55, "sideways"),
        (3.0, 54, "sideways"),
        (-3.0, 45, "down"),
        (-2.99, 45, "sideways"),
        (-3.0, 46, "sideways"),
        (9.0, 20, "sideways"),
        (0.0, 50, "sideways"),
    ],
)
def test_the_trend_needs_the_return_and_the_share_above_the_average(
    return_60: float, above_of_100: int, trend: str
) -> None:
    row = context(symbols(above_of_100, roc_60=return_60) + symbols(100 - above_of_100, roc_60=return_60, sma_50=10.5))
    assert (row["trend"], row["equal_weight_return_60"]) == (trend, pytest.approx(return_60))


def test_returns_are_means_over_symbols() -> None:
    row = context(symbols(10, roc_20=-4.0, roc_60=1.0) + symbols(30, roc_20=8.0, roc_60=5.0) + symbols(1, roc_20=None))
    assert (row["equal_weight_return_20"], row["equal_weight_return_60"]) == (5, pytest.approx((10 + 150 + 2) / 41))


@pytest.mark.parametrize(
    ("now", "regime"), [(23.9, "calm"), (24.0, "normal"), (30.0, "normal"), (37.5, "normal"), (37.6, "turbulent")]
)
def test_the_regime_compares_the_median_volatility_of_20_bars_with_that_of_100(now: float, regime: str) -> None:
    wild = symbols(5, historical_volatility_20=900.0) + symbols(5, historical_volatility_20=0.0)
    row = context(symbols(21, historical_volatility_20=now) + wild)
    assert (row["volatility_ratio"], row["volatility_regime"]) == (now / 30, regime)


def test_the_descriptions_of_the_columns_give_the_thresholds_that_are_used() -> None:
    said = {column.name: column.description for column in schema.MARKET_CONTEXT.columns}
    up, share = market_context.TREND_RETURN_PCT, market_context.TREND_SHARE_PCT
    assert f"equal_weight_return_60 of {up:g} or more and share_above_sma_50 of {share:g} or more" in said["trend"]
    assert f"{-up:g} or less and {100 - share:g} or less" in said["trend"]
    assert f"below {market_context.CALM_BELOW:g}" in said["volatility_regime"]
    assert f"above {market_context.TURBULENT_ABOVE:g}" in said["volatility_regime"]
    assert f"fewer than {MIN_SYMBOLS} symbols" in schema.MARKET_CONTEXT.description


# ETFs


def test_a_ratio_of_etfs_is_that_of_the_closes_and_its_change_over_20_sessions() -> None:
    steady: list[float | None] = [100.0] * 21
    row = context(symbols(1), closes("SPY", steady) + closes("QQQ", [50.0, *[55.0] * 19, 60.0]))
    assert row["qqq_spy"] == 0.6
    assert row["qqq_spy_change_20_pct"] == pytest.approx(20)
    assert row["iwm_spy"] is None  # IWM is not held


def test_a_change_needs_21_sessions_on_which_both_traded() -> None:
    spy = closes("SPY", [100.0] * 21)
    short = context(symbols(1), spy + closes("QQQ", [50.0] * 20))
    assert (short["qqq_spy"], short["qqq_spy_change_20_pct"]) == (0.5, None)
    gap = context(symbols(1), closes("SPY", [100.0] * 22) + closes("QQQ", [50.0, *[55.0] * 9, None, *[60.0] * 11]))
    assert gap["qqq_spy_change_20_pct"] == pytest.approx(20)


def test_an_etf_that_did_not_trade_on_the_session_says_nothing_of_it() -> None:
    row = context(symbols(1), closes("SPY", [100.0] * 30) + closes("QQQ", [*[50.0] * 29, None]))
    assert (row["qqq_spy"], row["qqq_spy_change_20_pct"]) == (None, None)
    assert context(symbols(1), closes("VIXY", [*[50.0] * 29, None]))["vixy_trend"] is None


def test_the_trend_of_vixy_is_its_close_against_the_mean_of_20_closes() -> None:
    calm = [10.0] * 19
    assert context(symbols(1), closes("VIXY", [99.0, *calm, 20.0]))["vixy_trend"] == pytest.approx(
        100 * (20 / 10.5 - 1)
    )
    assert context(symbols(1), closes("VIXY", [*calm]))["vixy_trend"] is None


def test_a_session_without_symbols_has_its_ratios() -> None:
    row = context([], closes("SPY", [100.0]) + closes("QQQ", [50.0]))
    assert (row["symbols"], row["advancers"], row["trend"], row["qqq_spy"]) == (0, None, None, 0.5)


# Against pandas, and the same for a range as for its nights


def market(seed: int, days: int, count: int) -> tuple[Rows, Rows]:
    """A random market: every feature missing now and then, ETFs missing sessions."""
    random = np.random.default_rng(seed)
    sessions = [MON + timedelta(days=day) for day in range(days)]

    def value(scale: float) -> float | None:
        return None if random.random() < 0.1 else float(random.normal() * scale + random.choice([0, scale]))

    features = [
        {"session": session, "symbol": f"S{n}", **{name: value(ORDINARY[name]) for name in sorted(READS)}}
        for session in sessions
        for n in range(count)
        if random.random() < 0.95
    ]
    etfs = [
        {"as_of": as_of, "session": as_of - timedelta(days=back), "symbol": symbol, "close": random.uniform(1, 400)}
        for as_of in sessions
        for symbol in SYMBOLS
        for back in range(int(random.integers(0, 60)))
        if random.random() < 0.95
    ]
    random.shuffle(features)  # type: ignore[arg-type]
    random.shuffle(etfs)  # type: ignore[arg-type]
    return features, etfs


def by_pandas(features: Rows, etfs: Rows, session: date) -> dict[str, Any]:
    """The row, computed the long way."""
    today = pd.DataFrame([row for row in features if row["session"] == session], columns=["symbol", *sorted(READS)])
    today[sorted(READS)] = today[sorted(READS)].astype(float)

    def over(known: "pd.Series[Any]", value: Callable[[], Any]) -> Any:
        return value() if known.notna().sum() >= MIN_SYMBOLS else None

    change, volume = today["change_pct"], today["volume"]
    high = (today["high"] - today["high_52w_before"]).dropna()
    low = (today["low"] - today["low_52w_before"]).dropna()
    row = {
        "symbols": len(today),
        "advancers": over(change, lambda: (change > 0).sum()),
        "decliners": over(change, lambda: (change < 0).sum()),
        "unchanged": over(change, lambda: (change == 0).sum()),
        "new_highs_52w": over(high, lambda: (high > 0).sum()),
        "new_lows_52w": over(low, lambda: (low < 0).sum()),
        "up_volume_share": over(
            change * volume, lambda: 100 * volume[change > 0].sum() / volume[change.abs() > 0].sum()
        ),
        "equal_weight_return_20": over(today["roc_20"], today["roc_20"].mean),
        "equal_weight_return_60": over(today["roc_60"], today["roc_60"].mean),
    }
    for bars in (20, 50, 200):
        distance = (today["close"] - today[f"sma_{bars}"]).dropna()
        row[f"share_above_sma_{bars}"] = over(distance, lambda d=distance: 100 * (d > 0).mean())  # type: ignore[misc]
    now, usual = today["historical_volatility_20"], today["historical_volatility_100"]
    if now.notna().sum() >= MIN_SYMBOLS and usual.notna().sum() >= MIN_SYMBOLS:
        row["volatility_ratio"] = now.median() / usual.median()
    else:
        row["volatility_ratio"] = None
    held = pd.DataFrame([one for one in etfs if one["as_of"] == session], columns=["session", "symbol", "close"])
    table = held.pivot(index="session", columns="symbol", values="close").reindex(columns=list(SYMBOLS)).sort_index()
    for above, below in market_context.RATIOS:
        ratio = (table[above] / table[below]).dropna()
        is_current = len(ratio) > 0 and ratio.index[-1] == session
        name = f"{above}_{below}".lower()
        row[name] = ratio.iloc[-1] if is_current else None
        is_long = is_current and len(ratio) > ETF_BARS
        row[f"{name}_change_20_pct"] = 100 * (ratio.iloc[-1] / ratio.iloc[-1 - ETF_BARS] - 1) if is_long else None
    vixy = table["VIXY"].dropna()
    is_known = len(vixy) >= ETF_BARS and vixy.index[-1] == session
    row["vixy_trend"] = 100 * (vixy.iloc[-1] / vixy.iloc[-ETF_BARS:].mean() - 1) if is_known else None
    return row


@pytest.mark.parametrize("seed", range(3))
def test_every_number_is_what_pandas_makes_of_the_same_rows(seed: int) -> None:
    features, etfs = market(seed, days=4, count=40)
    for row in contexts(features, etfs):
        expected = by_pandas(features, etfs, row["session"])
        assert {name for name in expected if row[name] is None} == {n for n, value in expected.items() if value is None}
        known = {name: float(value) for name, value in expected.items() if value is not None}
        assert {name: row[name] for name in known} == pytest.approx(known, rel=1e-9)
        assert set(COLUMNS) == {*expected, "session", "trend", "volatility_regime"}


@hypothesis_settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(2, 8), st.integers(15, 60))
def test_a_range_gives_to_the_last_bit_what_its_nights_give_in_whatever_order_rows_come(
    seed: int, days: int, count: int
) -> None:
    features, etfs = market(seed, days, count)
    whole = contexts(features, etfs)
    assert all(one["session"] < other["session"] for one, other in pairwise(whole))
    for row in whole:
        night = contexts(
            sorted((one for one in features if one["session"] == row["session"]), key=lambda one: str(one["symbol"])),
            [one for one in etfs if one["as_of"] == row["session"]][::-1],
        )
        assert night == [row]
