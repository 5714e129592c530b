"""Scanners in Python on the command line: what is said of them after the market's job."""

from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from scan_pipeline.cli.python_scanners import run_after
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.settings import PROJECT_DIR
from scan_pipeline_tests.conftest import SettingsFactory
from scan_pipeline_tests.scans import copy_of, prepare, query

SESSION = date(2025, 9, 26)
EXAMPLE = PROJECT_DIR / "data" / "scanners" / "examples" / "inside_day_breakout.py"
FAILS = """
from scan_pipeline import scanner


@scanner(lookback=1)
def fails(bars):
    raise ValueError("on purpose")
    return bars.close > 0
"""


def said(pipeline: Pipeline) -> tuple[str, str]:
    out, remarks = StringIO(), StringIO()
    run_after(pipeline.settings, [SESSION], Console(file=out, width=200), Console(file=remarks, width=200))
    return out.getvalue(), remarks.getvalue()


@pytest.mark.slow
def test_the_example_is_run_and_told_in_a_line_and_what_fails_is_remarked(
    demo_pipeline: Pipeline, settings_at: SettingsFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster_home"))
    pipeline = prepare(copy_of(demo_pipeline, settings_at, tmp_path / "data"), [SESSION])
    assert said(pipeline) == ("", "")  # there are none
    folder = pipeline.settings.scanners_dir
    folder.mkdir(exist_ok=True)
    (folder / EXAMPLE.name).write_text(EXAMPLE.read_text().replace("float = 1.2", "float = 0.0"))  # a small market
    passed = query(pipeline, "select count(*) from prefiltered_symbols where passed")[0][0]
    out, remarks = said(pipeline)
    hits = query(pipeline, "select count(*) from scan_results where scanner = 'inside_day_breakout'")[0][0]
    assert hits > 0
    assert out.startswith(f"Scanners in Python (inside_day_breakout): {hits} hits, {passed} calls, 0 cached, ")
    assert remarks == ""
    (folder / "fails.py").write_text(FAILS)
    out, remarks = said(pipeline)
    assert f"{hits} hits, {passed} calls, {passed} quarantined, {passed} cached, " in out
    assert f"check scanner_fails: Failed on 1 of 1 sessions, first {SESSION}: " in remarks
    assert "ValueError: on purpose (line 7)" in remarks
