"""A person's own files: what is recognised, what is refused and with which words, and that no line goes missing."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scan_pipeline.providers.base import REFERENCE_COLUMNS, SPLIT_COLUMNS, ProviderError
from scan_pipeline.providers.files import FilesProvider
from scan_pipeline_tests.desk import MON, TUE, WED, WEEK, Desk, bar, broken_accounts

HEADER = "symbol,date,open,high,low,close,volume\n"
LINE = "{},{},10,11,9,10.5,1000\n"
BAR = (TUE, 10.0, 11.0, 9.0, 10.5, 1000.0)


def held(desk: Desk) -> list[tuple[object, ...]]:
    desk.ingest()
    return desk.bars("symbol, session, open, high, low, close, volume")


# What is recognised


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_file_is_found(desk: Desk, delimiter: str) -> None:
    desk.csv([bar("AAA", TUE)], delimiter=delimiter)
    assert held(desk) == [("AAA", *BAR)]


@pytest.mark.parametrize(
    "header",
    [
        "symbol,date,open,high,low,close,volume",
        "ticker,timestamp,open,high,low,close,volume",
        "Ticker,Session,Open,High,Low,Close,Volume",
        '"SYMBOL","DATE","OPEN","HIGH","LOW","CLOSE","VOLUME"',
        "symbol, date, open, high, low, close, volume",
        "\ufeffsymbol,date,open,high,low,close,volume",
    ],
)
def test_columns_are_recognised_by_any_of_their_names(desk: Desk, header: str) -> None:
    (desk.feed / "bars.csv").write_text(f"{header}\nAAA,{TUE},10,11,9,10.5,1000\n")
    assert held(desk) == [("AAA", *BAR)]


def test_columns_may_come_in_any_order(desk: Desk) -> None:
    (desk.feed / "bars.csv").write_text(f"volume,close,low,high,open,date,symbol\n1000,10.5,9,11,10,{TUE},AAA\n")
    assert held(desk) == [("AAA", *BAR)]


def test_lines_may_end_as_on_windows_and_blank_ones_are_nothing(desk: Desk) -> None:
    text = HEADER + LINE.format("AAA", TUE) + "\n" + LINE.format("BBB", TUE) + "\n"
    (desk.feed / "bars.csv").write_bytes(text.replace("\n", "\r\n").encode())
    assert held(desk) == [("AAA", *BAR), ("BBB", *BAR)]
    assert desk.rejected() == []


#: Ways to write that a bar is of Tuesday.
TUESDAYS = [
    "2015-07-14",
    "2015-7-14",
    "20150714",
    "2015-07-14 00:00:00",
    "2015-07-14 16:00:00",
    "2015-07-14T00:00:00-04:00",
    "2015-07-14T04:00:00Z",
    "1436846400000",  # midnight in New York, in milliseconds since 1970
    "1436903999000",  # a second before the next day in UTC
    "1436932799000",  # a second before the next day in New York
    "1436846400",  # in seconds
]


def test_dates_may_be_dates_timestamps_or_epoch_numbers_of_new_york(desk: Desk) -> None:
    lines = [LINE.format(f"S{number:02}", text) for number, text in enumerate(TUESDAYS)]
    (desk.feed / "bars.csv").write_text(HEADER.replace("date", "timestamp") + "".join(lines))
    assert held(desk) == [(f"S{number:02}", *BAR) for number in range(len(TUESDAYS))]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_dates_do_not_depend_on_where_the_machine_stands(desk: Desk, zone: str) -> None:
    lines = [LINE.format(f"S{number:02}", text) for number, text in enumerate(TUESDAYS)]
    (desk.feed / "bars.csv").write_text(HEADER + "".join(lines))
    late = datetime(2015, 7, 15, 3, 59, tzinfo=UTC)
    columns = {"symbol": ["PQ"], "date": [late], "open": [10.0], "high": [11.0], "low": [9.0], "close": [10.5]}
    pq.write_table(pa.table(columns | {"volume": [1000.0]}), desk.feed / "bars.parquet")
    program = (
        "import sys, duckdb; from datetime import date; from pathlib import Path\n"
        "from scan_pipeline.providers.files import FilesProvider\n"
        "[(_, _, delivery)] = FilesProvider(Path(sys.argv[1])).deliveries([date(2015, 7, 14)], date(2015, 7, 13))\n"
        "rows = delivery.rows(duckdb.connect()).aggregate('count(*), min(session_day), max(session_day)').fetchall()\n"
        "print(*rows[0])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(desk.feed)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TZ": zone},
    )
    assert answer.stdout.split() == [str(len(TUESDAYS) + 1), TUE, TUE]


@pytest.mark.parametrize(
    "days",
    [
        [date(2015, 7, 14)],
        [datetime(2015, 7, 14)],
        [datetime(2015, 7, 14, 0, 0, tzinfo=ZoneInfo("America/New_York"))],
        [datetime(2015, 7, 15, 3, 59, tzinfo=UTC)],
        [1436846400000],
        ["2015-07-14"],
    ],
    ids=["date", "timestamp", "timestamp of New York", "timestamp in UTC", "epoch milliseconds", "text"],
)
def test_dates_in_parquet_may_have_any_type(desk: Desk, days: list[object]) -> None:
    row = {name: [value] for name, value in bar("AAA").items()} | {"date": days}
    pq.write_table(pa.table(row), desk.feed / "bars.parquet")
    assert held(desk) == [("AAA", *BAR)]


def test_prices_in_parquet_may_be_text_or_decimals_or_integers(desk: Desk) -> None:
    text = {"open": ["10"], "high": ["11"], "low": ["9"], "close": ["10.5"], "volume": [1000], "date": [TUE]}
    pq.write_table(pa.table({"symbol": ["AAA"]} | text), desk.feed / "bars.parquet")
    assert held(desk) == [("AAA", *BAR)]


@pytest.mark.parametrize("name", ["AAA", "BRK.B", "it's", "a[1]", "TRUE"])
def test_a_file_without_a_symbol_column_holds_the_symbol_that_it_is_named_after(desk: Desk, name: str) -> None:
    rows = [{key: value for key, value in bar(None, TUE).items() if key != "symbol"}]
    desk.csv(rows, f"{name}.csv")
    desk.parquet(rows, "ZZZ.parquet")
    assert sorted(held(desk)) == sorted([(name, *BAR), ("ZZZ", *BAR)])


def test_symbols_that_look_like_something_else_are_symbols(desk: Desk) -> None:
    names = ["INF", "NA", "NAN", "NULL", "TRUE"]
    desk.csv([bar(name, TUE) for name in names])
    assert held(desk) == [(name, *BAR) for name in names]


def test_files_of_different_kinds_columns_and_folders_are_read_together(desk: Desk) -> None:
    (desk.feed / "2015" / "july").mkdir(parents=True)
    desk.csv([bar("CSV", TUE)], "a.csv")
    desk.csv([bar("DEEP", TUE)], "2015/july/B.CSV")
    desk.csv([bar("SEMI", TUE)], "c.csv", delimiter=";")
    desk.csv([bar("TOLD", TUE, reported_on=WED)], "d.csv")
    desk.parquet([bar("PQ", TUE)], "e.parquet")
    desk.parquet([bar("PQX", TUE, adj_close=3.0)], "f.parquet")
    (desk.feed / "notes.txt").write_text("not bars")
    assert [symbol for symbol, *_ in held(desk)] == ["CSV", "DEEP", "PQ", "PQX", "SEMI", "TOLD"]


def test_a_single_file_is_a_feed(desk: Desk, tmp_path: Path) -> None:
    path = desk.csv([bar("AAA", TUE)])
    desk.csv([bar("BBB", TUE)], "other.csv")
    provider = FilesProvider(path)
    [(_, _, delivery)] = provider.deliveries([date(2015, 7, 14)], date(2015, 7, 13))
    with duckdb.connect() as connection:
        assert delivery.rows(connection).project("symbol").fetchall() == [("AAA",)]


@pytest.mark.parametrize("folder", ["bars [old]", "what?", "bars*", "50% of it's bars"])
def test_a_folder_may_have_any_name(desk: Desk, folder: str) -> None:
    (desk.feed / folder).mkdir()
    desk.csv([bar("AAA", TUE)], f"{folder}/bars.csv")
    desk.parquet([bar("BBB", TUE)], f"{folder}/bars.parquet")
    assert held(desk) == [("AAA", *BAR), ("BBB", *BAR)]


def test_the_dates_that_are_held_are_told(desk: Desk) -> None:
    desk.csv([bar("AAA", TUE), bar("AAA", None)])
    desk.parquet([bar("AAA", WEEK[-1])])
    assert FilesProvider(desk.feed).held() == (date(2015, 7, 14), date(2015, 7, 17))


def test_without_a_dated_row_nothing_is_held(desk: Desk) -> None:
    (desk.feed / "bars.csv").write_text(HEADER)
    assert FilesProvider(desk.feed).held() is None


# What is refused


def refused(desk: Desk) -> str:
    with pytest.raises(ProviderError) as error:
        desk.ingest()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_path_is_refused_with_the_variable(desk: Desk) -> None:
    desk.feed.rmdir()
    assert refused(desk) == f"SCAN_FILES_PATH={desk.feed} does not exist. Point it at your bars."


def test_a_folder_without_bars_is_refused(desk: Desk) -> None:
    (desk.feed / "notes.txt").write_text("not bars")
    assert refused(desk) == f"SCAN_FILES_PATH={desk.feed} holds no file that ends in .parquet or .csv."


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_unknown_and_missing_columns_are_named_with_what_was_found_and_expected(desk: Desk, kind: str) -> None:
    rows = [{"symbol": "AAA", "date": TUE, "open": 10.0, "high": 11.0, "low": 9.0, "last": 10.5, "mood": 10.0}]
    path = desk.csv(rows) if kind == "csv" else desk.parquet(rows)
    message = refused(desk)
    assert message.startswith(f"{path}: columns not recognised or given twice: last, mood; missing: close, volume.")
    assert "Found: symbol, date, open, high, low, last, mood." in message
    assert "Expected: session, date, timestamp, open, high, low, close, volume;" in message
    assert "optionally symbol, ticker, adj_close, vwap, vw, trades, transactions, reported_on." in message


def test_a_column_that_is_given_under_two_names_is_refused(desk: Desk) -> None:
    desk.csv([bar("AAA", TUE, ticker="BBB")])
    assert "given twice: ticker" in refused(desk)


def test_a_file_that_is_not_what_its_name_says_is_refused(desk: Desk) -> None:
    path = desk.feed / "bars.parquet"
    path.write_text(HEADER)
    assert refused(desk).startswith(f"{path} cannot be read as parquet: ")


def test_one_wrong_file_among_good_ones_is_named_and_nothing_is_taken_in(desk: Desk) -> None:
    desk.csv([bar("AAA", TUE)], "good.csv")
    desk.csv([{"symbol": "AAA", "price": 10.0}], "wrong.csv")
    assert "wrong.csv: columns" in refused(desk)
    assert not desk.pipeline.store.exists or desk.bars() == []


# Lines of a CSV file that are broken


def broken(line: str) -> str:
    """A good bar, a broken line, and more good bars."""
    return HEADER + LINE.format("AAA", MON) + line + "\n" + LINE.format("BBB", MON) + LINE.format("CCC", TUE)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"BAD,{MON},10,11", id="too few fields"),
        pytest.param(f"BAD,{MON},10,11,9,10.5,1000,7,8", id="too many fields"),
        pytest.param("BAD", id="one field"),
        pytest.param(f'B"AD,{MON},10,11,9,1"0.5,1000', id="quotes within fields"),
        pytest.param(f'BAD,{MON},10,11,9,"10.5,1000', id="quote not closed"),
        pytest.param(f'"BAD,{MON},10,11,9,10.5,1000', id="quote not closed at the start"),
    ],
)
def test_a_broken_line_is_kept_as_it_is_and_no_other_line_is_lost(desk: Desk, line: str) -> None:
    (desk.feed / "bars.csv").write_text(broken(line))
    desk.ingest()
    assert desk.bars("session, symbol") == [(MON, "AAA"), (MON, "BBB"), (TUE, "CCC")]
    [(rule, raw, source)] = desk.rejected("rule, raw, source")
    assert rule == "unparsable"
    assert source == str(desk.feed / "bars.csv")
    kept = json.loads(raw)
    assert line in (kept.get("text"), ",".join(str(kept.get(name)) for name in HEADER.strip().split(",")))
    assert broken_accounts(desk) == []


def test_the_place_of_a_broken_line_is_told(desk: Desk) -> None:
    (desk.feed / "bars.csv").write_text(broken("BAD,1,2"))
    desk.ingest()
    assert desk.ask("select raw->>'line', raw->>'text', raw->>'fault' from rejected_bars") == [
        ("3", "BAD,1,2", "Expected Number of Columns: 7 Found: 3")
    ]


def test_broken_lines_of_several_files_are_kept_once_however_often_they_are_read(desk: Desk) -> None:
    (desk.feed / "a.csv").write_text(broken("BAD,1,2"))
    (desk.feed / "b.csv").write_text(HEADER.replace(",", ";") + "BAD;1;2\n")
    (desk.feed / "c.csv").write_text(HEADER + "BAD,1,2\nBAD,3,4\n")
    desk.parquet([bar("PQ", MON)])
    for _ in range(2):
        desk.ingest(MON)
        desk.ingest(TUE)
    texts = desk.ask("select right(source, 5), raw->>'text' from rejected_bars order by all")
    assert texts == [("a.csv", "BAD,1,2"), ("b.csv", "BAD;1;2"), ("c.csv", "BAD,1,2"), ("c.csv", "BAD,3,4")]


def test_a_line_that_is_no_utf8_is_a_broken_line_wherever_it_stands(desk: Desk) -> None:
    (desk.feed / "bars.csv").write_bytes(broken(f"BAD,{MON},10,11,9,10.5,1000").replace("BAD", "B\udcff").encode(
        errors="surrogateescape"))  # fmt: skip
    desk.ingest()
    assert desk.bars("session, symbol") == [(MON, "AAA"), (MON, "BBB"), (TUE, "CCC")]
    assert len(desk.rejected()) == 1


def test_a_broken_line_far_down_a_large_file_costs_no_other(desk: Desk) -> None:
    lines = [LINE.format(f"S{number:05}", MON) for number in range(60_000)]
    lines.insert(50_000, "BAD,1,2\n")
    (desk.feed / "bars.csv").write_text(HEADER + "".join(lines))
    assert desk.ingest(MON)[MON].bars == 60_000
    assert desk.ask("select raw->>'line' from rejected_bars") == [("50002",)]


def test_the_raw_row_of_a_csv_file_has_the_columns_of_the_file(desk: Desk) -> None:
    desk.csv([bar("AAA", TUE), bar("BAD", TUE, close=0.0)])
    desk.ingest(TUE)
    [(raw,)] = desk.rejected("raw")
    assert list(json.loads(raw)) == list(bar())


# splits.csv and symbols.csv


def read(desk: Desk, table: str, text: str) -> list[tuple[object, ...]]:
    """The rows of `splits.csv` or `symbols.csv` with this text."""
    (desk.feed.parent / table).write_text(text)
    provider = FilesProvider(desk.feed)
    with duckdb.connect() as connection:
        rows = provider.splits(connection) if table == "splits.csv" else provider.reference(connection)
        assert rows is not None
        assert rows.columns == list(SPLIT_COLUMNS if table == "splits.csv" else REFERENCE_COLUMNS)
        return rows.fetchall()


def test_without_the_files_there_are_no_splits_and_no_reference_data(desk: Desk) -> None:
    with duckdb.connect() as connection:
        assert FilesProvider(desk.feed).splits(connection) is None
        assert FilesProvider(desk.feed).reference(connection) is None


def test_splits_are_read_under_the_names_of_the_vendor_too(desk: Desk) -> None:
    text = "ticker;execution_date;split_from;split_to\nAAA;2015-07-15;1;7\n"
    assert read(desk, "splits.csv", text) == [("AAA", date(2015, 7, 15), 1.0, 7.0, None)]


def test_reference_data_may_be_partial_and_names_may_hold_commas_and_quotes(desk: Desk) -> None:
    text = 'symbol,name,market_cap,as_of\nAAA,"Alpha, Inc.",1.5e9,2015-07-01\nBBB,"The ""Best""",,\n'
    rows = [{name: value for name, value in zip(REFERENCE_COLUMNS, row, strict=True) if value is not None}
            for row in read(desk, "symbols.csv", text)]  # fmt: skip
    assert rows == [
        {"symbol": "AAA", "name": "Alpha, Inc.", "market_cap": 1.5e9, "as_of": date(2015, 7, 1)},
        {"symbol": "BBB", "name": 'The "Best"'},
    ]


