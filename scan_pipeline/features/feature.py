"""What a feature is: one number per bar, with its name, formula, source, unit and lookback.

What belongs here: the type. What does not: which features there are (`catalogue.py`), and how one is made from an
expression (`expressions.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.indicator import Unit


@dataclass(frozen=True)
class Feature:
    """One number per bar.

    `lookback` is the number of bars before the as-of one that a value needs, warm-up included. One that
    `needs_benchmark` can only be computed on a block that was read with it. A path-dependent one depends on where
    history begins, whatever the lookback.
    """

    name: str
    formula: str
    source: str
    unit: Unit
    lookback: int
    _compute: Callable[[BarBlock], Floats]
    needs_benchmark: bool = False
    is_path_dependent: bool = False

    def compute(self, block: BarBlock) -> Floats:
        """The value at every bar of the block; NaN where unknown. Computed once a block."""
        return block.memo(self.name, lambda: self._compute(block))
