"""What a worker process is given and what it leaves behind, as files in a folder: written by one side, read by another.

What belongs here: these records, and how bars become units of work. What does not: what either side does with them
(`workers.py` the parent, `worker.py` the worker).
"""

import json
import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from scan_pipeline.features.bars import PRICE_COLUMNS, BarBlock, Floats, Ints
from scan_pipeline.scanners.python.authoring import Scope, Value

COLUMNS = (*PRICE_COLUMNS, "volume")
#: Arrays of a block beside its columns.
_LAYOUT = ("symbol", "valid_from", "valid_to", "offsets", "session", "bars_before")
#: The worker's exit code where it asks to be started afresh: memory is not given back.
AFRESH = 75
#: Seconds that the import of a scanner's file may take.
IMPORT_SECONDS = 60.0
#: Symbols of a shard that fail one after another, without one that does not, before the rest is not tried.
GIVES_UP_AFTER = 25


class Task(msgspec.Struct, frozen=True):
    """What a worker does: `blocks` are files of bars, `first` the first unit that is its own, counted over all blocks.

    `unit_seconds` bounds one call of the function, `memory_mib` the process. It ends with the process `parent`.
    """

    name: str
    path: str
    function: str
    scope: Scope
    parameters: dict[str, Value]
    blocks: list[str]
    first: int
    unit_seconds: float
    memory_mib: int
    parent: int
    results: str
    progress: str
    stacks: str


class Fault(msgspec.Struct, frozen=True):
    """Why a unit has no result: on the sessions given as days since 1970, on all of them where there are none.

    `kind`: `error` raised by the function or said of what it returned, `timeout`, `memory`, `ended` (the process).
    """

    kind: str
    reason: str
    traceback: str = ""
    days: list[int] = []


class Record(msgspec.Struct, frozen=True):
    """What became of a unit. A hit is a day since 1970, a symbol, and the scanner's own columns.

    `broken` stands alone: the file cannot be imported, or too many failed; `unit` and all after it are not done.
    """

    unit: int
    hits: list[tuple[int, str, dict[str, Any]]] = []
    faults: list[Fault] = []
    broken: Fault | None = None
    peak_mib: float = 0.0


@dataclass(frozen=True)
class Unit:
    """One call: of a series of bars (scope `symbol`), or of all symbols on a session (`universe`; no series or symbol).

    `places` are the sessions whose hits count, as positions in the window.
    """

    symbol: str
    series: int
    places: Ints


@dataclass(frozen=True)
class Bars:
    """A block of bars in a file: `window` as days since 1970, the symbols' names, and whose hits count when.

    `wanted[symbol, session]` over the window.
    """

    window: npt.NDArray[np.int32]
    symbols: Sequence[str]
    wanted: npt.NDArray[np.bool_]
    block: BarBlock

    def save(self, path: Path) -> None:
        """Write it, uncompressed: it is read once, soon."""
        block = self.block
        arrays: dict[str, Any] = {
            "window": self.window, "symbols": np.array(self.symbols, dtype=np.str_), "wanted": self.wanted,
            **{name: getattr(block, name) for name in _LAYOUT}, **{name: block[name] for name in COLUMNS},
        }  # fmt: skip
        with path.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Bars":
        """Read it."""
        with np.load(path) as file:
            columns = {name: file[name] for name in COLUMNS}
            block = BarBlock(columns=columns, **{name: file[name] for name in _LAYOUT})
            return cls(file["window"], file["symbols"].tolist(), file["wanted"], block)

    def units(self, scope: Scope) -> Iterator[Unit]:
        """The calls that it takes, in order."""
        if scope == "universe":
            for place in np.flatnonzero(self.wanted.any(axis=0)):
                yield Unit("", -1, np.array([place]))
            return
        block = self.block
        for series in np.argsort(block.symbol, kind="stable"):
            low, high = block.valid_from[series], block.valid_to[series]
            places = np.flatnonzero(self.wanted[block.symbol[series], low : high + 1]) + low
            if len(places):
                yield Unit(self.symbols[block.symbol[series]], int(series), places)

    def columns_of(self, series: int, last: int) -> tuple[Ints, Mapping[str, Floats]]:
        """A series' bars up to the session `last`: the sessions' positions, and the columns."""
        low, high = self.block.offsets[series], self.block.offsets[series + 1]
        high = low + np.searchsorted(self.block.session[low:high], last, side="right")
        return self.block.session[low:high], {name: self.block[name][low:high] for name in COLUMNS}

    def day(self, place: int) -> date:
        """The session at a position of the window."""
        day = np.datetime64(int(self.window[place]), "D").astype(object)
        assert isinstance(day, date)
        return day


class Progress:
    """How far a worker is, in a few bytes of a file that both sides map: no call of the system for a symbol."""

    _FORM = struct.Struct("qqd")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(self._FORM.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), self._FORM.size)

    def set(self, unit: int, hits: int, since: float) -> None:
        """The unit that is begun, the hits so far, and the time (`time.monotonic`); 0: none is under way."""
        self._FORM.pack_into(self._map, 0, unit, hits, since)

    def get(self) -> tuple[int, int, float]:
        """What was set last; all 0 before."""
        unit, hits, since = self._FORM.unpack_from(self._map, 0)
        return unit, hits, since


def read_records(path: Path) -> Iterator[Record]:
    """The records of a worker, but for a line that it did not finish."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield msgspec.json.decode(line, type=Record)


def as_json(details: Mapping[str, Any]) -> str:
    """A hit's own columns as the store keeps them."""
    return json.dumps(details, ensure_ascii=False, separators=(",", ":"))
