"""A unit with two templates: groups are pure, two means find both, one start finds one."""

import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import striate
from networks import HAND_MADE
from optimize.test_cluster import rand_index
from striate.errors import AddressError, MethodError
from striate.methods import multifaceted as module
from striate.methods.multifaceted import FacetFrame, Facets, finished, multifaceted_frames
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.ascend import DivergedError
from striate.optimize.facets import aligned, read_by
from striate.optimize.presets import Preset
from striate.optimize.update import Constant
from striate.shapes import Images

SIDE = 12


class Either(nn.Module):
    """Class 0 likes a bright disc at the left or a dark one at the right, and not both."""

    def __init__(self) -> None:
        super().__init__()
        self.templates = nn.Linear(3 * SIDE * SIDE, 4, bias=False)
        self.head = nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            left, right = templates()
            rows = [left - right, right - left, torch.ones_like(left), -torch.ones_like(left)]
            self.templates.weight.copy_(torch.stack([row.flatten() for row in rows]))
            self.head.weight.copy_(torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.templates(x.flatten(1))))


def templates() -> tuple[Tensor, Tensor]:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    discs = [((rows - 5.5) ** 2 + (columns - middle) ** 2 < 8).double() for middle in (3, 8)]
    return discs[0].expand(3, -1, -1) / 9, -discs[1].expand(3, -1, -1) / 9


