"""Whatever happens to a dissection, the next run makes the same one, byte for byte."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dissection.dissection_crasher import files_in
from dissection.planted import load, make_atlas, mixed_set, small
from striate.atlas.engines.local import Progress
from striate.atlas.store.reader import Atlas
from striate.dissection.checkpoint import Checkpoint
from striate.dissection.net2vec.job import net2vec
from striate.dissection.net2vec.learn import Wanted
from striate.dissection.results import Dissection
from striate.dissection.run import dissect
from striate.dissection.watch import Watched
from striate.errors import AtlasError
from striate.image.concepts.concept_set import Concept, ConceptSet
from striate.network.network import Network

BATCH = 2
Run = Callable[..., Dissection]


@pytest.fixture(scope="module")
def network() -> Network:
    return load(small(), 16)


@pytest.fixture(scope="module")
def concepts(tmp_path_factory: pytest.TempPathFactory) -> ConceptSet:
    return mixed_set(tmp_path_factory.mktemp("set"), 10, (16, 16))


@pytest.fixture
def atlas(network: Network, tmp_path: Path) -> Atlas:
    return make_atlas(network, tmp_path, ["1", "4"])


@pytest.fixture
def run(
    network: Network, atlas: Atlas, concepts: ConceptSet, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Dissect with these tests' defaults, in shards of four images."""
    monkeypatch.setattr("striate.dissection.plan.default_shard", lambda _: 4)

    def dissected(**options: Any) -> Dissection:
        chosen = {"quantile": 0.05, "batch": BATCH, **options}
        return dissect(network, atlas, chosen.pop("concepts", concepts), **chosen)

    return dissected


def stopping_at(done: int) -> Callable[[Progress], None]:
    def progress(seen: Progress) -> None:
        if seen.done >= done:
            raise KeyboardInterrupt

    return progress


def test_killed_anywhere_it_goes_on(tmp_path: Path) -> None:
    """At each step of writing in turn, and at random times: byte for byte the same."""
    program = Path(__file__).with_name("dissection_crasher.py")
    ran = subprocess.run(
        [sys.executable, program, tmp_path, "4", "20131112"],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout)
    assert found["points"]["points"] > 40, "some writing has no crash points"
    assert found["points"]["differ"] == []
    assert found["random"]["differ"] == []
    assert found["random"]["hits"] > 0


def test_layers_are_added_once_an_image_is_repaired(run: Run, concepts: ConceptSet) -> None:
    wanted = run().layers["4"].overlap.to_arrays()
    run(layers=["1"], restart=True)
    path = concepts.images[3].path
    content = path.read_bytes()
    try:
        path.write_bytes(bytes(len(content)))
        with pytest.raises(AtlasError, match="repair"):
            run(layers=["4"])
    finally:
        path.write_bytes(content)
    found = run(layers=["4"])
    assert list(found.layers) == ["1", "4"]
    for name, array in found.layers["4"].overlap.to_arrays().items():
        np.testing.assert_array_equal(array, wanted[name])


@pytest.mark.parametrize("done", [1, 4, 5, 9, 10, 11, 15, 20])
def test_interrupted_and_resumed(run: Run, atlas: Atlas, done: int) -> None:
    run()
    wanted = files_in(atlas.home)
    with pytest.raises(KeyboardInterrupt):
        run(restart=True, progress=stopping_at(done))
    assert not Dissection.there(atlas)
    seen: list[Progress] = []
    run(progress=seen.append)
    assert files_in(atlas.home) == wanted
    kept = {0, 4, 8, 10, 14, 18}
    assert {p.resumed_from for p in seen} == {max(k for k in kept if k < done or k == 0)}
    assert (seen[-1].done, seen[-1].total) == (20, 20)


def test_shards_of_another_size_give_the_same_counts(run: Run, monkeypatch) -> None:
    whole = run().layers["4"]
    monkeypatch.setattr("striate.dissection.plan.default_shard", lambda _: 6)
    other = run(restart=True).layers["4"]
    np.testing.assert_array_equal(whole.thresholds, other.thresholds)
    for name, array in whole.overlap.to_arrays().items():
        np.testing.assert_array_equal(array, other.overlap.to_arrays()[name])


def test_again_it_does_nothing_and_more_layers_are_added(
    run: Run, atlas: Atlas, monkeypatch
) -> None:
    run()
    wanted = files_in(atlas.home)
    assert not [name for name in wanted if "begun" in name or "rotation" in name]
    only = run(layers=["4"], restart=True)
    assert list(only.layers) == ["4"]
    revision = only.revision
    both = run(layers=["1"])
    assert list(both.layers) == ["1", "4"]
    assert both.revision != revision
    assert files_in(atlas.home) == wanted

    def never(self: Watched, batch: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Watched, "__call__", never)
    assert run(progress=never).revision == both.revision
    assert files_in(atlas.home) == wanted


