-- title: Strength leaders near highs
-- rank: rs_rating desc, distance_high_52w_pct desc
-- limit: 100
-- param: min_rs_rating = 90
-- param: max_below_high_pct = 5
-- source: William J. O'Neil, How to Make Money in Stocks (McGraw-Hill, 1988): leaders; the rating is computed our way
-- The strongest tenth of the market over a year, within 5 % of the year's high and in an uptrend: what leads, and is
-- ready to go on. The strength needs 251 bars, the year's high 252; with fewer there is no hit.
select session, symbol, rs_rating, distance_high_52w_pct, bars_since_high_52w, relative_volume, close
from features
where rs_rating >= $min_rs_rating
    and distance_high_52w_pct >= -$max_below_high_pct
    and close > sma_50 and sma_50 > sma_200
