"""Images read and preprocessed beside the network, in order, a few batches ahead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from striate.atlas.observe import Batch
from striate.errors import ImageError
from striate.image.ahead import Ahead, parts
from striate.image.decode import decode
from striate.image.folder import ImageFile
from striate.network.network import Network
from striate.shapes import Image


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that was not seen, and why."""

    image: int
    reason: str


class ImageReader:
    """Reads images in threads; a context manager that ends its threads.

    Args:
        network: Whose preprocessing to apply.
        images: The probe set.
        labels: Class index of each image, or None.
        batch: Images in a batch.
        workers: Threads; by default one a core, at most 4.
    """

    def __init__(
        self,
        network: Network,
        images: Sequence[ImageFile],
        labels: Sequence[int | None] | None,
        *,
        batch: int,
        workers: int | None = None,
    ) -> None:
        self._network, self._images, self._labels = network, images, labels
        self._preprocess = network.how_to_read()
        self._batch = batch
        self._ahead = Ahead(self._read, workers)
        self.skipped: list[Skipped] = []

    def __enter__(self) -> "ImageReader":  # noqa: PYI034 - beartype cannot check Self in a method
        return self

    def __exit__(self, *error: object) -> None:
        self._ahead.close()

    def batches(self, ids: Sequence[int]) -> Iterator[Batch]:
        """Yield the readable images with these ids; others go to ``skipped``.

        A batch holds what is readable of its ``batch`` consecutive ids: which images share a batch
        does not depend on how fast they are read.
        """
        for found in self._ahead.groups(parts(ids, self._batch)):
            seen = [(i, x) for i, x in found if not isinstance(x, Skipped)]
            self.skipped += [x for _, x in found if isinstance(x, Skipped)]
            if seen:
                images = torch.stack([image for _, image in seen])
                kept = [i for i, _ in seen]
                images = images.to(device=self._network.device, dtype=self._network.dtype)
                yield Batch(images, kept, [self._label(i) for i in kept])

    def _label(self, image: int) -> int:
        label = self._labels[image] if self._labels is not None else None
        return -1 if label is None else label

    def _read(self, image: int) -> Image | Skipped:
        try:
            return self._preprocess(decode(self._images[image].path))
        except ImageError as error:
            path, name = str(self._images[image].path), self._images[image].name
            # Errors quote a path as Python does: not all characters stand for themselves.
            reason = str(error).replace(repr(path), repr(name)).replace(path, name)
            return Skipped(image, reason)
        except OSError as error:
            return Skipped(image, f"{type(error).__name__}: {error.strerror or error}")
        except MemoryError:
            return Skipped(image, "MemoryError: too large to decode")
