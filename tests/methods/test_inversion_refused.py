"""What an inversion refuses, and what it says then."""

import inspect
import math

import pytest
import torch
from torch import nn

import striate
from methods.inversion_building import SIZE, linear, noise, own, picture
from striate.errors import AddressError, MethodError
from striate.methods.inversion import group, inversion_frames
from striate.optimize.invert import goal_of
from striate.optimize.preimage import Phase
from striate.optimize.update import Constant


def test_what_cannot_be_inverted_is_said() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
    module[0].bias.data.fill_(-100.0)
    network = striate.load(module, image_size=SIZE)
    image = torch.zeros(SIZE)
    with pytest.raises(MethodError, match="1 is 0 everywhere for this image"):
        striate.inversion(network, image, "1")
    with pytest.raises(MethodError, match="0 is 0 everywhere"):
        striate.caricature(network, image, "0")
    with pytest.raises(MethodError, match="where the mask is"):
        striate.inversion(network, image, "0", mask=torch.zeros(4, 1, 1))
    with pytest.raises(MethodError, match=r"shape \(3, 1, 1\), the maps of 0 have \(4, 2, 3\)"):
        striate.inversion(network, image, "0", mask=torch.ones(3, 1, 1))
    with pytest.raises(MethodError, match="there are cvpr2015, cvpr2015-shallow, ijcv2016"):
        striate.inversion(network, image, "0", preset="2015")
    with pytest.raises(MethodError, match="at least one"):
        striate.inversion(network, image, "0", steps=0)
    with pytest.raises(MethodError, match="starts at least once"):
        striate.inversion(network, image, "0", restarts=0)
    with pytest.raises(AddressError, match="write 0"):
        striate.inversion(network, image, "0:1")
    with pytest.raises(AddressError, match="units 0 to 3"):
        group(network, "0", [4])
    with pytest.raises(AddressError, match=r"0:-1.* count from 0"):
        group(network, "0", [-1])


def test_a_loss_that_does_not_exist_is_refused() -> None:
    network = striate.load(nn.Sequential(nn.Conv2d(3, 4, 3)), image_size=(8, 8))
    with pytest.raises(MethodError, match="no loss 'L2'; there are l2, inner"):
        # The tests' type checker would refuse it first; a user has none.
        inspect.unwrap(goal_of)(network, torch.rand(3, 8, 8), "0", loss="L2")  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", ["cvpr2015", "cvpr2015-shallow", "ijcv2016"])
@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_means_nothing_is_refused(preset: str, weight: float) -> None:
    network, _ = linear(20)
    with pytest.raises(MethodError, match=f"weight={weight}.*papers'"):
        striate.inversion(network, picture(), "1", preset=preset, weight=weight)


def test_features_must_count_and_smoothness_may_not() -> None:
    network, _ = linear(20)
    with pytest.raises(MethodError, match=r"weight=0.0.*above 0"):
        striate.inversion(network, picture(), "1", preset="ijcv2016", weight=0.0)
    with pytest.raises(MethodError, match=r"weight=0.0.*above 0"):
        striate.caricature(network, picture(), "1", weight=0.0)
    assert striate.inversion(network, picture(), "1", steps=2, weight=0.0).weight == 0


@pytest.mark.parametrize("knobs", [{"steps": 3}, {"weight": 1.0}, {"steps": 3, "weight": 1.0}])
def test_settings_of_ones_own_take_no_knobs_beside_them(knobs: dict[str, float]) -> None:
    network, _ = linear(20)
    settings = own(Phase(3, Constant(1.0)), 500.0, noise)
    with pytest.raises(MethodError, match=rf"{'.*'.join(knobs)}.*phases"):
        striate.inversion(network, picture(), "1", preset=settings, **knobs)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_told_from_what_is_zero(wrong: float) -> None:
    network, _ = linear(20)
    image = picture()
    image[0, 1, 2] = wrong
    with pytest.raises(MethodError, match=r"the image has 1 value\(s\) of 60 that are not finite"):
        striate.inversion(network, image, "1")
    mask = torch.ones(20, 1, 1)
    mask[3] = wrong
    with pytest.raises(MethodError, match="1 has no finite square where the mask is"):
        striate.inversion(network, picture(), "1", mask=mask)
    with pytest.raises(MethodError, match="1 has no finite square for this image"):
        striate.inversion(network, 1e200 * picture(), "1")
    with pytest.raises(MethodError, match="1 is too small to be squared for this image"):
        striate.inversion(network, 1e-200 * picture(), "1")


def test_the_picture_that_is_the_mean_has_no_image_error() -> None:
    network = striate.load(
        nn.Conv2d(3, 4, 1).double(), image_size=SIZE, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    found = striate.inversion(network, torch.zeros(SIZE).double(), "output", steps=3)
    assert math.isnan(found.image_error)
    assert math.isfinite(found.error)


def test_all_is_checked_before_the_first_frame_is_asked_for() -> None:
    class Compares(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (images > 0).float()

    network = striate.load(nn.Sequential(nn.Conv2d(3, 4, 3), Compares()), image_size=(8, 8))
    with pytest.raises(MethodError, match="it has no gradient"):
        inversion_frames(network, torch.rand(3, 8, 8), "1")
    with pytest.raises(AddressError, match="no layer"):
        inversion_frames(network, torch.rand(3, 8, 8), "conv7")
    with pytest.raises(MethodError, match="starts at least once"):
        inversion_frames(network, torch.rand(3, 8, 8), "0", restarts=0)


@pytest.mark.parametrize("channels", [1, 4])
def test_an_image_of_other_channels_is_named(channels: int) -> None:
    network, _ = linear(20)
    image = torch.rand(channels, *SIZE[1:]).double()
    told = rf"3 channels for {network.name}, not \({channels}, "
    for method in (striate.inversion, striate.caricature):
        with pytest.raises(MethodError, match=told):
            method(network, image, "1")
