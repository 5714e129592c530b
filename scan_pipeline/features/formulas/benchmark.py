"""A symbol beside the benchmark, bar by bar: both closes are those of the sessions on which the symbol traded."""

import numpy as np

from scan_pipeline.features.bars import BarBlock, Floats
from scan_pipeline.features.formulas.ranges import window
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.indicators import previous, ratio
from scan_pipeline.features.moving import moving_comoments


def _return(block: BarBlock, close: Floats, bars: int = 1) -> Floats:
    return ratio(close, previous(block, close, bars)) - 1


def _beta(block: BarBlock, close: Floats, benchmark: Floats, timeperiod: int) -> tuple[Floats, ...]:
    market, together, own = moving_comoments(block, _return(block, benchmark), _return(block, close), timeperiod)
    return ratio(together, market), ratio(together, np.sqrt(market * own))


def _relative_strength(block: BarBlock, close: Floats, benchmark: Floats, timeperiod: int) -> tuple[Floats, ...]:
    own, market = _return(block, close, timeperiod), _return(block, benchmark, timeperiod)
    return (100 * (ratio(1 + own, 1 + market) - 1),)


INDICATORS = (
    Indicator(
        "benchmark_beta", "Of the returns of n bars and the benchmark's: covariance / variance of the benchmark's; "
        "and their correlation",
        "numpy", ("close", "benchmark"), {"timeperiod": 60}, ("beta", "correlation"), ("ratio", "ratio"),
        window(least=2, more=1), _beta,
    ),
    Indicator(
        "relative_strength", "100 × ((close / close n bars ago) / (benchmark / benchmark on that session) − 1)",
        "numpy", ("close", "benchmark"), {"timeperiod": 63}, ("percent",), ("percent",), window(more=1),
        _relative_strength,
    ),
)  # fmt: skip
