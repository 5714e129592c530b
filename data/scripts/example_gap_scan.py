# gap and hold - small example, in the style that most of us write
# gap up 3%+ on 1.5x the usual volume, closes above its open
#
# pip install requests pandas

import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import requests

API_KEY = "PUT_YOUR_KEY_HERE"
BASE = "https://api.polygon.io"
START_DATE = "2025-10-01"
END_DATE = "2025-12-31"
PRINT_FROM = "2025-12-01"

MIN_GAP = 3.0
MIN_RVOL = 1.5
MIN_PRICE = 2
MIN_VOLUME = 300_000

session = requests.Session()


def grouped(day):
    url = f"{BASE}/v2/aggs/grouped/locale/us/market/stocks/{day}"
    for attempt in range(3):
        r = session.get(url, params={"adjusted": "true", "apiKey": API_KEY})
        if r.status_code == 429:
            time.sleep(12)
            continue
        rows = r.json().get("results", [])
        return [(x["T"], day, x["o"], x["h"], x["l"], x["c"], x["v"]) for x in rows]
    return []


def main():
    days = pd.bdate_range(START_DATE, END_DATE).strftime("%Y-%m-%d")
    with ThreadPoolExecutor(8) as pool:
        rows = [row for day in pool.map(grouped, days) for row in day]
    print(f"{len(rows):,} bars")

    df = pd.DataFrame(rows, columns=["symbol", "date", "o", "h", "l", "c", "v"]).sort_values(["symbol", "date"])
    by = df.groupby("symbol")
    df["gap_pct"] = (df["o"] / by["c"].shift(1) - 1) * 100
    df["rvol"] = df["v"] / by["v"].transform(lambda v: v.rolling(20).mean().shift(1))

    out = df[(df["gap_pct"] >= MIN_GAP) & (df["rvol"] >= MIN_RVOL) & (df["c"] > df["o"])]
    out = out[(out["c"] >= MIN_PRICE) & (out["v"] >= MIN_VOLUME) & (out["date"] >= PRINT_FROM)]
    out = out[["date", "symbol", "gap_pct", "rvol", "c", "v"]].round({"gap_pct": 2, "rvol": 2})
    return out.sort_values(["date", "gap_pct"], ascending=False)


if __name__ == "__main__":
    hits = main()
    hits.to_csv("gap_and_hold.csv", index=False)
    print(hits.to_string(index=False) if len(hits) else "no hits")
