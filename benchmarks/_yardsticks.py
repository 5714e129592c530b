"""The yardsticks: the same screen, features and scanners in plain pandas, as people write them.

`python _yardsticks.py loop|vectorised FOLDER` reads what `_workloads.py export` wrote: clean bars as traded of the
history that our scan reads, in one Parquet file sorted by symbol and session, the splits and market caps known, and the
limits of the screen. So it pays for no dirt, no store, no record of what it did, and no published file: it applies
splits, computes every feature of the catalogue for every symbol (as such scripts do: the screen is one more filter at
the end), screens, and prints the hits of the six built-in scanners.

`loop` takes one symbol after the other, with a frame for each; `vectorised` takes all at once, with groupby. Both are
written with care and without tricks: one frame, each thing computed once, no `apply`, no Python in inner loops.

Conventions are TA-Lib's, so that the hits can be compared: an exponential mean begins with the simple mean of its first
n bars, Wilder's means likewise, and a value is unknown until there are enough bars.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PRICES = ["open", "high", "low", "close"]
YEAR = 252


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Bars, splits, universe and limits."""
    frames = [pd.read_parquet(folder / f"{name}.parquet") for name in ("bars", "splits", "universe")]
    return *frames, json.loads((folder / "limits.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- one symbol after the other


def loop(folder: Path) -> list[list[str]]:
    """A frame for each symbol; its last row goes to the scanners."""
    bars, splits, universe, limits = read(folder)
    session = bars["session"].max()
    splits_of = dict(list(splits.groupby("symbol")))
    rows = []
    for symbol, group in bars.groupby("symbol", sort=False):
        if group["session"].iloc[-1] != session:
            continue  # did not trade on the session
        frame = group.reset_index(drop=True)
        if symbol in splits_of:
            apply_splits(frame, splits_of[symbol])
        rows.append({name: values.iloc[-1] for name, values in features_of(frame).items()})
    return run_scanners(screen(pd.DataFrame(rows), universe, limits))


def apply_splits(frame: pd.DataFrame, splits: pd.DataFrame) -> None:
    """Prices before each split's first session at the new price, in new shares."""
    for split in splits.itertuples():
        before = frame["session"] < split.ex_date
        frame.loc[before, PRICES] *= split.split_from / split.split_to
        frame.loc[before, "volume"] *= split.split_to / split.split_from


def features_of(bars: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of one symbol's bars, and the catalogue's features, by name.

    A dictionary, since adding the columns to a frame one by one would double the time.
    """
    df = dict(bars.items())
    close, high, low, volume = df["close"], df["high"], df["low"], df["volume"]
    previous_close = close.shift(1)
    df["change_pct"] = (close / previous_close - 1) * 100
    df["gap_pct"] = (df["open"] / previous_close - 1) * 100
    for n in (20, 50, 200):
        df[f"sma_{n}"] = close.rolling(n).mean()
    for n in (9, 20):
        df[f"ema_{n}"] = begun_with_mean(close, n, weight=2 / (n + 1))
    df["ema_9_slope_5"] = slope_5(df["ema_9"])
    df["true_range"] = np.maximum(high, previous_close) - np.minimum(low, previous_close)
    df["atr_14"] = begun_with_mean(df["true_range"], 14, weight=1 / 14, first=1)
    df["atr_14_simple"] = df["true_range"].rolling(14).mean()
    change = close - previous_close
    up = begun_with_mean(change.clip(lower=0), 14, weight=1 / 14, first=1)
    down = begun_with_mean(-change.clip(upper=0), 14, weight=1 / 14, first=1)
    df["rsi_14"] = 100 * up / (up + down)
    df["average_volume_20"] = volume.rolling(20).mean()
    df["dollar_volume_20"] = (close * volume).rolling(20).mean()
    df["relative_volume"] = volume / df["average_volume_20"].shift(1)
    df["high_20"] = high.rolling(20).max()
    df["high_52w"] = high.rolling(YEAR).max()
    df["low_52w"] = low.rolling(YEAR).min()
    df["distance_high_52w_pct"] = (close / df["high_52w"] - 1) * 100
    df["distance_low_52w_pct"] = (close / df["low_52w"] - 1) * 100
    df["bars_held"] = pd.Series(np.arange(1, len(bars) + 1)).clip(upper=YEAR)
    return df


def begun_with_mean(values: pd.Series, n: int, weight: float, first: int = 0) -> pd.Series:
    """Exponential mean that begins, at bar first + n - 1, with the mean of the n values from bar `first` on."""
    begin = first + n - 1
    seeded = values.to_numpy(copy=True)
    if len(seeded) > begin:
        seeded[begin] = seeded[first : begin + 1].mean()
    seeded[:begin] = np.nan
    return pd.Series(seeded, index=values.index).ewm(alpha=weight, adjust=False).mean()


def slope_5(values: pd.Series) -> pd.Series:
    """Slope of the least-squares line through the last five values."""
    return (2 * values + values.shift(1) - values.shift(3) - 2 * values.shift(4)) / 10


# ---------------------------------------------------------------- all symbols at once


def vectorised(folder: Path) -> list[list[str]]:
    """One frame for all symbols; windows by groupby."""
    bars, splits, universe, limits = read(folder)
    apply_all_splits(bars, splits)
    bars["symbol"] = bars["symbol"].astype("category")  # grouping by codes, not by text
    add_all_features(bars)
    last = bars[bars["session"] == bars["session"].max()]
    return run_scanners(screen(last.astype({"symbol": object}), universe, limits))


def apply_all_splits(bars: pd.DataFrame, splits: pd.DataFrame) -> None:
    """As `apply_splits`, for the few symbols that had one."""
    affected = bars.loc[bars["symbol"].isin(splits["symbol"]), ["symbol", "session"]]
    pairs = affected.reset_index(names="row").merge(splits, on="symbol")
    pairs = pairs[pairs["session"] < pairs["ex_date"]]
    factor = (pairs["split_from"] / pairs["split_to"]).groupby(pairs["row"]).prod()
    shares = (pairs["split_to"] / pairs["split_from"]).groupby(pairs["row"]).prod()
    bars.loc[factor.index, PRICES] = bars.loc[factor.index, PRICES].mul(factor, axis=0)
    bars.loc[shares.index, "volume"] *= shares


def add_all_features(df: pd.DataFrame) -> None:
    """The catalogue's features for all bars, which are sorted by symbol and session."""
    by = df.groupby("symbol", sort=False, observed=True)
    bar = by.cumcount()

    def group(values: pd.Series) -> Any:
        return values.groupby(df["symbol"], sort=False, observed=True)

    def rolling(values: pd.Series, n: int, what: str) -> Any:
        return getattr(group(values).rolling(n), what)().to_numpy()

    def exponential(values: pd.Series, n: int, weight: float, first: int = 0) -> Any:
        begin = first + n - 1
        seed = group(values.where((bar >= first) & (bar <= begin))).transform("mean")
        seeded = values.where(bar > begin, seed.where(bar == begin))
        return group(seeded).ewm(alpha=weight, adjust=False).mean().to_numpy()

    close, high, low, volume = df["close"], df["high"], df["low"], df["volume"]
    previous_close = by["close"].shift(1)
    df["change_pct"] = (close / previous_close - 1) * 100
    df["gap_pct"] = (df["open"] / previous_close - 1) * 100
    for n in (20, 50, 200):
        df[f"sma_{n}"] = rolling(close, n, "mean")
    for n in (9, 20):
        df[f"ema_{n}"] = exponential(close, n, weight=2 / (n + 1))
    ema = group(df["ema_9"])
    df["ema_9_slope_5"] = (2 * df["ema_9"] + ema.shift(1) - ema.shift(3) - 2 * ema.shift(4)) / 10
    df["true_range"] = np.maximum(high, previous_close) - np.minimum(low, previous_close)
    df["atr_14"] = exponential(df["true_range"], 14, weight=1 / 14, first=1)
    df["atr_14_simple"] = rolling(df["true_range"], 14, "mean")
    change = close - previous_close
    up = exponential(change.clip(lower=0), 14, weight=1 / 14, first=1)
    down = exponential(-change.clip(upper=0), 14, weight=1 / 14, first=1)
    with np.errstate(invalid="ignore"):
        df["rsi_14"] = 100 * up / (up + down)
    df["average_volume_20"] = rolling(volume, 20, "mean")
    df["dollar_volume_20"] = rolling(close * volume, 20, "mean")
    df["relative_volume"] = volume / group(df["average_volume_20"]).shift(1)
    df["high_20"] = rolling(high, 20, "max")
    df["high_52w"] = rolling(high, YEAR, "max")
    df["low_52w"] = rolling(low, YEAR, "min")
    df["distance_high_52w_pct"] = (close / df["high_52w"] - 1) * 100
    df["distance_low_52w_pct"] = (close / df["low_52w"] - 1) * 100
    df["bars_held"] = (bar + 1).clip(upper=YEAR)


# ---------------------------------------------------------------- screen and scanners, on the session's rows


def screen(df: pd.DataFrame, universe: pd.DataFrame, limits: dict[str, Any]) -> pd.DataFrame:
    """The rows of the symbols that are worth scanning."""
    df = df.merge(universe, on="symbol")
    return df[
        (df["volume"] > 0)
        & (df["bars_held"] >= limits["min_bars_held"])
        & df["close"].between(limits["min_price"], limits["max_price"])
        & (df["average_volume_20"] >= limits["min_average_volume"])
        & (df["market_cap"].isna() | (df["market_cap"] >= limits["min_market_cap"]))
    ]


def run_scanners(df: pd.DataFrame) -> list[list[str]]:
    """The hits of the six built-in scanners, each the first 50 in its order: scanner and symbol."""
    up_day = df["close"] > df["open"]
    df = df.assign(
        distance_sma_20_atr=(df["close"] - df["sma_20"]) / df["atr_14"], range_in_atr=df["true_range"] / df["atr_14"]
    )
    found = {
        "breakout_52w": df[
            (df["high"] >= df["high_52w"])
            & up_day
            & (df["close"] >= df["high"] - (df["high"] - df["low"]) / 4)
            & (df["relative_volume"] >= 1.5)
        ].sort_values(["relative_volume", "symbol"], ascending=[False, True]),
        "gap_and_go": df[(df["gap_pct"] >= 4) & up_day & (df["relative_volume"] >= 2)].sort_values(
            ["gap_pct", "symbol"], ascending=[False, True]
        ),
        "oversold_bounce": df[
            (df["rsi_14"] < 30) & (df["change_pct"] > 0) & up_day & (df["close"] >= (df["high"] + df["low"]) / 2)
        ].sort_values(["rsi_14", "symbol"]),
        "pullback_sma_20": df[
            (df["sma_20"] > df["sma_50"])
            & (df["sma_50"] > df["sma_200"])
            & (df["ema_9_slope_5"] > 0)
            & (df["low"] <= df["sma_20"] + df["atr_14"] / 4)
            & (df["close"] > df["sma_20"])
        ].sort_values(["distance_sma_20_atr", "symbol"]),
        "tight_range": df[
            (df["close"] >= 0.97 * df["high_20"])
            & (df["sma_20"] > df["sma_50"])
            & (df["true_range"] <= 0.5 * df["atr_14"])
            & (df["relative_volume"] < 1)
        ].sort_values(["range_in_atr", "symbol"]),
        "unusual_volume": df[df["relative_volume"] >= 3].sort_values(
            ["relative_volume", "symbol"], ascending=[False, True]
        ),
    }
    return [[scanner, symbol] for scanner, hits in found.items() for symbol in hits["symbol"].head(50)]


if __name__ == "__main__":
    yardstick = {"loop": loop, "vectorised": vectorised}[sys.argv[1]]
    print(json.dumps({"found": yardstick(Path(sys.argv[2]))}))
