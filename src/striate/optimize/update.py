"""How a gradient becomes a step: the rules of the papers.

A rule is begun once for an ascent and then called with the gradients of each step. The gradient is
that of something to be made larger; each image of a batch moves as if it were alone.

Source:
    Yosinski et al. 2015 (constant, progress): code of the Deep Visualization Toolbox. Mahendran &
    Vedaldi, CVPR 2015 (momentum) and IJCV 2016 (AdaGrad that forgets): their code. Lucid (Adam).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Step = Callable[[Sequence[Tensor], int], None]
"""Changes the parameters in place, given their gradients and the number of the step."""


@runtime_checkable
class Update(Protocol):
    """A rule."""

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Start afresh for some parameters."""
        ...


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam, as torch has it.

    Attributes:
        rate: Learning rate.
    """

    rate: float = 0.05

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Start with no memory."""
        optimizer = torch.optim.Adam(parameters, lr=self.rate, maximize=True)

        def step(gradients: Sequence[Tensor], _number: int) -> None:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()

        return step


@dataclass(frozen=True, slots=True)
class Constant:
    """``x + rate g``."""

    rate: float

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Keep nothing from step to step."""

        def step(gradients: Sequence[Tensor], _number: int) -> None:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.add_(gradient, alpha=self.rate)

        return step


@dataclass(frozen=True, slots=True)
class Progress:
    """``x + min(most, wanted / |g|^2) g``: to first order the objective grows by ``wanted``.

    Attributes:
        most: Learning rate at most.
        wanted: Growth of the objective in a step.
    """

    most: float
    wanted: float = 2.0

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Keep nothing from step to step."""

        def step(gradients: Sequence[Tensor], _number: int) -> None:
            squares = sum(g.flatten(1).square().sum(1) for g in gradients)
            rate = (self.wanted / torch.as_tensor(squares)).clamp(max=self.most)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.add_(_each(rate, gradient) * gradient)

        return step


@dataclass(frozen=True, slots=True)
class MeanStep:
    """``x + size g / mean|g|``, the mean over each image: deep dream's step."""

    size: float

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Keep nothing from step to step."""

        def step(gradients: Sequence[Tensor], _number: int) -> None:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                mean = gradient.abs().flatten(1).mean(1).clamp(min=1e-30)
                parameter.add_(_each(self.size / mean, gradient) * gradient)

        return step


@dataclass(frozen=True, slots=True)
class Momentum:
    """``m <- keep m + rate g``; ``x + m``; the memory is lost whenever the rate changes.

    Attributes:
        rates: Pairs of a rate and how many steps it holds; the last one holds on.
        keep: Share of the memory that stays.
    """

    rates: tuple[tuple[float, int], ...]
    keep: float = 0.9

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Start with no memory."""
        memory = [torch.zeros_like(parameter) for parameter in parameters]

        def step(gradients: Sequence[Tensor], number: int) -> None:
            rate, changed = rate_at(self.rates, number)
            for parameter, gradient, old in zip(parameters, gradients, memory, strict=True):
                old.mul_(0.0 if changed else self.keep).add_(gradient, alpha=rate)
                parameter.add_(old)

        return step


@dataclass(frozen=True, slots=True)
class ForgettingAdaGrad:
    """``G <- keep G + g^2``; ``m <- keep m + g / (1 / rate + sqrt G)``; ``x + m``.

    The rate is one for all steps: the authors start their function anew for each rate, with both
    memories empty. (Within a call it would lose the momentum at a new rate, and keep ``G``.)

    Attributes:
        rate: Learning rate.
        keep: Share of both memories that stays.
    """

    rate: float
    keep: float = 0.9

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Start with no memory."""
        squares = [torch.zeros_like(parameter) for parameter in parameters]
        memory = [torch.zeros_like(parameter) for parameter in parameters]

        def step(gradients: Sequence[Tensor], _number: int) -> None:
            for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                squares[k].mul_(self.keep).addcmul_(gradient, gradient)
                memory[k].mul_(self.keep)
                memory[k].add_(gradient / (1 / self.rate + squares[k].sqrt()))
                parameter.add_(memory[k])

        return step


def rate_at(rates: Sequence[tuple[float, int]], number: int) -> tuple[float, bool]:
    """Return the rate of a step, and whether the step before had another.

    Args:
        rates: Pairs of a rate and how many steps it holds; the last one holds on.
        number: Of the step, from 0.

    Example:
        >>> [rate_at([(1.0, 2), (0.1, 2)], number) for number in (1, 2, 9)]
        [(1.0, False), (0.1, True), (0.1, False)]
    """
    begins = 0
    for rate, count in rates[:-1]:
        if number < begins + count:
            return rate, number == begins > 0
        begins += count
    return rates[-1][0], number == begins > 0


def _each(factors: Tensor, like: Tensor) -> Tensor:
    return factors.view(-1, *[1] * (like.ndim - 1))
