"""A trade planned by rules: where to enter, where to be out, what to aim at, and how many shares. Long and short.

Pure functions of an entry price, its average true range and what is traded of it; the rules are `rules.PlanRules`.
The entry is the close of the session: what a plan says holds for a fill near it. Prices are not rounded to ticks. The
last share of a position may be lost to rounding, never won.

The stop is as far from the entry as `stop_atr` average true ranges, but no nearer and no farther than the bounds in
percent of the entry. The number of shares is the largest for which the loss at the stop, the cost against the account,
and the cost against what is traded a day all stay within their bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from scan_pipeline.features.bars import Floats
from scan_pipeline.features.rules import PlanRules

Side = Literal["long", "short"]
#: How the names of each side's columns begin.
PREFIXES: Mapping[str, Side] = {"plan_": "long", "short_": "short"}
#: Features that a plan is made of.
READS = ("close", "atr_14", "dollar_volume_20")


@dataclass(frozen=True)
class Plan:
    """Prices are dollars a share; NaN where unknown."""

    entry: Floats
    stop: Floats
    target: Floats
    shares: Floats


def plan(
    entry: npt.ArrayLike, atr: npt.ArrayLike, dollar_volume: npt.ArrayLike, rules: PlanRules, side: Side = "long"
) -> Plan:
    """The plan for each entry.

    `entry` and `atr` are dollars a share, `dollar_volume` dollars a day. All of a plan is unknown where the entry or
    the range is, and its shares where the dollar volume is. A short target that would be no price (zero or less) is
    unknown too.
    """
    price, span = np.broadcast_arrays(np.asarray(entry, dtype=float), np.asarray(atr, dtype=float))
    price = np.where((price > 0) & (span >= 0), price, np.nan)
    risk = np.clip(rules.stop_atr * span, price * rules.min_stop_pct / 100, price * rules.max_stop_pct / 100)
    direction = 1 if side == "long" else -1
    target = price + direction * (rules.reward_risk * risk)
    cost = np.minimum(rules.account, np.asarray(dollar_volume, dtype=float) * rules.max_volume_share_pct / 100)
    with np.errstate(over="ignore"):  # at next to no price, there is no end of shares
        most = np.minimum(rules.account * rules.risk_pct / 100 / risk, cost / price)
    return Plan(
        entry=price,
        stop=price - direction * risk,
        target=np.where(target > 0, target, np.nan),
        shares=np.floor(np.maximum(most, 0)),
    )


def columns(features: Mapping[str, Floats], rules: PlanRules) -> dict[str, Floats]:
    """The plan's columns, long (`plan_…`) and short (`short_…`), for rows of the features that it `READS`."""
    found: dict[str, Floats] = {}
    entry, atr, dollar_volume = (features[name] for name in READS)
    for prefix, side in PREFIXES.items():
        made = plan(entry, atr, dollar_volume, rules, side)
        found |= {f"{prefix}{name}": getattr(made, name) for name in ("entry", "stop", "target", "shares")}
    return found
