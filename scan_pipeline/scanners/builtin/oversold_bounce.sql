-- title: Oversold bounce
-- rank: rsi_14 asc
-- limit: 50
-- source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978): RSI below 30; the turn is ours
-- Still oversold by Wilder's 30, but the day turned: higher close, above the open, in the upper half of its range.
select session, symbol, rsi_14, change_pct, distance_low_52w_pct, relative_volume, close
from features
where rsi_14 < 30
    and change_pct > 0
    and close > open
    and close >= (high + low) / 2
