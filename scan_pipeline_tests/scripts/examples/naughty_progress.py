# never stops, I just leave it open all day
import time
import requests

n = 0
while True:
    n += 1
    if n % 500 == 1:
        requests.get("https://api.polygon.io/v2/aggs/ticker/SPY/prev?apiKey=YOUR_OWN_KEY_abc", timeout=10)
    print(f"\rscanning {n % 100:3d}% {'█' * (n % 40):<40}", end="", flush=True)
    time.sleep(0.001)
