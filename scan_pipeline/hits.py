"""What a scan yields: hits, and what became of each scanner. Scanners make them, the store keeps them."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Hit:
    """A symbol that a scanner found on a session. `details` is JSON: the scanner's own columns."""

    session: date
    scanner: str
    symbol: str
    rank: int
    score: float | None
    details: str


@dataclass(frozen=True)
class Outcome:
    """What became of one scanner on one session: the number of hits, or None and why it failed."""

    session: date
    scanner: str
    hits: int | None
    message: str | None = None
