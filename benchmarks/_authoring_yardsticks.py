"""The yardsticks: the same indicators by TA-Lib, symbol by symbol, in pandas and by vectorbt, as users write them.

`python _authoring_yardsticks.py NAME FOLDER [--save]` computes the columns of `COLUMNS` once and prints its seconds as
JSON. `FOLDER` holds the table of bars, one .npy a column, sorted by symbol and session. What is timed is the same for
all, ours included (`_authoring_workloads.py subset`): it begins with that table in memory, and ends with the value of
every column for every bar of the range, in arrays in the table's order: one a column, or several for stretches of it,
as our batches are. Before, the same was done once for a few symbols, so that nothing is timed that
a process does once: imports, and compiling for vectorbt, whose compiled code is on disk besides.

The columns are those that TA-Lib, vectorbt and pandas all have. Conventions are TA-Lib's: an exponential mean begins
with the simple mean of its first n bars, Wilder's likewise. vectorbt's begin with the first bar; it is compared once
that is forgotten.

numpy, pandas and TA-Lib or vectorbt are all that this imports: vectorbt has an environment of its own.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Table = Mapping[str, Any]
Values = dict[str, Any]

BARS = ("open", "high", "low", "close", "volume")
#: The columns that are computed, by the names that our catalogue has for them.
COLUMNS = (
    "sma_20", "sma_50", "sma_200", "ema_9", "ema_20", "rsi_14", "atr_14", "macd", "macd_signal", "macd_histogram",
    "bb_upper_20", "bb_middle_20", "bb_lower_20", "stoch_k_14", "high_20", "low_20", "average_volume_20", "obv",
)  # fmt: skip
#: Symbols of the pass that is not timed.
FEW = 20


def read(folder: Path) -> Table:
    """The table: `symbol` and `session` as whole numbers from 0, and the bars; `first`, where the range begins."""
    table = {name: np.load(folder / f"{name}.npy") for name in ("symbol", "session", *BARS)}
    return {**table, **json.loads((folder / "range.json").read_text(encoding="utf-8"))}


def some(table: Table, symbols: int) -> Table:
    """The bars of the first symbols."""
    end = int(np.searchsorted(table["symbol"], symbols))
    return {name: values[:end] if isinstance(values, np.ndarray) else values for name, values in table.items()}


# ---------------------------------------------------------------- TA-Lib


def talib(table: Table) -> Values:
    """`talib.RSI(close, 14)` for one symbol after the other, as its users call it."""
    import talib

    return _talib(table, talib)


def talib_bare(table: Table) -> Values:
    """The same without TA-Lib's wrapper for pandas, which asks of every argument whether it is a Series.

    That is what TA-Lib's users have where pandas is not installed.
    """
    import inspect
    from types import SimpleNamespace

    import talib

    names = ("SMA", "EMA", "RSI", "ATR", "MACD", "BBANDS", "STOCH", "MAX", "MIN", "OBV")
    return _talib(table, SimpleNamespace(**{name: inspect.unwrap(getattr(talib, name)) for name in names}))


def _talib(table: Table, ta: Any) -> Values:
    symbol, in_range = table["symbol"], table["session"] >= table["first"]
    edges = np.concatenate(([0], np.flatnonzero(np.diff(symbol)) + 1, [len(symbol)]))
    bounds = np.concatenate(([0], np.cumsum(in_range)))[edges].tolist()
    out = {name: np.empty(bounds[-1]) for name in COLUMNS}
    for bars, (low, high) in zip(map(slice, edges[:-1].tolist(), edges[1:].tolist()), pairwise(bounds), strict=True):
        _of_symbol(ta, {name: table[name][bars] for name in BARS}, out, slice(low, high))
    return out


def _of_symbol(ta: Any, of: Values, out: Values, to: slice) -> None:
    """One symbol's columns; the range is its last bars, which go to their place in `out`."""
    high, low, close, volume = of["high"], of["low"], of["close"], of["volume"]
    kept = slice(len(close) - (to.stop - to.start), None)
    macd, signal, histogram = ta.MACD(close, 12, 26, 9)
    upper, middle, lower = ta.BBANDS(close, 20, 2, 2)
    slow_k, _ = ta.STOCH(high, low, close, 14, 3, 0, 3, 0)
    out["sma_20"][to] = ta.SMA(close, 20)[kept]
    out["sma_50"][to] = ta.SMA(close, 50)[kept]
    out["sma_200"][to] = ta.SMA(close, 200)[kept]
    out["ema_9"][to] = ta.EMA(close, 9)[kept]
    out["ema_20"][to] = ta.EMA(close, 20)[kept]
    out["rsi_14"][to] = ta.RSI(close, 14)[kept]
    out["atr_14"][to] = ta.ATR(high, low, close, 14)[kept]
    out["macd"][to], out["macd_signal"][to], out["macd_histogram"][to] = macd[kept], signal[kept], histogram[kept]
    out["bb_upper_20"][to], out["bb_middle_20"][to], out["bb_lower_20"][to] = upper[kept], middle[kept], lower[kept]
    out["stoch_k_14"][to] = slow_k[kept]
    out["high_20"][to] = ta.MAX(high, 20)[kept]
    out["low_20"][to] = ta.MIN(low, 20)[kept]
    out["average_volume_20"][to] = ta.SMA(volume, 20)[kept]
    out["obv"][to] = ta.OBV(close, volume)[kept]


