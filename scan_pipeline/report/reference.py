"""The pages in `docs/` that are generated from the code: tables and settings. A test keeps them current.

`python -m scan_pipeline.report.reference` writes them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from msgspec.structs import FieldInfo, fields

from scan_pipeline.features.catalogue import FEATURES
from scan_pipeline.features.cross_section import CROSS_SECTIONAL
from scan_pipeline.schema import TABLES
from scan_pipeline.settings import PREFIX, PROJECT_DIR, Settings, nested_prefix, nested_settings


def tables_page() -> str:
    """Every table with its columns, types, units and key; and the features."""
    parts = ["# Tables", "Generated from `scan_pipeline/schema.py` and `features/catalogue.py`."]
    for table in TABLES:
        parts += [f"## {table.name}", f"{table.description} One row for each {', '.join(table.key)}."]
        rows = [(column.name, column.type, column.unit, column.description) for column in table.columns]
        parts.append(_markdown(("column", "type", "unit", "what"), rows))
    parts += [
        "## features",
        "The last few sessions (SCAN_KEEP_FEATURES_SESSIONS) of the symbols that passed the screen.",
    ]
    features = [(one.name, one.unit, str(one.lookback), one.formula, one.source) for one in FEATURES]
    parts.append(_markdown(("feature", "unit", "lookback", "formula", "source"), features))
    parts.append(
        "Beside them, what compares the symbols that passed the screen on the session, and a trade plan. A percentile "
        "is a place among them from 0 to 100: others below, and half of those that are equal, in percent of all others."
    )
    columns = [(one.name, one.unit, one.formula, one.source) for one in CROSS_SECTIONAL.values()]
    parts.append(_markdown(("column", "unit", "formula", "source"), columns))
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """Every setting with its default."""
    rows = []
    nested = nested_settings()
    for field in fields(Settings):
        if field.name in nested:
            rows += [_setting(nested_prefix(field.name), one) for one in fields(nested[field.name])]
        else:
            rows.append(_setting(PREFIX, field))
    rows.append(("DAGSTER_HOME", "dagster_home in the data folder", "Where Dagster keeps runs and events."))
    intro = "Environment variables, or lines in a file `.env` in the folder that you work in. A wrong value is named."
    return "\n\n".join(("# Settings", intro, _markdown(("variable", "default", "what"), rows))) + "\n"


def _setting(prefix: str, field: FieldInfo) -> tuple[str, str, str]:
    _, meta = get_args(field.type)
    default = "" if field.default is None else str(field.default)
    return f"{prefix}{field.name.upper()}", default, meta.description


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def write(folder: Path) -> None:
    """Write the pages."""
    (folder / "tables.md").write_text(tables_page(), encoding="utf-8")
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")


if __name__ == "__main__":
    write(PROJECT_DIR / "docs")
