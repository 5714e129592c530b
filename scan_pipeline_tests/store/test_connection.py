"""The database file: one writer at a time, a busy file waited for, and messages that say who holds it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scan_pipeline.errors import StoreError
from scan_pipeline.store.connection import Store

#: Opens the database as a writer or a reader, says so, and holds it until a line comes in.
HOLDER = """
import sys
from pathlib import Path
from scan_pipeline.store.connection import Store
store = Store(Path(sys.argv[1]), wait_seconds=60, memory_limit="1GB")
with getattr(store, sys.argv[2])() as connection:
    print("holding", flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "write":
        connection.execute("insert into splits (symbol) values ('AFTER')")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "scan.duckdb"
    with make_store(path).write() as connection:
        connection.execute("insert into splits (symbol) values ('BEFORE')")
    return path


@pytest.fixture
def hold(path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """`hold("write")`: a process that holds the database."""
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def make_store(path: Path, wait_seconds: float = 60, on_wait: Callable[[str], None] = print) -> Store:
    return Store(path, wait_seconds, "1GB", on_wait)


def symbols(store: Store) -> list[str]:
    with store.read() as connection:
        return [symbol for (symbol,) in connection.execute("select symbol from splits").fetchall()]


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_busy_database_is_waited_for_with_a_message_that_names_the_process(
    path: Path, hold: Callable[[str], subprocess.Popen[str]], how: str
) -> None:
    holder = hold("write")
    said = []

    def release(message: str) -> None:
        said.append(message)
        assert holder.stdin
        holder.stdin.write("\n")
        holder.stdin.flush()

    with getattr(make_store(path, on_wait=release), how)() as connection:
        # What the other has written by then is there.
        rows = connection.execute("select symbol from splits order by symbol").fetchall()
    assert rows == [("AFTER",), ("BEFORE",)]
    assert len(said) == 1
    assert said[0].startswith(f"Waiting for the database, held by process {holder.pid} (")
    assert Path(sys.executable).name in said[0]


def test_a_writer_waits_for_readers_too(path: Path, hold: Callable[[str], subprocess.Popen[str]]) -> None:
    holder = hold("read")
    said: list[str] = []

    def release(message: str) -> None:
        said.append(message)
        holder.communicate("\n")

    with make_store(path, on_wait=release).write() as connection:
        connection.execute("delete from splits")
    assert str(holder.pid) in said[0]
    assert symbols(make_store(path)) == []


def test_readers_do_not_wait_for_each_other(path: Path, hold: Callable[[str], subprocess.Popen[str]]) -> None:
    hold("read")
    assert symbols(make_store(path, wait_seconds=0)) == ["BEFORE"]


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_database_that_stays_busy_is_given_up_with_the_process_and_the_setting(
    path: Path, hold: Callable[[str], subprocess.Popen[str]], how: str
) -> None:
    holder = hold("write")
    with pytest.raises(StoreError) as error, getattr(make_store(path, wait_seconds=0.1), how)():
        pass
    message = str(error.value)
    assert f"{path} is still held by process {holder.pid} (" in message
    assert "after 0.1 s" in message
    assert "SCAN_STORE_WAIT_SECONDS" in message


def test_who_holds_the_database_can_be_asked(path: Path, hold: Callable[[str], subprocess.Popen[str]]) -> None:
    store = make_store(path)
    assert store.held_by() is None
    holder = hold("write")
    assert (store.held_by() or "").startswith(f"process {holder.pid} (")
    holder.communicate("\n")
    assert store.held_by() is None


def test_a_database_of_a_killed_holder_is_free_at_once(
    path: Path, hold: Callable[[str], subprocess.Popen[str]]
) -> None:
    holder = hold("write")
    holder.kill()
    holder.communicate()
    assert symbols(make_store(path, wait_seconds=0)) == ["BEFORE"]


def test_reading_without_a_database_says_how_to_begin(tmp_path: Path) -> None:
    store = make_store(tmp_path / "none" / "scan.duckdb")
    with (
        pytest.raises(StoreError, match=r"There is no database at .*scan\.duckdb yet\. .*`scan-pipeline ingest"),
        store.read(),
    ):
        pass
    assert not store.path.parent.exists()
    assert store.held_by() is None


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_file_that_is_no_database_is_refused_in_one_line_and_left_alone(tmp_path: Path, how: str) -> None:
    path = tmp_path / "scan.duckdb"
    path.write_text("notes of mine\n" * 500)
    with pytest.raises(StoreError) as error, getattr(make_store(path), how)():
        pass
    assert f"{path} cannot be opened" in str(error.value)
    assert "\n" not in str(error.value)
    assert path.read_text() == "notes of mine\n" * 500


def test_a_database_that_cannot_be_created_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="cannot be opened"),
        make_store(Path("/proc/scan.duckdb"), wait_seconds=0.1).write(),
    ):
        pass


def test_an_empty_file_of_a_process_killed_at_its_first_step_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "scan.duckdb"
    path.touch()
    with make_store(path).write() as connection:
        connection.execute("insert into splits (symbol) values ('BEFORE')")
    assert symbols(make_store(path)) == ["BEFORE"]


@pytest.mark.parametrize(("outer", "inner"), [("read", "write"), ("write", "read")])
def test_a_database_that_this_process_holds_itself_is_refused_in_words(path: Path, outer: str, inner: str) -> None:
    store = make_store(path, wait_seconds=0.1)
    with getattr(store, outer)(), pytest.raises(StoreError, match="held by"), getattr(store, inner)():
        pass


def test_what_fails_half_way_is_undone(path: Path) -> None:
    store = make_store(path)

    def fail_half_way() -> None:
        with store.write() as connection:
            connection.execute("delete from splits")
            connection.execute("insert into splits (symbol) values ('HALF')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert symbols(store) == ["BEFORE"]


def test_a_reader_cannot_write(path: Path) -> None:
    with make_store(path).read() as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("delete from splits")
    assert symbols(make_store(path)) == ["BEFORE"]


def test_a_reader_may_begin_with_any_way_of_asking(path: Path) -> None:
    with make_store(path).read() as connection:
        assert connection.sql("select symbol from splits").fetchall() == [("BEFORE",)]
