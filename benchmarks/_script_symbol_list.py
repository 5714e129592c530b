"""A script as users have them, for `scripts.py`: a list of symbols, one request each, a pool of threads.

Daily bars from 2020 on for every symbol through a `requests.Session`, some indicators, hits as printed lines and a
file. The benchmark gives it its symbols and its last day; it knows nothing of us.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import requests

API_KEY = "YOUR_OWN_KEY_abc"
BASE = "https://api.polygon.io"
START_DATE = "2020-01-01"
END_DATE = "2025-12-31"
DAYS = 60
SYMBOLS = ["SPY", "QQQ"]

session = requests.Session()
results: list[dict[str, Any]] = []


def fetch(symbol: str, start: str, end: str) -> pd.DataFrame:
    """A symbol's daily bars."""
    url = f"{BASE}/v2/aggs/ticker/{symbol}/range/1/day/{start}/{end}"
    query = {"adjusted": "true", "sort": "asc", "limit": "50000", "apiKey": API_KEY}
    df = pd.DataFrame(session.get(url, params=query, timeout=60).json().get("results", []))
    if not df.empty:
        when = pd.to_datetime(df["t"], unit="ms", utc=True).dt.tz_convert("America/New_York")
        df["date"] = when.dt.strftime("%Y-%m-%d")
    return df


def scan_symbol(symbol: str, start: str, end: str) -> list[dict[str, Any]]:
    """Breakouts of the last days on volume, in an uptrend."""
    df = fetch(symbol, start, end)
    if len(df) < 60:
        return []
    for n in (10, 20, 50):
        df[f"sma_{n}"] = df["c"].rolling(n).mean()
        df[f"ema_{n}"] = df["c"].ewm(span=n, adjust=False).mean()
        df[f"hh_{n}"] = df["h"].rolling(n).max().shift(1)
        df[f"vol_{n}"] = df["v"].rolling(n).mean().shift(1)
    change = df["c"].diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change.clip(upper=0)).ewm(alpha=1 / 14, adjust=False).mean()
    df["rsi"] = 100 - 100 / (1 + gain / loss)
    ok = (df["c"] > df["hh_20"]) & (df["v"] > 1.2 * df["vol_20"]) & (df["c"] > df["sma_50"]) & (df["rsi"] > 55)
    found = df[ok].tail(DAYS)
    found = found[found.index >= len(df) - DAYS]
    return [
        {"symbol": symbol, "date": row.date, "close": row.c, "rsi": round(row.rsi, 1)} for row in found.itertuples()
    ]


if __name__ == "__main__":
    began = time.time()
    with ThreadPoolExecutor(max_workers=8) as pool:
        for one in pool.map(lambda symbol: scan_symbol(symbol, START_DATE, END_DATE), SYMBOLS):
            results.extend(one)
    out = pd.DataFrame(results, columns=["symbol", "date", "close", "rsi"])
    out.to_csv("hits.csv", index=False)
    for row in out.itertuples():
        print(f"{row.symbol} {row.date}")
    print(f"{len(out)} signals in {time.time() - began:.1f}s")
