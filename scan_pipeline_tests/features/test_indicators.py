"""What must hold for every indicator that `ta.NAME(…)` calls: of history, of units, of splits, of neighbours, of few
bars; and what every one says of itself."""

from dataclasses import replace

import numpy as np
import pytest

from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.bars import BENCHMARK, PRICE_COLUMNS, Split, adjust_for_splits
from scan_pipeline.features.indicator import AS_INPUT, SCALES, Indicator
from scan_pipeline_tests.features.made_up import (
    COLUMNS,
    block_of,
    head,
    outputs,
    same,
    scale_of,
    size_of,
    tail,
    walk,
)

ALL = pytest.mark.parametrize("indicator", INDICATORS.values(), ids=lambda one: one.name)
DERIVED_UNITS = {AS_INPUT, "slope", "square", "product", "quotient", "number"}


@ALL
def test_an_indicator_says_what_it_is(indicator: Indicator) -> None:
    assert indicator.name == indicator.name.lower()
    assert indicator.title
    assert indicator.source
    assert indicator.outputs
    assert "\n" not in indicator.title
    assert len(indicator.units) == len(indicator.outputs)
    assert set(indicator.units) <= {*SCALES, *DERIVED_UNITS}
    assert indicator.lookback(**indicator.parameters) >= 0


@ALL
def test_once_the_lookback_is_there_more_history_changes_nothing(indicator: Indicator) -> None:
    """What depends on where history begins says so; everything else is known by then, and stays."""
    needed = indicator.lookback(**indicator.parameters) + 1
    for seed in range(8):
        bars = walk(seed, needed + 700)
        enough, more = (outputs(indicator, block_of(one)) for one in (tail(bars, needed), bars))
        for unit, few, all_of_them in zip(indicator.units, enough, more, strict=True):
            if indicator.is_path_dependent:
                continue
            if indicator.name not in ("acos", "asin"):  # of prices above 1 there are none
                assert np.isfinite(few[-1]) or not np.isfinite(all_of_them[-1])
            tolerance = 1e-6 * size_of(unit, indicator.inputs[0], bars)
            if indicator.name in ("cosh", "exp", "sinh"):
                continue  # of prices in the thousands
            np.testing.assert_allclose(few[-1], all_of_them[-1], rtol=1e-9, atol=tolerance, err_msg=f"seed {seed}")


@ALL
def test_a_value_knows_nothing_of_later_bars(indicator: Indicator) -> None:
    bars = walk(1, 400)
    whole = outputs(indicator, block_of(bars))
    for end in (1, 2, 15, 40, 133, 260, 399):
        assert same(outputs(indicator, block_of(head(bars, end))), [values[:end] for values in whole])


@ALL
def test_dollars_scale_with_prices_and_shares_with_volumes_and_ratios_with_neither(indicator: Indicator) -> None:
    """By powers of two, which change no digit: what scales does so to the last bit, and no threshold moves."""
    for seed, dearer, busier in ((2, 8.0, 1.0), (3, 0.25, 4.0), (4, 1.0, 0.5)):
        bars = walk(seed, 400)
        scaled = bars | {name: bars[name] * dearer for name in PRICE_COLUMNS} | {"volume": bars["volume"] * busier}
        before, after = outputs(indicator, block_of(bars)), outputs(indicator, block_of(scaled))
        for unit, one, other in zip(indicator.units, before, after, strict=True):
            scale = scale_of(unit, indicator.inputs[0])
            if scale is not None:
                size = size_of(unit, indicator.inputs[0], scaled)
                expected = one * dearer ** scale[0] * busier ** scale[1]
                np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-9 * size, err_msg=unit)


@ALL
def test_a_split_within_the_window_restates_dollars_and_shares_and_changes_no_ratio(indicator: Indicator) -> None:
    bars = walk(5, 400)
    as_traded = {name: values.copy() for name, values in bars.items()}
    for name in PRICE_COLUMNS:
        as_traded[name][300:] /= 4
    as_traded["volume"][300:] *= 4
    block = adjust_for_splits(block_of(as_traded), [Split(0, 300, 300, 1, 4)], 399)
    block = replace(block, columns={**block.columns, BENCHMARK: bars[BENCHMARK]})
    for unit, whole, split in zip(
        indicator.units, outputs(indicator, block_of(bars)), outputs(indicator, block), strict=True
    ):
        scale = scale_of(unit, indicator.inputs[0])
        if scale is not None:
            expected = whole * 4.0 ** (scale[1] - scale[0])
            size = size_of(unit, indicator.inputs[0], bars) * 4.0 ** (scale[1] - scale[0])
            np.testing.assert_allclose(split, expected, rtol=1e-9, atol=1e-9 * size, err_msg=unit)


@ALL
def test_a_symbol_does_not_depend_on_its_neighbours_nor_fails_for_want_of_bars(indicator: Indicator) -> None:
    lengths = (0, 1, 2, 3, 17, 120, 0, 119)
    symbols = [walk(seed, length) if length else head(walk(0, 1), 0) for seed, length in enumerate(lengths)]
    block = block_of(*symbols)
    together = outputs(indicator, block)
    for number, bars in enumerate(symbols):
        low, high = block.offsets[number], block.offsets[number + 1]
        if high > low:
            assert same(outputs(indicator, block_of(bars)), [values[low:high] for values in together])


@ALL
def test_every_output_is_one_number_a_bar_or_unknown_and_never_infinite(indicator: Indicator) -> None:
    """On prices that stand still, and without any volume, too; and the bars are left as they are."""
    still = {name: np.full(300, 20.0) for name in (*COLUMNS, "benchmark")} | {"volume": np.zeros(300)}
    moving = walk(6, 300)
    for bars in (still, moving, {name: np.where(np.arange(300) < 200, moving[name], still[name]) for name in still}):
        block = block_of(bars)
        for values in outputs(indicator, block):
            assert values.dtype == np.float64
            assert values.shape == (300,)
            assert not np.isinf(values).any()
        for name, values in bars.items():
            assert np.array_equal(block[name], values)