def planted(count: int = 20) -> tuple[Network, Images, list[int]]:
    """The network; images of either template, in noise; which."""
    network = striate.load(
        Either().double(), resize=SIDE, crop=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    generator = torch.Generator().manual_seed(4)
    truth = [k % 3 == 0 for k in range(count)]
    both = templates()
    images = torch.stack([9 * both[int(which)] for which in truth])
    noise = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    return network, images + 0.4 * noise, [int(which) for which in truth]


def alike(found: Facets, index: int) -> list[float]:
    """How alike an image is to the side that each template likes."""
    left, right = templates()
    image = found.images[index].double() - 0.5
    return [float((image * wanted).sum()) for wanted in (left - right, right - left)]


def test_groups_are_pure_and_each_mean_leads_to_its_template() -> None:
    network, images, truth = planted()
    found = striate.multifaceted(network, "head:0", images, facets=2, steps=60)
    assert found.codes == read_by(network, "head") == "relu"
    labels = [next(g for g, group in enumerate(found.members) if k in group) for k in range(20)]
    assert rand_index(labels, truth) > 0.95
    # 13 of the first template, 7 of the second: the larger group comes first.
    assert [len(group) for group in found.members] == [13, 7]
    assert alike(found, 0)[0] > 0 > alike(found, 0)[1]
    assert alike(found, 1)[1] > 0 > alike(found, 1)[0]
    assert (found.activations > 2 * found.start_activations).all()
    for index, group in enumerate(found.members):
        mean = images[list(group[:15])].mean(0) * 0.25 + 0.5
        assert torch.allclose(found.start(index), mean.clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_one_random_start_finds_one_of_the_two(seed: int) -> None:
    network, _, _ = planted()
    found = striate.centre_bias(network, ["head:0"], steps=60, seed=seed)
    assert min(alike(found, 0)) < 0 < max(alike(found, 0))
    assert found.members == ((),)
    again = striate.centre_bias(network, ["head:0"], steps=60, seed=seed)
    assert torch.equal(found.images, again.images)


def test_what_is_returned_reaches_what_it_says() -> None:
    network, images, _ = planted()
    found = striate.multifaceted(network, "head:0", images, facets=3, steps=20, seed=2)
    for pictures, values in (
        (found.images, found.activations), (found.starts, found.start_activations)
    ):  # fmt: skip
        scores = network((pictures - 0.5) / 0.25)
        assert torch.allclose(scores[:, 0], values)
    assert torch.equal(found.ranks, 1 + (network((found.images - 0.5) / 0.25)[:, 1]
                                         > found.activations).long())  # fmt: skip
    lines = found.described({"head:0": 2.0})
    assert "of its maximum on images, 2" in lines[0][0]
    assert "images; the mean of" in lines[0][2]


def convolutional() -> Network:
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
    ).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(drawn * 0.2)
    return striate.load(module, resize=40, crop=40, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.mark.parametrize("size", [None, 40])
def test_patches_show_the_centre_what_excited_the_unit_most(
    size: int | None, seeded: torch.Generator
) -> None:
    network = convolutional()
    images = torch.randn((5, 3, 40, 40), generator=seeded, dtype=torch.float64)
    (job,) = maximize.plan(network, ["2:3"], Preset("any", 1, Constant(1.0)), size=size)
    patches = aligned(network, job, images)
    maps = network.layers["2"].maps(network.record(images, ["2"])["2"])[:, 3]
    neuron = job.neurons[0]
    for patch, own, image in zip(patches, maps, images, strict=True):
        row, column = divmod(int(own.argmax()), own.shape[1])
        top, left = 2 * (row - neuron.row), 2 * (column - neuron.column)
        for r in range(0, job.size[1], 3):
            for c in range(0, job.size[2], 3):
                inside = 0 <= r + top < 40 and 0 <= c + left < 40
                wanted = image[:, r + top, c + left] if inside else torch.zeros(3).double()
                assert torch.equal(patch[:, r, c], wanted)
        # Inside the image the neuron sees all that it saw, so it fires as it did.
        if 2 <= row < 18 and 2 <= column < 18 and size is None:
            assert (patch != 0).any()


def test_facets_of_a_unit_with_a_map(seeded: torch.Generator) -> None:
    network = convolutional()
    images = torch.randn((12, 3, 40, 40), generator=seeded, dtype=torch.float64)
    found = striate.multifaceted(network, "3:3", images, facets=2, steps=30)
    assert found.codes == "1"
    assert found.picture(0).shape == (3, 23, 23)
    assert (found.activations > found.start_activations).all()
    one = striate.multifaceted(network, "3:3@4,5", images, facets=2, steps=6, codes="0")
    assert one.codes == "0"
    assert one.picture(0).shape == (3, 40, 40)


@pytest.mark.parametrize("unit", ["3:2", "6:1"])
@pytest.mark.parametrize("size", [24, 56])
def test_canvases_that_no_crop_serves_lie_in_whole_images(
    unit: str, size: int, seeded: torch.Generator
) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.InstanceNorm2d(6), nn.Conv2d(6, 4, 3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    network = striate.load(module, image_size=(40, 40))
    images = torch.randn((6, 3, 40, 40), generator=seeded)
    images = torch.cat([images, images.roll(5, 3)])
    found = striate.multifaceted(network, unit, images, facets=2, steps=30, size=size)
    assert found.images.shape == found.starts.shape == (2, 3, max(size, 40), max(size, 40))
    assert found.picture(1).shape == found.start(1).shape == (3, size, size)
    assert (found.activations > found.start_activations).all()


def test_patches_of_a_canvas_inside_the_image_show_its_neuron_what_excited_the_unit(
    seeded: torch.Generator,
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.Conv2d(6, 4, 3))
    network = striate.load(module, image_size=(41, 41))
    images = torch.randn((6, 3, 41, 41), generator=seeded)
    # No neuron is left on a canvas smaller than the nine pixels that one sees.
    (job,) = maximize.plan(network, ["2:1"], Preset("any", 1, Constant(1.0)), size=5)
    assert job.embedded
    top, left, _, _ = network.layers["2"].box(job.neurons[0].row, job.neurons[0].column)
    assert job.corner == (top + 2, left + 2)
    maps = network.record(images, ["2"])["2"][:, 1]
    for patch, own, image in zip(aligned(network, job, images), maps, images, strict=True):
        row, column, *_ = network.layers["2"].box(*divmod(int(own.argmax()), own.shape[1]))
        assert torch.equal(patch, image[:, row + 2 : row + 7, column + 2 : column + 7])
    (job,) = maximize.plan(network, ["2:1@0,16"], Preset("any", 1, Constant(1.0)), size=5)
    assert torch.equal(aligned(network, job, images), images[:, :, 2:7, 34:39])


def test_a_stop_keeps_what_is_there() -> None:
    network, images, _ = planted()
    run = multifaceted_frames(network, "head:0", images, facets=2, steps=60)
    taken = [next(run) for _ in range(10)]
    run.close()
    assert taken[-1].done == 10
    found = finished(taken[-1])
    assert (found.activations > found.start_activations).all()


def test_no_frame_is_kept_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    seen: list[weakref.ref[Tensor]] = []

    def watched(*given: object, **knobs: object) -> Iterator[FacetFrame]:
        for frame in multifaceted_frames(*given, **knobs):  # type: ignore[arg-type]
            seen.append(weakref.ref(frame.octave.middle))
            alive.append(sum(one() is not None for one in seen))
            yield frame

    network, images, _ = planted()
    monkeypatch.setattr(module, "multifaceted_frames", watched)
    found = striate.multifaceted(network, "head:0", images, facets=2, steps=30)
    assert len(alive) == 34
    assert max(alive) <= 3
    assert (found.activations > found.start_activations).all()


def test_one_unit_s_failure_costs_no_other_unit_of_centre_bias() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    with torch.no_grad():
        module[2].bias[2] = torch.nan
    network = striate.load(module, image_size=(SIDE, SIDE), mean=(0.5,), std=(0.25,))
    alone = striate.centre_bias(network, ["2:1"], steps=6)
    assert alone.failures == {}
    found = striate.centre_bias(network, ["2:1", "2:2", "0:1", "2:3"], steps=6)
    assert [str(address) for address in found.addresses] == ["2:1", "0:1", "2:3"]
    assert torch.allclose(found.images[0], alone.images[0], atol=1e-5)
    assert len(found.starts) == len(found.members) == len(found.boxes) == 3
    ((address, reason),) = found.failures.items()
    assert str(address) == "2:2"
    assert "the network itself" in reason
    with pytest.raises(MethodError, match="the network itself"):
        striate.centre_bias(network, ["2:2", "2:2"], steps=6)
    images = torch.randn(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with pytest.raises(MethodError, match="the network itself"):
        striate.multifaceted(network, "2:2", images, facets=2, steps=6)


class Bounded(nn.Module):
    """Unit 2 is no number any more where it would exceed a bound."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        for parameter in self.conv.parameters():
            nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.conv(images))
        bounded = -torch.log(14 - maps[:, 2:3])
        return torch.cat([maps[:, :2], bounded, maps[:, 3:]], 1)


def test_a_facet_that_diverges_leaves_what_there_was() -> None:
    network = striate.load(Bounded(), image_size=(16, 16), mean=(0.5,), std=(0.25,))
    images = 0.5 * torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images[6:] = 0.05 * images[6:] + 0.3
    last: list[FacetFrame] = []
    with pytest.raises(DivergedError):
        last.extend(multifaceted_frames(network, "cat:2", images, facets=3))
    assert 1 < len(last) < 100
    frame = last[-1]
    assert frame.failures == {}
    found = finished(frame)
    assert len(found.images) == 3
    assert torch.isfinite(found.images).all()


def test_images_whose_codes_are_no_numbers_are_left_out() -> None:
    network, images, _ = planted()
    whole = striate.multifaceted(network, "head:0", images[2:], facets=2, steps=8)
    spoilt = images.clone()
    spoilt[0] = torch.nan
    spoilt[1, 0, 0, 0] = torch.inf
    found = striate.multifaceted(network, "head:0", spoilt, facets=2, steps=8)
    assert found.members == tuple(tuple(k + 2 for k in group) for group in whole.members)
    assert torch.equal(found.images, whole.images)
    with pytest.raises(MethodError, match="20 of 20 images have no finite codes in relu"):
        striate.multifaceted(network, "head:0", spoilt * torch.nan, facets=2)
    spoilt[3:] = torch.nan
    with pytest.raises(MethodError, match=r"19 of 20 images .* are left for 2"):
        striate.multifaceted(network, "head:0", spoilt, facets=2)


def test_centre_bias_needs_no_class_scores() -> None:
    class OddOutput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x: Tensor) -> tuple[int, Tensor]:
            seen = torch.relu(self.conv(x))
            return seen.shape[0], seen

    network = striate.load(OddOutput(), image_size=(20, 20))
    assert torch.isfinite(striate.centre_bias(network, ["conv:1"], steps=10).activations).all()


def test_a_share_of_the_maximum_is_said_of_units_alone() -> None:
    network = convolutional()
    for address, shares in (("3:3", 1), ("3:3@4,5", 0)):
        found = striate.centre_bias(network, [address], steps=5)
        lines = found.described({"3:3": 2.0})
        assert sum("of its maximum" in line for line in lines[0]) == shares


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"address": "head"}, MethodError, "name a unit"),
        ({"address": "head:9"}, AddressError, "units 0 to 1"),
        ({"facets": 21}, MethodError, "21 groups of 20 different"),
        ({"facets": 0}, MethodError, "facets=0"),
        ({"images": torch.zeros(0, 3, SIDE, SIDE)}, MethodError, "0 images"),
        ({"codes": "nowhere"}, AddressError, "no layer 'nowhere'"),
        ({"images": torch.zeros(3, 3, 5, 5)}, MethodError, "network.read"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, object], error: type, said: str) -> None:
    network, images, _ = planted()
    wish = {"address": "head:0", "images": images, **asked}
    with pytest.raises(error, match=said):
        striate.multifaceted(network, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HAND_MADE)
def test_awkward_networks(name: str, seeded: torch.Generator) -> None:
    module, size = HAND_MADE[name]()
    network = striate.load(module, image_size=size)
    images = torch.randn((5, *network.image_size), generator=seeded)
    found = striate.multifaceted(network, f"{network.scores}:0", images, facets=2, steps=8)
    assert torch.isfinite(found.activations).all()
    assert sorted(m for group in found.members for m in group) == list(range(5))
