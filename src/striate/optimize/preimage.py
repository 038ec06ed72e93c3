"""Ways to invert a layer, by name: the published settings of Mahendran & Vedaldi.

* ``cvpr2015``: gradient descent with momentum, from noise; alpha-norm of each value and total
  variation, whose weight grows with depth.
* ``cvpr2015-shallow``: likewise, longer, and with the smallest weight: for HOG and SIFT.
* ``ijcv2016``: AdaGrad that forgets, under jitter, then a while without; alpha-norm of each colour,
  no colour longer than a bound.
* ``ijcv2016-caricature``: likewise, under jitter to the end.

All count in bytes around the mean (see `space`).

Source:
    Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015,
    and the code github.com/aravindhm/deep-goggle; Mahendran & Vedaldi, "Visualizing Deep
    Convolutional Neural Networks Using Natural Pre-Images", IJCV 2016, and the code
    github.com/aravindhm/nnpreimage.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from striate.errors import MethodError
from striate.network.network import Network
from striate.optimize.ascend import DivergedError, Recipe
from striate.optimize.prior import ClipColour, Penalty, Regularizer, alpha_norm, total_variation
from striate.optimize.transform import Transform, crop
from striate.optimize.update import ForgettingAdaGrad, Momentum, Update

Size = tuple[int, int, int]
"""(channels, height, width)"""

Canvases = Float[Tensor, "images channels _ _"]
"""Images in network space, of the size of the image or larger."""

Start = Callable[[Size, Sequence[torch.Generator]], Tensor]
"""From a size, and a generator for each image, to images in bytes around the mean."""

TYPICAL = 27098.116 / math.sqrt(3 * 227 * 227)
"""Root mean square of a photograph's values in bytes around the mean: from the authors' norm."""

_SLOWEST = 2**-10
"""Share of the published rates that is not halved any more."""

_LENGTH, _LONGEST = 80.0, 160.0
"""Length of a typical colour, and of the longest allowed (IJCV 2016)."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a descent, on a canvas of its own.

    Attributes:
        steps: How many.
        update: From gradients to steps.
        penalties: Weights and priors of the canvas.
        regularizers: Applied after each step.
        slack: Rows and columns that the canvas has more than the image: the network sees a random
            part at each step (jitter), and the middle is the result.
    """

    steps: int
    update: Update
    penalties: tuple[tuple[float, Penalty], ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    slack: int = 0

    def recipe(self, generators: Sequence[torch.Generator]) -> Recipe:
        """Return how to ascend; the frame behind the last step is one more.

        Args:
            generators: Of the jitter, one for each image.
        """
        return Recipe(
            steps=self.steps + 1,
            update=self.update,
            penalties=self.penalties,
            regularizers=self.regularizers,
            transforms=(_crops(self.slack, generators),) if self.slack else (),
            redirected=0,
        )

    def middle(self, images: Canvases) -> Canvases:
        """Return the part of a canvas that is the result."""
        first = self.slack // 2
        rows, columns = images.shape[2] - self.slack, images.shape[3] - self.slack
        return images[:, :, first : first + rows, first : first + columns]

    def around(self, images: Canvases) -> Canvases:
        """Return a canvas with some images in its middle, the mean around."""
        first, last = self.slack // 2, self.slack - self.slack // 2
        return functional.pad(images, (first, last, first, last))


@dataclass(frozen=True, slots=True)
class Settings:
    """A way to invert a layer.

    Attributes:
        name: What it is called.
        weight: Of total variation (CVPR 2015), or of the features (IJCV 2016).
        scale: The normalised error of the features is multiplied by it.
        start: Images to start from.
        phases: One after the other, each from the result of the one before.
        slowed: Factor of the published rates: 1, or less where those diverge.
    """

    name: str
    weight: float
    scale: float
    start: Start
    phases: tuple[Phase, ...]
    slowed: float = 1.0

    def slower(self, diverged: DivergedError) -> "Settings":
        """Return these settings with half the rates.

        Args:
            diverged: Why.

        Raises:
            DivergedError: If that would not help: rates of `Momentum` only are meant for this.
        """
        phases = []
        for phase in self.phases:
            if not isinstance(phase.update, Momentum) or self.slowed < _SLOWEST:
                raise diverged
            rates = tuple((rate / 2, count) for rate, count in phase.update.rates)
            phases.append(replace(phase, update=replace(phase.update, rates=rates)))
        return replace(self, phases=tuple(phases), slowed=self.slowed / 2)

    @property
    def steps(self) -> int:
        """How many there are in all."""
        return sum(phase.steps for phase in self.phases)


def share_of_depth(network: Network, layer: str) -> float:
    """Return which share of a network's layers, in execution order, lies no deeper than a layer.

    >>> import striate
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> share_of_depth(striate.load(module, image_size=(8, 8)), "0")
    0.5
    """
    order = {node: place for place, node in enumerate(network.trace().graph.nodes)}
    own = order[network.layers.whole(layer).node]
    places = [order[one.node] for one in network.layers.values()]
    return sum(place <= own for place in places) / len(places)


_COUNTS = {
    "cvpr2015": (100, 200, 100),
    "cvpr2015-shallow": (200, 200, 200, 200),
    "ijcv2016": (300, 50),
    "ijcv2016-caricature": (300, 0),
}
"""Steps at each rate, or with and without jitter, by the name of the settings."""


def settings_named(
    name: str | Settings,
    network: Network,
    layer: str,
    size: Size,
    *,
    weight: float | None = None,
    steps: int | None = None,
    beta: float = 2.0,
) -> Settings:
    """Return the published settings for a layer.

    Args:
        name: "cvpr2015", "cvpr2015-shallow", "ijcv2016" or "ijcv2016-caricature"; settings of one's
            own are returned as they are.
        network: The network.
        layer: Address of the layer.
        size: (channels, height, width) of the image.
        weight: Of total variation, the papers' 1, 10 or 100 (twice lambda 1 to 3); for "ijcv2016"
            C, their 1, 20, 100 or 300. None chooses among these by the share of depth, as the
            CVPR paper does for its 20 layers: the first below or at 6/20, the next at 12/20, then
            the last. For C, which is chosen by eye in the paper, the choice is ours.
        steps: How many in all; the phases and rates keep their shares. None: the published number.
        beta: Exponent of total variation.

    Returns:
        The settings.

    Raises:
        MethodError: If there are none of that name, fewer than one step, or the weight is not
            finite or below 0; nor may that of the features be 0. If there is a weight or number
            of steps beside settings of one's own.
    """
    if isinstance(name, Settings):
        given = {"steps": steps, "weight": weight}
        said = [f"{knob}={value}" for knob, value in given.items() if value is not None]
        if said:
            msg = (
                f"{' and '.join(said)} cannot change settings of one's own: leave it out, and give "
                "them other phases, or name a preset"
            )
            raise MethodError(msg)
        return name
    check_preset(name)
    if steps is not None and steps < 1:
        msg = f"steps={steps}: an inversion takes at least one"
        raise MethodError(msg)
    if weight is None:
        weight = _weight(name, share_of_depth(network, layer))
    _check(name, weight)
    counts = _shares(_COUNTS[name], sum(_COUNTS[name]) if steps is None else steps)
    if name.startswith("cvpr2015"):
        return _cvpr2015(name, size, weight, beta, counts)
    return _ijcv2016(name, network, layer, size, weight, beta, counts)


def check_preset(name: str) -> None:
    """Refuse a name that no settings have.

    Raises:
        MethodError: If so.
    """
    if name not in _COUNTS:
        msg = f"no way to invert is called {name!r}; there are {', '.join(_COUNTS)}"
        raise MethodError(msg)


def _weight(name: str, share: float) -> float:
    if name in {"cvpr2015-shallow", "ijcv2016-caricature"}:
        return 1.0
    by_depth = (1.0, 10.0, 100.0) if name == "cvpr2015" else (300.0, 100.0, 20.0)
    return by_depth[(share > 6 / 20) + (share > 12 / 20)]


def _check(name: str, weight: float) -> None:
    """Refuse a weight that nothing would come of.

    Raises:
        MethodError: If so.
    """
    features = name.startswith("ijcv2016")
    if math.isfinite(weight) and (weight > 0 if features else weight >= 0):
        return
    known = (
        "of the features, above 0: the papers' 1, 20, 100 or 300"
        if features
        else "of total variation, 0 or more: the papers' 1, 10 or 100"
    )
    msg = f"weight={weight}: for {name!r} it is a finite number, {known}"
    raise MethodError(msg)


def _cvpr2015(
    name: str, size: Size, weight: float, beta: float, counts: tuple[int, ...]
) -> Settings:
    """The energy times sigma squared, as in the authors' code: rates go with that."""
    norm = TYPICAL * math.sqrt(math.prod(size))
    rates = tuple((0.004 * 10.0**-k, count) for k, count in enumerate(counts) if count)

    def start(size: Size, generators: Sequence[torch.Generator]) -> Tensor:
        drawn = [torch.randn(size, generator=g, dtype=torch.float64) for g in generators]
        return torch.stack([one * (norm / one.norm()) for one in drawn])

    penalties = (
        (weight / 2, partial(total_variation, beta=beta)),
        (8e-10 / 2, partial(alpha_norm, alpha=6.0)),
    )
    phase = Phase(sum(counts), Momentum(rates), penalties)
    return Settings(name, weight, norm**2, start, (phase,))


