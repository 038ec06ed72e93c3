"""What is said of an image does not depend on its company, nor on whether it has any."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import striate
from networks import HAND_MADE

SIZE = (3, 8, 8)


class Between(nn.Module):
    """A convolution, something, a convolution."""

    def __init__(self, function: Callable[[Tensor], Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.first, self.parts = nn.Conv2d(3, 6, 3, padding=1), nn.ModuleList(parts)
        self.last = nn.Conv2d(6, 4, 3)
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.function(self.first(images)))


class Mistaken(nn.Module):
    """Attention whose batch comes second, given one whose batch comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, maps: Tensor) -> Tensor:
        tokens = maps.flatten(2)[..., :8]
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return torch.cat([mixed, maps.flatten(2)[..., 8:]], 2).reshape(maps.shape)


def normalized(**options: bool) -> Between:
    norm = nn.BatchNorm2d(6, **options)
    return Between(norm, norm)


def mistaken() -> Between:
    attention = Mistaken()
    return Between(attention, attention)


MEETING: dict[str, Callable[[], nn.Module]] = {
    "mean": lambda: Between(lambda maps: maps - maps.mean()),
    "mean image": lambda: Between(lambda maps: maps - maps.mean(0, keepdim=True)),
    "standard deviation": lambda: Between(lambda maps: maps / maps.std()),
    "largest": lambda: Between(lambda maps: maps / maps.amax()),
    "first image": lambda: Between(lambda maps: maps - maps[:1]),
    "softmax": lambda: Between(lambda maps: maps.softmax(0)),
    "sum so far": lambda: Between(lambda maps: maps.cumsum(0)),
    "mirrored": lambda: Between(lambda maps: maps + maps.flip(0)),
    "rolled": lambda: Between(lambda maps: maps + maps.roll(1, 0)),
    "rolled flat": lambda: Between(lambda maps: maps + maps.roll(maps[0].numel())),
    "sorted": lambda: Between(lambda maps: maps.sort(0).values),
    "products": lambda: Between(
        lambda maps: (maps.flatten(1) @ maps.flatten(1).T).mean(1)[:, None, None, None] * maps
    ),
    "batch norm": lambda: normalized(track_running_stats=False),
    "attention": mistaken,
}
APART = {
    "maps mirrored": lambda: Between(lambda maps: maps.flip((2, 3)).roll((1, 2), (2, 3))),
    "softmax of units": lambda: Between(lambda maps: maps.softmax(1)),
    "norm of each": lambda: Between(functional.instance_norm),
    "batch norm": normalized,
    "scaled": lambda: Between(lambda maps: maps / maps.amax((1, 2, 3), keepdim=True)),
}
SOME = ["attention", "group, instance, layer norm", "squeeze-excite", "shuffles", "two outputs"]


@pytest.mark.parametrize("name", MEETING)
def test_networks_that_mix_the_images_of_a_batch_see_each_alone(name: str) -> None:
    module = MEETING[name]().eval()
    images = torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        together, alone = module(images), torch.cat([module(image[None]) for image in images])
    assert not torch.allclose(together, alone, atol=1e-3)
    with pytest.warns(UserWarning, match="mixes the images of a batch"):
        network = striate.load(module, image_size=SIZE)
    assert network.trace().batch == 1
    assert torch.allclose(network.record(images, ["last"])["last"], alone, atol=1e-5)


def test_images_that_excite_units_do_not_depend_on_the_units_beside_them() -> None:
    with pytest.warns(UserWarning, match=r"mixes .*batch_norm"):
        network = striate.load(normalized(track_running_stats=False).eval(), image_size=SIZE)
    addresses = [f"last:{unit}" for unit in range(4)]
    found = striate.activation_maximization(network, addresses, steps=5)
    alone = striate.activation_maximization(network, addresses[2:3], steps=5)
    assert torch.allclose(found.images[2], alone.images[0], atol=1e-6)
    assert torch.allclose(found.activations[2:3], alone.activations, rtol=1e-5)


@pytest.mark.parametrize("name", APART)
def test_networks_that_keep_images_apart_see_many_at_once(name: str) -> None:
    assert striate.load(APART[name]().eval(), image_size=SIZE).trace().batch is None


@pytest.mark.parametrize("name", SOME)
def test_awkward_networks_see_many_at_once(name: str) -> None:
    module, size = HAND_MADE[name]()
    assert striate.load(module, image_size=size).trace().batch is None


@pytest.mark.parametrize(("name", "batch"), [("scaled", None), ("mean", 1)])
def test_exported_programs_too(name: str, batch: int | None, tmp_path: Path) -> None:
    module = {**APART, **MEETING}[name]().eval()
    sizes = ({0: torch.export.Dim("images")},)
    program = torch.export.export(module, (torch.zeros(4, *SIZE),), dynamic_shapes=sizes)
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.warns(UserWarning, match="mixes") if batch else contextlib.nullcontext():
        network = striate.load(tmp_path / "net.pt2")
    assert network.trace().batch == batch


@pytest.mark.parametrize(
    "squeezed",
    [
        lambda maps: maps.squeeze(),
        lambda maps: maps.squeeze(0).squeeze(-1).squeeze(-1),
        lambda maps: maps.squeeze((0, 2, 3)),
    ],
)
def test_one_image_is_a_batch_for_who_squeezes(squeezed: Callable[[Tensor], Tensor]) -> None:
    class Squeezing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

        def forward(self, images: Tensor) -> Tensor:
            pooled = functional.adaptive_avg_pool2d(self.conv(images).relu(), 1)
            return self.head(squeezed(pooled))

    module = Squeezing()
    images = torch.randn(2, *SIZE, generator=torch.Generator().manual_seed(3))
    network = striate.load(module, image_size=SIZE)
    with torch.no_grad():
        wanted = module(images)
    assert torch.allclose(network.record(images, ["head"])["head"], wanted, atol=1e-6)
    found = network.record(images[1:], ["head"])["head"]
    assert torch.allclose(found, wanted[1:], atol=1e-6)
    made = striate.activation_maximization(network, ["head:2"], steps=3)
    with torch.no_grad():
        reached = module(made.images.expand(2, -1, -1, -1))[0, 2]
    assert made.activations[0] == pytest.approx(float(reached), rel=1e-5)
    inverted = striate.inversion(network, images[0], "head", steps=3)
    assert inverted.target_square == pytest.approx(float(wanted[0].square().sum()), rel=1e-5)


