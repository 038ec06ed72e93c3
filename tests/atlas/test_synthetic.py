"""Synthetic images in an atlas: each with its own numbers, once; where there is none, told why."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from building import SIDE, Build, draw, interrupted
from torch import Tensor, nn

import striate
from striate.atlas import sheets
from striate.atlas.picture_files import PictureFiles
from striate.atlas.pictures import Pictures
from striate.atlas.snapshot import open_atlas
from striate.atlas.store.reader import Atlas
from striate.atlas.synthesize import Synthesized, settings_of, synthesize
from striate.atlas.synthetic import Settings, SyntheticImages, centred_rank, store_numbers
from striate.errors import AddressError, AtlasError, MethodError
from striate.image.decode import decode
from striate.network.network import Network
from striate.optimize import maximize

FEW = Settings("erhan", 0, 4)


@pytest.fixture
def atlas(finished_atlas: Atlas, tmp_path: Path) -> Atlas:
    return Atlas(shutil.copytree(finished_atlas.folder, tmp_path / "atlas"))


def seen_by(module: nn.Module, folder: Path, build: Build, layers: list[str]) -> Any:
    """A network of one's own with its atlas over four pictures."""
    module.eval()
    for number in range(4):
        draw(folder / "images" / f"{number}.png", number)
    network = striate.load(module, name="own", resize=SIDE, crop=SIDE)
    return network, build(folder / "images", folder / "own", network=network, layers=layers)


def numbers_of(atlas: Atlas, layer: str) -> Any:
    return SyntheticImages(atlas).layer(atlas.layers[layer].number)


def stored_files(atlas: Atlas) -> dict[str, int]:
    return {
        path.relative_to(atlas.home).as_posix(): path.stat().st_mtime_ns
        for path in (atlas.home / "pictures").rglob("*")
        if path.is_file()
    }


# --- what is made ------------------------------------------------------------------------------


def test_each_picture_is_the_methods_and_has_its_numbers(network: Network, atlas: Atlas) -> None:
    found = synthesize(network, atlas, FEW)
    assert found == Synthesized(made=12, there=12, units=12, troubles={})
    files, ranks = PictureFiles(atlas.home), []
    for layer, row in atlas.layers.items():
        responses = np.asarray(atlas.responses(layer), np.float64)
        for unit, known in numbers_of(atlas, layer).made.items():
            alone = striate.activation_maximization(
                network, [f"{layer}:{unit}"], preset="erhan", seed=0, steps=4
            )
            assert known.activation == pytest.approx(float(alone.activations[0]), rel=1e-4)
            with torch.no_grad():
                image = network.how_to_read().to_network(alone.images[0])
                maps = network.record(image[None], [layer])[layer][0]
            peaks = maps.flatten(1).amax(1).double().numpy() if maps.ndim == 3 else maps.numpy()
            apart = [
                (peaks[k] - responses[:, k].mean()) / responses[:, k].std()
                if responses[:, k].std() > 0 else -np.inf
                for k in range(row.units)
            ]  # fmt: skip
            assert known.rank == 1 + sum(value > peaks[unit] for value in peaks)
            assert known.centred_rank == 1 + sum(value > apart[unit] for value in apart)
            picture = decode(files.synthetic(row.number, unit))
            pixels = alone.picture(0)
            mean = torch.tensor(network.how_to_read().mean)[:, None, None]
            shown = mean + (pixels - mean) * known.contrast
            levels = (shown.clamp(0, 1) * 255).permute(1, 2, 0).numpy()
            assert picture.shape == (*known.size, 3)
            assert np.abs(picture - levels).max() < 1.01
            ranks.append((known.rank, known.centred_rank))
    assert any(raw != centred for raw, centred in ranks), ranks


