# 20d low reversal (washout). runs in spyder too, that's why no asyncio.run
# saves on mike's mac, if that fails just look at the table
import aiohttp
import asyncio
import pandas as pd
import datetime as dt

key = "YOUR_OWN_KEY_abc"
OUT = "/Users/mike/scans/out.csv"
WINDOW = 20

try:
    import nest_asyncio
    nest_asyncio.apply()
except ImportError:
    nest_asyncio = None


async def get(http, d):
    # adjusted is default true
    async with http.get(f"https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/{d}?apiKey={key}") as r:
        j = await r.json()
        return d, j.get("results", [])


async def main(start, end):
    days = []
    d = start
    while d <= end:
        if d.weekday() not in (5, 6):
            days.append(d)
        d = d + dt.timedelta(days=1)
    http = aiohttp.ClientSession()
    got = await asyncio.gather(*[get(http, d) for d in days])
    await http.close()
    bars = {}
    for d, rows in got:
        for r in rows:
            bars.setdefault(r["T"], []).append((d.isoformat(), r["o"], r["h"], r["l"], r["c"], r["v"]))
    return bars


end = dt.datetime.now().date()
start = end - dt.timedelta(days=70)
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
bars = loop.run_until_complete(main(start, end))
print("symbols:", len(bars))

signals = []
for sym in sorted(bars):
    b = bars[sym]
    for i in range(WINDOW, len(b)):
        day, o, h, l, c, v = b[i]
        lows = [x[3] for x in b[i - WINDOW:i]]
        if l < min(lows) and c > o and h > l and (c - l) / (h - l) > 0.75 and c * v > 2_000_000:
            signals.append({"sym": sym, "day": day, "close": c, "low": l})

df = pd.DataFrame(signals, columns=["sym", "day", "close", "low"])
df = df[df["day"] >= (end - dt.timedelta(days=30)).isoformat()]
try:
    df.to_csv(OUT)
    print("saved", OUT)
except OSError as e:
    print("could not save:", e)
print(df)
