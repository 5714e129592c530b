"""Trend: how straight the way is."""

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.ranges import window
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.indicators import ratio
from scan_pipeline.features.moving import moving_line


def _linreg_r2(block: BarBlock, real: Floats, timeperiod: int) -> tuple[Floats, ...]:
    xy, yy, xx = moving_line(block, real, timeperiod)
    return (ratio(xy * xy, xx * yy),)


INDICATORS = (
    Indicator(
        "linreg_r2", "r² of the least-squares line through the last n values: 1 where they lie on it",
        "numpy", ("close",), {"timeperiod": 20}, ("r2",), ("ratio",), window(least=2), _linreg_r2,
    ),
)  # fmt: skip
