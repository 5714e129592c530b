"""All indicators that `ta.NAME(…)` calls: TA-Lib's and ours, by name.

Where both have a name, ours is meant: it says in its description how it differs.
"""

from collections.abc import Iterator, Mapping

from scan_pipeline.features import talib_functions
from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas import OWN
from scan_pipeline.features.formulas.stillness import unknown_while_still
from scan_pipeline.features.indicator import AS_INPUT, Indicator
from scan_pipeline.features.indicators import previous


def _previous_lookback(n: int) -> int:
    if n < 1:
        raise ValueError(f"n={n} is not a number of bars before this one: the least is 1")
    return n


def _previous(block: BarBlock, values: Floats, n: int) -> tuple[Floats, ...]:
    return (previous(block, values, n),)


_PREVIOUS = Indicator(
    name="prev",
    title="Value of n bars before",
    source="numpy",
    inputs=("close",),
    parameters={"n": 1},
    outputs=("prev",),
    units=(AS_INPUT,),
    lookback=_previous_lookback,
    compute=_previous,
)


class _Indicators(Mapping[str, Indicator]):
    """The table. TA-Lib is asked for one function at a time: describing all of them takes a while."""

    def __init__(self) -> None:
        self._own = {one.name: one for one in (_PREVIOUS, *OWN)}

    def __getitem__(self, name: str) -> Indicator:
        return self._own.get(name) or unknown_while_still(talib_functions.indicator(name))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._own, *talib_functions.names()}))

    def __len__(self) -> int:
        return len({*self._own, *talib_functions.names()})


INDICATORS: Mapping[str, Indicator] = _Indicators()
