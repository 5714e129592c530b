"""The market on a session: breadth, trend, volatility, and a few ETFs against each other. One row a session.

What belongs here: what each column of `market_context` is computed from, and its thresholds; the columns themselves
are described in `schema.MARKET_CONTEXT`. What does not: reading the closes and keeping the rows
(`store/market_context.py`).

All of it is one select over the features of the symbols that passed the screen and the closes of a few ETFs. A session
depends on its own rows only, and sums run in the order of the symbols: a range gives to the last bit what its nights
give. What fewer than `MIN_SYMBOLS` symbols have is null, and so is a ratio of ETFs that did not trade.
"""

from scan_pipeline.schema import MARKET_CONTEXT

#: Fewer symbols than this say nothing of the market.
MIN_SYMBOLS = 20
#: `trend` is up from this `equal_weight_return_60` (percent) and `share_above_sma_50` (percent) on, and down from the
#: return below zero, and the share below 50, that lie as far on the other side.
TREND_RETURN_PCT = 3.0
TREND_SHARE_PCT = 55.0
#: `volatility_regime` is calm below this `volatility_ratio`, and turbulent above this.
CALM_BELOW = 0.8
TURBULENT_ABOVE = 1.25

#: The averages that closes are held against.
AVERAGES = (20, 50, 200)
#: Pairs of ETFs: the column is the ratio of their closes.
RATIOS = (("QQQ", "SPY"), ("HYG", "LQD"), ("SHY", "TLT"), ("IWM", "SPY"))
#: The ETF of short-term VIX futures: it rises with the volatility that is expected.
VOLATILITY_ETF = "VIXY"
#: The ETFs whose closes are read.
SYMBOLS = tuple(sorted({symbol for pair in RATIOS for symbol in pair} | {VOLATILITY_ETF}))
#: Sessions, and bars, over which ETFs are compared.
ETF_BARS = 20
#: Sessions before the as-of one whose closes are read: an ETF that misses more of them has too few bars.
ETF_SESSIONS = 80

#: Features that are read.
READS = frozenset(
    {
        "change_pct", "close", "high", "high_52w_before", "historical_volatility_20", "historical_volatility_100",
        "low", "low_52w_before", "roc_20", "roc_60", "volume", *(f"sma_{bars}" for bars in AVERAGES),
    }
)  # fmt: skip

#: Columns that `select` gives, in this order; the store adds the others.
COLUMNS = tuple(name for name in MARKET_CONTEXT.names if name not in ("data_version", "run_id"))


def select(features_table: str, closes_table: str) -> str:
    """SQL for `COLUMNS`: one row for each session of `features_table` and as-of session of `closes_table`.

    `features_table`: `session`, `symbol` and `READS`, doubles, null where unknown. `closes_table`: `as_of`, `session`,
    `symbol`, `close` of `SYMBOLS` on the last `ETF_SESSIONS` sessions before the as-of one and itself, split-adjusted
    as known on `as_of`.
    """
    shares = ", ".join(f"{_share(f'close > sma_{bars}')} as share_above_sma_{bars}" for bars in AVERAGES)
    ratios = [f"{above}_{below}".lower() for above, below in RATIOS]
    pairs = ", ".join(
        f"{_at_as_of(name)} as {name}, {_at_as_of(f'{name}_change')} as {name}_change_20_pct" for name in ratios
    )
    changes = ", ".join(_ratio(above, below) for above, below in RATIOS)
    return f"""
with breadth as (
    select session, count(*) as symbols,
        {_count("change_pct > 0")} as advancers,
        {_count("change_pct < 0")} as decliners,
        {_count("change_pct = 0")} as unchanged,
        {_count("high > high_52w_before")} as new_highs_52w,
        {_count("low < low_52w_before")} as new_lows_52w,
        {shares},
        {
        _if_enough(
            "change_pct + volume",
            f'''
            100 * {_sum("case when change_pct > 0 then volume else 0 end")}
            / nullif({_sum("case when change_pct <> 0 then volume else 0 end")}, 0)''',
        )
    } as up_volume_share,
        {_mean("roc_20")} as equal_weight_return_20,
        {_mean("roc_60")} as equal_weight_return_60,
        {_median("historical_volatility_20")} / nullif({_median("historical_volatility_100")}, 0) as volatility_ratio
    from {features_table} group by session
),
closes as (
    select as_of, session, {", ".join(f"max(close) filter (symbol = '{one}') as {one}" for one in SYMBOLS)}
    from {closes_table} group by as_of, session
),
compared as (
    select as_of, session, {changes},
        case when count({VOLATILITY_ETF}) over last_20 = {ETF_BARS}
            then 100 * ({VOLATILITY_ETF} / (list_sum(list({VOLATILITY_ETF}) over last_20) / {ETF_BARS}) - 1) end as vixy
    from closes
    window last_20 as (
        partition by as_of, {VOLATILITY_ETF} is null order by session rows between {
        ETF_BARS - 1
    } preceding and current row
    )
),
etfs as (
    select as_of as session, {pairs}, {_at_as_of("vixy")} as vixy_trend from compared group by as_of
)
select session, coalesce(symbols, 0)::INTEGER as symbols,
    {", ".join(f"{name}::INTEGER as {name}" for name in _COUNTS)}, {", ".join(_BREADTH)},
    case when equal_weight_return_60 is null or share_above_sma_50 is null then null
        when equal_weight_return_60 >= {TREND_RETURN_PCT} and share_above_sma_50 >= {TREND_SHARE_PCT} then 'up'
        when equal_weight_return_60 <= {-TREND_RETURN_PCT} and share_above_sma_50 <= {100 - TREND_SHARE_PCT} then 'down'
        else 'sideways' end as trend,
    volatility_ratio,
    case when volatility_ratio < {CALM_BELOW} then 'calm' when volatility_ratio > {TURBULENT_ABOVE} then 'turbulent'
        when volatility_ratio is not null then 'normal' end as volatility_regime,
    {", ".join(f"{name}, {name}_change_20_pct" for name in ratios)}, vixy_trend
from breadth full join etfs using (session) order by session
"""


_COUNTS = ("advancers", "decliners", "unchanged", "new_highs_52w", "new_lows_52w")
_BREADTH = (
    *(f"share_above_sma_{bars}" for bars in AVERAGES),
    "up_volume_share",
    "equal_weight_return_20",
    "equal_weight_return_60",
)


def _if_enough(value: str, expression: str) -> str:
    """The expression, where enough symbols have the value."""
    return f"case when count({value}) >= {MIN_SYMBOLS} then {expression} end"


def _count(condition: str) -> str:
    # A condition on what is unknown is null, and counts neither way.
    return _if_enough(condition, f"count(*) filter ({condition})")


def _share(condition: str) -> str:
    return _if_enough(condition, f"100 * count(*) filter ({condition}) / count({condition})")


def _sum(value: str) -> str:
    return f"sum({value} order by symbol)"


def _mean(value: str) -> str:
    return _if_enough(value, f"{_sum(value)} / count({value})")


def _median(value: str) -> str:
    return _if_enough(value, f"median({value})")


def _ratio(above: str, below: str) -> str:
    """The ratio of two closes, and its change against the one `ETF_BARS` sessions on which both traded before."""
    name, ratio = f"{above}_{below}".lower(), f"{above} / nullif({below}, 0)"
    before = f"lag({ratio}, {ETF_BARS}) over (partition by as_of, ({ratio}) is null order by session)"
    return f"{ratio} as {name}, 100 * ({ratio} / nullif({before}, 0) - 1) as {name}_change"


def _at_as_of(value: str) -> str:
    return f"max({value}) filter (session = as_of)"
