# three green days, each close higher, volume going up every day
# urllib3 only so it runs on the old NAS
import json
import time
import certifi
import urllib3
from collections import defaultdict
from datetime import datetime, timezone
from concurrent.futures import ThreadPoolExecutor

KEY = "YOUR_OWN_KEY_abc"
http = urllib3.PoolManager(maxsize=10, retries=urllib3.Retry(3, backoff_factor=0.2))

TICKERS = """
AAPL BQUF AEBK YRIP IWMV RLPZ BKWU IHJS PYXE MSFT RUVR BEZJ QCFL AZBY JIHR
KPDB SMNY JOFC NVDA GUQX OGGY MBVW SSLJ WMXN OPMQ EKIK EWDG TSLA GIWB PHEX
EEKZ WSUY ZMJD QZVD UFEE NCTV AMD XQKQ IBMH YFNT TZGT GOTM BWRQ MNQS ZYDZ
META CRSE VAES AJYV XZQI DDNA KDIF EQFV PNCI GME FHYC CCPB FCAR VLZO LGVI
APWG THOM OVKB PLTR MTOD PBHM PSZT XTSX QICW LVYL DYNO HPRL YXGA LQBA JCKG
HJUA VRWZ RFSO VXUK NIRG QTXS FXBF WHAC ULBP IQPK SATC KVAM XEPU GXZE LAXX
QOAH GCYQ VGCD OMEJ KJFQ YLLE XKNF SYIU CXPP DPHW ZDDL HVOW TTJI WYSJ CLUT
JUCN FRDU NOOR TNLX OAJN HDWP SGQN NUMC DJKL ZSGO FLGJ UUHH MHTH
""".split()

START = "2020-01-01"
END = "2025-12-31"
SHOW_FROM = "2025-10-13"


def bars(sym):
    """all pages, 120 a page (free plan is slow with more)"""
    url = f"https://api.polygon.io/v2/aggs/ticker/{sym}/range/1/day/{START}/{END}?limit=120&apiKey={KEY}"
    rows = []
    while url:
        r = http.request("GET", url)
        j = json.loads(r.data.decode())
        rows += j.get("results", [])
        url = j.get("next_url")
        if url:
            url += "&apiKey=" + KEY
    return rows


def day(ms):
    return datetime.fromtimestamp(ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d")


def check(sym):
    b = bars(sym)
    found = []
    for i in range(3, len(b)):
        a1, a2, a3 = b[i - 2], b[i - 1], b[i]
        if not all(x["c"] > x["o"] for x in (a1, a2, a3)):
            continue
        if not (a1["c"] < a2["c"] < a3["c"] and a1["v"] < a2["v"] < a3["v"]):
            continue
        if a3["c"] < 3:
            continue
        if a3["c"] / b[i - 3]["c"] - 1 < 0.05:
            continue
        d = day(a3["t"])
        if d >= SHOW_FROM:
            found.append((d, sym, round((a3["c"] / b[i - 3]["c"] - 1) * 100, 2)))
    return found


def scan_all():
    hits = []
    with ThreadPoolExecutor(5) as ex:
        for n, res in enumerate(ex.map(check, TICKERS)):
            if n % 25 == 0:
                print(f"{n}/{len(TICKERS)}")
            hits += res
    return sorted(hits)


if __name__ == "__main__":
    t0 = time.perf_counter()
    for d, sym, pct in scan_all():
        print(f"{d} {sym} +{pct}%")
    print(f"done in {time.perf_counter() - t0:.1f}s 👍")
