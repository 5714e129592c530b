-- title: Parabolic extension, day 1
-- rank: distance_ema_9_atr desc
-- limit: 50
-- param: min_green_days = 3
-- param: min_distance_atr = 2
-- param: min_run_pct = 25
-- param: min_relative_volume = 1.5
-- source: As momentum-fade traders commonly define D1 of a late-stage extension; no single author, the bounds are ours
-- The late stage of a run: the third green day in a row or later, at a new high of 50 days, stretched two ATRs and more
-- above the 9-day average and a quarter above its low of 20 days, on volume that rises and is far above the usual.
select session, symbol, distance_ema_9_atr, green_days, return_since_low_20_pct, relative_volume, change_pct, close
from features
where green_days >= $min_green_days
    and change_pct > 0
    and distance_ema_9_atr >= $min_distance_atr
    and return_since_low_20_pct >= $min_run_pct
    and high > high_50_before
    and volume > ta.prev(volume, 1)
    and relative_volume >= $min_relative_volume
