# loads the whole tape into memory, the desktop has 64 GB
import time

tape = []
for n in range(1, 97):
    tape.append(bytearray(b"x" * (64 * 1024 * 1024)))   # 96 * 64 MB = 6 GB
    print("loaded", n * 64, "MB", flush=True)
    time.sleep(0.02)
print("SPY 2025-12-31")
