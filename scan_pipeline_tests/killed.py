"""What a process that is killed leaves of its data: for every line of the product that it might be killed before.

A kill takes what a process has in its memory, and nothing of what it has written. So what it leaves is what its files
hold at that moment, and work that is done once, its files copied whenever they have become others, shows what a kill
before each of its lines would leave. `store/test_killed.py` holds this against processes that are really killed.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import scan_pipeline

PRODUCT = str(Path(scan_pipeline.__file__).parent) + os.sep


class Lines:
    """Calls somebody before each line of the product that this thread comes to."""

    def __init__(self, before: Callable[[], None]) -> None:
        self.before = before

    def _call(self, frame: FrameType, event: str, _: object) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PRODUCT) else None

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            self.before()
        return self._line

    def __enter__(self) -> "Lines":
        self.traced = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.traced)


def left_by_kills(work: Callable[[], object], data_dir: Path, into: Path) -> tuple[int, list[Path]]:
    """Copies of the data folder as kills before one line after another of the work leave it, in the order of the lines.

    The first is what was there before. Where the files did not change from one line to the next, there is one copy.
    Also, how many lines the work came to.
    """
    copies: list[Path] = []
    seen: list[Any] = [None]
    lines = 0

    def look() -> None:
        nonlocal lines
        lines += 1
        found = _written(data_dir)
        if found != seen[0]:
            seen[0] = found
            copies.append(into / f"killed_{len(copies):03}")
            shutil.copytree(data_dir, copies[-1], symlinks=True, ignore_dangling_symlinks=True)

    look()
    with Lines(look):
        work()
    look()
    return lines, copies


def _written(folder: Path) -> list[tuple[Any, ...]]:
    """What tells the files of a folder from what they were before a write."""
    found: list[tuple[Any, ...]] = []
    folders = [os.fspath(folder)]
    for one in folders:
        for entry in os.scandir(one):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                about = entry.stat(follow_symlinks=False)
                found.append((entry.path, about.st_ino, about.st_size, about.st_mtime_ns))
    return found