def _ijcv2016(
    name: str,
    network: Network,
    layer: str,
    size: Size,
    weight: float,
    beta: float,
    counts: tuple[int, ...],
) -> Settings:
    alpha = 6.0
    rate = size[1] * size[2] * 0.05 * _LENGTH**2 / alpha
    moved, still = counts

    def start(size: Size, generators: Sequence[torch.Generator]) -> Tensor:
        drawn = [2 * torch.rand(size, generator=g, dtype=torch.float64) - 1 for g in generators]
        quantiles = [torch.quantile(one, 0.95) for one in drawn]
        return torch.stack([
            one * (_LENGTH / math.sqrt(3) / quantile)
            for one, quantile in zip(drawn, quantiles, strict=True)
        ])

    def phase(steps: int, rate: float, slack: int) -> Phase:
        pixels = (size[1] + slack) * (size[2] + slack)
        penalties = (
            ((6.5 / _LENGTH) ** beta / pixels, partial(total_variation, beta=beta)),
            (_LENGTH**-alpha / pixels, partial(alpha_norm, alpha=alpha, colours=True)),
        )
        update = ForgettingAdaGrad(rate)
        return Phase(steps, update, penalties, (ClipColour(_LONGEST),), slack)

    slack = max(round(_stride(network, layer) / 4), 1) - 1
    phases = [phase(moved, rate, slack), phase(still, rate / 10, 0)]
    if not still:
        phases.pop()
    return Settings(name, weight, weight, start, tuple(phases))


