"""Runs at the start of every Python of a script's environment, by a line in a `.pth` file, and sets its scene.

What belongs here: what must hold in each process of a script, forked, spawned or started anew: where host names lead,
what time it is, how many cores there are, what nobody is there for. What does not: running the script itself
(`scan_pipeline_launch.py`), and limits that the kernel keeps (`warden.py`).

It runs inside the script's Python, next to packages of any age: it imports the standard library and the clock library
alone, at start as little of it as it can, and does nothing unless SCAN_SCRIPT_CONFIG names the configuration.
"""

import os
import sys

#: Names the file that says how the script is run; see `Scene` in `scripts/running/supervise.py`.
CONFIG = "SCAN_SCRIPT_CONFIG"


def set_scene(config):
    """Put everything in place. Called once a process, before anything of the script's."""
    _lead_hosts_to_gateway(config)
    if config["guard_python"]:
        _guard(config)
    _set_clock(config["evening"], config["started"])
    _show_cores(config["cores"])
    _answer_nobody()
    sys.meta_path.insert(0, _AfterImport(config))
    _run_script_as_given(config)


def note(config, what, detail):
    """Add to what is told about the run. One short line an event: appended at once, whatever process it is."""
    import json

    line = json.dumps({"what": what, "detail": str(detail)[:500]}) + "\n"
    with open(os.path.join(config["folder"], "recorded.jsonl"), "a", encoding="utf-8") as lines:
        lines.write(line)


def _lead_hosts_to_gateway(config):
    """The vendor's names lead to the gateway, the host that is written on its certificate; other names lead nowhere."""
    import socket

    asked = socket.getaddrinfo
    vendors, allowed, port = set(config["hosts"]), set(config["allowed_hosts"]), config["gateway_port"]

    def getaddrinfo(host, port_, family=0, type=0, proto=0, flags=0):
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        name = name.rstrip(".").lower() if isinstance(name, str) else name
        if name in vendors:
            return asked("127.0.0.1", port, socket.AF_INET, type or socket.SOCK_STREAM, proto, 0)
        if name in allowed or name is None or name == "localhost" or _is_address(socket, name):
            return asked(host, port_, family, type, proto, flags)
        note(config, "host refused", name)
        raise socket.gaierror(
            socket.EAI_NONAME,
            f"scan_pipeline: a script may reach {' and '.join(sorted(vendors))} alone, which are answered from the "
            f"store; it asked for {name}. SCAN_SCRIPT_HOSTS allows others",
        )

    socket.getaddrinfo = getaddrinfo


def _is_address(socket, name):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except (OSError, ValueError):
            continue
        return True
    return False


def _guard(config):
    """Where the kernel cannot keep the script from network and disk, Python does: for Python code alone."""
    writable = tuple(os.path.join(os.path.realpath(folder), "") for folder in config["writable"])
    gateway = config["gateway_port"]
    told = {"connect": config["guard_network"], "write": config["guard_disk"]}
    open_allowed = bool(config["allowed_hosts"])

    def may_connect(address):
        if not isinstance(address, tuple):
            return True  # a socket of this machine, by file
        return address[:2] == ("127.0.0.1", gateway) or (open_allowed and not str(address[0]).startswith("127."))

    def may_write(path):
        if isinstance(path, int):
            return True
        path = os.path.realpath(os.fsdecode(path))
        return (path + os.sep).startswith(writable) or path.startswith(("/dev/", "/proc/self/"))

    def refuse(event, arguments):
        if told["connect"] and event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            if arguments[1] is not None and not may_connect(arguments[1]):
                note(config, "connection refused", arguments[1])
                raise PermissionError(f"scan_pipeline: a script may not connect to {arguments[1]}")
        elif told["write"] and event == "open":
            path, mode, flags = arguments
            writes = set(mode or "") & set("wax+") or (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes and path is not None and not may_write(path):
                raise PermissionError(f"scan_pipeline: a script may write in its own folder alone, not {path}")
        elif told["write"] and event in ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate"):
            for path in arguments[:2] if event == "os.rename" else arguments[:1]:
                if not may_write(path):
                    raise PermissionError(f"scan_pipeline: a script may write in its own folder alone, not {path}")

    sys.addaudithook(refuse)


def _set_clock(evening, started):
    """It is the evening of the run's session, and time goes on from there."""
    import time
    import warnings

    import time_machine

    warnings.filterwarnings("ignore", message="System time is way off")  # urllib3, of sessions of the past
    # Monotonic clocks, sleeping and certificates keep the real time.
    time_machine.travel(evening + time.time() - started, tick=True).start()


def _show_cores(cores):
    """As many cores as the shard has: pools of `cpu_count()` processes inside pools do not pile up."""
    os.cpu_count = os.process_cpu_count = lambda: cores


def _answer_nobody():
    """Nobody is there to answer."""
    import builtins

    def nobody(prompt=""):
        raise EOFError(
            f"scan_pipeline: the script asks for input ({str(prompt).strip()!r}), and nobody is there to answer. "
            "Give the value as a parameter or an argument in the file beside the script"
        )

    builtins.input = nobody


class _AfterImport:
    """Changes a few modules when, and only if, the script imports them: what would open a window is noted instead."""

    def __init__(self, config):
        self.changes = {
            "webbrowser": self._webbrowser,
            "plotly.io._renderers": self._plotly,
            "matplotlib.pyplot": self._pyplot,
        }
        self.config = config

    def find_spec(self, name, path=None, target=None):
        if name not in self.changes:
            return None
        change = self.changes.pop(name)
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec

    def _webbrowser(self, module):
        def opened(url, *_, **__):
            note(self.config, "webbrowser.open", url)
            return True

        module.open = module.open_new = module.open_new_tab = opened
        module.BaseBrowser.open = lambda _, url, *__, **___: opened(url)
        for kind in ("GenericBrowser", "BackgroundBrowser", "UnixBrowser"):
            if hasattr(module, kind):
                setattr(getattr(module, kind), "open", lambda _, url, *__, **___: opened(url))  # noqa: B010
        module.get = lambda using=None: module.GenericBrowser("nobody")

    def _plotly(self, module):
        module.show = lambda figure, *_, **__: note(self.config, "show", type(figure).__name__)

    def _pyplot(self, module):
        module.show = lambda *_, **__: note(self.config, "show", "matplotlib figure")


def _run_script_as_given(config):
    """Spawned children run the script's file again: they get its given values too."""
    import runpy

    read = runpy._get_code_from_file

    def get_code(*arguments):
        path = os.path.realpath(os.fsdecode(arguments[-1]))
        if path != config["script"]:
            return read(*arguments)
        from scan_pipeline_given import compile_script

        code, _ = compile_script(config)
        return (code, arguments[-1]) if len(arguments) > 1 else code  # 3.11 wants both

    runpy._get_code_from_file = get_code


def _begin():
    name = os.environ.get(CONFIG)
    if not name:
        return
    import json

    with open(name, encoding="utf-8") as text:
        set_scene(json.load(text))


_begin()