# ---------------------------------------------------------------- pandas


def pandas(table: Table) -> Values:
    """One frame for all symbols; windows by groupby, each thing computed once, no `apply`."""
    import pandas as pd

    df = pd.DataFrame({name: table[name] for name in ("symbol", *BARS)}, copy=False)
    by_symbol = df["symbol"]
    bar = df.groupby("symbol", sort=False).cumcount()

    def group(values: Any) -> Any:
        return values.groupby(by_symbol, sort=False)

    def rolling(values: Any, n: int, what: str, **more: Any) -> Any:
        rolled = getattr(group(values).rolling(n), what)(**more)
        return pd.Series(rolled.to_numpy(), index=df.index)

    def exponential(values: Any, n: int, weight: float, first: int = 0) -> Any:
        """An exponential mean that begins, at bar first + n - 1, with the mean of the n values from bar `first` on."""
        begin = first + n - 1
        seed = group(values.where((bar >= first) & (bar <= begin))).transform("mean")
        seeded = values.where(bar > begin, seed.where(bar == begin))
        return pd.Series(group(seeded).ewm(alpha=weight, adjust=False).mean().to_numpy(), index=df.index)

    close, high, low, volume = df["close"], df["high"], df["low"], df["volume"]
    previous_close = group(close).shift(1)
    out = {f"sma_{n}": rolling(close, n, "mean") for n in (20, 50, 200)}
    for n in (9, 20):
        out[f"ema_{n}"] = exponential(close, n, 2 / (n + 1))
    change = close - previous_close
    up = exponential(change.clip(lower=0), 14, 1 / 14, first=1)
    down = exponential(-change.clip(upper=0), 14, 1 / 14, first=1)
    out["rsi_14"] = 100 * up / (up + down)
    true_range = np.maximum(high, previous_close) - np.minimum(low, previous_close)
    out["atr_14"] = exponential(true_range, 14, 1 / 14, first=1)
    # TA-Lib begins the shorter mean when the longer one begins, so that both are known at once.
    macd = exponential(close, 12, 2 / 13, first=14) - exponential(close, 26, 2 / 27)
    signal = exponential(macd, 9, 2 / 10, first=25)
    out["macd"], out["macd_signal"], out["macd_histogram"] = macd.where(bar >= 33), signal, macd - signal
    deviation = rolling(close, 20, "std", ddof=0)
    out["bb_middle_20"] = out["sma_20"]
    out["bb_upper_20"] = out["sma_20"] + 2 * deviation
    out["bb_lower_20"] = out["sma_20"] - 2 * deviation
    highest, lowest = rolling(high, 14, "max"), rolling(low, 14, "min")
    out["stoch_k_14"] = rolling(100 * (close - lowest) / (highest - lowest), 3, "mean").where(bar >= 17)
    out["high_20"] = rolling(high, 20, "max")
    out["low_20"] = rolling(low, 20, "min")
    out["average_volume_20"] = rolling(volume, 20, "mean")
    out["obv"] = group(volume * np.sign(change).where(bar > 0, 1)).cumsum()
    in_range = table["session"] >= table["first"]
    return {name: out[name].to_numpy()[in_range] for name in COLUMNS}


