"""What a person may set of the score and of the trade plan: typed, with defaults and units.

This is the one definition: settings nest it (`SCAN_SCORE__TREND`, `SCAN_PLAN__RISK_PCT`), `cross_section.py` and
`trade_plan.py` apply it. It imports nothing of ours, so that settings can read it.
"""

import math
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict


class ScoreWeights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each component counts in `score`; only their ratios matter. Raises ValueError where none counts."""

    trend: Annotated[float, Meta(ge=0, description="Weight of `score_trend` in `score`; 0 leaves it out.")] = 25
    momentum: Annotated[float, Meta(ge=0, description="Weight of `score_momentum` in `score`; 0 leaves it out.")] = 20
    volume: Annotated[float, Meta(ge=0, description="Weight of `score_volume` in `score`; 0 leaves it out.")] = 15
    volatility: Annotated[
        float, Meta(ge=0, description="Weight of `score_volatility` in `score`; 0 leaves it out.")
    ] = 10
    breakout: Annotated[float, Meta(ge=0, description="Weight of `score_breakout` in `score`; 0 leaves it out.")] = 15
    relative_strength: Annotated[
        float, Meta(ge=0, description="Weight of `score_relative_strength` in `score`; 0 leaves it out.")
    ] = 15

    def __post_init__(self) -> None:
        _refuse_infinite(self)
        if not any(asdict(self).values()):
            raise ValueError("all weights are 0, one at least must count")


class PlanRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a trade is planned. Raises ValueError for rules that contradict each other."""

    account: Annotated[float, Meta(gt=0, description="The account, in dollars; no position costs more.")] = 100_000
    risk_pct: Annotated[
        float, Meta(gt=0, le=100, description="Percent of the account that is lost where the stop is hit.")
    ] = 1
    stop_atr: Annotated[float, Meta(gt=0, description="The stop's distance from the entry, in `atr_14`.")] = 2
    min_stop_pct: Annotated[
        float, Meta(gt=0, lt=100, description="The stop's distance, in percent of the entry, at least.")
    ] = 2
    max_stop_pct: Annotated[
        float, Meta(gt=0, lt=100, description="The stop's distance, in percent of the entry, at most.")
    ] = 10
    reward_risk: Annotated[float, Meta(gt=0, description="The target's distance, in those of the stop.")] = 2
    max_volume_share_pct: Annotated[
        float, Meta(gt=0, le=100, description="A position's cost, in percent of `dollar_volume_20`, at most.")
    ] = 1

    def __post_init__(self) -> None:
        _refuse_infinite(self)
        if self.min_stop_pct > self.max_stop_pct:
            raise ValueError(f"min_stop_pct {self.min_stop_pct:g} is above max_stop_pct {self.max_stop_pct:g}")


def _refuse_infinite(rules: Struct) -> None:
    for name, value in asdict(rules).items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}, which is no number to reckon with")