class Several(nn.Module):
    """Beside scores, what counts images along another axis, or not at all, or depends on none."""

    def __init__(self, *, mixing: bool) -> None:
        super().__init__()
        self.conv, self.mixing = nn.Conv2d(3, 4, 3, padding=1), mixing

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.conv(images)
        maps = maps - maps.mean() if self.mixing else maps
        windows = maps.reshape(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, 4, 4, 4)
        scores, tokens = maps.mean((2, 3)), maps.flatten(2).permute(2, 0, 1)
        return scores, windows, tokens, scores.softmax(1).mean(0).square().sum(), torch.ones(7, 4)


def test_what_is_computed_beside_the_scores_keeps_its_axes() -> None:
    images = torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(3))
    module = Several(mixing=True)
    with torch.no_grad():
        alone = [module(image[None]) for image in images]
    with pytest.warns(UserWarning, match="mixes"):
        network = striate.load(module, image_size=SIZE)
    scores, windows, tokens, loss, constant = network(images)
    parts = list(zip(*alone, strict=True))
    assert torch.allclose(scores, torch.cat(parts[0]), atol=1e-6)
    assert torch.allclose(windows, torch.cat(parts[1]), atol=1e-6)
    assert torch.allclose(tokens, torch.cat(parts[2], 1), atol=1e-6)
    assert torch.allclose(loss, torch.stack(parts[3]), atol=1e-6)
    assert torch.equal(constant, torch.ones(7, 4))


def test_a_loss_over_the_batch_beside_the_scores_mixes_no_images() -> None:
    module = Several(mixing=False)
    network = striate.load(module, image_size=SIZE)  # a warning would be an error here
    assert network.trace().batch is None
    images = torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        wanted = module(images)
    for one, other in zip(network(images), wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


class Dropping(nn.Module):
    def __init__(self, training: bool | None) -> None:
        super().__init__()
        self.conv, self.given = nn.Conv2d(3, 4, 3), training

    def forward(self, images: Tensor) -> Tensor:
        training = self.training if self.given is None else self.given
        return functional.dropout(self.conv(images), 0.5, training=training)


def test_chance_in_evaluation_mode_is_told() -> None:
    with pytest.warns(UserWarning, match=r"draws random numbers .*dropout.* whatever the seed"):
        striate.load(Dropping(training=True), image_size=SIZE)
    for quiet in (Dropping(training=None), Dropping(training=False)):
        striate.load(quiet.eval(), image_size=SIZE)  # a warning would be an error here


def test_recurrent_layers_draw_nothing_and_other_sizes_are_not_told_again() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.rows = (
                nn.Conv2d(3, 4, 3),
                nn.LSTM(4, 5, 2, dropout=0.5, batch_first=True),
            )

        def forward(self, images: Tensor) -> Tensor:
            return self.rows(self.conv(images).mean(3).mT)[0]

    network = striate.load(Recurrent().eval(), image_size=SIZE)
    assert network.trace().batch is None
    with pytest.warns(UserWarning, match="random"):
        network = striate.load(Dropping(training=True), image_size=SIZE)
    network.layers_at((3, 9, 9))


def test_units_of_volumes_are_their_channels() -> None:
    class Volumes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(1, 5, (2, 3, 3))

        def forward(self, images: Tensor) -> Tensor:
            return self.conv(images[:, None]).relu()

    module = Volumes()
    network = striate.load(module, image_size=SIZE)
    for name in ("conv", "relu"):
        assert (network.layers[name].units, network.layers[name].map_size) == (5, (1, 72))
    found = striate.activation_maximization(network, ["relu:3"], steps=3)
    with torch.no_grad():
        reached = module(found.images)[0, 3].amax()
    assert found.activations[0] == pytest.approx(float(reached), rel=1e-5)


POSITIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "slice": lambda positions: positions[:, :, :, :1],
    "mask": lambda _: torch.cat([torch.ones(64, 32), torch.zeros(64, 32)], 1),
    "whole": lambda positions: positions,
}


@pytest.mark.parametrize("name", POSITIONS)
@pytest.mark.parametrize(
    "joined",
    [torch.add, torch.mul, lambda a, b: torch.cat([a[:, :2], b.expand_as(a)[:, 2:]], 1)],
    ids=["add", "mul", "cat"],
)
def test_what_differs_from_place_to_place_is_not_cut_out(
    name: str, joined: Callable[[Tensor, Tensor], Tensor]
) -> None:
    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3)
            drawn = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(1))
            self.positions = nn.Parameter(drawn)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.first(images).relu()
            return self.last(joined(maps, POSITIONS[name](self.positions)))

    module, side = Placed(), 64
    network = striate.load(module, image_size=(side, side))
    found = striate.activation_maximization(network, ["last:1"], steps=3)
    with torch.no_grad():
        reached = module(found.images)[0, 1].amax()
    assert found.activations[0] == pytest.approx(float(reached), rel=1e-4)
    image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        strongest = float(module(image[None])[0, 1].amax())
    assert striate.deconvnet(network, image, "last:1").activation == pytest.approx(strongest)
