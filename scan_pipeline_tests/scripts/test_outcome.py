"""The result of a script is found without help, and it is the one that the script means."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from scan_pipeline.scripts.results.outcome import Trust
from scan_pipeline_tests.scripts.shards import (
    HITS,
    KNOWN,
    Run,
    csv_of,
    frame,
    lines_of,
    only_pairs,
    pairs,
    records,
    rows,
)

#: What scripts look at before they choose: many more rows than there are hits, not only on a round number of days.
DAY = date(2016, 2, 1)
RAW = [
    *HITS,
    *[(symbol, str(DAY + timedelta(days=day)), float(day)) for symbol in ("MSFT", "TSLA") for day in range(0, 33, 3)],
]
OTHER = [("TSLA", "2016-03-18", 9.0), ("ON", "2016-03-24", 1.0)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def printed_frame(hits: list[tuple[str, str, float]] = HITS) -> str:
    lines = [f"{symbol:>8} {day:>12} {gap:>8}" for symbol, day, gap in [("ticker", "date", "gap"), *hits]]  # type: ignore[list-item]
    return "\n".join(lines) + "\n"


def test_the_answer_is_the_variable_that_was_printed_not_the_raw_list(run: Run) -> None:
    run.shard(rows("results", RAW, 120), frame("out", HITS, 110), printed=printed_frame())
    assert run.choose().source == "global:out"
    assert pairs(run.merge().hits) == only_pairs()


def test_the_variable_that_was_assigned_last_is_the_answer_where_nothing_is_printed(run: Run) -> None:
    run.shard(rows("results", RAW, 110), frame("out", HITS, 120))
    assert run.choose().source == "global:out"


def test_of_two_variables_alike_the_data_frame_is_taken(run: Run) -> None:
    run.shard(rows("found", line=None), frame("hits", line=None))
    assert run.choose().source == "global:hits"


def test_a_file_goes_before_a_variable(run: Run) -> None:
    run.shard(frame("df", RAW), files={"gaps.csv": csv_of()})
    assert run.choose().source == "file:gaps.csv"


def test_of_several_files_the_one_written_last_is_taken(run: Run) -> None:
    run.shard(files={"candidates.csv": csv_of(RAW), "final.csv": csv_of()})
    assert run.choose().source == "file:final.csv"


def test_a_file_of_everything_gives_way_to_the_hits_that_were_printed(run: Run) -> None:
    run.shard(frame("hits"), printed=lines_of(), files={"everything.csv": csv_of(RAW)})
    assert run.choose().source == "global:hits"


def test_where_the_head_of_a_file_is_printed_the_file_is_the_answer(run: Run) -> None:
    run.shard(printed=printed_frame(RAW[:20]), files={"gaps.csv": csv_of(RAW)})
    assert run.choose().source == "file:gaps.csv"
    assert len(run.merge().hits) == len(RAW)


def test_where_the_top_of_a_variable_is_printed_the_variable_is_the_answer(run: Run) -> None:
    ranked = [(symbol, day, gap + place / 100) for place, (symbol, day, gap) in enumerate(RAW)]
    run.shard(frame("ranked", ranked), printed=lines_of(sorted(ranked, key=lambda hit: -hit[2])[:5]))
    assert run.choose().source == "global:ranked"


def test_a_head_of_each_shard_is_a_head_where_some_shards_have_less(run: Run) -> None:
    run.shard(frame("out", RAW), printed=printed_frame(RAW[:10]))
    run.shard(frame("out", OTHER), printed=printed_frame(OTHER))
    assert run.choose().source == "global:out"
    assert len(run.merge().hits) == len(RAW) + len(OTHER)


def test_a_table_that_was_cut_short_when_printed_supports_the_variable_with_that_many_rows(run: Run) -> None:
    below = printed_frame(RAW[-5:]).partition("\n")[2]
    cut = f"{printed_frame(RAW[:5])}..  ... ...\n{below}\n[{len(RAW)} rows x 3 columns]\n"
    run.shard(frame("df", [*RAW, *OTHER], 90), frame("picked", RAW, 80), printed=cut)
    assert run.choose().source == "global:picked"


def test_a_table_that_was_cut_short_is_no_result_by_itself(run: Run) -> None:
    run.shard(printed=f"{printed_frame(RAW[:5])}..  ... ...\n\n[60 rows x 3 columns]\n")
    choice = run.choose()
    assert choice.source is None
    assert "was cut short when it was printed" in choice.why


def test_hits_that_are_printed_alone_are_chosen_from_what_the_script_worked_on(run: Run) -> None:
    run.shard(rows("results", RAW, 120), printed=lines_of())
    assert run.choose().source == "stdout"
    assert pairs(run.merge().hits) == only_pairs()


def test_hits_on_stdout_alone_are_found(run: Run) -> None:
    run.shard(printed=f"scanning ...\n{lines_of()}done\n")
    run.shard(printed="scanning ...\ndone\n")
    assert run.choose().source == "stdout"
    assert pairs(run.merge().hits) == only_pairs()


def test_lines_about_the_work_do_not_hide_the_result(run: Run) -> None:
    noise = "".join(f"{symbol} 2016-01-04 ok\n" for symbol in sorted(KNOWN))
    run.shard(frame("out"), printed=noise)
    assert run.choose().source == "global:out"


@pytest.mark.parametrize("name", ["raw_hits", "cache", "errors", "summary", "all_bars", "debug_rows", "skipped"])
def test_what_its_name_says_to_be_no_result_is_taken_last(run: Run, name: str) -> None:
    run.shard(frame("out", HITS, 10), frame(name, RAW, 200))
    assert run.choose().source == "global:out"


def test_bars_that_a_script_works_on_are_no_result(run: Run) -> None:
    days = [str(date(2016, 1, 4) + timedelta(days=day)) for day in range(60) if (day % 7) < 5]
    bars = [[symbol, day, 1.0, 2.0, 0.5, 1.5, 1e6] for symbol in ("AAPL", "MSFT") for day in days]
    columns = ["ticker", "date", "open", "high", "low", "close", "volume"]
    run.shard(frame("hits", HITS, 10), frame("df", columns=columns, rows=len(bars), data=bars))
    assert run.choose().source == "global:hits"


def test_hits_with_the_columns_of_bars_are_a_result(run: Run) -> None:
    columns = ["ticker", "date", "open", "high", "low", "close", "volume"]
    data = [[symbol, day, 1.0, 2.0, 0.5, 1.5, 1e6] for symbol, day, _ in HITS]
    run.shard(frame("df", columns=columns, data=data))
    assert run.choose().trust is Trust.GLOBAL


def test_a_list_of_tickers_is_no_result(run: Run) -> None:
    tickers = [[symbol, "stocks", "us", "XNAS", "CS", "2016-03-24"] for symbol in sorted(KNOWN)]
    columns = ["ticker", "market", "locale", "primary_exchange", "type", "last_updated_utc"]
    run.shard(frame("hits", HITS, 10), frame("df", columns=columns, rows=len(tickers), data=tickers))
    assert run.choose().source == "global:hits"


def test_hits_without_a_day_are_of_the_session_of_the_run(run: Run) -> None:
    run.shard(frame("out", columns=["ticker", "gap"], data=[["AAPL", 5.0], ["T", 3.0]], rows=2))
    assert pairs(run.merge().hits) == [("AAPL", "2016-03-24"), ("T", "2016-03-24")]


def test_hits_with_days_go_before_hits_without(run: Run) -> None:
    run.shard(frame("hits", HITS, 10), frame("out", columns=["ticker", "gap"], data=[["AAPL", 5.0]], line=20))
    assert run.choose().source == "global:hits"


# Nothing found


@pytest.mark.parametrize("name", ["hits", "results", "out", "signals", "df_hits", "final", "matches", "rows", "alerts"])
def test_an_empty_list_with_the_name_of_a_result_is_zero_hits(run: Run, name: str) -> None:
    run.shard(rows(name, []))
    choice = run.choose()
    assert choice.source == f"global:{name}"
    assert run.merge().hits == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hits.csv", "ticker,date,gap\n"),
        ("gaps.csv", "ticker,date,gap\n"),
        ("hits.csv", "\n"),
        ("hits.csv", '""\n'),
        ("hits.csv", ""),
        ("results.json", "[]"),
        ("results.json", "{}"),
    ],
)
def test_a_file_without_rows_is_zero_hits(run: Run, name: str, content: str) -> None:
    run.shard(files={name: content})
    assert run.choose().source == f"file:{name}"
    assert run.merge().hits == []


@pytest.mark.parametrize(
    "words", ["no hits", "0 hits found", "No signals", "nothing found", "Found 0", "Empty DataFrame"]
)
def test_telling_that_there_is_no_hit_is_zero_hits(run: Run, words: str) -> None:
    run.shard(printed=f"scanning\n{words}\n")
    run.shard(printed=f"scanning\n{words}\n")
    assert run.choose().trust is Trust.SAID_NONE
    assert run.merge().hits == []


def test_no_hits_among_raw_rows_is_zero_hits_and_says_so(run: Run) -> None:
    run.shard(rows("results", RAW), printed="No hits\n")
    choice = run.choose()
    assert choice.source == "stdout"
    assert choice.remarks == ["It says that there is no hit, though global:results has rows."]


def test_an_empty_answer_goes_before_the_raw_rows_it_was_made_of(run: Run) -> None:
    run.shard(rows("results", RAW, 110), frame("out", [], 120))
    assert run.choose().source == "global:out"
    assert run.merge().hits == []


def test_an_empty_list_is_no_answer_where_hits_were_printed(run: Run) -> None:
    run.shard(rows("results", []), printed=lines_of())
    assert run.choose().source == "stdout"
    assert len(run.merge().hits) == len(HITS)


def test_no_result_says_what_was_looked_at(run: Run) -> None:
    big = frame("df", columns=["ticker", "date"], rows=210_000, data=None, why_no_data="210,000 rows")
    run.shard(frame("prices", columns=["date", "close"], data=[["2016-03-21", 1.0]]), big, printed="done\n",
              files={"chart.html": "<html>"})  # fmt: skip
    choice = run.choose()
    assert choice.source is None
    assert choice.why.startswith("No result found. Looked at: ")
    for part in (
        "global:prices has no column of symbols (date, close)",
        "global:df was not kept (210,000 rows)",
        "file:chart.html is of no kind that is read",
        "stdout: no table and no line with a symbol and a date",
        "name it in the sidecar",
    ):
        assert part in choice.why
    assert "\n" not in choice.why


def test_a_script_that_left_nothing_has_no_result(run: Run) -> None:
    run.shard()
    assert run.choose().source is None
    assert "it printed nothing" in run.choose().why


# Shards


def test_one_source_is_taken_for_all_shards_in_which_some_found_nothing(run: Run) -> None:
    run.shard(rows("results", RAW), frame("out"), printed=printed_frame())
    run.shard(rows("results", OTHER), printed="No hits\n")
    run.shard(rows("results", []), frame("out", []), printed="Empty DataFrame\n")
    choice = run.choose()
    assert choice.source == "global:out"
    assert [one.candidate is not None for one in choice.shards] == [True, False, False]
    assert not choice.is_partial
    assert pairs(run.merge().hits) == only_pairs()


def test_a_file_that_only_some_shards_wrote_gives_way_to_the_same_rows_that_all_have(run: Run) -> None:
    run.shard(frame("hits"), files={"hits.csv": csv_of()})
    run.shard(frame("hits", OTHER))
    assert run.choose().source == "global:hits"
    assert len(run.merge().hits) == len(HITS) + len(OTHER)


def test_rows_that_a_shard_has_elsewhere_are_told(run: Run) -> None:
    run.shard(files={"hits.csv": csv_of()})
    run.shard(frame("other", OTHER))
    assert run.choose().remarks == ["shard-02 has no file:hits.csv, but 2 rows in global:other, which are left out."]


def test_files_named_by_the_time_are_one_source(run: Run) -> None:
    run.shard(files={"scan_20160324_180001.csv": csv_of()})
    run.shard(files={"scan_20160324_180007.csv": csv_of(OTHER)})
    assert run.choose().source == "file:scan_*.csv"
    assert len(run.merge().hits) == len(HITS) + len(OTHER)


def test_a_file_a_day_is_one_source(run: Run) -> None:
    run.shard(files={f"hits/{day}.csv": csv_of([(symbol, day, gap)]) for symbol, day, gap in HITS})
    assert pairs(run.merge().hits) == only_pairs()


def test_a_shard_that_crashed_keeps_its_hits_as_partial(run: Run) -> None:
    run.shard(frame("hits"))
    run.shard(frame("hits", OTHER), ended="crashed", error="ZeroDivisionError: division by zero")
    choice = run.choose()
    assert choice.is_partial
    assert len(run.merge().hits) == len(HITS) + len(OTHER)
    assert choice.remarks == ["shard-02 crashed (ZeroDivisionError: division by zero) with 2 hits."]


@pytest.mark.parametrize(
    "error", ["KeyError: 'date'", "ValueError: No objects to concatenate", "IndexError: list index out of range"]
)
def test_a_script_that_fails_on_an_empty_result_found_nothing(run: Run, error: str) -> None:
    run.shard(rows("results", []), ended="crashed", error=error)
    choice = run.choose()
    assert choice.source == "global:results"
    assert choice.is_partial
    assert "taken as no hits" in choice.remarks[0]


@pytest.mark.parametrize("error", ["KeyError: 'results'", "ConnectionError: refused", "TypeError: can't compare"])
def test_a_script_that_fails_before_it_found_anything_has_no_result(run: Run, error: str) -> None:
    run.shard(rows("results", []), ended="crashed", error=error)
    choice = run.choose()
    assert choice.source is None
    assert f"shard-01 crashed: {error}" in choice.why


def test_a_shard_that_was_killed_is_missing_and_the_others_are_kept(run: Run) -> None:
    run.shard(frame("hits"))
    run.shard(ended=None)
    choice = run.choose()
    assert choice.missing == ["shard-02"]
    assert choice.remarks == ["shard-02 was killed and left no result."]
    assert pairs(run.merge().hits) == only_pairs()


def test_what_a_killed_shard_wrote_is_found(run: Run) -> None:
    run.shard(ended=None, files={"hits.csv": csv_of()})
    assert run.choose().is_partial
    assert pairs(run.merge().hits) == only_pairs()


# Pinned


def test_a_sidecar_has_the_last_word(run: Run) -> None:
    run.shard(rows("results", RAW), frame("out"), printed=printed_frame(), files={"sub/all.csv": csv_of(OTHER)})
    assert run.choose("global:results").source == "global:results"
    assert run.choose("file:sub/all.csv").source == "file:sub/all.csv"
    assert run.choose("file:all.csv").source == "file:sub/all.csv"
    assert run.choose("stdout").source == "stdout"
    assert run.choose("stdout").trust is Trust.PINNED


def test_what_is_pinned_and_not_there_is_an_error_that_names_it(run: Run) -> None:
    run.shard(frame("out"))
    choice = run.choose("global:hits")
    assert choice.source is None
    assert choice.why.startswith(
        "global:hits, which the sidecar names as the result, was not found. Looked at: global:out"
    )


def test_what_is_pinned_and_was_not_kept_is_an_error_that_says_why(run: Run) -> None:
    run.shard(frame("df", columns=["ticker", "date"], rows=210_000, data=None, why_no_data="210,000 rows"))
    assert run.choose("global:df").why == (
        "global:df, which the sidecar names as the result, was not kept (210,000 rows) (shard-01)."
    )


def test_a_pinned_output_without_a_hit_is_zero_hits(run: Run) -> None:
    run.shard(printed="done\n")
    assert run.choose("stdout").source == "stdout"
    assert run.merge("stdout").hits == []


def test_a_choice_can_be_pinned_as_it_is_named(run: Run) -> None:
    run.shard(files={"scan_20160324_180001.csv": csv_of()})
    run.shard(files={"scan_20160324_180007.csv": csv_of(OTHER)})
    source = run.choose().source
    assert source is not None
    assert len(run.merge(source).hits) == len(HITS) + len(OTHER)


def test_json_that_was_written_is_a_result(run: Run) -> None:
    run.shard(files={"hits.json": json.dumps(records())})
    assert pairs(run.merge().hits) == only_pairs()
