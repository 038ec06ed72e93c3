"""Network inversion: images that a layer cannot tell from a given one.

    x* = argmin  ||F(x) - F0||^2 / ||F0||^2 + R(x)          F0 = F(image)

by gradient descent from noise, where ``F`` is a layer and ``R`` keeps ``x`` natural: what the layer
has thrown away comes out differently, or as the prior likes it. With the loss ``inner`` the first
term is ``-<F(x), F0> / ||F0||^2``; from the image itself that is a caricature of it.

Source:
    Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015,
    https://arxiv.org/abs/1412.0035 (``cvpr2015``); "Visualizing Deep Convolutional Neural Networks
    Using Natural Pre-Images", IJCV 2016, https://arxiv.org/abs/1512.02017 (``ijcv2016``); and the
    authors' code.

Differs from the source:
    Images of any size: the typical norm of an image grows with the root of its size. Each restart
    has that norm, and a jitter of its own, so that it does not depend on the others; in the code
    all restarts together have it, and one jitter. The image of least energy is kept, not the last,
    where energies compare (not under jitter). Where the rates of CVPR 2015, chosen for AlexNet,
    diverge, the descent begins again with half of them. Which weight is used at which depth of a
    network that the papers do not have: see `striate.optimize.preimage`. For a caricature the
    authors' code forgets to subtract the mean before it computes ``F0``; we do not. Where a network
    subtracts no mean, mid-grey stands for it (as theirs does for HOG and SIFT).

Applies to:
    Every layer that a gradient comes back from, of every network.
"""

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.network.address import Address
from striate.network.network import Network
from striate.optimize.invert import InversionFrame, Loss, descend, goal_of
from striate.optimize.preimage import Settings, settings_named
from striate.optimize.space import Space
from striate.optimize.view import View
from striate.shapes import Image, Images


@dataclass(frozen=True, slots=True)
class Restart:
    """What came out of one start.

    Attributes:
        preimage: (channels, height, width) in network space, as it was found: not clipped.
        image: In pixel space, clipped to [0, 1].
        error: ``||F(x) - F0||^2 / ||F0||^2`` of the pre-image, the number that the papers report.
        shown_error: The same of the clipped image.
        similarity: ``<F(x), F0> / ||F0||^2`` of the clipped image; 1 for the original.
        image_error: ``||x - x0|| / ||x0||`` of the clipped image, in bytes around the mean; an
            image that is the mean everywhere has 1. NaN if the original is that image.
        energy: What was minimized, the priors included.
        seed: Of its start, and of its jitter.
        slowed: Factor of the published rates: 1, or less where those diverged.
    """

    preimage: Image
    image: Image
    error: float
    shown_error: float
    similarity: float
    image_error: float
    energy: float
    seed: int
    slowed: float

    @property
    def root_error(self) -> float:
        """The error's square root, the number of the IJCV paper."""
        return math.sqrt(self.error)


@dataclass(frozen=True, slots=True)
class Inversion:
    """Images that a layer takes for another.

    Attributes:
        restarts: What came out of each start.
        target_square: ``||F0||^2``, of the activations that count.
        network: Name of the network.
        layer: Address of the layer.
        preset: How they were made.
        weight: Of total variation ("cvpr2015"), or of the features ("ijcv2016").
        loss: What was minimized.
        seed: Of the first start; the next one has the next.
        steps: How many.
    """

    restarts: tuple[Restart, ...]
    target_square: float
    network: str
    layer: str
    preset: str
    weight: float
    loss: Loss
    seed: int
    steps: int

    @property
    def best(self) -> Restart:
        """The restart with the least energy."""
        return min(self.restarts, key=lambda one: one.energy)

    @property
    def image(self) -> Image:
        """The best restart's image, in pixel space, [0, 1]."""
        return self.best.image

    @property
    def error(self) -> float:
        """The best restart's ``||F(x) - F0||^2 / ||F0||^2``, before it was clipped."""
        return self.best.error

    @property
    def root_error(self) -> float:
        """The error's square root, the number of the IJCV paper."""
        return self.best.root_error

    @property
    def image_error(self) -> float:
        """The best restart's ``||x - x0|| / ||x0||`` in bytes around the mean."""
        return self.best.image_error

    @property
    def slowed(self) -> float:
        """Factor of the published rates that the best restart took: 1, or less."""
        return self.best.slowed

    def relative_to(self, spread: float) -> float:
        """Return the error as the CVPR paper normalises it.

        Args:
            spread: Of the layer over many images, from `feature_spread`.
        """
        return self.error * self.target_square / spread


