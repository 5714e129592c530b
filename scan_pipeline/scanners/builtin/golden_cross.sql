-- title: Golden cross
-- rank: dollar_volume_20 desc
-- limit: 50
-- source: As commonly defined; no single author is known
-- The average of 50 days rose above the average of 200 days today: the trend of a quarter is now above that of a year.
-- It needs 201 bars; with fewer there is no hit.
select session, symbol, dollar_volume_20, sma_50, sma_200, distance_sma_200_pct, distance_high_52w_pct, close
from features
where sma_50 > sma_200
    and ta.prev(sma_50, 1) <= ta.prev(sma_200, 1)
