# every core counts. pool in a pool, one per sector
import json
import multiprocessing as mp
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


def inner(x):
    return x * x


def outer(n):
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(inner, range(n)))


if __name__ == "__main__":
    seen = {
        "os": os.cpu_count(),
        "mp": mp.cpu_count(),
        "affinity": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": ThreadPoolExecutor()._max_workers,
        "processes": ProcessPoolExecutor()._max_workers,
    }
    with open("cores.json", "w") as f:
        json.dump(seen, f)
    print("cores", seen)
    with ProcessPoolExecutor(mp.cpu_count()) as pool:
        sums = list(pool.map(outer, range(1, 13)))
    out = [{"symbol": "SPY", "date": "2025-12-31", "score": sum(sums)}]
    print(out)
