"""An atlas's layers dissected in other networks of the same plan: random ones, or younger ones.

What units detect in a network with random weights is what its plan and the images give for nothing:
the control of every count of detectors (`control`). Weights kept on the way of a training show when
units become detectors, and of what (`checkpoints`). Of these networks only what they detect is
stored; and none is dissected twice with the same settings.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection", CVPR 2017, sections 3.3 (training
    iterations, figure 8) and 3.2 (AlexNet with random weights, in the released results).
Differs from the source:
    Random weights are He's law without biases (`striate.network.random_weights`).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from striate.atlas.engines.local import Progress
from striate.atlas.illustrate import writing
from striate.atlas.recipe import Recipe
from striate.atlas.store.files import remove, write
from striate.atlas.store.reader import Atlas
from striate.dissection.passes import Passes, Probe
from striate.dissection.plan import DissectionPlan, make_plan
from striate.dissection.results import LEVEL, LayerDissection, folder_of
from striate.dissection.run import dissected_layers
from striate.errors import AtlasError, MethodError
from striate.image.concepts.concept_set import ConceptSet
from striate.network.network import Network
from striate.network.random_weights import with_random_weights

Say = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class StudiedLayer:
    """What the units of a layer detect.

    Attributes:
        address: The layer.
        units: How many units it has.
        detectors: How many of them detect a concept.
        unique: The concepts that are detected, by name, in each category.
        best: IoU of each unit with its best concept.
    """

    address: str
    units: int
    detectors: int
    unique: dict[str, tuple[str, ...]]
    best: tuple[float, ...]

    @property
    def total(self) -> int:
        """Unique detectors, over all categories."""
        return sum(map(len, self.unique.values()))

    @classmethod
    def of(cls, layer: LayerDissection) -> "StudiedLayer":
        """Return what is kept of a layer's dissection."""
        return cls(
            layer.address,
            layer.units,
            int(layer.detectors().sum()),
            {
                category: tuple(layer.concepts[index].name for index in found)
                for category, found in layer.unique().items()
            },
            tuple(layer.best_iou.tolist()),
        )

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "StudiedLayer":
        """Read what `dataclasses.asdict` made."""
        unique = {str(category): tuple(names) for category, names in found["unique"].items()}
        return cls(
            str(found["address"]), int(found["units"]), int(found["detectors"]), unique,
            tuple(map(float, found["best"])),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StudiedNetwork:
    """One of the networks of a study.

    Attributes:
        name: What to call it: "trained", "random 0", or a file's name.
        step: Steps of training, as far as the file's name says; None where it does not.
        fingerprint: Hash of its graph and weights.
        layers: What its layers detect, in execution order.
    """

    name: str
    step: int | None
    fingerprint: str
    layers: tuple[StudiedLayer, ...]

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "StudiedNetwork":
        """Read what `dataclasses.asdict` made."""
        layers = tuple(map(StudiedLayer.from_json, found["layers"]))
        return cls(str(found["name"]), found["step"], str(found["fingerprint"]), layers)


@dataclass(frozen=True, slots=True)
class Study:
    """What several networks of one plan detect.

    Attributes:
        kind: "control" or "checkpoints".
        images: How many images were compared.
        skipped: How many could not be read.
        categories: Of the concepts.
        networks: The networks, in the order in which they were given; checkpoints by step.
    """

    kind: str
    images: int
    skipped: int
    categories: tuple[str, ...]
    networks: tuple[StudiedNetwork, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return asdict(self)


def control(
    network: Network,
    atlas: Atlas,
    concepts: ConceptSet,
    *,
    layers: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    quantile: float = 0.005,
    ratio: int = 2,
    upsampling: str = "field",
    batch: int = 32,
    progress: Say = lambda _name, _progress: None,
) -> Study:
    """Dissect an atlas's network, and beside it the same one with random weights.

    Args:
        network: The atlas's network, on the device to run on.
        atlas: The atlas, finished.
        concepts: Concepts and the images that show them.
        layers: Addresses or globs; None for all that can be dissected.
        seeds: One random network each.
        quantile: See `striate.dissection.run.dissect`, as for what follows.
        ratio: Likewise.
        upsampling: Likewise.
        batch: Likewise.
        progress: Called now and then with the name of a network and how far it is.

    Returns:
        The study: the trained network first. It is stored in ``DIR/dissection/control.json``.

    Raises:
        AddressError: If a layer is not in the atlas.
        AtlasError: If the atlas is not finished, the network is another, another run is writing, or
            a file cannot be written.
        MethodError: If a setting is out of range, or a layer that is named cannot be dissected.
    """
    plan = make_plan(
        network, atlas, concepts, quantile=quantile, ratio=ratio, upsampling=upsampling,
        batch=batch,
    )  # fmt: skip
    others = (
        (f"random {seed}", None, with_random_weights(network, seed))
        for seed in dict.fromkeys(seeds)
    )
    run = _Run("control", network, atlas, concepts, plan, layers, progress)
    return run.over([("trained", None, network)], others)


def checkpoints(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    atlas: Atlas,
    files: Sequence[Path | str],
    concepts: ConceptSet,
    load: Callable[[Path], Network],
    *,
    layers: Sequence[str] | None = None,
    quantile: float = 0.005,
    ratio: int = 2,
    upsampling: str = "field",
    batch: int = 32,
    progress: Say = lambda _name, _progress: None,
) -> Study:
    """Dissect a network as it was at several moments of its training.

    Args:
        network: The atlas's network.
        atlas: The atlas, finished.
        files: Weights. Where all their names hold a number, such as ``step-0044.safetensors``, the
            last number of each (the suffix aside) is its step, and they are ordered by it.
        concepts: Concepts and the images that show them.
        load: Makes a network of a file: see `loader`.
        layers: See `control`, as for what follows.
        quantile: Likewise.
        ratio: Likewise.
        upsampling: Likewise.
        batch: Likewise.
        progress: Likewise.

    Returns:
        The study. It is stored in ``DIR/dissection/checkpoints.json``.

    Raises:
        AddressError: As `control`.
        AtlasError: As `control`.
        MethodError: As `control`; or if there are no files, or one is of another architecture.
        NetworkError: If a file cannot be loaded.
    """
    paths = [Path(file) for file in files]
    if not paths:
        msg = "no weights are given: name the files that were kept on the way of a training"
        raise MethodError(msg)
    plan = make_plan(
        network, atlas, concepts, quantile=quantile, ratio=ratio, upsampling=upsampling,
        batch=batch,
    )  # fmt: skip
    loaded = ((path.name, step, load(path)) for path, step in _ordered(paths))
    run = _Run("checkpoints", network, atlas, concepts, plan, layers, progress)
    return run.over((), loaded)


def loader(recipe: Recipe, device: str | None = None) -> Callable[[Path], Network]:
    """Return what loads an atlas's architecture with the weights of a file.

    Args:
        recipe: How the atlas's network is loaded, see `striate.atlas.recipe.recipe_of`.
        device: Where to run; None: the fastest present.
    """

    def load(path: Path) -> Network:
        base = recipe.network.rpartition("@")[0] or recipe.network
        named = str(path) if base.endswith(".pt2") else f"{base}@{path}"
        return replace(recipe, network=named, weights="default").load(device)

    return load


def _ordered(paths: Sequence[Path]) -> list[tuple[Path, int | None]]:
    # "v1.5-step10.pth" has its step behind a dot, "step10.fp16.pth" before one: what differs.
    names = [path.stem for path in paths], [path.name.partition(".")[0] for path in paths]
    numbers = [[re.findall(r"\d+", name) for name in read] for read in names]
    known = [[int(found[-1]) for found in read] for read in numbers if all(read)]
    if not known:
        return [(path, None) for path in paths]
    steps = dict(zip(paths, max(known, key=lambda read: len(set(read))), strict=True))
    return [(path, steps[path]) for path in sorted(steps, key=lambda path: steps[path])]


class _Run:
    """Networks of one plan dissected one after the other; what is done is kept."""

    def __init__(
        self,
        kind: str,
        network: Network,
        atlas: Atlas,
        concepts: ConceptSet,
        plan: DissectionPlan,
        layers: Sequence[str] | None,
        progress: Say,
    ) -> None:
        self._kind, self._network, self._atlas = kind, network, atlas
        self._concepts, self._plan, self._say = concepts, plan, progress
        self._chosen = dissected_layers(network, atlas, layers)
        self._path = folder_of(atlas.home) / f"{kind}.json"
        self._skipped = 0

    def over(self, *networks: Iterable[tuple[str, int | None, Network]]) -> Study:
        """Dissect networks, each given by name, step and itself."""
        with writing(self._atlas, self._network):
            known = {one.fingerprint: one for one in self._known()}
            done: list[StudiedNetwork] = []
            for name, step, network in (one for some in networks for one in some):
                mark = network.fingerprint()
                layers = known[mark].layers if mark in known else self._layers(name, network, mark)
                done.append(StudiedNetwork(name, step, mark, layers))
                self._store([*done, *(one for one in known.values() if one not in done)])
            self._store(done)
        return self._study(done)

    def _layers(self, name: str, network: Network, mark: str) -> tuple[StudiedLayer, ...]:
        self._check(name, network)
        begun = self._path.with_name(f"{self._kind}-{mark[:16]}.safetensors")
        probes = [Probe(address) for address in self._chosen]
        found = Passes(
            network, self._atlas, self._concepts, self._plan, probes, begun,
            lambda progress: self._say(name, progress),
        ).run()  # fmt: skip
        self._skipped = len(found.skipped)
        remove(begun)
        return tuple(map(StudiedLayer.of, found.layers))

    def _check(self, name: str, network: Network) -> None:
        """Refuse a network of another plan."""  # noqa: DOC501 - private
        there = network.layers_at(self._network.image_size)
        ours = self._network.layers_at(self._network.image_size)
        for address in self._chosen:
            layer, own = there.get(address), ours[address]
            if layer is None or (layer.units, layer.map_size) != (own.units, own.map_size):
                msg = f"{name} is another architecture: its {address} is not that of the atlas"
                raise MethodError(msg)

    def _known(self) -> Iterator[StudiedNetwork]:
        """Yield what an earlier run found with the same settings in the same layers."""
        try:
            found = json.loads(self._path.read_bytes())
            if found["settings"] == self._plan.to_json() and found["layers"] == self._chosen:
                self._skipped = int(found["skipped"])
                yield from [StudiedNetwork.from_json(one) for one in found["networks"]]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return

    def _study(self, networks: Sequence[StudiedNetwork]) -> Study:
        seen = self._plan.images - self._skipped
        categories = self._concepts.categories
        return Study(self._kind, seen, self._skipped, categories, tuple(networks))

    def _store(self, networks: Sequence[StudiedNetwork]) -> None:
        said = {
            **self._study(networks).to_json(), "atlas": self._atlas.revision, "level": LEVEL,
            "settings": self._plan.to_json(), "layers": self._chosen,
        }  # fmt: skip
        content = json.dumps(said, allow_nan=False).encode()
        write(self._path, content, within=self._atlas.home)


def study_of(atlas: Atlas, kind: str) -> Study | None:
    """Return what `control` or `checkpoints` stored; None if there is nothing of this atlas.

    Args:
        atlas: The atlas.
        kind: "control" or "checkpoints".

    Raises:
        AtlasError: If the file is damaged.
    """
    path = folder_of(atlas.home) / f"{kind}.json"
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
        if found["atlas"] != atlas.revision:
            return None
        networks = tuple(map(StudiedNetwork.from_json, found["networks"]))
        return Study(
            str(found["kind"]), int(found["images"]), int(found["skipped"]),
            tuple(found["categories"]), networks,
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"{path} is damaged ({error}): make it again with `striate dissect {kind}`"
        raise AtlasError(msg) from error
