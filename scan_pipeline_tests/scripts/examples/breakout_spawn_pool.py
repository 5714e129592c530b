# 50 day high breakout w/ volume  --- everything goes to `results`, filtered table is `out`
# spawn because fork hangs on my mac
import asyncio, aiohttp, sys, os, math, random
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, date

import numpy as np
import pandas as pd

KEY = "YOUR_OWN_KEY_abc"
N = 50
VOL_X = 2.0

results = []
out = pd.DataFrame()


async def grab(sess, d):
    # adjust=true  -> splits are handled by polygon
    u = "https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/" + d + "?adjust=true&apiKey=" + KEY
    async with sess.get(u) as r:
        if r.status != 200:
            print("no data", d, r.status)
            return None
        j = await r.json()
    if not j.get("resultsCount"):
        return None     # holiday
    f = pd.DataFrame(j["results"])
    f["day"] = pd.Timestamp(d)
    return f


async def main():
    out_frames = []
    async with aiohttp.ClientSession() as sess:
        for i in range(0, len(DATES), 40):
            got = await asyncio.gather(*[grab(sess, d) for d in DATES[i:i + 40]])
            out_frames += [g for g in got if g is not None]
            print(f"... {min(i + 40, len(DATES))}/{len(DATES)} days")
    return pd.concat(out_frames, ignore_index=True)


def check_symbol(payload):
    sym, highs, closes, vols, days, first = payload
    rows = []
    for i in range(N, len(closes)):
        if days[i] < first:
            continue
        top = max(highs[i - N:i])
        avg = sum(vols[i - N:i]) / N
        rows.append({
            "symbol": sym,
            "date": days[i],
            "close": closes[i],
            "top": top,
            "vol_x": vols[i] / avg if avg else 0,
            "breakout": bool(closes[i] > top),
        })
    return rows


if __name__ == "__main__":
    mp.set_start_method("spawn", force=True)
    END_DATE = "2025-12-31"
    START_DATE = "2025-06-16"
    PRINT_FROM = "2025-11-17"
    DATES = [str(x.date()) for x in pd.date_range(START_DATE, END_DATE, freq="B")]
    big = asyncio.run(main())
    big = big.drop(columns=["vw", "n", "t"]).sort_values(["T", "day"])
    payloads = []
    for sym, g in big.groupby("T"):
        payloads.append((sym, g["h"].tolist(), g["c"].tolist(), g["v"].tolist(),
                         g["day"].dt.strftime("%Y-%m-%d").tolist(), PRINT_FROM))
    print(f"checking {len(payloads)} symbols 🔎")
    with ProcessPoolExecutor(max_workers=2) as pool:
        for rows in pool.map(check_symbol, payloads, chunksize=50):
            results.extend(rows)
    raw = pd.DataFrame(results, columns=["symbol", "date", "close", "top", "vol_x", "breakout"])
    out = raw[raw["breakout"] & (raw["vol_x"] >= VOL_X)]
    out = out[["date", "symbol", "close", "top", "vol_x"]].sort_values(["date", "symbol"])
    print(out.to_string(index=False))
    print(f"{len(results)} rows checked, {len(out)} breakouts 💥")
