"""Bars that tests of indicators make up: walks as markets make them, and the blocks that hold them."""

from collections.abc import Mapping, Sequence

import numpy as np

from scan_pipeline.features.bars import BENCHMARK, BarBlock, lay_out
from scan_pipeline.features.indicator import AS_INPUT, SCALES, Indicator

COLUMNS = ("open", "high", "low", "close", "volume")
Bars = Mapping[str, np.ndarray]


def walk(seed: int, bars: int) -> dict[str, np.ndarray]:
    """One symbol's bars: calm or wild, with the jumps of fat tails; with a benchmark beside it."""
    random = np.random.default_rng(seed)
    daily = random.choice([0.002, 0.01, 0.03, 0.06])
    steps = random.standard_t(4, bars) * daily
    close = random.choice([0.8, 50, 3000]) * np.exp(np.cumsum(steps - steps.mean()))
    open_ = np.concatenate([close[:1], close[:-1]]) * np.exp(random.normal(0, daily, bars))
    return {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(np.abs(random.normal(0, daily, bars))),
        "low": np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, daily, bars))),
        "close": close,
        "volume": np.floor(1e6 * np.exp(random.normal(0, 0.6, bars))),
        BENCHMARK: 200 * np.exp(np.cumsum(random.normal(0, 0.008, bars))),
    }


def block_of(*symbols: Bars) -> BarBlock:
    """The bars of these symbols, which begin on the same session."""
    sessions = np.arange(max(len(bars["close"]) for bars in symbols))
    cells = [number * len(sessions) + bar for number, bars in enumerate(symbols) for bar in range(len(bars["close"]))]
    columns = {name: np.concatenate([bars[name] for bars in symbols]) for name in symbols[0]}
    return lay_out(len(symbols), sessions, np.array(cells, dtype=np.int32), columns)


def outputs(indicator: Indicator, block: BarBlock, **parameters: float) -> tuple[np.ndarray, ...]:
    """An indicator's outputs with its default inputs and parameters; what has no default column is made up."""
    made_up = {"periods": np.full(len(block.session), 10.0)}
    inputs = [block.columns.get(name, made_up.get(name, 0.9 * block["close"])) for name in indicator.inputs]
    return indicator.compute(block, *inputs, **{**indicator.parameters, **parameters})


def scale_of(unit: str, first_input: str) -> tuple[int, int] | None:
    """The powers of the price and of the number of shares in an output; None where nothing is promised."""
    scale = (0, 1) if first_input == "volume" else (0, 0) if first_input == BENCHMARK else (1, 0)
    if unit in (AS_INPUT, "slope"):
        return scale
    if unit == "square":
        return 2 * scale[0], 2 * scale[1]
    if unit == "product":
        return 2, 0
    if unit == "quotient":
        return 0, 0
    return {str(one): powers for one, powers in SCALES.items()}.get(unit)


def size_of(unit: str, first_input: str, bars: Bars) -> float:
    """What a millionth of is too little to matter: the highest price, the largest volume, or a hundred percent."""
    scale = scale_of(unit, first_input)
    if scale in (None, (0, 0)):
        return 100.0 if unit in ("percent", "0-100", "-100-100", "degrees", "bars") else 1.0
    assert scale is not None
    price, shares = scale
    return float(bars["high"].max() ** price * (bars["volume"].max() if shares > 0 else bars["volume"].min()) ** shares)


def tail(bars: Bars, count: int) -> dict[str, np.ndarray]:
    """The last bars."""
    return {name: values[-count:] for name, values in bars.items()}


def head(bars: Bars, count: int) -> dict[str, np.ndarray]:
    """The first bars."""
    return {name: values[:count] for name, values in bars.items()}


def same(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether all outputs are equal to the last bit, and unknown at the same bars."""
    return all(np.array_equal(*pair, equal_nan=True) for pair in zip(one, other, strict=True))
