"""Trade plans: cases computed by hand, and what holds for every plan."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scan_pipeline.features.rules import PlanRules
from scan_pipeline.features.trade_plan import Side, columns, plan

#: 1,000 dollars are risked; the stop is 2 ranges away, between 2 and 10 percent of the entry.
RULES = PlanRules(
    account=100_000, risk_pct=1, stop_atr=2, min_stop_pct=2, max_stop_pct=10, reward_risk=2, max_volume_share_pct=1
)
LIQUID = 1e9


def made(entry: float, atr: float, dollar_volume: float, side: Side, rules: PlanRules = RULES) -> tuple[float, ...]:
    """Entry, stop, target and shares."""
    one = plan(entry, atr, dollar_volume, rules, side)
    return float(one.entry), float(one.stop), float(one.target), float(one.shares)


@pytest.mark.parametrize(
    ("what", "entry", "atr", "dollar_volume", "long", "short"),
    [
        ("the stop is two ranges away, and 1,000 dollars are 250 shares at 4 dollars",
         50, 2, LIQUID, (50, 46, 58, 250), (50, 54, 42, 250)),
        ("two ranges are 0.50, nearer than 2 percent: the stop is 1 away",
         50, 0.25, LIQUID, (50, 49, 52, 1000), (50, 51, 48, 1000)),
        ("two ranges are 10, farther than 10 percent: the stop is 5 away",
         50, 5, LIQUID, (50, 45, 60, 200), (50, 55, 40, 200)),
        ("no range at all: the nearest stop that is allowed",
         50, 0, LIQUID, (50, 49, 52, 1000), (50, 51, 48, 1000)),
        ("a hundred shares at 3 dollars of risk would be 333.3: a whole number, rounded down",
         50, 1.5, LIQUID, (50, 47, 56, 333), (50, 53, 44, 333)),
        ("1 percent of 400,000 dollars a day buys 80 shares",
         50, 2, 400_000, (50, 46, 58, 80), (50, 54, 42, 80)),
        ("1 percent of 4,000 dollars a day buys less than one share",
         50, 2, 4_000, (50, 46, 58, 0), (50, 54, 42, 0)),
        ("nothing is traded",
         50, 2, 0, (50, 46, 58, 0), (50, 54, 42, 0)),
        ("one share costs more than the account",
         500_000, 5_000, 1e12, (500_000, 490_000, 520_000, 0), (500_000, 510_000, 480_000, 0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_plan_by_hand(
    what: str, entry: float, atr: float, dollar_volume: float, long: tuple[float, ...], short: tuple[float, ...]
) -> None:
    assert made(entry, atr, dollar_volume, "long") == pytest.approx(long)
    assert made(entry, atr, dollar_volume, "short") == pytest.approx(short)


def test_a_position_costs_no_more_than_the_account() -> None:
    rules = PlanRules(account=10_000, risk_pct=5, min_stop_pct=2)
    assert made(50, 0.1, LIQUID, "long", rules)[-1] == 200  # at a stop of 1 dollar, 500 dollars of risk were 500 shares


@pytest.mark.parametrize("side", get_args(Side))
@pytest.mark.parametrize(("entry", "atr"), [(math.nan, 2), (50, math.nan), (0, 2), (-3, 2), (50, -1)])
def test_without_an_entry_or_a_range_there_is_no_plan(side: Side, entry: float, atr: float) -> None:
    assert all(map(math.isnan, made(entry, atr, LIQUID, side)))


def test_where_it_is_not_known_what_is_traded_the_number_of_shares_is_unknown_and_the_prices_stand() -> None:
    entry, stop, target, shares = made(50, 2, math.nan, "long")
    assert (entry, stop, target) == (50, 46, 58)
    assert math.isnan(shares)


def test_a_short_target_that_would_be_no_price_is_unknown() -> None:
    rules = PlanRules(max_stop_pct=50, reward_risk=2)
    entry, stop, target, _ = made(10, 2.5, LIQUID, "short", rules)
    assert (entry, stop) == (10, 15)
    assert math.isnan(target)
    assert made(10, 2.5, LIQUID, "long", rules)[2] == 20


def test_the_columns_are_the_plans_of_both_sides() -> None:
    rows = {
        "close": np.array([50.0, 20.0]),
        "atr_14": np.array([2.0, np.nan]),
        "dollar_volume_20": np.array([1e9, 1e9]),
    }
    found = columns(rows, RULES)
    assert {name: values[0] for name, values in found.items()} == {
        "plan_entry": 50, "plan_stop": 46, "plan_target": 58, "plan_shares": 250,
        "short_entry": 50, "short_stop": 54, "short_target": 42, "short_shares": 250,
    }  # fmt: skip
    assert all(np.isnan(values[1]) for values in found.values())


PRICES = st.floats(0.01, 1e5)
PARTS = st.floats(0, 0.5)
VOLUMES = st.floats(0, 1e12)
PERCENTS = st.floats(0.01, 50)
ALL_RULES = st.builds(
    lambda low, more, **values: PlanRules(min_stop_pct=low, max_stop_pct=low + more, **values),
    low=st.floats(0.1, 40),
    more=st.floats(0, 50),
    account=st.floats(1, 1e8),
    risk_pct=PERCENTS,
    stop_atr=st.floats(0.1, 10),
    reward_risk=st.floats(0.1, 10),
    max_volume_share_pct=PERCENTS,
)
#: Room for the rounding of floats.
A_LITTLE = 1 + 1e-9


@given(PRICES, PARTS, VOLUMES, ALL_RULES, st.sampled_from(get_args(Side)))
def test_every_plan_keeps_the_rules(
    price: float, part: float, dollar_volume: float, rules: PlanRules, side: Side
) -> None:
    entry, stop, target, shares = made(price, price * part, dollar_volume, side, rules)
    risk = abs(entry - stop)
    assert entry == price
    assert (stop < entry) == (side == "long")
    assert rules.min_stop_pct / A_LITTLE <= 100 * risk / entry <= rules.max_stop_pct * A_LITTLE
    if not math.isnan(target):
        assert (target > entry) == (side == "long")
        assert abs(target - entry) == pytest.approx(rules.reward_risk * risk, rel=1e-6)
    assert shares == math.floor(shares) >= 0
    assert shares * risk <= rules.account * rules.risk_pct / 100 * A_LITTLE
    assert shares * entry <= rules.account * A_LITTLE
    assert shares * entry <= dollar_volume * rules.max_volume_share_pct / 100 * A_LITTLE
    # One share more would break a rule.
    assert (
        (shares + 1) * risk * A_LITTLE >= rules.account * rules.risk_pct / 100
        or (shares + 1) * entry * A_LITTLE >= rules.account
        or (shares + 1) * entry * A_LITTLE >= dollar_volume * rules.max_volume_share_pct / 100
    )


@given(PRICES, PARTS, VOLUMES, ALL_RULES)
def test_short_is_the_mirror_of_long(price: float, part: float, dollar_volume: float, rules: PlanRules) -> None:
    long, short = (made(price, price * part, dollar_volume, side, rules) for side in get_args(Side))
    assert long[1] + short[1] == pytest.approx(2 * price)
    assert long[3] == short[3]
    assume(not math.isnan(short[2]))
    assert long[2] + short[2] == pytest.approx(2 * price)


@given(PRICES, st.floats(0.001, 0.5), st.floats(1e6, 1e12), st.integers(1, 20), st.sampled_from(get_args(Side)))
def test_a_split_changes_no_plan_but_the_count_of_its_shares(
    price: float, part: float, dollar_volume: float, to: int, side: Side
) -> None:
    before = made(price, price * part, dollar_volume, side, RULES)
    after = made(price / to, price * part / to, dollar_volume, side, RULES)
    assert [one / to for one in before[:3]] == pytest.approx(after[:3], nan_ok=True)
    assert after[3] == pytest.approx(before[3] * to, abs=to)
