"""Scanners in Python on the command line: run after the market's job, and told in a line."""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from rich.console import Console

from scan_pipeline.cli.display import progress_bars
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.python_pipeline import PythonPipeline
from scan_pipeline.settings import Settings


def run_after(
    settings: Settings,
    sessions: Sequence[date],
    out: Console,
    remarks: Console,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:
    """Run them on sessions that the market's job went through, and say how it went; what failed, on `remarks`.

    `parameters`: other values for some, by scanner.
    Returns the finished run; None where there are no scanners in Python, about which nothing is said.
    """
    from scan_pipeline.scanners.python.library import find_python_scanners

    scanners = find_python_scanners(settings.scanners_dir)
    if not scanners:
        PythonPipeline(Pipeline(settings)).forget(sessions, "no scanners in Python")
        return None
    from scan_pipeline.defs.runs import run_python_scanners

    started = time.perf_counter()
    with progress_bars(remarks) as display:
        finished = run_python_scanners(settings, sessions, display, {"parameters": parameters} if parameters else None)
    assert finished is not None
    values = next(iter(finished.metadata["python_scan_results"].values()))
    quarantined = f", {values['symbols_quarantined']:,} quarantined" if values["symbols_quarantined"] else ""
    out.print(
        f"Scanners in Python ({', '.join(one.name for one in scanners)}): {values['hits']:,} hits, "
        f"{values['symbols_called']:,} calls{quarantined}, {values['symbols_cached']:,} cached, "
        f"{time.perf_counter() - started:.2f} s, workers at most {values['peak_mib']:,.0f} MiB."
    )
    for name, description in finished.failed_checks.items():
        remarks.print(f"[yellow]check {name}[/]: ", end="")
        remarks.print(description, markup=False, highlight=False, soft_wrap=True)
    return finished
