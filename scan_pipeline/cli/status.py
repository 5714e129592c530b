"""`scan-pipeline status`: what is held, what is missing, what ran, and who holds the database."""

from datetime import UTC, date, datetime

from rich.console import Console

from scan_pipeline.pipeline import Pipeline
from scan_pipeline.report.hits import said_provisional
from scan_pipeline.settings import Settings
from scan_pipeline.store.bars import read_provisional
from scan_pipeline.store.connection import Connection

LISTED_GAPS = 5
LISTED_RUNS = 5


def held_sessions(connection: Connection) -> list[date]:
    """The sessions whose bars are held, oldest first; those with provisional bars alone are not."""
    rows = connection.execute(
        "select session from ingested_sessions where bars > 0 and not provisional order by session"
    ).fetchall()
    return [session for (session,) in rows]


def print_status(console: Console, settings: Settings) -> None:
    """Everything that can be told without changing anything."""
    pipeline = Pipeline(settings)
    console.print(f"data folder   {settings.data_dir}")
    source = f" ({settings.files_path})" if settings.provider == "files" else ""
    console.print(f"provider      {settings.provider}{source}")
    if not pipeline.store.exists:
        console.print("database      none yet: `make demo`, or `scan-pipeline ingest --from … --to …`")
    else:
        size = settings.database_path.stat().st_size / 2**20
        holder = pipeline.store.held_by()
        console.print(f"database      {size:,.0f} MiB, {f'held by {holder}' if holder else 'free'}")
        if not holder:
            _print_sessions(console, pipeline)
    _print_runs(console, settings)


def _print_sessions(console: Console, pipeline: Pipeline) -> None:
    with pipeline.store.read() as connection:
        held = held_sessions(connection)
        scanned = connection.execute(
            "select count(distinct session), max(session) from scanner_outcomes where not provisional"
        ).fetchone()
        totals = connection.execute(
            "select sum(bars), sum(rejected) from ingested_sessions where not provisional"
        ).fetchone()
        provisional = read_provisional(connection)
    for session, at in sorted(provisional.items()):
        console.print(f"before close  {session}: {said_provisional(session, at)}; its night replaces it")
    if not held:
        console.print("sessions      none held")
        return
    assert scanned is not None
    assert totals is not None
    gaps = sorted(set(pipeline.calendar.between(held[0], held[-1])) - set(held))
    console.print(
        f"sessions      {len(held):,} held, {held[0]} to {held[-1]}; {totals[0]:,} bars, {totals[1]:,} rows rejected"
    )
    if gaps:
        listed = ", ".join(map(str, gaps[:LISTED_GAPS])) + (" …" if len(gaps) > LISTED_GAPS else "")
        console.print(f"gaps          {len(gaps):,} sessions in between are not held: {listed}")
    else:
        console.print("gaps          none")
    console.print(f"scanned       {scanned[0]:,} sessions" + (f", the last {scanned[1]}" if scanned[1] else ""))


def _print_runs(console: Console, settings: Settings) -> None:
    from scan_pipeline.defs.runs import open_instance

    with open_instance(settings) as instance:
        records = instance.get_run_records(limit=LISTED_RUNS)
    console.print("last runs     " + ("" if records else "none"))
    for record in records:
        run = record.dagster_run
        session = run.tags.get("dagster/partition") or " to ".join(
            run.tags.get(f"dagster/asset_partition_range_{end}", "") for end in ("start", "end")
        )
        at = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), UTC)
        took = f"{record.end_time - record.start_time:.1f} s" if record.end_time and record.start_time else ""
        console.print(f"  {at:%Y-%m-%d %H:%M} UTC  {run.job_name:13} {session:25} {run.status.value.lower():9} {took}")
