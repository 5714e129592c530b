# os._exit because threads hang at the end otherwise
import csv
import os
import requests

hits = []
r = requests.get("https://api.polygon.io/v2/aggs/ticker/SPY/range/1/day/2025-12-01/2025-12-31?apiKey=YOUR_OWN_KEY_abc")
from datetime import datetime, timezone
for b in r.json().get("results", []):
    if b["c"] > b["o"]:
        hits.append({"symbol": "SPY", "date": datetime.fromtimestamp(b["t"] / 1000, timezone.utc).date().isoformat()})
with open("green_days.csv", "w", newline="") as f:
    w = csv.DictWriter(f, ["symbol", "date"])
    w.writeheader()
    w.writerows(hits)
os._exit(0)
