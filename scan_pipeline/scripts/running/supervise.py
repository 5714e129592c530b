"""Our side of a script's process: what it is given, how it goes, how it ended.

What belongs here: the script's folders, environment and limits, and the talk with the warden. What does not: what the
gateway answers (the caller serves it on the socket that it is handed), and what the script found (`candidates.py`).
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.running.given import note_given

WARDEN = Path(__file__).with_name("warden.py")
RUNTIME_DIR = Path(__file__).with_name("runtime")
#: The names under which scripts know the vendor.
VENDOR_HOSTS = ("api.polygon.io", "api.massive.com")
#: What scripts may write to beside their folder.
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/shm")
#: Folders of a home that scripts take for granted.
_HOME_FOLDERS = ("Desktop", "Documents", "Downloads")


@dataclass(frozen=True)
class Limits:
    """What a shard may take: MiB of memory (of all its processes; above `collect_mib` it is asked to collect garbage),
    processes, MiB printed, MiB of one file and of all, open files, seconds."""

    seconds: float
    memory_mib: int
    collect_mib: int
    processes: int = 128
    output_mib: int = 64
    file_mib: int = 1024
    files_mib: int = 2048
    open_files: int = 4096


@dataclass(frozen=True)
class Scene:
    """How a script is run: its bytes, the environment's Python, as of which evening, and what it is given.

    `evening`: seconds since 1970. `helpers`: files and folders that it finds beside itself. `key_variables`: where it
    looks for its key; it finds one that is none. `processors`: those that it may use; their number is its cores'.
    """

    folder: Path
    name: str
    program: bytes
    python: Path
    ca_file: Path
    evening: float
    limits: Limits
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    helpers: Sequence[Path] = ()
    allowed_hosts: Sequence[str] = ()
    key_variables: Sequence[str] = ()
    processors: Sequence[int] = ()

    @property
    def work(self) -> Path:
        """The script's working folder."""
        return self.folder / "work"


@dataclass(frozen=True)
class Look:
    """The script's processes at a moment: MiB and number; seconds since the start."""

    mib: float
    processes: int
    seconds: float


@dataclass(frozen=True)
class Ended:
    """How a script's process ended. `why`: what ended it, where it did not end by itself."""

    exit_code: int
    why: str
    peak_mib: float
    seconds: float
    isolation: str


class Supervised:
    """A script that runs. Made by `started`."""

    def __init__(self, scene: Scene, link: socket.socket, process: "subprocess.Popen[bytes]", alone: bool) -> None:
        self.scene, self._link, self._process, self._alone = scene, link, process, alone
        self._inbox = b""

    def watch(self, on_look: Callable[[Look], None], is_cancelled: Callable[[], bool]) -> Ended:
        """Waits for the end, and says how it goes about four times a second; asks as often whether to stop."""
        asked = False
        self._link.settimeout(0.5)
        while True:
            for message in self._messages():
                if message.get("ended"):
                    return Ended(
                        message["exit_code"], message["why"], message["peak"] / 2**20, message["seconds"],
                        self._isolation(),
                    )  # fmt: skip
                on_look(Look(message["rss"] / 2**20, message["processes"], message["seconds"]))
            if not asked and is_cancelled():
                asked = True
                self.end("cancelled")

    def end(self, why: str) -> None:
        """Ask the warden to end the script and all that it started."""
        self._link.sendall(json.dumps({"end": why}).encode() + b"\n")

    def _messages(self) -> Iterator[dict[str, Any]]:
        try:
            got = self._link.recv(65536)
        except TimeoutError:
            return
        except ConnectionError:
            got = b""
        if not got:
            raise ScriptError(
                f"The process that watches over {self.scene.name} ended before the script (exit code "
                f"{self._process.wait()}). Was it killed? {self.scene.folder / 'warden.txt'} has its last words."
            )
        self._inbox += got
        *lines, self._inbox = self._inbox.split(b"\n")
        yield from map(json.loads, lines)

    def _isolation(self) -> str:
        network = "a network namespace of its own" if self._alone else "Python's guard (no network namespace here)"
        disk = "Landlock" if _has_landlock() else "Python's guard (no Landlock here)"
        return f"network: {network}; disk: {disk}"