def _crops(pixels: int, generators: Sequence[torch.Generator]) -> Transform:
    """Cut as `crop` does, each image by a generator of its own: none depends on its company."""
    one = crop(pixels)

    def function(images: Canvases, _generator: torch.Generator) -> Canvases:
        if len(generators) == 1:
            return one(images, generators[0])
        # Slices of the whole batch would each cost a gradient as large as the batch.
        parts = zip(torch.split(images, 1), generators, strict=True)
        return torch.cat([one(image, generator) for image, generator in parts])

    return function


def _shares(counts: Sequence[int], steps: int) -> tuple[int, ...]:
    """Divide steps as some counts are.

    >>> _shares((100, 200, 100), 40)
    (10, 20, 10)
    """
    ends = [sum(counts[: k + 1]) * steps / sum(counts) for k in range(len(counts))]
    whole = [math.floor(end + 0.5) for end in ends]
    return tuple(end - before for end, before in zip(whole, [0, *whole], strict=False))


def _stride(network: Network, layer: str) -> float:
    """Return the pixels between two neurons, of the last layer up to this one that has a grid."""
    order = {node: place for place, node in enumerate(network.trace().graph.nodes)}
    own = order[network.layers.whole(layer).node]
    strides = [
        max(one.receptive_field.stride)
        for one in network.layers.values()
        if one.receptive_field.stride is not None and order[one.node] <= own
    ]
    return float(strides[-1]) if strides else 1.0
