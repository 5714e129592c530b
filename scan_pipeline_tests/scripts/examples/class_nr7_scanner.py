# NR7 inside day scanner (class based). Crabel stuff
# last change: moved config into a dataclass
import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta, datetime

import numpy as np
import pandas as pd
import requests
from requests.adapters import HTTPAdapter


@dataclass
class Config:
    api_key: str = "YOUR_OWN_KEY_abc"
    base: str = "https://api.polygon.io"
    min_price: float = 5.0
    min_volume: float = 200_000
    sma: int = 50
    days: list = field(default_factory=list)


class Scanner:
    def __init__(self, api_key, start, end):
        self.cfg = Config(api_key=api_key)
        self.start, self.end = start, end
        self.http = requests.Session()
        self.http.mount("https://", HTTPAdapter(pool_maxsize=16, max_retries=3))
        self.cfg.days = [str(d)[:10] for d in np.arange(np.datetime64(start), np.datetime64(end) + 1)
                         if np.is_busday(d)]

    def day(self, d):
        r = self.http.get(f"{self.cfg.base}/v2/aggs/grouped/locale/us/market/stocks/{d}?apiKey={self.cfg.api_key}")
        return [dict(x, date=d) for x in r.json().get("results", [])] if r.ok else []

    def load(self):
        with ThreadPoolExecutor(max_workers=16) as pool:
            rows = [row for day in pool.map(self.day, self.cfg.days) for row in day]
        print(f"loaded {len(rows):,} bars over {len(self.cfg.days)} days")
        return pd.DataFrame(rows)

    def run_scan(self, show_from):
        df = self.load()
        df = df.sort_values(["T", "date"]).drop(columns=["vw", "n", "t"])
        hits = []
        for ticker, g in df.groupby("T"):
            g = g.reset_index(drop=True)
            if len(g) < self.cfg.sma:
                continue
            rng = g.h - g.l
            g["nr7"] = rng == rng.rolling(7).min()
            g["inside"] = (g.h < g.h.shift(1)) & (g.l > g.l.shift(1))
            g["sma"] = g.c.rolling(self.cfg.sma).mean()
            ok = g[g.nr7 & g.inside & (g.c > g.sma) & (g.c >= self.cfg.min_price) & (g.v >= self.cfg.min_volume)]
            for _, row in ok.iterrows():
                if row["date"] >= show_from:
                    hits.append({"ticker": ticker, "date": row["date"], "close": float(row["c"]),
                                 "range": round(float(row["h"] - row["l"]), 4)})
        return hits


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--key", default="YOUR_OWN_KEY_abc")
    ap.add_argument("--start", default="2025-07-14")
    ap.add_argument("--end", default="2025-12-31")
    ap.add_argument("--show-from", dest="show_from", default="2025-12-01")
    ap.add_argument("-v", "--verbose", action="store_true")
    a = ap.parse_args()
    setups = Scanner(a.key, a.start, a.end).run_scan(a.show_from)
    table = pd.DataFrame(setups)
    table["date"] = pd.to_datetime(table["date"])
    table = table.sort_values(["date", "ticker"])
    print(table.to_string(index=False))
    print(f"📌 {len(table)} NR7 inside days")
    table.to_csv("nr7.csv", index=False)
