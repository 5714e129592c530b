"""Columns that compare a session's symbols: by hand, against pandas, and what holds for every table."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from scan_pipeline.features import cross_section
from scan_pipeline.features.bars import Floats
from scan_pipeline.features.cross_section import COMPONENTS, CROSS_SECTIONAL, add_columns, compute, reads
from scan_pipeline.features.indicator import Unit
from scan_pipeline.features.rules import PlanRules, ScoreWeights

NAN = math.nan
FEATURES = sorted(reads(CROSS_SECTIONAL))
#: Only the trend and the volume count.
SOME_WEIGHTS = ScoreWeights(trend=3, momentum=0, volume=1, volatility=0, breakout=0, relative_strength=0)


def of_one_session(
    wanted: Iterable[str], weights: ScoreWeights | None = None, **features: list[float]
) -> dict[str, list[float]]:
    """The wanted columns of one session's symbols; features that are not given are unknown."""
    count = len(next(iter(features.values())))
    given = {name: np.array(features.get(name, [NAN] * count), dtype=float) for name in FEATURES}
    found = compute(np.zeros(count, dtype=int), given, list(wanted), weights or ScoreWeights(), PlanRules())
    return {name: values.tolist() for name, values in found.items()}


def percentiles(values: list[float]) -> list[float]:
    """Percentiles of one measure, as the component shows them that has no other."""
    return of_one_session(["score_relative_strength"], weighted_return_250=values)["score_relative_strength"]


# Percentiles


def test_the_lowest_is_at_0_the_highest_at_100_and_the_others_between() -> None:
    assert percentiles([7, -3, 1, 20, 5]) == [75, 0, 25, 100, 50]


def test_equal_values_share_the_middle_of_their_places() -> None:
    assert percentiles([1, 2, 2, 3]) == [0, 50, 50, 100]
    assert percentiles([1, 1, 1, 2, 3]) == [25, 25, 25, 75, 100]
    assert percentiles([4, 4, 4]) == [50, 50, 50]
    assert percentiles([0.0, -0.0, 1]) == [25, 25, 100]


def test_what_is_unknown_is_not_ranked_and_takes_no_place() -> None:
    assert percentiles([NAN, 1, NAN, 2, 3, NAN]) == pytest.approx([NAN, 0, NAN, 50, 100, NAN], nan_ok=True)


def test_one_alone_has_no_place_among_others() -> None:
    assert percentiles([5]) == pytest.approx([NAN], nan_ok=True)
    assert percentiles([NAN, 5]) == pytest.approx([NAN, NAN], nan_ok=True)


# Columns


def test_the_rating_is_a_whole_number_from_1_to_99() -> None:
    rating = of_one_session(["rs_rating"], weighted_return_250=[*range(101), NAN])["rs_rating"]
    assert (rating[0], rating[50], rating[100]) == (1, 50, 99)
    assert all(one == int(one) for one in rating[:-1])
    assert sorted(set(rating[:-1])) == list(range(1, 100))
    assert math.isnan(rating[-1])


def test_a_component_is_the_mean_of_the_percentiles_of_its_measures() -> None:
    found = of_one_session(
        ["score_trend", "score_breakout"],
        distance_sma_50_pct=[1, 2, 3],
        distance_sma_200_pct=[10, 30, 20],
        ma_stacked=[0, 1, 1],
        distance_high_52w_pct=[-10, -5, NAN],
        position_52w=[50, 70, 60],
    )
    assert found["score_trend"] == pytest.approx([0, (50 + 100 + 75) / 3, (100 + 50 + 75) / 3])
    assert found["score_breakout"] == pytest.approx([0, 100, NAN], nan_ok=True)


def test_a_symbol_that_has_become_quiet_scores_high_in_volatility() -> None:
    found = of_one_session(
        ["score_volatility"],
        historical_volatility_20=[40, 10, 30, 5],
        historical_volatility_100=[40, 40, 40, 0],
        natr_14=[4, 1, 2, 1],
    )
    assert found["score_volatility"] == pytest.approx([0, 100, 50, NAN], nan_ok=True)


def test_the_score_is_the_mean_of_the_components_by_their_weights() -> None:
    trend: dict[str, list[float]] = {
        "distance_sma_50_pct": [1, 2, 3], "distance_sma_200_pct": [1, 2, 3], "ma_stacked": [-1, 0, 1],
    }  # fmt: skip
    volume: dict[str, list[float]] = {"relative_volume": [3, 2, 1], "up_down_volume_50": [3, 1, 2]}
    found = of_one_session(["score", "score_volume"], SOME_WEIGHTS, **trend, **volume)
    assert found["score_volume"] == [100, 25, 25]
    assert found["score"] == [25, 43.75, 81.25]


