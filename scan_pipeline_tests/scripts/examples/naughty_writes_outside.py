# puts the hits where my other tools look for them. usage: python export.py FOLDER_OR_FILE ...
import json
import os
import pwd
import sys

home = pwd.getpwuid(os.getuid()).pw_dir
targets = sys.argv[1:] + [os.path.join(home, "scan_hits_export.txt"), os.path.expanduser("~/scan_hits_export.txt"),
                          "/tmp/scan_hits_export.txt", "/usr/local/scan_hits_export.txt", "../../scan_hits_export.txt"]
said = {}
for t in targets:
    path = os.path.join(t, "scan_hits_export.txt") if os.path.isdir(t) else t
    try:
        with open(path, "ab") as f:
            f.write(b"SPY 2025-12-31\n")
        said[t] = "written"
    except OSError as e:
        said[t] = f"{type(e).__name__}: {e}"
    print(t, "->", said[t])
with open("targets.json", "w") as f:
    json.dump(said, f, indent=1)
