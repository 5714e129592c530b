"""The commands of whoever writes scanners, as a person types them: begin one, try it, sweep it, and what there is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scan_pipeline.cli.main import main
from scan_pipeline.pipeline import Pipeline
from scan_pipeline_tests.cli.test_commands import Terminal
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import content, copy_of, prepare, query, write_scanner

FIRST, LAST = date(2025, 9, 22), date(2025, 10, 3)
RANGE = ("--from", str(FIRST), "--to", str(LAST))
MOVERS = """-- title: Movers
-- source: a person
-- rank: change_pct desc
-- param: min_change = 1
select session, symbol, change_pct, ta.rsi(close, 7) as rsi_7 from features where change_pct >= $min_change
"""
MOVERS_IN_PYTHON = """
import pandas as pd
from scan_pipeline import scanner


@scanner(lookback=1, rank="change_pct desc", title="Movers, in Python")
def movers(bars: pd.DataFrame, *, min_change: float = 1) -> pd.DataFrame:
    change_pct = 100 * (bars.close / bars.close.shift(1) - 1)
    return pd.DataFrame({"change_pct": change_pct})[change_pct >= min_change]
"""


class Person:
    """Someone with a folder of data, who types."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.folder = pipeline.settings.scanners_dir

    def type(self, *words: str, code: int = 0) -> str:
        """What is said on both channels."""
        result: Result = CliRunner().invoke(main, words, env={"COLUMNS": "200"})
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.output

    def stored(self) -> list[object]:
        """All that a scan would leave."""
        tables = ("scan_results", "scanner_outcomes", "prefiltered_symbols")
        return [content(self.pipeline, table, [FIRST, LAST]) for table in tables]


