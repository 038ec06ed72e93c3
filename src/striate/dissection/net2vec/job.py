"""Net2Vec on an atlas: one vector over a layer's units for each concept of one's own images.

Each concept is learnt from the training images and scored on held-out ones: all units together,
subsets of those with the largest weights, and beside them the single unit that is best on the
training images. See `striate.dissection.net2vec.probe` for masks, and
`striate.dissection.net2vec.classify` for whole images.

Source:
    Fong & Vedaldi, "Net2Vec: Quantifying and Explaining How Concepts are Encoded by Filters in
    Deep Neural Networks", CVPR 2018, https://arxiv.org/abs/1801.03454

Differs from the source:
    By default the loss has logarithms and a bias is learnt: both give higher IoUs on held-out
    images. Thresholds are those of `striate.dissection.run`.

Applies to:
    Layers with units; for segmentation, with more than one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from striate.atlas.illustrate import writing
from striate.atlas.store.reader import Atlas
from striate.dissection.net2vec.learn import Wanted
from striate.dissection.net2vec.results import StoredVectors
from striate.dissection.net2vec.run import Progress, Run
from striate.dissection.net2vec.vectors import ConceptVectors
from striate.dissection.plan import make_plan
from striate.errors import AtlasError
from striate.image.concepts.concept_set import ConceptSet
from striate.network.network import Network


def net2vec(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    atlas: Atlas,
    concepts: ConceptSet,
    layer: str,
    *,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    quantile: float = 0.005,
    ratio: int = 2,
    batch: int = 32,
    restart: bool = False,
    sources: Sequence[str] = (),
    progress: Progress = lambda _what, _done, _total: None,
) -> ConceptVectors:
    """Learn a vector for each concept in a layer of an atlas, and store them there.

    Args:
        network: The atlas's network, on the device to run on.
        atlas: The atlas, finished.
        concepts: Concepts and the images that show them; images that are not marked "train" or
            "val" are split by a hash of their name, 7 to 3.
        layer: Address of the layer.
        wanted: What is to be learnt.
        quantile: Share of a unit's activations that count as active.
        ratio: Pixels of the network's input for one pixel of the grid of labels.
        batch: Images in a batch of the network.
        restart: Learn anew what is there.
        sources: Where the concepts came from, to be said by the results.
        progress: Called now and then.

    Returns:
        The vectors; what is stored already with the same settings is not learnt again.

    Raises:
        AddressError: If the atlas has no such layer.
        AtlasError: If the atlas is not finished, the network is another, another run is writing,
            vectors with other settings are there, or a file cannot be written.
        MethodError: If no concept has enough images, or a setting is out of range.

    Example:
        >>> import striate
        >>> from striate.image.concepts.reading import concept_set
        >>> atlas = striate.Atlas("photos-atlas")  # doctest: +SKIP
        >>> network = striate.load("squeezenet1_1")  # doctest: +SKIP
        >>> found = net2vec(network, atlas, concept_set(["streets"]), "features.12.cat")
        ... # doctest: +SKIP
        >>> found.nearest("car")  # doctest: +SKIP
    """
    row, stored = atlas.layer(layer), StoredVectors(atlas)
    plan = make_plan(
        network, atlas, concepts, quantile=quantile, ratio=ratio, upsampling="resize",
        batch=batch,
    )  # fmt: skip
    settings = {
        "sources": list(sources), "concepts": plan.concepts, "images": plan.images,
        "quantile": quantile, "ratio": ratio, "batch": plan.batch, "train": wanted.train,
        "val": wanted.val, "subsets": list(wanted.sizes_for(row.units)),
        **asdict(wanted.training),
    }  # fmt: skip
    with writing(atlas, network):
        there = None if restart else stored.described(row.address, wanted.task)
        if there is not None:
            _refuse_other(there["settings"], settings, f"{row.address} by {wanted.task}")
            return stored.of(row.address, wanted.task)
        run = Run(network, atlas, concepts, row.address, plan, wanted, progress)
        found = replace(run.learnt(), settings=settings)
        stored.store(found)
        return found


def _refuse_other(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Refuse to take what is stored for what is asked.

    Raises:
        AtlasError: If it was learnt in another way.
    """
    names = [name for name in now if name != "sources" and before.get(name) != now[name]]
    if names:
        said = "; ".join(
            "the concepts or their images are others"
            if name == "concepts"
            else f"{name}: {before.get(name)} before, {now[name]} now"
            for name in names
        )
        msg = f"{what} is learnt in another way ({said}): ask for the same, or --restart"
        raise AtlasError(msg)
