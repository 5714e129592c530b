-- title: Pullback to the rising 20-day average
-- rank: distance_sma_20_atr asc
-- limit: 50
-- source: As commonly defined by swing traders; no single author is known, the bounds are ours
-- Averages stacked upwards and ema_9 still rising; the low came within a quarter of an ATR of sma_20, the close held it.
select session, symbol, (close - sma_20) / atr_14 as distance_sma_20_atr, sma_20, sma_50, rsi_14, relative_volume, close
from features
where sma_20 > sma_50 and sma_50 > sma_200
    and ema_9_slope_5 > 0
    and low <= sma_20 + atr_14 / 4
    and close > sma_20
