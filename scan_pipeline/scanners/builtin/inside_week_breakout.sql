-- title: Inside week breakout
-- rank: relative_volume desc
-- limit: 50
-- param: min_relative_volume = 1
-- source: As commonly defined: the inside bar, on weekly bars; no single author is known
-- Last week stayed within the range of the week before; today closed above its high for the first time, on at least the
-- usual volume. Weeks are closed ones: on a Friday, last week is still the one before.
select session, symbol, relative_volume, ta.prev(weekly_high, 1) as inside_week_high,
    ta.prev(weekly_low, 1) as inside_week_low, change_pct, distance_high_52w_pct, close
from features
where ta.prev(weekly_inside, 1) = 1
    and close > ta.prev(weekly_high, 1)
    and ta.prev(close, 1) <= ta.prev(weekly_high, 1)
    and relative_volume >= $min_relative_volume
