-- title: Gap down continuation
-- rank: gap_yesterday_pct asc
-- limit: 50
-- param: min_gap_pct = 4
-- param: min_relative_volume = 2
-- source: As commonly defined by momentum traders: the second day of a gap that holds; gap_up_continuation upside down
-- Yesterday opened 4 % or more below the close before, on at least twice its usual volume, and closed below its open;
-- today closed below yesterday's low, and at no time came back to where yesterday opened.
select session, symbol, ta.prev(gap_pct, 1) as gap_yesterday_pct, change_pct, relative_volume, close
from features
where ta.prev(gap_pct, 1) <= -$min_gap_pct
    and ta.prev(relative_volume, 1) >= $min_relative_volume
    and ta.prev(close, 1) < ta.prev(open, 1)
    and close < ta.prev(low, 1)
    and high < ta.prev(open, 1)
