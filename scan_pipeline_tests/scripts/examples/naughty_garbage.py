# writes the binary format of my charting program. also to the screen when piped
import os
import random
import sys

rnd = random.Random(4)
blob = bytes(rnd.randrange(256) for _ in range(50_000))
sys.stdout.buffer.write(blob)
sys.stdout.buffer.write(b"\n\xff\xfe\x00\x1b[2J\x1b]0;owned\x07 \xe2\x28\xa1 chart end\n")
sys.stdout.buffer.flush()
sys.stderr.buffer.write(blob[:2000])
with open("hits.csv", "wb") as f:
    f.write(blob)
with open("hits.json", "wb") as f:
    f.write(b"{\"symbol\": [" + blob[:100])
with open("hits.parquet", "wb") as f:
    f.write(b"PAR1" + blob + b"PAR1")
results = [{"symbol": blob[:20], "date": object()}, {1: float("nan")}, None, blob]
