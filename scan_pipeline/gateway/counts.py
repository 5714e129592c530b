"""What a gateway has done so far, for progress and summaries. Another thread may read it at any time.

A request counts when its answer has been sent.
"""

from dataclasses import dataclass, field
from datetime import date


@dataclass
class Note:
    """What is to be said of one request."""

    kind: str
    symbol: str = ""
    session: date | None = None
    #: What was asked for that the store does not hold, in words; empty where all of it was there.
    lacking: str = ""
    is_hidden: bool = False


@dataclass
class Counts:
    """Requests answered, and how."""

    #: Requests that came and were good.
    arrived: int = 0
    #: Answers that were sent, refusals included; those of each kind, without refusals.
    requests: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    #: The symbols and sessions that were asked for.
    symbols: set[str] = field(default_factory=set)
    sessions: set[date] = field(default_factory=set)
    #: Requests answered empty, or in part, because the store does not hold what they ask; by what that is.
    answered_empty: dict[str, int] = field(default_factory=dict)
    #: Requests for symbols that the view does not show.
    hidden: int = 0
    #: Refusals, by status and words.
    refused: dict[str, int] = field(default_factory=dict)
    #: Calls made to the vendor for what the store did not hold, and why some brought nothing.
    vendor_calls: int = 0
    vendor_errors: dict[str, int] = field(default_factory=dict)

    def add(self, note: Note) -> None:
        """An answer was sent."""
        self.requests += 1
        _raise(self.kinds, note.kind)
        if note.symbol:
            self.symbols.add(note.symbol)
        if note.session is not None:
            self.sessions.add(note.session)
        if note.lacking:
            _raise(self.answered_empty, note.lacking)
        self.hidden += note.is_hidden

    def add_refusal(self, words: str, lacking: str = "") -> None:
        """A refusal was sent; `lacking` says what the store does not hold, where that is why."""
        self.requests += 1
        _raise(self.refused, words)
        if lacking:
            _raise(self.answered_empty, lacking)

    def add_vendor_error(self, words: str) -> None:
        """The vendor did not give what was asked of it."""
        _raise(self.vendor_errors, words)


def _raise(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
