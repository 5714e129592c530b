"""The process from which the processes of steps are forked: started ahead, with what each of them needs.

What belongs here: when it is started and what it loads; `preloaded.py` is the loading itself. What does not: what
steps do. https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""

import multiprocessing
from multiprocessing import forkserver

#: What it imports before the first step, in this order.
PRELOADED = ("scan_pipeline.defs.preloaded",)


def start_ahead() -> None:
    """Start it now, so that it loads while this process does other work; later calls do nothing.

    Steps see the variables of the environment that are set now. Where the system knows no such process, nothing
    happens: Dagster then says so.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        forkserver.set_forkserver_preload([*PRELOADED])
        forkserver.ensure_running()
