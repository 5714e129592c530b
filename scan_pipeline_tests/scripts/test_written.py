"""Files that a script wrote are read as what they are, and no file can harm the reading."""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scan_pipeline.scripts.results import written
from scan_pipeline.scripts.results.candidates import Candidate, Kind, make_candidate
from scan_pipeline.scripts.results.columns import NOT_SYMBOLS
from scan_pipeline.scripts.results.merging import hits_of
from scan_pipeline.scripts.results.written import Written, read_written
from scan_pipeline_tests.scripts.shards import AS_OF, HITS, KNOWN, csv_of

Write = Callable[[pd.DataFrame, Path], Any]


def as_json(orient: str, **options: Any) -> Write:
    return lambda data, path: data.to_json(path, orient=orient, date_format="iso", **options)


def as_csv(**options: Any) -> Write:
    return lambda data, path: data.to_csv(path, **({"index": False} | options))


def as_lines(data: pd.DataFrame, path: Path) -> None:
    path.write_text("".join(f"{row.ticker} {row.date:%Y-%m-%d}\n" for row in data.itertuples()))


def as_envelope(data: pd.DataFrame, path: Path) -> None:
    path.write_text(json.dumps({"count": len(data), "results": as_text(data).to_dict("records")}))


FORMS: dict[str, tuple[str, Write]] = {
    "CSV": ("hits.csv", as_csv()),
    "CSV with an index": ("hits.csv", as_csv(index=True)),
    "CSV with semicolons": ("hits.csv", as_csv(sep=";")),
    "CSV with tabs": ("hits.csv", as_csv(sep="\t")),
    "CSV without a header": ("hits.csv", as_csv(header=False)),
    "CSV from Excel": ("hits.csv", as_csv(encoding="utf-8-sig")),
    "TSV": ("hits.tsv", as_csv(sep="\t")),
    "Parquet": ("hits.parquet", lambda data, path: data.to_parquet(path)),
    "Parquet with an index": ("hits.parquet", lambda data, path: data.set_index(["ticker", "date"]).to_parquet(path)),
    "JSON": ("hits.json", as_json("records")),
    "JSON by column": ("hits.json", as_json("columns")),
    "JSON by row": ("hits.json", as_json("index")),
    "JSON, split": ("hits.json", as_json("split")),
    "JSON, table": ("hits.json", as_json("table", index=False)),
    "JSON lines": ("hits.jsonl", as_json("records", lines=True)),
    "JSON lines in a .json": ("hits.json", as_json("records", lines=True)),
    "a dict of lists": ("hits.json", lambda data, path: path.write_text(json.dumps(as_text(data).to_dict("list")))),
    "results in an envelope": ("hits.json", as_envelope),
    "a text of a table": ("hits.txt", lambda data, path: path.write_text(data.to_string(index=False))),
    "a text of lines": ("hits.txt", as_lines),
}


def as_text(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(date=data["date"].astype(str), gap=data["gap"].fillna(0.0))


def data_of(hits: list[tuple[Any, ...]]) -> pd.DataFrame:
    data = pd.DataFrame(hits, columns=["ticker", "date", "gap"])
    return data.assign(date=pd.to_datetime(data["date"]), gap=data["gap"].astype("float64"))


def candidate(file: Written) -> Candidate:
    assert file.table is not None, file.why_not
    found = make_candidate(Kind.FILE, file.name, file.name, file.table, known=None, parts=(), is_text=file.is_text)
    assert isinstance(found, Candidate), found
    return found


def found_pairs(work: Path) -> list[tuple[str, str]]:
    [file] = read_written(work)[0]
    return [(hit.symbol, str(hit.session)) for hit in hits_of(candidate(file), AS_OF)]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_whatever_its_form(tmp_path: Path, form: str) -> None:
    name, write = FORMS[form]
    write(data_of(HITS), tmp_path / name)
    assert found_pairs(tmp_path) == [(symbol, day) for symbol, day, _ in HITS]


SYMBOLS = st.one_of(
    st.from_regex(r"[A-Z]{1,5}", fullmatch=True),
    st.sampled_from(["BRK.B", "KIMpL", "NA", "NAN", "NULL", "TRUE", "INF", "T"]),
)
ROWS = st.lists(
    st.tuples(SYMBOLS, st.dates(date(2005, 1, 1), date(2035, 12, 31)), st.floats(-1e9, 1e9) | st.none()),
    min_size=1,
    max_size=20,
)


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith("a text")])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_any_hits_are_found_again_in_a_file(tmp_path: Path, form: str, rows: list[tuple[Any, ...]]) -> None:
    # Without a header, a column of nothing but LONG or TRUE is no column of symbols.
    assume(form != "CSV without a header" or {symbol for symbol, *_ in rows} - NOT_SYMBOLS)
    name, write = FORMS[form]
    write(data_of(rows), tmp_path / name)
    assert found_pairs(tmp_path) == [(symbol, str(day)) for symbol, day, _ in rows]


