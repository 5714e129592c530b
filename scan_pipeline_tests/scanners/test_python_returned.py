"""What a function returned: what counts as hits, and what is refused in words for whoever wrote it."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scan_pipeline.scanners.python.returned import Refused, hits_of_session, hits_of_symbol

DAYS = pd.DatetimeIndex(["2015-07-13", "2015-07-14", "2015-07-15", "2015-07-16"], name="session")
BARS = pd.DataFrame({"open": 1.0, "close": [1.0, 2.0, np.nan, 4.0], "volume": [10.0, 20.0, 30.0, 40.0]}, index=DAYS)
EVERY = np.ones(4, dtype=bool)
#: Two symbols, two sessions.
LONG = pd.DataFrame(
    {
        "session": DAYS[[0, 1, 0, 1]],
        "symbol": ["AAA", "AAA", "BBB", "BBB"],
        "close": [1.0, 2.0, 3.0, 4.0],
        "volume": 1.0,
    }
)


def test_a_series_of_booleans_marks_bars_and_shows_their_close_and_volume() -> None:
    assert hits_of_symbol(BARS.close > 1, BARS, EVERY) == [
        (1, {"close": 2.0, "volume": 20.0}),
        (3, {"close": 4.0, "volume": 40.0}),
    ]
    only_last = np.array([False, False, False, True])
    assert hits_of_symbol(BARS.close > 1, BARS, only_last) == [(3, {"close": 4.0, "volume": 40.0})]


@pytest.mark.parametrize(
    "marks",
    [
        pd.Series([True, pd.NA, False, pd.NA], index=DAYS, dtype="boolean"),
        pd.Series([False, True, False, False], index=DAYS).shift(-1),
        pd.Series([True], index=DAYS[:1]),
    ],
    ids=["nullable", "shifted", "a part"],
)
def test_what_is_unknown_is_no_hit(marks: pd.Series) -> None:
    assert [place for place, _ in hits_of_symbol(marks, BARS, EVERY)] == [0]


def test_a_frame_gives_its_own_columns_in_plain_values() -> None:
    hits = pd.DataFrame(
        {
            "gap": [np.float32(0.5), np.inf],
            "days": np.array([3, 4], dtype=np.int16),
            "is_new": [True, False],
            "since": [pd.Timestamp("2015-07-01"), pd.NaT],
            "at": [pd.Timestamp("2015-07-01 09:30"), pd.NaT],
            "day": [date(2015, 7, 2), None],
            "kind": ["up", None],
            "count": pd.array([1, None], dtype="Int64"),
        },
        index=DAYS[[3, 1]],
    )
    assert hits_of_symbol(hits, BARS, EVERY) == [
        (
            3,
            {
                "gap": 0.5, "days": 3, "is_new": True, "since": "2015-07-01", "at": "2015-07-01T09:30:00",
                "day": "2015-07-02", "kind": "up", "count": 1,
            },
        ),
        (
            1,
            {
                "gap": None, "days": 4, "is_new": False, "since": None, "at": None, "day": None, "kind": None,
                "count": None,
            },
        ),
    ]  # fmt: skip


def test_nothing_found_may_have_any_shape() -> None:
    assert hits_of_symbol(pd.DataFrame(), BARS, EVERY) == []
    assert hits_of_symbol(BARS[BARS.close > 9].reset_index(drop=True), BARS, EVERY) == []
    assert hits_of_session(pd.DataFrame(), LONG, DAYS[1]) == []
    assert hits_of_symbol(pd.DataFrame(index=DAYS[:1]), BARS, EVERY) == []


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, r"it returned nothing. Is a `return` missing\?"),
        (True, "it returned a bool. Return a DataFrame of hits or a Series of booleans"),
        (np.ones(4, dtype=bool), r"`pd.Series\(found, index=bars.index\)`"),
        (BARS.close, "it returned a Series of float64, not of booleans. Compare it"),
        (BARS.reset_index(drop=True)[["close"]], "indexed by RangeIndex of int64, not by session"),
        (BARS.reset_index(), "it returned a column session; its index says the session"),
        (BARS.rename(index={DAYS[0]: pd.Timestamp("2016-01-04")}), "a hit on 2016-01-04, of which it was given no bar"),
        (pd.concat([BARS, BARS[:1]]), "it returned 2015-07-13 more than once"),
        (pd.DataFrame({1: 1.0}, index=DAYS), "a column named 1; names are text"),
        (pd.DataFrame([[1, 2]] * 4, columns=["A", "a"], index=DAYS), "two columns A"),
        (BARS.assign(found=[[1]] * 4), "its column found holds a list"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(returned: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        hits_of_symbol(returned, BARS, EVERY)


def test_of_everybody_only_hits_of_the_session_count() -> None:
    wanted = [("BBB", {"close": 4.0})]
    columns = ["session", "symbol", "close"]
    assert hits_of_session(LONG.loc[LONG.symbol == "BBB", columns], LONG, DAYS[1]) == wanted
    assert hits_of_session(LONG.loc[LONG.symbol == "BBB", columns].set_index(columns[:2]), LONG, DAYS[1]) == wanted
    assert hits_of_session(LONG.close > 3, LONG, DAYS[1]) == [("BBB", {"close": 4.0, "volume": 1.0})]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "it returned nothing"),
        (LONG[["symbol", "close"]], "it returned no column session; there are symbol, close"),
        (LONG.assign(session="yesterday"), "its column session holds no dates"),
        (LONG.assign(session=pd.Timestamp("2016-01-04")), "a hit on 2016-01-04, of which it was given no bar"),
        (LONG.assign(symbol="ZZZ"), "a hit of 'ZZZ', which has no bar on 2015-07-14"),
        (pd.concat([LONG, LONG]), "it returned AAA more than once on 2015-07-14"),
    ],
)
def test_of_everybody_what_cannot_be_used_is_refused_too(returned: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        hits_of_session(returned, LONG, DAYS[1])
