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
        changes = {sum(count for _, count in self.rates[:k]) for k in range(1, len(self.rates))}

        def step(gradients: Sequence[Tensor], number: int) -> None:
            rate = self.rate_at(number)
            for parameter, gradient, old in zip(parameters, gradients, memory, strict=True):
                old.mul_(0.0 if number in changes else self.keep).add_(gradient, alpha=rate)
                parameter.add_(old)

        return step

    def rate_at(self, number: int) -> float:
        """Return the rate of a step.

        >>> Momentum(((1.0, 2), (0.1, 2))).rate_at(2)
        0.1
        """
        for rate, count in self.rates:
            if number < count:
                return rate
            number -= count
        return self.rates[-1][0]


@dataclass(frozen=True, slots=True)
class ForgettingAdaGrad:
    """``G <- keep G + g^2``; ``m <- keep m + g / (1 / rate + sqrt G)``; ``x + m``.

    When the rate changes, the momentum is lost and ``G`` stays, as in the authors' code.

    Attributes:
        rates: Pairs of a rate and how many steps it holds; the last one holds on.
        keep: Share of both memories that stays.
    """

    rates: tuple[tuple[float, int], ...]
    keep: float = 0.9

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        """Start with no memory."""
        squares = [torch.zeros_like(parameter) for parameter in parameters]
        memory = [torch.zeros_like(parameter) for parameter in parameters]
        schedule = Momentum(self.rates)
        changes = {sum(count for _, count in self.rates[:k]) for k in range(1, len(self.rates))}

        def step(gradients: Sequence[Tensor], number: int) -> None:
            rate = schedule.rate_at(number)
            for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                squares[k].mul_(self.keep).addcmul_(gradient, gradient)
                memory[k].mul_(0.0 if number in changes else self.keep)
                memory[k].add_(gradient / (1 / rate + squares[k].sqrt()))
                parameter.add_(memory[k])

        return step


def _each(factors: Tensor, like: Tensor) -> Tensor:
    return factors.view(-1, *[1] * (like.ndim - 1))
