"""What the screen looks at, measured for every symbol of a group's universes, in batches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scan_pipeline.features import catalogue
from scan_pipeline.screening.screen import Measured
from scan_pipeline.sessions import Calendar, SessionArray
from scan_pipeline.stages.groups import Group
from scan_pipeline.store.connection import Connection
from scan_pipeline.store.history import read_block


def measure(connection: Connection, group: Group, calendar: Calendar, batch_symbols: int) -> Measured:
    """The measured values of every symbol and session of the group that has a bar.

    `batch_symbols` is the size of a scan's batch; here as many bars are worked on at once.
    """
    symbols = _symbols(connection, group)
    window = group.window
    parts: list[dict[str, Any]] = []
    # As many bars at once as a scan has: the window is shorter.
    size = batch_symbols * max(1, catalogue.HISTORY_SESSIONS // len(window))
    for first in range(0, len(symbols), size):
        batch = symbols[first : first + size]
        block = read_block(connection, batch, window, group.sessions[0], ("close", "volume"), count_from=group.start)
        bars = block.bars_as_of(np.broadcast_to(group.is_wanted, (len(batch), len(window))))
        symbol = block.symbol[block.series_of_bar()[bars]]
        values = catalogue.compute(block, catalogue.SCREEN_FEATURES, bars)
        session = block.session[bars]
        # A symbol back from a long halt has its last 20 bars before the window: it is measured over more history.
        halted = np.isnan(values["average_volume_20"]) & (values["bars_held"] >= catalogue.AVERAGED_BARS)
        if halted.any():
            again = _measure_halted(connection, batch, symbol[halted], window[session[halted]], group, calendar)
            for name, longer in again.items():
                values[name][halted] = longer
        parts.append({"symbol": symbol + first, "session": window[session], **values})
    merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return Measured(symbols, merged.pop("symbol", np.empty(0, int)), merged.pop("session", window[:0]), merged)


def _measure_halted(
    connection: Connection,
    batch: Sequence[str],
    symbol: npt.NDArray[np.int64],
    session: SessionArray,
    group: Group,
    calendar: Calendar,
) -> dict[str, npt.NDArray[np.float64]]:
    """The measured values for these bars of symbols of the batch, from the whole history that counts."""
    codes, code = np.unique(symbol, return_inverse=True)
    last = session.max().astype(object)
    window = np.array(calendar.between(group.start, last), dtype="datetime64[D]")
    names = [batch[one] for one in codes]
    first = session.min().astype(object)
    block = read_block(connection, names, window, first, ("close", "volume"), count_from=group.start)
    wanted = np.zeros((len(names), len(window)), dtype=bool)
    position = np.searchsorted(window, session)
    wanted[code, position] = True
    bars = block.bars_as_of(wanted)
    found = catalogue.compute(block, catalogue.SCREEN_FEATURES, bars)
    # From the order of the block's bars to the order that was asked for.
    cell = block.symbol[block.series_of_bar()[bars]] * len(window) + block.session[bars]
    order = np.argsort(cell)[np.searchsorted(np.sort(cell), code * len(window) + position)]
    return {name: values[order] for name, values in found.items()}


def _symbols(connection: Connection, group: Group) -> list[str]:
    rows = connection.execute(
        "select distinct symbol from universe where session in (select unnest(?::DATE[])) order by symbol",
        [group.sessions],
    ).fetchnumpy()
    return list(rows["symbol"])
