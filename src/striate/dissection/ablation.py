"""The units of an atlas's layer ablated, and what came out kept beside the atlas.

Results lie in ``DIR/dissection/ablation-NNNN.json``, each whole or absent; the same question asked
again takes the place of its older answer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.atlas.classes import matched
from striate.atlas.illustrate import writing
from striate.atlas.recipe import image_paths
from striate.atlas.store.files import write
from striate.atlas.store.reader import Atlas
from striate.dissection.intervention import Progress, intervene
from striate.dissection.results import folder_of
from striate.dissection.roles import Intervention
from striate.errors import MethodError
from striate.image.folder import ImageFile, find_images, folder_labels, read_labels
from striate.network.network import Network

FORMAT = 1

_QUESTION = ("layer", "count", "to", "seed", "images", "identity")


def ablate_atlas(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    atlas: Atlas,
    layer: str,
    *,
    classes: Sequence[str | int] | None = None,
    count: int | None = None,
    to: str = "zero",
    images: Path | str | None = None,
    labels: Path | str | None = None,
    seed: int = 0,
    batch: int = 32,
    progress: Progress = lambda _done, _total: None,
) -> Intervention:
    """Rank the units of a layer by what they do for each class, judge that, and keep the answer.

    Args:
        network: The atlas's network, on the device to run on.
        atlas: The atlas.
        layer: Address of the layer.
        classes: Names or numbers of classes; None for all that have enough images.
        count: Units to ablate together; None for 20, or a quarter of the units if that is fewer.
        to: What an ablated unit is set to: "zero", or its "mean" over the atlas.
        images: A folder or list of labelled pictures; None for the atlas's own probe set.
        labels: CSV with their classes; by default class folders.
        seed: Of the halves and of random units.
        batch: Images in a batch.
        progress: Called now and then with the images done and their total.

    Returns:
        The ranking and how it was judged, class by class.

    Raises:
        AddressError: If there is no such layer.
        AtlasError: If the atlas is not finished, the network is another, another run is writing, or
            a file cannot be written.
        ImageError: If there are no images, or labels do not fit.
        MethodError: If classes are not known or have too few images, or a setting is none.
    """
    if to not in {"zero", "mean"}:
        msg = f"a unit is ablated to 'zero' or to its 'mean', not to {to!r}"
        raise MethodError(msg)
    files, known, names, where = _pictures(network, atlas, images, labels)
    asked = None if classes is None else [_class(one, network, names) for one in classes]
    value = atlas.summary_of(layer).moments.mean if to == "mean" else None
    with writing(atlas, network):
        found = intervene(
            network, layer, files, known, classes=asked, count=count, value=value, seed=seed,
            batch=batch, names=names, progress=progress,
        )  # fmt: skip
        content = {
            **found.to_json(), "images": where, "atlas": atlas.revision,
            "identity": atlas.plan.fingerprint, "format": FORMAT,
        }  # fmt: skip
        _store(folder_of(atlas.home), content)
    return found


def _pictures(
    network: Network, atlas: Atlas, images: Path | str | None, labels: Path | str | None
) -> tuple[list[ImageFile], list[int | None], dict[int, str], str]:
    """Return pictures, their classes, names of classes, and what to call the whole."""  # noqa: DOC501 - private
    if images is None:
        if labels is not None:
            msg = f"{labels} labels images that are not named: give their folder too (--images)"
            raise MethodError(msg)
        paths = zip(atlas.images, image_paths(atlas), strict=True)
        files = [ImageFile(row.id, row.name, path, None) for row, path in paths]
        return files, [row.label for row in atlas.images], atlas.class_names, "the atlas's"
    files = find_images(Path(images))
    found = read_labels(Path(labels), files) if labels is not None else folder_labels(files)
    if found is None:
        msg = f"{images} has no folder a class: say which image shows which class (--labels CSV)"
        raise MethodError(msg)
    known = matched(found, network)
    return files, list(known.index), {**atlas.class_names, **known.names}, str(images)


def _class(asked: str | int, network: Network, names: dict[int, str]) -> int:
    """Return the number of a class; a name counts before a number."""  # noqa: DOC501 - private
    if isinstance(asked, int):
        return asked
    called = {**names, **dict(enumerate(network.class_names or ()))}
    fitting = [k for k, name in called.items() if name.casefold() == asked.casefold()]
    if len(fitting) == 1:
        return fitting[0]
    if asked.isdecimal() and not fitting:
        return int(asked)
    some = ", ".join(list(called.values())[:12]) or "known by number alone"
    what = f"{len(fitting)} classes are called {asked!r}" if fitting else f"no class {asked!r}"
    msg = f"{what}; classes are {some}{', ...' if len(called) > 12 else ''}"
    raise MethodError(msg)


def _store(folder: Path, content: dict[str, Any]) -> None:
    """Write an answer in the place of an older one to the same question, or behind the last."""
    there = sorted(folder.glob("ablation-[0-9][0-9][0-9][0-9].json"))
    same = [path for path in there if _question(_read(path)) == _question(content)]
    last = int(there[-1].stem.rpartition("-")[2]) if there else -1
    path = same[0] if same else folder / f"ablation-{last + 1:04d}.json"
    write(path, json.dumps(content).encode(), within=folder.parent)


def _read(path: Path) -> dict[str, Any]:
    """Return a stored answer; nothing of what is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _question(content: dict[str, Any]) -> list[Any]:
    classes = [role["index"] for role in content.get("classes", [])]
    return [*(content.get(key) for key in _QUESTION), classes]
