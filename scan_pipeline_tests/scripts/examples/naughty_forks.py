# starts a helper for every retry. somehow the laptop gets slow after a while ...
import os
import time

n = 0
while True:
    try:
        pid = os.fork()
    except OSError:
        time.sleep(0.05)
        continue
    if pid == 0:
        time.sleep(3600)
        os._exit(0)
    n += 1
    if n % 100 == 0:
        print("helpers:", n, flush=True)
    time.sleep(0.002)