def test_a_score_of_which_a_part_is_unknown_is_unknown_unless_that_part_does_not_count() -> None:
    known: dict[str, list[float]] = {
        name: [1, 2] for name in ("distance_sma_50_pct", "distance_sma_200_pct", "ma_stacked", "relative_volume")
    }
    assert of_one_session(["score"], SOME_WEIGHTS, **known, up_down_volume_50=[1, 2])["score"] == [0, 100]
    unknown = of_one_session(["score"], SOME_WEIGHTS, **known, up_down_volume_50=[NAN, 2])["score"]
    assert unknown == pytest.approx([NAN, NAN], nan_ok=True)  # the other is alone in that component
    assert all(map(math.isnan, of_one_session(["score"], **known, up_down_volume_50=[1, 2])["score"]))


def test_weights_of_which_none_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="all weights are 0"):
        ScoreWeights(trend=0, momentum=0, volume=0, volatility=0, breakout=0, relative_strength=0)


def test_only_what_is_asked_for_is_needed_and_given() -> None:
    assert reads([]) == set()
    assert reads(["rs_rating"]) == {"weighted_return_250"}
    assert reads(["plan_stop"]) == {"close", "atr_14"}
    assert reads(["score"]) == {one for name in COMPONENTS for one in reads([f"score_{name}"])}
    for name in CROSS_SECTIONAL:
        features = {one: np.array([1.0, 2, 3]) for one in reads([name])}
        assert list(compute(np.zeros(3), features, [name], ScoreWeights(), PlanRules())) == [name]


def test_every_column_says_what_it_is_and_the_weights_are_those_of_the_components() -> None:
    assert list(asdict(ScoreWeights())) == list(COMPONENTS)
    assert {name: one.name for name, one in CROSS_SECTIONAL.items()} == {name: name for name in CROSS_SECTIONAL}
    assert {one.unit for one in CROSS_SECTIONAL.values()} <= {*get_args(Unit), "1-99"}
    assert all(one.formula and one.source and one.reads for one in CROSS_SECTIONAL.values())
    assert CROSS_SECTIONAL["score_momentum"].formula == "mean of the percentiles of roc_20; roc_60; rsi_14"


# Any table

#: Few different values, so that there are many equal ones.
VALUES = st.one_of(st.sampled_from([NAN, 0.0, -0.0, 1.0, 2.0, -1.0]), st.floats(-1e6, 1e6))


@st.composite
def tables(draw: st.DrawFn) -> tuple[Floats, dict[str, Floats]]:
    """Rows of some sessions, mixed, with a value of every feature, or none."""
    count = draw(st.integers(1, 60))
    seed = draw(st.integers(0, 2**32))
    pool = np.array([*draw(st.lists(VALUES, min_size=1, max_size=8)), NAN])
    random = np.random.default_rng(seed)
    session = random.integers(0, draw(st.integers(1, 5)), count).astype(float)
    is_drawn = random.random((len(FEATURES), count)) < 0.5
    values = np.where(is_drawn, random.choice(pool, is_drawn.shape), random.normal(size=is_drawn.shape))
    return session, dict(zip(FEATURES, values, strict=True))


