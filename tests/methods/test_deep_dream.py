"""Deep dream against the notebook retold in numpy, and what must not change it."""

import itertools
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import striate
from striate.errors import AddressError, MethodError
from striate.methods import deep_dream as module
from striate.methods.deep_dream import deep_dream_frames, guided, octave_sizes, zoomed
from striate.network.network import Network
from striate.optimize.objective import layer, unit

MEAN, STD = 0.4, 0.25


def pointwise() -> tuple[Network, np.ndarray]:
    """A network that treats each pixel alone, at any size; its matrix for bytes."""
    conv = nn.Conv2d(3, 5, 1, bias=False).double()
    weight = np.random.default_rng(1).standard_normal((5, 3))
    conv.weight.data = torch.from_numpy(weight)[:, :, None, None]
    network = striate.load(nn.Sequential(conv), image_size=(7, 9), mean=(MEAN,), std=(STD,))
    return network, weight / (255 * STD)


def around() -> Network:
    """A network without borders."""
    generator = torch.Generator().manual_seed(2)
    convs = [nn.Conv2d(a, b, 3, padding=1, padding_mode="circular") for a, b in ((3, 4), (4, 5))]
    for conv in convs:
        nn.init.normal_(conv.weight, generator=generator)
    net = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU()).double()
    return striate.load(net, image_size=(12, 10), mean=(MEAN,), std=(STD,))


def picture(rows: int, columns: int, spread: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    levels = torch.rand(3, rows, columns, generator=generator, dtype=torch.float64) - 0.5
    return (0.5 + spread * levels - MEAN) / STD


def in_bytes(image: Tensor) -> np.ndarray:
    return (image * 255 * STD).numpy()


def zoom(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Linear interpolation, corners on corners: scipy's zoom of order 1."""
    for axis, side in zip((1, 2), size, strict=True):
        old = image.shape[axis]
        places = np.linspace(0, old - 1, side)
        image = np.apply_along_axis(
            lambda line, x=places, n=old: np.interp(x, np.arange(n), line), axis, image
        )
    return image


# --- the notebook --------------------------------------------------------------------------------


def test_a_dream_is_the_notebooks() -> None:
    network, matrix = pointwise()
    image = picture(11, 8)
    octaves = [in_bytes(image)]
    for _ in range(2):
        octaves.append(zoom(octaves[-1], [round(side / 1.5) for side in octaves[-1].shape[1:]]))
    detail = np.zeros_like(octaves[-1])
    for base in octaves[::-1]:
        x = base + zoom(detail, base.shape[1:])
        for _ in range(4):
            gradient = np.einsum("uc,ud,dhw->chw", matrix, matrix, x)
            x = x + 1.5 / np.abs(gradient).mean() * gradient
            x = np.clip(x, -255 * MEAN, 255 * (1 - MEAN))
        detail = x - base
    found = striate.deep_dream(network, image, "0", octaves=3, scale=1.5, steps=4, jitter=0)
    assert np.allclose(found.image.numpy(), x / 255 + MEAN, atol=1e-12)
    assert found.sizes == ((5, 3), (7, 5), (11, 8))
    for value, of in ((found.before, octaves[0]), (found.after, x)):
        activations = np.einsum("uc,chw->uhw", matrix, of)
        assert value == pytest.approx(np.mean(activations**2) / 2)


def test_octaves_are_rounded_one_from_the_other() -> None:
    assert octave_sizes((224, 224), 4, 1.4) == ((81, 81), (114, 114), (160, 160), (224, 224))
    assert octave_sizes((575, 1024), 4, 1.4) == ((210, 373), (294, 522), (411, 731), (575, 1024))
    assert octave_sizes((9, 9), 1, 1.4) == ((9, 9),)
    with pytest.raises(MethodError, match=r"4 octaves of \(3, 40\) at a scale of 2.5"):
        octave_sizes((3, 40), 4, 2.5)


@pytest.mark.parametrize("size", [(5, 3), (14, 20), (7, 1)])
def test_images_are_zoomed_linearly(size: tuple[int, int]) -> None:
    image = picture(9, 11)
    wanted = zoom(image.numpy(), size)
    assert np.allclose(zoomed(image[None], size)[0].numpy(), wanted)


def test_without_a_step_nothing_changes() -> None:
    image = picture(12, 10)
    found = striate.deep_dream(around(), image, "3", octaves=3, step=0.0)
    assert torch.allclose(found.image, image * STD + MEAN, atol=1e-14)
    assert found.before == pytest.approx(found.after)
    none = striate.deep_dream(around(), image, "3", octaves=3, steps=0)
    assert torch.allclose(none.image, image * STD + MEAN, atol=1e-14)


def test_a_step_changes_values_by_its_size_in_the_mean() -> None:
    image = picture(12, 10, spread=0.1)
    frames = list(deep_dream_frames(around(), image, "3", octaves=2, steps=3, step=1.5))
    assert [(frame.octave, frame.step) for frame in frames] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 3), (1, 4), (1, 5), (1, 6)
    ]  # fmt: skip
    for before, after in itertools.pairwise(frames):
        if before.octave == after.octave:
            change = in_bytes(after.images[0]) - in_bytes(before.images[0])
            assert np.abs(change).mean() == pytest.approx(1.5)
    assert {frame.steps for frame in frames} == {6}


