"""Bars in memory: one contiguous array a column, each series' own traded bars in a row, oldest first.

A *series* is one symbol's bars, split-adjusted as known on a stretch of as-of sessions. Most symbols are one series;
a symbol whose split takes effect within the as-of sessions of a pass gets one more, adjusted from that day on. So a
pass over a range computes, for each of its sessions, on exactly the prices that the night of that session saw.

What belongs here: layout and adjustment. What does not: indicators (`indicators.py`) and reading (`store/history.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]
Value = TypeVar("Value")

PRICE_COLUMNS = ("open", "high", "low", "close")
#: The column that holds the close of the benchmark on the session of each bar, where it has been read.
BENCHMARK = "benchmark"


@dataclass(frozen=True)
class Split:
    """`to` new shares for `from_` old ones. From session `effective` (its ex-date, or the later day on which it was
    known) on, prices before the ex-date are read as price × from_ / to. Positions are those of the block's sessions.
    """

    symbol: int
    ex: int
    effective: int
    from_: float
    to: float


@dataclass(frozen=True)
class BarBlock:
    """The bars of some symbols over consecutive sessions.

    `offsets` has one entry more than there are series: series i is the slice offsets[i]:offsets[i+1] of every column.
    `symbol[i]` is the series' symbol; its adjustment holds for as-of sessions `valid_from[i]` to `valid_to[i]`.
    `session` is, for every bar, the position of its session in the block's list. Columns are float64; prices dollars,
    volume shares, both split-adjusted. `bars_before[i]` is the number of bars that are held before the block begins,
    within the history that counts. `days` are the dates of the block's sessions, and `following` that of the exchange's
    next session after them: with it, a week or a month is known to be over on its last session. `counts_from` is the
    position of the session from which on bars count for everybody; those before are for what needs longer history.
    """

    symbol: Ints
    valid_from: Ints
    valid_to: Ints
    offsets: Ints
    session: Ints
    columns: Mapping[str, Floats]
    bars_before: Ints
    days: Days | None = None
    following: np.datetime64 | None = None
    counts_from: int = 0
    _memo: dict[Any, Any] = field(default_factory=dict)

    def __getitem__(self, column: str) -> Floats:
        return self.columns[column]

    def memo(self, key: Any, compute: Callable[[], Value]) -> Value:
        """A value computed at most once for this block."""
        if key not in self._memo:
            self._memo[key] = compute()
        value: Value = self._memo[key]
        return value

    def series_of_bar(self) -> Ints:
        """For every bar, the number of its series."""
        return np.repeat(np.arange(len(self.symbol)), np.diff(self.offsets))

    def bars_as_of(self, wanted: npt.NDArray[np.bool_]) -> Ints:
        """The bars that are the last bar of a symbol as of a session: `wanted[symbol, session]` says which to give.

        A bar counts in the series whose adjustment holds on its session. Returns positions in the columns.
        """
        sessions = np.arange(wanted.shape[1])
        given = wanted[self.symbol]
        given &= (self.valid_from[:, np.newaxis] <= sessions) & (sessions <= self.valid_to[:, np.newaxis])
        place = self.series_of_bar()
        place *= len(sessions)
        place += self.session
        return np.flatnonzero(given.reshape(-1)[place])

    def parts(self, bars: int) -> Iterator[tuple[int, "BarBlock"]]:
        """The block in parts of about so many bars, whole series each, and the place of each part's first bar."""
        bounds = np.searchsorted(self.offsets, np.arange(bars, self.offsets[-1], bars))
        cuts = np.unique(np.concatenate(([0], bounds, [len(self.symbol)])))
        if len(cuts) == 2:
            yield 0, self
            return
        for first, end in pairwise(cuts.tolist()):
            low, high = int(self.offsets[first]), int(self.offsets[end])
            yield (
                low,
                replace(
                    self,
                    symbol=self.symbol[first:end],
                    valid_from=self.valid_from[first:end],
                    valid_to=self.valid_to[first:end],
                    offsets=self.offsets[first : end + 1] - low,
                    session=self.session[low:high],
                    columns={name: values[low:high] for name, values in self.columns.items()},
                    bars_before=self.bars_before[first:end],
                    _memo={},
                ),
            )

    def recent(self) -> "BarBlock":
        """The block as it were, had reading begun where bars begin to count for everybody."""
        first = self.counts_from
        if first == 0:
            return self
        kept = self.session >= first
        return replace(
            self,
            valid_from=np.maximum(self.valid_from - first, 0),
            valid_to=self.valid_to - first,
            offsets=np.concatenate(([0], np.cumsum(kept)))[self.offsets],
            session=self.session[kept] - first,
            columns={name: values[kept] for name, values in self.columns.items()},
            days=None if self.days is None else self.days[first:],
            counts_from=0,
            _memo={},
        )

    def with_benchmark(self, benchmark: "BarBlock") -> "BarBlock":
        """The block with the close of the benchmark on each bar's session as a column; NaN where it did not trade.

        `benchmark` holds the bars of the benchmark alone, over the same sessions. Each series is given its closes as
        they were adjusted when its own adjustment began to hold.
        """
        closes = np.full((len(benchmark.symbol), len(benchmark.days if benchmark.days is not None else ())), np.nan)
        closes[benchmark.series_of_bar(), benchmark.session] = benchmark["close"]
        stretch = np.searchsorted(benchmark.valid_from, self.valid_from, side="right") - 1
        column = closes[stretch[self.series_of_bar()], self.session]
        return replace(self, columns={**self.columns, BENCHMARK: column}, _memo={})


