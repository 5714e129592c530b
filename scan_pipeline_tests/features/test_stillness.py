"""A stock that is halted is neither oversold nor overbought: oscillators have nothing to say, and say so."""

from dataclasses import replace

import numpy as np
import pytest

from scan_pipeline.features.bars import BENCHMARK
from scan_pipeline.features.expressions import parse
from scan_pipeline_tests.features.made_up import COLUMNS, block_of, walk

#: Expressions, and the bars of stillness after which each falls silent.
OSCILLATORS = {
    "ta.rsi(close, 2)": 24,
    "ta.cmo(close, 2)": 24,
    "ta.stochrsi(close, 2, 5, 3, 0).fastk": 5,
    "ta.stochrsi(close, 2, 5, 3, 0).fastd": 5,
    "ta.stoch(high, low, close, 14, 3, 0, 3, 0).slowk": 14,
    "ta.stoch(high, low, close, 14, 3, 0, 3, 0).slowd": 14,
    "ta.stochf(high, low, close, 14, 3, 0).fastk": 14,
    "ta.willr(high, low, close, 14)": 14,
    "ta.cci(high, low, close, 20)": 20,
    "ta.mfi(high, low, close, volume, 14)": 14,
}
DIRECTIONAL = [f"ta.{name}(high, low, close, 14)" for name in ("adx", "adxr", "dx", "plus_di", "minus_di")]
HALT, RESUMED, END = 150, 230, 300


def halted() -> dict[str, np.ndarray]:
    """Bars that move, stand still, and move again."""
    bars = walk(1, END)
    for name in ("open", "high", "low", "close"):
        bars[name][HALT:RESUMED] = 20.1
    return bars


@pytest.mark.parametrize("expression", OSCILLATORS)
def test_an_oscillator_is_unknown_while_prices_stand_still_and_known_before_and_after(expression: str) -> None:
    values = parse(expression).compute(block_of(halted()))
    still = OSCILLATORS[expression]
    assert np.isnan(values[HALT + still : RESUMED]).all()
    assert not np.isnan(values[40:HALT]).any()
    assert not np.isnan(values[RESUMED + 20 :]).any()


@pytest.mark.parametrize("expression", [*OSCILLATORS, *DIRECTIONAL])
def test_an_oscillator_of_a_price_that_never_moved_is_unknown(expression: str) -> None:
    still = {name: np.full(END, 20.1) for name in COLUMNS} | {BENCHMARK: np.full(END, 400.0)}
    # A neighbour that moves has no part in it.
    values = parse(expression).compute(block_of(walk(2, END), still))
    assert not np.isnan(values[60:END]).any()
    assert np.isnan(values[END:]).all()


def test_weeks_stand_still_too() -> None:
    days = np.busday_offset("2024-01-01", np.arange(END))
    block = replace(block_of({name: np.full(END, 20.1) for name in COLUMNS}), days=days)
    assert np.isnan(parse("weekly_rsi_14").compute(block)).all()


@pytest.mark.parametrize("pattern", ["cdlmarubozu", "cdlhammer", "cdlharami", "cdlengulfing"])
def test_a_price_that_stands_still_makes_no_candle_pattern(pattern: str) -> None:
    """The averages of bodies and shadows that TA-Lib carries along are 0 then, give or take a rest of rounding."""
    for seed in range(20):
        bars = walk(seed, END)
        for name in ("open", "high", "low", "close"):
            bars[name][HALT:RESUMED] = bars["close"][HALT]
        values = parse(f"ta.{pattern}()").compute(block_of(bars))
        assert (values[HALT + 11 : RESUMED] == 0).all()
