"""What an indicator is: a function of bars with parameters, as `ta.NAME(…)` calls it in SQL and in Python.

What belongs here: the type, and the units that values carry. What does not: the indicators themselves, which TA-Lib
has (`talib_functions.py`) or which are ours (`formulas.py`), and the language that calls them (`expressions.py`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from scan_pipeline.features.bars import Floats

#: What a value measures, and so how it changes with prices and with numbers of shares.
Unit = Literal[
    "dollars",  # of one share: scales with prices
    "dollars/bar",  # dollars a bar: a slope; scales with prices
    "dollars/day",  # dollars traded on a day: scales with prices and with shares
    "dollars²",  # a variance of prices: scales with their square
    "dollars/share",  # dollars for each share traded: scales with prices, and inversely with shares
    "shares",  # scales with numbers of shares
    "shares/bar",  # a slope of shares
    "shares²",  # a variance of shares
    "ratio",  # scales with neither, as all that follow
    "percent",
    "0-100",  # an oscillator or a place in a range
    "-100-100",  # an oscillator about zero, or a candle pattern
    "degrees",
    "bars",  # a number of bars, or a place among them
    "index",  # the level of something else, as the benchmark's close
    "flag",  # 1 or 0; -1 where it has a direction
    "number",  # the outcome of arithmetic to which no unit above applies
]

#: How a unit scales: the powers of the price and of the number of shares in it. `number` promises nothing.
SCALES: Mapping[Unit, tuple[int, int]] = {
    "dollars": (1, 0), "dollars/bar": (1, 0), "dollars/day": (1, 1), "dollars²": (2, 0), "dollars/share": (1, -1),
    "shares": (0, 1), "shares/bar": (0, 1), "shares²": (0, 2),
    "ratio": (0, 0), "percent": (0, 0), "0-100": (0, 0), "-100-100": (0, 0), "degrees": (0, 0), "bars": (0, 0),
    "index": (0, 0), "flag": (0, 0),
}  # fmt: skip

#: What a recursion may still know of where it began.
FORGOTTEN = 1e-7


def warm_up(*weights: float) -> int:
    """Bars until a recursion that keeps `weight` of its last value has forgotten where it began (1e-7).

    With several weights: recursions in a row, each on the values of the one before, as in a mean of a mean. What is
    left of the beginning moves from one to the next, and is gone when it has left the last.
    """
    if len(weights) == 1:
        return math.ceil(math.log(FORGOTTEN) / math.log(weights[0])) if weights[0] > 0 else 0
    left = [1.0] + [0.0] * (len(weights) - 1)
    bars = 0
    while weights and sum(left) >= FORGOTTEN:
        moved = 0.0
        for stage, weight in enumerate(weights):
            left[stage], moved = left[stage] * weight + moved, left[stage] * (1 - weight)
        bars += 1
    return bars


#: The unit of an output that has the unit of the indicator's first input.
AS_INPUT = "input"


@dataclass(frozen=True)
class Indicator:
    """A function of bars with parameters: what `ta.NAME(…)` calls.

    `name` is lower case, `title` one line for people; `source` says who defined it and who computes it ("TA-Lib RSI;
    Wilder 1978"). `inputs` are the columns that are given where a call names none. `parameters` are defaults by name,
    in order; whole numbers are ints. A call without `.output` gives the first of `outputs`; `units` are theirs, in
    order: `input` is that of the first input, and `slope` (a bar), `square`, `product` and `quotient` follow from the
    inputs' too. `lookback(**parameters)` is the number of bars before the as-of one
    that a value needs, the warm-up of a recursion included (`warm_up`). `compute(block, *inputs, **parameters)` gives
    one float64 array an output, over the whole block, NaN where unknown. A path-dependent one depends on where history
    begins, whatever the lookback (OBV): its differences mean something, its level does not.
    """

    name: str
    title: str
    source: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, float]
    outputs: tuple[str, ...]
    units: tuple[str, ...]
    lookback: Callable[..., int]
    compute: Callable[..., tuple[Floats, ...]]
    is_path_dependent: bool = False
