"""A value whose derivative is known already: autograd would pass over memory more often."""

from typing import Any

import torch
from torch import Tensor


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, _at: Tensor, value: Tensor, derivative: Tensor, factor: float | Tensor
    ) -> Tensor:
        ctx.save_for_backward(derivative)
        ctx.factor = factor
        return value.clone()

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None, None]:
        (derivative,) = ctx.saved_tensors
        each = (signal * ctx.factor).view(-1, *[1] * (derivative.ndim - 1))
        return derivative * each, None, None, None


def known(at: Tensor, value: Tensor, derivative: Tensor, factor: float | Tensor = 1.0) -> Tensor:
    """Return a value for each image of a batch that leads back by a given derivative.

    Args:
        at: What it is a function of; its first axis counts images.
        value: One for each image, computed without gradients.
        derivative: Of the value of each image by its own part of ``at``, likewise.
        factor: Of the derivative, of all images or of each, if not there yet.

    Returns:
        The value, differentiable by ``at``.

    Example:
        >>> at = torch.tensor([[3.0], [4.0]], requires_grad=True)
        >>> with torch.no_grad():
        ...     value, derivative = at.square()[:, 0], at.clone()
        >>> known(at, value, derivative, 2.0).sum().backward()
        >>> at.grad.flatten().tolist()
        [6.0, 8.0]
    """
    return _Known.apply(at, value, derivative, factor)  # type: ignore[no-any-return]
