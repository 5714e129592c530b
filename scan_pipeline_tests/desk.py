"""A desk for one test: a folder of bar files, a pipeline that reads them, and questions to its database."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scan_pipeline.errors import IngestError
from scan_pipeline.pipeline import Pipeline
from scan_pipeline.store.bars import IngestedSession
from scan_pipeline.store.connection import Connection

Row = dict[str, Any]

#: A week of five sessions.
WEEK = ("2015-07-13", "2015-07-14", "2015-07-15", "2015-07-16", "2015-07-17")
MON, TUE, WED, THU, FRI = WEEK
SAT = "2015-07-18"


def bar(symbol: Any = "AAA", day: Any = MON, **values: Any) -> Row:
    """A row as a vendor delivers it: a good bar, but for what `values` says."""
    row = {"symbol": symbol, "date": day, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 1000.0}
    return row | values


def write_csv(path: Path, rows: Sequence[Row], delimiter: str = ",") -> None:
    """Rows as a CSV file; what is None or missing is an empty field."""
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, _columns(rows), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Rows as a Parquet file. Dates are given as text and stored as dates; NaN stays NaN, None is null."""
    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    for name in columns.keys() & {"date", "reported_on"}:
        columns[name] = [date.fromisoformat(day) if day else None for day in columns[name]]
    pq.write_table(pa.table(columns), path)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


@dataclass
class Desk:
    """`feed` is the folder that the provider reads; `splits.csv` and `symbols.csv` belong into `feed.parent`."""

    pipeline: Pipeline
    feed: Path
    said: list[str]

    def csv(self, rows: Sequence[Row], name: str = "bars.csv", delimiter: str = ",") -> Path:
        """Write a CSV file into the feed."""
        write_csv(self.feed / name, rows, delimiter)
        return self.feed / name

    def parquet(self, rows: Sequence[Row], name: str = "bars.parquet") -> Path:
        """Write a Parquet file into the feed."""
        write_parquet(self.feed / name, rows)
        return self.feed / name

    def ingest(self, *days: str) -> dict[str, IngestedSession]:
        """Ingest these sessions (the week, where none are given); what became of those that had rows."""
        outcomes = {}
        try:
            for outcome in self.pipeline.ingest([date.fromisoformat(day) for day in days or WEEK], "test"):
                outcomes[str(outcome.session)] = outcome
        except IngestError as error:
            self.said.append(str(error))
        return outcomes

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query; dates as text."""
        with self.pipeline.store.read() as connection:
            return _rows(connection, sql, parameters)

    def bars(self, columns: str = "session, symbol, close") -> list[tuple[Any, ...]]:
        """The bars held, in order of session and symbol."""
        return self.ask(f"select {columns} from price_bars order by session, symbol")

    def rejected(self, columns: str = "session, symbol, rule") -> list[tuple[Any, ...]]:
        """The rejected rows."""
        return self.ask(
            f"select {columns} from rejected_bars order by session nulls first, symbol nulls first, rule, raw"
        )

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that an ingest has stored, but for when and by whom."""
        queries = {
            "bars": "from price_bars order by session, symbol",
            "rejected": "from rejected_bars order by all",
            "sessions": "select * exclude (ingested_at, run_id) from ingested_sessions order by session",
        }
        with self.pipeline.store.read() as connection:
            return {name: _rows(connection, sql) for name, sql in queries.items()}


def _rows(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    rows = connection.execute(sql, list(parameters)).fetchall()
    return [tuple(str(value) if isinstance(value, date) else value for value in row) for row in rows]


def broken_accounts(desk: Desk) -> Sequence[tuple[Any, ...]]:
    """Sessions whose accounts do not agree with the rows that are held; none, always."""
    return desk.ask(
        """
        select session, delivered, bars, superseded, rejected, held, refused from ingested_sessions
            left join (select session, count(*) as held from price_bars group by session) using (session)
            left join (select session, count(*) as refused from rejected_bars group by session) using (session)
        where delivered <> bars + superseded + rejected or bars <> coalesce(held, 0)
            or rejected <> coalesce(refused, 0)
        union all
        select session, null, null, null, null, count(*), null from price_bars
        where session not in (select session from ingested_sessions) group by session
        """
    )
