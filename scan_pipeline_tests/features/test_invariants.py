"""What must hold for every feature on any market: of history, of units and of splits."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import PRICE_COLUMNS, Split, adjust_for_splits, lay_out
from scan_pipeline.features.catalogue import CATALOGUE, CORE, Feature

#: Powers of the price and of the number of shares that a unit has.
POWERS = {
    "dollars": (1, 0), "dollars/bar": (1, 0), "dollars/day": (1, 1), "shares": (0, 1),
    "ratio": (0, 0), "percent": (0, 0), "0-100": (0, 0), "bars": (0, 0),
}  # fmt: skip

Bars = Mapping[str, np.ndarray]
BAR_COLUMNS = (*PRICE_COLUMNS, "volume")


@st.composite
def markets(draw: st.DrawFn, bars: int) -> Bars:
    """One symbol's bars: a walk in cents or in thousands, calm or wild, with jumps of up to twenty usual days.

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
    return {"open": open_, "high": high, "low": low, "close": close, "volume": volume}


def features_of(bars: Bars, *splits: Split) -> pd.DataFrame:
    """Every feature at every bar, as known on the last one."""
    sessions = np.arange(len(bars["close"]))
    block = lay_out(1, sessions, sessions.astype(np.int32), dict(bars))
    block = adjust_for_splits(block, splits, int(sessions[-1]))
    return pd.DataFrame(catalogue.compute(block, CORE, sessions))


def tolerance(feature: Feature, bars: Bars) -> float:
    """A millionth of the scale of the feature's unit: the highest price, the largest volume, or a hundred percent."""
    price, shares = bars["high"].max(), bars["volume"].max()
    price_power, share_power = POWERS[feature.unit]
    scale = price**price_power * shares**share_power
    return 1e-6 * (100 if feature.unit in ("percent", "0-100") else scale)


def assert_close(values: pd.Series, expected: pd.Series, feature: Feature, bars: Bars) -> None:
    """Unknown at the same bars, and elsewhere equal within the tolerance."""
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=tolerance(feature, bars), err_msg=feature.name)


@given(st.data(), st.sampled_from(CORE), st.integers(1, 400))
@hypothesis_settings(max_examples=150)
def test_once_the_lookback_is_there_more_history_changes_nothing(
    data: st.DataObject, feature: Feature, more: int
) -> None:
    needed = feature.lookback + 1
    bars = data.draw(markets(needed + more))
    enough = features_of({column: values[-needed:] for column, values in bars.items()})
    expected = features_of(bars)[feature.name].iloc[-1]
    assert not np.isnan(expected)
    assert enough[feature.name].iloc[-1] == pytest.approx(expected, rel=0, abs=tolerance(feature, bars))


@pytest.mark.parametrize("name", [feature.name for feature in CORE])
def test_the_history_that_a_scan_reads_covers_the_lookback_and_missed_sessions(name: str) -> None:
    assert CATALOGUE[name].lookback + catalogue.ALLOWED_GAPS <= catalogue.HISTORY_SESSIONS
    if CATALOGUE[name] in catalogue.SCREEN_FEATURES and name != "bars_held":  # those before are counted, not read
        assert CATALOGUE[name].lookback + catalogue.ALLOWED_GAPS < catalogue.SCREEN_SESSIONS


@given(markets(300), st.floats(0.01, 100), st.floats(0.01, 100))
@hypothesis_settings(max_examples=40)
def test_dollars_scale_with_prices_and_shares_with_volumes_and_ratios_with_neither(
    bars: Bars, dearer: float, busier: float
) -> None:
    scaled = {name: bars[name] * dearer for name in PRICE_COLUMNS} | {"volume": bars["volume"] * busier}
    before, after = features_of(bars), features_of(scaled)
    for feature in CORE:
        price_power, share_power = POWERS[feature.unit]
        expected = before[feature.name] * dearer**price_power * busier**share_power
        assert_close(after[feature.name], expected, feature, scaled)


@given(
    markets(300),
    st.lists(st.tuples(st.integers(1, 299), st.sampled_from([(1, 2), (1, 7), (2, 3), (10, 1), (60, 1)])), max_size=3),
)
@hypothesis_settings(max_examples=40)
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
    restated = {name: bars[name] * price_factor for name in PRICE_COLUMNS} | {"volume": bars["volume"] / price_factor}
    for feature in CORE:
        price_power, share_power = POWERS[feature.unit]
        expected = whole[feature.name] * price_factor ** (price_power - share_power)
        assert_close(split[feature.name], expected, feature, restated)


@given(markets(300))
@hypothesis_settings(max_examples=20)
def test_a_feature_knows_nothing_of_later_bars(bars: Bars) -> None:
    whole = features_of(bars)
    for end in (1, 15, 21, 200, 253):
        until_then = features_of({name: values[:end] for name, values in bars.items()})
        pd.testing.assert_frame_equal(until_then, whole[:end], check_exact=True)


@given(st.lists(st.sampled_from([0, 1, 2, 21, 120]), min_size=2, max_size=5), st.data())
@hypothesis_settings(max_examples=30)
def test_a_symbols_features_do_not_depend_on_its_neighbours(lengths: list[int], data: st.DataObject) -> None:
    each = [data.draw(markets(length)) if length else dict.fromkeys(BAR_COLUMNS, np.empty(0)) for length in lengths]
    sessions = np.arange(120)
    cells = [symbol * len(sessions) + bar for symbol, length in enumerate(lengths) for bar in range(length)]
    together = {name: np.concatenate([bars[name] for bars in each]) for name in BAR_COLUMNS}
    block = lay_out(len(lengths), sessions, np.array(cells, dtype=np.int32), together)
    values = pd.DataFrame(catalogue.compute(block, CORE, np.arange(len(cells))))
    for low, high, bars in zip(block.offsets[:-1], block.offsets[1:], each, strict=True):
        if high > low:
            alone = values[low:high].reset_index(drop=True)
            pd.testing.assert_frame_equal(alone, features_of(bars), check_exact=True)


def test_every_unit_says_how_it_scales() -> None:
    assert {feature.unit for feature in CORE} <= set(POWERS)
