# checks that the feed is up. that is all it does
import requests

r = requests.get("https://api.polygon.io/v2/aggs/ticker/SPY/prev", params={"apiKey": "YOUR_OWN_KEY_abc"})
print("feed ok" if r.status_code == 200 else "feed down")
