"""The loop that makes images: a generator of frames that keeps the best of what it saw.

A step: images of the canvas, transformed; maps of the layers; value of the objective minus the
penalties; gradient; update; bounds and regularizers. The step is left out behind the last frame, so
that each frame's value is that of its images.
"""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from striate.errors import MethodError
from striate.optimize.canvas import Canvas, Pixels
from striate.optimize.objective import Objective
from striate.optimize.prior import Penalty, Regularizer
from striate.optimize.transform import Transform
from striate.optimize.update import Adam, Update
from striate.optimize.view import View, check_reachable
from striate.shapes import Images


class DivergedError(MethodError):
    """The objective stopped being finite.

    Args:
        message: What happened.
        images: Index in the batch of each image that it happened to.
    """

    def __init__(self, message: str, images: Sequence[int]) -> None:
        super().__init__(message)
        self.images = tuple(images)


REDIRECTED_STEPS = 16
"""Lucid's: for so many steps dead rectifiers lead on what would revive them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to ascend.

    Attributes:
        steps: How many.
        update: From gradients to steps.
        penalties: Weights and priors of the images as the canvas counts them, subtracted.
        regularizers: Applied after each step, in this order; a canvas of pixels only.
        bounds: Lowest and highest value of each channel, kept after each step; likewise.
        transforms: Applied to the images before the network, each in turn.
        redirected: For how many steps dead rectifiers are helped; None for all.
        slope: Norm that the first gradient of each image's objective is scaled to, so that
            published step sizes hold for networks of other scales; None leaves it as it is.
    """

    steps: int
    update: Update = field(default_factory=Adam)
    penalties: tuple[tuple[float, Penalty], ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    bounds: tuple[Tensor, Tensor] | None = None
    transforms: tuple[Transform, ...] = ()
    redirected: int | None = REDIRECTED_STEPS
    slope: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """The state at one step.

    Attributes:
        step: Its number, from 0.
        steps: How many there will be.
        images: In network space, not transformed.
        values: The objective of each image, penalties not counted; of the transformed image where
            there are transforms.
        best: The images with the highest values so far; without transforms, of this very frame or
            an earlier one; with transforms, this frame's (values of two steps do not compare). With
            regularizers, from half of the steps on, those of the second half alone: the noise of
            the start may have a higher value than the picture that emerges from it.
        best_values: Their values.
        penalties: What was subtracted from the value of each image, weights included.
    """

    step: int
    steps: int
    images: Images
    values: Tensor
    best: Images
    best_values: Tensor
    penalties: Tensor


def ascend(
    view: View,
    canvas: Canvas,
    objective: Objective,
    recipe: Recipe,
    *,
    generator: torch.Generator | None = None,
) -> Generator[Frame, None, None]:
    """Make images that an objective is large for.

    Args:
        view: The layers that the objective looks at.
        canvas: What is changed, in place.
        objective: What is made large, for each image of its own.
        recipe: How.
        generator: For the transforms; a fresh one with seed 0 if None.

    Yields:
        A frame for each step. Close the generator to stop early: the last frame has the best.

    Raises:
        MethodError: If no gradient comes back, a value is not finite (then a `DivergedError`), or
            a canvas that is not of pixels is to be regularized or bounded.
    """
    if (recipe.regularizers or recipe.bounds) and not isinstance(canvas, Pixels):
        msg = "regularizers and bounds work on pixels; this canvas is a spectrum or a pyramid"
        raise MethodError(msg)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    step = recipe.update.begin(canvas.parameters)
    best, best_values, scale = Tensor(), Tensor(), None
    if recipe.slope is not None:
        scale = _scale(view, canvas, objective, recipe)
    settled = recipe.steps // 2 if recipe.regularizers else 0
    for number in range(recipe.steps):
        images, values, penalties, gradients = _gradients(
            view, canvas, objective, recipe, number, generator, scale
        )
        if number in {0, settled} or recipe.transforms:
            best, best_values = images, values
        else:
            better = values > best_values
            best = chosen(better, images, best)
            best_values = torch.where(better, values, best_values)
        # What a caller does with gradients off or on between two frames is its own affair.
        yield Frame(number, recipe.steps, images, values, best, best_values, penalties)
        if number < recipe.steps - 1:
            _move(canvas, gradients, step, recipe, number)


def chosen(better: Tensor, ones: Images, others: Images) -> Images:
    """Return of each pair of images the first where it is better, else the second.

    >>> chosen(torch.tensor([True, False]), torch.ones(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)).mean()
    tensor(0.5000)
    """
    if bool(better.all()):
        return ones
    return torch.where(better[:, None, None, None], ones, others) if bool(better.any()) else others


def _gradients(
    view: View,
    canvas: Canvas,
    objective: Objective,
    recipe: Recipe,
    number: int,
    generator: torch.Generator,
    scale: Tensor | None,
) -> tuple[Images, Tensor, Tensor, Sequence[Tensor]]:
    """Return the canvas's images, their values and penalties, and the parameters' gradients.

    Raises:
        DivergedError: If the objective is not finite.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        images = canvas.images()
        shown = images
        for transform in recipe.transforms:
            shown = transform(shown, generator)
        helped = recipe.redirected is None or number < recipe.redirected
        seen = view(shown, redirected=helped) if view.names else {}
        for name, maps in seen.items():
            check_reachable(maps, name)
        values = objective(seen, shown)
        penalties = torch.zeros_like(values)
        for weight, penalty in recipe.penalties:
            penalties = penalties + weight * penalty(_counted(canvas, images))
        totals = (values if scale is None else scale * values) - penalties
        if not bool(torch.isfinite(totals).all()):
            lost = (~torch.isfinite(totals)).nonzero().flatten().tolist()
            value, own = float(totals[lost[0]].detach()), float(values[lost[0]].detach())
            reason = "take smaller steps, or stronger priors"
            if number == 0 and not math.isfinite(own):
                reason = "the network itself computes no number for the image that it starts from"
            msg = f"the objective became {value} at step {number}: {reason}"
            raise DivergedError(msg, lost)
        gradients = torch.autograd.grad(totals.sum(), canvas.parameters)
    return images.detach(), values.detach(), penalties.detach(), gradients


def _scale(view: View, canvas: Canvas, objective: Objective, recipe: Recipe) -> Tensor:
    """Return the factor of each image's objective that gives its first gradient the right size."""
    alone = replace(recipe, penalties=(), transforms=())
    _, values, _, gradients = _gradients(view, canvas, objective, alone, 0, torch.Generator(), None)
    with torch.inference_mode(mode=False):
        squares = torch.stack([gradient.square().flatten(1).sum(1) for gradient in gradients])
        size = squares.sum(0).sqrt()
        return torch.where(size > 0, (recipe.slope or 0.0) / size, torch.ones_like(values))


def _counted(canvas: Canvas, images: Images) -> Images:
    return canvas.values if isinstance(canvas, Pixels) else images


@torch.no_grad()
def _move(
    canvas: Canvas,
    gradients: Sequence[Tensor],
    step: Callable[[Sequence[Tensor], int], None],
    recipe: Recipe,
    number: int,
) -> None:
    step(gradients, number)
    if not isinstance(canvas, Pixels):
        return
    for regularizer in recipe.regularizers:
        canvas.values.copy_(regularizer(canvas.values, gradients[0], number))
    if recipe.bounds is not None:
        canvas.values.clamp_(*recipe.bounds)
