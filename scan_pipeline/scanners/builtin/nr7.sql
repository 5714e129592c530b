-- title: NR7, narrowest range of seven days
-- rank: range_in_atr asc
-- limit: 50
-- param: max_range_in_atr = 0.5
-- param: min_natr_14 = 1
-- source: Toby Crabel, Day Trading with Short Term Price Patterns and Opening Range Breakout (1990); bounds are ours
-- A day whose range is narrower than that of each of the six before, and at most half of what is usual: quiet before a
-- move, whose direction is not told. Where the usual range is below 1 % of the price, an offer holds it: no rest.
-- `inside_bar` is 1 where the day also stayed within the range of the one before.
select session, symbol, (high - low) / atr_14 as range_in_atr, inside_bar, range_pct, distance_high_52w_pct, close
from features
where nr_7 = 1
    and high > low
    and natr_14 >= $min_natr_14
    and (high - low) / atr_14 <= $max_range_in_atr
