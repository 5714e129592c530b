# outside up days, last 3 weeks. opens the chart of the best one in the browser
# just run it: py outside.py
import os
import time
import webbrowser
from datetime import date, timedelta

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import requests

API_KEY = "YOUR_OWN_KEY_abc"
FOLDER = r"C:\scans"

today = date.today()
start = today - timedelta(days=35)
show = today - timedelta(days=21)

all_days = []
d = start
print("📅 from", start, "to", today)
while d <= today:
    if d.weekday() < 5:
        resp = requests.get(f"https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/{d}?adjusted=true&apiKey={API_KEY}")
        data = resp.json()
        if resp.status_code == 200 and data.get("results"):
            tmp = pd.DataFrame(data["results"])
            tmp["date"] = d
            all_days.append(tmp)
            print(d, len(tmp))
        else:
            print(d, "no data")
        time.sleep(0.05)  # rate limit
    d += timedelta(days=1)

prices = pd.concat(all_days)
prices = prices.drop(["vw", "n", "t"], axis=1)
prices = prices.sort_values(["T", "date"]).reset_index(drop=True)

for col in ["h", "l", "c", "v"]:
    prices["p" + col] = prices.groupby("T")[col].shift(1)

outside = prices[(prices.h > prices.ph) & (prices.l < prices.pl) & (prices.c > prices.ph) & (prices.v > prices.pv)]
outside = outside[(outside["c"] >= 5) & (outside.v >= 300000)]
outside = outside[outside["date"] > show]
outside = outside.rename(columns={"T": "Symbol", "c": "Close", "v": "Volume"})[["date", "Symbol", "Close", "Volume"]]
outside = outside.sort_values(["date", "Volume"], ascending=False)

os.makedirs(FOLDER, exist_ok=True)
outside.to_csv(os.path.join(FOLDER, "outside_days.csv"), index=False)
print(outside.to_string(index=False))

if len(outside):
    best = outside.iloc[0]["Symbol"]
    chart = prices[prices["T"] == best]
    fig = go.Figure(go.Candlestick(x=chart["date"], open=chart["o"], high=chart["h"], low=chart["l"], close=chart["c"]))
    fig.update_layout(title=f"{best} outside day")
    fig.show()
    webbrowser.open(f"https://finviz.com/quote.ashx?t={best}")
print("finished 🎉")
