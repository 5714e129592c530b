-- title: Tight range before breakout
-- rank: range_in_atr asc
-- limit: 50
-- source: As commonly defined; no single author is known, the bounds are ours
-- Within 3 % of its 20-bar high in an upward trend, on a day of half its usual range and less than its usual volume.
select session, symbol, true_range / atr_14 as range_in_atr, 100 * (close / high_20 - 1) as distance_high_20_pct,
    relative_volume, close
from features
where close >= 0.97 * high_20
    and sma_20 > sma_50
    and true_range <= 0.5 * atr_14
    and relative_volume < 1
