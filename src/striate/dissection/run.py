"""Network Dissection of an atlas: which concept each unit of its layers stands for.

Bau et al.'s method on one's own labelled images. Each unit's threshold is the value that a share
of 0.005 of its activations exceeds, over all places of all images; its map, upsampled, is active
where it exceeds that; and what the unit stands for is the concept whose pixels agree best with its
active ones, over the whole set (`striate.atlas.accumulators.overlap`).

What is done is kept: interrupted at any point, the same call goes on; called again, it does
nothing; called with more layers, it adds those.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection: Quantifying Interpretability of Deep
    Visual Representations", CVPR 2017, https://arxiv.org/abs/1704.05796
Differs from the source:
    See `striate.dissection.cells` for the grid, `striate.image.concepts.colours` for colours.
Applies to:
    Layers whose activations have rows and columns, and more than one place.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from striate.atlas.engines.local import Progress
from striate.atlas.illustrate import chosen_layers, writing
from striate.atlas.store.files import crash_point, remove, write
from striate.atlas.store.reader import Atlas
from striate.dissection.cells import why_not
from striate.dissection.checkpoint import Checkpoint
from striate.dissection.passes import Found, Passes, Probe
from striate.dissection.plan import DissectionPlan, make_plan
from striate.dissection.results import (
    Dissection,
    folder_of,
    read_index,
    store_index,
    store_layer,
)
from striate.errors import AtlasError, MethodError
from striate.image.concepts.concept_set import ConceptSet
from striate.network.network import Network

_CHECKPOINT = "begun.safetensors"


def dissect(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    atlas: Atlas,
    concepts: ConceptSet,
    *,
    layers: Sequence[str] | None = None,
    quantile: float = 0.005,
    ratio: int = 2,
    upsampling: str = "field",
    batch: int = 32,
    restart: bool = False,
    sources: Sequence[str] = (),
    progress: Callable[[Progress], None] = lambda _: None,
) -> Dissection:
    """Compare the units of an atlas's layers with labelled concepts, and store what comes out.

    Args:
        network: The atlas's network, on the device to run on.
        atlas: The atlas, finished.
        concepts: Concepts and the images that show them.
        layers: Addresses or globs; None for all layers whose maps have more than one place.
        quantile: Share of a unit's activations that count as active.
        ratio: Pixels of the network's input for one pixel of the grid on which maps and labels are
            compared.
        upsampling: "field" anchors maps at the centres of receptive fields; "resize" scales them
            as pictures.
        batch: Images in a batch.
        restart: Throw away what is there and begin anew.
        sources: Where the concepts came from, to be said by the results.
        progress: Called now and then; each image counts once in each of two passes.

    Returns:
        The dissection: what was there before included.

    Raises:
        AddressError: If a layer is not in the atlas.
        AtlasError: If the atlas is not finished, the network is another, another run is writing, a
            dissection with other settings or concepts is there, or a file cannot be written.
        MethodError: If a setting is out of range, or a layer that is named cannot be dissected.

    Example:
        >>> import striate
        >>> from striate.image.concepts.reading import concept_set
        >>> atlas = striate.Atlas("photos-atlas")  # doctest: +SKIP
        >>> network = striate.load("squeezenet1_1")  # doctest: +SKIP
        >>> dissect(network, atlas, concept_set(["streets", "colours"]))  # doctest: +SKIP
    """
    plan = make_plan(
        network, atlas, concepts, quantile=quantile, ratio=ratio, upsampling=upsampling,
        batch=batch,
    )  # fmt: skip
    chosen = dissected_layers(network, atlas, layers)
    with writing(atlas, network):
        run = _Run(network, atlas, concepts, plan, progress)
        if restart:
            run.clear()
        run.refuse_other()
        run.say_images(sources)
        run.finish(chosen)
        return Dissection(atlas)


def dissected_layers(network: Network, atlas: Atlas, patterns: Sequence[str] | None) -> list[str]:
    """Return the layers of an atlas that are to be dissected, in execution order.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        patterns: Addresses or globs; None for all that can be dissected.

    Raises:
        AddressError: If one names nothing in the atlas.
        MethodError: If none of those that one names can be dissected.
    """
    layers = network.layers_at(network.image_size)
    reasons = {name: why_not(layers[name]) for name in atlas.layers}
    for pattern in patterns or ["*"]:
        named = chosen_layers(atlas, [pattern])
        if all(reasons[name] is not None for name in named):
            first = named[0]
            msg = f"{first} cannot be compared with labelled pixels: {reasons[first]}"
            raise MethodError(msg)
    return [name for name in chosen_layers(atlas, patterns) if reasons[name] is None]


class _Run:
    """One run over what is not stored yet."""

    def __init__(
        self,
        network: Network,
        atlas: Atlas,
        concepts: ConceptSet,
        plan: DissectionPlan,
        progress: Callable[[Progress], None],
    ) -> None:
        self._network, self._atlas, self._concepts = network, atlas, concepts
        self._plan, self._progress = plan, progress
        self._folder = folder_of(atlas.home)
        self._path = self._folder / _CHECKPOINT

    def clear(self) -> None:
        """Throw away what is there; the index first: what is half removed is no dissection.

        Studies stay: they lie here too, and say themselves what they are of.

        Raises:
            AtlasError: If it cannot be removed.
        """
        remove(self._folder / "dissection.json")
        try:
            for name in ("images.json", _CHECKPOINT):
                (self._folder / name).unlink(missing_ok=True)
                crash_point()
            if (self._folder / "layers").exists():
                shutil.rmtree(self._folder / "layers")
            crash_point()
        except OSError as error:
            msg = f"cannot remove what is in {self._folder}: {error}"
            raise AtlasError(msg) from error

    def refuse_other(self) -> None:
        """Refuse to mix what was found with other settings.

        Raises:
            AtlasError: If a dissection, finished or begun, has another plan.
        """
        begun = Checkpoint.read(self._path)
        index = read_index(self._folder)
        for plan in (index["settings"] if index else None, begun.plan if begun else None):
            differences = self._plan.differences(plan) if plan is not None else []
            if differences:
                msg = (
                    f"{self._folder} holds another dissection ({'; '.join(differences)}): ask for "
                    "the same, or begin anew with --restart"
                )
                raise AtlasError(msg)

    def say_images(self, sources: Sequence[str]) -> None:
        """Write down where the images are, now: they may have moved."""
        said = {
            "names": [image.name for image in self._concepts.images],
            "paths": [str(image.path.resolve()) for image in self._concepts.images],
            "sources": [str(source) for source in sources],
        }
        path = self._folder / "images.json"
        content = json.dumps(said).encode()
        if not path.exists() or path.read_bytes() != content:
            write(path, content, within=self._folder.parent)

    def finish(self, chosen: Sequence[str]) -> None:
        """Dissect what is not dissected yet; what was begun first."""
        begun = Checkpoint.read(self._path)
        for wanted in ([] if begun is None else begun.layers, chosen):
            there = {row["address"] for row in self._rows()}
            missing = [name for name in self._atlas.layers if name in wanted and name not in there]
            if missing:
                probes = [Probe(name) for name in missing]
                passes = Passes(
                    self._network, self._atlas, self._concepts, self._plan, probes, self._path,
                    self._progress,
                )  # fmt: skip
                self._store(passes.run())
        remove(self._path)

    def _rows(self) -> list[dict[str, Any]]:
        index = read_index(self._folder)
        return list(index["layers"]) if index else []

    def _store(self, found: Found) -> None:
        """Add layers to what is there; one index names them all.

        Raises:
            AtlasError: If other images could be read than when the first layers were dissected.
        """
        index, overlap = read_index(self._folder), found.layers[0].overlap
        skipped = [[image, reason] for image, reason in sorted(found.skipped.items())]
        if index is not None and [image for image, _ in index["skipped"]] != [
            i for i, _ in skipped
        ]:
            # It would say the same again, whatever is repaired.
            remove(self._path)
            msg = (
                f"{self._folder}: {len(skipped)} images cannot be read, where it were "
                f"{len(index['skipped'])} for the layers before: repair them, or --restart"
            )
            raise AtlasError(msg)
        rows = self._rows()
        for layer in found.layers:
            number = self._atlas.layers[layer.address].number
            rows.append(store_layer(self._folder, number, layer))
        store_index(self._folder, {
            "atlas": self._atlas.revision,
            "identity": self._plan.hash(),
            "settings": self._plan.to_json(),
            "concepts": [[c.name, c.category] for c in self._concepts.concepts],
            "pixels": overlap.pixels.tolist(),
            "skipped": index["skipped"] if index is not None else skipped,
            "layers": sorted(rows, key=lambda row: int(row["number"])),
        })  # fmt: skip