def test_numbers_in_a_csv_are_numbers_and_symbols_are_texts(tmp_path: Path) -> None:
    (tmp_path / "hits.csv").write_text(
        "ticker,date,gap,n,note,flag\nTRUE,2016-03-21,5.25,12,,True\nNA,2016-03-22,nan,7,007,False\n"
    )
    [file] = read_written(tmp_path)[0]
    first, second = hits_of(candidate(file), AS_OF)
    assert (first.symbol, second.symbol) == ("TRUE", "NA")
    assert first.details == {"gap": 5.25, "n": 12, "note": None, "flag": True}
    assert second.details == {"gap": None, "n": 7, "note": "007", "flag": False}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("t", [1458532800000, 1458619200000]),
        ("date", ["03/21/2016", "03/22/2016"]),
        ("date", ["21.03.2016", "22.03.2016"]),
        ("date", [20160321, 20160322]),
        ("Signal Date", ["2016-03-21 09:35:00-04:00", "2016-03-22 15:00:00-04:00"]),
        ("timestamp", ["2016-03-21T04:00:00Z", "2016-03-22T04:00:00.000Z"]),
        ("timestamp", ["2016-03-21T00:00:00Z", "2016-03-22T00:00:00Z"]),
        ("timestamp", ["2016-03-22T01:30:00Z", "2016-03-23T01:30:00Z"]),
        ("when", ["Mar 21, 2016", "Mar 22, 2016"]),
        ("date", [1458518400000, 1458604800000]),
        ("ts", [1458532800, 1458619200]),
    ],
)
def test_days_are_read_in_every_usual_form(tmp_path: Path, column: str, values: list[Any]) -> None:
    if column == "ts":
        column = "timestamp"
    rows = [{"sym": symbol, column: value} for symbol, value in zip(("A", "T"), values, strict=True)]
    (tmp_path / "hits.json").write_text(json.dumps(rows))
    assert found_pairs(tmp_path) == [("A", "2016-03-21"), ("T", "2016-03-22")]


def test_a_zoned_column_of_parquet_is_the_day_in_new_york(tmp_path: Path) -> None:
    data = data_of(HITS)
    data["date"] = data["date"].dt.tz_localize("America/New_York")
    data.to_parquet(tmp_path / "hits.parquet")
    assert found_pairs(tmp_path) == [(symbol, day) for symbol, day, _ in HITS]


@pytest.mark.parametrize("name", ["a*.parquet", "[x].parquet", "o'clock?.parquet"])
def test_a_file_name_is_never_a_pattern(tmp_path: Path, name: str) -> None:
    data_of(HITS).to_parquet(tmp_path / name)
    assert found_pairs(tmp_path) == [(symbol, day) for symbol, day, _ in HITS]


def test_a_column_name_is_never_code(tmp_path: Path) -> None:
    data_of(HITS).assign(**{'x"; drop table y; --': 1}).to_parquet(tmp_path / "hits.parquet")
    assert len(found_pairs(tmp_path)) == len(HITS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ({"AAPL": ["2016-03-21", "2016-03-22"]}, [("AAPL", "2016-03-21"), ("AAPL", "2016-03-22")]),
        ({"2016-03-21": ["AAPL", "T"]}, [("AAPL", "2016-03-21"), ("T", "2016-03-21")]),
        ({"AAPL": {"date": "2016-03-21", "gap": 5}}, [("AAPL", "2016-03-21")]),
        ([["AAPL", "2016-03-21", 5]], [("AAPL", "2016-03-21")]),
        ([["2016-03-21", "AAPL", 5]], [("AAPL", "2016-03-21")]),
    ],
)
def test_json_without_names_is_read_by_what_is_in_it(tmp_path: Path, text: Any, wanted: list[tuple[str, str]]) -> None:
    (tmp_path / "hits.json").write_text(json.dumps(text))
    assert found_pairs(tmp_path) == wanted


def test_files_in_sub_folders_are_found_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("out/2016/hits.csv", ".cache/hits.csv", "__pycache__/hits.csv", ".hidden.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(csv_of())
    assert [file.name for file in read_written(tmp_path)[0]] == ["out/2016/hits.csv"]


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(csv_of())
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "hits.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "work" / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "work" / "pipe.csv")
    assert read_written(tmp_path / "work")[0] == []


@pytest.mark.parametrize("name", ["hits.csv", "hits.parquet", "hits.json", "hits.jsonl", "hits.txt", "hits.tsv"])
@pytest.mark.parametrize(
    "content", [b"\x00\xff" * 500, b"PAR1garbagePAR1", b"[" * 9_000, b'{"a": ', b'"' * 301, b"\xff\xfea"]
)
def test_garbage_is_noted_and_ends_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.csv").write_text(csv_of())
    files = {file.name: file for file in read_written(tmp_path, KNOWN)[0]}
    assert candidate(files["good.csv"]).pairs
    broken = files[name]
    assert broken.why_not or broken.table is not None


def test_files_too_large_are_noted_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "MOST_BYTES", 200)
    (tmp_path / "small.csv").write_text(csv_of())
    (tmp_path / "big.csv").write_text(csv_of(HITS * 20))
    whys = {file.name: file.why_not for file in read_written(tmp_path)[0]}
    assert whys == {"small.csv": "", "big.csv": "is too large (0 MB)"}


@pytest.mark.parametrize("form", ["CSV", "JSON", "Parquet"])
def test_files_with_too_many_rows_are_noted_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(written, "MOST_ROWS", 2)
    name, write = FORMS[form]
    write(data_of(HITS), tmp_path / name)
    [file] = read_written(tmp_path)[0]
    assert file.table is None
    assert "rows" in file.why_not
