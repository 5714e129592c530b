# 52 week high scanner - my watchlist
# prints one line per signal so I can paste it into TradingView
import requests
import pandas as pd
import numpy as np
import time
import random
from datetime import datetime, timedelta
from concurrent.futures import ThreadPoolExecutor, as_completed

API_KEY = "YOUR_OWN_KEY_abc"
BASE_URL = "https://api.polygon.io"

START_DATE = "2020-01-01"
END_DATE = "2025-12-31"
PRINT_FROM = "2025-10-01"   # only show signals from here
MAX_WORKERS = 8

SYMBOLS = [
    "AAPL", "XJUC", "XVOY", "GOAJ", "TDNC", "EVKD", "QPWI", "MMXP", "EJPH", "MSFT", "BKDR", "CQZB",
    "VLGL", "QJYX", "QQQ", "RQUH", "GCFN", "GTXU", "NVDA", "MHAE", "LRXB", "NHYD", "VCAT", "DOOT",
    "HDDM", "VHYE", "EAJP", "TSLA", "MYSL", "SXPR", "VIXY", "AYIV", "JHOO", "ISLL", "KLBR", "RUCO",
    "AMD", "PGLU", "TSQF", "IVTS", "EDRW", "ZOFE", "CNQU", "YWMX", "TMSU", "META", "UWDI", "ZXKW",
    "IYIW", "BGVK", "QZCA", "FHEZ", "EGHA", "WCYS", "GME", "YKSB", "NQKS", "KFEG", "KIMN", "QHJT",
    "WIWD", "CWWM", "XPRN", "PLTR", "JZGV", "PMJF", "FSZV", "WUQZ", "GICY", "DCTX", "HFSQ", "QTEP",
    "ADIH", "UQFX", "PDDN", "BQBC", "OFNV", "IPWH", "DUME", "WOTO", "BVYN", "TPHY", "OLLG", "LQD",
    "YHJU", "ZUCP", "ZRNL", "XDWR", "XYXF", "HUVT", "LAEU", "SFXK", "NNVO", "FBHO", "HLQB", "UKIM",
    "BAXZ", "ZCKI", "PYEB", "CTOF", "GZVF", "RKWW", "CHTJ", "VXBH", "SHY", "FQKR", "NKNH", "EPMS",
    "LGCF", "VRDW", "ZLQA", "LVFI", "NZQK", "QNHE", "IGQP", "JBRD", "IWM", "ORIR", "RWRS", "FWIC",
    "QEBM", "SPY", "AJFS", "SRSG", "TJKN", "RZZZ", "IMOA", "UZLP", "SCPD", "LXUM", "EMEL", "NTSZ",
    "IATE", "UELB", "YEUQ", "PAOJ", "FNCK", "OUQY", "TLT", "ZIHT", "MSVA", "JTJK", "CBVY", "WXZG",
    "DIRI", "VFJA", "SLUV", "TYNQ", "BEGG", "LLZQ", "FYXG", "PSGQ", "OXGC", "APDD", "HYG", "HOYI",
    "KUHJ", "AVAO", "HJAX", "KOJY", "WSBV", "JNLZ", "WMEK", "NEPW", "YQPM", "REZL", "MBCT", "YBMJ",
]

session = requests.Session()


def fetch_daily(symbol: str, start: str, end: str) -> pd.DataFrame:
    url = f"{BASE_URL}/v2/aggs/ticker/{symbol}/range/1/day/{start}/{end}"
    r = session.get(url, params={"adjusted": "true", "sort": "asc", "limit": 50000, "apiKey": API_KEY}, timeout=30)
    r.raise_for_status()
    res = r.json().get("results", [])
    if not res:
        return pd.DataFrame()
    df = pd.DataFrame(res)
    df["Date"] = pd.to_datetime(df["t"], unit="ms", utc=True).dt.tz_convert("America/New_York").dt.date
    return df.rename(columns={"o": "Open", "h": "High", "l": "Low", "c": "Close", "v": "Volume"}).set_index("Date")


def scan_symbol(symbol, start, end):
    df = fetch_daily(symbol, start, end)
    if len(df) < 252:
        return []
    df["hh"] = df["High"].rolling(250).max().shift(1)
    df["v50"] = df["Volume"].rolling(50).mean()
    sig = df[(df["Close"] > df["hh"]) & (df["Close"] > df["Open"]) & (df["Volume"] > df["v50"])]
    return [(symbol, d.strftime("%Y-%m-%d")) for d in sig.index if d.strftime("%Y-%m-%d") >= PRINT_FROM]


def run():
    t = time.time()
    with ThreadPoolExecutor(max_workers=MAX_WORKERS) as ex:
        futs = {ex.submit(scan_symbol, s, START_DATE, END_DATE): s for s in SYMBOLS}
        for f in as_completed(futs):
            try:
                for sym, d in f.result():
                    print(f"{sym} {d}")
            except Exception as e:
                print(f"❌ {futs[f]} failed: {e}")
    print(f"\n⏱ finished {len(SYMBOLS)} symbols, took {time.time() - t:.1f} sec")


if __name__ == "__main__":
    run()
