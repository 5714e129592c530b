# pocket pivots. plain http.client, one connection, one symbol after the other
# double click it -> window stays open till ENTER
import http.client
import json
import time
from datetime import datetime, timedelta

KEY = "YOUR_OWN_KEY_abc"
LIST = "AAPL,ZDWO,CPDA,ZJTZ,KATB,QFNS,FUMB,KGQM,OMXM,MSFT,RYDY,LTJH,GVKA,RMJC,PZQH,DVYK,BCKF,IICV,NVDA,LNLW,AWMU,TKWT,HHEW,XXBE,ZPRK,WEKY,WQFU,TSLA,XRDT,FIRF,FOOQ,HBHL,RSGN,ITXR,NAER,URSD,NGCC,QLLD,EHTG,TEZI,OYSI,NLZN,OSUX,WKIJ,YCYP,UXPO,CJFP,IOAG,EBVV"
symbols = [x.strip() for x in LIST.split(",")]

now = datetime.today()
since = (now - timedelta(days=60)).strftime("%Y-%m-%d")
until = now.strftime("%Y-%m-%d")

conn = http.client.HTTPSConnection("api.polygon.io", timeout=30)
found = 0
for n, sym in enumerate(symbols, 1):
    conn.request("GET", f"/v2/aggs/ticker/{sym}/range/1/day/2025-01-01/{until}?adjusted=true&sort=asc&limit=50000&apiKey={KEY}",
                 headers={"Accept": "application/json"})
    resp = conn.getresponse()
    body = resp.read()
    if resp.status != 200:
        print("!!", sym, resp.status)
        continue
    bars = json.loads(body).get("results", [])
    for i in range(11, len(bars)):
        b = bars[i]
        down = [bars[k]["v"] for k in range(i - 10, i) if bars[k]["c"] < bars[k - 1]["c"]]
        sma10 = sum(x["c"] for x in bars[i - 9:i + 1]) / 10
        when = datetime.utcfromtimestamp(b["t"] / 1000).strftime("%Y-%m-%d")
        if when < since:
            continue
        if down and b["v"] > max(down) and b["c"] > b["o"] and b["c"] > sma10 and bars[i - 1]["c"] < sma10:
            found += 1
            print(f"{sym} - {when}")
    time.sleep(0.02)
    if n % 20 == 0:
        print(f"... {n} of {len(symbols)} symbols")
conn.close()
print(f"total: {found} ✅")
input("Press ENTER to close")
