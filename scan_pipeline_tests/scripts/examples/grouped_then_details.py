# small cap gappers
# step 1 grouped daily -> candidates
# step 2 for each candidate: market cap, minute bars (premarket high), 30 min bars
import os, sys, time, json, math
import requests
import pandas as pd
import numpy as np
from datetime import datetime, timedelta, date
from concurrent.futures import ThreadPoolExecutor
import pytz

API_KEY = "YOUR_OWN_KEY_abc"
EST = pytz.timezone("US/Eastern")
START_DATE = "2025-10-20"
END_DATE = "2025-12-31"
MAX_CAP = 2_000_000_000
MIN_GAP_PCT = 5

sess = requests.Session()


def api(path, **params):
    params["apiKey"] = API_KEY
    for i in range(3):
        r = sess.get("https://api.polygon.io" + path, params=params, timeout=30)
        if r.status_code == 429:
            print("rate limited, sleeping 😴")
            time.sleep(12)
            continue
        if r.status_code == 404:
            return {}
        return r.json()
    return {}


def grouped(d):
    js = api(f"/v2/aggs/grouped/locale/us/market/stocks/{d}", adjusted="true")
    df = pd.DataFrame(js.get("results", []))
    if df.empty:
        return df
    df["date"] = d
    return df[["T", "date", "o", "h", "l", "c", "v"]]


def market_cap(ticker, d):
    js = api(f"/v3/reference/tickers/{ticker}", date=d)
    return js.get("results", {}).get("market_cap")


def premarket_high(ticker, d):
    js = api(f"/v2/aggs/ticker/{ticker}/range/1/minute/{d}/{d}", adjusted="true", sort="asc", limit=50000)
    bars = js.get("results") or []
    pre = [b["h"] for b in bars if datetime.fromtimestamp(b["t"] / 1000, EST).time().strftime("%H:%M") < "09:30"]
    return max(pre) if pre else None


def half_hours(ticker, d):
    js = api(f"/v2/aggs/ticker/{ticker}/range/30/minute/{d}/{d}", adjusted="true", limit=5000)
    return len(js.get("results") or [])


def details(row):
    cap = market_cap(row.T, row.date)
    if cap is not None and cap > MAX_CAP:
        return None
    return {
        "ticker": row.T, "date": row.date, "gap_pct": round(row.gap, 2), "close": row.c, "volume": row.v,
        "market_cap": cap, "pm_high": premarket_high(row.T, row.date), "bars30": half_hours(row.T, row.date),
    }


def main():
    dates = [d.strftime("%Y-%m-%d") for d in pd.bdate_range(START_DATE, END_DATE)]
    with ThreadPoolExecutor(8) as ex:
        frames = [f for f in ex.map(grouped, dates) if len(f)]
    df = pd.concat(frames).sort_values(["T", "date"])
    df["pc"] = df.groupby("T")["c"].shift(1)
    df["gap"] = (df["o"] - df["pc"]) / df["pc"] * 100
    cands = df[(df["gap"] >= MIN_GAP_PCT) & (df["o"].between(1, 20)) & (df["v"] >= 100_000)]
    print(f"{len(cands)} candidates, getting details ...")
    with ThreadPoolExecutor(8) as ex:
        rows = [r for r in ex.map(details, cands.itertuples(index=False)) if r]
    return rows


if __name__ == "__main__":
    rows = main()
    watchlist = pd.DataFrame(rows, columns=["ticker", "date", "gap_pct", "close", "volume", "market_cap", "pm_high",
                                            "bars30"])
    watchlist = watchlist.sort_values(["date", "gap_pct"], ascending=False)
    watchlist.to_csv("watchlist.csv", index=False)
    print(watchlist.head(50).to_string())
    print(f"💰 {len(watchlist)} small cap gaps  (pm data for {watchlist['pm_high'].notna().sum()})")
