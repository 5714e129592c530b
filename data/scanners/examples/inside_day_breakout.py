"""An example of a scanner in Python: what SQL says badly, bars looked at one before the other.

Copy it into `data/scanners/`, and `scan-pipeline run` runs it.
"""

import pandas as pd

from scan_pipeline import scanner


@scanner(lookback=60, rank="volume_ratio desc", limit=50, title="Inside day breakout")
def inside_day_breakout(bars: pd.DataFrame, *, min_volume: float = 1.2, trend: int = 50) -> pd.DataFrame:
    """A close above the high of the day before, which had stayed within the range of its own day before; above the
    average of `trend` closes, on at least `min_volume` times the volume of the 20 days before.

    The inside day is that of Toby Crabel, Day Trading with Short Term Price Patterns, 1990.
    """
    day_before, two_before = bars.shift(1), bars.shift(2)
    inside = (day_before.high < two_before.high) & (day_before.low > two_before.low)
    volume_ratio = bars.volume / day_before.volume.rolling(20).mean()
    found = (
        inside
        & (bars.close > day_before.high)
        & (bars.close > bars.close.rolling(trend).mean())
        & (volume_ratio >= min_volume)
    )
    columns = {
        "close": bars.close,
        "change_pct": 100 * (bars.close / day_before.close - 1),
        "inside_day_high": day_before.high,
        "inside_day_low": day_before.low,
        "volume_ratio": volume_ratio,
    }
    return pd.DataFrame(columns)[found]
