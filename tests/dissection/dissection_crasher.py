"""Kills dissections and resumes them; run as a program by the tests, prints JSON.

    python dissection_crasher.py FOLDER KILLS SEED    SIGKILL at each crash point in turn, and so
                                                      often at random times

Each run is a fork of this process, which has torch imported and has dissected once. A run dissects
one layer, then another.
"""

import json
import random
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "atlas")]

import torch  # noqa: E402
from crasher import crash_at, fork  # noqa: E402

from dissection.planted import load, make_atlas, mixed_set, small  # noqa: E402
from striate.atlas.store.reader import Atlas  # noqa: E402
from striate.dissection import plan  # noqa: E402
from striate.dissection.run import dissect  # noqa: E402

SHARD, BATCH = 4, 2


def run_on(home: Path) -> None:
    """Dissect the copy of the atlas that lies there."""
    atlas = Atlas(home)
    for layer in ("1", "4"):
        dissect(NETWORK, atlas, CONCEPTS, layers=[layer], quantile=0.05, batch=BATCH)


def files_in(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in sorted((home / "dissection").rglob("*"))
        if path.is_file() and not path.name.endswith(".part")
    }


def points(root: Path, atlas: Path, wanted: dict[str, bytes]) -> dict[str, object]:
    """Kill at step 1, 2, ... until a run gets through; after each, resume and compare."""
    differ, step = [], 0
    while True:
        step += 1
        home = root / f"at-{step}"
        shutil.copytree(atlas, home)
        code = fork(crash_at(step, lambda home=home: run_on(home)))
        if code == 0:
            break
        assert code == -signal.SIGKILL, f"step {step}: exit code {code}"
        if fork(lambda home=home: run_on(home)) or files_in(home) != wanted:
            differ.append(step)
        shutil.rmtree(home)
    return {"points": step - 1, "differ": differ}


def at_random(
    root: Path, atlas: Path, wanted: dict[str, bytes], kills: int, seed: int
) -> dict[str, object]:
    """Kill runs at random times, each folder twice, then let it finish."""
    began = time.monotonic()
    shutil.copytree(atlas, root / "timed")
    fork(lambda: run_on(root / "timed"))
    length = time.monotonic() - began
    differ, hits, sent, number = [], 0, 0, 0
    chance = random.Random(seed)  # noqa: S311 - times at which to kill, no secret
    while sent < kills or (hits == 0 and sent < 10 * kills):
        number += 1
        home = root / f"random-{number}"
        shutil.copytree(atlas, home)
        for _ in range(2):
            sent += 1
            moment = chance.uniform(0, length)
            hits += fork(lambda home=home: run_on(home), moment) == -signal.SIGKILL
        if fork(lambda home=home: run_on(home)) or files_in(home) != wanted:
            differ.append(number)
    return {"kills": sent, "hits": hits, "differ": differ}


if __name__ == "__main__":
    torch.set_num_threads(1)
    plan.default_shard = lambda _: SHARD
    NETWORK = load(small(), 16)
    where = Path(sys.argv[1])
    CONCEPTS = mixed_set(where / "set", 10, (16, 16))
    fresh = make_atlas(NETWORK, where, ["1", "4"]).home
    shutil.copytree(fresh, where / "whole")
    run_on(where / "whole")
    whole = files_in(where / "whole")
    found = {
        "points": points(where, fresh, whole),
        "random": at_random(where, fresh, whole, int(sys.argv[2]), int(sys.argv[3])),
    }
    sys.stdout.write(json.dumps(found))
