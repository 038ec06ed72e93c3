"""Images for training: which are held out, and reading them ahead of the network.

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    Which images are held out depends on their names alone: the same ones on another machine, and
    none changes sides when the folder grows. Only where the share comes to fewer than two images
    are the two with the lowest hashes held out, and a new one may take the place of one of them.

Applies to:
    Every folder or list of images.
"""

import hashlib
from collections.abc import Iterator, Sequence

import torch

from striate.errors import ImageError, MethodError
from striate.image.ahead import Ahead
from striate.image.decode import decode
from striate.image.folder import ImageFile
from striate.image.preprocess import Preprocessing
from striate.shapes import Image, Images


def split(images: Sequence[ImageFile], share: float) -> tuple[list[ImageFile], list[ImageFile]]:
    """Hold out a share of the images, by a hash of their names.

    Args:
        images: From `striate.image.folder.find_images`.
        share: From 0 to 1; two images at least are held out, those with the lowest hashes.

    Returns:
        The images to train on, and those held out; both in the order of their hashes.

    Raises:
        MethodError: If fewer than three images leave nothing to train on, or the share does.

    Example:
        >>> from pathlib import Path
        >>> images = [ImageFile(i, f"{i}.png", Path(f"{i}.png"), None) for i in range(5)]
        >>> [image.name for image in split(images, 0.05)[1]]
        ['0.png', '2.png']
    """
    marks = {image.name: _mark(image.name) for image in images}
    ordered = sorted(images, key=lambda image: (marks[image.name], image.name))
    count = max(2, sum(mark < share for mark in marks.values()))
    if count >= len(ordered):
        msg = (
            f"{len(ordered)} images with {share:g} of them held out leave none to train on; give "
            "more images (at least 3), or hold out fewer"
        )
        raise MethodError(msg)
    return ordered[count:], ordered[:count]


class Reader:
    """Reads images in threads, a few batches ahead; a context manager that ends its threads.

    Args:
        preprocessing: How the network reads pictures.
        workers: Threads; by default one a core, at most 4.

    Attributes:
        skipped: Why, by the name of each image that could not be read.
    """

    def __init__(self, preprocessing: Preprocessing, workers: int | None = None) -> None:
        self._preprocess = preprocessing
        self._ahead = Ahead(self._read, workers)
        self.skipped: dict[str, str] = {}

    def __enter__(self) -> "Reader":  # noqa: PYI034 - beartype cannot check Self in a method
        return self

    def __exit__(self, *error: object) -> None:
        self._ahead.close()

    def batches(
        self, groups: Sequence[Sequence[ImageFile]]
    ) -> Iterator[tuple[list[ImageFile], Images | None]]:
        """Yield what is readable of each group, in order; None where nothing is."""
        for found in self._ahead.groups(groups):
            self.skipped |= {image.name: x for image, x in found if isinstance(x, str)}
            seen = [(image, x) for image, x in found if not isinstance(x, str)]
            yield [image for image, _ in seen], torch.stack([x for _, x in seen]) if seen else None

    def _read(self, image: ImageFile) -> Image | str:
        try:
            return self._preprocess(decode(image.path))
        except (ImageError, OSError) as error:
            return str(error)
        except MemoryError:
            return "too large to decode"


def _mark(name: str) -> float:
    """Return a number from 0 to 1 that depends on the name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6]) / 2**48
