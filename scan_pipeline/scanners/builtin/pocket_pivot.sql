-- title: Pocket pivot
-- rank: volume_over_down_volume desc
-- limit: 50
-- param: max_above_sma_10_pct = 5
-- source: Gil Morales and Chris Kacher, Trade Like an O'Neil Disciple (Wiley, 2010); the bound of 5 % is ours
-- A day up on more volume than any down day of the ten before, closing above the averages of 10, 50 and 200 days and
-- not far above the first: someone large is buying before the breakout that all can see.
select session, symbol,
    volume / ta.prev(ta.max(volume * ta.is_above(ta.prev(close, 1), close), 10), 1) as volume_over_down_volume,
    100 * (close / sma_10 - 1) as above_sma_10_pct, change_pct, relative_volume, close
from features
where close > ta.prev(close, 1)
    and ta.prev(ta.max(volume * ta.is_above(ta.prev(close, 1), close), 10), 1) > 0
    and volume > ta.prev(ta.max(volume * ta.is_above(ta.prev(close, 1), close), 10), 1)
    and close > sma_10
    and close <= sma_10 * (1 + $max_above_sma_10_pct / 100)
    and close > sma_50 and close > sma_200
