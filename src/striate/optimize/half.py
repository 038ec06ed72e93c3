"""Gradients through networks in half precision, which would overflow there, or vanish."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from striate.shapes import Images


class Range:
    """Brings each image's gradient into the range of half precision and, behind it, back.

    What comes back to an image's maps is divided by its own length, so that an image's gradient
    does not depend on the others; not by the largest number, since sums of many would be too large.
    There are no second derivatives.

    >>> images, range_ = torch.ones(1, 1, 1, 1, requires_grad=True), Range()
    >>> (maps,) = range_.maps([range_.images(images).half()])
    >>> torch.autograd.grad((1e9 * maps.float()).sum(), images)[0].item()
    1000000000.0
    """

    def __init__(self) -> None:
        self._sizes = torch.ones(()), torch.ones(())

    def images(self, images: Images) -> Images:
        """Return images whose gradient is multiplied by what the maps' was divided by."""
        return _Images.apply(self, images)  # type: ignore[no-any-return]

    def maps(self, maps: list[Tensor]) -> list[Tensor]:
        """Return maps in single precision, whose gradient is divided by its length."""
        return list(_Maps.apply(self, *maps))

    def divided(self, gradients: tuple[Tensor, ...]) -> list[Tensor]:
        """Divide each image's gradients by their length."""
        flat = torch.cat([gradient.flatten(1) for gradient in gradients], 1)
        # Of numbers that are large, or small, the squares would not be numbers, or 0.
        largest = flat.abs().amax(1)
        largest = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
        # Two factors: the product of both may be too large for a number.
        self._sizes = largest, (flat / largest[:, None]).norm(dim=1).clamp(min=1)
        return [self._each(torch.div, gradient) for gradient in gradients]

    def restored(self, gradient: Tensor) -> Tensor:
        """Undo that."""
        return self._each(torch.mul, gradient)

    def _each(self, operation: Callable[[Tensor, Tensor], Tensor], gradient: Tensor) -> Tensor:
        for size in self._sizes:
            gradient = operation(gradient, size.reshape(-1, *[1] * (gradient.ndim - 1)))
        return gradient


class _Images(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, range_: Range, images: Tensor) -> Tensor:
        ctx.range = range_
        return images.view_as(images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.range.restored(gradients[0])


class _Maps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, range_: Range, *maps: Tensor) -> tuple[Tensor, ...]:
        ctx.range, ctx.dtypes = range_, [each.dtype for each in maps]
        single = tuple(each.float() for each in maps)
        reached = ctx.needs_input_grad[1:]
        ctx.mark_non_differentiable(*(s for s, r in zip(single, reached, strict=True) if not r))
        return single

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        divided = ctx.range.divided(gradients)
        parts = zip(divided, ctx.dtypes, strict=True)
        return None, *(gradient.to(dtype) for gradient, dtype in parts)
