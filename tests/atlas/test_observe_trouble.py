"""L8, L9: numbers that are not finite, numbers that do not fit, memory that does not suffice."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from test_observe import Strongest, batches, equal, integers, observe, pictures, small_loaded
from torch import Tensor, nn

import striate
from oracles.atlas_oracle import hooked, summarize
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.observe import Observer, _Watcher

NOBODY_LABELLED = [-1] * 20


class Divides(nn.Module):
    """Unit 1 is divided by the image's first pixel: 0 gives NaN and infinity."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = integers(nn.Conv2d(3, 3, 3, padding=1), seed=4)
        self.quotient = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        one = torch.ones_like(x[:, :1, :1, :1])
        divisor = torch.cat([one, x[:, :1, :1, :1], one], 1)
        return self.quotient(self.conv(x) / divisor).amax((2, 3))


def divided() -> tuple[Divides, Tensor]:
    images = pictures(20)
    images[:, 0, 0, 0] = torch.tensor([0.0, 1, 2, 0, -1] * 4)
    return Divides().eval(), images


def test_not_finite_is_counted_by_unit_and_does_not_spread() -> None:
    """L8: the units beside it are as if nothing were, and its own other images count."""
    module, images = divided()
    network = striate.load(module, image_size=16)
    name = next(n for n in network.layers if network.layers[n].operation == "div")
    labels = [0, 1, 2, 1, 2] * 4
    found = observe(network, images, [name], batch=6, labels=labels).layers[0]
    maps = hooked(module, images, ["quotient"])["quotient"]
    equal(found, summarize(maps, range(20), labels, 9))
    assert found.moments.not_finite.tolist() == [0, 8, 0]
    assert found.moments.images.tolist() == [20, 12, 20]
    assert np.isfinite(found.moments.total).all()
    assert np.isfinite(found.by_class.total).all()
    assert not {0, 3, 5, 8, 10, 13, 15, 18} & set(found.top.image[1].tolist())


