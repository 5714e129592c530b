# asks for the ticker, default is SPY
import requests

ticker = input("Ticker? ") or "SPY"
r = requests.get(f"https://api.polygon.io/v2/aggs/ticker/{ticker}/prev?apiKey=YOUR_OWN_KEY_abc")
print(ticker, r.json()["results"][0]["c"])
