"""Deep dream: an image changed until a layer sees more of what it sees in it already.

    x <- clip(x + step g / mean|g|)          g = d/dx 1/2 mean F(roll x)^2

coarse octaves first: what a smaller image has gained is enlarged, added to the next larger one, and
worked on there. With a guide, another image, ``g`` is the derivative of

    mean over places p of  max over places q of the guide  <F(x)_p, F(guide)_q>

Source:
    Mordvintsev, Olah & Tyka, "Inceptionism: Going Deeper into Neural Networks", Google Research
    blog, 2015, and the notebook ``dream.ipynb`` of https://github.com/google/deepdream.

Differs from the source:
    Any objective may take the layer's place. Its value is a mean over places, so that images of
    different sizes compare; a step is as long whatever its scale. Rolls come from a generator with
    a seed.

Applies to:
    Every layer that a gradient comes back from. The network must run on images of each octave's
    size: convolutional layers do, networks with a fixed input size (most transformers) need
    ``octaves=1`` and an image of that size.
"""

import math
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from striate.errors import MethodError, NetworkError
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize import objective as objectives
from striate.optimize.ascend import Recipe, ascend
from striate.optimize.canvas import Pixels
from striate.optimize.objective import Objective, Seen
from striate.optimize.space import Space
from striate.optimize.transform import jitter as rolled
from striate.optimize.update import MeanStep
from striate.optimize.view import View
from striate.shapes import Image, Images

Guide = Float[Tensor, "channels _ _"]
"""An image in network space, of any size."""

_PLACES = 1024
"""Of the image, compared with all of the guide's at once."""


@dataclass(frozen=True, slots=True)
class DeepDream:
    """A dream.

    Attributes:
        image: In pixel space, clipped to [0, 1], of the original's size.
        before: The objective's value for the original.
        after: Its value for ``image``.
        network: Name of the network.
        objective: What was made large.
        sizes: (height, width) of each octave, in the order of work.
        steps: How many in each octave.
        step: Mean change of a value in a step, in bytes.
        jitter: Largest roll, in pixels.
        seed: Of the rolls.
    """

    image: Image
    before: float
    after: float
    network: str
    objective: str
    sizes: tuple[tuple[int, int], ...]
    steps: int
    step: float
    jitter: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """Sizes grow: views and bases begin with the smallest octave."""

    network: Network
    views: tuple[View, ...]
    bases: tuple[Tensor, ...]
    objective: Objective
    steps: int
    step: float
    jitter: int
    seed: int


@dataclass(frozen=True, slots=True)
class DreamFrame:
    """The state at one step.

    Attributes:
        step: How many steps are done, in all octaves.
        steps: How many there will be.
        octave: Which octave is at work, from 0, the smallest.
        images: The one image, of that octave's size, in network space.
        value: The objective, of the rolled image.
    """

    step: int
    steps: int
    octave: int
    images: Images
    value: float
    _plan: _Plan = field(repr=False)


def deep_dream(
    network: Network,
    image: Image,
    target: str | Address | Objective,
    *,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    jitter: int = 32,
    step: float = 1.5,
    guide: Guide | None = None,
    seed: int = 0,
) -> DeepDream:
    """Change an image so that a layer responds more to it.

    Args:
        network: From `striate.load`.
        image: (channels, height, width), preprocessed; of any size that the network takes.
        target: A layer, a unit of one, or any objective (`striate.optimize.objective`).
        octaves: How many sizes to work at; 1 is the image's own alone.
        scale: Ratio of two neighbouring sizes.
        steps: How many, in each octave.
        jitter: Images are rolled by up to so many pixels, anew for each step.
        step: Mean change of a value in a step, in bytes (of 255).
        guide: Another image, preprocessed: only what the layer finds in it is dreamt of.
        seed: Of the rolls.

    Returns:
        The image, and what it does to the objective.

    Raises:
        AddressError: If the layer does not exist, or has no units.
        MethodError: If the image has other channels than the network's, the network cannot run at
            an octave's size, a knob is out of its range, a neuron is asked for (its place means
            nothing at other sizes), an objective's neuron is not there at an octave's size, or a
            guide is given for other than a layer or cannot be seen by it.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
        >>> network = striate.load(module, image_size=(16, 16))
        >>> image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> dream = striate.deep_dream(network, image, "1", octaves=2)
        >>> dream.sizes, dream.after > dream.before
        (((11, 11), (16, 16)), True)
    """
    frames = deep_dream_frames(
        network, image, target, octaves=octaves, scale=scale, steps=steps, jitter=jitter,
        step=step, guide=guide, seed=seed,
    )  # fmt: skip
    (last,) = deque(frames, maxlen=1)
    return finished(last)


