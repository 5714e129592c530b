-- title: Drift after a gap
-- rank: gap_pct_then desc
-- limit: 50
-- param: min_gap_pct = 5
-- param: min_relative_volume = 2
-- source: After V. Bernard and J. Thomas, Post-Earnings-Announcement Drift, Journal of Accounting Research 27 (1989)
-- A week after news: five bars ago gapped up 5 % or more on at least twice its usual volume; since then no low filled
-- the gap, and today's close is above that day's. Bars do not tell earnings from other news.
select session, symbol, ta.prev(gap_pct, 5) as gap_pct_then, ta.prev(relative_volume, 5) as relative_volume_then,
    100 * (close / ta.prev(close, 5) - 1) as drift_pct, relative_volume, close
from features
where ta.prev(gap_pct, 5) >= $min_gap_pct
    and ta.prev(relative_volume, 5) >= $min_relative_volume
    and ta.min(low, 6) > ta.prev(close, 6)
    and close > ta.prev(close, 5)
