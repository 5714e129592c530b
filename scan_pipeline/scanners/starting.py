"""A new scanner's file: small, commented, and working as it is, for a person to change.

What belongs here: the two texts, and what a name may be. What does not: reading scanners (`registry.py`, `python/`).
"""

import sys
from keyword import iskeyword
from pathlib import Path
from typing import Literal

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.registry import BUILTIN_DIR, NAME

Language = Literal["sql", "python"]
SUFFIX: dict[Language, str] = {"sql": ".sql", "python": ".py"}
#: Modules that a file of the same name would hide from the scanners beside it.
_HIDING = {"duckdb", "numpy", "pandas", "scan_pipeline", "talib"} | sys.stdlib_module_names

_SQL = """\
-- title: {title}
-- rank: relative_volume desc
-- limit: 50
-- param: min_change = 3
-- param: min_relative_volume = 2
-- Up min_change percent or more on min_relative_volume times the usual volume, closed in the upper half of the range.
--
-- One row of `features` for each symbol that passed the screen on the session; `scan-pipeline features` lists the
-- columns. `bars`, `universe` and `market_context` can be read too. Indicators with other parameters are called in
-- place: ta.rsi(close, 7), weekly.sma(close, 10). The select must return `session` and `symbol`; its other columns are
-- shown, and can be ranked by.
select session, symbol, change_pct, relative_volume, ta.rsi(close, 7) as rsi_7, close
from features
where change_pct >= $min_change
    and relative_volume >= $min_relative_volume
    and close >= (high + low) / 2
"""

_PYTHON = '''\
"""{title}: up on more than its usual volume, closed in the upper half of the range."""

import pandas as pd

from scan_pipeline import scanner, ta


# lookback: how many bars before a bar decide about it. What follows the * are parameters, with their defaults.
@scanner(lookback=20, rank="relative_volume desc", limit=50, title="{title}")
def {function}(bars: pd.DataFrame, *, min_change: float = 3, min_relative_volume: float = 2) -> pd.DataFrame:
    """`bars` are one symbol's, indexed by session: open, high, low, close, volume, adjusted for splits.

    Answers for every bar at once, from that bar and those before it: never shift(-1), never the mean of the whole
    column. `scan-pipeline scanner check {name}` finds where that was forgotten.
    """
    found = pd.DataFrame(
        {{
            "change_pct": 100 * (bars.close / bars.close.shift(1) - 1),
            "relative_volume": bars.volume / ta.sma(bars.volume, 20).shift(1),
            "close": bars.close,
        }}
    )
    upper_half = bars.close >= (bars.high + bars.low) / 2
    return found[(found.change_pct >= min_change) & (found.relative_volume >= min_relative_volume) & upper_half]
'''


def write_new(folder: Path, name: str, language: Language) -> Path:
    """Write a new scanner's file into the user's folder, and say where.

    Raises ScannerError for a name that cannot be one, or that is taken, and where the file cannot be written.
    """
    if not NAME.match(name):
        raise ScannerError(
            f"'{name}' cannot be a scanner's name: small letters, digits and underscores, beginning with a letter, "
            "as in quiet_giants."
        )
    if (BUILTIN_DIR / f"{name}.sql").exists():
        raise ScannerError(f"{name} is the name of a built-in scanner. Choose another, as in my_{name}.")
    for suffix in SUFFIX.values():
        if (folder / f"{name}{suffix}").exists():
            raise ScannerError(f"{folder / name}{suffix} is there already. Edit it, or choose another name.")
    if language == "python" and name in _HIDING:
        raise ScannerError(
            f"A file {name}.py would hide the module {name} from your scanners. Choose another, as in my_{name}."
        )
    path = folder / f"{name}{SUFFIX[language]}"
    function = f"find_{name}" if iskeyword(name) or name in ("ta", "pd", "scanner") else name
    text = (_SQL if language == "sql" else _PYTHON).format(
        name=name, title=name.replace("_", " ").capitalize(), function=function
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ScannerError(f"{path} cannot be written: {error.strerror}. Look at the folder's rights.") from error
    return path
