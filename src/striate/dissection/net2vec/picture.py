"""An image that a layer sees along a concept's vector.

The activation's part along the vector, times its cosine with it, is made as large as possible at
the middle of the maps, by the settings called "modern" (`striate.optimize.presets`).

Source:
    Fong & Vedaldi, "Net2Vec", CVPR 2018, https://arxiv.org/abs/1801.03454, section 5 and figure 6;
    Olah et al., "Feature Visualization", Distill 2017 (directions).

Differs from the source:
    The paper inverts the weighted features of a given photograph; here an image is made from
    noise, and shows what the vector itself stands for.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from striate.dissection.net2vec.vectors import ConceptVectors, parse_sum
from striate.errors import MethodError
from striate.network.network import Network
from striate.optimize.ascend import Frame, ascend
from striate.optimize.objective import direction
from striate.optimize.presets import preset_named
from striate.optimize.space import Space
from striate.optimize.view import View
from striate.shapes import Image

_PRESET = "modern"
_COSINE_POWER = 1.0


@dataclass(frozen=True, slots=True)
class Pictured:
    """An image made for a concept.

    Attributes:
        image: (channels, height, width) in pixel space, [0, 1].
        cosine: Of the layer's activation with the vector, in the mean over places.
        length: The activation's part along the vector of length 1, likewise.
        nearer: How many concepts of the layer have a larger cosine on this image.
        concepts: How many there are.
    """

    image: Image
    cosine: float
    length: float
    nearer: int
    concepts: int

    def described(self) -> list[str]:
        """Say in a few words what the image reaches."""
        return [
            f"{self.length:.3g} along the vector, cosine {self.cosine:.2f}",
            f"{self.nearer} of {self.concepts} concepts are nearer to it",
        ]


def vector_of(found: ConceptVectors, text: str) -> Tensor:
    """Return the direction of a concept, or of a sum of concepts, at length 1.

    Args:
        found: What was learnt in the layer.
        text: A name, or a sum as in `parse_sum`.

    Raises:
        AddressError: If a concept is unknown.
        MethodError: If the sum is zero.
    """
    names = {one.name for one in found.learnt} | {one.full_name for one in found.learnt}
    weights = {text: 1.0} if text in names else parse_sum(text)
    directions = found.directions()
    total = sum(factor * directions[found.index(name)] for name, factor in weights.items())
    length = float(np.linalg.norm(total))
    if length == 0:
        msg = f"{text!r} is zero in {found.layer}: no image can be made along it"
        raise MethodError(msg)
    return torch.from_numpy(np.asarray(total / length))


def concept_frames(
    network: Network,
    found: ConceptVectors,
    text: str,
    *,
    seed: int = 0,
    steps: int | None = None,
) -> Generator[Frame, None, None]:
    """Make an image of a concept; `pictured` of the last frame is the result.

    Args:
        network: The network.
        found: What was learnt in the layer.
        text: A concept, or a sum.
        seed: Of the noise to start from, and of the transforms.
        steps: How many; None: the preset's.

    Yields:
        A frame for each step.

    Raises:
        AddressError: If a concept is unknown.
        MethodError: If the layer has no gradient, or the objective stops being finite.
    """
    preset, space = preset_named(_PRESET), Space.of(network)
    goal = direction(found.layer, vector_of(found, text), power=_COSINE_POWER)
    size = network.image_size
    with torch.inference_mode(mode=False), torch.no_grad():
        canvas = preset.make(size, space, [torch.Generator().manual_seed(seed)])
    view = View(network, [found.layer], size)
    transforms = torch.Generator().manual_seed(seed)
    recipe = preset.recipe(space, min(size[1:]), steps)
    yield from ascend(view, canvas, goal, recipe, generator=transforms)


def pictured(network: Network, found: ConceptVectors, text: str, frame: Frame) -> Pictured:
    """Measure what an image reaches, as it is shown.

    Args:
        network: The network.
        found: What was learnt in the layer.
        text: The concept, or the sum, that it was made for.
        frame: Of `concept_frames`.
    """
    space = Space.of(network)
    image = space.pixels(frame.best).clamp(0, 1)
    view = View(network, [found.layer], network.image_size)
    with torch.no_grad():
        maps = view(space.network(image))[found.layer][0].flatten(1).double().cpu()
    lengths = maps.norm(dim=0).clamp(min=1e-12)
    vector = vector_of(found, text)
    own = vector @ maps
    others = torch.from_numpy(found.directions()) @ maps
    cosines = (others / lengths).mean(1)
    cosine = float((own / lengths).mean())
    nearer = int((cosines > cosine + 1e-9).sum())
    return Pictured(image[0], cosine, float(own.mean()), nearer, len(cosines))
