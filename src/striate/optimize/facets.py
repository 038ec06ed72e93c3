"""What the images that excite a unit fall into: groups by their codes, and the mean of each.

Source:
    Nguyen, Yosinski & Clune, "Multifaceted Feature Visualization", ICML visualization workshop
    2016, section 2; what differs is told in `striate.methods.multifaceted`.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, fx
from torch.nn import functional

from striate.errors import MethodError
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.operations import data_inputs, operation
from striate.optimize.cluster import k_means, principal
from striate.optimize.job import Job
from striate.optimize.space import Space
from striate.optimize.view import View
from striate.shapes import Images

PIXELS = "pixels"
_COMPONENTS = 50
_TOGETHER = 16
_PRODUCTS = frozenset({"conv1d", "conv2d", "conv3d", "convolution", "linear", "addmm", "matmul"})


@dataclass(frozen=True, slots=True)
class Groups:
    """Images in groups.

    Attributes:
        means: Of the most typical images of each group, in network space, of the canvas's size.
        members: Of each group, its images, the most typical first; an image whose codes are not
            finite is in none.
        codes: The layer whose codes were compared, or "pixels".
    """

    means: Images
    members: tuple[tuple[int, ...], ...]
    codes: str


@torch.no_grad()
def grouped(
    network: Network,
    job: Job,
    images: Images,
    *,
    averaged: int,
    seed: int,
    codes: str | None = None,
) -> Groups:
    """Group images that excite a unit, one group for each image of a job.

    Args:
        network: The network.
        job: Of one unit, several times.
        images: In network space; brought to the job's whole size, should they have another.
        averaged: A mean is of so many images at most.
        seed: Of the clustering.
        codes: Address of the layer whose codes are compared; None: see `read_by`.

    Returns:
        The groups, the largest first.

    Raises:
        AddressError: If there is no such layer.
        MethodError: If there are fewer different images with finite codes than groups.
    """
    given = images.to(Space.of(network).mean)
    if tuple(given.shape[1:]) != job.whole:
        given = functional.interpolate(given, job.whole[1:], mode="bilinear", antialias=True)
    patches = aligned(network, job, given)
    address = job.neurons[0].layer
    layer = read_by(network, address) if codes is None else network.layers.whole(codes).address
    if layer is None:
        vectors = patches.flatten(1)
    else:
        seen = _seen(job.view(network, [layer]), patches)
        vectors = torch.cat([maps.flatten(2).double().mean(2) for maps in seen])
    vectors = vectors.double().cpu()
    sound = vectors.isfinite().all(1).nonzero().flatten()
    if len(sound) < min(len(job.places), len(images)):
        msg = (
            f"{len(images) - len(sound)} of {len(images)} images have no finite codes in "
            f"{layer or PIXELS}: too few are left for {len(job.places)} facets; give others, or "
            "the codes of a layer before it"
        )
        raise MethodError(msg)
    vectors = principal(vectors[sound], _COMPONENTS)
    found = k_means(vectors, len(job.places), torch.Generator().manual_seed(seed))
    members = tuple(tuple(sound[list(one)].tolist()) for one in found.members(vectors))
    means = torch.stack([patches[list(group[:averaged])].mean(0) for group in members])
    return Groups(means, members, layer or PIXELS)


def aligned(network: Network, job: Job, images: Images) -> Float[Tensor, "images channels _ _"]:
    """Cut out of each image what the neuron sees that fires most, as the canvas's neuron sees it.

    Args:
        network: The network.
        job: Of one unit.
        images: In network space, of the job's whole size.

    Returns:
        Images of the canvas's size, the mean where they look past a border. Where a unit has no
        map, or one neuron of it was asked for, what each image has in the canvas's place.
    """
    asked, neuron = job.asked[0], job.neurons[0]
    layer = network.layers_at(job.whole)[neuron.layer]
    stride = layer.receptive_field.stride
    if asked.row is not None or neuron.row is None or neuron.column is None or stride is None:
        top, left, bottom, right = job.box
        return images[:, :, top:bottom, left:right]
    corner = job.corner if job.embedded else (0, 0)
    patches = images.new_zeros((len(images), *job.size))
    peaks: list[int] = []
    for maps in _seen(View(network, [neuron.layer], job.whole), images):
        peaks += maps[:, neuron.unit or 0].flatten(1).argmax(1).tolist()
    for patch, image, peak in zip(patches, images, peaks, strict=True):
        row, column = divmod(peak, layer.map_size[1])
        top = corner[0] + round((row - neuron.row) * stride[0])
        left = corner[1] + round((column - neuron.column) * stride[1])
        rows, image_rows = _overlap(top, job.size[1], job.whole[1])
        columns, image_columns = _overlap(left, job.size[2], job.whole[2])
        patch[:, rows, columns] = image[:, image_rows, image_columns]
    return patches


def _overlap(first: int, length: int, whole: int) -> tuple[slice, slice]:
    """Return which of ``length`` places from ``first`` on lie inside a whole, and where in it."""
    begin = max(-first, 0)
    end = max(min(length, whole - first), begin)
    return slice(begin, end), slice(begin + first, end + first)


def read_by(network: Network, address: str) -> str | None:
    """Return the layer that a layer's own convolution or matrix reads; None if it is the image.

    Args:
        network: The network.
        address: Of the layer.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3), torch.nn.ReLU()
        ... )
        >>> network = striate.load(module, image_size=(8, 8))
        >>> read_by(network, "3"), read_by(network, "0")
        ('1', None)
    """
    named = {layer.node: layer for layer in network.layers.values() if layer.units is not None}
    product = next((n for n in _back(network.layers[address].node) if _reads(n)), None)
    if product is None:
        return None
    found = (named[n] for source in data_inputs(product) for n in _back(source) if n in named)
    first: Layer | None = next(found, None)
    return None if first is None else first.address


def _reads(node: fx.Node) -> bool:
    return operation(node) in _PRODUCTS


def _back(node: fx.Node) -> Iterator[fx.Node]:
    """Yield a node and all that it depends on, the nearest first."""
    seen, queue = {node}, deque([node])
    while queue:
        current = queue.popleft()
        yield current
        new = [source for source in data_inputs(current) if source not in seen]
        seen.update(new)
        queue.extend(new)


def _seen(view: View, images: Images) -> Iterator[Tensor]:
    for part in torch.split(images, view.batch(_TOGETHER)):
        yield view(part)[view.names[0]]
