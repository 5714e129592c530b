"""What the processes of steps inherit. To import this module is to load it all: only the process does that from which
they are forked (`step_processes.py`).

What belongs here: what each step would load anew, Dagster's storage and the script job among it. What does not:
anything that a fork cannot inherit, such as open files, databases and threads.
"""

import atexit
import gc
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory


def _load() -> None:
    gc.disable()  # nothing of this becomes garbage; looking for some takes a third of the time
    import dagster as dg

    # Imported at their first use elsewhere.
    import psutil  # noqa: F401
    import trustme  # noqa: F401

    import scan_pipeline.cli.main  # noqa: F401
    from scan_pipeline.definitions import script_job

    # An instance of its own: the run's may be set up for the first time meanwhile. What is wrong with the job is wrong
    # in the step as well, which tells it.
    with suppress(Exception), TemporaryDirectory() as folder:
        (Path(folder) / "dagster.yaml").touch()
        with dg.DagsterInstance.local_temp(folder):
            script_job()
    # Pages that the collector never touches stay shared with the steps. Frozen objects count as leaks at the end.
    gc.freeze()
    atexit.register(gc.unfreeze)
    gc.enable()


_load()
