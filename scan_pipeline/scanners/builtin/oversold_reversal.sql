-- title: Oversold reversal in an uptrend
-- rank: rsi_2_yesterday asc
-- limit: 50
-- param: max_rsi_2 = 10
-- source: Larry Connors and Cesar Alvarez, Short Term Trading Strategies That Work (2008): RSI(2); the reversal is ours
-- Above its average of 200 days and oversold yesterday by the RSI of two days; today went below yesterday's low, found
-- buyers there, and closed above yesterday's close and in the upper half of its range.
select session, symbol, ta.prev(rsi_2, 1) as rsi_2_yesterday, change_pct, distance_sma_200_pct, relative_volume, close
from features
where close > sma_200
    and ta.prev(rsi_2, 1) < $max_rsi_2
    and low < ta.prev(low, 1)
    and close > ta.prev(close, 1)
    and close >= (high + low) / 2
