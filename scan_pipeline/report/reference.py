"""The pages in `docs/` that are generated from the code: tables, features, settings, scanners. Tests keep them current.

`python -m scan_pipeline.report.reference` writes them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from msgspec.structs import FieldInfo, fields

from scan_pipeline.features.all_indicators import INDICATORS
from scan_pipeline.features.catalogue import CORE
from scan_pipeline.features.cross_section import CROSS_SECTIONAL
from scan_pipeline.features.feature import Feature
from scan_pipeline.features.indicator import Indicator
from scan_pipeline.features.named import NAMED
from scan_pipeline.report.stubs import stub
from scan_pipeline.scanners.registry import BUILTIN_DIR, read_scanner
from scan_pipeline.schema import TABLES
from scan_pipeline.settings import PREFIX, PROJECT_DIR, Settings, nested_prefix, nested_settings


def tables_page() -> str:
    """Every table with its columns, types, units and key."""
    parts = ["# Tables", "Generated from `scan_pipeline/schema.py`."]
    for table in TABLES:
        parts += [f"## {table.name}", f"{table.description} One row for each {', '.join(table.key)}."]
        rows = [(column.name, column.type, column.unit, column.description) for column in table.columns]
        parts.append(_markdown(("column", "type", "unit", "what"), rows))
    parts += [
        "## features",
        "The last few sessions (SCAN_KEEP_FEATURES_SESSIONS) of the symbols that passed the screen: `session`, "
        "`symbol`, and a column for each feature. [features.md](features.md) describes them.",
    ]
    return "\n\n".join(parts) + "\n"


def features_page() -> str:
    """Every feature that has a name, and every function from which others are made."""
    header = ("feature", "formula", "source", "unit", "lookback")
    functions = [_function(INDICATORS[name]) for name in INDICATORS]
    parts = [
        "# Features",
        "Generated from `scan_pipeline/features/`. One number per bar and symbol, of split-adjusted prices as known on "
        "the session; null until there are enough bars, and where a formula divides by zero, as an oscillator's does "
        "while prices stand still. Windows run over the symbol's own traded bars, so a session on which it did not "
        "trade is not in them. The lookback is the number "
        "of bars before the session's that a value needs, the warm-up of a recursion included. What depends on where "
        "history begins, whatever the lookback, is marked *: its changes mean something, its level does not.",
        "## Always there",
        "What `select * from features` shows.",
        _markdown(header, [_feature(one) for one in CORE]),
        "## Where a scanner names them",
        _markdown(header, [_feature(one) for one in NAMED]),
        "## Among the symbols of a session",
        "What compares the symbols that passed the screen on the session, and a trade plan; where a scanner names "
        "them. A percentile is a place among them from 0 to 100: others below, and half of those that are equal, in "
        "percent of all others.",
        _markdown(
            ("column", "formula", "source", "unit"),
            [(one.name, one.formula, one.source, one.unit) for one in CROSS_SECTIONAL.values()],
        ),
        "## Functions",
        "`ta.NAME(inputs, parameters)` in SQL and in Python, `weekly.NAME(…)` and `monthly.NAME(…)` on closed weeks "
        "and months. Inputs are columns, features or other functions: all of them, or none for those given here. "
        "Parameters go by position or by name. `.output` chooses one of several outputs, the first where it is left "
        "out. The lookback is that of the parameters given here.",
        _markdown(("function", "what", "outputs", "source", "lookback"), functions),
    ]
    return "\n\n".join(parts) + "\n"


def _feature(one: Feature) -> tuple[str, ...]:
    name = f"{one.name} \\*" if one.is_path_dependent else one.name
    return name, _plain(one.formula), one.source, one.unit, str(one.lookback)


def _function(one: Indicator) -> tuple[str, ...]:
    arguments = [*one.inputs, *(f"{name}={value:g}" for name, value in one.parameters.items())]
    outputs = ", ".join(f"{name} ({unit})" for name, unit in zip(one.outputs, one.units, strict=True))
    mark = " \\*" if one.is_path_dependent else ""
    return (
        f"`ta.{one.name}({', '.join(arguments)})`{mark}",
        one.title,
        outputs,
        one.source,
        str(one.lookback(**one.parameters)),
    )


def _plain(text: str) -> str:
    """The text where an asterisk is no emphasis."""
    return text.replace("*", "\\*")


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


def scanners_page() -> str:
    """Every built-in scanner: what it finds, where that comes from, and what can be turned."""
    parts = [
        "# Built-in scanners",
        "Generated from `scan_pipeline/scanners/builtin/`. Each is a file to read, and to begin one of your own from. "
        "Parameters are turned with `--param SCANNER.NAME=VALUE`.",
    ]
    for path in sorted(BUILTIN_DIR.glob("*.sql")):
        one = read_scanner(path)
        parts += [f"## {one.title}", f"`{one.name}`. {one.description}"]
        given = ", ".join(f"`{name}` = {value:g}" for name, value in one.parameters.items())
        kept = f"the first {one.limit} by `{one.rank}`" if one.limit else f"all, by `{one.rank}`"
        parts.append(
            "\n".join(
                f"- {line}"
                for line in (
                    f"Source: {one.source}." if one.source else "",
                    f"Parameters: {given}." if given else "",
                    f"Hits: {kept}.",
                )
                if line
            )
        )
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> None:
    """Write the pages."""
    (folder / "builtin_scanners.md").write_text(scanners_page(), encoding="utf-8")
    (folder / "tables.md").write_text(tables_page(), encoding="utf-8")
    (folder / "features.md").write_text(features_page(), encoding="utf-8")
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")


if __name__ == "__main__":
    write(PROJECT_DIR / "docs")
    (PROJECT_DIR / "scan_pipeline" / "ta.pyi").write_text(stub(), encoding="utf-8")
