"""The process between us and a script: it starts the script, keeps it within its limits, and lets nothing outlive it.

The algorithm, in a process of its own for each shard:

1.  Ask the kernel to be told when our process ends, and to be given every orphan of the script's.
2.  Leave the network, where the system allows, and hand the listening socket of the gateway back to us.
3.  When told to go: start the script in a session of its own, with the limits that the kernel keeps.
4.  Every quarter of a second look at all its descendants: memory, number, what was printed and written, time.
5.  What is over a limit ends the script: SIGINT, which lets it keep what it found, then SIGTERM, then SIGKILL.
    So does our word, our end, and a signal.
6.  When the script has ended, end every descendant that is left; say how it ended.

What belongs here: processes and limits. What does not: what a script is given, or what became of it. Run as a file, by
our Python; it speaks JSON lines over the socket that it inherits, and reads `Limits` from there.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

import psutil

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import isolation  # type: ignore[import-not-found]  # beside this file, without its package

MIB = 2**20
#: Seconds between two looks at the processes.
LOOK_EVERY = 0.25
#: Seconds that a script has after SIGINT, and after SIGTERM.
GRACE = {signal.SIGINT: 5.0, signal.SIGTERM: 2.0}
#: Seconds between two requests to collect garbage.
COLLECT_EVERY = 5.0


class Warden:
    """One script's process tree."""

    def __init__(self, link: socket.socket, order: dict[str, Any]) -> None:
        self.link, self.order, self.limits = link, order, order["limits"]
        self.script: int = 0
        self.status: int | None = None
        self.why = ""
        self.peak = 0
        self.started = time.monotonic()
        self.collected_at = 0.0
        self.signals = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
        self.others = _process_count()
        self.next_signal_at = float("inf")
        self.inbox = b""

    def start(self) -> None:
        """Step 3."""
        self.script = os.fork()
        if self.script == 0:
            try:
                self._become_script()
            except BaseException as error:  # said on the script's stderr, the only place there is
                os.write(2, f"scan_pipeline: the script could not be started: {error}\n".encode())
            os._exit(127)

    def _become_script(self) -> None:
        order = self.order
        os.setsid()
        isolation.die_with_parent(signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(order["folder"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        out, err = (os.open(order[name], append, 0o600) for name in ("stdout", "stderr"))
        for ours, theirs in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(ours, theirs)
        os.closerange(3, 256)
        if order["processors"]:
            os.sched_setaffinity(0, order["processors"])
        for limit, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, self.limits["open_files"]),
            (resource.RLIMIT_FSIZE, self.limits["file_mib"] * MIB),
        ):
            _, hard = resource.getrlimit(limit)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, value))
        if sys.platform == "linux":
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
                score.write("1000")  # where memory runs out, the script goes first
        if order["use_landlock"]:
            isolation.write_only_in(order["writable"])
        os.execve(order["command"][0], order["command"], order["environment"])

    def watch(self) -> None:
        """Steps 4 to 6: returns when the script and all its descendants are gone."""
        looked = 0.0
        while self.status is None:
            self._hear(timeout=0.05)
            self._reap()
            now = time.monotonic()
            # What forks without end is met before it has grown: counting the machine's processes costs next to nothing.
            grown = _process_count() - self.others > self.limits["processes"]
            if (now - looked >= LOOK_EVERY or grown) and self.status is None:
                looked = now
                self._look(now)
            if now >= self.next_signal_at:
                self._signal(now)
        self._end_all()

    def end(self, why: str) -> None:
        """Begin to end the script; the first reason is the one that is told."""
        if not self.why:
            self.why = why
            self.next_signal_at = 0.0

    def _hear(self, timeout: float) -> None:
        readable, _, _ = select.select([self.link], [], [], timeout)
        if not readable:
            return
        try:
            got = self.link.recv(4096)
        except OSError:
            got = b""
        if not got:
            self.end("abandoned")
            time.sleep(timeout)  # the link stays readable
            return
        self.inbox += got
        while b"\n" in self.inbox:
            line, self.inbox = self.inbox.split(b"\n", 1)
            self.end(json.loads(line)["end"])

    def _reap(self) -> None:
        """Take leave of what has ended: the script, and orphans that became ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.status = 0 if self.status is None and not self.script else self.status
                return
            if pid == 0:
                return
            if pid == self.script:
                self.status = status

    def _look(self, now: float) -> None:
        limits = self.limits
        processes = self._descendants()
        if len(processes) > limits["processes"]:
            self.signals, self.next_signal_at = [signal.SIGKILL], 0.0
            self.end(f"processes: {len(processes):,}")
            return
        memory = sum(_memory(one, is_alone=len(processes) == 1) for one in processes)
        self.peak = max(self.peak, memory)
        seconds = now - self.started
        self.say({"rss": memory, "processes": len(processes), "seconds": round(seconds, 1)})
        printed = sum(_size(self.order[name]) for name in ("stdout", "stderr"))
        if memory > limits["memory_mib"] * MIB:
            self.signals, self.next_signal_at = [signal.SIGKILL], 0.0  # there is no time to ask
            self.end(f"memory: {memory / MIB:,.0f} MiB")
        elif printed > limits["output_mib"] * MIB:
            self.end(f"output: {printed / MIB:,.0f} MiB")
        elif seconds > limits["seconds"]:
            self.end(f"timeout: {seconds:.0f} s")
        elif (
            memory > limits["collect_mib"] * MIB
            and now - self.collected_at > COLLECT_EVERY
            and os.path.exists(self.order["ready"])
        ):
            self.collected_at = now
            os.kill(self.script, signal.SIGUSR1)
        if int(seconds / LOOK_EVERY) % 8 == 0:  # a walk over files, now and then
            written = _tree_size(self.order["folder"], limits["files_mib"] * MIB)
            if written > limits["files_mib"] * MIB:
                self.end(f"files: {written / MIB:,.0f} MiB")

    def _signal(self, now: float) -> None:
        number = self.signals.pop(0) if len(self.signals) > 1 else self.signals[0]
        self.next_signal_at = now + GRACE.get(number, 0.1)
        if number == signal.SIGKILL:
            self._kill_descendants()
            return
        try:
            os.killpg(self.script, number)
        except ProcessLookupError:
            return

    def _end_all(self) -> None:
        """Nothing outlives the script."""
        deadline = time.monotonic() + GRACE[signal.SIGTERM]
        left = self._descendants()
        for one in left:
            _send(one, signal.SIGTERM)
        while left and time.monotonic() < deadline:
            self._reap()
            left = self._descendants()
            time.sleep(0.02)
        while self._descendants():
            self._kill_descendants()

    def _kill_descendants(self) -> None:
        """Its own group at once, which no fork escapes; those that left it are stopped first, and start no others."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.script, signal.SIGKILL)
        stopped: set[int] = set()
        while new := [one for one in self._descendants() if one.pid not in stopped]:
            for one in new:
                _send(one, signal.SIGSTOP)
                stopped.add(one.pid)
        for one in self._descendants():
            _send(one, signal.SIGKILL)
        time.sleep(0.02)
        self._reap()

    def _descendants(self) -> list[psutil.Process]:
        found = []
        for one in psutil.Process().children(recursive=True):
            try:
                if one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
            except psutil.Error:
                continue
        return found

    def say(self, message: dict[str, Any]) -> None:
        """A line to our process; where that is gone, the link's end ends the script."""
        try:
            self.link.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.end("abandoned")


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except (psutil.Error, PermissionError):
        return  # it has ended meanwhile


