"""What is drawn is what was published; each row is true; failures and stops lose nothing else."""

import csv
import inspect
import io
import math
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

import striate
from striate.errors import AddressError, MethodError
from striate.methods.hyperparameter_search import finished, hyperparameter_search_frames
from striate.network.network import Network
from striate.optimize.prior import Blur, ClipContribution, ClipNorm, Decay
from striate.optimize.settings import PUBLISHED, RATES, Setting, drawn

QUICK = {"steps": {6: 1}}


def convolutional() -> Network:
    module = nn.Sequential(nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return striate.load(module, resize=32, crop=32, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))


def test_settings_come_from_the_published_space_as_often_as_published() -> None:
    settings = [drawn(number) for number in range(3000)]
    for name, values in PUBLISHED.items():
        counts = Counter(getattr(setting, name) for setting in settings)
        assert set(counts) == set(values)
        total = sum(values.values())
        # Chi-square: its mean is the number of values less one, its deviation the root of twice it.
        freedom = len(values) - 1
        wanted = {value: 3000 * weight / total for value, weight in values.items()}
        distance = sum((counts[v] - wanted[v]) ** 2 / wanted[v] for v in values)
        assert distance < freedom + 4 * math.sqrt(2 * freedom), name


def test_settings_are_drawn_one_by_one() -> None:
    assert [drawn(k) for k in range(20)] == [drawn(k) for k in range(20)]
    assert drawn(3, seed=1) != drawn(3)
    fixed = drawn(3, space={"decay": {0.25: 1}})
    assert fixed.decay == 0.25
    assert fixed.steps == drawn(3).steps
    assert {drawn(k, space={"blur": {0.5: 0, 1.0: 3}}).blur for k in range(20)} == {1.0}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"blurr": {0.3: 1}}, "there are decay, blur"),
        ({"rate": {"slow": 1}}, "constant 100"),
        ({"blur": {}}, "blur has nothing"),
        ({"blur": {0.3: 0}}, "weights above 0"),
        ({"steps": {0: 1}}, "steps=0: it is at least 1"),
        ({"blur_every": {0: 1}}, "blur_every=0"),
        (
            {"norm_percentile": {200.0: 1}},
            "norm_percentile=200.0: it is at least 0 and at most 100",
        ),
        ({"decay": {-0.5: 1}}, "decay=-0.5"),
    ],
)
def test_a_space_that_is_none_is_refused(space: dict[str, dict[object, int]], said: str) -> None:
    with pytest.raises(MethodError, match=said):
        drawn(0, space=space)


def test_a_setting_s_regularizers_stand_in_the_published_order() -> None:
    setting = Setting(0.1, 0.5, 4, 20.0, 90.0, 100, "constant 100")
    assert setting.preset().regularizers == (
        Decay(0.1), Blur(0.5, 4), ClipNorm(20.0), ClipContribution(90.0)
    )  # fmt: skip
    nothing = Setting(0.0, 0.0, 4, 0.0, 0.0, 100, "constant 100")
    assert nothing.preset().regularizers == ()


@pytest.mark.parametrize(
    ("preset", "setting"),
    [
        ("yosinski-1", Setting(0.0, 0.5, 4, 50.0, 0.0, 9, "progress, 100 at most")),
        ("yosinski-2", Setting(0.3, 0.0, 1, 20.0, 0.0, 9, "constant 100")),
        ("yosinski-3", Setting(1e-4, 1.0, 4, 0.0, 0.0, 9, "constant 100")),
        ("yosinski-4", Setting(0.0, 0.5, 4, 0.0, 90.0, 9, "progress, 1e8 at most")),
    ],
)
def test_a_preset_s_setting_makes_the_preset_s_image(preset: str, setting: Setting) -> None:
    network = convolutional()
    space = {name: {getattr(setting, name): 1} for name in PUBLISHED}
    found = striate.hyperparameter_search(network, ["2:5"], count=1, space=space, seed=3)
    made = striate.activation_maximization(network, ["2:5"], preset=preset, seed=3, steps=9)
    assert found.table[0].setting == setting
    assert found.table[0].image is not None
    assert torch.equal(found.table[0].image, made.images[0])
    assert found.table[0].activation == made.activations[0].item()
    assert found.table[0].rank == made.ranks[0].item()


