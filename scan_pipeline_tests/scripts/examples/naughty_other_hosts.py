# also posts to my webhook and checks the news, falls back to the ip when dns is down again
import json
import socket
import requests

said = {}
for name, call in {
    "requests": lambda: requests.get("https://example.com/news", timeout=5).status_code,
    "plain http": lambda: requests.get("http://example.com/", timeout=5).status_code,
    "ip": lambda: socket.create_connection(("93.184.215.14", 80), timeout=5).getpeername(),
    "ipv6": lambda: socket.create_connection(("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 80), timeout=5).getpeername(),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hits", ("93.184.215.14", 9999)),
    "lookup": lambda: socket.gethostbyname("example.com"),
    "ip of the feed": lambda: requests.get("https://api.polygon.io.example.com/", timeout=5).status_code,
}.items():
    try:
        said[name] = f"ok {call()}"
    except Exception as e:
        said[name] = f"{type(e).__name__}: {e}"
    print(name, "->", said[name])
with open("contacts.json", "w") as f:
    json.dump(said, f, indent=1)
