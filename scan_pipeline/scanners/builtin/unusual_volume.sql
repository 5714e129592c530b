-- title: Unusual volume
-- rank: relative_volume desc
-- limit: 50
-- source: As commonly defined; no single author is known, the bound is ours
-- Three times its usual volume or more, up or down: something happened that the price may not have finished telling.
select session, symbol, relative_volume, volume, change_pct, true_range / atr_14 as range_in_atr, close
from features
where relative_volume >= 3
