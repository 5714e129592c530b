"""What a script prints is read as a person reads it: tables of any make, lines in any form, and nothing else."""

import io
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import rich.box
import rich.console
import rich.table
from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from scan_pipeline.scripts.results.columns import find_roles, read_days
from scan_pipeline.scripts.results.printed import MOST_BYTES, read_printed, read_text
from scan_pipeline.scripts.results.printed_lines import NEVER
from scan_pipeline_tests.scripts.shards import AS_OF, HITS, KNOWN

WANTED = [("AAPL", "2016-03-21"), ("BRK.B", "2016-03-22"), ("NA", "2016-03-23")]


def shown(text: str, known: Collection[str] | None = None, as_of: date | None = None) -> list[tuple[str, str]]:
    """Every symbol and day that printed text shows, of tables first."""
    found = []
    for one in read_text(text, known, as_of).shown:
        roles = find_roles(one.table, known)
        assert roles.symbol is not None
        assert roles.date is not None
        days = read_days([row[roles.date] for row in one.table.rows])
        found += [(str(row[roles.symbol]), str(day)) for row, day in zip(one.table.rows, days, strict=True)]
    return found


def hits(days: str = "day") -> pd.DataFrame:
    data = pd.DataFrame(HITS, columns=["ticker", "date", "gap %"])
    data["name"] = ["Apple Inc", "B H", "C"]
    if days != "text":
        data["date"] = pd.to_datetime(data["date"]) + pd.Timedelta("9h35min" if days == "moment" else 0)
    return data


