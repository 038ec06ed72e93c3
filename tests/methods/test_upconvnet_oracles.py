"""UpconvNet where the best decoder is known in closed form: linear, invertible, constant features.

All go through the training that users run, from picture files on.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from striate.image.folder import find_images
from striate.methods.upconvnet.net import UpconvNet
from striate.methods.upconvnet.reading import Reader, split
from striate.methods.upconvnet.training import train_upconvnet

SIDE = 4
VALUES = 3 * SIDE * SIDE


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Pictures of 4 x 4 pixels whose values go together: sums of few patterns, and some noise."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(7)
    patterns = random.normal(size=(20, VALUES)) * np.linspace(1, 0.3, 20)[:, None]
    for number in range(130):
        values = random.normal(size=20) @ patterns + 0.4 * random.normal(size=VALUES)
        levels = (128 + 18 * values).clip(0, 255).astype(np.uint8)
        Image.fromarray(levels.reshape(SIDE, SIDE, 3)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def _read_once(monkeypatch):
    """Hundreds of epochs of the same few pictures: each is decoded in the first one only."""
    read, known = Reader._read, {}

    def remembered(reader, image):
        if image.path not in known:
            known[image.path] = read(reader, image)
        return known[image.path]

    monkeypatch.setattr(Reader, "_read", remembered)


def linear_network(matrix: torch.Tensor, bias: torch.Tensor | None = None) -> striate.Network:
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None).double()
    with torch.no_grad():
        layer.weight.copy_(matrix)
        if bias is not None:
            layer.bias.copy_(bias)
    return striate.load(
        nn.Sequential(nn.Flatten(), layer), resize=None, crop=SIDE, mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.25, 0.3),
    )  # fmt: skip


def linear_decoder(units: int) -> nn.Module:
    decoder = nn.Sequential(
        nn.Flatten(), nn.Linear(units, VALUES), nn.Unflatten(1, (3, SIDE, SIDE))
    )
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    return decoder


def matrix(rows: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    square = torch.randn(VALUES, VALUES, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(square)[0][:rows] * torch.linspace(1, 2, rows)[:, None]


def trained(network, folder, decoder, *, rate=0.1, epochs=400, **knobs):
    frames = train_upconvnet(
        network, "1", find_images(folder), decoder=decoder, batch=200, epochs=epochs, rate=rate,
        drops=(0.5, 0.7, 0.9), workers=1, **knobs,
    )  # fmt: skip
    *_, last = frames
    return last


def vectors(network, images) -> torch.Tensor:
    """Preprocessed images as rows of numbers."""
    read = [network.how_to_read().from_picture(np.asarray(Image.open(i.path))) for i in images]
    return torch.stack(read).double().flatten(1)


def test_a_linear_decoder_learns_the_wiener_filter(pictures):
    a = matrix(12)
    network = linear_network(a)
    last = trained(network, pictures, linear_decoder(12))
    train, _ = split(find_images(pictures), 0.05)
    x = vectors(network, train)
    mean = x.mean(0)
    s = (x - mean).T @ (x - mean) / len(x)
    best = s @ a.T @ torch.linalg.inv(a @ s @ a.T)

    net = last.upconvnet
    weight = net.decoder[1].weight.detach().double()
    found = weight * net.scales["image_scale"] / net.scales["unit_scale"]
    assert (found - best).norm() < 1e-3 * best.norm()
    # What is left is what the features cannot say.
    left = torch.trace(s - best @ a @ s) / VALUES / net.scales["image_scale"] ** 2
    assert last.loss == pytest.approx(float(left), rel=1e-5)
    assert last.loss > 0.1
    # The mean image comes out where the features are the mean's.
    guess = net.reconstruct((a @ mean)[None, :, None, None]).flatten()
    shown = network.preprocessing.to_pixels(mean.reshape(3, SIDE, SIDE)).flatten()
    assert (guess - shown).abs().max() < 2e-3


def test_errors_are_distances_over_the_mean_distance(pictures):
    network = linear_network(matrix(12))
    last = trained(network, pictures, linear_decoder(12), epochs=5, held_out=0.1)
    _, held = split(find_images(pictures), 0.1)
    assert len(held) > 5
    assert last.upconvnet.held_out == len(held)
    pixels = np.stack([np.asarray(Image.open(image.path)) / 255 for image in held])
    pixels = torch.from_numpy(pixels.transpose(0, 3, 1, 2))
    codes = vectors(network, held) @ matrix(12).T

    def mean_distance(rows):
        pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
        return np.mean([float((rows[i] - rows[j]).norm()) for i, j in pairs])

    errors = []
    for image, original, code in zip(held, pixels, codes, strict=True):
        found = last.upconvnet.invert(network, network.read(image.path))
        assert torch.allclose(found.original, original, atol=1e-6)
        errors.append(float((found.image - original).norm() / mean_distance(pixels)))
        assert found.image_error == pytest.approx(errors[-1], rel=1e-5)
        again = network.preprocessing.to_network(found.image).double().flatten()
        off = float((matrix(12) @ again - code).norm() / mean_distance(codes))
        assert found.feature_error == pytest.approx(off, rel=1e-5)
        assert found.image.min() >= 0
        assert found.image.max() <= 1
    assert last.image_error == pytest.approx(np.mean(errors), rel=1e-5)


def test_nothing_is_lost_where_features_can_be_inverted(pictures):
    network = linear_network(matrix(VALUES))
    last = trained(network, pictures, linear_decoder(VALUES), epochs=600)
    assert last.loss < 1e-5
    assert last.image_error < 0.01
    _, held = split(find_images(pictures), 0.05)
    found = last.upconvnet.invert(network, network.read(held[0].path))
    assert found.image_error < 0.01
    assert found.feature_error < 0.01


def test_constant_features_give_the_mean_image(pictures):
    """With our own decoder: leaky dense layers, from no information at all."""
    network = linear_network(torch.zeros(6, VALUES), bias=torch.arange(6.0))
    last = trained(network, pictures, None, rate=0.01, epochs=120, width=4)
    train, _ = split(find_images(pictures), 0.05)
    x = vectors(network, train)
    mean = network.preprocessing.to_pixels(x.mean(0).reshape(3, SIDE, SIDE))
    found = last.upconvnet.invert(network, network.read(train[0].path))
    assert (found.image - mean).abs().max() < 1e-3
    assert found.feature_error is None
    variance = (x - x.mean(0)).square().mean() / last.upconvnet.scales["image_scale"] ** 2
    assert last.loss == pytest.approx(float(variance), rel=1e-4)


def test_more_features_say_more(pictures):
    losses = []
    for rows in (2, 12, 30):
        last = trained(linear_network(matrix(rows)), pictures, linear_decoder(rows), epochs=40)
        losses.append(last.loss)
    assert losses[0] > 1.2 * losses[1] > 1.2**2 * losses[2]


def test_a_linear_decoder_of_ones_own_comes_back_from_its_file(pictures, tmp_path):
    network = linear_network(matrix(5))
    last = trained(network, pictures, linear_decoder(5), epochs=3, checkpoint=tmp_path / "own")
    image = network.read(find_images(pictures)[0].path)
    with pytest.raises(striate.MethodError, match="decoder="):
        UpconvNet.load(tmp_path / "own")
    loaded = UpconvNet.load(tmp_path / "own", decoder=linear_decoder(5))
    expected = last.upconvnet.invert(network, image)
    assert torch.equal(loaded.invert(network, image).image, expected.image)
