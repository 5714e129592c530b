"""Scanning in tests: a copy of a store to scan in, scanners to scan with, and what is stored afterwards."""

import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.scanners.registry import BUILTIN_DIR, Overrides, SqlScanner, find_scanners
from scan_pipeline.settings import Settings

#: Of the built-in scanners: some that look at each symbol alone, at a year or at a day, and two that compare all.
FEW_BUILT_IN = ("gap_and_go", "minervini_trend_template", "nr7", "rs_leaders_near_highs", "sector_leaders")

#: What a table's rows hold beside their content: which run wrote them, and when.
INCIDENTAL = {
    "scan_results": ("run_id", "cached_since"),
    "scanner_outcomes": ("run_id", "scanned_at"),
    "quarantined_symbols": ("run_id", "quarantined_at"),
    "market_context": ("run_id",),
}


def copy_of(pipeline: Pipeline, settings_at: Callable[..., Settings], data_dir: Path, **overrides: object) -> Pipeline:
    """A pipeline with the same bars from the same provider, in a database of its own, under other settings."""
    source = {"provider": pipeline.settings.provider, "files_path": pipeline.settings.files_path}
    settings = settings_at(data_dir, **source, **overrides)
    shutil.copy(pipeline.settings.database_path, settings.database_path)
    return Pipeline(settings)


def find_few_scanners(user_dir: Path, overrides: Overrides | None = None) -> list[SqlScanner]:
    """The user's own scanners, and few of the built-in ones."""
    found = find_scanners(user_dir, overrides)
    return [one for one in found if one.path.parent != BUILTIN_DIR or one.name in FEW_BUILT_IN]


def prepare(pipeline: Pipeline, sessions: Sequence[date]) -> Pipeline:
    """Builds the universe of the sessions and screens it by the settings' limits."""
    pipeline.build_universe(sessions)
    pipeline.screen(sessions, pipeline.settings.screen)
    return pipeline


def write_scanner(pipeline: Pipeline, name: str, text: str) -> None:
    """Puts a scanner into the user's folder."""
    folder = pipeline.settings.scanners_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.sql").write_text(text, encoding="utf-8")


def query(pipeline: Pipeline, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows that a query of the store gives."""
    with pipeline.store.read() as connection:
        return connection.execute(sql, list(values)).fetchall()


def change(pipeline: Pipeline, sql: str, *values: Any) -> None:
    """Changes something in the store."""
    with pipeline.store.write() as connection:
        connection.execute(sql, list(values))


def content(pipeline: Pipeline, table: str, sessions: Sequence[date]) -> list[tuple[str | None, ...]]:
    """A table's rows for the sessions, in order, without what is incidental: runs, times, and where the data is.

    As text, which DuckDB writes with as many digits as tell a float from every other: equal text is equal bits.
    """
    left_out = INCIDENTAL.get(table, ())
    exclude = f"exclude ({', '.join(left_out)})" if left_out else ""
    return query(
        pipeline,
        f"select replace(columns(*)::VARCHAR, ?, '') from (select * {exclude} from {table} "
        "where session in (select unnest(?::DATE[]))) order by all",
        str(pipeline.settings.data_dir),
        list(sessions),
    )