def lay_out(
    symbols: int, session_of_slot: Ints, cell: npt.NDArray[np.int32], columns: Mapping[str, Floats]
) -> BarBlock:
    """Bars in any order as a block of one series a symbol, unadjusted.

    `cell` is each bar's place in a grid of symbols × slots, a slot being a calendar day, row by row;
    `session_of_slot` is the position of the slot's session. The grid holds each bar's row, and is read in order: no
    sort, and the order of the rows does not matter.
    """
    slots = len(session_of_slot)
    row_of_cell = np.full((symbols, slots), -1, dtype=np.int32)
    row_of_cell.reshape(-1)[cell] = np.arange(len(cell), dtype=np.int32)
    held = row_of_cell >= 0
    rows = row_of_cell[held].astype(np.intp)  # once, not for every column
    arranged = dict(zip(columns, np.empty((len(columns), len(rows))), strict=True))
    for name, values in columns.items():
        np.take(values, rows, out=arranged[name], mode="clip")  # `clip` spares a check of every row
    return BarBlock(
        symbol=np.arange(symbols),
        valid_from=np.zeros(symbols, dtype=np.int64),
        valid_to=np.full(symbols, session_of_slot.max(initial=0)),
        offsets=np.concatenate(([0], np.cumsum(np.count_nonzero(held, axis=1)))).astype(np.int64),
        session=np.broadcast_to(session_of_slot, held.shape)[held],
        columns=arranged,
        bars_before=np.zeros(symbols, dtype=np.int64),
    )


def adjust_for_splits(block: BarBlock, splits: Sequence[Split], first_as_of: int) -> BarBlock:
    """The block as known on each session from `first_as_of` on: one series a symbol and stretch of equal knowledge.

    Each bar before a split's ex-date carries the product of the factors of all splits in effect, oldest ex-date first.
    Takes the given block over: its arrays are changed, not copied.
    """
    by_symbol: dict[int, list[Split]] = {}
    for split in sorted(splits, key=lambda one: (one.ex, one.effective)):
        by_symbol.setdefault(split.symbol, []).append(split)
    if not by_symbol:
        return block
    columns = {name: [values] for name, values in block.columns.items()}
    symbol, valid_from, valid_to = list(block.symbol), list(block.valid_from), list(block.valid_to)
    sizes, session, bars_before = list(np.diff(block.offsets)), [block.session], list(block.bars_before)
    last_as_of = int(block.valid_to.max(initial=0))

    for one, known in by_symbol.items():
        low, high = block.offsets[one], block.offsets[one + 1]
        days = block.session[low:high]
        traded = {name: values[low:high].copy() for name, values in block.columns.items()}
        starts = sorted({first_as_of} | {s.effective for s in known if first_as_of < s.effective <= last_as_of})
        for number, (start, end) in enumerate(zip(starts, [*(s - 1 for s in starts[1:]), last_as_of], strict=True)):
            price, shares = _factors(days, [split for split in known if split.effective <= start])
            adjusted = {name: values * (shares if name == "volume" else price) for name, values in traded.items()}
            if number == 0:
                valid_to[one] = end
                for name, values in adjusted.items():
                    columns[name][0][low:high] = values
            else:
                symbol.append(one)
                valid_from.append(start)
                valid_to.append(end)
                sizes.append(high - low)
                session.append(days)
                bars_before.append(block.bars_before[one])
                for name, values in adjusted.items():
                    columns[name].append(values)

    return replace(
        block,
        symbol=np.asarray(symbol, dtype=np.int64),
        valid_from=np.asarray(valid_from, dtype=np.int64),
        valid_to=np.asarray(valid_to, dtype=np.int64),
        offsets=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        session=np.concatenate(session),
        columns={name: parts[0] if len(parts) == 1 else np.concatenate(parts) for name, parts in columns.items()},
        bars_before=np.asarray(bars_before, dtype=np.int64),
        _memo={},
    )


def _factors(days: Ints, splits: Sequence[Split]) -> tuple[Floats, Floats]:
    price, shares = np.ones(len(days)), np.ones(len(days))
    for split in splits:
        before = days < split.ex
        price[before] *= split.from_ / split.to
        shares[before] *= split.to / split.from_
    return price, shares
