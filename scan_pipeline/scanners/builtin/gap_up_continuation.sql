-- title: Gap up continuation
-- rank: gap_yesterday_pct desc
-- limit: 50
-- param: min_gap_pct = 4
-- param: min_relative_volume = 2
-- source: As commonly defined by momentum traders: the second day of a gap that holds
-- Yesterday opened 4 % or more above the close before, on at least twice its usual volume, and closed above its open;
-- today closed above yesterday's high, and at no time came back to where yesterday opened.
select session, symbol, ta.prev(gap_pct, 1) as gap_yesterday_pct, change_pct, relative_volume, close
from features
where ta.prev(gap_pct, 1) >= $min_gap_pct
    and ta.prev(relative_volume, 1) >= $min_relative_volume
    and ta.prev(close, 1) > ta.prev(open, 1)
    and close > ta.prev(high, 1)
    and low > ta.prev(open, 1)
