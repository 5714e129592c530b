-- title: Unusual dollar volume of small companies
-- rank: times_usual desc
-- limit: 50
-- param: max_market_cap = 2e9
-- param: max_usual_dollar_volume = 2e7
-- param: min_times_usual = 5
-- param: min_dollar_volume = 1e7
-- source: As commonly defined: small caps are those below 2 billion dollars; the bounds of volume are ours
-- A small company that traded five times its usual dollars or more, and enough of them to get in and out. Where the
-- market capitalisation is unknown, `market_cap` is null, and small means usually less than 20 million dollars a day.
select session, symbol, dollar_volume / ta.prev(dollar_volume_20, 1) as times_usual, dollar_volume, market_cap,
    change_pct, gap_pct, close
from features join universe using (session, symbol)
where dollar_volume >= $min_times_usual * ta.prev(dollar_volume_20, 1)
    and dollar_volume >= $min_dollar_volume
    and coalesce(market_cap < $max_market_cap, ta.prev(dollar_volume_20, 1) < $max_usual_dollar_volume)
