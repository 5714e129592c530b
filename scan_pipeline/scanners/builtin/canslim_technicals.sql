-- title: CAN SLIM technicals
-- rank: rs_rating desc
-- limit: 50
-- param: min_rs_rating = 80
-- param: max_below_high_pct = 5
-- param: min_relative_volume = 1.4
-- source: William J. O'Neil, How to Make Money in Stocks (McGraw-Hill, 1988): N, S and L of CAN SLIM
-- What a chart can say of CAN SLIM: a leader (L) closing above the highs of ten weeks and near the year's (N), on at
-- least 40 % more volume than usual (S). Earnings (C, A) and holders (I) are not in bars; for the market (M), see
-- `market_context`. The strength needs 251 bars; with fewer there is no hit.
select session, symbol, rs_rating, relative_volume_50, distance_high_52w_pct, high_50_before, change_pct, close
from features
where rs_rating >= $min_rs_rating
    and close > high_50_before
    and close > sma_50 and sma_50 > sma_200
    and distance_high_52w_pct >= -$max_below_high_pct
    and relative_volume_50 >= $min_relative_volume
