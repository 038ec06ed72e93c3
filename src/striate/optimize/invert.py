"""The descent of an inversion: many starts in a batch, phase after phase, the best of each kept."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize.ascend import DivergedError, ascend, chosen
from striate.optimize.canvas import Pixels
from striate.optimize.objective import Objective, Seen, custom, features
from striate.optimize.preimage import Canvases, Phase, Settings
from striate.optimize.space import Space
from striate.optimize.view import View, check_reachable
from striate.shapes import Image, Images

Loss = Literal["l2", "inner"]

Counted = Float[Tensor, "units rows columns"]
"""The maps of one image, or how much each place of them counts."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The activations that an inversion is to meet.

    Attributes:
        network: The network.
        view: Its one layer.
        original: The image that they are of, in network space.
        wanted: The activations, those that do not count being 0.
        mask: How much each counts.
        loss: "l2", ``||m F(x) - F0||^2``, or "inner", ``-<F(x), F0>``; both over ``||F0||^2``.
    """

    network: Network
    view: View
    original: Image
    wanted: Counted
    mask: Counted
    loss: Loss

    @property
    def layer(self) -> str:
        """Address of the layer."""
        return self.view.names[0]

    @property
    def space(self) -> Space:
        """How its images are counted."""
        return Space.of(self.network).centred()

    @property
    def square(self) -> float:
        """What errors are normalised by: ``||F0||^2``."""
        return float(self.wanted.square().sum())

    def objective(self, scale: float) -> Objective:
        """Return minus the loss, times a factor."""
        if self.loss == "l2":
            everything = bool((self.mask == 1).all())
            mask = None if everything else self.mask
            return scale * features(self.layer, self.wanted, mask=mask)
        name, wanted, square = self.layer, self.wanted, self.square

        def inner(seen: Seen, _images: Images) -> Tensor:
            return (seen[name] * wanted).flatten(1).sum(1) / square

        return scale * custom([name], inner, f"inner product with {name}")

    def measured(self, images: Images) -> list[tuple[float, float]]:
        """Return the error and the similarity, ``<F(x), F0> / ||F0||^2``, of each image."""
        found = []
        with torch.no_grad():
            for part in torch.split(images, self.view.batch(len(images))):
                for maps in self.view(part)[self.layer]:
                    error = (maps * self.mask - self.wanted).square().sum()
                    inner = (maps * self.wanted).sum()
                    found.append((float(error) / self.square, float(inner) / self.square))
        return found


def goal_of(
    network: Network,
    image: Image,
    layer: str | Address,
    *,
    loss: Loss,
    mask: Tensor | None = None,
    rectified: bool = False,
) -> Goal:
    """Return what an inversion of a layer is to meet.

    Args:
        network: The network.
        image: (channels, height, width), preprocessed.
        layer: Address of the layer.
        loss: How it is compared.
        mask: Which activations count; all if None.
        rectified: Whether negative activations are taken as 0.

    Returns:
        The goal.

    Raises:
        AddressError: If the layer does not exist, or has no units.
        MethodError: If there is no such loss, the image has other channels than the network's, the
            mask does not fit, the layer has no gradient, or what counts of it is 0, or not finite.
    """
    if loss not in get_args(Loss):
        msg = f"no loss {loss!r}; there are {', '.join(get_args(Loss))}"
        raise MethodError(msg)
    if image.ndim != 3 or image.shape[0] != network.image_size[0]:
        msg = (
            f"one image has shape (channels, height, width), with {network.image_size[0]} "
            f"channels for {network.name}, not {tuple(image.shape)}"
        )
        raise MethodError(msg)
    channels, height, width = image.shape
    lost = int((~torch.isfinite(image)).sum())
    if lost:
        msg = f"the image has {lost} value(s) of {image.numel()} that are not finite"
        raise MethodError(msg)
    view = View(network, [network.layers.whole(layer).address], (channels, height, width))
    name = view.names[0]
    with torch.inference_mode(mode=False):
        # Sums of squares of half precision would overflow.
        original = image.to(Space.of(network).mean).clone()
        with torch.enable_grad():
            maps = view(original[None].requires_grad_())[name]
        check_reachable(maps, name)
        wanted = maps.detach()[0]
        chosen = torch.ones_like(wanted) if mask is None else _fitting(mask, wanted, name)
        wanted = (wanted.clamp(min=0) if rectified else wanted) * chosen
        goal = Goal(network, view, original, wanted, chosen, loss)
        _check_square(goal, "for this image" if mask is None else "where the mask is")
    return goal


def _fitting(mask: Tensor, maps: Counted, name: str) -> Counted:
    """Return a mask in the shape of some maps.

    Raises:
        MethodError: If it does not fit.
    """
    try:
        return mask.to(maps).expand_as(maps).clone()
    except RuntimeError as error:
        msg = (
            f"the mask has shape {tuple(mask.shape)}, the maps of {name} have "
            f"{tuple(maps.shape)} (units, rows, columns); give it that shape"
        )
        raise MethodError(msg) from error


def _check_square(goal: Goal, where: str) -> None:
    """Refuse activations that no error can be normalised by.

    Raises:
        MethodError: If so.
    """
    if not math.isfinite(goal.square):
        msg = (
            f"{goal.layer} has no finite square {where}: no error can be normalised by it; look "
            "for what is not finite, or too large, in the network and the mask"
        )
        raise MethodError(msg)
    if not goal.square:
        none = "too small to be squared" if bool(goal.wanted.any()) else "0 everywhere"
        msg = (
            f"{goal.layer} is {none} {where}: there is nothing to meet, and no error can be "
            "normalised by it; take another image, or a layer before"
        )
        raise MethodError(msg)


@dataclass(frozen=True, slots=True)
class InversionFrame:
    """The state of an inversion at one step.

    Attributes:
        step: How many steps are done; fewer again where some restarts diverged, so that the others
            of their batch began anew without them.
        steps: How many there will be, of all batches of restarts; a batch more for those that
            diverged, once they are known.
        images: Of the batch at work, in network space.
        losses: Their loss (for "l2" the normalised error); under jitter, of what the network saw.
        energies: The priors added.
        best: The best image so far of each restart that has begun, and not diverged since.
        best_energies: Their energies.
        seeds: Their seeds, ascending.
        slowed: Factor of the published rates of each: 1, or less where those diverged.
        seed: Of the first restart of all.
        goal: What is to be met.
        settings: How; of the batch at work.
    """

    step: int
    steps: int
    images: Images
    losses: Float[Tensor, " images"]
    energies: Float[Tensor, " images"]
    best: Float[Tensor, "restarts channels height width"]
    best_energies: Float[Tensor, " restarts"]
    seeds: tuple[int, ...]
    slowed: tuple[float, ...]
    seed: int
    goal: Goal
    settings: Settings


def descend(
    goal: Goal, settings: Settings, *, restarts: int, seed: int, start: Image | None = None
) -> Generator[InversionFrame, None, None]:
    """Run all restarts, as many at once as memory allows; each as if it were alone.

    Those that diverge are run again behind the others, at half the rates.

    Args:
        goal: What is to be met.
        settings: How.
        restarts: How many.
        seed: Of the first one; the next has the next.
        start: What to start from, in network space; the settings' own start if None.

    Returns:
        A frame for each step, and one before the first of each phase. Going through them raises a
        MethodError if there is no gradient, or the energy stops being finite at any rate.

    Raises:
        MethodError: If there is no restart.
    """
    if restarts < 1:
        msg = f"restarts={restarts}: an inversion starts at least once"
        raise MethodError(msg)
    return _descend(goal, settings, range(seed, seed + restarts), start)


def _descend(
    goal: Goal, settings: Settings, seeds: Sequence[int], start: Image | None
) -> Generator[InversionFrame, None, None]:
    together, done, kept = goal.view.batch(len(seeds)), 0, dict[int, _Best]()
    left, first = list(seeds), seeds[0]
    while left:
        slow, slower = list[int](), settings
        while left:
            batch, now = left[:together], kept
            batches = done + math.ceil(len(left) / together) + math.ceil(len(slow) / together)
            try:
                for frame in _attempt(goal, settings, batch, start):
                    now = kept | _bests(frame)
                    yield replace(
                        _with(frame, now),
                        step=done * settings.steps + frame.step,
                        steps=batches * settings.steps,
                        seed=first,
                    )
            except DivergedError as error:
                slower = settings.slower(error)
                slow += [batch[k] for k in error.images]
                left = [one for one in left if one not in slow]
            else:
                kept, done, left = now, done + 1, left[together:]
        left, settings = sorted(slow), slower


_Best = tuple[Image, Tensor, float]
"""The best image of a restart, its energy, and the factor of its rates."""


def _bests(frame: InversionFrame) -> dict[int, _Best]:
    ones = zip(frame.seeds, frame.best, frame.best_energies, frame.slowed, strict=True)
    return {seed: (image, energy, slowed) for seed, image, energy, slowed in ones}


def _with(frame: InversionFrame, bests: Mapping[int, _Best]) -> InversionFrame:
    """Return a frame with the best images of all restarts, not of its own alone."""
    seeds = tuple(sorted(bests))
    if seeds == frame.seeds:
        return frame
    images, energies, slowed = zip(*(bests[seed] for seed in seeds), strict=True)
    return replace(
        frame,
        best=torch.stack(images),
        best_energies=torch.stack(energies),
        seeds=seeds,
        slowed=slowed,
    )


def _attempt(
    goal: Goal, settings: Settings, seeds: Sequence[int], start: Image | None
) -> Generator[InversionFrame, None, None]:
    space, jitter = goal.space, [torch.Generator().manual_seed(seed) for seed in seeds]
    images, done = _first(goal, settings.phases[0], settings, seeds, start), 0
    for phase in settings.phases:
        with torch.inference_mode(mode=False):
            objective = goal.objective(settings.scale)
            canvas = Pixels(phase.around(images) if done else images, space)
        best = best_energies = first = torch.empty(0)
        for frame in ascend(goal.view, canvas, objective, phase.recipe(jitter)):
            images = phase.middle(frame.images)
            energies = (frame.penalties - frame.values) / settings.scale
            first = energies if frame.step == 0 else first
            _check(first, energies, frame.step)
            # Under jitter energies are of what the network saw by chance: the last image stands.
            if phase.slack or frame.step == 0:
                best, best_energies = images, energies
            else:
                better = energies < best_energies
                best = chosen(better, images, best)
                best_energies = torch.where(better, energies, best_energies)
            yield InversionFrame(
                step=done + frame.step,
                steps=settings.steps,
                images=images,
                losses=-frame.values / settings.scale,
                energies=energies,
                best=best,
                best_energies=best_energies,
                seeds=tuple(seeds),
                slowed=(settings.slowed,) * len(seeds),
                seed=seeds[0],
                goal=goal,
                settings=settings,
            )
        done += phase.steps


def _check(first: Tensor, energies: Tensor, step: int) -> None:
    """Stop a descent that goes uphill, before it ends in infinity.

    Raises:
        DivergedError: If an energy is a thousandfold of what it was.
    """
    far = energies > 1000 * (1 + first.abs())
    if bool(far.any()):
        msg = (
            f"the energy grew from {float(first[far][0]):.3g} to {float(energies[far][0]):.3g} in "
            f"{step} steps: take smaller steps, or stronger priors"
        )
        raise DivergedError(msg, far.nonzero().flatten().tolist())


def _first(
    goal: Goal, phase: Phase, settings: Settings, seeds: Sequence[int], start: Image | None
) -> Canvases:
    """Return the canvases that some descents start from, in network space."""
    if start is not None:
        return phase.around(start.expand(len(seeds), *start.shape))
    space, (channels, height, width) = goal.space, goal.original.shape
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    size = channels, height + phase.slack, width + phase.slack
    return space.from_bytes(settings.start(size, generators).to(space.mean))
