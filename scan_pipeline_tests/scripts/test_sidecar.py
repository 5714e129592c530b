"""The file beside a script: what it may say, what is refused, and that a person's text survives being changed."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.inspection import inspect
from scan_pipeline.scripts.sidecar import Sidecar, pin, pinned, proposed_sidecar, read_sidecar

FIRST, LAST = date(2025, 12, 29), date(2025, 12, 31)
SESSIONS = [FIRST, date(2025, 12, 30), LAST]
SCRIPT = """
import requests
SYMBOLS = ["AAPL", "MSFT", "NVDA", "TSLA", "AMD"]
START_DATE = "2025-09-01"
END_DATE = "2025-12-31"
hits = []
print(requests.get("https://api.polygon.io/v3/reference/tickers"))
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "my_scan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "none.toml") == Sidecar()
    assert not Sidecar().takes_range
    assert Sidecar().parameters_for(FIRST, LAST, SESSIONS) == {}


def test_everything_that_can_be_said_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        title = "Gap and go"
        result = "file:out/hits.csv"
        shards = 1
        screen = false
        timeout_seconds = 600
        memory_mib = 4000
        python = "venv/bin/python"
        requirements = ["pandas>=2", "requests[socks]"]
        arguments = ["--end", "{session}"]
        [parameters]
        END_DATE = "{to}"
        DAYS = 30
        """,
    )
    sidecar = read_sidecar(path)
    assert sidecar == Sidecar(
        title="Gap and go", result="file:out/hits.csv", shards=1, screen=False, timeout_seconds=600, memory_mib=4000,
        python=tmp_path / "venv/bin/python", requirements=["pandas>=2", "requests[socks]"],
        arguments=["--end", "{session}"], parameters={"END_DATE": "{to}", "DAYS": 30},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shard = 1", ["`shard`", "shards"]),
        ("shards = 0", ["`shards`"]),
        ('shards = "all"', ["`shards`"]),
        ("timeout_seconds = -1", ["`timeout_seconds`"]),
        ("memory_mib = 1", ["`memory_mib`"]),
        ('result = "out.csv"', ["`result`", "file:NAME.csv"]),
        ('result = "file:/etc/passwd"', ["`result`"]),
        ('result = "file:../../x.csv"', ["`result`"]),
        ('result = "global:1x"', ["`result`"]),
        ("title = Gap and go", ["is not TOML", "line 1"]),
        ("title = 'a'\ntitle = 'b'", ["is not TOML"]),
        ("requirements = ['--index-url=http://x.example']", ["`requirements`", "--index-url"]),
        ("requirements = 'pandas'", ["`requirements`"]),
        ("python = 3", ["`python`"]),
        ("[parameters]\nEND = '{sesion}'", ["`parameters.END`", "{sesion}", "{session}"]),
        ("[parameters]\nEND = '{to+5}'", ["{to+5}"]),
        ("[parameters]\nDATES = 'all of {sessions}'", ["{sessions}"]),
        ("[parameters]\nS = ['{symbols}']", ["`parameters.S`", "whole value"]),
        ("arguments = ['{sessions}']", ["`arguments`", "{sessions}"]),
        ("arguments = [1]", ["`arguments[0]`"]),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ScriptError) as refused:
        read_sidecar(path)
    assert all(one in str(refused.value) for one in [str(path), *words])
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "my_scan.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(ScriptError, match="is not TOML"):
        read_sidecar(path)


def test_values_are_those_of_the_run(tmp_path: Path) -> None:
    sidecar = read_sidecar(
        written(
            tmp_path,
            """
            arguments = ["--from={from-10}", "--to", "{to}", "-v"]
            [parameters]
            START = "{from-28}"
            END = "{to}"
            DATE = "{session-1}"
            DATES = "{sessions}"
            PAIR = ["{from}", "{to}"]
            LABEL = "as of {session}, 5 %"
            SYMBOLS = "{symbols}"
            FIXED = 2025-01-02
            DEPTH = 3
            RATIO = 0.5
            DEEP = {a = "{to}"}
            """,
        )
    )
    assert sidecar.takes_range
    assert sidecar.parameters_for(FIRST, LAST, SESSIONS) == {
        "START": "2025-12-01", "END": "2025-12-31", "DATE": "2025-12-30",
        "DATES": ["2025-12-29", "2025-12-30", "2025-12-31"], "PAIR": ["2025-12-29", "2025-12-31"],
        "LABEL": "as of 2025-12-31, 5 %", "SYMBOLS": "{symbols}", "FIXED": "2025-01-02", "DEPTH": 3, "RATIO": 0.5,
        "DEEP": {"a": "2025-12-31"},
    }  # fmt: skip
    assert sidecar.arguments_for(FIRST, LAST) == ["--from=2025-12-19", "--to", "2025-12-31", "-v"]


@pytest.mark.parametrize(
    ("sidecar", "takes_range"),
    [
        (Sidecar(parameters={"END": "{session}"}), False),
        (Sidecar(parameters={"END": "{session-30}", "S": "{symbols}", "N": 3}), False),
        (Sidecar(parameters={"END": "{to}"}), True),
        (Sidecar(parameters={"START": "{from-200}"}), True),
        (Sidecar(parameters={"DATES": "{sessions}"}), True),
        (Sidecar(parameters={"PAIR": ["x", "{from}"]}), True),
        (Sidecar(arguments=["--end={to}"]), True),
        (Sidecar(arguments=["--end={session}"]), False),
    ],
)
def test_a_script_takes_a_range_when_it_is_told_where_one_begins_or_ends(sidecar: Sidecar, takes_range: bool) -> None:
    assert sidecar.takes_range is takes_range


def test_a_proposal_changes_nothing_until_its_marks_are_taken_away(tmp_path: Path) -> None:
    text = proposed_sidecar(inspect(SCRIPT, tmp_path / "my_scan.py"))
    path = written(tmp_path, text)
    assert read_sidecar(path) == Sidecar()
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    keys = (*Sidecar.__struct_fields__, "[parameters]", "SYMBOLS", "START_DATE", "END_DATE")
    path.write_text("\n".join(line for line in lines if line.partition(" =")[0] in keys), encoding="utf-8")
    sidecar = read_sidecar(path)
    assert sidecar.parameters == {"SYMBOLS": "{symbols}", "START_DATE": "{from-121}", "END_DATE": "{to}"}
    assert (sidecar.title, sidecar.result, sidecar.shards, sidecar.screen) == ("My scan", "global:hits", 1, False)
    assert sidecar.parameters_for(FIRST, LAST, SESSIONS)["START_DATE"] == "2025-08-30"


def test_a_script_without_anything_to_give_says_so() -> None:
    text = proposed_sidecar(inspect("import os\nprint(1)", Path("x.py")))
    assert tomllib.loads(text) == {}
    assert "Nothing was found that could be given" in text


MINE = """\
# my notes, do not lose them
title = "Gap"   # the name
# shards = 1
requirements = [
    "pandas",   # the old one
    "requests",
]

