# keeps running in the background even if the terminal is closed, ctrl-c is annoying
import os
import signal
import sys
import time

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
heartbeat = os.path.abspath("heartbeat.txt")


def beat(name):
    while True:
        with open(heartbeat, "a") as f:
            f.write(f"{name} {os.getpid()} {time.monotonic():.2f}\n")
        time.sleep(0.2)


if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        beat("daemon")
    os._exit(0)
os.wait()
print("daemon is up", flush=True)
beat("main")
