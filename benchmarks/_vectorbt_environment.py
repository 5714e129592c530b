"""An environment of its own for vectorbt, which asks for other packages than we do; made once, kept in a cache folder.

It is not installed beside scan_pipeline: numba decides which numpy there may be.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PINNED = ("vectorbt==1.2.0", "numba==0.68.1", "numpy==2.4.6", "pandas==3.1.1")


def find() -> Path | None:
    """Its Python, where it has been made."""
    folder = _folder()
    return folder / "bin" / "python" if (folder / ".complete").exists() else None


def make() -> tuple[Path | None, str]:
    """Its Python, made where there is none yet, which takes minutes; or None, and why it cannot be made."""
    found = find()
    if found:
        return found, ""
    folder = _folder()
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--compile", *PINNED],
    ):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            return None, (done.stderr.strip().splitlines() or [f"{command[0]} ended with {done.returncode}"])[-1]
    (folder / ".complete").touch()
    return python, ""


def _folder() -> Path:
    """For this Python and these packages."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = ".".join(map(str, sys.version_info[:2]))
    return cache / "scan_pipeline_benchmarks" / "-".join(["python" + version, *PINNED]).replace("==", "-")
