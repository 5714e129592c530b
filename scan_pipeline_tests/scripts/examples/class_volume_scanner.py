#!/usr/bin/env python3
# VolumeScanner 2.1 - class version
# usage: python class_volume_scanner.py --start 2025-08-01 --end 2025-12-31
# defaults are fine
import argparse
import json
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from typing import Dict, List, Optional

import numpy as np
import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
log = logging.getLogger("scanner")


class VolumeScanner:
    """Finds stocks with a monster volume day closing near the high."""

    BASE = "https://api.massive.com"

    def __init__(self, api_key: str, start: str, end: str, print_from: str, workers: int = 10):
        self.api_key = api_key
        self.start = start
        self.end = end
        self.print_from = print_from
        self.workers = workers
        self.lock = threading.Lock()
        self.calls = 0
        self.session = requests.Session()
        retry = Retry(total=5, backoff_factor=0.3, status_forcelist=[429, 500, 502, 503, 504])
        adapter = HTTPAdapter(max_retries=retry, pool_connections=workers, pool_maxsize=workers)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def _days(self) -> List[str]:
        d = datetime.strptime(self.start, "%Y-%m-%d")
        last = datetime.strptime(self.end, "%Y-%m-%d")
        days = []
        while d <= last:
            if d.weekday() < 5:
                days.append(d.strftime("%Y-%m-%d"))
            d += timedelta(days=1)
        return days

    def _grouped(self, day: str) -> Optional[pd.DataFrame]:
        r = self.session.get(
            f"{self.BASE}/v2/aggs/grouped/locale/us/market/stocks/{day}",
            params={"adjusted": "true", "apiKey": self.api_key},
            timeout=60,
        )
        with self.lock:
            self.calls += 1
            if self.calls % 25 == 0:
                log.info("📡 %s calls", self.calls)
        if r.status_code != 200:
            log.warning("%s -> %s", day, r.status_code)
            return None
        rows = r.json().get("results")
        if not rows:
            return None
        df = pd.DataFrame(rows).drop(columns=["vw", "n", "t"])
        df["date"] = day
        return df

    def load(self) -> pd.DataFrame:
        frames = []
        with ThreadPoolExecutor(self.workers) as ex:
            futures = [ex.submit(self._grouped, d) for d in self._days()]
            for f in as_completed(futures):
                df = f.result()
                if df is not None:
                    frames.append(df)
        return pd.concat(frames).rename(columns={"T": "symbol"}).sort_values(["symbol", "date"])

    def run_scan(self) -> List[Dict]:
        df = self.load()
        g = df.groupby("symbol")
        df["avg50"] = g["v"].transform(lambda x: x.rolling(50, min_periods=50).mean().shift(1))
        df["rvol"] = df["v"] / df["avg50"]
        df["pos"] = (df["c"] - df["l"]) / (df["h"] - df["l"]).replace(0, np.nan)
        df["chg"] = g["c"].pct_change() * 100
        hits = df[(df["rvol"] >= 3.5) & (df["pos"] >= 0.7) & (df["chg"] > 2) & (df["c"] >= 1)]
        hits = hits[hits["date"] >= self.print_from]
        return [
            {"symbol": r.symbol, "date": r.date, "close": r.c, "rvol": round(r.rvol, 2), "score": round(r.rvol * r.chg, 2)}
            for r in hits.itertuples()
        ]


def parse_args():
    p = argparse.ArgumentParser(description="volume scanner")
    p.add_argument("--api-key", default="YOUR_OWN_KEY_abc")
    p.add_argument("--start", default="2025-06-02")
    p.add_argument("--end", default="2025-12-31")
    p.add_argument("--print-from", default="2025-09-15")
    p.add_argument("--workers", type=int, default=10)
    return p.parse_args()


if __name__ == "__main__":
    args = parse_args()
    scanner = VolumeScanner(args.api_key, args.start, args.end, args.print_from, args.workers)
    t = time.time()
    results = scanner.run_scan()
    os.makedirs("results/json", exist_ok=True)
    with open("results/json/volume_hits.json", "w") as fh:
        json.dump(results, fh, indent=2)
    for hit in results:
        print(f"🔥 {hit['symbol']:<6} {hit['date']}  rvol {hit['rvol']}")
    log.info("%d hits, %d calls, %.1fs", len(results), scanner.calls, time.time() - t)
