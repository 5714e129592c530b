-- title: TTM squeeze fired
-- rank: abs(momentum_in_atr) desc
-- limit: 50
-- param: min_bars_on = 5
-- source: John F. Carter, Mastering the Trade (McGraw-Hill, 2005): Bollinger bands back outside of the Keltner channel
-- The Bollinger bands lay within the Keltner channel for at least five of the ten days before, and came out today: rest
-- gives way to a move. It goes up where the momentum is above zero, down where it is below.
select session, symbol, squeeze_momentum / atr_14 as momentum_in_atr, ta.prev(ta.sum(squeeze_on, 10), 1) as bars_on,
    bb_width_20_pct, change_pct, relative_volume, close
from features
where squeeze_fired = 1
    and ta.prev(ta.sum(squeeze_on, 10), 1) >= $min_bars_on
