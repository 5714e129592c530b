"""Hits of shards become the hits of a run, and two runs can be told apart."""

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scan_pipeline.scripts.results.merging import FoundHit, as_json, compare, merge
from scan_pipeline_tests.scripts.shards import AS_OF, HITS, KNOWN, Run, frame, pairs


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_newest_session_comes_first_then_the_shards_then_the_scripts_own_order(run: Run) -> None:
    run.shard(frame("hits", [("T", "2016-03-21", 1), ("A", "2016-03-22", 2), ("ON", "2016-03-21", 3)]))
    run.shard(frame("hits", [("MSFT", "2016-03-21", 4), ("AAPL", "2016-03-22", 5)]))
    assert [hit.symbol for hit in run.merge().hits] == ["A", "AAPL", "T", "ON", "MSFT"]


def test_a_hit_that_every_shard_gives_alike_is_one(run: Run) -> None:
    run.shard(frame("hits", [("SPY", "2016-03-21", 1.0), ("A", "2016-03-21", 2.0)]))
    run.shard(frame("hits", [("SPY", "2016-03-21", 1.0), ("T", "2016-03-21", 2.0)]))
    merged = run.merge()
    assert [hit.symbol for hit in merged.hits] == ["SPY", "A", "T"]
    assert merged.remarks == ["1 hit of several shards alike: each is kept once."]


def test_a_hit_that_differs_in_one_column_is_kept_from_each_shard(run: Run) -> None:
    run.shard(frame("hits", [("SPY", "2016-03-21", 1.0)]))
    run.shard(frame("hits", [("SPY", "2016-03-21", 1.5)]))
    assert [hit.details for hit in run.merge().hits] == [{"gap": 1.0}, {"gap": 1.5}]


def test_what_a_script_gives_twice_in_one_shard_stays_twice(run: Run) -> None:
    run.shard(frame("hits", [("A", "2016-03-21", 1.0)] * 2))
    assert len(run.merge().hits) == 2


def test_hits_dated_after_the_session_are_refused(run: Run) -> None:
    run.shard(frame("hits", [*HITS, ("A", "2016-03-25", 1.0), ("T", "2016-04-01", 1.0)]))
    merged = run.merge()
    assert len(merged.hits) == len(HITS)
    assert merged.faults == ["2 hits are dated after the session 2016-03-24: A 2016-03-25, T 2016-04-01."]


def test_symbols_of_another_shard_and_unknown_ones_are_kept_and_named(run: Run) -> None:
    run.shard(frame("hits", [("A", "2016-03-21", 1.0), ("T", "2016-03-21", 1.0), ("XYZ", "2016-03-21", 1.0)]))
    run.shard(frame("hits", [("ON", "2016-03-21", 1.0)]))
    merged = merge(run.choose(), AS_OF, KNOWN, [{"A"}, {"T", "ON"}])
    assert [hit.symbol for hit in merged.hits] == ["A", "T", "XYZ", "ON"]
    assert merged.remarks == [
        "1 hit of symbols that the shard was not shown: T.",
        "1 hit of symbols that are not known: XYZ.",
    ]


def test_rows_without_a_symbol_or_a_day_are_left_out_and_counted(run: Run) -> None:
    total = [("", "2016-03-21", 1.0), ("TOTAL", None, 9.0)]
    run.shard(frame("hits", [*HITS * 7, *total]))
    merged = run.merge()
    assert len(merged.hits) == len(HITS) * 7
    assert merged.remarks == ["2 rows of global:hits have no symbol or no day, and are left out."]


def test_the_scripts_own_score_is_the_score(run: Run) -> None:
    columns = ["Symbol", "Date", "Score", "note"]
    run.shard(
        frame("hits", columns=columns, data=[["A", "2016-03-21", 7, "x"], ["T", "2016-03-21", None, "y"]], rows=2)
    )
    assert [(hit.score, hit.details) for hit in run.merge().hits] == [(7.0, {"note": "x"}), (None, {"note": "y"})]


def test_a_score_that_is_no_number_stays_a_column(run: Run) -> None:
    run.shard(frame("hits", columns=["symbol", "date", "score"], data=[["A", "2016-03-21", "high"]], rows=1))
    [hit] = run.merge().hits
    assert (hit.score, hit.details) == (None, {"score": "high"})


