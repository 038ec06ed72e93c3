"""Labelled images read beside the network, in threads: each with its masks, in order."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

import torch

from striate.atlas.reading import Skipped
from striate.dissection.labels import Labels
from striate.dissection.results import categories_of
from striate.dissection.watch import LabelledBatch
from striate.errors import ImageError
from striate.image.ahead import Ahead, parts
from striate.image.concepts.concept_set import ConceptSet, LabelledImage
from striate.image.concepts.reading import segments
from striate.image.decode import decode
from striate.network.network import Network
from striate.shapes import Image

Read: TypeAlias = tuple[Image, Labels] | Skipped


class LabelledReader:
    """Reads images and their labels in threads; a context manager that ends its threads.

    Args:
        network: Whose preprocessing to apply.
        concepts: The images and their labels.
        ratio: Pixels of the network's input for one pixel of the grid of labels.
        batch: Images in a batch.
        workers: Threads; by default one a core, at most 4.
    """

    def __init__(
        self,
        network: Network,
        concepts: ConceptSet,
        *,
        ratio: int,
        batch: int,
        workers: int | None = None,
    ) -> None:
        self._network, self._concepts, self._ratio = network, concepts, ratio
        self._preprocess = network.how_to_read()
        self._categories = categories_of(concepts.concepts)
        self._batch = batch
        self._ahead = Ahead(self._read, workers)

    def __enter__(self) -> "LabelledReader":  # noqa: PYI034 - beartype cannot check Self in a method
        return self

    def __exit__(self, *error: object) -> None:
        self._ahead.close()

    def batches(
        self, ids: Sequence[int], without: Collection[int] = ()
    ) -> Iterator[tuple[LabelledBatch | None, list[Skipped]]]:
        """Yield what is readable of each ``batch`` consecutive ids, and what is not.

        Args:
            ids: Of the images to read, ascending.
            without: Ids of images that are not read at all.

        Yields:
            The batch, or None where nothing is readable; and what was skipped, with the reason.
        """
        groups = parts(ids, self._batch)
        wanted = [[image for image in group if image not in without] for group in groups]
        for found in self._ahead.groups(wanted):
            yield self._gathered(found)

    def _gathered(
        self, found: Sequence[tuple[int, Read]]
    ) -> tuple[LabelledBatch | None, list[Skipped]]:
        seen = [(image, *read) for image, read in found if not isinstance(read, Skipped)]
        skipped = [read for _, read in found if isinstance(read, Skipped)]
        if not seen:
            return None, skipped
        images = torch.stack([image for _, image, _ in seen])
        images = images.to(device=self._network.device, dtype=self._network.dtype)
        ids, labels = [number for number, _, _ in seen], [shown for _, _, shown in seen]
        return LabelledBatch(images, ids, labels), skipped

    def _read(self, number: int) -> Read:
        image = self._concepts.images[number]
        try:
            picture = decode(image.path)
            shown = segments(self._concepts, image, picture, self._preprocess, self._ratio)
            labels = Labels.of(shown, self._categories, len(self._concepts.categories))
            return self._preprocess(picture), labels
        except ImageError as error:
            return Skipped(number, _without_paths(str(error), image))
        except OSError as error:
            return Skipped(number, f"{type(error).__name__}: {error.strerror or error}")
        except MemoryError:
            return Skipped(number, "MemoryError: too large to decode")


def _without_paths(reason: str, image: LabelledImage) -> str:
    """Say names for paths: what is stored must not depend on where the images lie."""
    named = [(image.path, image.name), *((mask.path, mask.path.name) for mask in image.masks)]
    for path, name in named:
        # Errors quote a path as Python does: not all characters stand for themselves.
        reason = reason.replace(repr(str(path)), repr(name)).replace(str(path), name)
    return reason
