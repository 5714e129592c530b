"""The exchange calendar: which days are sessions of the New York Stock Exchange, and when each closes.

exchange_calendars (XNYS) is the authority, early closes included. Importing it costs more than scanning the market
does, so its answer is kept in the cache folder, one file for each version of the library; the file can be deleted at
any time. Dates without a time zone are session dates in New York; instants are aware datetimes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from scan_pipeline.errors import SessionError

NEW_YORK = ZoneInfo("America/New_York")
FIRST_SESSION = date(2000, 1, 3)
#: When a session opens, early closes or not.
OPENS = time(9, 30)

SessionArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Calendar:
    """The sessions from 2000-01-03 to the end of next year, oldest first.

    `days` is datetime64[D]; `closes` the close of each session in seconds since the epoch, UTC.
    """

    days: SessionArray
    closes: npt.NDArray[np.int64]

    @classmethod
    def load(cls, cache_dir: Path, today: date | None = None) -> "Calendar":
        """The calendar, from `cache_dir` where this version of exchange_calendars has been asked before."""
        last = date((today or date.today()).year + 1, 12, 31)
        path = cache_dir / f"xnys-{version('exchange_calendars')}-{last.year}.npy"
        if path.exists():
            days, closes = np.load(path)
        else:
            days, closes = _ask_exchange_calendars(last)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Written aside and renamed: two processes that start at once never read half a file.
            aside = path.with_name(f"{path.stem}.{datetime.now().timestamp()}.tmp.npy")
            np.save(aside, np.stack([days, closes]))
            aside.replace(path)
        return cls(days.astype("datetime64[D]"), closes)

    def is_session(self, day: date) -> bool:
        """Whether the exchange is open on that day."""
        index = self.index_at_or_after(day)
        return index < len(self.days) and self.days[index] == np.datetime64(day)

    def index_at_or_after(self, day: date) -> int:
        """The position of the first session on or after `day`; len(days) where the calendar ends before."""
        return int(np.searchsorted(self.days, np.datetime64(day)))

    def parse(self, text: str) -> date:
        """The session that `text` (YYYY-MM-DD) names. Raises SessionError with the nearest sessions otherwise."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise SessionError(f"'{text}' is not a date. Write it as YYYY-MM-DD, for example 2015-07-15.") from None
        return self.require(day)

    def require(self, day: date) -> date:
        """`day`, if it is a session. Raises SessionError with the sessions around it otherwise."""
        if self.is_session(day):
            return day
        if not self.days[0] <= np.datetime64(day) <= self.days[-1]:
            raise SessionError(f"{day} is outside the calendar, which holds {self.days[0]} to {self.days[-1]}.")
        index = self.index_at_or_after(day)
        raise SessionError(
            f"{day} ({day:%A}) is not a session of the exchange. "
            f"The sessions around it are {self.days[index - 1]} and {self.days[index]}."
        )

    def require_closed(self, sessions: Sequence[date], now: datetime | None = None) -> None:
        """Raises SessionError if a session has not closed yet: its bars would still change."""
        for session in sessions:
            closes_at = self.closes_at(session)
            if closes_at > (now or datetime.now(UTC)):
                raise SessionError(
                    f"Session {session} has not closed: it closes at {closes_at:%Y-%m-%d %H:%M} New York time. "
                    f"The last closed session is {self.latest_closed(now)}."
                )

    def require_open(self, session: date, now: datetime | None = None) -> None:
        """Raises SessionError unless the session is open: bars before the close are of that one alone."""
        now = (now or datetime.now(UTC)).astimezone(NEW_YORK)
        if not self.is_session(session):
            coming = to_date(self.days[self.index_at_or_after(session)])
            raise SessionError(
                f"{session} ({session:%A}) is no session: the exchange is closed, and nothing is provisional. "
                f"The next one is {coming}; `scan-pipeline run` scans the last closed one, {self.latest_closed(now)}."
            )
        opens_at, closes_at = datetime.combine(session, OPENS, NEW_YORK), self.closes_at(session)
        if now < opens_at:
            raise SessionError(
                f"Session {session} has not begun: it opens at {opens_at:%Y-%m-%d %H:%M} New York time. "
                f"`scan-pipeline run` scans the last closed one, {self.latest_closed(now)}."
            )
        if now >= closes_at:
            raise SessionError(
                f"Session {session} closed at {closes_at:%H:%M} New York time: its bars are final now. "
                f"`scan-pipeline run --session {session}` takes them in and scans them."
            )

    def closes_at(self, session: date) -> datetime:
        """The close, in New York time (16:00, or 13:00 on most early closes)."""
        index = self.index_at_or_after(self.require(session))
        return datetime.fromtimestamp(int(self.closes[index]), NEW_YORK)

    def latest_closed(self, now: datetime | None = None) -> date:
        """The last session whose close has passed."""
        index = int(np.searchsorted(self.closes, (now or datetime.now(UTC)).timestamp(), side="right")) - 1
        return to_date(self.days[index])

    def between(self, first: date, last: date) -> list[date]:
        """The sessions from `first` to `last`, both included where they are sessions."""
        if first > last:
            raise SessionError(f"The range {first} to {last} runs backwards. Give the earlier date first.")
        low, high = self.index_at_or_after(first), self.index_at_or_after(last + timedelta(days=1))
        return [to_date(day) for day in self.days[low:high]]

    def before(self, session: date, count: int) -> date:
        """The session `count` sessions before `session`, or the calendar's first one."""
        return to_date(self.days[max(0, self.index_at_or_after(session) - count)])

    def after(self, session: date, count: int) -> date:
        """The session `count` sessions after `session`, or the calendar's last one."""
        return to_date(self.days[min(len(self.days) - 1, self.index_at_or_after(session) + count)])

    def closed_weekdays(self) -> list[date]:
        """Every Monday to Friday of the calendar on which the exchange was closed."""
        weekdays = np.arange(self.days[0], self.days[-1] + np.timedelta64(1, "D"))
        weekdays = weekdays[np.is_busday(weekdays)]
        return [to_date(day) for day in np.setdiff1d(weekdays, self.days)]

    def history_start(self, session: date, history_sessions: int) -> date:
        """Where the history that a scan of `session` reads begins.

        It is the first session of the calendar quarter that holds the session `history_sessions` before. Every
        session of a quarter or so thus reads history from the same start, and a moving sum or a recursion that is
        computed once for all of them goes through the same bars, in the same order, as it does for one of them alone:
        a range pass equals its nights to the last bit.
        """
        earliest = self.before(session, history_sessions)
        quarter = date(earliest.year, earliest.month - (earliest.month - 1) % 3, 1)
        return to_date(self.days[self.index_at_or_after(quarter)])


def utc_now() -> datetime:
    """The time; what a pipeline goes by unless it is given another clock."""
    return datetime.now(UTC)


def to_date(day: np.datetime64) -> date:
    """A datetime64[D] as the standard library's date."""
    converted = day.astype(object)
    assert isinstance(converted, date)
    return converted


def _ask_exchange_calendars(last: date) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_SESSION.isoformat(), end=last.isoformat())
    days = calendar.closes.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    closes = calendar.closes.dt.tz_convert(None).to_numpy(dtype="datetime64[s]").astype(np.int64)
    return days, closes
