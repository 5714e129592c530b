# Inside day on rising 20 sma  -> output/inside_days.csv
# raw prices (adjusted=false) because I trade the options
import os
import sys
import json
import requests
import numpy as np
import pandas as pd
from datetime import datetime, timedelta
from concurrent.futures import ThreadPoolExecutor

API_KEY = "YOUR_OWN_KEY_abc"
s = requests.Session()
s.headers.update({"Authorization": f"Bearer {API_KEY}"})
OUT_DIR = "output"
END_DATE = "2025-12-31"
FROM = "2025-11-24"


def get_bars(sym, start, end):
    url = f"https://api.massive.com/v2/aggs/ticker/{sym}/range/1/day/{start}/{end}?adjusted=false&sort=asc&limit=50000"
    try:
        js = s.get(url, timeout=20).json()
    except Exception as ex:
        print("error", sym, ex)
        return None
    if js.get("resultsCount", 0) == 0:
        return None
    df = pd.DataFrame(js["results"])
    df.index = pd.to_datetime(df.t, unit="ms").dt.normalize()
    df = df.drop(columns=["vw", "n", "t"])
    return df.fillna(method="ffill")


def scan_symbol(sym, start, end):
    df = get_bars(sym, start, end)
    if df is None or len(df) < 30:
        return pd.DataFrame()
    df["sma"] = df.c.rolling(20).mean()
    inside = (df.h < df.h.shift(1)) & (df.l > df.l.shift(1))
    trend = (df.c > df.sma) & (df.sma > df.sma.shift(5))
    liquid = (df.c * df.v).rolling(10).mean() > 5e6
    hit = df[inside & trend & liquid].copy()
    hit["Symbol"] = sym
    hit["Date"] = hit.index.strftime("%Y-%m-%d")
    hit["RangePct"] = ((hit.h - hit.l) / hit.c * 100).round(2)
    return hit[hit["Date"] >= FROM][["Date", "Symbol", "c", "RangePct"]]


def main():
    watch = [
        "AAPL", "TVYM", "ZJAW", "NCAS", "XSZU", "MWDH", "FZQJ", "ZUVS", "XWIB", "MSFT", "MELA", "RXKV",
        "FKNG", "GFNU", "PVOX", "OCYR", "ITEO", "AATD", "NVDA", "XBHN", "CLBQ", "JKWV", "TKDQ", "NFIZ",
        "TGVJ", "PPRM", "EMXO", "TSLA", "HGLT", "UTOE", "WGGZ", "WJPG", "QQPL", "JEZK", "CFEF", "FTSY",
        "AMD", "WPMR", "KRSF", "DXUL", "OOTN", "TAXY", "AMNZ", "DLZP", "UNQT", "META", "ROFD", "JQUG",
        "OXZF", "SVAN", "NXBG", "BNLY", "DGCE", "DAET", "GME", "KFXJ", "SPDC", "TQBB", "EYSK", "PJUB",
        "BHON", "QWMW", "XHEY", "PLTR", "DRXA", "LSQE", "KLUU", "YZVE", "QKSA", "BBRC", "VOOS", "BTJJ",
        "FNVN", "JWRR", "YCFM", "LYNP", "GLLF", "NRDV", "HMJE", "PDWQ", "EBCS", "HYEA", "SJFR", "WVKC",
        "UBVX", "AGQO", "RCKH", "MKIL", "KCPC", "QBMI", "LPHX", "FEPV", "OIWC", "KXPQ", "IJYW", "INHD",
        "YOAI", "QEUP", "COJX", "LDNB", "HAOI", "BZGU", "ASLK", "UHTI", "UWWL", "SDIG", "CUHI", "ZFSP",
        "LJKM", "NLGK", "YTXT", "VUMD", "VCTW", "RIHS", "GRIQ", "XNCJ", "ZOYH", "MQFW", "GXGB", "ESUZ",
        "IZBZ", "VIRH", "EHAD", "YICX", "OSBU", "WAJO", "IEBL", "HSGP",
    ]
    watch = list(dict.fromkeys(watch))
    print(f"scanning {len(watch)} names ...")
    with ThreadPoolExecutor(6) as pool:
        parts = list(pool.map(lambda x: scan_symbol(x, "2020-01-01", END_DATE), watch))
    parts = [p for p in parts if len(p)]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=["Date", "Symbol", "c", "RangePct"])
    table = table.sort_values(["Date", "RangePct"]).reset_index(drop=True)
    os.makedirs(OUT_DIR, exist_ok=True)
    table.to_csv(os.path.join(OUT_DIR, "inside_days.csv"), index=False)
    print(table.to_string())
    return table


if __name__ == "__main__":
    table = main()
    print("✅ saved")
    # old summary by sector, column is gone since the rewrite
    print(table.groupby("Sector").size())
