"""Comparing hits, and choosing what is compared."""

import json
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.hits import Hit
from scan_pipeline.scanners.checking.comparing import HIT, Difference, compare
from scan_pipeline.scanners.checking.sampling import choose_sessions, choose_symbols, spread

MONDAY = date(2025, 9, 22)
WEEKDAYS = [MONDAY + timedelta(days=7 * week + day) for week in range(13) for day in range(5)]


def hit(symbol: str, rank: int = 1, score: float | None = None, **details: Any) -> Hit:
    return Hit(MONDAY, "mine", symbol, rank, score, json.dumps(details))


def test_the_same_hits_do_not_differ() -> None:
    hits = [hit("A", gap=1.5, note="x"), hit("B", rank=2, gap=None)]
    assert compare(hits, list(reversed(hits))) == []


def test_a_hit_of_one_alone_appears_or_vanishes() -> None:
    assert compare([hit("A")], [hit("B")]) == [
        Difference(MONDAY, "A", HIT, True, False), Difference(MONDAY, "B", HIT, False, True),
    ]  # fmt: skip


def test_the_column_that_moved_is_named_with_both_values() -> None:
    assert compare([hit("A", gap=1.5, close=10)], [hit("A", gap=1.6, close=10)]) == [
        Difference(MONDAY, "A", "gap", 1.5, 1.6)
    ]


def test_ranks_are_compared_where_nothing_else_moved() -> None:
    ordered = [hit("A", 1), hit("B", 2)]
    turned = [hit("A", 2), hit("B", 1)]
    assert [one.column for one in compare(ordered, turned)] == ["rank", "rank"]
    assert compare(ordered, turned, ranks=False) == []
    assert [one.column for one in compare(ordered, [*turned, hit("C", 3)])] == [HIT]


def test_numbers_may_differ_within_the_tolerance_and_nothing_else_may() -> None:
    assert compare([hit("A", gap=1.0)], [hit("A", gap=1.0 + 5e-7)], relative=1e-6) == []
    assert compare([hit("A", gap=1.0)], [hit("A", gap=1.0 + 5e-6)], relative=1e-6) != []
    assert compare([hit("A", gap=0.0)], [hit("A", gap=1e-12)], relative=1e-6, absolute=1e-9) == []
    assert compare([hit("A", up=True)], [hit("A", up=1)], relative=1e-6) != []
    assert compare([hit("A", gap=None)], [hit("A", gap=0.0)], relative=1e-6) != []


@given(st.integers(1, 65), st.sets(st.sampled_from(WEEKDAYS)), st.integers(0, 1000))
def test_sampled_sessions_are_as_many_as_asked_with_the_first_and_last(
    count: int, preferred: set[date], seed: int
) -> None:
    chosen = choose_sessions(WEEKDAYS, count, preferred, seed)
    assert len(chosen) == len(set(chosen)) == min(count, len(WEEKDAYS))
    assert chosen == sorted(chosen)
    assert chosen[-1] == WEEKDAYS[-1]
    if count > 1:
        assert chosen[0] == WEEKDAYS[0]
    if count > 2:
        assert any(day.weekday() < 4 for day in chosen)
    assert chosen == choose_sessions(WEEKDAYS, count, preferred, seed)
    near = preferred & set(WEEKDAYS[1:-1])
    assert len(near & set(chosen)) >= min(len(near), (count - 2) // 2)


def test_symbols_with_hits_come_before_others() -> None:
    chosen = choose_symbols({"A", "B"}, {"B", "S"}, {"A", "B", "S", "X", "Y", "Z"}, 4)
    assert {"A", "B", "S"} < set(chosen)
    assert len(chosen) == 4
    assert len(choose_symbols({"A", "B", "C"}, (), ("D",), 2)) == 2
    assert choose_symbols(("A",), (), ("B",), 10) == ["A", "B"]


def test_spread_sessions_end_with_the_last() -> None:
    assert spread(WEEKDAYS, 4)[-1] == WEEKDAYS[-1]
    assert len(spread(WEEKDAYS, 4)) == 4
    assert spread(WEEKDAYS[:2], 4) == WEEKDAYS[:2]
