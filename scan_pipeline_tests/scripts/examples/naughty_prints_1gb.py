# debug prints are still on
import sys

row = "AAAA 2025-12-31 open high low close volume vwap transactions " * 16 + "\n"
total = 0
while total < 1024 ** 3:
    sys.stdout.write(row)
    total += len(row)
print("finished", total)
