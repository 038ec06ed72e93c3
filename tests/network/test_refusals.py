"""Where the deconvnet does not apply is known without running it, and is where it refuses."""

import pytest
import torch
from torch import Tensor, nn

import striate
from networks import HAND_MADE
from striate.errors import MethodError
from striate.network.backward import propagate, refusals
from striate.network.network import Network


def refused(network: Network, layer: str) -> str | None:
    """Why the deconvnet refuses a layer when it is run."""
    images = torch.randn(
        1, *network.image_size, generator=torch.Generator().manual_seed(0), dtype=network.dtype
    )
    try:
        propagate(network, layer, images, "deconvnet", torch.ones_like, size=network.image_size)
    except MethodError as error:
        return str(error)
    return None


class Odd(nn.Module):
    """Before an operation that nobody knows, behind it, beside it, and what only compares."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3)
        self.behind = nn.Conv2d(4, 4, 1)
        self.beside = nn.Conv2d(4, 4, 1)
        self.counted = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        counted = self.counted((x > 0).to(x.dtype))
        return self.behind(torch.special.i0(x)), self.beside(x), counted, counted + x[:, :2]


def test_an_unknown_operation_is_named_behind_it_alone() -> None:
    network = striate.load(Odd(), image_size=(8, 8))
    reasons = refusals(network.trace())
    said = {name: reasons.get(layer.node) for name, layer in network.layers.items()}
    assert said["before"] is None
    assert said["beside"] is None
    assert "'special_i0'" in (said["behind"] or "")
    assert "only compares" in (said["counted"] or "")
    assert said["add"] is None, "a signal also goes round what only compares"


@pytest.mark.parametrize("name", [*HAND_MADE, "odd"])
def test_what_is_foreseen_is_what_happens(name: str) -> None:
    module, size = (Odd(), (8, 8)) if name == "odd" else HAND_MADE[name]()
    network = striate.load(module, image_size=size)
    reasons = refusals(network.trace())
    for address, layer in network.layers.items():
        foreseen, happened = reasons.get(layer.node), refused(network, address)
        assert (foreseen is None) == (happened is None), (address, foreseen, happened)
        if foreseen is not None and happened is not None:
            words = "only compares" if "only compares" in foreseen else "nothing is known"
            assert words in happened