def test_values_stay_between_black_and_white() -> None:
    frames = deep_dream_frames(around(), picture(12, 10), "3", octaves=1, step=60.0)
    pixels = torch.cat([frame.images * STD + MEAN for frame in frames])
    assert pixels.min() == pytest.approx(0.0, abs=1e-12)
    assert pixels.max() == pytest.approx(1.0)


def test_a_shift_of_the_image_shifts_its_dream_and_rolls_are_undone() -> None:
    network, image = around(), picture(12, 10)
    dream = striate.deep_dream(network, image, "3", octaves=1, jitter=0)
    shifted = striate.deep_dream(network, image.roll((3, -4), (1, 2)), "3", octaves=1, jitter=0)
    assert torch.allclose(shifted.image, dream.image.roll((3, -4), (1, 2)), atol=1e-10)
    rolled = striate.deep_dream(network, image, "3", octaves=1, jitter=9, seed=4)
    assert torch.allclose(rolled.image, dream.image, atol=1e-10)
    assert (dream.image - (image * STD + MEAN)).abs().max() > 0.05


def test_rolls_matter_where_there_are_borders_and_come_from_the_seed() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1).double()
    network = striate.load(nn.Sequential(conv), image_size=(12, 10), mean=(MEAN,), std=(STD,))
    first, again, other = (
        striate.deep_dream(network, picture(12, 10), "0", octaves=2, seed=seed).image
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


# --- what is dreamt of ---------------------------------------------------------------------------


@pytest.mark.parametrize("places", [1024, 7])
def test_a_guided_places_derivative_is_the_guides_best_match(
    places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PLACES", places)
    generator = torch.Generator().manual_seed(6)
    maps = torch.randn(2, 5, 4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    guide = torch.randn(5, 3, 3, generator=generator, dtype=torch.float64)
    values = guided("a", guide)({"a": maps}, torch.zeros(2, 3, 8, 8, dtype=torch.float64))
    (slope,) = torch.autograd.grad(values.sum(), maps)
    flat = guide.flatten(1).numpy()
    for image in range(2):
        x = maps[image].detach().flatten(1).numpy()
        dots = x.T @ flat
        assert values[image].item() == pytest.approx(dots.max(1).mean())
        best = flat[:, dots.argmax(1)]
        assert np.allclose(slope[image].flatten(1).numpy() * x.shape[1], best)


def test_a_guide_leads_to_what_is_in_it() -> None:
    network = around()
    image, guide = picture(12, 10), picture(8, 8).flip(0)
    maps = network.record(guide[None], ["3"])["3"][0]
    objective = guided("3", maps)
    free = striate.deep_dream(network, image, "3", octaves=1)
    led = striate.deep_dream(network, image, "3", octaves=1, guide=guide)
    seen = torch.stack([(one.image - MEAN) / STD for one in (free, led)])
    values = objective(network.record(seen, ["3"]), seen)
    assert led.after == pytest.approx(float(values[1]))
    assert values[1] > values[0]
    assert led.after > led.before


def test_a_unit_or_any_objective_may_take_the_layers_place() -> None:
    network, image = around(), picture(12, 10)
    whole = striate.deep_dream(network, image, "3", octaves=2)
    same = striate.deep_dream(network, image, 2.0 * layer("3"), octaves=2)
    assert torch.allclose(whole.image, same.image)
    assert same.after == pytest.approx(2 * whole.after)
    one = striate.deep_dream(network, image, "3:2", octaves=2)
    maps = network.record((one.image[None] - MEAN) / STD, ["3"])["3"]
    assert one.after == pytest.approx(float(maps[0, 2].mean()))
    assert (one.objective, one.network) == ("3:2", network.name)
    less = striate.deep_dream(network, image, -unit("3:2"), octaves=2)
    assert less.after > less.before
    assert -less.after < -less.before < one.after


def test_a_dream_keeps_no_frame_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    seen: list[weakref.ref[Tensor]] = []

    def watched(*given: object, **knobs: object) -> Iterator[module.DreamFrame]:
        for frame in deep_dream_frames(*given, **knobs):  # type: ignore[arg-type]
            seen.append(weakref.ref(frame.images))
            alive.append(sum(one() is not None for one in seen))
            yield frame

    monkeypatch.setattr(module, "deep_dream_frames", watched)
    found = striate.deep_dream(around(), picture(12, 10), "3", octaves=2, steps=20)
    assert len(alive) == 42
    assert max(alive) <= 3
    assert found.image.shape == (3, 12, 10)


def test_a_dream_that_is_left_early_has_the_originals_size() -> None:
    network, image = around(), picture(12, 10)
    frames = list(deep_dream_frames(network, image, "3", octaves=2, steps=5))
    begun = module.finished(frames[0])
    assert torch.allclose(begun.image, image * STD + MEAN, atol=1e-12)
    assert begun.after == pytest.approx(begun.before)
    early, late = (module.finished(frames[k]) for k in (5, 6))
    assert (frames[5].octave, frames[6].octave) == (0, 1)
    assert early.image.shape == (3, 12, 10)
    # The next octave begins with it.
    assert torch.allclose(early.image, late.image, atol=1e-12)
    assert early.before == begun.before < early.after


def test_a_neuron_inside_an_objective_must_be_there_in_each_octave() -> None:
    network, image = around(), picture(12, 10)
    assert striate.deep_dream(network, image, unit("3:1@8,6"), octaves=2).after > 0
    with pytest.raises(MethodError, match=r"3:1@11,9 cannot be had of an octave of 9 x 7 pixels"):
        striate.deep_dream(network, image, unit("3:1@11,9"), octaves=2)


def test_a_guide_that_the_layer_cannot_see_is_refused() -> None:
    conv = nn.Sequential(nn.Conv2d(3, 4, 5))
    network = striate.load(conv, image_size=(12, 10), mean=(MEAN,), std=(STD,))
    image = picture(12, 10).float()
    with pytest.raises(MethodError, match=r"guide of shape \(3, 2, 1\)"):
        striate.deep_dream(network, image, "0", octaves=1, guide=image[:, :2, :1])
    # Where types are checked, as in tests, nobody gets this far with other axes than the image's.
    code = """
import torch, striate
network = striate.load(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), image_size=(12, 10))
image = torch.zeros(3, 12, 10)
for guide in (image[None], image[:1]):
    try:
        striate.deep_dream(network, image, "0", octaves=1, guide=guide)
    except striate.MethodError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    for shape in ("(1, 3, 12, 10)", "(1, 12, 10)"):
        assert f"guide of shape {shape}: " in told.stdout, told.stderr
    assert told.stdout.count("of 3 channels") == 2


def test_what_cannot_be_dreamt_is_said() -> None:
    fixed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 10 * 8, 2))
    network = striate.load(fixed, image_size=(12, 10), mean=(MEAN,), std=(STD,))
    image = picture(12, 10).float()
    with pytest.raises(MethodError, match="cannot run on an octave of 9 x 7 pixels: take fewer"):
        striate.deep_dream(network, image, "2", octaves=2)
    assert striate.deep_dream(network, image, "2", octaves=1).sizes == ((12, 10),)
    assert striate.deep_dream(network, image, "0", octaves=2).sizes == ((9, 7), (12, 10))
    with pytest.raises(MethodError, match="octave of 2 x 2 pixels"):
        striate.deep_dream(network, image[:, :4, :4], "0", octaves=2, scale=2.0)
    with pytest.raises(MethodError, match="dream of 0:1"):
        striate.deep_dream(network, image, "0:1@2,3")
    with pytest.raises(MethodError, match="write 0"):
        striate.deep_dream(network, image, "0:1", guide=image)
    with pytest.raises(MethodError, match="not with an objective"):
        striate.deep_dream(network, image, layer("0"), guide=image)
    with pytest.raises(AddressError, match="units 0 to 3"):
        striate.deep_dream(network, image, "0:4")
    for channels in (1, 4):
        other = torch.zeros(channels, 12, 10)
        with pytest.raises(MethodError, match=rf"3 channels for Sequential, not \({channels}, 12"):
            striate.deep_dream(network, other, "0", octaves=2)
    for knob in ({"octaves": 0}, {"scale": 1.0}, {"steps": -1}, {"jitter": -1}, {"step": -1.0}):
        with pytest.raises(MethodError, match="a scale above 1"):
            striate.deep_dream(network, image, "0", **knob)
