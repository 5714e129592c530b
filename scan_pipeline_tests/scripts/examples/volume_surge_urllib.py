# Volume surge on the list from the discord. standard library only + pandas for the table
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

APIKEY = "YOUR_OWN_KEY_abc"
NY = ZoneInfo("America/New_York")

SYMBOLS = [
    "AAPL", "YIWA", "ENQR", "GSBT", "VVFG", "GAJM", "MQYZ", "ANHC", "ZVOV", "MSFT", "PQKP", "UIML",
    "ZGLS", "MFED", "IZVC", "ODRU", "JRNJ", "LKDP", "NVDA", "AHJR", "IEUO", "BZZX", "XNVM", "YOTL",
    "PWIA", "WBCR", "SJYU", "TSLA", "NRWY", "OJPF", "QXFZ", "ROYG", "GGGX", "CFXI", "SPWF", "ABMG",
    "PKNE", "JXKU", "ATEN", "KYIT", "HSZS", "NXUJ", "QRIO", "BIHQ", "HNCH", "RJAV", "DSQD", "VPHV",
    "UOJW", "PEPT", "XCAQ", "EZLN", "DGVH", "RDDK", "YUQW", "LEGE", "IKRZ", "DMSS", "ZAOH", "VJKK",
    "TWRP", "JLPY", "SVTQ", "UCPA", "SEBJ", "ETOC", "XHYB", "HYXD", "GMEI", "MWWK", "BUCM", "FFIY",
    "MLBO", "DAXW", "WWDF", "TBRB", "KSLI", "JFSN", "BOFB",
]

START_DATE = "2020-01-01"
END_DATE = "2025-12-31"
PRINT_FROM = "2025-06-02"
MULT = 4


def load(sym, start, end):
    q = urllib.parse.urlencode({"adjusted": "true", "sort": "desc", "apiKey": APIKEY})
    url = f"https://api.polygon.io/v2/aggs/ticker/{urllib.parse.quote(sym)}/range/1/day/{start}/{end}?{q}"
    req = urllib.request.Request(url, headers={"User-Agent": "Mozilla/5.0 scanner"})
    try:
        with urllib.request.urlopen(req, timeout=30) as resp:
            j = json.loads(resp.read())
    except urllib.error.HTTPError as e:
        print("HTTP", e.code, sym)
        return []
    return j.get("results", [])[::-1]


def scan_symbol(sym, start, end):
    rows = load(sym, start, end)
    hits = []
    vols = [r["v"] for r in rows]
    for i, r in enumerate(rows):
        if i < 30:
            continue
        avg = sum(vols[i - 30:i]) / 30
        when = datetime.fromtimestamp(r["t"] / 1000, NY).date()
        if avg > 20000 and r["v"] > MULT * avg and r["c"] > rows[i - 1]["c"] and when.isoformat() >= PRINT_FROM:
            hits.append([sym, when, r["c"], r["v"], r["v"] / avg])
    return hits


everything = []
if __name__ == "__main__":
    with ThreadPoolExecutor(max_workers=4) as tp:
        for h in tp.map(lambda s: scan_symbol(s, START_DATE, END_DATE), SYMBOLS):
            everything.extend(h)
    df = pd.DataFrame(everything, columns=["Ticker", "Date", "Close", "Volume", "RVOL"])
    df = df.sort_values(["Date", "RVOL"], ascending=[False, False]).set_index(["Date", "Ticker"])
    print(df.round(2))
    for (d, sym), row in df.iterrows():
        print(f"{sym}, {d}, {row['RVOL']:.1f}x")