# ---------------------------------------------------------------- vectorbt


def vectorbt(table: Table) -> Values:
    """All symbols at once, as matrices, on vectorbt's compiled loops.

    A column is a symbol, with its own bars from the top down, so that no window meets a session without a bar.
    """
    import vectorbt as vbt

    symbol = table["symbol"]
    starts = np.flatnonzero(np.diff(symbol, prepend=-1))
    bars = np.diff(starts, append=len(symbol))
    bar = np.arange(len(symbol)) - np.repeat(starts, bars)
    column = np.repeat(np.arange(len(starts)), bars)

    def matrix(name: str) -> Any:
        # Column after column in memory, which is what its loops over columns like best.
        held = np.full((int(bars.max()), len(starts)), np.nan, order="F")
        held[bar, column] = table[name]
        return held

    high, low, close, volume = (matrix(name) for name in ("high", "low", "close", "volume"))
    macd = vbt.MACD.run(close, 12, 26, 9, macd_ewm=True, signal_ewm=True)
    bands = vbt.BBANDS.run(close, 20, alpha=2)
    # Wilder's mean of n bars is the exponential one of 2n - 1.
    found = {
        **{f"sma_{n}": vbt.MA.run(close, n).ma for n in (20, 50, 200)},
        **{f"ema_{n}": vbt.MA.run(close, n, ewm=True).ma for n in (9, 20)},
        "rsi_14": vbt.RSI.run(close, 27, ewm=True).rsi,
        "atr_14": vbt.ATR.run(high, low, close, 27, ewm=True).atr,
        "macd": macd.macd,
        "macd_signal": macd.signal,
        "macd_histogram": macd.hist,
        "bb_upper_20": bands.upper,
        "bb_middle_20": bands.middle,
        "bb_lower_20": bands.lower,
        "stoch_k_14": vbt.STOCH.run(high, low, close, 14, 3).percent_d,
        "high_20": _rolled(vbt, high, 20, "rolling_max"),
        "low_20": _rolled(vbt, low, 20, "rolling_min"),
        "average_volume_20": vbt.MA.run(volume, 20).ma,
        "obv": vbt.OBV.run(close, volume).obv,
    }
    in_range = table["session"] >= table["first"]
    rows, columns = bar[in_range], column[in_range]
    return {name: found[name].to_numpy()[rows, columns] for name in COLUMNS}


def _rolled(vbt: Any, values: Any, n: int, what: str) -> Any:
    import pandas as pd

    return getattr(pd.DataFrame(values, copy=False).vbt, what)(n)


def measure(compute: Callable[[Table], Values | list[Values]], folder: Path, name: str, save: bool) -> None:
    """One pass that is not timed on a few symbols, and one that is on all; its values go to files on demand."""
    table = read(folder)
    compute(some(table, FEW))
    started, processor = time.perf_counter(), time.process_time()
    values = compute(table)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - processor
    if save:
        (folder / name).mkdir(exist_ok=True)
        parts = values if isinstance(values, list) else [values]
        for column in COLUMNS:
            np.save(folder / name / f"{column}.npy", np.concatenate([part[column] for part in parts]))
    print(json.dumps({"seconds": seconds, "processor_seconds": processor_seconds}), flush=True)


if __name__ == "__main__":
    yardsticks = {one.__name__: one for one in (talib, talib_bare, pandas, vectorbt)}
    chosen = sys.argv[1]
    measure(yardsticks[chosen], Path(sys.argv[2]), chosen, "--save" in sys.argv[3:])