def wide(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(**{f"a_long_column_{place}": place * 1.5 for place in range(12)})


def in_box(data: pd.DataFrame, box: rich.box.Box) -> str:
    table = rich.table.Table(title="Hits", box=box)
    for column in data.columns:
        table.add_column(str(column))
    for row in data.itertuples(index=False):
        table.add_row(*map(str, row))
    file = io.StringIO()
    rich.console.Console(file=file, width=80, force_terminal=True).print(table)
    return file.getvalue()


def all_columns(data: pd.DataFrame) -> str:
    with pd.option_context("display.max_columns", None, "display.width", 80):
        return str(data)


TABULATE = (
    "simple",
    "grid",
    "psql",
    "github",
    "plain",
    "rst",
    "fancy_grid",
    "pretty",
    "pipe",
    "outline",
    "presto",
    "tsv",
)
PRINTS = {
    "print(df)": str,
    "to_string()": lambda data: data.to_string(),
    "to_string(index=False)": lambda data: data.to_string(index=False),
    "justified left": lambda data: data.to_string(justify="left"),
    "justified left, without index": lambda data: data.to_string(index=False, justify="left"),
    "date first": lambda data: data[["date", "name", "gap %", "ticker"]].to_string(index=False),
    "indexed by symbol": lambda data: str(data.set_index("ticker")),
    "indexed by day": lambda data: str(data.set_index("date")),
    "indexed by a nameless day": lambda data: str(data.set_index("date").rename_axis(None)),
    "indexed by symbol and day": lambda data: str(data.set_index(["ticker", "date"])),
    "indexed by day and symbol": lambda data: str(data.set_index(["date", "ticker"])),
    "too wide for one line": lambda data: all_columns(wide(data)),
    "too wide, indexed": lambda data: all_columns(wide(data).set_index("date")),
    "CSV": lambda data: data.to_csv(index=False),
    "CSV with index": lambda data: data.to_csv(),
    "CSV with tabs": lambda data: data.to_csv(index=False, sep="\t"),
    "CSV with semicolons": lambda data: data.to_csv(index=False, sep=";"),
    "JSON": lambda data: data.to_json(orient="records", date_format="iso"),
    "JSON over many lines": lambda data: data.to_json(orient="records", indent=2, date_format="iso"),
    "JSON lines": lambda data: data.to_json(orient="records", lines=True, date_format="iso"),
    "a list of dicts": lambda data: str(data.to_dict("records")),
    "a list of dicts with numpy's numbers": lambda data: str(
        [dict(zip(data, row, strict=True)) for row in data.astype({"gap %": "float32"}).to_numpy().tolist()]
    ),
    "a tuple a line": lambda data: "\n".join(map(str, data.astype({"date": str}).itertuples(index=False, name=None))),
} | {
    f"tabulate's {form}{' with index' * index}": lambda data, form=form, index=index: tabulate(
        data, headers="keys", tablefmt=form, showindex=index
    )
    for form in TABULATE
    for index in (False, True)
} | {
    f"rich's {name}": lambda data, name=name: in_box(data, getattr(rich.box, name))
    for name in ("HEAVY_HEAD", "SIMPLE", "ROUNDED", "MINIMAL", "HORIZONTALS", "ASCII")
}  # fmt: skip


@pytest.mark.parametrize("days", ["day", "moment", "text"])
@pytest.mark.parametrize("form", PRINTS)
def test_a_printed_table_is_read_whatever_made_it(form: str, days: str) -> None:
    printed = PRINTS[form](hits(days))
    assert shown(printed) == WANTED


@pytest.mark.parametrize("form", PRINTS)
def test_what_is_printed_around_a_table_is_no_part_of_it(form: str) -> None:
    printed = PRINTS[form](hits())
    assert shown(f"Scanning 300 symbols ...\nResults:\n{printed}\nDone: 3 hits in 2.5 s\n") == WANTED


@pytest.mark.parametrize("rows", [61, 500])
def test_a_table_that_pandas_cut_short_says_so_and_how_many_rows_it_has(rows: int) -> None:
    data = pd.concat([hits()] * (rows // 3 + 1), ignore_index=True).head(rows)
    [one] = read_text(f"{data}\n").shown
    assert one.truncated
    assert one.total == rows
    assert len(one.table.rows) == 10


def test_a_table_with_columns_left_out_says_that_it_was_cut_short() -> None:
    with pd.option_context("display.max_columns", 4, "display.width", 80):
        [one] = read_text(str(wide(hits()))).shown
    assert one.truncated


@pytest.mark.parametrize("most", [20, None], ids=["a cell", "the table"])
def test_what_rich_cut_short_is_a_part(most: int | None) -> None:
    table = rich.table.Table()
    for column in ("ticker", "date"):
        table.add_column(column, no_wrap=True, min_width=10)
    table.add_column("note", no_wrap=True, max_width=most)
    table.add_row("AAPL", "2016-03-21", "a long remark " * 9)
    file = io.StringIO()
    rich.console.Console(file=file, width=60).print(table)
    assert [one.truncated for one in read_text(file.getvalue()).shown] == [True]


def test_tables_with_the_same_columns_are_one() -> None:
    data = hits()
    printed = "\n\n".join(f"Day {day}\n{group.to_string(index=False)}" for day, group in data.groupby("date"))
    assert shown(printed) == WANTED
    assert len(read_text(printed).shown) == 1


def test_a_table_that_is_printed_twice_counts_once() -> None:
    assert shown(f"{hits()}\n\nAgain:\n{hits()}\n") == WANTED


@pytest.mark.parametrize(
    "line",
    [
        "AAPL 2016-03-21",
        "AAPL, 2016-03-21",
        "AAPL - 2016-03-21",
        "AAPL – 2016-03-21",
        "AAPL: 2016-03-21",
        "AAPL | 2016-03-21 | 5.25",
        "AAPL;2016-03-21;5.25",
        "AAPL\t2016-03-21\t5.25",
        "AAPL (2016-03-21)",
        "AAPL @ 2016-03-21",
        "AAPL -> 2016-03-21",
        "AAPL on 2016-03-21",
        "AAPL 2016/03/21",
        "AAPL 03/21/2016",
        "AAPL 3/21/2016 5.25",
        "AAPL 20160321",
        "AAPL Mar 21, 2016",
        "AAPL 21-Mar-2016",
        "AAPL 2016-03-21T00:00:00",
        "AAPL 2016-03-21 00:00:00-04:00 gap=1",
        "2016-03-21 AAPL",
        "2016-03-21: AAPL",
        "2016-03-21,AAPL,5.25",
        "20160321 AAPL",
        "03/21/2016 AAPL +5.2%",
        "2016-03-21 00:00:00 AAPL 5.25",
        "2016-03-21 09:35:00 AAPL 5.25",
        "  - AAPL 2016-03-21",
        "• AAPL 2016-03-21",
        "1. AAPL 2016-03-21",
        "12   AAPL 2016-03-21 5.25",
        "✅ AAPL 2016-03-21 🚀",
        ">>> AAPL 2016-03-21 <<<",
        "[HIT] AAPL 2016-03-21",
        "HIT: AAPL on 2016-03-21",
        "🚀 SIGNAL AAPL 2016-03-21",
        "Found AAPL on 2016-03-21 (gap: 5.2)",
        "Gap up: AAPL 2016-03-21",
        "$AAPL 2016-03-21",
        "\x1b[32mAAPL\x1b[0m \x1b[1m2016-03-21\x1b[0m",
        "\rscanning 99%\rAAPL 2016-03-21",
        "AAPL 2016-03-21 -5.2% 1,234,567",
        "AAPL gap=5.2 2016-03-21",
        "AAPL 5.2 2016-03-21",
        "AAPL triggered on 2016-03-21",
        "AAPL 2016-03-21 exit 2016-03-25",
        "Symbol: AAPL, Date: 2016-03-21, Gap: 5.2",
        "ticker=AAPL date=2016-03-21 gap=5.2",
        "{'symbol': 'AAPL', 'date': '2016-03-21', 'gap': 5.2}",
        "{'symbol': 'AAPL', 'date': datetime.date(2016, 3, 21), 'gap': np.float64(5.2)}",
        "{'symbol': 'AAPL', 'date': Timestamp('2016-03-21 00:00:00'), 'gap': nan}",
        "('AAPL', '2016-03-21', 5.2)",
        '{"symbol": "AAPL", "date": "2016-03-21"}',
        "2025-01-02 10:00:00 INFO AAPL 2016-03-21",
        "2025-01-02 10:00:00,123 - scanner - INFO - AAPL 2016-03-21 gap=3",
        "2025-01-02 10:00:00 | INFO     | AAPL 2016-03-21",
        "2025-01-02 10:00:00 AAPL 2016-03-21",
        "[2025-01-02 10:00:00] AAPL 2016-03-21",
        "10:00:00 AAPL 2016-03-21",
        "[INFO] AAPL 2016-03-21",
        "INFO:root:AAPL 2016-03-21",
        "INFO:__main__:AAPL: 2016-03-21",
    ],
)
@pytest.mark.parametrize("known", [None, KNOWN], ids=["unknown", "known"])
def test_a_line_with_a_symbol_and_a_date_is_a_hit(line: str, known: frozenset[str] | None) -> None:
    assert shown(line, known) == [("AAPL", "2016-03-21")]


@pytest.mark.parametrize(
    "line",
    [
        "TOTAL 2016-03-21",
        "HITS 2016-03-21: 5",
        "DATE 2016-03-21",
        "NONE 2016-03-21",
        "INFO 2016-03-21",
        "2016-03-21: NONE",
        "2016-03-21: 5 hits",
        "2025-01-02 10:00:00 INFO scanning AAPL",
        "2025-01-02 10:00:00 INFO AAPL done",
        "2025-01-02 10:00:00,123 INFO AAPL",
        "Fetching AAPL 2016-03-21",
        "AAPL 2016-01-01 to 2016-03-21",
        "AAPL from 2016-01-01: 250 bars",
        "AAPL 2016-03-21: no hits",
        "AAPL error 404 2016-03-21",
        "Scan of ALL on 2016-03-21",
        "As of NOW 2016-03-21",
        "A total of 5 on 2016-03-21",
        "I ran on 2016-03-21",
        "Done 2016-03-21",
        "Run date: 2016-03-21",
        "START_DATE 2016-03-21",
        "AAPL 5.2",
        "Total hits: 37",
        "Elapsed 12.3s",
    ],
)
@pytest.mark.parametrize("known", [None, KNOWN | {"I", "HITS"}], ids=["unknown", "known"])
def test_a_line_that_tells_what_the_program_does_is_no_hit(line: str, known: frozenset[str] | None) -> None:
    assert read_text(line, known).shown == []


@pytest.mark.parametrize(
    "symbol", ["A", "T", "ON", "ALL", "NOW", "LOW", "FAST", "NA", "NAN", "NULL", "TRUE", "BRK.B", "KIMpL", "AHACW"]
)
@pytest.mark.parametrize("form", ["{} 2016-03-21", "{}: 2016-03-21", "{}, 2016-03-21", "2016-03-21 {}"])
def test_symbols_that_look_like_words_numbers_or_nothing_survive(symbol: str, form: str) -> None:
    assert shown(form.format(symbol), KNOWN) == [(symbol, "2016-03-21")]


def test_where_the_symbols_are_known_no_other_word_is_one() -> None:
    assert shown("AAPL 2016-03-21\nXYZ 2016-03-21\naapl 2016-03-21\n", KNOWN) == [("AAPL", "2016-03-21")]


def test_the_time_at_which_a_line_is_printed_is_not_its_hit() -> None:
    assert read_text("2016-03-24 18:00:05 AAPL 5.2\n", KNOWN, AS_OF).shown == []
    assert shown("2016-03-24 09:35:00 AAPL 5.2\n", KNOWN, AS_OF) == [("AAPL", "2016-03-24")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2016-03-21: AAPL, MSFT, TSLA", [("AAPL", 21), ("MSFT", 21), ("TSLA", 21)]),
        ("2016-03-21: ['AAPL', 'MSFT']", [("AAPL", 21), ("MSFT", 21)]),
        ("2016-03-21 -> 2 hits: AAPL, MSFT", [("AAPL", 21), ("MSFT", 21)]),
        ("AAPL: 2016-03-21, 2016-03-22", [("AAPL", 21), ("AAPL", 22)]),
        ("=== 2016-03-21 ===\n  AAPL  5.2%\n  MSFT  3.1%\n", [("AAPL", 21), ("MSFT", 21)]),
        ("2016-03-21:\n  - AAPL\n  - MSFT\n2016-03-22:\n  - TSLA\n", [("AAPL", 21), ("MSFT", 21), ("TSLA", 22)]),
        ("Hits for 2016-03-21 (2):\nAAPL, MSFT\n", [("AAPL", 21), ("MSFT", 21)]),
        ("AAPL:\n  2016-03-21 gap 5\n  2016-03-22\nMSFT:\n  2016-03-22\n", [("AAPL", 21), ("AAPL", 22), ("MSFT", 22)]),
    ],
)  # fmt: skip
def test_headings_and_lists_give_a_hit_for_each_symbol_and_day(text: str, wanted: list[tuple[str, int]]) -> None:
    assert shown(text, KNOWN) == [(symbol, f"2016-03-{day}") for symbol, day in wanted]


@pytest.mark.parametrize(
    ("line", "own"),
    [
        (
            "AAPL 2016-03-21 gap=5.25 vol: 1,200,000 rsi 71 3.5",
            {"gap": 5.25, "vol": 1_200_000, "rsi": 71, "value_1": 3.5},
        ),
        ("hit {'Symbol': 'AAPL', 'Date': '2016-03-21', 'Close': 5.5, 'rvol': 1.2}", {"Close": 5.5, "rvol": 1.2}),
        ("AAPL | 2016-03-21 | 5.25%", {"value_1": 5.25}),
        ("AAPL 2016-03-21 exit 2016-03-25", {}),
    ],
)
def test_what_follows_a_hit_is_kept_with_it(line: str, own: dict[str, Any]) -> None:
    [one] = read_text(line).shown
    hit = dict(zip(one.table.columns, one.table.rows[0], strict=True))
    assert hit == {"symbol": "AAPL", "date": "2016-03-21"} | own


@pytest.mark.parametrize(
    "text",
    [
        "No hits", "no hits found today", "0 hits found", "No signals", "nothing found", "Found 0", "found: none",
        "Hits: 0", "No stocks matched the criteria", "Empty DataFrame\nColumns: []\nIndex: []", "❌ No matches.",
        "No stocks found on 2016-03-21", "2016-03-24 18:00:01 INFO no setups",
    ],
)  # fmt: skip
def test_words_for_an_empty_result_are_understood(text: str) -> None:
    assert read_text(f"scanning ...\n{text}\ndone\n", KNOWN).says_none


@pytest.mark.parametrize("text", ["AAPL: no signal", "no data", "10 hits", "Found 10", "0 errors", "Hits: 10"])
def test_words_about_one_symbol_or_something_else_are_no_empty_result(text: str) -> None:
    assert not read_text(f"{text}\n", KNOWN).says_none


@pytest.mark.parametrize(
    "text", ["", "\0" * 5_000, "[" * 50_000, "{" * 3_000 + "\n" + "(" * 3_000, "|" * 9_000, "\x1b[" * 999]
)
def test_garbage_shows_nothing(text: str) -> None:
    assert read_text(text).shown == []


def test_of_an_output_without_end_the_last_part_is_read_and_this_is_said(tmp_path: Path) -> None:
    path = tmp_path / "stdout.txt"
    noise = "scanning something " * 3 + "\n"
    path.write_text("MSFT 2016-03-21\n" + noise * (MOST_BYTES // len(noise) + 10) + "AAPL 2016-03-21\n")
    printed = read_printed(path)
    assert [list(row) for one in printed.shown for row in one.table.rows] == [["AAPL", "2016-03-21"]]
    assert "of which the last 8 were read" in printed.notes[0]


def test_a_script_that_printed_nothing_is_noted(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text("\n")
    assert read_printed(tmp_path / "stdout.txt").notes == ["it printed nothing"]


SYMBOLS = st.one_of(
    st.from_regex(r"[A-Z]{1,5}", fullmatch=True),
    st.sampled_from(["BRK.B", "KIMpL", "NA", "NAN", "NULL", "TRUE", "A", "T"]),
)
DAYS = st.dates(date(2010, 1, 1), date(2030, 12, 31))
NUMBERS = st.one_of(st.floats(-1e6, 1e6, width=32), st.none())


@given(st.lists(st.tuples(SYMBOLS, DAYS, NUMBERS), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_any_hits_that_pandas_prints_are_found_again(rows: list[tuple[Any, ...]], moments: bool, index: bool) -> None:
    data = pd.DataFrame(rows, columns=["symbol", "session", "value"])
    if moments:
        data["session"] = pd.to_datetime(data["session"])
    assert shown(data.to_string(index=index)) == [(symbol, str(day)) for symbol, day, _ in rows]


FORMS = ("{0} {1}", "{0}, {1}", "{0} - {1}", "{0}: {1}", "{0} | {1} | 5", "{1} {0}", "{1},{0},2.5")


@given(st.lists(st.tuples(SYMBOLS, DAYS), min_size=1, max_size=12), st.sampled_from(FORMS))
def test_any_hits_in_lines_are_found_again(rows: list[tuple[str, date]], form: str) -> None:
    known = {symbol for symbol, _ in rows} - NEVER
    rows = [row for row in rows if row[0] in known]
    assert shown("\n".join(form.format(*row) for row in rows), known) == [(symbol, str(day)) for symbol, day in rows]


@given(st.text(max_size=400))
def test_no_output_can_end_the_reading(text: str) -> None:
    read_text(text, KNOWN)
