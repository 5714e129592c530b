-- title: 52-week low on volume
-- rank: relative_volume desc
-- limit: 50
-- param: min_relative_volume = 1.5
-- source: As commonly defined; breakout_52w upside down
-- Made its lowest low of 252 bars, closed below its open and in the lower quarter of the day's range, on 1.5 times its
-- usual volume: holders give up, or know something.
select session, symbol, low_52w, distance_low_52w_pct, change_pct, relative_volume, close
from features
where low <= low_52w
    and close < open
    and close <= low + (high - low) / 4
    and relative_volume >= $min_relative_volume
