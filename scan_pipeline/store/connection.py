"""Connections to the DuckDB file: one writer, short, and a message while somebody else holds it.

DuckDB lets one process open a file for writing, and while it does no other can even read. So a connection lives for
one stage, and a busy file is waited for with a message that names the process holding it.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

import duckdb

from scan_pipeline.errors import StoreError
from scan_pipeline.quoting import literal
from scan_pipeline.store import migrations

Connection = duckdb.DuckDBPyConnection
#: Attached files need names that differ.
_NUMBERS = count(1)


@dataclass
class Store:
    """The database file, and how to open it."""

    path: Path
    wait_seconds: float
    memory_limit: str
    #: Told, once a wait, who holds the database.
    on_wait: Callable[[str], None] = field(default=lambda message: None)

    @property
    def exists(self) -> bool:
        """Whether anything has been stored yet. A process killed at its first step leaves an empty file: nothing."""
        return self.path.exists() and self.path.stat().st_size > 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only connection. Raises StoreError where there is no database yet."""
        if not self.exists:
            raise StoreError(
                f"There is no database at {self.path} yet. Ingest some sessions first: "
                "`scan-pipeline ingest --from YYYY-MM-DD --to YYYY-MM-DD`."
            )
        with self._attached(read_only=True) as connection:
            if migrations.is_current(connection):
                yield connection
                return
        with self.write():
            pass  # opening it for writing brings it up to date
        with self._attached(read_only=True) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection inside a transaction: committed at the end, rolled back on any exception."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._attached(read_only=False) as connection:
            migrations.migrate(connection)
            connection.execute("begin")
            yield connection
            connection.execute("commit")

    @contextmanager
    def _attached(self, *, read_only: bool) -> Iterator[Connection]:
        """A connection of its own whose current database is the file; the file is let go at the end."""
        connection = _engine().cursor()
        connection.execute(f"set memory_limit = '{self.memory_limit}'")
        name = f"store_{next(_NUMBERS)}"
        try:
            self._attach(connection, name, read_only=read_only)
            connection.execute(f"use {name}")
            yield connection
        finally:
            connection.close()  # without a commit, DuckDB rolls back
            with _engine().cursor() as engine:
                engine.execute(f"detach database if exists {name}")

    def _attach(self, connection: Connection, name: str, *, read_only: bool) -> None:
        deadline = time.monotonic() + self.wait_seconds
        told = emptied = False
        while True:
            try:
                connection.execute(f"attach {literal(self.path)} as {name} {'(read_only)' if read_only else ''}")
                return
            except duckdb.ResourceInUseException as error:
                raise StoreError(
                    f"The database {self.path} is held by this process itself. Close that connection first."
                ) from error
            except duckdb.IOException as error:
                holder = _holder(str(error))
                if holder is None and not emptied and self.path.exists() and not self.exists:
                    self.path.unlink()
                    emptied = True
                    continue
                if holder is None:
                    raise StoreError(
                        f"The database {self.path} cannot be opened: {_first_line(error)}. "
                        "`scan-pipeline doctor` checks disk space, permissions and the file."
                    ) from error
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"The database {self.path} is still held by {holder} after {self.wait_seconds:g} s. "
                        "Wait for it or end it, or raise SCAN_STORE_WAIT_SECONDS."
                    ) from error
                if not told:
                    self.on_wait(f"Waiting for the database, held by {holder}.")
                    told = True
                time.sleep(0.05)

    def held_by(self) -> str | None:
        """The process that holds the file for writing, or None."""
        if not self.exists:
            return None
        try:
            duckdb.connect(str(self.path), read_only=True).close()
        except duckdb.IOException as error:
            return _holder(str(error))
        return None


@cache
def _engine() -> Connection:
    """One DuckDB a process: starting another takes twenty times as long as attaching a file."""
    return duckdb.connect()


def _holder(message: str) -> str | None:
    """The process named in DuckDB's message about a conflicting lock, with its command; None for any other message."""
    found = re.search(r"Conflicting lock is held in (.*?) \(PID (\d+)\)", message)
    if not found:
        return None
    import psutil

    program, pid = found.group(1), int(found.group(2))
    try:
        command = " ".join(psutil.Process(pid).cmdline())[:120] or program
    except psutil.Error:
        command = program
    return f"process {pid} ({command})"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
