"""The layout of bars in memory and the adjustment for splits, held against what a person would do with a pencil."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan_pipeline.features.bars import BarBlock, Split, adjust_for_splits, lay_out

SYMBOLS, SESSIONS = 4, 12
#: Calendar days of the sessions, with weekends and a holiday in between.
DAYS = [0, 1, 2, 3, 4, 7, 8, 9, 11, 14, 15, 16]
COLUMNS = ("open", "high", "low", "close", "volume")

#: Which symbols have a bar on which session.
traded = st.sets(st.tuples(st.integers(0, SYMBOLS - 1), st.integers(0, SESSIONS - 1)), min_size=1)


def blocks(bars: list[tuple[int, int]], values: dict[str, np.ndarray]) -> BarBlock:
    session_of_slot = np.zeros(DAYS[-1] + 1, dtype=np.int64)
    session_of_slot[DAYS] = np.arange(SESSIONS)
    cells = [symbol * len(session_of_slot) + DAYS[session] for symbol, session in bars]
    return lay_out(SYMBOLS, session_of_slot, np.array(cells, dtype=np.int32), values)


def prices_of(bars: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    """A value for each column that no other bar has."""
    return {
        name: np.array([1 + 1000 * symbol + 10 * session + number for symbol, session in bars], dtype=float)
        for number, name in enumerate(COLUMNS)
    }


@given(st.data(), traded)
def test_bars_are_laid_out_symbol_by_symbol_oldest_first_whatever_order_they_come_in(
    data: st.DataObject, traded: set[tuple[int, int]]
) -> None:
    bars = data.draw(st.permutations(sorted(traded)))
    block = blocks(bars, prices_of(bars))
    in_order = sorted(traded)
    assert block.series_of_bar().tolist() == [symbol for symbol, _ in in_order]
    assert block.session.tolist() == [session for _, session in in_order]
    for name, values in prices_of(in_order).items():
        assert block[name].tolist() == values.tolist()


def test_a_symbol_without_bars_is_an_empty_series() -> None:
    block = blocks([(1, 3), (3, 0)], prices_of([(1, 3), (3, 0)]))
    assert np.diff(block.offsets).tolist() == [0, 1, 0, 1]


def test_a_block_without_bars_or_without_symbols_is_laid_out_too() -> None:
    nothing = {name: np.empty(0) for name in COLUMNS}
    assert blocks([], nothing).offsets.tolist() == [0] * (SYMBOLS + 1)
    assert lay_out(0, np.arange(5), np.empty(0, dtype=np.int32), nothing).offsets.tolist() == [0]


def splits() -> st.SearchStrategy[Split]:
    """A split that takes effect on its ex-date, or later where it was known later; maybe after the block's end."""
    return st.builds(
        lambda symbol, ex, known_later, ratio: Split(symbol, ex, ex + known_later, *ratio),
        st.integers(0, SYMBOLS - 1),
        st.integers(0, SESSIONS - 1),
        st.sampled_from([0, 0, 0, 1, 2, 5, SESSIONS]),
        st.sampled_from([(1, 2), (1, 7), (2, 3), (10, 1), (60, 1), (1, 1.5)]),
    )


def known_as_of(as_of: int, symbol: int, session: int, splits: list[Split], name: str, value: float) -> float:
    """The value of a bar as it reads on the evening of session `as_of`."""
    for split in splits:
        if split.symbol == symbol and session < split.ex and split.effective <= as_of:
            value = value * split.to / split.from_ if name == "volume" else value * split.from_ / split.to
    return value


@given(traded, st.lists(splits(), max_size=8), st.integers(0, SESSIONS - 1))
def test_every_session_of_a_pass_reads_prices_as_known_on_its_evening(
    traded: set[tuple[int, int]], splits: list[Split], first_as_of: int
) -> None:
    bars = sorted(traded)
    block = adjust_for_splits(blocks(bars, prices_of(bars)), splits, first_as_of)
    prices = {name: dict(zip(bars, values, strict=True)) for name, values in prices_of(bars).items()}
    series_of_bar = block.series_of_bar()
    for as_of in range(first_as_of, SESSIONS):
        wanted = np.zeros((SYMBOLS, SESSIONS), dtype=bool)
        wanted[:, as_of] = True
        found = block.bars_as_of(wanted)
        # Each symbol that traded on the session has exactly one last bar, in one series that holds its whole past.
        symbols = sorted(int(block.symbol[series_of_bar[bar]]) for bar in found)
        assert symbols == [symbol for symbol, session in bars if session == as_of]
        for last in found:
            symbol, begin = int(block.symbol[series_of_bar[last]]), block.offsets[series_of_bar[last]]
            past = [session for one, session in bars if one == symbol and session <= as_of]
            assert block.session[begin : last + 1].tolist() == past
            for name in COLUMNS:
                assert block[name][begin : last + 1].tolist() == pytest.approx(
                    [known_as_of(as_of, symbol, day, splits, name, prices[name][symbol, day]) for day in past],
                    rel=1e-12,
                )


@given(traded, st.lists(splits(), max_size=8), st.integers(0, SESSIONS - 1))
def test_a_pass_over_a_range_reads_bit_for_bit_what_each_of_its_nights_read(
    traded: set[tuple[int, int]], splits: list[Split], first_as_of: int
) -> None:
    bars = sorted(traded)
    whole = adjust_for_splits(blocks(bars, prices_of(bars)), splits, first_as_of)
    for as_of in range(first_as_of, SESSIONS):
        held = [bar for bar in bars if bar[1] <= as_of]
        if not held:
            continue
        known = [split for split in splits if split.effective <= as_of]
        night = adjust_for_splits(blocks(held, prices_of(held)), known, as_of)
        wanted = np.zeros((SYMBOLS, SESSIONS), dtype=bool)
        wanted[:, as_of] = True
        assert past_of(whole, wanted) == past_of(night, wanted)


def past_of(block: BarBlock, wanted: np.ndarray) -> dict[int, dict[str, list[float]]]:
    """For each symbol with a wanted last bar, the columns up to it."""
    series = block.series_of_bar()
    return {
        int(block.symbol[series[bar]]): {
            name: block[name][block.offsets[series[bar]] : bar + 1].tolist() for name in COLUMNS
        }
        for bar in block.bars_as_of(wanted)
    }
