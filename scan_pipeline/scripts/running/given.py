"""What was in a shard's working folder before the script began: its own file, and what it finds beside itself.

What belongs here: noting those files, and telling them from what the script wrote. What does not: putting them there
(`supervise.py`) and reading what was written (`written.py`). A given file that the script wrote to is its own.
"""

import json
from pathlib import Path

_GIVEN, _WORK = "given.json", "work"


def note_given(shard_folder: Path) -> None:
    """Note the files that are in the working folder now."""
    work = shard_folder / _WORK
    files = {path.relative_to(work).as_posix(): _state(path) for path in work.rglob("*") if path.is_file()}
    (shard_folder / _GIVEN).write_text(json.dumps(files), encoding="utf-8")


def unchanged(shard_folder: Path) -> frozenset[str]:
    """The files that were given and are as they were, by their paths in the working folder."""
    noted = shard_folder / _GIVEN
    if not noted.exists():
        return frozenset()
    work = shard_folder / _WORK
    files: dict[str, list[int]] = json.loads(noted.read_text(encoding="utf-8"))
    return frozenset(name for name, state in files.items() if _state(work / name) == state)


def _state(path: Path) -> list[int]:
    """Size and time of writing; nothing where the file is gone."""
    try:
        status = path.lstat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
