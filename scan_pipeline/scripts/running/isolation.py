"""What the kernel can do to keep a script from network and disk, on this machine.

What belongs here: the system calls, each of which says whether it worked. What does not: when they are made
(`warden.py`) and what Python does where the kernel cannot (`runtime/scan_pipeline_hook.py`). Standard library alone:
the warden, which imports this, starts in a few milliseconds.

- a network namespace: no network but a loopback of its own. https://man7.org/linux/man-pages/man7/network_namespaces.7.html
- Landlock: files can be read, but written in some folders alone. https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

#: Landlock's system calls have the same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
#: All ways to change a file or folder, by the version of Landlock that knows them.
_WRITES = {
    1: sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12)),  # write, remove, make …
    2: 1 << 13,  # move between folders
    3: 1 << 14,  # cut short
}
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
#: Abstract sockets and signals.
_SCOPES = 1 << 0 | 1 << 1


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def die_with_parent(with_signal: int = signal.SIGKILL) -> bool:
    """The kernel sends this signal when the parent ends."""
    return _prctl(_PR_SET_PDEATHSIG, with_signal)


def adopt_orphans() -> bool:
    """Descendants whose parent ends become children of this process, so that none is lost from sight."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def leave_network() -> bool:
    """Enter a network namespace that has a loopback and nothing else. Must be called while single-threaded."""
    try:
        user, group = os.getuid(), os.getgid()
        if _libc().unshare(_CLONE_NEWNET) != 0:
            if _libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
                return False
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _IFF_UP, b""))
    except (OSError, AttributeError):
        return False
    return True


def landlock_version() -> int:
    """The kernel's version of Landlock; 0 or less where it has none."""
    try:
        return int(_libc().syscall(_CREATE_RULESET, None, 0, 1))
    except AttributeError:
        return 0


def write_only_in(folders: Sequence[str]) -> bool:
    """Files can be changed beneath these folders alone, by this process and all that it starts, for good."""
    try:
        version = landlock_version()
        if version < 1 or not _prctl(_PR_SET_NO_NEW_PRIVS, 1):
            return False
        handled = sum(writes for since, writes in _WRITES.items() if since <= version)
        # From version 6 on, signals to processes outside are refused too.
        attributes = struct.pack("QQQ", handled, 0, _SCOPES) if version >= 6 else struct.pack("Q", handled)
        ruleset = _libc().syscall(_CREATE_RULESET, attributes, len(attributes), 0)
        if ruleset < 0:
            return False
        for folder in folders:
            if not os.path.exists(folder):
                continue
            allowed = handled if os.path.isdir(folder) else handled & (_WRITE_FILE | _TRUNCATE)
            opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", allowed, opened)
            failed = _libc().syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
            os.close(opened)
            if failed:
                return False
        restricted = int(_libc().syscall(_RESTRICT_SELF, ruleset, 0)) == 0
        os.close(ruleset)
    except (OSError, AttributeError):
        return False
    return restricted


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(_libc().prctl(option, value, 0, 0, 0) == 0)
    except AttributeError:
        return False  # not Linux


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
