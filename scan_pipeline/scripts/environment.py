"""Virtual environments for scripts: one for each set of requirements, made once, shared by all that need the same.

What belongs here: making one, telling whether it is sound, and the runtime's files in it. What does not: what is in it
(`requirements.py`), and running anything of a script's.

An environment is sound when it was completed, its Python starts, and every file of its packages is there in its full
size. One that is not is made anew; one that is needs no package index. It is made where it stays, because virtual
environments cannot be moved; a file `.complete` is written last. Locks are kept by files beside the environments.
"""

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scan_pipeline.errors import ScriptError
from scan_pipeline.scripts.requirements import Requirements

MARKER = ".complete"
#: Runs at the start of every Python of the environment.
HOOK = "scan_pipeline_script.pth"
#: Shares the packages of a user's own Python. It is read before the hook's, which needs none of them.
SHARED = "scan_pipeline_packages.pth"
#: The oldest Python for which there is the clock.
_OLDEST = (3, 9)
#: Variables that pip may need: where its index is, how to get there, and whose certificates it trusts.
_PASSED = re.compile(r"^(PATH|HOME|LANG|LC_ALL|TMPDIR|PIP_.*|XDG_.*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|NETRC)$")
_PROXIES = re.compile(r"^(https?|all|no)_proxy$", re.IGNORECASE)
_NOT_PASSED = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV"}
_ABOUT = (
    "import json, site, sys; user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []; "
    "print(json.dumps([list(sys.version_info[:3]), sys.base_prefix, site.getsitepackages() + user]))"
)
_FIND = (
    "import importlib.util, json, sys\n"
    "def has(name):\n"
    "    try:\n        return importlib.util.find_spec(name) is not None\n"
    "    except (ImportError, ValueError, AttributeError):\n        return name in sys.modules\n"
    "print(json.dumps([name for name in sys.argv[1:] if not has(name)]))"
)
#: What pip says went wrong: the package is the group; the words are ours.
_FAULTS = (
    (r"Invalid requirement: ['\"]?([^'\"\n:]+)", "is no requirement"),
    (r"Cannot install (.+?) because these package versions have conflicting", "do not go together"),
    (r"Failed building wheel for (\S+)", "has no wheel for this Python and could not be built"),
    (r"Failed to build ['\"]?([^'\"\s]+)", "has no wheel for this Python and could not be built"),
    (r"No matching distribution found for (.+)", "is not in the package index, or not for this Python"),
    (r"Could not find a version that satisfies the requirement (\S+)", "is not in the package index"),
    (r"(\S+) requires a different Python", "is not for this Python"),
)
_OFFLINE = re.compile(r"NewConnectionError|Name or service not known|name resolution|ProxyError|Connection refused")


def prepare_environment(needs: Requirements, folder: Path, runtime: Path, say: Callable[[str], None]) -> Path:
    """The Python of an environment that fulfils `needs`, in `folder`; made where there is none that is sound.

    `runtime`: a folder whose Python files every such Python finds, and of which it imports `scan_pipeline_hook` when
    it starts. `say` is told what takes long. Raises ScriptError that names the package that failed, and pip's log.
    """
    version, home, sites = _about(needs.python)
    _require_version(needs, version)
    identity = json.dumps([sorted(needs.packages), sorted(needs.constraints), version, home, sites, str(needs.python)])
    environment = folder.absolute() / sha256(identity.encode()).hexdigest()[:16]
    if not _is_ready(environment, runtime):
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(environment.with_suffix(".lock"), say):
            if not _is_sound(environment):
                _build(environment, needs, sites, say)
            _install_runtime(environment, runtime)
    return _python(environment)


def missing_imports(python: Path, names: Sequence[str]) -> list[str]:
    """Those of the top-level modules `names` that this Python does not find. Raises ScriptError if it cannot start."""
    if not names:
        return []
    missing: list[str] = _asked(python, _FIND, names)
    return missing


def _about(python: Path | None) -> tuple[list[int], str, list[str]]:
    """Version, home and folders of packages of the user's Python, or of ours without its packages."""
    if python is None:
        return list(sys.version_info[:3]), sys.base_prefix, []
    if not python.is_file():
        raise ScriptError(f"There is no Python {python}. Correct `python` in the file beside the script.")
    if not os.access(python, os.X_OK):
        raise ScriptError(
            f"{python} cannot be executed: it is no Python. Correct `python` in the file beside the script."
        )
    # Not isolated: packages that were installed for the user alone count too.
    version, home, sites = _asked(python, _ABOUT, (), isolated=False)
    return version, home, [site for site in sites if Path(site).is_dir()]