def test_the_time_of_a_hit_is_kept(run: Run) -> None:
    run.shard(frame("hits", [("A", "2016-03-21 09:35:00", 1.0), ("T", "2016-03-21 00:00:00", 2.0)]))
    assert [hit.details for hit in run.merge().hits] == [{"date": "2016-03-21 09:35:00", "gap": 1.0}, {"gap": 2.0}]


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        (math.nan, None),
        (math.inf, None),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(10**30), str(-(10**30))),
        ([1, 2], "[1,2]"),
        ({"a": math.nan}, '{"a":null}'),
        (date(2016, 3, 21), "2016-03-21"),
        (b"abc", "abc"),
        ("a\0b", "ab"),
        ("x" * 5_000, "x" * 3_999 + "…"),
        (True, True),
        (None, None),
    ],
)
def test_every_cell_becomes_plain_json(cell: Any, wanted: Any) -> None:
    assert as_json(cell) == wanted
    json.loads(msgspec.json.encode({"cell": as_json(cell)}))


CELLS = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text() | st.lists(st.floats())


@given(CELLS)
def test_any_cell_becomes_strict_json(cell: Any) -> None:
    text = json.dumps(as_json(cell), allow_nan=False)
    assert json.loads(text) == as_json(cell)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(sorted(KNOWN)),
        st.dates(date(2016, 1, 1), AS_OF).map(str),
        st.floats(-100, 100) | st.none(),
    ),
    max_size=30,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, shards=st.integers(1, 5), source=st.sampled_from(["global", "file", "stdout"]))
def test_shards_put_together_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float | None]], shards: int, source: str
) -> None:
    def shard(run: Run, part: list[tuple[str, str, float | None]]) -> None:
        if source == "global":
            run.shard(frame("hits", part))
        elif source == "file":
            text = [{"symbol": symbol, "date": day, "gap": gap} for symbol, day, gap in part]
            run.shard(files={"hits.json": json.dumps(text)})
        else:
            printed = "".join(f"{symbol} {day} gap={gap}\n" for symbol, day, gap in part if symbol != "DATE")
            run.shard(printed=printed or "no hits\n")

    whole, parts = (Run(tmp_path_factory.mktemp(name)) for name in ("whole", "parts"))
    shard(whole, rows)
    for number in range(shards):
        shard(parts, [row for row in rows if crc32(row[0].encode()) % shards == number])
    assert compare(whole.merge().hits, parts.merge().hits).is_empty
    wanted = [row for row in rows if source != "stdout" or row[0] != "DATE"]
    assert sorted(pairs(whole.merge().hits)) == sorted((symbol, day) for symbol, day, _ in wanted)


# Two runs

HIT = FoundHit(date(2016, 3, 21), "A", 1.0, {"gap": 5.0, "note": "x"})


def test_the_same_hits_in_another_order_do_not_differ() -> None:
    other = replace(HIT, symbol="T")
    difference = compare([HIT, other], [other, HIT])
    assert difference.is_empty
    assert difference.same == 2


def test_hits_of_one_run_alone_are_told() -> None:
    other = replace(HIT, session=date(2016, 3, 22))
    difference = compare([HIT], [other])
    assert (difference.only_left, difference.only_right, difference.same) == ([HIT], [other], 0)


def test_columns_with_other_values_are_named() -> None:
    other = replace(HIT, score=2.0, details={"gap": 5.1, "note": "x", "rsi": 70})
    [changed] = compare([HIT], [other]).changed
    assert changed == (HIT, other, ("score", "gap", "rsi"))


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.0 + 1e-6, False),
        (1, 1.0, True),
        (0.0, 1e-15, False),
        (None, 0, False),
        (True, 1, False),
        ("a", "a", True),
        ("1", 1, False),
    ],
)
def test_numbers_are_equal_within_a_billionth(left: Any, right: Any, same: bool) -> None:
    assert compare([replace(HIT, details={"x": left})], [replace(HIT, details={"x": right})]).is_empty is same


def test_a_column_without_a_value_is_one_that_is_not_there() -> None:
    assert compare([replace(HIT, details={"x": None})], [replace(HIT, details={})]).is_empty


def test_equal_hits_of_a_symbol_and_session_belong_together_first() -> None:
    other = replace(HIT, details={"gap": 1.0})
    difference = compare([HIT, other], [other, replace(HIT, details={"gap": 2.0})])
    assert difference.same == 1
    assert [changed.left for changed in difference.changed] == [HIT]
