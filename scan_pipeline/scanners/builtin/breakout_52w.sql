-- title: 52-week breakout on volume
-- rank: relative_volume desc
-- limit: 50
-- source: As commonly defined; no single author is known, the bounds are ours
-- Made its highest high of 252 bars, closed in the upper quarter of the day's range, on 1.5 times its usual volume.
select session, symbol, high_52w, distance_high_52w_pct, change_pct, relative_volume, close
from features
where high >= high_52w
    and close > open
    and close >= high - (high - low) / 4
    and relative_volume >= 1.5