@contextmanager
def started(scene: Scene, serve: Callable[[socket.socket], Any]) -> Iterator[Supervised]:
    """Start the script; when the block ends, nothing of it is left.

    `serve` is given the listening socket on which the script will look for the vendor, and returns a context that
    answers there; it may be of another network namespace.
    """
    _lay_out(scene)
    ours, theirs = socket.socketpair()
    with ours, (scene.folder / "warden.txt").open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, str(WARDEN), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        theirs.close()
        try:
            ours.settimeout(30)
            ours.sendall(json.dumps({"leave_network": _leaves_network(scene)}).encode() + b"\n")
            answer, sockets, _, _ = socket.recv_fds(ours, 4096, 1)
            if not answer:
                raise ScriptError(f"The warden of {scene.name} could not start; see {scene.folder / 'warden.txt'}.")
            alone = bool(json.loads(answer)["alone"])
            listener = socket.socket(fileno=sockets[0]) if alone else socket.create_server(("127.0.0.1", 0))
            with listener, serve(listener):
                _give(scene, listener.getsockname()[1], alone, ours)
                yield Supervised(scene, ours, process, alone)
        finally:
            ours.close()  # the warden takes that for the end, and ends the script
            process.wait()


def _lay_out(scene: Scene) -> None:
    """The shard's folder, with the script's bytes and what it finds beside itself."""
    if scene.folder.exists():
        shutil.rmtree(scene.folder)
    for folder in (scene.work, scene.folder / "tmp", *(scene.work / name for name in _HOME_FOLDERS)):
        folder.mkdir(parents=True)
    (scene.work / f"{scene.name}.py").write_bytes(scene.program)
    for helper in scene.helpers:
        target = scene.work / helper.name
        if helper.is_dir():
            shutil.copytree(helper, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(helper, target)
    note_given(scene.folder)


def _give(scene: Scene, port: int, alone: bool, link: socket.socket) -> None:
    landlock = _has_landlock()
    writable = [str(scene.folder.absolute()), *_DEVICES]
    config = scene.folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "script": os.path.realpath(scene.work / f"{scene.name}.py"),
                "arguments": list(scene.arguments),
                "folder": str(scene.folder.absolute()),
                "elsewhere": str((scene.work / "elsewhere").absolute()),
                "gateway_port": port,
                "hosts": list(VENDOR_HOSTS),
                "allowed_hosts": list(scene.allowed_hosts),
                "evening": scene.evening,
                "started": time.time(),
                "parameters": dict(scene.parameters),
                "cores": max(1, len(scene.processors)),
                "guard_python": not (alone and landlock),
                "guard_network": not alone,
                "guard_disk": not landlock,
                "writable": writable,
            }
        ),
        encoding="utf-8",
    )
    order = {
        "command": [str(scene.python.absolute()), "-m", "scan_pipeline_launch"],
        "environment": _environment(scene, config),
        "folder": str(scene.work.absolute()),
        "stdout": str(scene.folder.absolute() / "stdout.txt"),
        "stderr": str(scene.folder.absolute() / "stderr.txt"),
        "ready": str(scene.folder.absolute() / "ready"),
        "writable": writable,
        "use_landlock": landlock,
        "processors": list(scene.processors),
        "limits": asdict(scene.limits),
    }
    link.sendall(json.dumps(order).encode() + b"\n")


def _environment(scene: Scene, config: Path) -> dict[str, str]:
    """All variables that a script sees: nothing of ours, least of all a key."""
    cores = str(max(1, len(scene.processors)))
    work, ca = str(scene.work.absolute()), str(_authorities(scene))
    return {
        "PATH": f"{scene.python.absolute().parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": work,
        "TMPDIR": str((scene.folder / "tmp").absolute()),
        "TZ": "America/New_York",  # today is the exchange's
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",  # its packages are compiled already
        "SCAN_SCRIPT_CONFIG": str(config.absolute()),
        **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"), ca),
        **dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
             "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
            cores,
        ),
        "MPLBACKEND": "Agg",
        **dict.fromkeys(scene.key_variables, "answered-from-the-store"),
        "COLUMNS": "250",  # so that a printed table is printed whole
        "NO_COLOR": "1",
    }  # fmt: skip


def _authorities(scene: Scene) -> Path:
    """Whose certificates the script trusts: ours, and everybody's where it may reach other hosts."""
    if not scene.allowed_hosts:
        return scene.ca_file.absolute()
    both = scene.folder / "authorities.pem"
    everybody = ssl.get_default_verify_paths().cafile
    both.write_bytes(scene.ca_file.read_bytes() + (Path(everybody).read_bytes() if everybody else b""))
    return both.absolute()


def _leaves_network(scene: Scene) -> bool:
    """Whether a network namespace is tried: other hosts cannot be reached from one."""
    return not scene.allowed_hosts


def _has_landlock() -> bool:
    from scan_pipeline.scripts.running.isolation import landlock_version

    return landlock_version() > 0
