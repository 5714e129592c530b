-- title: Distribution warning
-- rank: distribution_days desc, up_down_volume_50 asc
-- limit: 50
-- param: min_days = 6
-- param: max_below_high_pct = 10
-- source: William J. O'Neil, How to Make Money in Stocks (1988): distribution days of an index, here of a stock
-- Sold into while the price looks well: within 10 % of its high of 50 days, but the sixth day of 25 that closed more
-- than 1 % lower on more volume than the day before and than usual; today is one of them.
select session, symbol,
    ta.sum(ta.is_above(ta.prev(close, 1) * 0.99, close) * ta.is_above(volume, ta.prev(volume, 1))
        * ta.is_above(volume, average_volume_50), 25) as distribution_days,
    up_down_volume_50, change_pct, relative_volume, 100 * (close / ta.max(high, 50) - 1) as distance_high_50_pct, close
from features
where close < 0.99 * ta.prev(close, 1)
    and volume > ta.prev(volume, 1) and volume > average_volume_50
    and ta.sum(ta.is_above(ta.prev(close, 1) * 0.99, close) * ta.is_above(volume, ta.prev(volume, 1))
        * ta.is_above(volume, average_volume_50), 25) >= $min_days
    and close >= ta.max(high, 50) * (1 - $max_below_high_pct / 100)
