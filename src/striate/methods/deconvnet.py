"""DeconvNet: which pattern of the image produced an activation.

From a map that is zero but for one neuron, down to the pixels: unpool through the switches, rectify
the signal, filter with the transposed filters; again at every layer.

    R <- W^T max(unpool(R), 0)

Source:
    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 2.1.
    https://arxiv.org/abs/1311.2901

Differs from the source:
    Where pooling windows overlap and share a maximum, signals add up (the adjoint, as in the
    authors' successors' code). The start is 1 by default; the paper starts with the activation,
    which scales the map. What the paper does not have: batch norm passes as its linear part; sums,
    concatenations and average pools as their adjoint; local response normalization passes the
    signal unchanged (as contrast normalization does in the paper); gates (squeeze-and-excite,
    attention weights) are constants; leaky, smooth and bounded rectifiers rectify the signal like
    ReLU; layer and group norm use their own derivative. Such maps say so in ``extended``.

Applies to:
    Every network made of known operations. Without max-pooling the map depends on the image through
    the choice of the neuron alone: it shows the filter path, not the image.
"""

from striate.network.address import Address
from striate.network.network import Network
from striate.network.projection import Projection, Seed, project
from striate.shapes import Image


def deconvnet(
    network: Network,
    image: Image,
    target: str | Address,
    *,
    seed: Seed = "one",
    whole_map: bool = False,
) -> Projection:
    """Project an activation back to the pixels through the deconvnet.

    Args:
        network: From `striate.load`.
        image: (channels, height, width), preprocessed.
        target: A unit (its strongest neuron), such as "features.7:12", or a neuron,
            "features.7:12@3,4".
        seed: Start with 1, or with the activation as in the paper.
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
        >>> striate.deconvnet(network, torch.tensor([[[2.0, 1.0]]]), "2:0").map.flatten()
        tensor([ 1., -1.])
    """
    return project(network, image, target, "deconvnet", seed=seed, whole_map=whole_map)
