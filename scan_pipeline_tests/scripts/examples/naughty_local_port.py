# talks to TWS on this machine. usage: python tws.py PORT
import socket
import sys
import urllib.request

port = int(sys.argv[1])
for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
    try:
        s = socket.create_connection((host, port), timeout=3)
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        print(host, "connected:", s.recv(200))
    except OSError as e:
        print(host, "failed:", e)
try:
    print("urllib", urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3).status)
except OSError as e:
    print("urllib failed:", e)
