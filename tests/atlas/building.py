"""A small network, a folder of pictures made here, and shards so small that there are several."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_observe import small

import striate
from striate.atlas.engines import local
from striate.atlas.store.reader import Atlas
from striate.network.network import Network

SIDE = 16
SHARD, BATCH = 4, 2
Build = Callable[..., Atlas]


def draw(path: Path, number: int) -> None:
    """A picture that depends on its number alone, 18 x 20."""
    levels = np.random.default_rng(number).integers(0, 256, (18, 20, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)


def small_network(**options: Any) -> Network:
    return striate.load(small(), name="small", resize=SIDE, crop=SIDE, **options)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory, where the system has such a place.

    The hundreds of runs here flush dozens of files each: on a disk, that is five sixths of the
    time. What a killed process leaves behind is the same in memory.
    """
    shared = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of our own in it
    inside = shared if os.access(shared, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="striate-", dir=inside)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="session")
def pictures_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures: three shards of four, the last not full."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(10):
        draw(folder / f"{number:02d}.png", number)
    return folder


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.atlas.plan.default_shard", lambda _: SHARD)


@pytest.fixture
def build(network: Network) -> Build:
    """`build_atlas` with this folder's defaults."""

    def run(images: Path, folder: Path, **options: Any) -> Atlas:
        chosen = {"batch": BATCH, "layers": ["1", "4", "6"], "workers": 1, **options}
        return local.build_atlas(chosen.pop("network", network), images, folder, **chosen)

    return run


@pytest.fixture(scope="session")
def finished_digest(network: Network, pictures_folder: Path, tmp_path_factory) -> str:
    """Digest of the atlas that is never interrupted."""
    return finished(network, pictures_folder, tmp_path_factory.mktemp("whole")).digest()


@pytest.fixture(scope="session")
def finished_atlas(network: Network, pictures_folder: Path, tmp_path_factory) -> Atlas:
    return finished(network, pictures_folder, tmp_path_factory.mktemp("atlas"))


def finished(network: Network, images: Path, folder: Path) -> Atlas:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.atlas.plan.default_shard", lambda _: SHARD)
        layers = ["1", "4", "6"]
        return local.build_atlas(network, images, folder, batch=BATCH, layers=layers, workers=1)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of an atlas but the lock and what says where the pictures lie."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {".lock", "recipe.json"}
    }


def stop_at(done: int) -> Callable[[local.Progress], None]:
    """A progress that is interrupted from the keyboard once so many images are done."""

    def progress(seen: local.Progress) -> None:
        if seen.done >= done:
            raise KeyboardInterrupt

    return progress


def interrupted(build: Build, images: Path, folder: Path, done: int, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(images, folder, progress=stop_at(done), **options)
