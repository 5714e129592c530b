# uses the C dll of the broker
import ctypes
import requests

r = requests.get("https://api.polygon.io/v2/aggs/ticker/SPY/prev?apiKey=YOUR_OWN_KEY_abc")
print("last", r.json()["results"][0]["c"], flush=True)
ctypes.string_at(0)