@pytest.fixture(scope="module")
def person(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """Two weeks of the demo market that were screened; the last session was scanned, too."""
    pipeline = copy_of(demo_pipeline, settings_at, tmp_path_factory.mktemp("writer") / "data")
    prepare(pipeline, pipeline.calendar.between(FIRST, LAST))
    write_scanner(pipeline, "movers_sql", MOVERS)
    (pipeline.settings.scanners_dir / "movers.py").write_text(MOVERS_IN_PYTHON)
    write_scanner(pipeline, "broken", "select session,\n  symbl\nfrom features")
    write_scanner(pipeline, "headless", "-- limit: few\nselect session, symbol from features")
    list(pipeline.scan([LAST], "night"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCAN_DATA_DIR", str(pipeline.settings.data_dir))
        yield Person(pipeline)


def hits_of(person: Person, session: date, least: float) -> int:
    """Counted from the bars, without any scanner."""
    ((count,),) = query(
        person.pipeline,
        """
        with bars as (
            select symbol, session, close, lag(close) over (partition by symbol order by session) as before
            from price_bars where session between ? and ? and symbol not in (select symbol from splits)
        )
        select count(*) from bars join prefiltered_symbols using (session, symbol)
        where passed and session = ? and 100 * (bars.close / before - 1) >= ?
        """,
        date(2025, 9, 1), session, session, least,
    )  # fmt: skip
    return int(count)


def test_all_scanners_are_listed_with_parameters_hits_and_faults(person: Person) -> None:
    said = person.type("scanners")
    assert re.search(r"gap_and_go +SQL +built-in", said)
    assert re.search(r"movers_sql +SQL +yours +\d+ +min_change=1 +Movers +a person", said)
    assert re.search(r"movers +Python +yours +– +min_change=1 +Movers, in Python", said)
    assert re.search(r"headless +SQL +yours +fault", said)
    assert "limit must be a whole number above 0" in said
    assert re.search(r"broken +SQL +yours +failed", said)
    assert "broken.sql, line 2" in said
    assert f"Hits of {LAST}" in said


def test_features_are_grouped_and_filtered(person: Person) -> None:
    said = person.type("features")
    for title in ("always there", "momentum", "candles", "closed weeks and months", "among the symbols of a session"):
        assert title in said
    assert "rs_rating" in said
    assert "ta.supertrend(" not in said
    some = person.type("features", "weekly_*")
    assert "weekly_rsi_14" in some
    assert "rsi_2" not in some
    assert "ta.supertrend(high, low, close" in person.type("features", "supertrend", "--functions")
    assert "Nothing has 'nonsense'" in person.type("features", "nonsense")


def test_a_new_scanner_works_at_once(person: Person) -> None:
    for language, name in (("sql", "first_one"), ("python", "second_one")):
        said = person.type("scanner", "new", name, f"--{language}")
        assert f"scanner test {name}" in said
        assert "Nothing was stored." in person.type("scanner", "test", name)
        (path,) = person.folder.glob(f"{name}.*")
        path.unlink()


def test_a_trial_shows_hits_a_chart_times_and_memory_and_stores_nothing(person: Person) -> None:
    before = person.stored()
    said = person.type("scanner", "test", "movers_sql", *RANGE, "--param", "min_change=2")
    assert person.stored() == before
    assert f"Hits of {LAST}:" in said
    assert "rsi_7" in said
    assert re.search(r"10 sessions, 2025-09-22 to 2025-10-03: \d+ hits", said)
    bars = dict(re.findall(r"(2025-\d\d-\d\d)  [█▏▎▍▌▋▊▉]* (\d+)", said))
    assert len(bars) == 10
    assert re.search(r"reading and computing \d+\.\d\d s, scanner \d+\.\d\d s, at most \d+ MiB", said)


def test_a_trial_finds_what_is_there_in_sql_and_in_python(person: Person) -> None:
    for name in ("movers_sql", "movers"):
        said = person.type("scanner", "test", name, "--session", str(LAST), "--param", "min_change=2")
        found = re.search(r"on 1 session, 2025-10-03: (\d+) hit", said)
        assert found
        assert int(found[1]) >= hits_of(person, LAST, 2) > 0


def test_a_symbol_that_fails_is_named_with_its_traceback(person: Person) -> None:
    path = person.folder / "picky.py"
    path.write_text(
        "from scan_pipeline import scanner\n\n@scanner(lookback=1)\ndef picky(bars):\n"
        "    if bars.attrs['symbol'] < 'D':\n        raise KeyError('no such letter')\n    return bars.close > 0\n"
    )
    said = person.type("scanner", "test", "picky")
    path.unlink()
    assert "quarantined" in said
    assert "no such letter" in said
    assert "line 6" in said


def test_a_scanner_that_fails_everywhere_ends_with_an_error(person: Person) -> None:
    write_scanner(person.pipeline, "ranked_badly", "-- rank: nothing desc\nselect session, symbol from features")
    said = person.type("scanner", "test", "ranked_badly", *RANGE, code=1)
    (person.folder / "ranked_badly.sql").unlink()
    assert "`-- rank:`" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["movers_sql", "movers"])
def test_a_sweep_gives_what_each_trial_gives(person: Person, name: str) -> None:
    said = person.type("scanner", "sweep", name, *RANGE, "--param", "min_change=1,2")
    assert "2 combinations" in said
    assert "looks ahead on purpose" in said
    for value in ("1", "2"):
        alone = person.type("scanner", "test", name, *RANGE, "--param", f"min_change={value}")
        found = re.search(r"2025-10-03: ([\d,]+) hits", alone)
        assert found
        line = next(line for line in said.splitlines() if re.match(rf" *{value}  ", line))
        assert line.split()[1] == found[1]
        assert re.search(r"[+-]\d+\.\d\d% \(\d", line)


def test_a_check_says_what_it_proves_and_ends_well_where_nothing_is_found(person: Person) -> None:
    said = person.type("scanner", "check", "movers_sql", *RANGE, "--samples", "3")
    assert "no look-ahead found in 3 sessions of 2025-09-22 to 2025-10-03" in said
    assert "A sample" in said


def test_a_check_accuses_who_looks_ahead_and_ends_with_1(person: Person) -> None:
    path = person.folder / "tomorrow.py"
    path.write_text(MOVERS_IN_PYTHON.replace("shift(1)", "shift(-1)").replace("def movers", "def tomorrow"))
    said = person.type("scanner", "check", "tomorrow", *RANGE, "--samples", "3", "--symbols", "30", code=1)
    path.unlink()
    assert "LOOK-AHEAD" in said
    assert re.search(r"2025-\d\d-\d\d +[A-Z]+ +(hit|change_pct) +\S+", said)
    assert "shift(-1)" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scanner", "new", "Bad"), "Say in what"),
        (("scanner", "new", "Bad", "--sql"), "small letters"),
        (("scanner", "test", "mover"), "Did you mean movers"),
        (("scanner", "test", "broken"), "broken.sql, line 2"),
        (("scanner", "test", "headless"), "limit must be a whole number"),
        (("scanner", "test", "movers", "--session", "2025-06-02"), "2025-06-02 was never screened"),
        (("scanner", "test", "movers", "--session", "2025-09-27"), "is not a session of the exchange"),
        (("scanner", "test", "movers", "--from", "2025-09-18"), "backfill --from 2025-09-18 --to 2025-09-19"),
        (("scanner", "test", "movers", "--from", "soon"), "Write it as YYYY-MM-DD"),
        (("scanner", "test", "movers", "--param", "gap=4"), "has no parameter gap"),
        (("scanner", "sweep", "movers"), "Say what to try"),
        (("scanner", "sweep", "movers", "--param", f"min_change={','.join(map(str, range(501)))}"), "501 combinations"),
    ],
)
def test_a_mistake_is_answered_in_one_line(person: Person, words: tuple[str, ...], said: str) -> None:
    answer = person.type(*words, code=1)
    assert said in answer
    assert len(answer.strip().splitlines()) == 1


