"""Our own indicators, in numpy: what TA-Lib lacks. One module a theme; a new one is an entry of its `INDICATORS`.

Numbers are formed as on paper: NaN until there are enough bars, a ratio to zero is NaN (unknown, not infinite), flags
are 1 or 0, and NaN where what they compare is unknown. Windows run over a series' own traded bars.
"""

from scan_pipeline.features.formulas import averages, benchmark, levels, trend, volatility, volume
from scan_pipeline.features.indicator import Indicator

OWN: tuple[Indicator, ...] = (
    *averages.INDICATORS,
    *trend.INDICATORS,
    *volatility.INDICATORS,
    *volume.INDICATORS,
    *levels.INDICATORS,
    *benchmark.INDICATORS,
)
