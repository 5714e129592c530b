# ORB check: gapped up and closed above the first half hour
# grouped -> gappers -> 30 min bars. no 30m data = skip
import asyncio
import aiohttp
import pandas as pd
from datetime import datetime
from zoneinfo import ZoneInfo

API = "https://api.massive.com"
KEY = "YOUR_OWN_KEY_abc"
START_DATE = "2025-12-01"
END_DATE = "2025-12-31"
NY = ZoneInfo("America/New_York")
skipped = 0


async def jget(s, path):
    async with s.get(f"{API}{path}{'&' if '?' in path else '?'}apiKey={KEY}") as r:
        return await r.json()


async def first_half_hour(s, t, d):
    js = await jget(s, f"/v2/aggs/ticker/{t}/range/30/minute/{d}/{d}?adjusted=false&sort=asc")
    for b in js.get("results", []):
        when = datetime.fromtimestamp(b["t"] / 1000, NY)
        if when.hour == 9 and when.minute == 30:
            return b["h"]
    return None


async def one(s, t, d, close):
    global skipped
    orh = await first_half_hour(s, t, d)
    if orh is None:
        skipped += 1
        return None
    if close > orh:
        return dict(symbol=t, date=d, close=close, or_high=orh)


async def main(start, end):
    prev = {}
    tasks = []
    async with aiohttp.ClientSession() as s:
        for d in pd.bdate_range(start, end).strftime("%Y-%m-%d"):
            js = await jget(s, f"/v2/aggs/grouped/locale/us/market/stocks/{d}?adjusted=false")
            for b in js.get("results", []):
                t = b["T"]
                if t in prev and b["o"] / prev[t] >= 1.03 and b["v"] > 50_000:
                    tasks.append(asyncio.create_task(one(s, t, d, b["c"])))
                prev[t] = b["c"]
        got = await asyncio.gather(*tasks)
    return [g for g in got if g]


if __name__ == "__main__":
    orb = asyncio.run(main(START_DATE, END_DATE))
    print(f"skipped {skipped} without 30m bars 🤷")
    df = pd.DataFrame(orb, columns=["symbol", "date", "close", "or_high"])
    df.to_csv("orb.csv", index=False)
    print(df if len(df) else "nothing today")
