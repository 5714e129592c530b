"""Sessions as Dagster partitions: exactly the sessions of the exchange, no day more.

https://docs.dagster.io/guides/build/partitions-and-backfills. A cron of Monday to Friday would stretch Friday's window
to Monday; daily windows from which weekends and holidays are excluded do not. `end_offset=1` makes today's session
selectable in the evening, which also shows a session before it has closed: the stages refuse that with a message.
"""

from datetime import datetime, time

import dagster as dg

from scan_pipeline.sessions import FIRST_SESSION, NEW_YORK, Calendar


def session_partitions(calendar: Calendar) -> dg.DailyPartitionsDefinition:
    """One partition a session, named YYYY-MM-DD."""
    holidays = [datetime.combine(day, time(), NEW_YORK) for day in calendar.closed_weekdays()]
    return dg.DailyPartitionsDefinition(
        start_date=FIRST_SESSION.isoformat(),
        timezone=str(NEW_YORK),
        end_offset=1,
        exclusions=["0 0 * * 6,0", *holidays],
    )
