"""Whether a run is over although its step still works: its process is gone, or Dagster has ended it.

A step in a process of its own is not told when the run's process is killed; it looks, so that a script ends with its
run, whoever ended that.
"""

import multiprocessing
import time
from typing import Any

import dagster as dg

#: Seconds between two questions to the instance.
ASK_EVERY = 5.0
_OVER = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


class Cancellation:
    """A question that costs nothing when asked often."""

    def __init__(self, instance: Any, run_id: str) -> None:
        self._instance, self._run_id = instance, run_id
        # Not the parent that the system knows: that of a step may be a server that forks, and outlives the run.
        self._run_process = multiprocessing.parent_process()
        self._asked_at = time.monotonic()
        self._is_over = False

    def __call__(self) -> bool:
        """Whether to stop."""
        if self._run_process is not None and not self._run_process.is_alive():
            self._is_over = True
        elif time.monotonic() - self._asked_at >= ASK_EVERY:
            self._asked_at = time.monotonic()
            run = self._instance.get_run_by_id(self._run_id)
            self._is_over = run is None or run.status in _OVER
        return self._is_over
