"""Which symbols are asked for when calls are few: within the budget, the important first, nobody forgotten."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from math import ceil
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from scan_pipeline.changes.refresh import (
    AGE,
    ALWAYS,
    CHANGED,
    FRESH_ENOUGH,
    OVER_BUDGET,
    RECENT_HIT,
    SAMPLE,
    TOP_DOLLAR_VOLUME,
    WATCHLIST,
    Candidate,
    Policy,
    decide,
)

SESSION = date(2025, 9, 26)

candidates = st.lists(
    st.builds(
        Candidate,
        symbol=st.integers(0, 10_000).map(lambda number: f"S{number}"),
        age=st.none() | st.integers(0, 30),
        on_watchlist=st.booleans(),
        is_recent_hit=st.booleans(),
        dollar_volume_rank=st.none() | st.integers(1, 60),
        changed=st.booleans(),
    ),
    max_size=60,
    unique_by=lambda one: one.symbol,
)
policies = st.builds(
    Policy,
    max_age_sessions=st.integers(0, 10),
    top_dollar_volume=st.integers(0, 20),
    sample_share=st.floats(0, 1),
    seed=st.integers(0, 5),
)
budgets = st.none() | st.integers(0, 80)


def is_always(one: Candidate, policy: Policy) -> bool:
    rank = one.dollar_volume_rank
    is_top = rank is not None and rank <= policy.top_dollar_volume
    return one.on_watchlist or one.is_recent_hit or one.changed or is_top


@given(candidates, policies, budgets)
def test_every_symbol_is_accounted_for_once_with_a_reason_and_never_more_than_the_budget_are_asked_for(
    given_candidates: list[Candidate], policy: Policy, budget: int | None
) -> None:
    decisions = decide(given_candidates, policy, SESSION, budget)
    assert sorted(one.symbol for one in decisions) == sorted(one.symbol for one in given_candidates)
    asked = [one for one in decisions if one.refreshed]
    assert budget is None or len(asked) <= budget
    assert {one.reason for one in asked} <= {*ALWAYS, AGE, SAMPLE}
    assert {one.reason for one in decisions if not one.refreshed} <= {OVER_BUDGET, FRESH_ENOUGH}
    assert decisions[: len(asked)] == asked
    if OVER_BUDGET in {one.reason for one in decisions}:
        assert len(asked) == budget


@given(candidates, policies, budgets)
def test_important_symbols_come_before_all_others_and_are_left_out_for_the_budget_alone(
    given_candidates: list[Candidate], policy: Policy, budget: int | None
) -> None:
    decisions = decide(given_candidates, policy, SESSION, budget)
    important = {one.symbol for one in given_candidates if is_always(one, policy)}
    assert {one.symbol for one in decisions if one.priority} == important
    asked = [one.symbol in important for one in decisions if one.refreshed]
    assert asked == sorted(asked, reverse=True)
    for one in decisions:
        if one.symbol in important:
            assert one.reason == (one.priority if one.refreshed else OVER_BUDGET)
    if budget is not None and any(not one.refreshed for one in decisions if one.symbol in important):
        assert sum(asked) == len(asked) == budget


@given(candidates, policies, budgets, st.randoms())
def test_the_same_symbols_are_decided_on_alike_in_whatever_order_they_come(
    given_candidates: list[Candidate], policy: Policy, budget: int | None, dice: Random
) -> None:
    shuffled = list(given_candidates)
    dice.shuffle(shuffled)
    assert decide(shuffled, policy, SESSION, budget) == decide(given_candidates, policy, SESSION, budget)


@given(candidates, policies)
def test_without_an_age_limit_and_a_budget_everybody_is_asked_for(
    given_candidates: list[Candidate], policy: Policy
) -> None:
    decisions = decide(given_candidates, replace(policy, max_age_sessions=0), SESSION, None)
    assert all(one.refreshed for one in decisions)


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(0, 10), st.integers(1, 15), st.integers(0, 12), st.floats(0, 1), st.integers())
def test_nobody_starves_the_others_come_in_turn_with_what_the_important_leave_of_the_budget(
    others: int, important: int, left: int, max_age: int, share: float, seed: int
) -> None:
    policy = Policy(max_age_sessions=max_age, sample_share=share, seed=seed)
    everyone = [Candidate(f"W{number}", on_watchlist=True) for number in range(important)]
    everyone += [Candidate(f"S{number}") for number in range(others)]
    turns = ceil(others / left)
    for night in range(3 * turns + max_age):
        decisions = decide(everyone, policy, SESSION + timedelta(night), important + left)
        asked = {one.symbol for one in decisions if one.refreshed}
        assert {one.symbol for one in everyone[:important]} <= asked
        everyone = [
            replace(one, age=1 if one.symbol in asked else None if one.age is None else one.age + 1) for one in everyone
        ]
        if night + 1 >= turns:
            oldest = [one.age for one in everyone]
            assert None not in oldest
            assert all(age <= turns + max(max_age, 1) for age in oldest if age is not None)


def reasons(policy: Policy, budget: int | None, *given_candidates: Candidate) -> Sequence[tuple[str, str]]:
    return [(one.symbol, one.reason) for one in decide(given_candidates, policy, SESSION, budget)]


def test_each_symbol_has_the_first_reason_that_holds_in_the_order_of_asking() -> None:
    policy = Policy(max_age_sessions=3, top_dollar_volume=2)
    assert reasons(
        policy,
        7,
        Candidate("FRESH", age=2),
        Candidate("OLD", age=3),
        Candidate("OLDER", age=9, dollar_volume_rank=3),
        Candidate("NEVER"),
        Candidate("SPLIT", age=1, changed=True),
        Candidate("LARGE", age=1, dollar_volume_rank=2, changed=True),
        Candidate("HIT", age=1, is_recent_hit=True, dollar_volume_rank=1),
        Candidate("MINE", age=1, on_watchlist=True, is_recent_hit=True),
        Candidate("YOUNGER", age=4),
    ) == [
        ("MINE", WATCHLIST),
        ("HIT", RECENT_HIT),
        ("LARGE", TOP_DOLLAR_VOLUME),
        ("SPLIT", CHANGED),
        ("NEVER", AGE),
        ("OLDER", AGE),
        ("YOUNGER", AGE),
        ("OLD", OVER_BUDGET),
        ("FRESH", FRESH_ENOUGH),
    ]


def test_a_sample_of_the_fresh_is_drawn_by_seed_and_session() -> None:
    fresh = [Candidate(f"S{number}", age=1) for number in range(2_000)]

    def drawn(seed: int, session: date) -> set[str]:
        decisions = decide(fresh, Policy(max_age_sessions=5, sample_share=0.1, seed=seed), session, None)
        assert {one.reason for one in decisions} == {SAMPLE, FRESH_ENOUGH}
        return {one.symbol for one in decisions if one.refreshed}

    first = drawn(1, SESSION)
    assert 150 < len(first) < 250
    assert drawn(1, SESSION) == first
    assert len(drawn(2, SESSION) & first) < 60
    assert len(drawn(1, SESSION + timedelta(1)) & first) < 60