def test_rows_are_true_sorted_and_seeded() -> None:
    network = convolutional()
    addresses = ["2:5", "0:1", "2:3@2,4"]
    found = striate.hyperparameter_search(network, addresses, count=4, space=QUICK)
    assert [str(one.address) for one in found.table] == [a for a in addresses for _ in range(4)]
    assert network.preprocessing is not None
    for one in found.table:
        assert one.image is not None
        assert one.picture is not None
        image = network.preprocessing.to_network(one.image[None])
        layer = network.layers[one.address.layer]
        maps = layer.maps(network.record(image, [one.address.layer])[one.address.layer])[0]
        peaks = maps.flatten(1).amax(1)
        if one.address.row is not None and one.address.column is not None:
            peaks = maps[:, one.address.row, one.address.column]
        assert one.activation == pytest.approx(float(peaks[one.address.unit]), rel=1e-4)
        assert one.rank == 1 + int((peaks > peaks[one.address.unit]).sum())
        squares = torch.zeros_like(one.picture)
        squares[:, :, :-1] += one.picture.diff(dim=2) ** 2
        squares[:, :-1] += one.picture.diff(dim=1) ** 2
        assert one.variation == pytest.approx(float(squares.sqrt().mean()), rel=1e-4)
    for start in (0, 4, 8):
        part = found.table[start : start + 4]
        assert sorted(one.number for one in part) == [0, 1, 2, 3]
        assert [one.robust for one in part] == sorted((one.robust for one in part), reverse=True)
        assert found.best[start // 4] is part[0]
    again = striate.hyperparameter_search(network, addresses[:1], count=6, space=QUICK)
    rows = {one.number: one.row() for one in again.table}
    for one in found.table[:4]:
        same = rows[one.number]
        assert {k: v for k, v in same.items() if isinstance(v, str)} == {
            k: v for k, v in one.row().items() if isinstance(v, str)
        }
        assert same["activation"] == pytest.approx(one.activation, rel=1e-4)


@pytest.mark.parametrize("by", ["activation", "variation"])
def test_other_orders(by: str) -> None:
    found = striate.hyperparameter_search(convolutional(), ["2:5"], count=5, space=QUICK, by=by)  # type: ignore[arg-type]
    values = [getattr(one, by) for one in found.table]
    assert values == sorted(values, reverse=by == "activation")
    assert len(set(values)) > 1


def test_the_changes_are_those_of_a_shift_invariant_unit() -> None:
    """The mean of an image does not change when it is rolled, and little when it is turned."""

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(1, 1)
            nn.init.ones_(self.head.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x[:, :, 4:-4, 4:-4].mean((1, 2, 3))[:, None])

    network = striate.load(Mean(), image_size=(48, 48))
    space = {**QUICK, "decay": {0.0: 1}, "blur": {1.0: 1}, "norm_percentile": {0.0: 1},
             "contribution_percentile": {0.0: 1}}  # fmt: skip
    found = striate.hyperparameter_search(network, [f"{network.scores}:0"], count=1, space=space)
    (one,) = found.table
    assert one.image is not None
    assert one.robust < one.activation
    assert one.robust == pytest.approx(one.activation, rel=0.2)


class Bright(nn.Module):
    """Unit 1 is not a number once an image is bright; unit 0 always is."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(2, 2, 1, groups=2, bias=False)
        nn.init.ones_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        level = x.mean((1, 2, 3))
        dark = level.masked_fill(level > 0.02, float("nan"))
        return self.head(torch.stack([level, dark], 1)[:, :, None, None])


def test_of_an_image_only_the_canvas_is_kept() -> None:
    """Hundreds of settings of many units would not fit into memory otherwise."""
    network = convolutional()
    found = striate.hyperparameter_search(network, ["0:1", "0:2"], count=2, space=QUICK)
    for one in found.table:
        assert one.picture is not None
        assert one.image is not None
        assert one.picture.untyped_storage().nbytes() == one.picture.nbytes
        assert one.picture.numel() < one.image.numel() == math.prod(one.whole)
        top, left, bottom, right = one.box
        inside = torch.zeros(one.whole[1:], dtype=torch.bool)
        inside[top:bottom, left:right] = True
        assert torch.equal(one.image[:, inside], one.picture.flatten(1))
        around = one.image[:, ~inside]
        assert torch.equal(around, one.around.flatten(1).expand_as(around))


def test_a_unit_that_fails_leaves_a_row_and_the_others_alone() -> None:
    network = striate.load(Bright(), image_size=(8, 8))
    addresses = ["head:0", "head:1"]
    space = {"steps": {40: 1}, "rate": {"progress, 1e8 at most": 1}}
    found = striate.hyperparameter_search(network, addresses, count=3, space=space)
    assert len(found.table) == 6
    assert not any(one.failure for one in found.table[:3])
    failed = [one for one in found.table[3:] if one.failure]
    assert failed
    assert found.table[-1].failure
    for one in failed:
        assert one.image is one.picture is None
        assert "take smaller steps" in one.failure
        assert math.isnan(one.activation)
        assert "failed: " in one.described()[0]
    assert str(found.best[0].address) == addresses[0]
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [row["failure"] for row in rows] == [one.failure for one in found.table]


def test_the_table_as_text_says_all() -> None:
    found = striate.hyperparameter_search(convolutional(), ["2:5"], count=3, space=QUICK)
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    for row, one in zip(rows, found.table, strict=True):
        assert {name: str(value) for name, value in one.row().items()} == row
        assert set(PUBLISHED) < set(row)
        assert row["rate"] in RATES


def test_a_stop_keeps_what_is_done() -> None:
    network = convolutional()
    run = hyperparameter_search_frames(network, ["2:5", "0:1"], count=50, space=QUICK)
    frame = next(run)
    assert (frame.tried, frame.done, frame.total) == ((), 0, 600)
    while len(frame.tried) < 3:
        frame = next(run)
    run.close()
    found = finished(network, ["2:5", "0:1"], frame.tried)
    assert [(str(one.address), one.number) for one in found.table if one.number == 0] == [
        ("2:5", 0), ("0:1", 0)
    ]  # fmt: skip
    assert len(found.table) == 3
    assert len(found.best) == 2


@pytest.mark.parametrize(
    ("addresses", "count", "error", "said"),
    [
        (["2"], 2, MethodError, "name a unit"),
        (["2:99"], 2, AddressError, "units 0 to 7"),
        ([], 2, MethodError, "0 addresses"),
        (["2:1"], 0, MethodError, "count=0"),
    ],
)
def test_what_cannot_be_is_refused(
    addresses: list[str], count: int, error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        striate.hyperparameter_search(convolutional(), addresses, count=count)


def test_an_unknown_order_is_refused_before_the_work() -> None:
    search = inspect.unwrap(striate.hyperparameter_search)  # The tests' type checker comes first.
    with pytest.raises(MethodError, match="sorted by robust, activation, variation, not by 'best'"):
        search(convolutional(), ["1:0"], by="best")  # type: ignore[arg-type]
