"""Networks that are matrices, and inversions of them whose settings a test makes itself."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

import striate
from striate.network.network import Network
from striate.optimize.preimage import Phase, Settings

SIZE = (3, 4, 5)
STD = 0.25


def zeros(size: tuple[int, int, int], generators: list[torch.Generator]) -> Tensor:
    return torch.zeros(len(generators), *size, dtype=torch.float64)


def noise(size: tuple[int, int, int], generators: list[torch.Generator]) -> Tensor:
    return torch.stack([
        50 * torch.randn(size, generator=g, dtype=torch.float64) for g in generators
    ])


def own(phase: Phase, scale: float, start=zeros) -> Settings:
    return Settings("own", 1.0, scale, start, (phase,))


def linear(rows: int, spread: float = 0.5) -> tuple[Network, np.ndarray]:
    """A network that is a matrix of full rank, and that matrix for bytes around the mean."""
    rng = np.random.default_rng(rows)
    left, _, right = np.linalg.svd(rng.standard_normal((rows, 60)), full_matrices=False)
    matrix = left @ np.diag(np.linspace(1 - spread, 1 + spread, rows)) @ right
    module = nn.Sequential(nn.Flatten(), nn.Linear(60, rows, bias=False)).double()
    module[1].weight.data = torch.from_numpy(matrix)
    network = striate.load(module, image_size=SIZE, mean=(0.5,), std=(STD,))
    return network, matrix / (255 * STD)


def picture(size: tuple[int, int, int] = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return 4 * torch.rand(size, generator=generator, dtype=torch.float64) - 2


def in_bytes(image: Tensor) -> np.ndarray:
    return (image * 255 * STD).numpy()


def with_slack(settings: Settings, slack: int) -> Settings:
    """Give the first phase a jitter that the layer's stride does not ask for."""
    first, second = settings.phases
    pixels = (SIZE[1] + slack) * (SIZE[2] + slack) / (SIZE[1] * SIZE[2])
    penalties = tuple((weight / pixels, prior) for weight, prior in first.penalties)
    return replace(settings, phases=(replace(first, slack=slack, penalties=penalties), second))
