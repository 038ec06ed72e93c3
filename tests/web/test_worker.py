"""The thread that makes pictures: who waits, who has left, and how it ends."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from striate.errors import AtlasError
from striate.web.worker import BusyError, Worker
from web.tiny import in_a_loop


async def here() -> bool:
    return False


async def away() -> bool:
    return True


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(waiting=3)
    yield worker
    worker.close()


@pytest.fixture
def held(worker: Worker) -> Iterator[threading.Event]:
    """The worker is at something until the event is set."""
    begun, until = threading.Event(), threading.Event()

    def hold() -> bytes:
        begun.set()
        until.wait(30)
        return b"held"

    worker.submit(hold)
    assert begun.wait(10)
    yield until
    until.set()


def test_jobs_run_one_after_the_other_in_one_thread(worker: Worker) -> None:
    def name() -> bytes:
        return threading.current_thread().name.encode()

    threads = [worker.submit(name) for _ in range(3)]
    assert {future.result(10) for future in threads} == {b"striate pictures"}


def test_an_error_goes_to_whoever_waits_and_the_next_job_runs(worker: Worker) -> None:
    def fail() -> bytes:
        msg = "the images are gone"
        raise AtlasError(msg)

    with pytest.raises(AtlasError, match="are gone"):
        in_a_loop(worker.made(fail, here))
    assert in_a_loop(worker.made(lambda: b"made", here)) == b"made"


def test_what_nobody_waits_for_is_not_made(worker: Worker, held: threading.Event) -> None:
    made: list[int] = []

    def job() -> bytes:
        made.append(1)
        return b""

    assert in_a_loop(worker.made(job, away)) is None
    held.set()
    assert worker.submit(lambda: b"next").result(10) == b"next"
    assert not made


def test_a_full_queue_is_said(worker: Worker, held: threading.Event) -> None:
    for _ in range(3):
        worker.submit(bytes)
    with pytest.raises(BusyError, match="3 pictures are waited for"):
        worker.submit(bytes)


def test_closing_lets_go_of_everybody(worker: Worker, held: threading.Event) -> None:
    async def wait_and_close() -> None:
        waiting = asyncio.create_task(worker.made(bytes, here))
        await asyncio.sleep(0.05)
        worker.close()
        with pytest.raises(BusyError, match="stopping"):
            await waiting

    in_a_loop(asyncio.wait_for(wait_and_close(), 5))
    with pytest.raises(BusyError, match="stopping"):
        worker.submit(bytes)


def test_without_jobs_there_is_no_thread() -> None:
    before = threading.active_count()
    Worker()
    assert threading.active_count() == before