[parameters]   # given
# shards = 3 is no parameter
END = "{to}"
"""


def test_pinning_keeps_every_comment(tmp_path: Path) -> None:
    path = written(tmp_path, MINE)
    pin(path, "shards", 1, "compares symbols")
    assert path.read_text() == MINE.replace("# shards = 1\n", "shards = 1  # compares symbols\n")
    pin(path, "shards", 2)
    assert "shards = 2  # compares symbols\n" in path.read_text()
    pin(path, "screen", False)
    assert path.read_text().startswith("screen = false\n# my notes")
    pin(path, "result", "global:out")
    sidecar = read_sidecar(path)
    assert (sidecar.shards, sidecar.screen, sidecar.result, sidecar.parameters) == (
        2,
        False,
        "global:out",
        {"END": "{to}"},
    )


def test_pinning_makes_the_file_where_there_is_none_and_keeps_line_ends(tmp_path: Path) -> None:
    pin(tmp_path / "new.toml", "shards", 1)
    assert (tmp_path / "new.toml").read_bytes() == b"shards = 1\n"
    path = tmp_path / "windows.toml"
    path.write_bytes(b'title = "x"\r\n[parameters]\r\nA = 1\r\n')
    pin(path, "shards", 1)
    assert path.read_bytes() == b'shards = 1\r\ntitle = "x"\r\n[parameters]\r\nA = 1\r\n'


def test_a_proposal_can_be_pinned_and_used_afterwards(tmp_path: Path) -> None:
    path = written(tmp_path, proposed_sidecar(inspect(SCRIPT, tmp_path / "my_scan.py")))
    pin(path, "shards", 1)
    path.write_text(path.read_text().replace("# [parameters]", "[parameters]").replace("# END_DATE", "END_DATE"))
    assert read_sidecar(path) == Sidecar(shards=1, parameters={"END_DATE": "{to}"})


def test_a_text_that_is_no_toml_is_not_touched(tmp_path: Path) -> None:
    path = written(tmp_path, "title = Gap")
    with pytest.raises(ScriptError, match="Set `shards = 1` in it yourself"):
        pin(path, "shards", 1)
    assert path.read_text() == "title = Gap"


PIECES = st.sampled_from(
    [
        "# shards = 1", "#shards=4", "shards = 3", "shards = 3 # mine", '"shards" = 7', "  shards = 2",
        'title = "# shards = 1"', "title = '''\nshards = 5\n# shards = 6\n'''", "title = 'a # b' # c", "[parameters]",
        "[parameters.deep]", "shards_too = [\n  [1],\n  [2],\n]", "arguments = ['''\n[parameters]\nshards = 9''']", "",
        "# [parameters]", "# a note about shards = 1", "x = {shards = 8}", "screen = true",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 64))
def test_pinning_sets_one_key_and_nothing_else(pieces: list[str], end: str, ends: bool, value: int) -> None:
    text = (end.join(pieces) + (end if ends else "")).replace("\r\n", "\n").replace("\n", end)
    before: dict[str, Any]
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ValueError, match=r"."):
            pinned(text, "shards", value)
        return
    after = pinned(text, "shards", value)
    assert tomllib.loads(after) == before | {"shards": value}
    lost = [line for line in text.splitlines() if line not in after.splitlines()]
    assert len(lost) <= 1
    assert all("shards" in line for line in lost)
    assert pinned(after, "shards", value) == after