def test_sheets_show_the_pictures_and_grey_where_there_is_none(
    network: Network, atlas: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.atlas.picture_files._EXACT_UP_TO", 10_000)
    pictures = Pictures(atlas, network)
    with pytest.raises(AddressError, match=r"no synthetic image: `striate illustrate DIR --max"):
        pictures.layer_sheet(1, "synthetic", 0)
    synthesize(network, atlas, FEW, layers=["4"])
    row, images = atlas.layers["4"], numbers_of(atlas, "4")
    whole = pictures.layer_sheet(1, "synthetic", 0)
    assert whole == PictureFiles(atlas.home).layer_sheet(1, "synthetic", 0).read_bytes()
    for unit in range(5):
        tile = decode(whole)[:96, unit * 96 : (unit + 1) * 96]
        assert np.array_equal(tile, sheets.fitted(decode(pictures.synthetic(1, unit)), 96))
    del images.made[3]
    store_numbers(atlas, row, images)
    PictureFiles(atlas.home).layer_sheet(1, "synthetic", 0).unlink()
    sheet = decode(pictures.layer_sheet(1, "synthetic", 0))
    assert np.all(sheet[:, 3 * 96 : 4 * 96] == 128)
    assert not np.all(sheet[:, 2 * 96 : 3 * 96] == 128)
    with pytest.raises(AddressError, match="4:3 has no synthetic image"):
        pictures.synthetic(1, 3)
    with pytest.raises(AddressError, match="units 0 to 4"):
        pictures.synthetic(1, 5)


def test_units_that_never_fire_have_images_and_no_centred_rank(
    build: Build, tmp_path: Path
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        module[0].bias[2] = -1000
    network, atlas = seen_by(module, tmp_path, build, ["1"])
    assert synthesize(network, atlas, FEW).there == 4
    made = numbers_of(atlas, "1").made
    assert made[2].activation == 0
    assert made[2].centred_rank is None
    assert all(made[unit].centred_rank == 1 for unit in (0, 1, 3))
    assert decode(PictureFiles(atlas.home).synthetic(0, 2)).shape == (*made[2].size, 3)


def test_what_an_image_does_to_a_unit_counts_in_that_units_deviations() -> None:
    usual = np.array([0.0, 100.0, 5.0]), np.array([1.0, 50.0, np.nan])
    peaks = np.array([3.0, 120.0, 900.0])
    assert [centred_rank(peaks, unit, usual) for unit in range(3)] == [1, 2, None]


def test_a_grey_network_has_grey_images(build: Build, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    for number in range(4):
        draw(tmp_path / "images" / f"{number}.png", number)
    network = striate.load(module, image_size=(1, SIDE, SIDE), resize=SIDE, crop=SIDE)
    atlas = build(tmp_path / "images", tmp_path / "atlas", network=network, layers=["1"])
    assert synthesize(network, atlas, Settings("modern", 0, 3)).there == 3
    for unit in range(3):
        picture = decode(PictureFiles(atlas.home).synthetic(0, unit))
        assert np.array_equal(picture[..., 0], picture[..., 2])
        assert picture.std() > 5


# --- once, and again where it must be -----------------------------------------------------------


def test_what_is_there_is_not_made_again(network: Network, atlas: Atlas) -> None:
    counted: list[tuple[int, int]] = []
    synthesize(network, atlas, FEW, progress=lambda *seen: counted.append(seen))
    assert counted == sorted(counted)
    assert counted[-1] == (12, 12)
    before = stored_files(atlas)
    again: list[tuple[int, int]] = []
    found = synthesize(network, atlas, FEW, progress=lambda *seen: again.append(seen))
    assert found == Synthesized(made=0, there=12, units=12, troubles={})
    assert set(again) == {(0, 0)}
    assert stored_files(atlas) == before


@pytest.mark.parametrize(
    "other", [Settings("erhan", 1, 4), Settings("erhan", 0, 5), Settings("simonyan", 0, 4)], ids=str
)
def test_images_of_other_settings_are_made_again(
    network: Network, atlas: Atlas, other: Settings
) -> None:
    synthesize(network, atlas, FEW)
    before, revision = stored_files(atlas), SyntheticImages(atlas).revision
    assert synthesize(network, atlas, other, layers=["4"]).made == 5
    changed = {path for path, time in stored_files(atlas).items() if before[path] != time}
    assert changed == {
        *(f"pictures/synthetic/1/{unit}.webp" for unit in range(5)),
        "pictures/synthetic/1.json", "pictures/layers/1/synthetic/0.webp",
    }  # fmt: skip
    assert {known.settings for known in numbers_of(atlas, "4").made.values()} == {other}
    assert {known.settings for known in numbers_of(atlas, "1").made.values()} == {FEW}
    assert SyntheticImages(atlas).revision != revision


def test_a_picture_that_is_gone_is_made_again_with_its_sheet(
    network: Network, atlas: Atlas
) -> None:
    synthesize(network, atlas, FEW)
    files = PictureFiles(atlas.home)
    whole, sheet = files.synthetic(1, 3), files.layer_sheet(1, "synthetic", 0)
    before = sheet.read_bytes()
    whole.write_bytes(whole.read_bytes()[:-1])
    assert synthesize(network, atlas, FEW).made == 1
    assert sheet.read_bytes() == before
    assert decode(whole).shape


def test_an_atlas_that_is_moved_away_is_not_made_anew(
    network: Network, atlas: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.optimize.job.MOST", 2)
    moved = atlas.folder.with_name("moved")

    def move(done: int, total: int) -> None:
        del total
        if done >= 3 and not moved.exists():  # the first two of seven units are stored
            atlas.folder.rename(moved)

    with pytest.raises(AtlasError, match=r"atlas is not there any more. If it was moved"):
        synthesize(network, atlas, FEW, progress=move)
    assert not atlas.folder.exists()
    found = synthesize(network, Atlas(moved), FEW)
    assert (found.there, found.units) == (12, 12)
    assert 0 < found.made < 12


def test_numbers_alone_make_no_sheet(network: Network, atlas: Atlas) -> None:
    synthesize(network, atlas, FEW, layers=["4"])
    files, images = PictureFiles(atlas.home), numbers_of(atlas, "4")
    for unit in range(5):
        files.synthetic(1, unit).unlink()
    files.layer_sheet(1, "synthetic", 0).unlink()
    assert (len(images.made), SyntheticImages(atlas).stored(1)) == (5, {})
    assert SyntheticImages(atlas).reached(1, 0) is None
    how = "--layers 4 --preset erhan --seed 0 --steps 4` makes it as the layer's others"
    for ask in (lambda p: p.layer_sheet(1, "synthetic", 0), lambda p: p.synthetic(1, 0)):
        with pytest.raises(AddressError, match=how):
            ask(Pictures(atlas, network))
    shutil.rmtree(atlas.home / "pictures" / "synthetic" / "1")
    assert synthesize(network, atlas, FEW).there == 12


DAMAGE: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[:-3],
    "deep": lambda _: "[" * 100_000,
    "other atlas": lambda text: text.replace('"atlas":"', '"atlas":"0'),
    "no number": lambda text: text.replace('"rank":', '"rank":"first","was":', 1),
    "endless rank": lambda text: text.replace('"rank":', '"rank":1e999,"was":', 1),
    "not finite": lambda text: text.replace('"activation":', '"activation":1e999,"was":', 1),
    "too large": lambda text: text.replace('"activation":', f'"activation":1{"0" * 400},"was":', 1),
    "no such unit": lambda text: text.replace('"2":', '"5":', 1),
    "no size": lambda text: text.replace('"size":[', '"size":[0,3],"was":[', 1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_numbers_that_cannot_be_right_count_as_none(
    network: Network, atlas: Atlas, damage: str
) -> None:
    synthesize(network, atlas, FEW)
    path = PictureFiles(atlas.home).synthetic_numbers(1)
    content = path.read_text()
    path.write_text(DAMAGE[damage](content))
    assert path.read_text() != content
    assert numbers_of(atlas, "4").made == {}
    assert synthesize(network, atlas, FEW).made == 5
    assert path.read_text() == content


# --- where there can be none --------------------------------------------------------------------


class Counting(nn.Module):
    """A layer that only compares: no gradient comes back from it."""

    def forward(self, maps: Tensor) -> Tensor:
        return (maps > 0.5).float()


def test_a_layer_without_gradient_is_named_and_the_others_are_made(
    build: Build, tmp_path: Path
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), Counting(), nn.Conv2d(2, 3, 1), nn.ReLU())
    network, atlas = seen_by(module, tmp_path, build, ["0", "1.float", "3"])
    found = synthesize(network, atlas, FEW)
    assert (found.made, found.there, found.units) == (2, 2, 7)
    assert set(found.troubles) == {"1.float", "3"}
    assert "it has no gradient" in found.troubles["1.float"]
    assert numbers_of(atlas, "1.float").refused == found.troubles["1.float"]
    assert numbers_of(atlas, "1.float").why_not(0) == found.troubles["1.float"]
    assert numbers_of(atlas, "0").why_not(0) is None
    assert synthesize(network, atlas, FEW) == Synthesized(0, 2, 7, found.troubles)


def test_a_unit_that_diverges_does_not_cost_the_others(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 6, 3))
    with torch.no_grad():
        module[0].weight[4] = 3e38
    network, atlas = seen_by(module, tmp_path, build, ["0"])
    found = synthesize(network, atlas, FEW)
    assert (found.made, found.there) == (5, 5)
    assert list(found.troubles) == ["0:4"]
    assert "became" in found.troubles["0:4"]
    assert numbers_of(atlas, "0").why_not(4) == found.troubles["0:4"]
    healthy = striate.activation_maximization(network, ["0:5"], preset="erhan", steps=4)
    reached = numbers_of(atlas, "0").made[5].activation
    assert reached == pytest.approx(float(healthy.activations[0]), rel=1e-4)

    def never(*_: object, **__: object) -> Iterator[None]:
        raise AssertionError

    monkeypatch.setattr(maximize, "run", never)
    assert synthesize(network, atlas, FEW) == Synthesized(0, 5, 6, found.troubles)
    with pytest.raises(AssertionError):
        synthesize(network, atlas, Settings("erhan", 1, 4))


def test_settings_that_make_nothing_are_refused() -> None:
    assert settings_of("modern", 3, None) == Settings("modern", 3, 256)
    with pytest.raises(MethodError, match="no preset 'best'; there are modern"):
        settings_of("best", 0, None)
    with pytest.raises(MethodError, match="steps=0"):
        settings_of("modern", 0, 0)
    for seed in (10**21, -(2**64)):
        with pytest.raises(MethodError, match=f"seed={seed}: generators take"):
            settings_of("modern", seed, None)


def test_an_unfinished_atlas_has_none_and_gets_none(
    build: Build, network: Network, atlas: Atlas, pictures_folder: Path, tmp_path: Path
) -> None:
    synthesize(network, atlas, FEW)
    interrupted(build, pictures_folder, tmp_path / "part", 6)
    shutil.copytree(atlas.home / "pictures", tmp_path / "part" / "pictures")
    part = open_atlas(tmp_path / "part")
    assert SyntheticImages(part).revision == ""
    assert SyntheticImages(part).layer(1).made == {}
    with pytest.raises(AtlasError, match="is not finished"):
        synthesize(network, part, FEW)
    with pytest.raises(AddressError, match="no synthetic image"):
        Pictures(part, network).synthetic(1, 0)


def test_an_old_atlas_has_none(finished_atlas: Atlas) -> None:
    images = SyntheticImages(finished_atlas)
    assert images.revision == ""
    assert images.layer(0).made == images.layer(0).failed == {}
