"""Random search over hyper-parameters: many ways to maximize a unit, and a table of what came out.

    settings theta_1 ... theta_n at random;   x_i = argmax a(x) by ascent with r_theta_i

The regularizers of Yosinski et al. suit different units in different strengths, so that one tries
many and looks. Every setting is kept, with its picture, what it reaches at the network's own size,
and two numbers that the activation alone does not tell: what is left of it when the picture is
shifted, turned and scaled a little, and how much neighbouring pixels differ.

Source:
    Yosinski et al., "Understanding Neural Networks Through Deep Visualization", ICML DL workshop
    2015, section 3; for what is drawn see `striate.optimize.settings`.

Differs from the source:
    The authors chose by eye among what hundreds of settings made. No number here stands for that:
    activation alone puts noise that fools the network first, so the table is sorted by the mean
    activation under small random changes; but where all pictures lose about the same share, that
    is the same order. It can be changed (``by``), and the pictures are there to be looked at. All
    settings of a unit begin with the same noise.

Applies to:
    As `striate.activation_maximization`.
"""

import csv
import io
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize import maximize, transform
from striate.optimize.ascend import DivergedError, Frame
from striate.optimize.presets import robust
from striate.optimize.prior import total_variation
from striate.optimize.settings import Setting, Weighted, drawn
from striate.optimize.space import Space
from striate.shapes import Box, Image, Images

By = Literal["robust", "activation", "variation"]
"""What a table is sorted by: the largest first, of variation the smallest."""

_CHANGES = 8


@dataclass(frozen=True, slots=True)
class Tried:
    """What one setting made of one unit.

    Attributes:
        address: The unit or neuron.
        number: Of the setting, in the order of drawing.
        setting: Every hyper-parameter.
        activation: The largest activation of the unit on that very image, at the network's own
            size; of a neuron, its own; NaN if the ascent failed.
        rank: How many units of the layer have a larger activation on the image, plus 1; 0 if it
            failed.
        robust: Mean activation of the image shifted, turned and scaled a little; NaN if failed.
        variation: How much neighbouring pixels of the canvas differ on average, in [0, 1] pixel
            space; NaN if failed.
        failure: Why there is no image; "" if there is one.
        picture: What was made, in pixel space, [0, 1]; None if it failed. Only this is kept of
            hundreds of settings: mostly far smaller than the network's input.
        around: What is around it in the image: the mean of each channel, in pixel space.
        box: Where it lies in the image: (top, left, bottom, right).
        whole: (channels, height, width) of the image.
    """

    address: Address
    number: int
    setting: Setting
    activation: float
    rank: int
    robust: float
    variation: float
    failure: str
    picture: Image | None
    around: Float[Tensor, "channels 1 1"]
    box: Box
    whole: tuple[int, int, int]

    @property
    def image(self) -> Image | None:
        """The image of the network's own input size, in pixel space; None if it failed."""
        if self.picture is None:
            return None
        top, left, bottom, right = self.box
        image = self.around.expand(self.whole).clone()
        image[:, top:bottom, left:right] = self.picture
        return image

    def row(self) -> dict[str, float | int | str]:
        """Return all numbers, by name."""
        return {
            "address": str(self.address),
            "number": self.number,
            "activation": self.activation,
            "rank": self.rank,
            "robust": self.robust,
            "variation": self.variation,
            **asdict(self.setting),
            "failure": self.failure,
        }

    def described(self) -> list[str]:
        """Say in a few lines what was reached, and how."""
        chosen = self.setting
        how = [
            f"decay {chosen.decay:g}, blur {chosen.blur:g} / {chosen.blur_every}",
            f"clip {chosen.norm_percentile:g} %, {chosen.contribution_percentile:g} %",
            f"{chosen.steps} steps, {chosen.rate}",
        ]
        if self.failure:
            return [f"failed: {self.failure}", *how]
        return [
            f"reaches {self.activation:.4g}, rank {self.rank}",
            f"changed a little {self.robust:.4g}",
            f"variation {self.variation:.3f}",
            *how,
        ]


@dataclass(frozen=True, slots=True)
class Search:
    """All that was tried.

    Attributes:
        table: Unit by unit as they were asked for, the best first, failures last.
        by: What is best.
        seed: Of the settings and the noise.
        network: Name of the network.
    """

    table: tuple[Tried, ...]
    by: By
    seed: int
    network: str

    @property
    def best(self) -> tuple[Tried, ...]:
        """The first of each unit that has any image."""
        found: dict[Address, Tried] = {}
        for one in self.table:
            if not one.failure:
                found.setdefault(one.address, one)
        return tuple(found.values())

    def csv(self) -> str:
        """Return the table as comma-separated values, names in the first line."""
        names = ["address", "number", "activation", "rank", "robust", "variation"]
        names += [field.name for field in fields(Setting)]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*names, "failure"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(one.row() for one in self.table)
        return text.getvalue()


@dataclass(frozen=True, slots=True)
class SearchFrame:
    """How far a search is.

    Attributes:
        tried: What is done.
        done: Steps that are done, of all settings and units.
        total: Steps that there are to do.
    """

    tried: tuple[Tried, ...]
    done: int
    total: int


