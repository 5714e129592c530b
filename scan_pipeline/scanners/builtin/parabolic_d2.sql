-- title: Parabolic extension, day 2
-- rank: distance_yesterday_atr desc
-- limit: 50
-- param: min_green_days = 3
-- param: min_distance_atr = 2
-- param: min_run_pct = 25
-- param: min_relative_volume = 1.5
-- source: As momentum-fade traders commonly define D2: the day after D1; the bounds are those of parabolic_d1
-- The day after a late-stage extension, whatever it brought. `gap_pct` and `close_in_range` (0 at the low, 100 at the
-- high) tell whether it went on or gave up; most fades begin with a gap up that does not hold.
select session, symbol, ta.prev(distance_ema_9_atr, 1) as distance_yesterday_atr, gap_pct, change_pct,
    100 * (close - low) / (high - low) as close_in_range, close < open as is_red, relative_volume, close
from features
where ta.prev(green_days, 1) >= $min_green_days
    and ta.prev(change_pct, 1) > 0
    and ta.prev(distance_ema_9_atr, 1) >= $min_distance_atr
    and ta.prev(return_since_low_20_pct, 1) >= $min_run_pct
    and ta.prev(high, 1) > ta.prev(high_50_before, 1)
    and ta.prev(volume, 1) > ta.prev(volume, 2)
    and ta.prev(relative_volume, 1) >= $min_relative_volume