def same(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> bool:
    """Whether they are equal to the last bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def by_pandas(session: Floats, features: Mapping[str, Floats], weights: ScoreWeights) -> "pd.DataFrame":
    """Ratings, components and score, computed the long way."""
    rows = pd.DataFrame({"session": session, **features})

    def percentile(measure: cross_section.Measure) -> "pd.Series[Any]":
        values = rows[measure.feature]
        if measure.over:
            values = values / rows[measure.over].replace(0, NAN)
        groups = values.groupby(rows["session"])
        others = groups.transform("count") - 1
        place = groups.rank(method="average", ascending=not measure.low_is_good) - 1
        return (100 * place / others).where(others > 0)

    found = pd.DataFrame(
        {
            f"score_{name}": pd.concat([percentile(one) for one in measures], axis=1).mean(axis=1, skipna=False)
            for name, measures in COMPONENTS.items()
        }
    )
    counted = {f"score_{name}": weight for name, weight in asdict(weights).items() if weight}
    parts = found[list(counted)]
    found["score"] = (parts * list(counted.values())).sum(axis=1, skipna=False) / sum(counted.values())
    found["rs_rating"] = (1 + found["score_relative_strength"] * 0.98 + 0.5).floordiv(1)
    return found


@given(tables(), st.sampled_from([ScoreWeights(), SOME_WEIGHTS, ScoreWeights(trend=0.1, volume=0)]))
def test_every_number_is_what_pandas_makes_of_the_same_rows(
    table: tuple[Floats, dict[str, Floats]], weights: ScoreWeights
) -> None:
    expected = by_pandas(*table, weights)
    found = compute(*table, list(expected.columns), weights, PlanRules())
    for name in expected.columns:
        np.testing.assert_allclose(
            found[name], expected[name].to_numpy(dtype=float), rtol=1e-9, atol=1e-9, err_msg=name
        )


@given(tables())
def test_a_range_gives_to_the_last_bit_what_its_sessions_give(table: tuple[Floats, dict[str, Floats]]) -> None:
    session, features = table
    whole = compute(session, features, list(CROSS_SECTIONAL), ScoreWeights(), PlanRules())
    for one in np.unique(session):
        of_it = session == one
        alone = compute(
            session[of_it], {name: values[of_it] for name, values in features.items()}, list(CROSS_SECTIONAL),
            ScoreWeights(), PlanRules(),
        )  # fmt: skip
        assert same(alone, {name: values[of_it] for name, values in whole.items()})


@given(tables(), st.randoms())
def test_the_order_of_the_rows_changes_nothing(table: tuple[Floats, dict[str, Floats]], random: Any) -> None:
    session, features = table
    order = list(range(len(session)))
    random.shuffle(order)
    whole = compute(session, features, list(CROSS_SECTIONAL), ScoreWeights(), PlanRules())
    mixed = compute(
        session[order], {name: values[order] for name, values in features.items()}, list(CROSS_SECTIONAL),
        ScoreWeights(), PlanRules(),
    )  # fmt: skip
    assert same(mixed, {name: values[order] for name, values in whole.items()})


@given(tables())
def test_scores_are_places_from_0_to_100_and_ratings_from_1_to_99(table: tuple[Floats, dict[str, Floats]]) -> None:
    found = compute(*table, list(CROSS_SECTIONAL), ScoreWeights(), PlanRules())
    for name, values in found.items():
        known = values[~np.isnan(values)]
        low, high = (1, 99) if name == "rs_rating" else (0, 100) if name.startswith("score") else (0, np.inf)
        assert ((low <= known) & (known <= high)).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_who_is_stronger_is_rated_no_lower(strength: list[float]) -> None:
    rating = of_one_session(["rs_rating"], weighted_return_250=strength)["rs_rating"]
    by_strength = [place for _, place in sorted(zip(strength, rating, strict=True))]
    assert by_strength == sorted(by_strength)
    assert all((a == b) <= (x == y) for a, x in zip(strength, rating, strict=True)
               for b, y in zip(strength, rating, strict=True))  # fmt: skip


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_from_above_is_as_from_below(strength: list[float]) -> None:
    below, above = percentiles(strength), percentiles([-one for one in strength])
    assert [100 - one for one in below] == pytest.approx(above)


# In DuckDB


@hypothesis_settings(max_examples=25)
@given(tables())
def test_columns_are_added_to_a_table_whose_rows_keep_their_order(table: tuple[Floats, dict[str, Floats]]) -> None:
    session, features = table
    wanted = list(CROSS_SECTIONAL)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("given", {"session": session.astype(np.int32), **features, "ta.rsi(close, 7)": session})
        connection.execute("create table rows as select date '2025-06-02' + session as session, * exclude (session) "
                           "from given")  # fmt: skip
        before = connection.execute("from rows").fetchall()
        add_columns(connection, "rows", wanted, ScoreWeights(), PlanRules())
        after = connection.execute("from rows").fetchall()
        found = connection.execute(f"select {', '.join(wanted)} from rows").fetchall()
    assert [row[: -len(wanted)] for row in after] == before
    expected = compute(session, features, wanted, ScoreWeights(), PlanRules())
    as_rows = zip(*(expected[name] for name in wanted), strict=True)
    assert found == [tuple(None if math.isnan(value) else value for value in row) for row in as_rows]


def test_a_table_without_rows_gets_the_columns_too() -> None:
    with duckdb.connect() as connection:
        columns = ", ".join(f"{name} DOUBLE" for name in FEATURES)
        connection.execute(f"create table rows (session DATE, symbol VARCHAR, {columns})")
        add_columns(connection, "rows", ["score", "plan_shares"], ScoreWeights(), PlanRules())
        add_columns(connection, "rows", [], ScoreWeights(), PlanRules())
        assert connection.sql("from rows").columns[-2:] == ["score", "plan_shares"]
        assert [str(one) for one in connection.sql("from rows").types[-2:]] == ["DOUBLE", "DOUBLE"]
