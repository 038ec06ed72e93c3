"""One thread that makes pictures, one after the other: the network is run by nobody else.

Whoever waits for a picture may leave; what nobody waits for any more is not made.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from striate.errors import StriateError

_WAITING = 256
_LOOK_EVERY = 0.25
_STOPPING = "the server is stopping"

Job = Callable[[], bytes]


class BusyError(StriateError):
    """More pictures are waited for than is sensible."""


class Worker:
    """A thread with a bounded queue.

    Args:
        waiting: How many jobs may wait.
    """

    def __init__(self, waiting: int = _WAITING) -> None:
        self._jobs: queue.Queue[tuple[Job, Future[bytes]] | None] = queue.Queue(waiting)
        # As a daemon it does not keep the process alive: a picture may take seconds to make.
        self._thread = threading.Thread(target=self._work, name="striate pictures", daemon=True)
        self._closed = False
        self._starting = threading.Lock()

    def submit(self, job: Job) -> "Future[bytes]":
        """Put a job in the queue.

        Args:
            job: Makes the bytes of a picture; runs in the thread.

        Returns:
            What will come of it; cancelled, it is not begun.

        Raises:
            BusyError: If the queue is full, or the server stops.
        """
        future: Future[bytes] = Future()
        if self._closed:
            raise BusyError(_STOPPING)
        try:
            self._jobs.put_nowait((job, future))
        except queue.Full as error:
            msg = f"{self._jobs.maxsize} pictures are waited for already: try again in a moment"
            raise BusyError(msg) from error
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()
        return future

    async def made(self, job: Job, gone: Callable[[], Awaitable[bool]]) -> bytes | None:
        """Wait for a job to be done.

        Args:
            job: As for `submit`.
            gone: Whether nobody wants the answer any more; asked now and then.

        Returns:
            The bytes; None if nobody wanted them any more.

        Raises:
            BusyError: As `submit`.
        """
        future = self.submit(job)
        waiting = asyncio.wrap_future(future)
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=_LOOK_EVERY)
                if not waiting.done() and await gone():
                    return None
                if self._closed:
                    raise BusyError(_STOPPING)
            if waiting.cancelled():
                raise BusyError(_STOPPING)
            return waiting.result()
        finally:
            waiting.cancel()

    def close(self) -> None:
        """Begin nothing more; what is being made just now is let go of."""
        self._closed = True
        while True:
            try:
                waiting = self._jobs.get_nowait()
            except queue.Empty:
                break
            if waiting is not None:
                waiting[1].cancel()
        self._jobs.put_nowait(None)

    def _work(self) -> None:
        while (next_one := self._jobs.get()) is not None:
            job, future = next_one
            if not future.set_running_or_notify_cancel():
                continue
            try:
                content = job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(content)
            del job, future, next_one
