# Gap up + follow through, whole market
# v14  (works!! don't touch the gather part)
# needs: pip install aiohttp pandas numpy
# run it after 4:15pm, takes ~6 min on my laptop, csv lands next to the script
#
# todo: add float
# todo: sector column

import asyncio
import json
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import cpu_count

import aiohttp
import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

API_KEY = "YOUR_OWN_KEY_abc"
BASE = "https://api.polygon.io"

MIN_GAP = 4.0          # percent
MIN_RVOL = 1.5
MIN_DOLLARS = 1_000_000
MIN_PRICE = 2

final_df = pd.DataFrame()


async def fetch_grouped(session, date, adjusted):
    url = f"{BASE}/v2/aggs/grouped/locale/us/market/stocks/{date}?adjusted={adjusted}&apiKey={API_KEY}"
    for attempt in range(3):
        try:
            async with session.get(url) as resp:
                if resp.status != 200:
                    return pd.DataFrame()
                data = await resp.json()
                if "results" in data:
                    df = pd.DataFrame(data["results"])
                    df['date'] = date
                    df.rename(columns={'T': 'ticker'}, inplace=True)
                    return df
                return pd.DataFrame()
        except aiohttp.ClientError as e:
            print(f"⚠️  {date} retry {attempt + 1}: {e}")
            await asyncio.sleep(1)
    return pd.DataFrame()


def add_metrics(df):
    # one ticker, oldest first
    df = df.sort_values('date').copy()
    df['prev_close'] = df['c'].shift(1)
    df['gap'] = (df['o'] / df['prev_close'] - 1) * 100
    df['avg_vol_20'] = df['v'].rolling(20).mean().shift(1)
    df['rvol'] = df['v'] / df['avg_vol_20']
    df['green'] = df['c'] > df['o']
    df['atr'] = (df['h'] - df['l']).rolling(14).mean()
    return df


def process_chunk(args):
    df, print_from = args
    frames = []
    for tkr, g in df.groupby('ticker'):
        g = add_metrics(g)
        g = g[g['date'] >= print_from]
        if len(g):
            frames.append(g)
    if not frames:
        return pd.DataFrame()
    out = pd.concat(frames)
    mask = (out['gap'] >= MIN_GAP) & (out['rvol'] >= MIN_RVOL) & out['green']
    return out[mask]


async def main():
    global final_df
    t0 = time.time()
    connector = aiohttp.TCPConnector(limit=50)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=300)) as session:
        print(f"🚀 downloading {len(DATES)} days  {START_DATE} -> {END_DATE}")
        adj_tasks = [fetch_grouped(session, d, "true") for d in DATES]
        unadj_tasks = [fetch_grouped(session, d, "false") for d in DATES]
        adj = await asyncio.gather(*adj_tasks)
        unadj = await asyncio.gather(*unadj_tasks)
    print(f"✅ downloaded in {time.time() - t0:.1f}s")

    df_adj = pd.concat(adj, ignore_index=True)
    df_raw = pd.concat(unadj, ignore_index=True)
    df_adj = df_adj.drop(columns=['vw', 'n', 't'])
    df_raw = df_raw.drop(columns=['vw', 'n', 't'])
    df_raw = df_raw.rename(columns={'c': 'c_ua', 'v': 'v_ua', 'o': 'o_ua', 'h': 'h_ua', 'l': 'l_ua'})
    print("rows adj/unadj:", len(df_adj), len(df_raw))

    tickers = df_adj['ticker'].unique()
    workers = max(1, cpu_count() - 1)
    chunks = np.array_split(tickers, workers * 2)
    jobs = [(df_adj[df_adj['ticker'].isin(c)], PRINT_FROM) for c in chunks if len(c)]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        parts = list(pool.map(process_chunk, jobs))

    hits = pd.concat([p for p in parts if len(p)] or [pd.DataFrame(columns=['date', 'ticker', 'gap', 'rvol', 'c'])])
    hits = hits.merge(df_raw[['ticker', 'date', 'c_ua', 'v_ua']], on=['ticker', 'date'], how='left')
    hits = hits[(hits['c_ua'] * hits['v_ua'] >= MIN_DOLLARS) & (hits['c_ua'] >= MIN_PRICE)]
    final_df = hits[['date', 'ticker', 'gap', 'rvol', 'c', 'c_ua']].round(4)
    final_df = final_df.sort_values(['date', 'gap'], ascending=[False, False]).reset_index(drop=True)


if __name__ == "__main__":
    START_DATE = "2025-07-01"
    END_DATE = "2025-12-31"
    PRINT_FROM = "2025-11-03"
    DATES = [d.strftime("%Y-%m-%d") for d in pd.bdate_range(START_DATE, END_DATE)]
    asyncio.run(main())
    pd.set_option("display.max_rows", 500)
    final_df.to_csv("gap_up.csv", index=False)
    print(final_df.to_string())
    print(f"🎯 {len(final_df)} gappers saved to gap_up.csv")