def inversion(
    network: Network,
    image: Image,
    layer: str | Address,
    *,
    preset: str | Settings = "cvpr2015",
    weight: float | None = None,
    restarts: int = 1,
    seed: int = 0,
    steps: int | None = None,
    mask: Tensor | None = None,
    loss: Loss = "l2",
) -> Inversion:
    """Make images whose activations in a layer are those of a given image.

    Args:
        network: From `striate.load`.
        image: (channels, height, width), preprocessed; of any size that the network takes.
        layer: Address of the layer.
        preset: "cvpr2015", "cvpr2015-shallow" (HOG and SIFT), "ijcv2016", or settings of one's own,
            which say their weight and steps themselves.
        weight: Of total variation, against the features: the papers' 1, 10 or 100 ("ijcv2016": of
            the features, against the priors: 1, 20, 100 or 300). None: by the layer's depth.
        restarts: How many starts, in a batch; what differs between them the layer does not fix.
        seed: Of the first start; the next one has the next.
        steps: How many; None: the published number.
        mask: Which activations count, of the shape of the layer's maps or broadcast to it: from
            `neighbourhood` or `group`; None: all.
        loss: "l2", or "inner": make the layer's response strong along the image's, not equal.

    Returns:
        Images, and how near they come.

    Raises:
        AddressError: If the layer does not exist, or has no units.
        MethodError: If there is no such preset, the layer is silent on the image or has no
            gradient, the mask's shape does not fit, or a number makes no sense.

    Example:
        >>> import striate
        >>> pool = torch.nn.AvgPool2d(2)
        >>> network = striate.load(pool, image_size=(8, 8), mean=(0.5,), std=(0.25,))
        >>> image = torch.linspace(-1, 1, 8).expand(3, 8, 8)
        >>> found = striate.inversion(network, image, "output", weight=1.0, restarts=2)
        >>> len(found.restarts), found.image.shape, found.error < 0.01
        (2, torch.Size([3, 8, 8]), True)
    """
    frames = inversion_frames(
        network, image, layer, preset=preset, weight=weight, restarts=restarts, seed=seed,
        steps=steps, mask=mask, loss=loss,
    )  # fmt: skip
    return finished(_last(frames))


def inversion_frames(
    network: Network,
    image: Image,
    layer: str | Address,
    *,
    preset: str | Settings = "cvpr2015",
    weight: float | None = None,
    restarts: int = 1,
    seed: int = 0,
    steps: int | None = None,
    mask: Tensor | None = None,
    loss: Loss = "l2",
) -> Generator[InversionFrame, None, None]:
    """Do as `inversion` does, and return its steps; `finished` of the last is its result.

    All that is asked for is checked now, before the first frame.

    Raises:
        MethodError: Besides, if there is not one restart.
    """
    goal = goal_of(network, image, layer, loss=loss, mask=mask)
    size = goal.view.size
    settings = settings_named(preset, network, goal.layer, size, weight=weight, steps=steps)
    return descend(goal, settings, restarts=restarts, seed=seed)


def caricature(
    network: Network,
    image: Image,
    layer: str | Address,
    *,
    weight: float = 1.0,
    seed: int = 0,
    steps: int | None = None,
) -> Inversion:
    """Change an image so that what a layer sees in it becomes stronger.

    Args:
        network: From `striate.load`.
        image: (channels, height, width), preprocessed.
        layer: Address of the layer; of its response to the image, what is positive counts.
        weight: Of that, against the priors of "ijcv2016": shallow layers need more than 1.
        seed: Of the jitter.
        steps: How many; None: the published 300.

    Returns:
        One image. Its ``similarity`` says how much stronger; its errors grow with that.

    Raises:
        AddressError: If the layer does not exist, or has no units.
        MethodError: If the layer is silent on the image or has no gradient.

    Example:
        >>> import striate
        >>> pool = torch.nn.AvgPool2d(2)
        >>> network = striate.load(pool, image_size=(8, 8), mean=(0.5,), std=(0.25,))
        >>> image = torch.linspace(-1, 1, 8).expand(3, 8, 8)
        >>> striate.caricature(network, image, "output", weight=100.0).best.similarity > 1
        True
    """
    goal = goal_of(network, image, layer, loss="inner", rectified=True)
    settings = settings_named(
        "ijcv2016-caricature", network, goal.layer, goal.view.size, weight=weight, steps=steps
    )
    return finished(_last(descend(goal, settings, restarts=1, seed=seed, start=goal.original)))


