# waits for the close
import time

print("waiting for 16:00 ...", flush=True)
while True:
    time.sleep(3600)
