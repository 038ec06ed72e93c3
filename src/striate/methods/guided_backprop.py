"""Guided backpropagation: the gradient of what excites, on the way down and on the way up.

At a rectifier f with input z, the signal R goes on as

    f'(z) max(R, 0)

which for ReLU keeps it where both the input and the signal are positive.

Source:
    Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for Simplicity: The All Convolutional
    Net", ICLR workshop 2015, section 3.4. https://arxiv.org/abs/1412.6806

Differs from the source:
    The paper has ReLU only. For leaky, bounded and smooth rectifiers we use their own derivative
    times the rectified signal, and say so in ``extended``.

Applies to:
    Every network made of known operations. Its maps depend little on the deeper weights (Adebayo et
    al., "Sanity Checks for Saliency Maps", NeurIPS 2018): sharp is not faithful.
"""

from striate.network.address import Address
from striate.network.network import Network
from striate.network.projection import Projection, Seed, project
from striate.shapes import Image


def guided_backprop(
    network: Network,
    image: Image,
    target: str | Address,
    *,
    seed: Seed = "one",
    whole_map: bool = False,
) -> Projection:
    """Project an activation back to the pixels by guided backpropagation.

    Args:
        network: From `striate.load`.
        image: (channels, height, width), preprocessed.
        target: A unit (its strongest neuron), such as "fc:281", or a neuron, "layer3:7@2,5".
        seed: Start with 1, or with the activation.
        whole_map: Start from all places of the unit's map at once.

    Returns:
        The projection; its map is signed and in network space, zero outside its box.

    Raises:
        AddressError: If the target does not exist.
        MethodError: If the network contains an operation of which nothing is known.

    Example:
        >>> import striate, torch
        >>> hidden, head = torch.nn.Conv2d(1, 2, (1, 2), bias=False), torch.nn.Conv2d(2, 1, 1)
        >>> hidden.weight.data = torch.tensor([[1.0, -1.0], [1.0, 1.0]]).reshape(2, 1, 1, 2)
        >>> head.weight.data = torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)
        >>> module = torch.nn.Sequential(hidden, torch.nn.ReLU(), head)
        >>> network = striate.load(module, image_size=(1, 2))
        >>> striate.guided_backprop(network, torch.tensor([[[2.0, 1.0]]]), "2:0").map.flatten()
        tensor([ 1., -1.])
    """
    return project(network, image, target, "guided", seed=seed, whole_map=whole_map)
