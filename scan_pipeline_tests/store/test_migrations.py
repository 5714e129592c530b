"""From one version of the schema to the next: all of it or nothing, and never backwards."""

from pathlib import Path

import duckdb
import pytest

from scan_pipeline import schema
from scan_pipeline.errors import StoreError
from scan_pipeline.store import migrations
from scan_pipeline.store.connection import Store

STEPS = {
    schema.VERSION: [
        "alter table splits add column source VARCHAR",
        "update splits set source = 'unknown'",
    ],
    schema.VERSION + 1: ["alter table splits rename column source to origin"],
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A database of the current version that holds one split."""
    store = Store(tmp_path / "scan.duckdb", 60, "1GB")
    with store.write() as connection:
        connection.execute("insert into splits values ('AAA', date '2015-07-15', 1, 7, date '2015-07-15')")
    return store


def held(store: Store) -> tuple[int, list[str], list[object]]:
    """The version, the columns of `splits`, and its only row; read without scan_pipeline."""
    with duckdb.connect(str(store.path), read_only=True) as connection:
        [(version,)] = connection.execute("select version from schema_version").fetchall()
        [row] = connection.execute("select symbol, * exclude (symbol, ex_date, known_on) from splits").fetchall()
        columns = connection.execute("select column_name from duckdb_columns() where table_name = 'splits'").fetchall()
    return version, [name for (name,) in columns], list(row)


def test_a_new_database_has_every_table_and_column_of_the_schema(store: Store) -> None:
    with store.read() as connection:
        made = connection.execute(
            "select table_name, column_name from duckdb_columns() where not internal and table_name <> 'schema_version'"
        ).fetchall()
    assert set(made) == {(table.name, column.name) for table in schema.TABLES for column in table.columns}
    assert held(store)[0] == schema.VERSION


@pytest.mark.parametrize("how", ["read", "write"])
def test_an_older_database_is_brought_up_step_by_step_and_keeps_its_rows(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    monkeypatch.setattr(migrations, "STEPS", STEPS)
    with getattr(store, how)() as connection:
        assert connection.execute("select origin from splits").fetchall() == [("unknown",)]
    version, columns, row = held(store)
    assert version == schema.VERSION
    assert "origin" in columns
    assert row == ["AAA", 1.0, 7.0, "unknown"]


def test_a_step_that_fails_leaves_the_older_version_complete(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = held(store)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    monkeypatch.setattr(migrations, "STEPS", STEPS | {schema.VERSION - 1: ["alter table nowhere add column x INTEGER"]})
    with pytest.raises(duckdb.CatalogException, match="nowhere"), store.write():
        pass
    assert held(store) == before


def test_a_database_of_the_current_version_is_not_touched_by_reading(store: Store) -> None:
    before = store.path.read_bytes()
    with store.read() as connection:
        connection.execute("select count(*) from price_bars").fetchall()
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    before = held(store)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION - 1)
    with pytest.raises(StoreError) as error, getattr(store, how)():
        pass
    assert str(error.value) == (
        f"The database has schema version {before[0]}, this scan_pipeline knows up to {before[0] - 1}. "
        "Update scan_pipeline, or point SCAN_DATA_DIR at another folder."
    )
    assert held(store) == before
