"""What a scanner's code is made of, without running it: its file, the files beside it that it imports, and packages.

What belongs here: following imports and naming versions. What does not: what the file declares (`library.py`).
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from scan_pipeline.features.version import features_version

#: What every scanner is run with.
_ALWAYS = ("pandas", "numpy")


@cache
def runner_version() -> str:
    """Changes with the code that runs scanners, with how bars are laid out and adjusted, and with Python's version."""
    parts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    parts += [features_version().encode(), sys.version.split()[0].encode()]
    return sha256(b"\0".join(parts)).hexdigest()[:12]


def imports_of(tree: ast.AST) -> set[str]:
    """The modules that a syntax tree imports, wherever, by their whole names; `.` in front for relative ones."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            found.add(source)
            found |= {f"{source}.{alias.name}".replace("..", ".") for alias in node.names}
    return found


def helpers_of(path: Path, tree: ast.AST) -> dict[Path, bytes]:
    """The files beside a scanner that it imports, and that these import, with their bytes; sorted by path."""
    found: dict[Path, bytes] = {}
    left = [tree]
    while left:
        for file in _local_files(path.parent, imports_of(left.pop())):
            if file in found or file == path:
                continue
            try:
                found[file] = file.read_bytes()
                left.append(ast.parse(found[file]))
            except (OSError, SyntaxError, ValueError):
                found.setdefault(file, b"")  # importing it fails, in words
    return dict(sorted(found.items()))


def code_version(
    source: bytes, helpers: Mapping[Path, bytes], trees: set[str], parameters: Mapping[str, object]
) -> str:
    """Changes with the file, its helpers, the parameters' values, Python, and the versions of imported packages.

    `trees`: the names of all modules that they import.
    """
    parts = [source, *(path.name.encode() + b"\0" + text for path, text in helpers.items())]
    parts += [f"{name} = {value!r}".encode() for name, value in sorted(parameters.items())]
    parts += [f"{name} {_version(name)}".encode() for name in sorted({*_ALWAYS, *_packages(trees)})]
    parts.append(runner_version().encode())
    return sha256(b"\0".join(parts)).hexdigest()[:12]


def _local_files(folder: Path, modules: set[str]) -> Iterator[Path]:
    for module in modules:
        place = folder
        for part in module.lstrip(".").split("."):
            place = place / part
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if part and file.is_file():
                    yield file


def _packages(modules: set[str]) -> set[str]:
    tops = {module.split(".")[0] for module in modules}
    return {top for top in tops if top and top not in sys.stdlib_module_names and top != "scan_pipeline"}


@cache
def _version(top: str) -> str:
    """The version of the distribution that a module comes from; empty where it comes from none."""
    try:
        return version(top)
    except PackageNotFoundError:
        named = packages_distributions().get(top, [])
        return " ".join(f"{name} {version(name)}" for name in sorted(set(named)))
