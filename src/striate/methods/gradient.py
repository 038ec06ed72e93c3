"""Gradient saliency: how the activation of one neuron changes with each pixel.

    map[c, p] = d a / d x[c, p]

the first-order model a(x + e) = a(x) + <map, e>. Signed, in units of activation per network unit.

Source:
    Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps", ICLR workshop 2014, section 3.
    https://arxiv.org/abs/1312.6034

Differs from the source:
    The paper shows max over channels of the absolute value, of a class score; we return the signed
    map with its channels, of any unit.

Applies to:
    Every network.
"""

from striate.network.address import Address
from striate.network.network import Network
from striate.network.projection import Projection, Seed, project
from striate.shapes import Image


def gradient(
    network: Network,
    image: Image,
    target: str | Address,
    *,
    seed: Seed = "one",
    whole_map: bool = False,
) -> Projection:
    """Differentiate a neuron's activation by the pixels.

    Args:
        network: From `striate.load`.
        image: (channels, height, width), preprocessed.
        target: A unit (its strongest neuron), such as "fc:281", or a neuron, "layer3:7@2,5".
        seed: Start with 1, or with the activation.
        whole_map: Differentiate the sum of the unit's whole map (times it, for "activation").

    Returns:
        The projection; entry ``[c, row, column]`` of its map is the derivative by that value.

    Raises:
        AddressError: If the target does not exist.

    Example:
        >>> import striate, torch
        >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> network = striate.load(module, image_size=(2, 2))
        >>> saliency = striate.gradient(network, torch.zeros(3, 2, 2), "1:0")
        >>> torch.equal(saliency.map.flatten(), module[1].weight[0])
        True
    """
    return project(network, image, target, "gradient", seed=seed, whole_map=whole_map)
