"""Our own indicators, in numpy: what TA-Lib lacks."""

from scan_pipeline.features.indicator import Indicator

OWN: tuple[Indicator, ...] = ()
