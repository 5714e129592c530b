-- title: First red day
-- rank: run_pct desc
-- limit: 50
-- param: min_green_days = 3
-- param: min_run_pct = 30
-- source: As commonly defined by short-term traders; no single author is known
-- After three green days or more, and a run of 30 % from the low of 20 days to the last close, the first day to close
-- below its open and below the close before: the first sign that buyers of a run are done.
select session, symbol, ta.prev(return_since_low_20_pct, 1) as run_pct, ta.prev(green_days, 1) as green_days_before,
    gap_pct, change_pct, relative_volume, close
from features
where ta.prev(green_days, 1) >= $min_green_days
    and ta.prev(return_since_low_20_pct, 1) >= $min_run_pct
    and close < open
    and change_pct < 0
