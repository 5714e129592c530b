"""Asynchronous work for callers that are not: an event loop in a thread of its own, also where one is running already.

What belongs here: handing over, and ending early. What does not: what is fetched.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any


def in_thread(make: Callable[[], AsyncIterator[Any]], most_waiting: int = 1) -> Iterator[list[Any]]:
    """What an asynchronous iterator gives, from an event loop in a thread of its own: each time, all that has come.

    At most `most_waiting` are kept ahead of the caller.
    """
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    room = threading.Semaphore(most_waiting)
    finished = object()
    stop = threading.Event()
    working: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def work() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task
        working.append((loop, task))
        if stop.is_set():
            return
        async with aclosing(make()) as source:  # type: ignore[type-var]  # an async generator
            async for one in source:
                arrived.put(one)
                if not room.acquire(blocking=False):
                    await loop.run_in_executor(None, room.acquire)
                if stop.is_set():
                    return

    def run() -> None:
        try:
            asyncio.run(work())
            arrived.put(finished)
        except BaseException as error:
            arrived.put(error)

    thread = threading.Thread(target=run, name="fetch", daemon=True)
    thread.start()
    try:
        while True:
            batch = [arrived.get()]
            while not arrived.empty():
                batch.append(arrived.get())
            last = batch[-1]
            is_over = last is finished or isinstance(last, BaseException)
            if came := batch[:-1] if is_over else batch:
                yield came
                room.release(len(came))
            if isinstance(last, BaseException):
                raise last
            if is_over:
                return
    finally:
        stop.set()
        room.release(most_waiting + 1)
        for loop, task in working:
            # What it waits for (an answer, the plan's rate) may take a minute. A loop that has ended is closed.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=5)