def _last(frames: Generator[InversionFrame, None, None]) -> InversionFrame:
    """Go through all frames and keep none but the last: their images would fill the memory."""
    return deque(frames, maxlen=1).pop()


def finished(frame: InversionFrame) -> Inversion:
    """Measure the best images so far.

    Args:
        frame: Of `inversion_frames`; its last one for the result of `inversion`.

    Returns:
        What came out of each restart that has begun.
    """
    goal, space = frame.goal, frame.goal.space
    shown = space.pixels(frame.best).clamp(0, 1)
    found, seen = goal.measured(frame.best), goal.measured(space.network(shown))
    reference = space.to_bytes(goal.original[None])
    apart = (space.to_bytes(space.network(shown)) - reference).flatten(1).norm(dim=1)
    length = float(reference.norm())
    restarts = tuple(
        Restart(
            preimage=frame.best[k],
            image=shown[k],
            error=found[k][0],
            shown_error=seen[k][0],
            similarity=seen[k][1],
            image_error=float(apart[k]) / length if length else math.nan,
            energy=float(frame.best_energies[k]),
            seed=frame.seeds[k],
            slowed=frame.slowed[k],
        )
        for k in range(len(frame.best))
    )
    return Inversion(
        restarts=restarts,
        target_square=goal.square,
        network=goal.network.name,
        layer=goal.layer,
        preset=frame.settings.name,
        weight=frame.settings.weight,
        loss=goal.loss,
        seed=frame.seed,
        steps=frame.settings.steps,
    )


def neighbourhood(
    network: Network,
    layer: str | Address,
    side: int,
    *,
    image_size: tuple[int, int, int] | None = None,
) -> Tensor:
    """Return the mask of the neurons at the centre of a layer's maps; the papers take 5 x 5.

    Args:
        network: From `striate.load`.
        layer: Address of the layer.
        side: Rows and columns; a map that is smaller counts whole.
        image_size: (channels, height, width), if not the network's own.

    Returns:
        (1, rows, columns), 1 where neurons count.

    Example:
        >>> import striate
        >>> network = striate.load(torch.nn.Conv2d(3, 8, 5), image_size=(8, 9))
        >>> neighbourhood(network, "output", 1)[0].int().tolist()
        [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    """
    rows, columns = network.layers_at(image_size).whole(layer).map_size
    mask = torch.zeros(1, rows, columns)
    tall, wide = min(side, rows), min(side, columns)
    top, left = (rows - tall) // 2, (columns - wide) // 2
    mask[:, top : top + tall, left : left + wide] = 1
    return mask


def group(network: Network, layer: str | Address, units: Sequence[int]) -> Tensor:
    """Return the mask of some units of a layer.

    Args:
        network: From `striate.load`.
        layer: Address of the layer.
        units: Their indices: the papers take either half of them, AlexNet's two groups.

    Returns:
        (units, 1, 1), 1 where units count; times `neighbourhood` for both.

    Raises:
        AddressError: If there is no such unit.

    Example:
        >>> import striate
        >>> network = striate.load(torch.nn.Conv2d(3, 4, 5), image_size=(8, 9))
        >>> group(network, "output", range(2)).flatten().tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    own = network.layers.whole(layer)
    for index in units:
        network.layers.resolve(Address(own.address, index))
    mask = torch.zeros(own.units or 0, 1, 1)
    mask[list(units)] = 1
    return mask


def feature_spread(network: Network, images: Images, layer: str | Address) -> float:
    """Return the mean squared distance between images in a layer: the CVPR paper's normaliser.

    The mean is over all pairs, each image with itself included, as in the authors' code: the error
    of another image, taken at random, is then ``N / (N - 1)`` in the mean, not 1.

    Args:
        network: From `striate.load`.
        images: (images, channels, height, width), preprocessed; 100 in the paper.
        layer: Address of the layer.

    Returns:
        ``mean ||F(x_i) - F(x_j)||^2``, for `Inversion.relative_to`.
    """
    channels, height, width = images.shape[1:]
    view = View(network, [network.layers.whole(layer).address], (channels, height, width))
    squares, total, space = 0.0, torch.zeros((), dtype=torch.float64), Space.of(network)
    with torch.no_grad():
        for part in torch.split(images, view.batch(len(images))):
            flat = view(part.to(space.mean))[view.names[0]].flatten(1).double()
            squares += float(flat.square().sum())
            total = total + flat.sum(0).cpu()
    return 2 * (squares / len(images) - float((total / len(images)).square().sum()))