def test_what_was_begun_with_other_layers_is_finished_first(run: Run, atlas: Atlas) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(layers=["1"], progress=stopping_at(15))
    found = run(layers=["4"])
    assert list(found.layers) == ["1", "4"]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"quantile": 0.06}, "quantile: 0.05 before, 0.06 now"), ({"ratio": 4}, "ratio: 2"),
     ({"upsampling": "resize"}, "upsampling: field"), ({"batch": 3}, "batch: 2")],
)  # fmt: skip
def test_other_settings_are_refused_by_name(run: Run, options: dict[str, Any], said: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(progress=stopping_at(15))
    with pytest.raises(AtlasError, match=f"{said}.*--restart"):
        run(**options)
    run()
    with pytest.raises(AtlasError, match=f"{said}.*--restart"):
        run(**options)
    assert run(**options, restart=True).layers


def test_other_concepts_are_refused(run: Run, concepts: ConceptSet) -> None:
    run()
    others = ConceptSet((*concepts.concepts, Concept("more", "scene")), concepts.images)
    with pytest.raises(AtlasError, match="concepts or their images"):
        run(concepts=others)


@pytest.mark.parametrize("place", [0, 9, 0.3, 0.6, -1])
def test_a_damaged_checkpoint_is_begun_anew(run: Run, atlas: Atlas, place: float) -> None:
    run()
    wanted = files_in(atlas.home)
    with pytest.raises(KeyboardInterrupt):
        run(restart=True, progress=stopping_at(15))
    path = atlas.home / "dissection" / "begun.safetensors"
    assert Checkpoint.read(path) is not None
    content = bytearray(path.read_bytes())
    at = int(place * len(content)) if 0 < place < 1 else int(place)
    content[at] ^= 4
    path.write_bytes(content)
    assert Checkpoint.read(path) is None
    run()
    assert files_in(atlas.home) == wanted


def test_a_damaged_result_is_one_clear_error(run: Run, atlas: Atlas) -> None:
    found = run()
    path = atlas.home / "dissection" / "layers"
    for file in path.iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(AtlasError, match="checksum"):
        _ = Dissection(atlas).layers["4"]
    index = atlas.home / "dissection" / "dissection.json"
    index.write_text("{}")
    with pytest.raises(AtlasError, match="--restart"):
        Dissection(atlas)
    assert run(restart=True).revision == found.revision
    index.write_text('{"format": 1}')
    with pytest.raises(AtlasError, match="--restart"):
        Dissection(atlas)
    assert run().revision == found.revision


def test_what_cannot_be_read_is_skipped_and_named(
    network: Network, atlas: Atlas, tmp_path: Path, concepts: ConceptSet
) -> None:
    """An image and a mask: the rest is counted as if they had never been in the set."""
    broken = mixed_set(tmp_path / "broken", 10, (16, 16))
    masked = next(k for k, image in enumerate(broken.images) if image.masks and k != 3)
    broken.images[3].path.write_bytes(b"no picture")
    broken.images[masked].masks[0].path.write_bytes(b"no mask")
    options: dict[str, Any] = {"quantile": 0.05, "batch": 1}
    found = dissect(network, atlas, broken, **options)
    assert {name for name, _ in found.settings.skipped} == {
        broken.images[3].name, broken.images[masked].name
    }  # fmt: skip
    assert all(str(tmp_path) not in reason for _, reason in found.settings.skipped)
    layers = dict(found.layers)
    rest = tuple(im for k, im in enumerate(concepts.images) if k not in {3, masked})
    wanted = dissect(network, atlas, ConceptSet(concepts.concepts, rest), **options, restart=True)
    for address, layer in wanted.layers.items():
        twin = layers[address]
        np.testing.assert_array_equal(layer.thresholds, twin.thresholds)
        np.testing.assert_array_equal(layer.both, twin.both)
    np.testing.assert_array_equal(found.pixels, wanted.pixels)


def test_memory_that_does_not_suffice_is_halved(run: Run, monkeypatch) -> None:
    whole = run(batch=4).layers["4"]
    real = Watched._stepping

    def tight(self: Watched, batch: Any) -> Any:
        step = real(self, batch)

        def run_step(images: Any) -> Any:
            if len(images) > 1:
                step_failing(self, images)
            return step(images)

        return run_step

    def step_failing(self: Watched, images: Any) -> None:
        for watcher in self._watchers:
            watcher.real = len(images)
        self._run(images)
        for watcher in self._watchers:
            watcher.undo()
        msg = "out of memory"
        raise RuntimeError(msg)

    monkeypatch.setattr(Watched, "_stepping", tight)
    halved = run(batch=4, restart=True).layers["4"]
    np.testing.assert_array_equal(whole.thresholds, halved.thresholds)
    np.testing.assert_array_equal(whole.both, halved.both)
    np.testing.assert_array_equal(whole.top.image, halved.top.image)


@pytest.mark.parametrize("done", [4, 12, 20])
def test_an_atlas_that_is_moved_away_is_not_made_anew(run: Run, atlas: Atlas, done: int) -> None:
    home = atlas.folder

    def progress(seen: Progress) -> None:
        if seen.done >= done and home.exists():
            home.rename(home.with_name("moved"))

    with pytest.raises(AtlasError, match=r"is not there any more\. If it was moved"):
        run(progress=progress)
    assert not home.exists()
    home.with_name("moved").rename(home)
    assert run().layers.keys() == {"1", "4"}


def test_a_moved_atlas_is_not_made_anew_by_concept_vectors(
    network: Network, atlas: Atlas, concepts: ConceptSet
) -> None:
    home, wanted = atlas.folder, Wanted(train=1, val=1)

    def progress(*_: object) -> None:
        if home.exists():
            home.rename(home.with_name("moved"))

    with pytest.raises(AtlasError, match=r"is not there any more\. If it was moved"):
        net2vec(network, atlas, concepts, "1", wanted=wanted, batch=BATCH, progress=progress)
    assert not home.exists()
