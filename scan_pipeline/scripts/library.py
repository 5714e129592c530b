"""The user's scripts: files in a folder, each with what is known of it.

What belongs here: adding one, finding them, reading one. What does not: what a script is (`inspection.py`), and the
file beside it (`sidecar.py`).

A script's bytes are never changed. Modules and files that it takes from beside itself are added with it; a module that
another script imports is no script, unless a sidecar makes it one.
"""

import keyword
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.inspecting.inspection import Inspection, inspect
from scan_pipeline.scripts.inspecting.parsing import decode
from scan_pipeline.scripts.sidecar import Sidecar, proposed_sidecar, read_sidecar

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True)
class Script:
    """A script. `fault` says why it cannot be run, for one that cannot: its sidecar and inspection are then bare."""

    name: str
    path: Path
    program: bytes
    sidecar: Sidecar = field(default_factory=Sidecar)
    inspection: Inspection = field(default_factory=lambda: Inspection(Path(), "module-level code"))
    fault: str = ""

    @property
    def code_version(self) -> str:
        """Changes when the file does."""
        return sha256(self.program).hexdigest()[:12]

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.sidecar.title or self.name.replace("_", " ").capitalize()

    @property
    def helpers(self) -> list[Path]:
        """Modules, packages and files beside the script that it uses."""
        folder = self.path.parent
        modules = [_module(folder, name) for name in self.inspection.local_modules]
        files = [folder / Path(name).parts[0] for name in self.inspection.local_files]
        return [path for path in dict.fromkeys([*modules, *files]) if path.exists()]


def find_scripts(folder: Path) -> list[Script]:
    """All scripts in the folder, by name; also those that cannot be run, each with its fault."""
    return list(_found(folder, _state(folder)))


@lru_cache(4)
def _found(folder: Path, _state: tuple[object, ...]) -> tuple[Script, ...]:
    scripts = [read_script(path) for path in sorted(folder.glob("*.py")) if not path.name.startswith((".", "_"))]
    helpers = {name for script in scripts for name in script.inspection.local_modules}
    return tuple(one for one in scripts if one.name not in helpers or one.path.with_suffix(".toml").exists())


def _state(folder: Path) -> tuple[object, ...]:
    """What tells whether any file there has changed: to parse hundreds of scripts takes seconds, to ask does not."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one != "__pycache__")
        for name in sorted(names):
            path = os.path.join(parent, name)
            with suppress(FileNotFoundError):
                about = os.stat(path)
                found.append((path, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
    return tuple(found)


def read_script(path: Path) -> Script:
    """One script. What is wrong with it, or with the file beside it, is in its `fault`."""
    program = b""
    try:
        program = path.read_bytes()
        if not _is_name(path.stem):
            raise ScriptError(
                f"{path}: a script's name is small letters, digits and underscores, begins with a letter and is no "
                f"module of Python's. Rename it to {usable_name(path.stem)}.py."
            )
        inspection = inspect(decode(program, path), path)
        return Script(path.stem, path, program, read_sidecar(path.with_suffix(".toml")), inspection)
    except ScriptError as error:
        fault = str(error)
    except OSError as error:
        fault = f"{path} cannot be read: {error.strerror}."
    return Script(path.stem, path, program, fault=fault)


def add_script(
    source: Path, folder: Path, *, replace: bool = False, say: Callable[[str], None] = lambda _: None
) -> Script:
    """Copy a script into the folder, byte for byte, with what it uses from beside itself, and propose a sidecar.

    Nothing is overwritten unless `replace`; a sidecar never is. `say` is told where a name changes and what else was
    copied. Raises ScriptError where the file is no script, cannot be parsed, or another one has its name.
    """
    if source.suffix == ".ipynb":
        raise ScriptError(
            f"{source} is a notebook. `jupyter nbconvert --to script {source.name}` makes a script of it."
        )
    if source.suffix != ".py":
        raise ScriptError(f"{source} is no Python script: its name does not end in .py.")
    try:
        program = source.read_bytes()
    except OSError as error:
        raise ScriptError(f"{source} cannot be read: {error.strerror}.") from error
    inspection = inspect(decode(program, source), source)
    target = folder / f"{usable_name(source.stem)}.py"
    if target.stem != source.stem:
        say(f"{source.name} is added as {target.name}.")
    beside = Script(source.stem, source, program, inspection=inspection).helpers
    for path, to in [(source, target), *((helper, folder / helper.name) for helper in beside)]:
        _require_free(path, to, replace)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for helper in beside:
            if not _is_same(helper, folder / helper.name):
                _copy(helper, folder / helper.name)
                say(f"{helper.name} is added too: the script uses it.")
        if not _is_same(source, target):
            _copy(source, target)
        sidecar = target.with_suffix(".toml")
        if not sidecar.exists():
            sidecar.write_text(proposed_sidecar(inspect(decode(program, target), target)), encoding="utf-8")
    except OSError as error:
        raise ScriptError(
            f"{source} cannot be copied to {folder}: {error.strerror}. Make that folder writable, or set SCAN_DATA_DIR."
        ) from error
    return read_script(target)


def usable_name(stem: str) -> str:
    """A script's name made of a file's: `My Scan (2)` becomes `my_scan_2`."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "script"
    name = name if name[0].isalpha() else f"script_{name}"
    return name if _is_name(name) else f"{name}_script"


def _is_name(name: str) -> bool:
    # Beside other scripts, a module of Python's own name would be imported in its place.
    return bool(_NAME.match(name)) and not keyword.iskeyword(name) and name not in sys.stdlib_module_names


def _module(folder: Path, name: str) -> Path:
    return folder / f"{name}.py" if (folder / f"{name}.py").is_file() else folder / name


def _require_free(path: Path, target: Path, replace: bool) -> None:
    if not target.exists() or replace or _is_same(path, target):
        return
    raise ScriptError(
        f"{target} exists and differs from {path}. `scan-pipeline script add --replace` takes yours; or rename it."
    )


def _is_same(path: Path, other: Path) -> bool:
    if not other.exists() or path.is_dir() != other.is_dir():
        return False
    if path.is_dir():
        names = {one.relative_to(path) for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts}
        return all(_is_same(path / name, other / name) for name in names)
    return path.samefile(other) or path.read_bytes() == other.read_bytes()


def _copy(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        return
    aside = target.with_name(f".{target.name}.new")
    shutil.copyfile(path, aside)
    os.replace(aside, target)
