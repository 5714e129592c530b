"""Answers that are kept: encoded once, least used dropped first, and each only for the state of the store it is of.

What belongs here: the cache, and how a state of the store is told. What does not: what an answer holds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cachetools import LRUCache

#: A state of the database, on a day; and a request in it.
Version = tuple[int | date, ...]
State = tuple[Version, str]


@dataclass(frozen=True)
class Body:
    """An answer as it is sent, and what of it the store does not hold."""

    content: bytes
    lacking: str = ""


@dataclass
class KeptAnswers:
    """Answers by state, in at most so many bytes. Who asks for one that is being made waits for it."""

    most_bytes: int
    _kept: "LRUCache[State, Body]" = field(init=False)
    _under_way: dict[State, "asyncio.Future[Body]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._kept = LRUCache(self.most_bytes, getsizeof=lambda body: len(body.content))

    async def get(self, state: State, make: Callable[[], Awaitable[Body]], keeps: Callable[[Body], bool]) -> Body:
        """The answer as kept, or as made now; `keeps` tells whether it may be kept."""
        body = self._kept.get(state)
        if body is not None:
            return body
        waited_for = self._under_way.get(state)
        if waited_for is None:
            waited_for = asyncio.ensure_future(self._make(state, make, keeps))
            self._under_way[state] = waited_for
            waited_for.add_done_callback(lambda _: self._under_way.pop(state, None))
        return await asyncio.shield(waited_for)

    def forget(self) -> None:
        """Keep nothing of what was there."""
        self._kept.clear()

    async def _make(self, state: State, make: Callable[[], Awaitable[Body]], keeps: Callable[[Body], bool]) -> Body:
        body = await make()
        if len(body.content) < self.most_bytes and keeps(body):
            self._kept[state] = body
        return body


def state_of(path: Path) -> tuple[int, int]:
    """The state of a database file: when it and its log (what a killed process left to be done) were changed."""
    return _changed_at(path), _changed_at(path.with_name(f"{path.name}.wal"))


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
