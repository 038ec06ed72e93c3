"""Kills runs that replace synthetic images, and resumes them; run as a program, prints JSON.

    python synthetic_crasher.py IMAGES FOLDER EVERY    SIGKILL at each EVERY-th crash point

Before each run all units have an image of seed 0; the run makes those of seed 1. Images are noise:
autograd does not survive a fork.
"""

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from crasher import crash_at, fork

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import torch  # noqa: E402
from building import BATCH, SHARD, content, small_network  # noqa: E402

from striate.atlas import plan  # noqa: E402
from striate.atlas.engines.local import build_atlas  # noqa: E402
from striate.atlas.picture_files import PictureFiles, is_stored  # noqa: E402
from striate.atlas.pictures import Pictures  # noqa: E402
from striate.atlas.store.reader import Atlas  # noqa: E402
from striate.atlas.synthesize import synthesize  # noqa: E402
from striate.atlas.synthetic import Settings, SyntheticImages  # noqa: E402
from striate.network.network import Network  # noqa: E402
from striate.optimize import job as jobs  # noqa: E402
from striate.optimize import maximize  # noqa: E402

TOGETHER = 2


def make(folder: Path, seed: int) -> None:
    synthesize(NETWORK, Atlas(folder), Settings("erhan", seed, 2))


def noise(_network: Network, job: maximize.Job, _preset: object, **given: int) -> Iterator[Any]:
    """One frame of noise, of the seed and the unit, in place of what `maximize.run` makes."""
    each = maximize.generators(given["seed"], job)
    images = torch.stack([torch.randn(job.size, generator=one) for one in each])
    yield SimpleNamespace(step=0, best=images)


def wrong(folder: Path, whole: dict[int, Path]) -> Iterator[str]:
    """What a killed run left that is not as it should be."""
    atlas, files = Atlas(folder), PictureFiles(folder)
    pictures, lost = Pictures(atlas, NETWORK), 0
    for row in atlas.layers.values():
        made = SyntheticImages(atlas).layer(row.number).made
        lost += row.units - len(made)
        for unit, known in made.items():
            there = files.synthetic(row.number, unit)
            its = PictureFiles(whole[known.settings.seed]).synthetic(row.number, unit)
            if there.read_bytes() != its.read_bytes():
                yield f"{row.address}:{unit} has the picture of others than its numbers"
        sheet = files.layer_sheet(row.number, "synthetic", 0)
        if is_stored(sheet):
            stored = sheet.read_bytes()
            sheet.unlink()
            if stored != pictures.layer_sheet(row.number, "synthetic", 0):
                yield f"the sheet of {row.address} shows other pictures"
            sheet.write_bytes(stored)
    if lost > TOGETHER:
        yield f"{lost} units have no image"


def points(root: Path, whole: dict[int, Path], every: int) -> dict[str, object]:
    """Kill at steps 1, 1 + every, ... until a run gets through; look, resume and compare."""
    wanted, found, step, kills = content(whole[1]), list[str](), 1, 0
    while True:
        folder = Path(shutil.copytree(whole[0], root / f"at-{step}"))
        code = fork(crash_at(step, lambda folder=folder: make(folder, 1)))
        if code == 0:
            break
        assert code == -signal.SIGKILL, f"step {step}: exit code {code}"
        found += [f"step {step}: {what}" for what in wrong(folder, whole)]
        if fork(lambda folder=folder: make(folder, 1)) or content(folder) != wanted:
            found.append(f"step {step}: not gone on")
        step, kills = step + every, kills + 1
        shutil.rmtree(folder)
    return {"kills": kills, "steps": step, "wrong": found}


if __name__ == "__main__":
    torch.set_num_threads(1)
    plan.default_shard = lambda _: SHARD
    jobs.MOST, maximize.run = TOGETHER, noise
    NETWORK = small_network()
    images, place, each = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    seeds = {0: place / "seed-0", 1: place / "seed-1"}
    build_atlas(NETWORK, images, seeds[0], batch=BATCH, layers=["1", "4"], workers=1)
    make(seeds[0], 0)
    shutil.copytree(seeds[0], seeds[1])
    make(seeds[1], 1)
    sys.stdout.write(json.dumps(points(place, seeds, each)))
