-- title: Gap and go
-- rank: gap_pct desc
-- limit: 50
-- source: As commonly defined by day traders; no single author is known, the bounds are ours
-- Opened 4 % or more above the last close on at least twice its usual volume, and closed above the open: buyers stayed.
select session, symbol, gap_pct, change_pct, relative_volume, close
from features
where gap_pct >= 4 and close > open and relative_volume >= 2
