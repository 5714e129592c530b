-- title: Volatility contraction
-- rank: depth_10_pct asc
-- limit: 50
-- param: max_share_of_last = 0.6
-- param: max_depth_pct = 8
-- param: max_below_high_pct = 8
-- param: min_natr_14 = 1
-- source: Mark Minervini, Trade Like a Stock Market Wizard (McGraw-Hill, 2013): the VCP; the windows in bars are ours
-- In an uptrend and near its high of 60 days, with ever smaller swings: from high to low, the last 10 days went less
-- than 0.6 of what the 20 before did, and these less than 0.6 of the 30 before them, while the volume dried up.
-- A usual range below 1 % of the price is no contraction: an offer for the company holds it.
select session, symbol, 100 * (1 - low_10 / high_10) as depth_10_pct,
    100 * (1 - ta.prev(low_20, 10) / ta.prev(high_20, 10)) as depth_20_before_pct,
    100 * (1 - ta.prev(ta.min(low, 30), 30) / ta.prev(ta.max(high, 30), 30)) as depth_30_before_pct,
    ta.sma(volume, 10) / average_volume_50 as volume_share, close
from features
where close > sma_50 and sma_50 > sma_200
    and close >= high_60 * (1 - $max_below_high_pct / 100)
    and 1 - low_10 / high_10 <= $max_share_of_last * (1 - ta.prev(low_20, 10) / ta.prev(high_20, 10))
    and 1 - ta.prev(low_20, 10) / ta.prev(high_20, 10)
        <= $max_share_of_last * (1 - ta.prev(ta.min(low, 30), 30) / ta.prev(ta.max(high, 30), 30))
    and 1 - low_10 / high_10 <= $max_depth_pct / 100
    and ta.sma(volume, 10) < average_volume_50
    and natr_14 >= $min_natr_14
