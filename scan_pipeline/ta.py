"""Indicators for scanners in Python and for notebooks: `from scan_pipeline import ta`, then `ta.rsi(bars.close, 14)`.

All functions that SQL calls as `ta.NAME(…)` are here, by the same names, with the same defaults and results;
`features/on_frames.py` says how they are called. `ta.pyi` tells editors of each; `report/stubs.py` writes it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.on_frames import closed_periods, function


def weekly(bars: Any) -> Any:
    """The closed weeks of one symbol's daily bars, indexed by the session on which each closed.

    `ta.rsi(ta.weekly(bars).close, 14).reindex(bars.index, method="ffill")` is what each day sees of it.
    """
    return closed_periods(bars, "weekly", _sessions())


def monthly(bars: Any) -> Any:
    """The closed months of one symbol's daily bars, indexed by the session on which each closed."""
    return closed_periods(bars, "monthly", _sessions())


@cache
def _sessions() -> Any:
    from scan_pipeline.sessions import Calendar
    from scan_pipeline.settings import load_settings

    return Calendar.load(load_settings().cache_dir).days


def __getattr__(name: str) -> Callable[..., Any]:
    if not name.startswith("_") and name in INDICATORS:
        return function(name)
    raise AttributeError(f"there is no ta.{name}; `scan-pipeline features` shows all functions")


def __dir__() -> list[str]:
    return sorted([*INDICATORS, "monthly", "weekly"])
