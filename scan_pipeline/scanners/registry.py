"""Which scanners there are: the built-in ones and the user's own, each a file.

A SQL scanner is a select with a few header comments. What belongs here: finding and reading the files. What does not:
running them (`sql.py`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

BUILTIN_DIR = Path(__file__).parent / "builtin"
_HEADER = re.compile(r"^--\s*(\w+)\s*:\s*(.*?)\s*$")
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
#: The header lines that a scanner may have: a title for people, the order of hits, and how many to keep a session.
HEADERS = ("title", "rank", "limit")


@dataclass(frozen=True)
class SqlScanner:
    """A scanner file. `fault` says why it cannot be run, for one whose header is wrong: it fails alone, at its turn."""

    name: str
    path: Path
    text: str
    title: str
    rank: str
    limit: int | None
    fault: str | None = None

    @property
    def code_version(self) -> str:
        """Changes when the file does."""
        return sha256(self.text.encode()).hexdigest()[:12]


def code_versions_of(scanners: Iterable[SqlScanner]) -> dict[str, str]:
    """The versions of the scanners' code, by name."""
    return {scanner.name: scanner.code_version for scanner in scanners}


def find_scanners(user_dir: Path) -> list[SqlScanner]:
    """All scanners, by name. A file with the name of a built-in one is a scanner that fails, and says why."""
    scanners = {path.stem: read_scanner(path) for path in sorted(BUILTIN_DIR.glob("*.sql"))}
    for path in sorted(user_dir.glob("*.sql")):
        scanner = read_scanner(path)
        if path.stem in scanners:
            fault = f"{path} has the name of a built-in scanner, {path.stem}. Rename your file."
            scanner = replace(scanner, name=f"{user_dir.name}_{path.stem}", fault=fault)
        scanners[scanner.name] = scanner
    return sorted(scanners.values(), key=lambda scanner: scanner.name)


def read_scanner(path: Path) -> SqlScanner:
    """One scanner file; faults of its header are kept in `fault`."""
    headers, faults = {}, []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        text = ""
        faults.append(f"cannot be read: {error}")
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _HEADER.match(line):
            if found[1] in HEADERS:
                headers[found[1]] = found[2]
        elif line.strip() and not line.startswith("--"):
            break
        if found and found[1] == "limit" and not re.fullmatch("[1-9][0-9]*", found[2]):
            faults.append(f"line {number}: limit must be a whole number above 0, found '{found[2]}'")
    if not _NAME.match(path.stem):
        faults.append("the file's name must be small letters, digits and underscores, beginning with a letter")
    return SqlScanner(
        name=path.stem,
        path=path,
        text=text,
        title=headers.get("title", path.stem.replace("_", " ").capitalize()),
        rank=headers.get("rank", ""),
        limit=int(headers["limit"]) if "limit" in headers and not faults else None,
        fault=f"{path}: {'; '.join(faults)}. Mend it." if faults else None,
    )
