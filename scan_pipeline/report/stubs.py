"""`ta.pyi`, from which editors complete the names, parameters and descriptions of `scan_pipeline.ta`. Generated.

`python -m scan_pipeline.report.reference` writes it with the other generated pages; a test keeps it current.
"""

from textwrap import indent

from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.on_frames import describe

_HEAD = '''"""Indicators on pandas: `from scan_pipeline import ta`. Generated from the indicators by report/stubs.py."""

from typing import overload

from pandas import DataFrame, Series

def weekly(bars: DataFrame) -> DataFrame:
    """The closed weeks of one symbol's daily bars, indexed by the session on which each closed."""

def monthly(bars: DataFrame) -> DataFrame:
    """The closed months of one symbol's daily bars, indexed by the session on which each closed."""
'''


def stub() -> str:
    """The text of `ta.pyi`."""
    return "\n".join([_HEAD, *(_function(INDICATORS[name]) for name in sorted(INDICATORS))])


def _function(one: Indicator) -> str:
    gives = "Series" if len(one.outputs) == 1 else "DataFrame"
    parameters = [f"{name}: {type(default).__name__} = {default!r}" for name, default in one.parameters.items()]
    docstring = indent(f'"""{describe(one)}\n"""', "    ", lambda line: bool(line.strip()))
    if len(one.inputs) == 1:
        of_either = _listed([f"{one.inputs[0]}: Series | DataFrame", "/", *parameters])
        return f"def {one.name}({of_either}) -> {gives}:\n{docstring}\n"
    of_bars = _listed(["bars: DataFrame", "/", *parameters])
    of_series = _listed([*(f"{name}: Series" for name in one.inputs), "/", *parameters])
    return (
        f"@overload\ndef {one.name}({of_bars}) -> {gives}:\n{docstring}\n\n"
        f"@overload\ndef {one.name}({of_series}) -> {gives}: ...\n"
    )


def _listed(arguments: list[str]) -> str:
    """Arguments on one line, or one on each where they are many."""
    line = ", ".join(arguments)
    return line if len(line) <= 90 else "\n" + "".join(f"    {one},\n" for one in arguments)
