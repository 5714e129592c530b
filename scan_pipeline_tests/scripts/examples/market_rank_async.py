# RS leaders - top 10 of the WHOLE market by 20 day return, every day
# idea from the minervini book, my own code
# ranks are vs. everything that trades above $5 and 500k shares so don't filter the universe before!

import aiohttp
import asyncio
import pandas as pd
import numpy as np
import time
from datetime import datetime
from concurrent.futures import ProcessPoolExecutor
import itertools, functools

api_key = 'YOUR_OWN_KEY_abc'
TOP = 10
LOOK = 20
sem = None
ranked = None


async def get_day(http, day):
    async with sem:
        async with http.get(
            f'https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/{day}',
            params={'adjusted': 'true', 'include_otc': 'false', 'apiKey': api_key},
        ) as r:
            js = await r.json()
            rows = js.get('results') or []
            print(f'\r📥 {day}: {len(rows)}', end='')
            return [(x['T'], day, x['c'], x['v']) for x in rows]


def ret(group):
    group = group.sort_values('date')
    group['ret20'] = group['close'].pct_change(LOOK) * 100
    group['avgvol'] = group['volume'].rolling(LOOK).mean()
    return group


def do_part(frame):
    if frame.empty:
        return frame.assign(ret20=[], avgvol=[])
    return pd.concat([ret(g.copy()) for _, g in frame.groupby('ticker')])


async def main():
    global sem
    sem = asyncio.Semaphore(25)
    async with aiohttp.ClientSession() as http:
        days = await asyncio.gather(*(get_day(http, d) for d in DATES))
    print()
    rows = [r for d in days for r in d]
    return pd.DataFrame(rows, columns=['ticker', 'date', 'close', 'volume'])


if __name__ == '__main__':
    START_DATE = '2025-09-02'
    END_DATE = '2025-12-31'
    PRINT_FROM = '2025-12-08'
    DATES = pd.bdate_range(START_DATE, END_DATE).strftime('%Y-%m-%d').tolist()

    started = time.time()
    prices = asyncio.run(main())
    print('got', len(prices), 'rows in', round(time.time() - started, 1), 's')

    names = sorted(prices.ticker.unique())
    halves = [prices[prices.ticker.isin(names[::2])], prices[prices.ticker.isin(names[1::2])]]
    with ProcessPoolExecutor(2) as ex:
        full = pd.concat(ex.map(do_part, halves))

    full = full[(full.close >= 5) & (full.avgvol >= 500_000)].dropna(subset=['ret20'])
    full['rank'] = full.groupby('date')['ret20'].rank(ascending=False, method='first').astype(int)
    full['universe_size'] = full.groupby('date')['ticker'].transform('count')
    ranked = full[(full['rank'] <= TOP) & (full.date >= PRINT_FROM)]
    ranked = ranked.sort_values(['date', 'rank']).reset_index(drop=True)
    ranked.to_csv('rs_leaders.csv')
    print(ranked)
    print('🏆 done')
