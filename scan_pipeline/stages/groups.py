"""Sessions that are worked on together: those whose history begins at the same session.

The bars are read and laid out once for all sessions of a group, from a start that each of them alone would have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import numpy as np
import numpy.typing as npt

from scan_pipeline.features.catalogue import HISTORY_SESSIONS
from scan_pipeline.sessions import Calendar, SessionArray


@dataclass(frozen=True)
class Group:
    """`sessions`, oldest first; `window`: the sessions that are read for them, up to the last of them.

    `start`: where the whole history begins that counts for them, which may be before the window. `following`: the
    exchange's session after the window.
    """

    sessions: list[date]
    window: SessionArray
    start: date
    following: date

    def place(self, session: date) -> int:
        """The position of a session in the window."""
        return int(np.searchsorted(self.window, np.datetime64(session)))

    def windows(self, sessions: Sequence[date] | None = None) -> dict[date, SessionArray]:
        """The part of the window that is read for each session: up to itself."""
        return {one: self.window[: self.place(one) + 1] for one in (self.sessions if sessions is None else sessions)}

    @property
    def is_wanted(self) -> npt.NDArray[np.bool_]:
        """Which sessions of the window are the group's."""
        return np.isin(self.window, np.array(self.sessions, dtype="datetime64[D]"))


def make_groups(calendar: Calendar, sessions: Sequence[date], history: int) -> Iterator[Group]:
    """The sessions in groups, each with the window that `history` sessions before them make."""

    def starts(session: date) -> tuple[date, date]:
        return calendar.history_start(session, HISTORY_SESSIONS), calendar.history_start(session, history)

    for (whole, first), group in groupby(sorted(sessions), key=starts):
        members = list(group)
        window = np.array(calendar.between(first, members[-1]), dtype="datetime64[D]")
        yield Group(members, window, whole, calendar.after(members[-1], 1))