def hyperparameter_search(
    network: Network,
    addresses: Sequence[str | Address],
    *,
    count: int = 30,
    seed: int = 0,
    by: By = "robust",
    space: Mapping[str, Weighted] | None = None,
    size: int | None = None,
) -> Search:
    """Maximize units with settings drawn at random, and keep a table of what they reach.

    Args:
        network: From `striate.load`.
        addresses: Units, such as "layer3:7", or neurons, "layer3:7@2,5"; of any layers.
        count: How many settings; the paper tried hundreds for each unit.
        seed: Of the settings and the noise. The first settings of a longer search are those of a
            shorter one.
        by: What the table is sorted by.
        space: Values with their weights, by parameter, in place of the published ones, such as
            ``{"steps": {200: 1}}``.
        size: Side of the canvas in pixels; None: what a neuron sees, plus a margin.

    Returns:
        Every setting of every unit, those that failed too.

    Raises:
        AddressError: If an address does not exist.
        MethodError: If an address is a whole layer, a layer has no gradient, nothing is to be
            tried, the space names no such parameter, or nothing is to be sorted by.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> network = striate.load(module, image_size=(2, 2))
        >>> found = striate.hyperparameter_search(
        ...     network, ["1:0"], count=3, space={"steps": {20: 1}}
        ... )
        >>> len(found.table), found.best[0] is found.table[0]
        (3, True)
    """
    if by not in get_args(By):
        msg = f"a table is sorted by {', '.join(get_args(By))}, not by {by!r}"
        raise MethodError(msg)
    tried: tuple[Tried, ...] = ()
    for frame in hyperparameter_search_frames(
        network, addresses, count=count, seed=seed, space=space, size=size
    ):
        tried = frame.tried
    return finished(network, addresses, tried, by=by, seed=seed)


def hyperparameter_search_frames(
    network: Network,
    addresses: Sequence[str | Address],
    *,
    count: int = 30,
    seed: int = 0,
    space: Mapping[str, Weighted] | None = None,
    size: int | None = None,
) -> Generator[SearchFrame, None, None]:
    """Do as `hyperparameter_search` does, and yield each step; setting after setting.

    `finished` of what was tried so far is its result.

    Raises:
        MethodError: Besides, if there are no addresses or no settings.
    """
    if not addresses or count < 1:
        msg = f"{len(addresses)} addresses, count={count}: at least one of each is needed"
        raise MethodError(msg)
    settings = [drawn(number, seed, space) for number in range(count)]
    jobs = maximize.plan(network, addresses, settings[0].preset(), size=size)
    total = sum(setting.steps for setting in settings) * len(jobs)
    tried: list[Tried] = []
    begun = 0
    for number, setting in enumerate(settings):
        for job in jobs:
            for made in _tried(network, job, number, setting, seed):
                if isinstance(made, Frame):
                    yield SearchFrame(tuple(tried), begun + made.step, total)
                else:
                    tried += made
            begun += setting.steps
            yield SearchFrame(tuple(tried), begun, total)


def finished(
    network: Network,
    addresses: Sequence[str | Address],
    tried: Sequence[Tried],
    *,
    by: By = "robust",
    seed: int = 0,
) -> Search:
    """Sort what was tried.

    Args:
        network: The network.
        addresses: As they were asked for.
        tried: From the last frame.
        by: What the table is sorted by.
        seed: Of the settings and the noise.

    Returns:
        The table, and the best of each unit.
    """
    order: dict[Address, int] = {}
    for address in addresses:
        order.setdefault(network.layers.resolve(address)[1], len(order))

    def place(one: Tried) -> tuple[int, bool, float, int]:
        value = {"robust": -one.robust, "activation": -one.activation, "variation": one.variation}
        failed = bool(one.failure)
        return order[one.address], failed, 0.0 if failed else value[by], one.number

    return Search(tuple(sorted(tried, key=place)), by, seed, network.name)


def _tried(
    network: Network, job: maximize.Job, number: int, setting: Setting, seed: int
) -> Generator[Frame | list[Tried], None, None]:
    """Yield each frame, then what came out; where one unit fails, the others go on without it."""
    try:
        last: Frame | None = None
        for last in maximize.run(network, job, setting.preset(), seed=seed):
            yield last
    except DivergedError as error:
        yield _failed(network, job, number, setting, error)
        rest = job.without(error.images)
        if rest.places:
            yield from _tried(network, rest, number, setting, seed)
        return
    if last is not None:
        yield _measured(network, job, number, setting, seed, last.best)


def _failed(
    network: Network, job: maximize.Job, number: int, setting: Setting, error: DivergedError
) -> list[Tried]:
    nothing, around = float("nan"), _around(network)
    return [
        Tried(
            job.asked[place], number, setting, nothing, 0, nothing, nothing, str(error), None,
            around, job.box, job.whole,
        )
        for place in error.images
    ]  # fmt: skip


def _around(network: Network) -> Tensor:
    return Space.of(network).mean.clamp(0, 1)


@torch.no_grad()
def _measured(
    network: Network,
    job: maximize.Job,
    number: int,
    setting: Setting,
    seed: int,
    canvases: Images,
) -> list[Tried]:
    pixels, reached = maximize.measured(network, job, canvases)
    top, left, bottom, right = job.box
    shown = pixels[:, :, top:bottom, left:right]
    variations = total_variation(shown, 1.0) / shown[0].numel()
    robusts = _under_changes(network, job, Space.of(network).network(pixels), seed)
    around = _around(network)
    return [
        Tried(
            asked, number, setting, value, rank, kept, rough, "", picture.clone(), around, job.box,
            job.whole,
        )
        for asked, (value, rank, _), kept, rough, picture in zip(
            job.asked, reached, robusts.tolist(), variations.tolist(), shown, strict=True
        )
    ]  # fmt: skip


def _under_changes(
    network: Network, job: maximize.Job, images: Images, seed: int
) -> Float[Tensor, " images"]:
    """Return the mean activation of changed images: the same changes for all settings."""
    generator = torch.Generator().manual_seed(seed)
    change = transform.chain(robust(min(job.whole[1:])))
    found = torch.zeros(len(images), dtype=torch.float64)
    for _ in range(_CHANGES):
        judged = maximize.judged(network, job, change(images, generator))
        found += torch.tensor([one[0] for one in judged], dtype=torch.float64)
    return found / _CHANGES
