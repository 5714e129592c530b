"""What must hold for every feature on any market: of history, of units and of splits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import BENCHMARK, PRICE_COLUMNS, BarBlock, Split, adjust_for_splits, lay_out
from scan_pipeline.features.catalogue import CATALOGUE, CORE, FEATURES, Feature
from scan_pipeline.features.indicator import SCALES

Bars = Mapping[str, np.ndarray]
BAR_COLUMNS = (*PRICE_COLUMNS, "volume")
#: Weekdays, on all of which the market is open.
DAYS = np.busday_offset("2010-01-04", np.arange(3_000))
#: Those that do not depend on where history begins.
HISTORYLESS = [feature for feature in FEATURES if not feature.is_path_dependent]


@st.composite
def markets(draw: st.DrawFn, bars: int) -> Bars:
    """One symbol's bars, and the benchmark's closes: a walk in cents or in thousands, calm or wild, with jumps of up to
    twenty usual days.

    (What a recursion still knows of its beginning weighs 1e-7 of it. Where a larger jump is followed by a year of
    stillness, that shows in the fourth decimal of an RSI.)
    """
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    daily = draw(st.floats(0.001, 0.08))
    steps = random.standard_t(4, bars) * daily
    for bar in draw(st.lists(st.integers(0, bars - 1), max_size=4)):
        steps[bar] += min(daily, 0.05) * draw(st.floats(-20, 20))
    close = draw(st.floats(0.05, 5_000)) * np.exp(np.cumsum(steps - steps.mean()))
    open_ = np.concatenate([close[:1], close[:-1]]) * np.exp(random.normal(0, daily, bars))
    high = np.maximum(open_, close) * np.exp(np.abs(random.normal(0, daily, bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, daily, bars)))
    volume = np.floor(draw(st.floats(1e3, 1e8)) * np.exp(random.normal(0, 0.6, bars)))
    benchmark = 400 * np.exp(np.cumsum(random.normal(0, 0.01, bars)))
    prices = {"open": open_, "high": high, "low": low, "close": close}
    return {**prices, "volume": volume, BENCHMARK: benchmark, "day": DAYS[:bars]}


def block_of(bars: Bars, *splits: Split) -> BarBlock:
    """A symbol that trades on every session, as known on the last one."""
    sessions = np.arange(len(bars["close"]))
    block = lay_out(1, sessions, sessions.astype(np.int32), {name: bars[name].copy() for name in BAR_COLUMNS})
    return beside_benchmark(adjust_for_splits(block, splits, int(sessions[-1])), bars["day"], bars[BENCHMARK])


def beside_benchmark(block: BarBlock, days: np.ndarray, closes: np.ndarray) -> BarBlock:
    return replace(block, days=days, columns={**block.columns, BENCHMARK: closes[block.session]}, _memo={})


def features_of(bars: Bars, *splits: Split, of: Sequence[Feature] = FEATURES) -> pd.DataFrame:
    """Features at every bar, as known on the last one."""
    return pd.DataFrame(catalogue.compute(block_of(bars, *splits), of, np.arange(len(bars["close"]))))


def tolerance(feature: Feature, bars: Bars) -> float:
    """A millionth of the scale of the feature's unit: the highest price, the largest volume, or a hundred percent.

    (More for a mean over weeks, one of which may hold several of a market's jumps.)
    """
    price, shares = bars["high"].max(), bars["volume"].max()
    price_power, share_power = SCALES[feature.unit]
    scale = price**price_power * shares**share_power
    return (1e-5 if feature.name == "weekly_rsi_14" else 1e-6) * (
        100 if feature.unit in ("percent", "0-100", "-100-100") else scale
    )


def assert_close(values: np.ndarray, expected: np.ndarray, feature: Feature, bars: Bars) -> None:
    """Unknown at the same bars, and elsewhere equal within the tolerance."""
    near = np.isclose(values, expected, rtol=1e-9, atol=tolerance(feature, bars), equal_nan=True)
    wrong = np.flatnonzero(~near)[:3]
    assert wrong.size == 0, f"{feature.name} at {wrong}: {values[wrong].tolist()}, not {expected[wrong].tolist()}"


@given(st.data(), st.sampled_from(HISTORYLESS), st.integers(1, 400))
@hypothesis_settings(max_examples=250)
def test_once_the_lookback_is_there_more_history_changes_nothing(
    data: st.DataObject, feature: Feature, more: int
) -> None:
    needed = feature.lookback + 1
    bars = data.draw(markets(needed + more))
    enough = features_of({column: values[-needed:] for column, values in bars.items()}, of=[feature])
    expected = features_of(bars, of=[feature])[feature.name].iloc[-1]
    assert not np.isnan(expected)
    assert enough[feature.name].iloc[-1] == pytest.approx(expected, rel=0, abs=tolerance(feature, bars))


@pytest.mark.parametrize("name", [feature.name for feature in CORE])
def test_the_history_that_a_scan_reads_covers_the_lookback_and_missed_sessions(name: str) -> None:
    assert CATALOGUE[name].lookback + catalogue.ALLOWED_GAPS <= catalogue.HISTORY_SESSIONS
    if CATALOGUE[name] in catalogue.SCREEN_FEATURES and name != "bars_held":  # those before are counted, not read
        assert CATALOGUE[name].lookback + catalogue.ALLOWED_GAPS < catalogue.SCREEN_SESSIONS


@given(markets(300), st.floats(0.25, 100), st.floats(0.25, 100))
@hypothesis_settings(max_examples=25)
def test_dollars_scale_with_prices_and_shares_with_volumes_and_ratios_with_neither(
    bars: Bars, dearer: float, busier: float
) -> None:
    scaled = {**bars, **{name: bars[name] * dearer for name in PRICE_COLUMNS}, "volume": bars["volume"] * busier}
    before, after = features_of(bars), features_of(scaled)
    for feature in FEATURES:
        price_power, share_power = SCALES[feature.unit]
        expected = before[feature.name].to_numpy() * dearer**price_power * busier**share_power
        assert_close(after[feature.name].to_numpy(), expected, feature, scaled)


@given(
    markets(300),
    st.lists(st.tuples(st.integers(1, 299), st.sampled_from([(1, 2), (1, 7), (2, 3), (10, 1), (60, 1)])), max_size=3),
)
@hypothesis_settings(max_examples=25)
def test_a_split_changes_no_ratio_and_restates_dollars_and_shares(
    bars: Bars, splits: list[tuple[int, tuple[int, int]]]
) -> None:
    """The same market as it would have been traded with splits, read as known at its end."""
    as_traded = {name: values.copy() for name, values in bars.items()}
    price_factor = 1.0
    for ex, (old, new) in splits:
        price_factor *= old / new
        as_traded["volume"][ex:] *= new / old
        for name in PRICE_COLUMNS:
            as_traded[name][ex:] *= old / new
    whole = features_of(bars)
    split = features_of(as_traded, *(Split(0, ex, ex, old, new) for ex, (old, new) in splits))
    dearer = {name: bars[name] * price_factor for name in PRICE_COLUMNS}
    restated = {**bars, **dearer, "volume": bars["volume"] / price_factor}
    for feature in FEATURES:
        price_power, share_power = SCALES[feature.unit]
        expected = whole[feature.name].to_numpy() * price_factor ** (price_power - share_power)
        assert_close(split[feature.name].to_numpy(), expected, feature, restated)


@given(markets(300))
@hypothesis_settings(max_examples=10)
def test_a_feature_knows_nothing_of_later_bars(bars: Bars) -> None:
    whole = features_of(bars)
    for end in (1, 15, 21, 200, 253):
        until_then = features_of({name: values[:end] for name, values in bars.items()})
        pd.testing.assert_frame_equal(until_then, whole[:end], check_exact=True)


@given(st.lists(st.sampled_from([0, 1, 2, 21, 120]), min_size=2, max_size=5), st.data())
@hypothesis_settings(max_examples=20)
def test_a_symbols_features_do_not_depend_on_its_neighbours(lengths: list[int], data: st.DataObject) -> None:
    each = [data.draw(markets(length)) if length else dict.fromkeys(BAR_COLUMNS, np.empty(0)) for length in lengths]
    benchmark = data.draw(markets(120))[BENCHMARK]
    sessions = np.arange(120)
    cells = [symbol * len(sessions) + bar for symbol, length in enumerate(lengths) for bar in range(length)]
    together = {name: np.concatenate([bars[name] for bars in each]) for name in BAR_COLUMNS}
    block = lay_out(len(lengths), sessions, np.array(cells, dtype=np.int32), together)
    block = beside_benchmark(block, DAYS[: len(sessions)], benchmark)
    values = pd.DataFrame(catalogue.compute(block, FEATURES, np.arange(len(cells))))
    for low, high, bars in zip(block.offsets[:-1], block.offsets[1:], each, strict=True):
        if high > low:
            alone = values[low:high].reset_index(drop=True)
            bars = {**bars, BENCHMARK: benchmark[: high - low]}
            pd.testing.assert_frame_equal(alone, features_of(bars), check_exact=True)


def test_every_unit_says_how_it_scales() -> None:
    assert {feature.unit for feature in FEATURES} <= set(SCALES)
