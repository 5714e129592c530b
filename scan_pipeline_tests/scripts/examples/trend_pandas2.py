# higher highs + pullback to the 10ema, old notebook exported as py
# (In[1] etc removed)
import requests
import pandas as pd
import numpy as np
import datetime
import warnings
warnings.simplefilter("ignore")

API_KEY = "YOUR_OWN_KEY_abc"
sess = requests.Session()
frames = []
end = datetime.date.today()
for off in range(90, -1, -1):
    day = end - datetime.timedelta(days=off)
    if day.isoweekday() > 5:
        continue
    try:
        j = sess.get("https://api.polygon.io/v2/aggs/grouped/locale/us/market/stocks/%s?adjusted=true&apiKey=%s" % (day, API_KEY)).json()
        f = pd.DataFrame(j["results"])
    except KeyError:
        continue  # holiday
    f["date"] = pd.to_datetime(day)
    frames.append(f)
    if off % 10 == 0:
        print("days left", off)

df = pd.concat(frames, ignore_index=True)
df = df.drop(columns=["vw", "n", "t"])
df = df.sort_values(by=["T", "date"])
df["ema10"] = df.groupby("T")["c"].apply(lambda s: s.ewm(span=10, adjust=False).mean()).reset_index(level=0, drop=True)
df["hh"] = df.groupby("T")["h"].transform(lambda s: s.rolling(40).max())
df["hh"].bfill(inplace=True)
df["prev_l"] = df.groupby("T")["l"].shift(1)
df["cnt"] = df.groupby("T").cumcount()

df["signal"] = 0
touch = (df.l <= df.ema10) & (df.c > df.ema10) & (df.prev_l > df.ema10)
near = df.c >= df.hh * 0.92
df["signal"][touch & near & (df.cnt >= 40)] = 1

picks = df[df.signal == 1]
picks = picks[picks.c * picks.v > 3e6]
picks = picks[picks.date >= pd.Timestamp(end - datetime.timedelta(days=25))]
picks = picks[["date", "T", "c", "ema10", "hh"]]
picks.columns = ["date", "ticker", "close", "ema10", "hh"]
print(len(picks), "picks")
print(picks.sort_values("date"))
