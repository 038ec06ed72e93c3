"""How a concept is spread over a layer's units: masks of weighted units, learnt by gradient.

    M(x; w) = sigmoid(b + sum_k w_k up(A_k(x)))        A_k = 1[a_k > T_k]

``up`` resizes maps to the grid of the labels, linearly: the sum is made first, on the small map,
and the gradient comes back through the transposed matrices. All concepts are learnt at once, each
from the images that show it.

Source:
    Fong & Vedaldi, "Net2Vec: Quantifying and Explaining How Concepts are Encoded by Filters in
    Deep Neural Networks", CVPR 2018, https://arxiv.org/abs/1801.03454, section 3, and the authors'
    code: its loss has no logarithm, is summed over pixels and averaged over images.

Differs from the source:
    Maps are resized with pixels as squares (the authors' code aligns corners, as PyTorch did then).
    Images come in a new random order each epoch, the same for all concepts. A
    subset of units starts from the numbers that the full vector started from.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from striate.dissection.cells import Axis, Upsampling
from striate.dissection.net2vec.loss import Training, seed_of, slopes


@dataclass(frozen=True, slots=True, eq=False)
class Resizing:
    """From maps to the grid of the labels: ``rows @ map @ columns.T``."""

    rows: Float[Tensor, "grid_rows rows"]
    columns: Float[Tensor, "grid_columns columns"]

    @classmethod
    def of(cls, how: Upsampling) -> "Resizing":
        """Return the matrices of an upsampling; each row of them sums to 1.

        Example:
            >>> from striate.dissection.cells import axis_of
            >>> axis = axis_of(2, 4, first=0.5, step=2.0)
            >>> Resizing.of(Upsampling(axis, axis, "resize")).rows
            tensor([[1.0000, 0.0000],
                    [0.7500, 0.2500],
                    [0.2500, 0.7500],
                    [0.0000, 1.0000]], dtype=torch.float64)
        """
        return cls(_matrix(how.rows), _matrix(how.columns))

    def to(self, like: Tensor) -> "Resizing":
        """Return it in the type and on the device of a tensor."""
        return Resizing(self.rows.to(like), self.columns.to(like))

    def __call__(self, maps: Float[Tensor, "n rows columns"]) -> Float[Tensor, "n _ _"]:
        """Return the maps on the grid."""
        return self.rows @ maps @ self.columns.T

    def back(self, slopes: Float[Tensor, "n grid_rows grid_columns"]) -> Float[Tensor, "n _ _"]:
        """Return slopes by the map, given slopes by the grid."""
        return self.rows.T @ slopes @ self.columns


def _matrix(axis: Axis) -> Float[Tensor, "grid places"]:
    found = torch.zeros(len(axis.low), axis.places, dtype=torch.float64)
    points, weight = torch.arange(len(axis.low)), torch.from_numpy(axis.weight)
    found.index_put_((points, torch.from_numpy(axis.low)), 1 - weight, accumulate=True)
    found.index_put_((points, torch.from_numpy(axis.high)), weight, accumulate=True)
    return found


@runtime_checkable
class Examples(Protocol):
    """Images as a probe sees them."""

    def __len__(self) -> int:
        """How many images there are."""

    def example(self, image: int) -> tuple[Tensor, list[int], Tensor]:
        """Return one image.

        Returns:
            Which units are active where, 0 or 1 (units, rows, columns); the concepts that it
            shows; and where (concepts, grid rows, grid columns).
        """


class LinearProbe:
    """Vectors of concepts, several of each, and their training.

    Args:
        weights: To start from.
        biases: Likewise.
        allowed: The units that a vector may use; its other weights are 0.
        alphas: What pixels of each concept weigh; NaN: no weighting, see `losses`.
        resizing: From maps to the grid.
        training: How.
    """

    def __init__(
        self,
        weights: Float[Tensor, "concepts vectors units"],
        biases: Float[Tensor, "concepts vectors"],
        allowed: Bool[Tensor, "concepts vectors units"],
        alphas: Float[Tensor, " concepts"],
        resizing: Resizing,
        training: Training,
    ) -> None:
        self.weights = weights * allowed
        self.biases, self._allowed = biases.clone(), allowed
        self._alphas, self._training = alphas.to(weights), training
        self._up = resizing.to(weights)
        self._moving = torch.zeros_like(weights), torch.zeros_like(biases)
        self._waiting = torch.zeros_like(weights), torch.zeros_like(biases)
        self._count = torch.zeros(len(weights), dtype=torch.int64, device=weights.device)

    def logits(
        self, active: Float[Tensor, "units rows columns"], concepts: Sequence[int]
    ) -> Float[Tensor, "concepts vectors grid_rows grid_columns"]:
        """Return ``M`` before the sigmoid, of some concepts on one image."""
        chosen = torch.tensor(concepts, device=self.weights.device)
        weights, biases = self.weights[chosen], self.biases[chosen]
        small = (weights @ active.flatten(1)).reshape(-1, *active.shape[1:])
        # Rows of a resizing sum to 1: a constant may be added before.
        found = self._up(small + biases.reshape(-1, 1, 1))
        return found.reshape(*biases.shape, *found.shape[1:])

    def epoch(self, examples: Examples, order: Iterable[int]) -> None:
        """See each image once, in an order; each concept steps after so many of its own."""
        for image in order:
            active, concepts, masks = examples.example(image)
            if not concepts:
                continue
            self._add(active, concepts, masks)
            chosen = torch.tensor(concepts, device=self._count.device)
            self._count[chosen] += 1
            self._step(chosen[self._count[chosen] == self._training.batch])
        self._step(self._count.nonzero().flatten())

    def _add(self, active: Tensor, concepts: Sequence[int], masks: Tensor) -> None:
        """Add the gradients of one image to what waits for a step."""
        chosen = torch.tensor(concepts, device=self.weights.device)
        logits = self.logits(active, concepts)
        wanted = masks.to(logits)[:, None]
        found = slopes(logits, wanted, self._alphas[chosen], self._training.loss)
        small = self._up.back(found.flatten(0, 1)).reshape(*logits.shape[:2], -1)
        self._waiting[0][chosen] += small @ active.flatten(1).T
        self._waiting[1][chosen] += small.sum(2)

    def _step(self, chosen: Int64[Tensor, " stepping"]) -> None:
        if len(chosen) == 0:
            return
        training, count = self._training, self._count[chosen]
        gradient = self._waiting[0][chosen] / count[:, None, None]
        weights = self.weights[chosen]
        gradient += training.l1 * weights.sign() + training.l2 * weights
        moving = self._moving[0][chosen] * training.momentum + gradient
        moved = (weights - training.rate * moving) * self._allowed[chosen]
        self.weights[chosen] = moved.clamp(min=0) if training.positive else moved
        self._moving[0][chosen] = moving
        if training.bias:
            by_bias = self._waiting[1][chosen] / count[:, None]
            moving_bias = self._moving[1][chosen] * training.momentum + by_bias
            self.biases[chosen] -= training.rate * moving_bias
            self._moving[1][chosen] = moving_bias
        for waiting in (*self._waiting, self._count):
            waiting[chosen] = 0


def train(
    probe: LinearProbe, examples: Examples, images: Sequence[int], training: Training
) -> Generator[int, None, None]:
    """Train a probe.

    Args:
        probe: It is changed.
        examples: The images.
        images: Which of them to learn from.
        training: How.

    Yields:
        How many epochs are done.
    """
    for epoch in range(training.epochs):
        generator = torch.Generator().manual_seed(seed_of(training.seed, f"epoch {epoch}"))
        order = torch.randperm(len(images), generator=generator).tolist()
        with torch.no_grad():
            probe.epoch(examples, [images[place] for place in order])
        yield epoch + 1


def set_iou(
    probe: LinearProbe, examples: Examples, images: Iterable[int]
) -> Float[Tensor, "concepts vectors"]:
    """Return the IoU of ``M > 0.5`` with each concept, over the pixels of all images that show it.

    Returns:
        float64; NaN where no image shows the concept.
    """
    shape = probe.biases.shape
    both, either = torch.zeros(2, *shape, dtype=torch.float64)
    with torch.no_grad():
        for image in images:
            active, concepts, masks = examples.example(image)
            if not concepts:
                continue
            shown = (probe.logits(active, concepts) > 0).to(active).flatten(2)
            wanted = masks.to(active).flatten(1)[:, :, None]
            # A product of zeros and ones counts exactly, and faster than one of bits.
            shared = (shown @ wanted)[:, :, 0].double()
            both[concepts] += shared.cpu()
            either[concepts] += (shown.sum(2).double() + wanted.sum(1).double() - shared).cpu()
    found: Tensor = both / either
    return found
