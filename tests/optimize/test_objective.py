"""The algebra changes nothing that it is made of; each term is what its paper writes."""

import pytest
import torch
from torch import Tensor, nn

import striate
from striate.errors import MethodError
from striate.optimize import objective as objectives
from striate.optimize.objective import (
    alignment,
    custom,
    direction,
    diversity,
    features,
    layer,
    score,
    unit,
    units,
)


@pytest.fixture
def seen() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {"a": torch.randn(4, 6, 3, 5, generator=generator).double()}


IMAGES = torch.zeros(4, 3, 2, 2).double()


def test_sums_and_multiples(seen: dict[str, Tensor]) -> None:
    one, two = unit("a:1"), unit("a:2")
    before = (one.terms, two.terms)
    total = 2.0 * one - two / 4.0 + 3.0 - (1.0 - one)
    expected = 3 * one(seen, IMAGES) - two(seen, IMAGES) / 4 + 2
    assert torch.allclose(total(seen, IMAGES), expected)
    assert (one.terms, two.terms) == before
    assert total.layers == ("a",)
    assert str(2.0 * one - two) == "2 a:1 + -1 a:2"
    assert str(one + 1.0) == "a:1 + 1"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("mean", lambda m: m.mean((1, 2))),
        ("max", lambda m: m.amax((1, 2))),
        ("centre", lambda m: m[:, 1, 2]),
    ],
)
def test_a_unit_at_a_place(seen: dict[str, Tensor], place: object, expected: object) -> None:
    found = unit("a:4", place)(seen, IMAGES)  # type: ignore[arg-type]
    assert torch.equal(found, expected(seen["a"][:, 4]))  # type: ignore[operator]


def test_a_neuron_is_one_value(seen: dict[str, Tensor]) -> None:
    assert torch.equal(unit("a:4@2,3", "mean")(seen, IMAGES), seen["a"][:, 4, 2, 3])


def test_each_image_has_its_own_unit(seen: dict[str, Tensor]) -> None:
    found = units(["a:1", "a:5@0,0", "a:2", "a:1"], "max")(seen, IMAGES)
    maps = seen["a"]
    expected = [maps[0, 1].max(), maps[1, 5, 0, 0], maps[2, 2].max(), maps[3, 1].max()]
    assert torch.equal(found, torch.stack(expected))


@pytest.mark.parametrize("addresses", [["a:1", "b:1"], ["a"], ["a:1", "a"]])
def test_units_of_several_layers_are_refused(addresses: list[str]) -> None:
    with pytest.raises(MethodError, match="one layer"):
        units(addresses)


def test_deep_dream_s_gradient_is_the_activation_itself(seen: dict[str, Tensor]) -> None:
    maps = seen["a"].clone().requires_grad_()
    total = layer("a")({"a": maps}, IMAGES).sum() * maps[0].numel()
    assert torch.allclose(torch.autograd.grad(total, maps)[0], maps)


def test_a_direction_is_a_dot_product_and_a_cosine(seen: dict[str, Tensor]) -> None:
    vector = torch.randn(6, generator=torch.Generator().manual_seed(1)).double()
    maps = seen["a"]
    dots = (maps * vector[:, None, None]).sum(1)
    assert torch.allclose(direction("a", vector)(seen, IMAGES), dots.mean((1, 2)))
    cosine = torch.cosine_similarity(maps, vector[None, :, None, None], dim=1)
    expected = (dots * cosine.clamp(min=0.1) ** 2).mean((1, 2))
    assert torch.allclose(direction("a", vector, power=2.0)(seen, IMAGES), expected)


def test_features_are_reached_at_zero(seen: dict[str, Tensor]) -> None:
    target = seen["a"][2]
    found = features("a", target)(seen, IMAGES)
    expected = -((seen["a"] - target) ** 2).sum((1, 2, 3)) / (target**2).sum()
    assert torch.allclose(found, expected)
    assert found[2] == 0
    mask = torch.zeros_like(target)
    mask[:3] = 1
    part = features("a", target, mask=mask)(seen, IMAGES)
    expected = -((seen["a"] - target)[:, :3] ** 2).sum((1, 2, 3)) / (target[:3] ** 2).sum()
    assert torch.allclose(part, expected)
    with pytest.raises(MethodError, match="zero"):
        features("a", torch.zeros_like(target))


@pytest.mark.parametrize("masked", [False, True])
def test_features_have_the_derivative_they_say(masked: bool) -> None:
    generator = torch.Generator().manual_seed(9)
    maps, target, mask = (torch.rand(n, 4, 2, 3, generator=generator).double() for n in (3, 1, 1))
    objective = 3.0 * features("a", target[0], mask=mask[0] if masked else None)
    weighted = torch.tensor([1.0, -2.0, 0.5])
    assert torch.autograd.gradcheck(
        lambda x: objective({"a": x}, IMAGES[:3]) * weighted, maps.requires_grad_()
    )


def test_alike_images_have_no_diversity() -> None:
    one = torch.rand(1, 6, 3, 5, generator=torch.Generator().manual_seed(5)).double()
    assert diversity("a")({"a": one.expand(4, -1, -1, -1)}, IMAGES).sum().item() == pytest.approx(3)
    apart = torch.zeros(4, 6, 3, 5).double()
    for image in range(4):
        apart[image, image] = 1
    assert diversity("a")({"a": apart}, IMAGES).sum().item() == pytest.approx(0)


def test_aligned_images_have_no_distance(seen: dict[str, Tensor]) -> None:
    assert alignment("a")({"a": seen["a"][:1].expand(4, -1, -1, -1)}, IMAGES).abs().sum() == 0
    found = alignment("a")(seen, IMAGES)
    flat = seen["a"].flatten(1)
    expected = -sum(2.0 ** -abs(0 - k) * ((flat[0] - flat[k]) ** 2).mean() for k in range(1, 4)) / 3
    assert found[0].item() == pytest.approx(float(expected))


def test_any_function_will_do(seen: dict[str, Tensor]) -> None:
    brightness = custom([], lambda _, images: images.flatten(1).mean(1), "brightness")
    assert brightness.layers == ()
    assert brightness({}, IMAGES + 2).tolist() == [2.0] * 4
    assert str(brightness) == "brightness"
    assert (unit("a:1") + brightness).layers == ("a",)


def test_a_class_is_scored_before_the_softmax() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softmax(1))
    network = striate.load(module, image_size=(2, 2))
    assert score(network, 2).layers == ("1",)
    assert objectives.score(network, 2).terms[0][1].name == "1:2"
