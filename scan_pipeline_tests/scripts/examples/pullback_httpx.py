# flush in an uptrend: big red day on volume, still above the 200 day
# first the grouped call to find the red days, then 400 days of history only for those
import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow  # noqa: F401  parquet needs it

API_KEY = "YOUR_OWN_KEY_abc"
client = httpx.Client(base_url="https://api.polygon.io", timeout=30, headers={"Authorization": "Bearer " + API_KEY})

FROM, TO = "2025-12-01", "2025-12-31"
DROP = -5.0


def weekdays(a, b):
    a, b = date.fromisoformat(a), date.fromisoformat(b)
    return [a + timedelta(n) for n in range((b - a).days + 1) if (a + timedelta(n)).weekday() < 5]


def red_days():
    reds = []
    for d in weekdays(FROM, TO):
        resp = client.get(f"/v2/aggs/grouped/locale/us/market/stocks/{d}", params={"adjusted": "false"})
        body = resp.json()
        if body.get("status") != "OK" or not body.get("resultsCount"):
            print(f"{d}: closed")
            continue
        for x in body["results"]:
            if x["c"] >= 3 and (x["c"] / x["o"] - 1) * 100 <= DROP:
                reds.append((x["T"], d.isoformat()))
        print(f"{d}: {len(reds)} so far 📉")
    return reds


def history(sym, d):
    start = (date.fromisoformat(d) - timedelta(days=400)).isoformat()
    js = client.get(f"/v2/aggs/ticker/{sym}/range/1/day/{start}/{d}", params={"adjusted": "true", "limit": 5000}).json()
    return pd.DataFrame(js.get("results", []))


def check(sym, d):
    h = history(sym, d)
    if len(h) < 201:
        return None
    sma200 = h["c"].tail(200).mean()
    avg = h["v"].iloc[-31:-1].mean()
    last = h.iloc[-1]
    if last["c"] > sma200 and last["v"] > 1.25 * avg:
        return {"Symbol": sym, "Date": d, "Close": last["c"], "SMA200": round(sma200, 2), "RVol": round(last["v"] / avg, 2)}


def main():
    hits = []
    for sym, d in red_days():
        r = check(sym, d)
        if r:
            hits.append(r)
            print("   hit", r)
    return hits


if __name__ == "__main__":
    found = main()
    frame = pd.DataFrame(found, columns=["Symbol", "Date", "Close", "SMA200", "RVol"])
    Path("scans").mkdir(exist_ok=True)
    frame.to_parquet("scans/pullbacks.parquet")
    print(f"{len(frame)} pullbacks")