@pytest.mark.parametrize(
    ("table", "header", "line", "named"),
    [
        ("splits.csv", "symbol,ex_date,split_from,split_to", "BBB,15.7.2015,1,2", "'ex_date': '15.7.2015'"),
        ("splits.csv", "symbol,ex_date,split_from,split_to", "BBB,2015-07-15,one,2", "'split_from': 'one'"),
        ("splits.csv", "symbol,ex_date,split_from,split_to", "BBB,,1,2", "'ex_date': None"),
        ("splits.csv", "symbol,ex_date,split_from,split_to,known_on", "BBB,2015-07-15,1,2,soon", "'known_on': 'soon'"),
        ("symbols.csv", "symbol,market_cap", "BBB,big", "'market_cap': 'big'"),
        ("symbols.csv", "symbol,as_of", "BBB,2015", "'as_of': '2015'"),
        ("symbols.csv", "symbol,delisted", "BBB,never", "'delisted': 'never'"),
        ("symbols.csv", "symbol,name", ",Nobody", "'symbol': None"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_file_and_line(
    desk: Desk, table: str, header: str, line: str, named: str
) -> None:
    good = "AAA,2015-07-15,1,2" if table == "splits.csv" else "AAA,"
    good += "," * (header.count(",") - good.count(","))
    with pytest.raises(ProviderError) as error:
        read(desk, table, f"{header}\n{good}\n{line}\n{good}\n")
    message = str(error.value)
    assert message.startswith(f"{desk.feed.parent / table}, line 3: ")
    assert named in message
    assert message.endswith("Mend or remove the line.")


def test_blank_lines_do_not_shift_the_line_that_is_named(desk: Desk) -> None:
    with pytest.raises(ProviderError, match=r"symbols\.csv, line 4: "):
        read(desk, "symbols.csv", "symbol,market_cap\nAAA,1\n\nBBB,big\n")


@pytest.mark.parametrize("line", ["BBB,2015-07-15", "BBB,2015-07-15,1,2,,more", '"BBB,2015-07-15,1,2,'])
def test_a_broken_line_of_splits_is_refused_with_file_and_line(desk: Desk, line: str) -> None:
    text = f"symbol,ex_date,split_from,split_to,known_on\nAAA,2015-07-15,1,2,\n{line}\n"
    with pytest.raises(ProviderError, match=r"splits\.csv cannot be read as CSV: .*Line: 3 Mend or remove it\.$"):
        read(desk, "splits.csv", text)


def test_unknown_columns_of_symbols_are_refused_with_what_was_expected(desk: Desk) -> None:
    with pytest.raises(ProviderError, match=r"symbols\.csv: columns not recognised or given twice: ipo_year\. Found: "
                       r"symbol, ipo_year\. Expected: symbol, ticker; optionally name, exchange, "):  # fmt: skip
        read(desk, "symbols.csv", "symbol,ipo_year\nAAA,2001\n")