def _asked(python: Path, program: str, arguments: Sequence[str], isolated: bool = True) -> Any:
    """What a one-line program says in JSON."""
    try:
        run = subprocess.run(
            [python, *(["-I"] if isolated else []), "-c", program, *arguments],
            capture_output=True, text=True, timeout=120, env=_environment(), stdin=subprocess.DEVNULL, check=True,
            cwd="/",
        )  # fmt: skip
        return json.loads(run.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        last = next(reversed(error.stderr.strip().splitlines()), f"exit code {error.returncode}")
        raise ScriptError(f"{python} does not work as a Python: {last}. Name another one.") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise ScriptError(f"{python} does not work as a Python: {error}. Name another one.") from error


def _require_version(needs: Requirements, version: list[int]) -> None:
    text = ".".join(map(str, version))
    named = f"{needs.python} is Python" if needs.python else "scan_pipeline runs on Python"
    if tuple(version) < _OLDEST:
        raise ScriptError(f"{named} {text}; scripts need {'.'.join(map(str, _OLDEST))} at least. Name a newer one.")
    if needs.requires_python:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = SpecifierSet(needs.requires_python).contains(text, prereleases=True)
        except InvalidSpecifier as error:
            raise ScriptError(f"The script's `requires-python` is not usable: {error}. Correct it.") from error
        if not fits:
            raise ScriptError(
                f"The script asks for Python {needs.requires_python}, but {named} {text}. Name one that fits in "
                "`python` of the file beside the script."
            )


def _is_ready(environment: Path, runtime: Path) -> bool:
    return _is_sound(environment) and _has_runtime(environment, runtime)


def _is_sound(environment: Path) -> bool:
    """Whether the environment was completed, its packages are whole, and its Python starts with the clock in it."""
    try:
        packages = set(json.loads((environment / MARKER).read_bytes()))
    except (OSError, ValueError):
        return False
    site = _site(environment)
    if site is None or packages - {one.name for one in site.glob("*.dist-info")} or not _is_whole(site):
        return False
    try:
        subprocess.run(
            [_python(environment), "-I", "-c", "import time_machine"],
            check=True, capture_output=True, timeout=120, env=_environment(), stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _is_whole(site: Path) -> bool:
    """Whether every file that was installed is there in the size that was noted when it was."""
    for record in site.glob("*.dist-info/RECORD"):
        with record.open(encoding="utf-8", newline="") as rows:
            for name, _, size in csv.reader(rows):
                try:
                    # A wheel may bring compiled files, which are compiled anew.
                    if size and not name.endswith(".pyc") and os.stat(site / name).st_size != int(size):
                        return False
                except OSError:
                    return False
    return True


def _build(environment: Path, needs: Requirements, sites: list[str], say: Callable[[str], None]) -> None:
    packages = dict.fromkeys(re.split(r"[^A-Za-z0-9_.-]", one, maxsplit=1)[0] for one in needs.packages)
    say(f"Making an environment for scripts with {', '.join(packages)}. This is done once and takes about a minute.")
    log = environment.with_suffix(".log")
    if environment.exists():
        shutil.rmtree(environment)
    with log.open("wb") as words:
        # Our pip, where we have one, spares installing it into each.
        ours = importlib.util.find_spec("pip") is not None
        bare = ["--without-pip"] if ours else []
        _run([needs.python or sys.executable, "-m", "venv", *bare, environment], words, log, "python -m venv failed")
        python = _python(environment)
        pip = [sys.executable, "-I", "-m", "pip", "--python", python] if ours else [python, "-I", "-m", "pip"]
        bounds = environment / "constraints.txt"
        bounds.write_text("\n".join(needs.constraints) + "\n", encoding="utf-8")
        options = ["--disable-pip-version-check", "--no-input", "--quiet", "--compile", "--constraint", bounds]
        _run([*pip, "install", *options, *needs.packages], words, log, "pip failed")
    site = _site(environment)
    assert site is not None
    if sites:
        # As Python does with its own folder of packages: what is installed there in place is found too.
        lines = [f"import site; site.addsitedir({one!r})\n" for one in sites]
        (site / SHARED).write_text("".join(lines), encoding="utf-8")
    installed = sorted(one.name for one in site.glob("*.dist-info"))
    _write_aside(environment / MARKER, json.dumps(installed).encode())


def _run(command: Sequence[object], words: Any, log: Path, failed: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        stdout=words, stderr=words, stdin=subprocess.DEVNULL, env=_environment(), check=False,
    )  # fmt: skip
    if done.returncode:
        raise ScriptError(
            f"The environment for the script could not be made: {_why(log) or failed}. What was said is in {log}. Name "
            "the packages that it needs in `requirements` of the file beside it, or in `python` a Python that has them."
        )


def _why(log: Path) -> str:
    """What pip's log says, with the package that failed."""
    text = log.read_text(encoding="utf-8", errors="replace")
    for pattern, words in _FAULTS:
        if match := re.search(pattern, text):
            offline = ", and the package index could not be reached" if _OFFLINE.search(text) else ""
            return f"{match[1].strip()} {words}{offline}"
    return "the package index could not be reached" if _OFFLINE.search(text) else ""


def _has_runtime(environment: Path, runtime: Path) -> bool:
    site = _site(environment)
    try:
        return site is not None and all((site / name).read_bytes() == text for name, text in _runtime_files(runtime))
    except OSError:
        return False


def _install_runtime(environment: Path, runtime: Path) -> None:
    """Put the runtime's files among the packages; a Python that starts meanwhile sees the old ones or the new ones."""
    site = _site(environment)
    assert site is not None
    for name, text in _runtime_files(runtime):
        _write_aside(site / name, text)
    files = [site / path.name for path in runtime.glob("*.py")]
    subprocess.run(
        # By content: a file that changed twice in a second has the time of both.
        [_python(environment), "-I", "-m", "compileall", "-q", "-f", "--invalidation-mode", "checked-hash", *files],
        check=False, capture_output=True, env=_environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _runtime_files(runtime: Path) -> Iterable[tuple[str, bytes]]:
    """The runtime's files, and last the one that has the hook imported."""
    yield from ((path.name, path.read_bytes()) for path in sorted(runtime.glob("*.py")))
    yield HOOK, b"import scan_pipeline_hook\n"


def _write_aside(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.new")
    aside.write_bytes(content)
    aside.replace(path)


class _locked:
    """Holds a lock, and says so where it has to be waited for."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._lock, self._say = FileLock(path), say

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._say("Another run is making the same environment; waiting for it.")
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _site(environment: Path) -> Path | None:
    return next(environment.glob("lib/python*/site-packages"), None)


def _environment() -> dict[str, str]:
    """Our variables without secrets, and without those that change what a Python does."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_PASSED and (_PASSED.match(name) or _PROXIES.match(name))
    }
