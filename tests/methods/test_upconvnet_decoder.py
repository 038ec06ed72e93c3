"""UpconvNet's decoder: sizes, places, first weights, and the up-convolution itself."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from striate.methods.upconvnet.decoder import Plan, decoder_for, plan_for


def layers_of(decoder, kind):
    return [layer for layer in decoder.modules() if isinstance(layer, kind)]


# --- sizes ---------------------------------------------------------------------------------------

AWKWARD = [
    ((13, 13), (224, 224), 16.0), ((13, 13), (227, 227), 16.0), ((6, 6), (227, 227), 32.0),
    ((55, 55), (227, 227), 4.0), ((55, 55), (224, 224), None), ((109, 109), (224, 224), 2.0),
    ((1, 1), (227, 227), None), ((1, 1), (28, 28), None), ((1, 1), (3, 2), None),
    ((7, 10), (224, 320), 32.0), ((10, 7), (301, 211), None), ((37, 37), (112, 112), 3.0),
    ((1, 197), (96, 96), None), ((224, 224), (224, 224), 1.0), ((40, 40), (32, 32), None),
    ((2, 2), (33, 65), None), ((5, 5), (8, 8), 2.0), ((29, 29), (112, 112), 4.0),
]  # fmt: skip


@pytest.mark.parametrize(("maps", "image", "stride"), AWKWARD, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_exact_size_is_reached(maps, image, stride, channels, seeded):
    decoder = decoder_for(5, maps, image, channels, width=2, stride=stride, generator=seeded)
    features = torch.randn(2, 5, *maps, generator=seeded)
    guess = decoder(features)
    assert guess.shape == (2, channels, *image)
    assert len(guess.unique()) > guess[0].numel()  # both images depend on their features
    weights = sum(value.numel() for value in decoder.parameters())
    guess.square().sum().backward()
    moved = sum(int(p.grad.ne(0).sum()) for p in decoder.parameters())
    assert moved > 0.5 * weights


@settings(deadline=None, max_examples=200)
@given(
    maps=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    image=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    stride=st.sampled_from([None, 1.0, 2.0, 3.0, 8.0, 32.0, 5.33]),
)
def test_every_plan_reaches_the_image(maps, image, stride):
    plan = plan_for(maps, image, stride)
    for start, pixels, before in zip(plan.start, image, maps, strict=True):
        assert start << plan.doublings >= pixels
        assert (start - 2) << plan.doublings < pixels
        if plan.centred and not plan.dense:
            assert 2**plan.doublings == stride
            assert (start - before) % 2 == 0


def test_known_plans():
    assert plan_for((6, 6), (192, 192), 32.0) == Plan(False, (6, 6), 5, centred=True)
    assert plan_for((1, 1), (128, 128), None) == Plan(True, (4, 4), 5, centred=True)
    assert plan_for((10, 10), (227, 227), None) == Plan(False, (8, 8), 5, centred=False)
    assert plan_for((1, 197), (224, 224), None).dense


@pytest.mark.parametrize(
    ("units", "maps", "image", "widths"),
    [
        (256, (6, 6), 192, [256, 256, 256, 256, 128, 64, 32, 3]),
        (1000, (1, 1), 128, [256, 128, 64, 32, 3]),
    ],
)
def test_channels_halve_on_the_way(units, maps, image, widths):
    decoder = decoder_for(units, maps, (image, image), width=256, stride=image / maps[0])
    kinds = nn.Conv2d | nn.ConvTranspose2d
    assert [layer.out_channels for layer in layers_of(decoder, kinds)] == widths
    dense = [layer.out_features for layer in layers_of(decoder, nn.Linear)]
    assert dense == ([4096] * 3 if maps == (1, 1) else [])
    assert {layer.negative_slope for layer in layers_of(decoder, nn.LeakyReLU)} == {0.2}
    assert not isinstance(list(decoder.modules())[-1], nn.LeakyReLU)


# --- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "image", "stride", "first"),
    [(13, 227, 16, 17), (6, 227, 32, 33), (14, 224, 16, 7.5), (54, 224, 4, 5.5), (30, 112, 4, -2)],
)
def test_a_neuron_stays_where_it_sees(maps, image, stride, first):
    """A decoder that copies single values puts each at the centre of its neuron.

    Zeros come behind values, so it is the first of the pixels that become of one.
    """
    decoder = decoder_for(1, (maps, maps), (image, image), 1, width=1, stride=float(stride))
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
            if parameter.ndim == 4:
                parameter[0, 0, parameter.shape[2] // 2, parameter.shape[3] // 2] = 1.0
    for row, column in [(maps // 2, maps // 2), (maps - 2, 1)]:
        features = torch.zeros(1, 1, maps, maps)
        features[0, 0, row, column] = 1.0
        ((down, across),) = decoder(features)[0, 0].nonzero().tolist()
        assert abs(down + (stride - 1) / 2 - (first + stride * row)) <= 0.5
        assert abs(across + (stride - 1) / 2 - (first + stride * column)) <= 0.5


# --- the up-convolution --------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_up_convolution_fills_in_zeros_and_is_an_adjoint(index, seeded):
    decoder = decoder_for(3, (5, 7), (40, 56), width=4, stride=8.0, generator=seeded).double()
    layer = layers_of(decoder, nn.ConvTranspose2d)[index]
    with torch.no_grad():
        layer.bias.normal_(generator=seeded)
    x = torch.randn(2, layer.in_channels, 5, 7, generator=seeded, dtype=torch.float64)
    found = layer(x).detach()
    assert found.shape == (2, layer.out_channels, 10, 14)

    filled = torch.zeros(2, layer.in_channels, 10, 14, dtype=torch.float64)
    for row, column in itertools.product(range(5), range(7)):
        filled[:, :, 2 * row, 2 * column] = x[:, :, row, column]
    kernel = layer.weight.transpose(0, 1).flip(2, 3)
    expected = functional.conv2d(filled, kernel, layer.bias, padding=2)
    assert torch.allclose(found, expected, rtol=0, atol=1e-13)

    y = torch.randn(found.shape, generator=seeded, dtype=torch.float64)
    down = functional.conv2d(y, layer.weight.detach(), stride=2, padding=2)
    up = found - layer.bias.detach()[:, None, None]
    assert float((up * y).sum()) == pytest.approx(float((x * down).sum()), rel=1e-12)


# --- first weights -------------------------------------------------------------------------------


def test_first_weights_come_from_the_generator_alone():
    torch.random.default_generator.seed()
    before = torch.random.get_rng_state()
    first = decoder_for(3, (4, 4), (32, 32), width=4).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    again = decoder_for(3, (4, 4), (32, 32), width=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = torch.Generator().manual_seed(9)
    moved = decoder_for(3, (4, 4), (32, 32), width=4, generator=other).state_dict()
    assert not torch.equal(first["enter.0.weight"], moved["enter.0.weight"])


@pytest.mark.parametrize("maps", [(1, 1), (8, 8)])
def test_first_weights_keep_the_signal(maps, seeded):
    decoder = decoder_for(32, maps, (128, 128), width=32, generator=seeded)
    with torch.no_grad():
        guess = decoder(torch.randn(16, 32, *maps, generator=seeded))
    assert 0.3 < float(guess.std()) < 3
