# stops with a message so the .bat file shows it
import sys
from datetime import datetime, timezone
import requests

r = requests.get("https://api.polygon.io/v2/aggs/ticker/SPY/range/1/day/2025-12-01/2025-12-31?apiKey=YOUR_OWN_KEY_abc")
green = [{"ticker": "SPY", "date": datetime.fromtimestamp(b["t"] / 1000, timezone.utc).strftime("%Y-%m-%d"), "c": b["c"]}
         for b in r.json().get("results", []) if b["c"] > b["o"]]
for g in green:
    print(g["ticker"], g["date"])
sys.exit(f"done, {len(green)} green days")
