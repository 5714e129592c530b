"""Steps in processes of their own, which see one folder of data.

Dagster forks them from a process that a test process keeps for good and that knows the environment of its start: a
module whose steps see another folder needs another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver

import pytest

from scan_pipeline.settings import Settings


@contextmanager
def step_processes(settings: Settings) -> Iterator[None]:
    """Steps started within see these settings, of files where they have some."""
    _stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.data_dir / "dagster_home"))
        patch.setenv("SCAN_DATA_DIR", str(settings.data_dir))
        if settings.files_path:
            patch.setenv("SCAN_PROVIDER", "files")
            patch.setenv("SCAN_FILES_PATH", str(settings.files_path))
        yield
    _stop()


def _stop() -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # made for tests, says CPython