def test_it_works_in_a_shell_and_before_anything_is_held(tmp_path: Path, settings_at: SettingsFactory) -> None:
    settings_at(tmp_path / "data")
    command = [str(Path(sys.executable).with_name("scan-pipeline")), "scanners"]
    done = subprocess.run(
        command, env={"SCAN_DATA_DIR": str(tmp_path / "data"), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "gap_and_go" in done.stdout
    assert "No session has been scanned yet" in done.stdout


@pytest.mark.slow
def test_a_run_with_other_values_is_undone_by_the_next_without(person: Person, few_built_in_jobs: None) -> None:
    settings = person.pipeline.settings
    shell = Terminal(
        settings.data_dir.parent, SCAN_DATA_DIR=str(settings.data_dir), SCAN_PROVIDER="files",
        SCAN_FILES_PATH=str(settings.files_path),
    )  # fmt: skip

    def stored() -> dict[str, tuple[str, int]]:
        rows = query(
            person.pipeline,
            "select scanner, code_version, hits from scanner_outcomes where session = ? and scanner like 'movers%'",
            LAST,
        )
        return {scanner: (version, hits) for scanner, version, hits in rows}

    shell.here("run", "--session", str(LAST))
    before = stored()
    words = ("--param", "movers_sql.min_change=3", "--param", "movers.min_change=3")
    shell.here("run", "--session", str(LAST), *words)
    changed = stored()
    for name in ("movers_sql", "movers"):
        assert changed[name][0] != before[name][0], "the results say what they were made with"
        assert 0 < changed[name][1] < before[name][1]
    assert "hits:" in shell.here("rerun", "--session", str(LAST)).stdout
    assert stored() == before
    wrong = shell.here("run", "--session", str(LAST), "--param", "movers_sql.gap=3", code=1)
    assert "has no parameter gap" in wrong.stderr
    assert stored() == before
