"""The user's watchlist: symbols that are always asked for, and first. A file that a person writes; it may be absent."""

import csv
from pathlib import Path

from scan_pipeline.errors import SettingsError


def read_watchlist(path: Path) -> dict[str, str]:
    """Symbol to note, from a CSV file `symbol,note` whose notes may be left out; empty where there is no file.

    Raises SettingsError that names the line.
    """
    if not path.exists():
        return {}
    watched = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            if not row or row[0].startswith("#") or row[0] == "symbol":
                continue
            symbol = row[0].strip()
            if not symbol or " " in symbol or len(row) > 2:
                raise SettingsError(
                    f"{path}, line {number}: expected `symbol` or `symbol,note`, found '{','.join(row)}'. Mend it."
                )
            watched[symbol] = row[1].strip() if len(row) == 2 else ""
    return watched
