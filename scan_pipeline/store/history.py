"""Reading history out of the store, as blocks of bars ready for features.

Prices are stored as traded; splits are applied here, on reading, as known on each as-of session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

import numpy as np

from scan_pipeline.features.bars import BarBlock, Split, adjust_for_splits, lay_out
from scan_pipeline.quoting import literal
from scan_pipeline.sessions import SessionArray
from scan_pipeline.store.bars import read_provisional
from scan_pipeline.store.connection import Connection


def read_block(
    connection: Connection,
    symbols: Sequence[str],
    window: SessionArray,
    first_as_of: date,
    columns: Sequence[str],
    count_from: date,
    following: date | None = None,
    benchmark: str | None = None,
) -> BarBlock:
    """The bars of `symbols` on the sessions of `window`, adjusted as known on each session from `first_as_of` on.

    Symbols and sessions of the block are positions in `symbols` and `window`; `columns` are columns of `price_bars`.
    Bars count from `count_from` on: if that is before the window, those until then are counted, not read. `following`
    is the exchange's session after the window. With `benchmark`, a symbol, the block has its close on each bar's
    session as the column `benchmark`, adjusted as known then; NaN where it is not held.
    """
    first = int(np.searchsorted(window, np.datetime64(first_as_of)))
    against = None
    if benchmark is not None:
        against = read_block(
            connection, [benchmark], window, first_as_of, ("close",), count_from=window[0].astype(object)
        )
    connection.register("wanted", {"symbol": np.array(symbols, dtype=object), "code": np.arange(len(symbols))})
    days = window.astype(np.int64)
    session_of_day = np.zeros(days[-1] - days[0] + 1, dtype=np.int64)
    session_of_day[days - days[0]] = np.arange(len(days))
    # The scan itself looks for one symbol, in a third of the time that a join takes.
    alone = f"and symbol = {literal(symbols[0])}" if len(symbols) == 1 else ""
    rows = connection.sql(
        f"""
        select (code * {len(session_of_day)} + (session - date '{window[0]}'))::INTEGER as cell, {", ".join(columns)}
        from price_bars join wanted using (symbol)
        where session between date '{window[0]}' and date '{window[-1]}' {alone}
        """
    ).fetchnumpy()
    block = lay_out(len(symbols), session_of_day, rows.pop("cell"), rows)
    if window[0] > np.datetime64(count_from):
        before = connection.execute(
            "select code, count(*) as bars from price_bars join wanted using (symbol) "
            "where session >= ? and session < ? group by code",
            [count_from, str(window[0])],
        ).fetchnumpy()
        block.bars_before[before["code"]] = before["bars"]
    splits = _read_splits(connection, window)
    connection.unregister("wanted")
    if against is not None and len(against.symbol) > 1:
        # The benchmark is known anew within the window: every symbol gets a series of its own from that day on.
        known_anew = against.valid_from[1:].tolist()
        splits += [Split(symbol, known, known, 1, 1) for known in known_anew for symbol in range(len(symbols))]
    block = replace(
        adjust_for_splits(block, splits, first),
        days=window,
        following=None if following is None else np.datetime64(following),
        counts_from=int(np.searchsorted(window, np.datetime64(count_from))),
    )
    return block if against is None else block.with_benchmark(against)


def _read_splits(connection: Connection, window: SessionArray) -> list[Split]:
    rows = connection.execute(
        """
        select code, ex_date, greatest(ex_date, known_on), split_from, split_to from splits join wanted using (symbol)
        where ex_date between ? and ? and known_on <= ?
        """,
        [str(window[0]), str(window[-1]), str(window[-1])],
    ).fetchall()
    return [
        Split(
            symbol=code,
            ex=int(np.searchsorted(window, np.datetime64(ex_date))),
            effective=int(np.searchsorted(window, np.datetime64(effective))),
            from_=split_from,
            to=split_to,
        )
        for code, ex_date, effective, split_from, split_to in rows
    ]


def data_versions(connection: Connection, windows: dict[date, SessionArray]) -> dict[date, str]:
    """For each as-of session, a hash of what its scan reads: bars and splits of its window, decisions, universe.

    The bars' part is combined from one hash a session, made when they were taken in. Provisional bars are other data
    than the same bars when they are final.
    """
    provisional = provisional_at(connection, windows)
    of_session = dict(connection.execute("select session, bars_hash from ingested_sessions").fetchall())
    decisions = dict(
        connection.execute(
            "select session, bit_xor(hash(symbol, passed, universe.market_cap, name, exchange, type, sector, industry, "
            "country)) from prefiltered_symbols join universe using (session, symbol) "
            "where session between ? and ? group by session",
            [min(windows), max(windows)],
        ).fetchall()
    )
    splits = connection.execute(
        "select ex_date, known_on, hash(symbol, ex_date, split_from, split_to) from splits order by all"
    ).fetchall()
    versions = {}
    for session, window in windows.items():
        parts: list[object] = [of_session.get(day, 0) for day in window.astype(object)]
        parts += [split for ex, known, split in splits if window[0].astype(object) < ex <= session and known <= session]
        parts.append(decisions.get(session, 0))
        if session in provisional:
            parts.append("provisional")
        versions[session] = _short_hash(parts)
    return versions


def provisional_at(connection: Connection, windows: Mapping[date, SessionArray]) -> dict[date, datetime]:
    """The as-of sessions whose scan reads provisional bars, and the latest instant (UTC) that those are of."""
    found = {}
    provisional = read_provisional(connection)
    for session, window in windows.items():
        instants = [at for day, at in provisional.items() if window[0].astype(object) <= day <= session]
        if instants:
            found[session] = max(instants)
    return found


def _short_hash(parts: Sequence[object]) -> str:
    from hashlib import sha256

    return sha256(",".join(map(str, parts)).encode()).hexdigest()[:12]
