"""Computing features at some bars of a block, some series at a time: to the last bit what all at once gives."""

from dataclasses import replace

import numpy as np
import pytest

from scan_pipeline.features import catalogue
from scan_pipeline.features.bars import BENCHMARK, Split, adjust_for_splits
from scan_pipeline.features.expressions import parse
from scan_pipeline.sessions import Calendar
from scan_pipeline_tests.features.made_up import block_of, head, walk


@pytest.mark.parametrize("at_once", [1, 37, 150, 601, 10_000])
def test_values_do_not_depend_on_how_many_bars_are_computed_at_once(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    lengths = (150, 0, 1, 300, 0, 20, 300)
    symbols = [head(walk(seed, 300), length) for seed, length in enumerate(lengths)]
    splits = [Split(3, 250, 260, 1, 2), Split(6, 100, 270, 3, 1)]
    block = adjust_for_splits(block_of(*symbols), splits, 255)
    benchmark = np.arange(len(block.session)) + 100.0
    block = replace(
        block,
        days=calendar.days[1000:1300],
        following=calendar.days[1300],
        columns={**block.columns, BENCHMARK: benchmark},
    )
    features = (*catalogue.FEATURES, parse("weekly.sma(close, 3)"), parse("ta.beta(benchmark, close, 5)"))
    whole = replace(block, _memo={})
    bars = block.bars_as_of(np.broadcast_to(np.arange(300) >= 200, (len(symbols), 300)))
    assert len(bars) == 200  # of the two that have bars so late
    monkeypatch.setattr(catalogue, "BARS_AT_ONCE", at_once)
    computed = catalogue.compute(block, features, bars)
    assert list(computed) == [feature.name for feature in features]
    for feature in features:
        np.testing.assert_array_equal(computed[feature.name], feature.compute(whole)[bars], err_msg=feature.name)


def test_no_bars_have_no_values() -> None:
    block = block_of(walk(1, 30))
    computed = catalogue.compute(block, catalogue.CORE, np.empty(0, dtype=np.int64))
    assert {values.shape for values in computed.values()} == {(0,)}