class Pushed(nn.Module):
    """Sets one place of unit 0 to a value on images whose first pixel is 1."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.conv, self.value = integers(nn.Conv2d(3, 2, 1), seed=4), value
        self.result = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.zeros(1, 2, 8, 8)
        mask[0, 0, 3, 3] = 1
        hit = (x[:, :1, :1, :1] == 1) & (mask > 0)
        return self.result(torch.where(hit, self.value, self.conv(x))).amax((2, 3))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_place_that_is_not_finite_takes_its_image_out(value: float) -> None:
    """Such images 'count nowhere else' (Moments): neither among the strongest."""
    module, images = Pushed(value).eval(), pictures(12, size=8)
    images[:, 0, 0, 0] = torch.tensor([1.0, 0, 0, 1] * 3)
    network = striate.load(module, image_size=8)
    name = next(n for n in network.layers if network.layers[n].operation == "where")
    found = observe(network, images, [name], batch=5, k=12).layers[0]
    maps = hooked(module, images, ["result"])["result"]
    equal(found, summarize(maps, range(12), [-1] * 12, 12))


@pytest.mark.parametrize("value", [1e20, -1e20])
def test_large_finite_activations_are_finite(value: float) -> None:
    """1e20 is a float32; its square is not, and that is no fault of the unit."""
    module, images = Pushed(value).eval(), pictures(12, size=8)
    images[:, 0, 0, 0] = torch.tensor([1.0, 0, 0, 1] * 3)
    network = striate.load(module, image_size=8)
    name = next(n for n in network.layers if network.layers[n].operation == "where")
    found = observe(network, images, [name], batch=5).layers[0]
    maps = hooked(module, images, ["result"])["result"]
    wanted = summarize(maps, range(12), [-1] * 12, 9)
    assert found.moments.not_finite.tolist() == [0, 0]
    np.testing.assert_allclose(found.moments.squares, wanted["moments.squares"], rtol=1e-5)
    np.testing.assert_array_equal(found.moments.maximum, wanted["moments.maximum"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_counts_and_sums(dtype: torch.dtype) -> None:
    """51 x 51 = 2601 places are no float16 or bfloat16; 300 squared is no float16 either."""
    module = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), Strongest()).eval()
    nn.init.ones_(module[0].weight)
    images = torch.full((4, 3, 51, 51), 100.0)
    network = striate.load(module.to(dtype), image_size=51)
    found = observe(network, images.to(dtype), ["1"], batch=2).layers[0].moments
    assert found.not_finite.tolist() == [0, 0]
    assert found.fired_places.tolist() == [4 * 2601] * 2
    np.testing.assert_allclose(found.mean, 300, rtol=1e-6)
    np.testing.assert_allclose(found.variance, 0, atol=1e-3)


def test_small_differences_in_float64_split_like_any_others() -> None:
    """Top-k keeps float32: values equal there are ties, in one shard as in two."""
    module = nn.Sequential(nn.ReLU(), Strongest()).double()
    images = torch.ones(8, 3, 4, 4, dtype=torch.float64)
    images *= 1 + 1e-12 * torch.arange(8)[:, None, None, None]
    network = striate.load(
        nn.Sequential(nn.Conv2d(3, 3, 1, groups=3, bias=False), module).double(), image_size=4
    )
    observer = Observer(network, ["0"], 2)
    whole = observer(batches(images, 8)).layers[0]
    one = observer(batches(images[:4], 4)).layers[0]
    two = observer(batches(images[4:], 4, ids=range(4, 8))).layers[0]
    equal(one.merge(two), whole.to_arrays())


# --- L9: memory ---------------------------------------------------------------------------------


def exhausted(kind: type[Exception]) -> Exception:
    if kind is RuntimeError:
        return RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B")
    return kind("out of memory")


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError, RuntimeError])
@pytest.mark.parametrize("most", [1, 3, 8])
@pytest.mark.parametrize("at", ["0", "4"])
def test_out_of_memory_halves_the_batch(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], most: int, at: str
) -> None:
    """L9: whether memory ends at the first watched layer or behind it, the result is the same."""
    network, images = small_loaded(), pictures(20)
    layers, labels = ["0", "1", "4", "6"], [0, 1] * 10
    wanted = observe(network, images, layers, batch=10, labels=labels)
    sizes = fail_above(monkeypatch, at, most, lambda: exhausted(kind))
    found = observe(network, images, layers, batch=10, labels=labels)
    assert max(sizes) > most, "memory always sufficed"
    for layer, expected in zip(found.layers, wanted.layers, strict=True):
        equal(layer, expected.to_arrays())
    np.testing.assert_array_equal(found.rank, wanted.rank)
    np.testing.assert_array_equal(found.best, wanted.best)
    np.testing.assert_array_equal(found.ids, wanted.ids)


def fail_above(
    monkeypatch: pytest.MonkeyPatch, at: str, most: int, error: Callable[[], Exception]
) -> list[int]:
    """Let the watcher of one layer fail, after it has taken a batch in, for larger batches."""
    sizes: list[int] = []
    forward = _Watcher.forward

    def failing(self: _Watcher, activation: Tensor) -> Tensor:
        result = forward(self, activation)
        if self.layer.address == at:
            sizes.append(len(activation))
            if len(activation) > most:
                raise error()
        return result

    monkeypatch.setattr(_Watcher, "forward", failing)
    return sizes


def test_one_image_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_above(monkeypatch, "1", 0, lambda: torch.OutOfMemoryError("out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        observe(small_loaded(), pictures(4), ["1"])


def test_other_errors_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = fail_above(monkeypatch, "1", 0, lambda: RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        observe(small_loaded(), pictures(4), ["1"])
    assert sizes == [4]


def test_an_observer_can_be_used_again_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    observer = Observer(small_loaded(), ["1"], 9)
    wanted = observer(batches(pictures(20), 7)).layers[0]
    with monkeypatch.context() as patch:
        fail_above(patch, "1", 6, lambda: RuntimeError("shapes do not match"))
        with pytest.raises(RuntimeError):
            observer(batches(pictures(20), 7))
    found = observer(batches(pictures(20), 7)).layers[0]
    equal(found, wanted.to_arrays())
    assert isinstance(found, LayerSummary)


# --- scores that are no numbers ------------------------------------------------------------------


def test_scores_that_are_nan_make_no_class_the_best() -> None:
    """An image whose scores have no order is not judged: else class 0 would be right."""
    module, images = divided()
    network = striate.load(module, image_size=16)
    found = observe(network, images, ["conv"], batch=6, labels=[0] * 20)
    scores = module(images).detach().numpy()
    unordered = np.isnan(scores).any(axis=1)
    assert 0 < unordered.sum() < 20
    assert np.all(found.best[unordered] == -1)
    assert np.all(found.rank[unordered] == -1)
    order = np.argsort(-scores[~unordered], axis=1, kind="stable")
    np.testing.assert_array_equal(found.best[~unordered, :3], order)
    np.testing.assert_array_equal(found.rank[~unordered], (order == 0).argmax(axis=1))