def deep_dream_frames(
    network: Network,
    image: Image,
    target: str | Address | Objective,
    *,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    jitter: int = 32,
    step: float = 1.5,
    guide: Guide | None = None,
    seed: int = 0,
) -> Generator[DreamFrame, None, None]:
    """Do as `deep_dream` does, and yield each step; `finished` of the last is its result.

    Raises:
        MethodError: Besides, as `deep_dream`.
    """
    if octaves < 1 or steps < 0 or jitter < 0 or not 0 <= step < math.inf or not scale > 1:
        msg = (
            f"octaves={octaves}, scale={scale}, steps={steps}, jitter={jitter}, step={step}: a "
            "dream has an octave or more, a scale above 1, and nothing below 0"
        )
        raise MethodError(msg)
    channels = network.image_size[0]
    if image.ndim != 3 or image.shape[0] != channels:
        msg = (
            f"one image has shape (channels, height, width), with {channels} channels for "
            f"{network.name}, not {tuple(image.shape)}"
        )
        raise MethodError(msg)
    with torch.inference_mode(mode=False), torch.no_grad():
        bases = [image.to(Space.of(network).mean)[None].clone()]
        sizes = octave_sizes((image.shape[1], image.shape[2]), octaves, scale)
        for rows, columns in sizes[-2::-1]:
            bases.insert(0, zoomed(bases[0], (rows, columns)))
        objective = _objective(network, target, guide)
        views = [_view(network, objective, base) for base in bases]
    yield from _dreamt(
        _Plan(network, tuple(views), tuple(bases), objective, steps, step, jitter, seed)
    )


def octave_sizes(size: tuple[int, int], octaves: int, scale: float) -> tuple[tuple[int, int], ...]:
    """Return the size of each octave, the smallest first: rounded anew from each to the next.

    Raises:
        MethodError: If an octave would have no pixel.

    Example:
        >>> octave_sizes((224, 300), 3, 1.4)
        ((114, 153), (160, 214), (224, 300))
    """
    sizes = [size]
    for _ in range(octaves - 1):
        rows, columns = (round(side * (1 / scale)) for side in sizes[0])
        if min(rows, columns) < 1:
            msg = f"{octaves} octaves of {size} at a scale of {scale} end in nothing; take fewer"
            raise MethodError(msg)
        sizes.insert(0, (rows, columns))
    return tuple(sizes)


def zoomed(
    images: Float[Tensor, "images channels _ _"], size: tuple[int, int]
) -> Float[Tensor, "images channels _ _"]:
    """Bring images to a size, linearly, corners on corners: as ``scipy.ndimage.zoom`` (order 1).

    >>> zoomed(torch.tensor([[[[0.0, 4.0]]]]), (1, 3))
    tensor([[[[0., 2., 4.]]]])
    """
    return functional.interpolate(images, size, mode="bilinear", align_corners=True)


def finished(frame: DreamFrame) -> DeepDream:
    """Measure what a dream has come to.

    Args:
        frame: Of `deep_dream_frames`.

    Returns:
        The image as it is now, what it has gained in a smaller octave enlarged to the original's
        size; and what the objective is for it and for the original.
    """
    plan, space = frame._plan, Space.of(frame._plan.network)  # noqa: SLF001 - its own module
    images, view, original = frame.images, plan.views[-1], plan.bases[-1]
    with torch.no_grad():
        if frame.octave < len(plan.bases) - 1:
            gained = images - plan.bases[frame.octave]
            images = original + zoomed(gained, (original.shape[2], original.shape[3]))
        shown = space.pixels(images).clamp(0, 1)
        before, after = (
            float(plan.objective(view(seen) if view.names else {}, seen))
            for seen in (original, space.network(shown))
        )
    return DeepDream(
        image=shown[0],
        before=before,
        after=after,
        network=plan.network.name,
        objective=str(plan.objective),
        sizes=tuple((base.shape[2], base.shape[3]) for base in plan.bases),
        steps=plan.steps,
        step=plan.step,
        jitter=plan.jitter,
        seed=plan.seed,
    )


