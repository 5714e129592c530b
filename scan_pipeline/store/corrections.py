"""Which sessions a metered provider is asked for: what is missing, and what the vendor may still have revised.

What belongs here: deciding from what is held. What does not: asking (`providers/`) and storing (`bars.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from scan_pipeline.sessions import Calendar
from scan_pipeline.store.bars import IngestedSession


@dataclass(frozen=True)
class Due:
    """Sessions to take in; held ones to ask for again, as they are held; and those that need no call."""

    missing: Sequence[date]
    corrected: Mapping[date, IngestedSession] = field(default_factory=dict)
    settled: Sequence[IngestedSession] = ()


def due(
    sessions: Sequence[date],
    held: Mapping[date, tuple[datetime, IngestedSession]],
    calendar: Calendar,
    correction_sessions: int,
    max_lost_share: float,
    provisional: Collection[date] = (),
) -> Due:
    """What to ask for, so that `sessions` are held and right. `held` is as `read_accounts` gives it.

    A held session is settled once it was taken in after `correction_sessions` later ones had closed: the vendor no
    longer revises it. One that is not is asked for again, unless that was done since the last of `sessions` closed. One
    that lost more than `max_lost_share` of its bars is as good as not held. A session up to the last one whose bars are
    still `provisional` is asked for too: the history of `sessions` must not be made of them.
    """
    last = max(sessions)
    good = {day: one for day, (_, one) in held.items() if one.bars and one.lost_share <= max_lost_share}

    def settled_at(day: date) -> datetime:
        last_revision = min(last, calendar.after(day, correction_sessions))
        return calendar.closes_at(last_revision).astimezone(UTC).replace(tzinfo=None)

    corrected = {day: one for day, one in good.items() if day <= last and held[day][0] < settled_at(day)}
    settled = [good[day] for day in sorted(sessions) if day in good and day not in corrected]
    left = {day for day in provisional if day <= last}
    return Due(sorted({*sessions, *left} - good.keys()), corrected, settled)


def loses_bars(now: IngestedSession, before: IngestedSession, max_lost_share: float) -> bool:
    """Whether a correction is none: too many bars are lost, or there are far fewer than before."""
    return now.lost_share > max_lost_share or now.bars < before.bars * (1 - max_lost_share)
