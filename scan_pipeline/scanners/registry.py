"""Which scanners there are: the built-in ones and the user's own, each a file.

A SQL scanner is a select with a few header comments. What belongs here: finding and reading the files. What does not:
running them (`sql.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from scan_pipeline.errors import ScannerError
from scan_pipeline.scanners.parameters import Parameters, declared, overridden

BUILTIN_DIR = Path(__file__).parent / "builtin"
_HEADER = re.compile(r"^\s*--\s*(\w+)\s*:\s*(.*?)\s*$")
#: What a scanner can be called.
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
#: The header lines that a scanner may have: a title for people, the order of hits, how many to keep a session, its
#: parameters, and where its definition comes from.
HEADERS = ("title", "rank", "limit", "param", "source")
#: Overrides of parameters, by scanner.
Overrides = Mapping[str, Parameters]


@dataclass(frozen=True)
class SqlScanner:
    """A scanner file. `fault` says why it cannot be run, for one whose header is wrong: it fails alone, at its turn.

    `description` is what the comments at its head say beside the headers.
    """

    name: str
    path: Path
    text: str
    title: str
    rank: str
    limit: int | None
    fault: str | None = None
    parameters: Parameters = field(default_factory=dict)
    source: str = ""
    description: str = ""

    @property
    def code_version(self) -> str:
        """Changes when the file or a parameter does."""
        given = "".join(f"\n{name} = {value!r}" for name, value in sorted(self.parameters.items()))
        return sha256((self.text + given).encode()).hexdigest()[:12]

    def with_parameters(self, overrides: Parameters) -> "SqlScanner":
        """The scanner with other values for some of its parameters. Raises ScannerError for one that it has not."""
        return replace(self, parameters=overridden(self.name, self.parameters, overrides)) if overrides else self


def find_scanners(user_dir: Path, overrides: Overrides | None = None) -> list[SqlScanner]:
    """All scanners, by name. A file with the name of a built-in one is a scanner that fails, and says why.

    `overrides`: other values of parameters. Raises ScannerError for a scanner or a parameter that is not there.
    """
    scanners = {path.stem: read_scanner(path) for path in sorted(BUILTIN_DIR.glob("*.sql"))}
    for path in sorted(user_dir.glob("*.sql")):
        scanner = read_scanner(path)
        if path.stem in scanners:
            fault = f"{path} has the name of a built-in scanner, {path.stem}. Rename your file."
            scanner = replace(scanner, name=f"{user_dir.name}_{path.stem}", fault=fault)
        scanners[scanner.name] = scanner
    for name, values in (overrides or {}).items():
        if name not in scanners:
            raise ScannerError(f"There is no SQL scanner {name}. There are {', '.join(sorted(scanners))}.")
        scanners[name] = scanners[name].with_parameters(values)
    return sorted(scanners.values(), key=lambda scanner: scanner.name)


def read_scanner(path: Path) -> SqlScanner:
    """One scanner file; faults of its header are kept in `fault`."""
    headers: dict[str, str] = {}
    parameters: dict[str, float] = {}
    faults, described = [], []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        text = ""
        faults.append(f"cannot be read: {error}")
    for number, line in enumerate(text.splitlines(), start=1):
        found = _HEADER.match(line)
        if not found or found[1].lower() not in HEADERS:
            if line.strip() and not line.lstrip().startswith("--"):
                break
            described.append(line.strip().removeprefix("--").strip())
            continue
        name, value = found[1].lower(), found[2]
        try:
            if name == "param":
                parameters.update([declared(value)])
            elif name == "limit" and not re.fullmatch("[1-9][0-9]*", value):
                raise ValueError(f"limit must be a whole number above 0, found '{value}'")
            headers[name] = value
        except ValueError as error:
            faults.append(f"line {number}: {error}")
    if not NAME.match(path.stem):
        faults.append("the file's name must be small letters, digits and underscores, beginning with a letter")
    return SqlScanner(
        name=path.stem,
        path=path,
        text=text,
        title=headers.get("title", path.stem.replace("_", " ").capitalize()),
        rank=headers.get("rank", ""),
        limit=int(headers["limit"]) if "limit" in headers and not faults else None,
        fault=f"{path}: {'; '.join(faults)}. Mend it." if faults else None,
        parameters=parameters,
        source=headers.get("source", ""),
        description=" ".join(line for line in described if line),
    )
