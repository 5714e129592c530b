-- title: High tight flag
-- rank: pole_pct desc
-- limit: 50
-- param: min_pole_pct = 90
-- param: max_depth_pct = 25
-- param: min_flag_bars = 5
-- param: max_flag_bars = 25
-- source: William J. O'Neil, How to Make Money in Stocks (1988); T. Bulkowski, Encyclopedia of Chart Patterns: 90 %
-- The price about doubled within 60 bars (the pole), and for one to five weeks since its high gave back no more than a
-- quarter (the flag). Its high is the highest of 200 bars, so that no recovery from a fall is one. Rare; buyers wait for
-- a close above it.
select session, symbol, 100 * (high_60 / ta.min(low, 60) - 1) as pole_pct, high_60 as flag_high,
    ta.low_since_high(high, low, 60) as flag_low, ta.bars_since_high(high, 60) as flag_bars, relative_volume, close
from features
where high_60 >= ta.max(high, 200)
    and high_60 >= ta.min(low, 60) * (1 + $min_pole_pct / 100)
    and ta.low_since_high(high, low, 60) >= high_60 * (1 - $max_depth_pct / 100)
    and ta.bars_since_high(high, 60) between $min_flag_bars and $max_flag_bars
