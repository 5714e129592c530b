"""The screen: which symbols of the universe are worth scanning, and why the others are not.

Every symbol gets a row with the measured values and every rule's outcome. The rules, in the order in which a reason is
given: traded on the session, not on the deny list, enough bars, price, volume, market cap, and last the optional cap on
the number of symbols, by priority among those that pass all others.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
from msgspec.structs import asdict

from scan_pipeline.errors import SettingsError
from scan_pipeline.screening.limits import ScreenLimits

#: Each rule's column and the reason that a person reads, in order.
REASONS = {
    "ok_traded": "not traded that day",
    "ok_not_denied": "on the deny list",
    "ok_bars_held": "too few bars",
    "ok_price": "price outside the limits",
    "ok_average_volume": "too little volume",
    "ok_market_cap": "market cap too small",
    "ok_within_cap": "beyond the cap on symbols",
}


@dataclass(frozen=True)
class Funnel:
    """How many symbols are left after each rule of a session, by the rule's column and in order.

    `unknown_market_cap` of those that passed have no known market cap.
    """

    session: date
    universe: int
    remaining: dict[str, int]
    passed: int
    unknown_market_cap: int


@dataclass(frozen=True)
class Measured:
    """Measured values, one entry a symbol and session that has a bar: positions in `symbols`, sessions, and columns."""

    symbols: Sequence[str]
    symbol: npt.NDArray[np.int64]
    session: npt.NDArray[np.datetime64]
    values: Mapping[str, npt.NDArray[np.float64]]


def read_deny_list(path: Path) -> dict[str, str]:
    """Symbol to reason; empty where there is no file. Raises SettingsError that names the line."""
    if not path.exists():
        return {}
    denied = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            if not row or row[0].startswith("#") or row == ["symbol", "reason"]:
                continue
            if len(row) != 2 or not row[0].strip():
                raise SettingsError(
                    f"{path}, line {number}: expected `symbol,reason`, found '{','.join(row)}'. Mend it."
                )
            denied[row[0].strip()] = row[1].strip()
    return denied


def decide(
    connection: duckdb.DuckDBPyConnection,
    sessions: Sequence[date],
    measured: Measured,
    limits: ScreenLimits,
    denied: Mapping[str, str],
) -> list[Funnel]:
    """Replace the decisions of `sessions` for every symbol of their universe. Must run in a write transaction."""
    connection.register("measured_symbols", {"symbol": np.array(measured.symbols, dtype=object),
                                             "code": np.arange(len(measured.symbols))})  # fmt: skip
    day = measured.session.astype("datetime64[D]").astype(np.int32)
    connection.register("measured", {"code": measured.symbol, "day": day, **measured.values})
    connection.execute("create or replace temp table denied (symbol VARCHAR, deny_reason VARCHAR)")
    if denied:
        connection.executemany("insert into denied values (?, ?)", list(denied.items()))
    connection.execute("create or replace temp table screened (session DATE)")
    connection.executemany("insert into screened values (?)", [[session] for session in sessions])
    connection.execute("delete from prefiltered_symbols where session in (from screened)")
    given = {name: limit for name, limit in asdict(limits).items() if name != "priority"}
    # Without a cap there is nothing to rank.
    place = _PLACE.format(priority=limits.priority) if limits.max_symbols else "null::INTEGER"
    connection.execute(_DECIDE.format(place=place), given)
    for name in ("measured", "measured_symbols"):
        connection.unregister(name)
    funnels = connection.execute(_FUNNEL).fetchall()
    connection.execute("drop table denied; drop table screened")
    return [_funnel(row) for row in funnels]


_PASSED_BEFORE_CAP = (
    "ok_traded and ok_not_denied and ok_bars_held and ok_price and ok_average_volume and "
    "coalesce(ok_market_cap, $unknown_market_cap = 'pass')"
)

_PLACE = """
case when passed_before_cap then row_number() over (
    partition by session, passed_before_cap order by {priority} desc nulls last, symbol
) end
"""

_FIRST_REASON = " ".join(
    f"when not coalesce({rule}, $unknown_market_cap = 'pass') then '{reason}'" for rule, reason in REASONS.items()
)

_DECIDE = f"""
insert into prefiltered_symbols
with decided as (
    select universe.session, universe.symbol, close, average_volume_20, dollar_volume_20, market_cap,
        coalesce(bars_held, 0)::SMALLINT as bars_held,
        coalesce(volume > 0, false) as ok_traded,
        deny_reason is null as ok_not_denied,
        coalesce(bars_held >= $min_bars_held, false) as ok_bars_held,
        coalesce(close between $min_price and $max_price, false) as ok_price,
        coalesce(average_volume_20 >= $min_average_volume, false) as ok_average_volume,
        market_cap >= $min_market_cap as ok_market_cap,
        deny_reason
    from universe
        left join (
            select symbol, date '1970-01-01' + day as session, measured.*
            from measured join measured_symbols using (code)
        ) measured on measured.session = universe.session and measured.symbol = universe.symbol
        left join denied on denied.symbol = universe.symbol
    where universe.session in (from screened)
),
ranked as (
    select *, {_PASSED_BEFORE_CAP} as passed_before_cap,
        {{place}} as priority_rank
    from decided
),
judged as (select *, coalesce(priority_rank <= $max_symbols, true) as ok_within_cap from ranked)
select session, symbol, passed_before_cap and ok_within_cap as passed,
    case
        {_FIRST_REASON}
    end as reason,
    close, average_volume_20, dollar_volume_20, market_cap, bars_held, priority_rank,
    ok_traded, ok_not_denied, ok_bars_held, ok_price, ok_average_volume, ok_market_cap, ok_within_cap, deny_reason
from judged order by session, symbol
"""

_FUNNEL = f"""
select session, count(*) as universe, count(*) filter (passed) as passed,
    count(*) filter (passed and ok_market_cap is null) as unknown_market_cap,
    {", ".join(f"count(*) filter (reason = '{reason}')" for reason in REASONS.values())}
from prefiltered_symbols where session in (from screened) group by session order by session
"""


def _funnel(row: Sequence[Any]) -> Funnel:
    session, universe, passed, unknown, *stopped = row
    remaining, left = {}, universe
    for rule, count in zip(REASONS, stopped, strict=True):
        left -= count
        remaining[rule] = left
    return Funnel(session, universe, remaining, passed, unknown)
