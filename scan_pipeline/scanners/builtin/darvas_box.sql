-- title: Darvas box breakout
-- rank: relative_volume desc
-- limit: 50
-- param: min_box_bars = 4
-- param: max_box_bars = 59
-- param: max_depth_pct = 20
-- param: min_relative_volume = 1.2
-- source: Nicolas Darvas, How I Made $2,000,000 in the Stock Market (1960); the numbers are ours
-- A 52-week high that stood for at least three days is the top of a box; the lowest low since, not touched for three
-- days either, is its bottom, and where the stop belongs. Today closed above the top, on volume.
-- The year's high before today needs 253 bars; with fewer there is no hit.
select session, symbol, relative_volume, high_52w_before as box_top,
    ta.prev(ta.low_since_high(high, low, 60), 1) as box_bottom,
    ta.prev(bars_since_high_52w, 1) as box_bars, change_pct, close
from features
where close > high_52w_before
    and ta.prev(bars_since_high_52w, 1) between $min_box_bars and $max_box_bars
    and ta.prev(ta.min(low, 3), 1) > ta.prev(ta.low_since_high(high, low, 60), 1)
    and ta.prev(ta.low_since_high(high, low, 60), 1) >= high_52w_before * (1 - $max_depth_pct / 100)
    and relative_volume >= $min_relative_volume