def _process_count() -> int:
    """Processes on this machine; 0 where there is no /proc to ask."""
    try:
        return sum(name.isdigit() for name in os.listdir("/proc"))
    except FileNotFoundError:
        return 0


def _memory(process: psutil.Process, *, is_alone: bool) -> int:
    """Bytes in memory; what several processes share counts once, each has its part of it."""
    try:
        if is_alone or not hasattr(psutil.Process, "memory_full_info"):
            return int(process.memory_info().rss)
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0  # it has ended meanwhile, or is none of ours to look at


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _tree_size(folder: str, enough: int) -> int:
    """Bytes on disk below a folder; it stops counting at `enough`."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                continue
        if total > enough:
            break
    return total


def main() -> None:
    """The seven steps. The order comes over the socket; its first line is all that is known of the network."""
    link = socket.socket(fileno=int(sys.argv[1]))
    isolation.die_with_parent(signal.SIGTERM)
    isolation.adopt_orphans()
    alone = json.loads(_line(link))["leave_network"] and isolation.leave_network()
    if alone:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        socket.send_fds(link, [b'{"alone": true}\n'], [listener.fileno()])
        listener.close()
    else:
        link.sendall(b'{"alone": false}\n')
    warden = Warden(link, json.loads(_line(link)))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: warden.end("abandoned"))
    warden.start()
    warden.watch()
    status = warden.status or 0
    warden.say(
        {
            "ended": True,
            "exit_code": os.waitstatus_to_exitcode(status),
            "why": warden.why,
            "peak": warden.peak,
            "seconds": time.monotonic() - warden.started,
        }
    )


def _line(link: socket.socket) -> bytes:
    """One line, byte by byte: what follows it is another's. The end of our process is the end of this one."""
    line = b""
    while not line.endswith(b"\n"):
        got = link.recv(1)
        if not got:
            sys.exit(0)
        line += got
    return line


if __name__ == "__main__":
    main()
