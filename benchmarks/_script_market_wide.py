"""A script as users have them, for `scripts.py`: the whole market, by day, with pandas. Kind: async main, DATES.

Grouped bars of every day, adjusted and unadjusted, through one session; 40 indicators for every symbol with groupby and
rolling, in a pool of processes; the hits of the last days in a global DataFrame, a file and on the screen. The
benchmark gives it its days; it knows nothing of us.
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


def indicators(df: pd.DataFrame) -> pd.DataFrame:
    """40 of them."""
    by = df.groupby("ticker", sort=False)
    close, high, low, volume = by["c"], by["h"], by["l"], by["v"]
    for n in (5, 10, 20, 50, 100, 200):
        df[f"sma_{n}"] = close.transform(lambda s, n=n: s.rolling(n).mean())
    for n in (8, 12, 21, 26):
        df[f"ema_{n}"] = close.transform(lambda s, n=n: s.ewm(span=n, adjust=False).mean())
    for n in (10, 20, 50):
        df[f"vol_{n}"] = volume.transform(lambda s, n=n: s.rolling(n).mean())
    for n in (1, 5, 20, 60):
        df[f"ret_{n}"] = close.pct_change(n) * 100
    for n in (20, 50):
        df[f"hh_{n}"] = high.transform(lambda s, n=n: s.rolling(n).max().shift(1))
        df[f"ll_{n}"] = low.transform(lambda s, n=n: s.rolling(n).min().shift(1))
    df["std_20"] = close.transform(lambda s: s.rolling(20).std())
    df["bb_up"] = df["sma_20"] + 2 * df["std_20"]
    df["bb_low"] = df["sma_20"] - 2 * df["std_20"]
    df["bb_width"] = (df["bb_up"] - df["bb_low"]) / df["sma_20"]
    df["macd"] = df["ema_12"] - df["ema_26"]
    df["macd_signal"] = df.groupby("ticker", sort=False)["macd"].transform(lambda s: s.ewm(span=9, adjust=False).mean())
    df["macd_hist"] = df["macd"] - df["macd_signal"]
    before = close.shift(1)
    df["tr"] = np.maximum(df["h"] - df["l"], np.maximum((df["h"] - before).abs(), (df["l"] - before).abs()))
    df["atr_14"] = df.groupby("ticker", sort=False)["tr"].transform(lambda s: s.rolling(14).mean())
    df["atr_pct"] = df["atr_14"] / df["c"] * 100
    change = close.diff()
    for n in (2, 14):
        up = change.clip(lower=0).groupby(df["ticker"], sort=False)
        down = (-change.clip(upper=0)).groupby(df["ticker"], sort=False)
        gain = up.transform(lambda s, n=n: s.ewm(alpha=1 / n, adjust=False).mean())
        loss = down.transform(lambda s, n=n: s.ewm(alpha=1 / n, adjust=False).mean())
        df[f"rsi_{n}"] = 100 - 100 / (1 + gain / loss)
    lowest, highest = low.transform(lambda s: s.rolling(14).min()), high.transform(lambda s: s.rolling(14).max())
    df["stoch_k"] = (df["c"] - lowest) / (highest - lowest) * 100
    df["stoch_d"] = df.groupby("ticker", sort=False)["stoch_k"].transform(lambda s: s.rolling(3).mean())
    df["obv"] = (np.sign(change).fillna(0) * df["v"]).groupby(df["ticker"], sort=False).cumsum()
    df["gap"] = (df["o"] / before - 1) * 100
    df["range_pos"] = (df["c"] - df["l"]) / (df["h"] - df["l"])
    df["rvol"] = df["v"] / df["vol_20"]
    return df


def process_chunk(df: pd.DataFrame) -> pd.DataFrame:
    """The last days of some symbols, with indicators."""
    return indicators(df.copy())[lambda one: one["date"] >= one["print_from"]]


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
    prices = prices.sort_values(["ticker", "date"], ignore_index=True)
    prices["print_from"] = days[-PRINT_DAYS:][0]
    workers = cpu_count() or 1
    names = prices["ticker"].unique()
    chunks = [prices[prices["ticker"].isin(part)] for part in np.array_split(names, workers) if len(part)]
    with ProcessPoolExecutor(workers) as pool:
        done = pd.concat(pool.map(process_chunk, chunks))
    print(f"indicators done {time.time() - started:.1f}s", flush=True)
    raw = raw.rename(columns={"c": "close_unadj", "v": "volume_unadj"})[
        ["ticker", "date", "close_unadj", "volume_unadj"]
    ]
    done = done.merge(raw, on=["ticker", "date"])
    liquid = (done["close_unadj"] >= 5) & (done["vol_20"] >= 1_500_000)
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
