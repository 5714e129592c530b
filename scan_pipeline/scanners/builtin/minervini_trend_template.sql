-- title: Minervini trend template
-- rank: rs_rating desc
-- limit: 100
-- param: min_above_low_pct = 30
-- param: max_below_high_pct = 25
-- param: min_rs_rating = 70
-- source: Mark Minervini, Trade Like a Stock Market Wizard (McGraw-Hill, 2013): its eight criteria
-- An advance in its second stage: averages of 50, 150 and 200 days stacked below the price, the longest rising for a
-- month, well above the year's low, not far below its high, and stronger than most of the market.
-- The strength needs 251 bars, the year's high and low 252; with fewer there is no hit.
select session, symbol, rs_rating, distance_low_52w_pct, distance_high_52w_pct, sma_50, sma_150, sma_200, close
from features
where close > sma_150 and close > sma_200
    and sma_150 > sma_200
    and sma_200 > ta.prev(sma_200, 21)
    and sma_50 > sma_150 and sma_50 > sma_200
    and close > sma_50
    and distance_low_52w_pct >= $min_above_low_pct
    and distance_high_52w_pct >= -$max_below_high_pct
    and rs_rating >= $min_rs_rating