def _dreamt(plan: _Plan) -> Generator[DreamFrame, None, None]:
    space, generator = Space.of(plan.network), torch.Generator().manual_seed(plan.seed)
    recipe = Recipe(
        steps=plan.steps + 1,
        update=MeanStep(plan.step),
        bounds=space.bounds,
        transforms=(rolled(plan.jitter),) if plan.jitter else (),
        redirected=0,
    )
    detail = torch.zeros_like(plan.bases[0])
    for octave, (view, base) in enumerate(zip(plan.views, plan.bases, strict=True)):
        with torch.inference_mode(mode=False), torch.no_grad():
            canvas = Pixels(base + zoomed(detail, (base.shape[2], base.shape[3])), space)
        for frame in ascend(view, canvas, plan.objective, recipe, generator=generator):
            yield DreamFrame(
                step=octave * plan.steps + frame.step,
                steps=len(plan.bases) * plan.steps,
                octave=octave,
                images=frame.images,
                value=float(frame.values[0]),
                _plan=plan,
            )
            detail = frame.images - base


def _objective(
    network: Network, target: str | Address | Objective, guide: Guide | None
) -> Objective:
    if isinstance(target, Objective):
        if guide is not None:
            msg = "a guide goes with a layer, not with an objective: give the layer's address"
            raise MethodError(msg)
        return target
    layer, address = network.layers.resolve(target)
    if address.row is not None:
        msg = f"{target} is one neuron, whose place changes with an octave's size; dream of "
        raise MethodError(f"{msg}{layer.address}:{address.unit}")
    if guide is None:
        whole = address.unit is None
        return objectives.layer(layer.address) if whole else objectives.unit(address, "mean")
    if address.unit is not None:
        msg = f"{target} is a unit; a guide goes with its whole layer: write {layer.address}"
        raise MethodError(msg)
    return guided(layer.address, _seen(network, layer.address, guide))


def _seen(network: Network, address: str, guide: Guide) -> Tensor:
    """Return what a layer sees in a guide.

    Raises:
        MethodError: If the guide is no image, or the network cannot run on it.
    """
    shape, channels = tuple(guide.shape), network.image_size[0]
    if len(shape) != 3 or shape[0] != channels:
        msg = f"a guide of shape {shape}: a guide is one image, (channels, height, width), "
        msg += f"of {channels} channels for {network.name}"
        raise MethodError(msg)
    try:
        view = View(network, [address], shape)
        return view(guide.to(Space.of(network).mean)[None])[address][0]
    except (NetworkError, RuntimeError) as error:
        msg = f"{network.name} cannot run on a guide of shape {shape}: take a larger one ({error})"
        raise MethodError(msg) from error


def guided(address: str, guide: Float[Tensor, "units rows columns"]) -> Objective:
    """Make each place of a layer more like that place of a guide which is most like it already.

    Args:
        address: The layer.
        guide: Its activations for the guide.

    Returns:
        The objective: the mean over places of their largest dot product with one of the guide's.
        Its derivative by a place's activation is that one of the guide's.
    """
    wanted = guide.flatten(1)

    def function(seen: Seen, _images: Images) -> Tensor:
        maps = seen[address].flatten(2)
        with torch.no_grad():
            # All places against all of the guide's: some at a time, for memory.
            parts = [wanted.T @ part for part in torch.split(maps, _PLACES, dim=2)]
            best = wanted[:, torch.cat([part.argmax(1) for part in parts], dim=1)]
        return (maps * best.transpose(0, 1)).sum(1).mean(1)

    return objectives.custom([address], function, f"{address}, guided")


def _view(network: Network, objective: Objective, base: Images) -> View:
    """Return the view of an octave, having seen that it and the objective run.

    Raises:
        MethodError: If they do not.
    """
    channels, rows, columns = base.shape[1:]
    try:
        view = View(network, list(objective.layers), (channels, rows, columns))
        maps = view(base) if view.names else {}
    except (NetworkError, RuntimeError) as error:
        msg = (
            f"{network.name} cannot run on an octave of {rows} x {columns} pixels: take fewer "
            f"octaves, or an image of another size ({error})"
        )
        raise MethodError(msg) from error
    try:
        objective(maps, base)
    except IndexError as error:
        msg = (
            f"{objective} cannot be had of an octave of {rows} x {columns} pixels: take fewer "
            f"octaves, or units instead of neurons ({error})"
        )
        raise MethodError(msg) from error
    return view
