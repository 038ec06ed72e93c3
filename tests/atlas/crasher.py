"""Kills atlas runs and resumes them; run as a program by the tests, prints JSON.

    python crasher.py IMAGES FOLDER KILLS SEED          SIGKILL so often, at random times
    python crasher.py IMAGES FOLDER KILLS SEED points   and at every crash point in turn

Each run is a fork of this process, which has torch imported and has made the atlas once: what is
done only the first time (five seconds of imports) is done.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import torch  # noqa: E402
from building import BATCH, SHARD, content, small_network  # noqa: E402

from striate.atlas import plan  # noqa: E402
from striate.atlas.engines.local import build_atlas  # noqa: E402
from striate.atlas.store import files  # noqa: E402
from striate.atlas.store.reader import Atlas  # noqa: E402


def build(images: Path, folder: Path) -> None:
    layers = ["1", "4", "6"]
    build_atlas(NETWORK, images, folder, batch=BATCH, layers=layers, workers=1)


def fork(run: Callable[[], None], kill_after: float | None = None) -> int:
    """Run in a child; return its exit code, -9 if it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            files._steps = 0
            run()
            code = 0
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def crash_at(step: int, run: Callable[[], None]) -> Callable[[], None]:
    def crashing() -> None:
        os.environ["STRIATE_CRASH_AT"] = str(step)
        run()

    return crashing


def points(images: Path, root: Path, whole: Path) -> dict[str, object]:
    """Kill at step 1, 2, ... until a run gets through; after each, resume and compare."""
    wanted, differ, step = content(whole), [], 0
    while True:
        step += 1
        folder = root / f"at-{step}"
        code = fork(crash_at(step, lambda folder=folder: build(images, folder)))
        if code == 0:
            break
        assert code == -signal.SIGKILL, f"step {step}: exit code {code}"
        again = fork(lambda folder=folder: build(images, folder))
        if again or content(folder) != wanted or Atlas(folder).digest() != Atlas(whole).digest():
            differ.append(step)
    return {"points": step - 1, "differ": differ}


def at_random(images: Path, root: Path, whole: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill runs at random times, each folder three times on end, then let it finish."""
    began = time.monotonic()
    fork(lambda: build(images, root / "timed"))
    length = time.monotonic() - began
    wanted, differ, hits, sent, number = content(whole), [], 0, 0, 0
    chance = random.Random(seed)  # noqa: S311 - times at which to kill, no secret
    # When the run was timed on a busy machine, the first kills come too late: more are sent.
    while sent < kills or (hits == 0 and sent < 10 * kills):
        number += 1
        folder = root / f"random-{number}"
        for turn in range(min(3, max(kills - sent, 1))):
            sent += 1
            moment = chance.uniform(0, length)
            hit = fork(lambda folder=folder: build(images, folder), moment) == -signal.SIGKILL
            hits += hit
            if not hit and not turn:
                length = min(length, moment)
        again = fork(lambda folder=folder: build(images, folder))
        if again or content(folder) != wanted:
            differ.append(number)
    return {"kills": sent, "hits": hits, "differ": differ, "seconds": length}


if __name__ == "__main__":
    torch.set_num_threads(1)
    plan.default_shard = lambda _: SHARD
    NETWORK = small_network()
    pictures, place, number, start, *more = sys.argv[1:]
    where = Path(pictures), Path(place), Path(place) / "whole"
    build(where[0], where[2])
    found = {"random": at_random(*where, int(number), int(start))}
    if more == ["points"]:
        found["points"] = points(*where)
    sys.stdout.write(json.dumps(found))
