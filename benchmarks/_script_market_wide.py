"""A script as users have them, for `scripts.py`: the whole market, by day, with pandas. Kind: async main, DATES.

Grouped bars of every day, adjusted for the signals and unadjusted for the filters of price and turnover, through one
session; 40 indicators of each symbol's own frame, mapped over a pool of processes; the hits of the last days in a
global DataFrame, a file and on the screen. The benchmark gives it its days; it knows nothing of us.
"""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count
from typing import Any

import aiohttp
import numpy as np
import pandas as pd

API_KEY = "YOUR_OWN_KEY_abc"
BASE = "https://api.polygon.io"
END_DATE = "2025-12-31"
DAYS_BACK = 330
PRINT_DAYS = 5
DATES: list[str] = []

final_df = pd.DataFrame()


async def fetch(session: aiohttp.ClientSession, day: str, adjusted: str) -> Any:
    """One day of the whole market."""
    url = f"{BASE}/v2/aggs/grouped/locale/us/market/stocks/{day}"
    async with session.get(url, params={"adjusted": adjusted, "apiKey": API_KEY}) as answer:
        data = await answer.json()
    frame = pd.DataFrame(data.get("results", []))
    if frame.empty:
        return None
    frame["date"] = day
    return frame.drop(columns=["vw", "n", "t"]).rename(columns={"T": "ticker"})


def process_symbol(df: pd.DataFrame) -> pd.DataFrame:
    """One symbol's last days, with 40 indicators."""
    df = df.sort_values("date").reset_index(drop=True)
    if len(df) < 60:
        return df.iloc[:0]
    close, high, low, volume = df["c"], df["h"], df["l"], df["v"]
    for n in (5, 10, 20, 50, 100, 200):
        df[f"sma_{n}"] = close.rolling(n).mean()
    for n in (8, 12, 21, 26):
        df[f"ema_{n}"] = close.ewm(span=n, adjust=False).mean()
    for n in (10, 20, 50):
        df[f"vol_{n}"] = volume.rolling(n).mean()
    for n in (1, 5, 20, 60):
        df[f"ret_{n}"] = close.pct_change(n) * 100
    for n in (20, 50):
        df[f"hh_{n}"] = high.rolling(n).max().shift(1)
        df[f"ll_{n}"] = low.rolling(n).min().shift(1)
    df["std_20"] = close.rolling(20).std()
    df["bb_up"] = df["sma_20"] + 2 * df["std_20"]
    df["bb_low"] = df["sma_20"] - 2 * df["std_20"]
    df["bb_width"] = (df["bb_up"] - df["bb_low"]) / df["sma_20"]
    df["z_20"] = (close - df["sma_20"]) / df["std_20"]
    df["macd"] = df["ema_12"] - df["ema_26"]
    df["macd_signal"] = df["macd"].ewm(span=9, adjust=False).mean()
    df["macd_hist"] = df["macd"] - df["macd_signal"]
    before = close.shift(1)
    df["tr"] = pd.concat([high - low, (high - before).abs(), (low - before).abs()], axis=1).max(axis=1)
    df["atr_14"] = df["tr"].rolling(14).mean()
    df["atr_pct"] = df["atr_14"] / close * 100
    change = close.diff()
    for n in (2, 14):
        gain = change.clip(lower=0).ewm(alpha=1 / n, adjust=False).mean()
        loss = (-change.clip(upper=0)).ewm(alpha=1 / n, adjust=False).mean()
        df[f"rsi_{n}"] = 100 - 100 / (1 + gain / loss)
    lowest, highest = low.rolling(14).min(), high.rolling(14).max()
    df["stoch_k"] = (close - lowest) / (highest - lowest) * 100
    df["stoch_d"] = df["stoch_k"].rolling(3).mean()
    df["obv"] = (np.sign(change).fillna(0) * volume).cumsum()
    df["gap"] = (df["o"] / before - 1) * 100
    df["range_pos"] = (close - low) / (high - low)
    df["rvol"] = volume / df["vol_20"]
    return df[df["date"] >= df["print_from"]]


async def download() -> tuple[list[Any], list[Any]]:
    """All days, both ways."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as session:
        adjusted = await asyncio.gather(*[fetch(session, day, "true") for day in DATES])
        print(f"adjusted done {time.time() - started:.1f}s", flush=True)
        unadjusted = await asyncio.gather(*[fetch(session, day, "false") for day in DATES])
    return adjusted, unadjusted


async def main() -> None:
    """Download, compute, choose."""
    global final_df
    adjusted, unadjusted = await download()
    days = [frame["date"].iloc[0] for frame in adjusted if frame is not None]
    prices = pd.concat([frame for frame in adjusted if frame is not None], ignore_index=True)
    raw = pd.concat([frame for frame in unadjusted if frame is not None], ignore_index=True)
    print(f"{len(prices):,} + {len(raw):,} rows {time.time() - started:.1f}s", flush=True)
    prices["print_from"] = days[-PRINT_DAYS:][0]
    groups = [group for _, group in prices.groupby("ticker")]
    with ProcessPoolExecutor(max_workers=cpu_count()) as pool:
        done = pd.concat(pool.map(process_symbol, groups, chunksize=50), ignore_index=True)
    print(f"indicators done {time.time() - started:.1f}s", flush=True)
    raw = raw.rename(columns={"c": "close_unadj", "v": "volume_unadj"})[
        ["ticker", "date", "close_unadj", "volume_unadj"]
    ]
    done = done.merge(raw, on=["ticker", "date"])
    turnover = done["close_unadj"] * done["volume_unadj"]
    liquid = (done["close_unadj"] >= 5) & (done["vol_20"] >= 1_500_000) & (turnover >= 10_000_000)
    breakout = (done["c"] > done["hh_20"]) & (done["rvol"] >= 1.2) & (done["c"] > done["sma_50"])
    oversold = (done["rsi_2"] < 5) & (done["c"] > done["sma_100"]) & (done["c"] > done["bb_low"])
    hits = done[liquid & (breakout | oversold)]
    columns = ["date", "ticker", "c", "rvol", "rsi_2", "rsi_14", "atr_pct", "gap", "macd_hist", "stoch_d", "range_pos"]
    final_df = hits[columns].sort_values(["date", "ticker"], ascending=[False, True]).reset_index(drop=True)


if __name__ == "__main__":
    started = time.time()
    DATES = [day.strftime("%Y-%m-%d") for day in pd.bdate_range(end=END_DATE, periods=DAYS_BACK)]
    asyncio.run(main())
    final_df.to_csv("hits.csv", index=False)
    print(final_df.to_string())
    print(f"{len(final_df)} hits, {time.time() - started:.1f}s")
