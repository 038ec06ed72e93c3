"""S13: whatever bit of an atlas's files flips, there is one clear error, and the server goes on."""

import shutil
from pathlib import Path

import pytest

from striate.atlas.illustrate import illustrate
from striate.atlas.recipe import image_paths, network_of
from striate.atlas.store.reader import Atlas
from striate.errors import StriateError
from striate.web.app import create_app
from web.tiny import Answer, ask

ASKED = [
    "/data/network.json", "/data/graph.json", "/data/classes.json", "/data/classes/1.json",
    "/data/layers/0.json", "/data/layers/1.json", "/data/layers/1/units/7.json",
    "/data/images/3.json", "/data/images/names/0.json", "/pictures/samples/0.webp",
    "/pictures/layers/1/crop/0.webp", "/pictures/layers/0/mean/0.webp",
    "/pictures/units/0/0.webp", "/pictures/thumbnails/0.webp", "/pictures/images/3.webp",
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tiny_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas with all its pictures stored."""
    folder = tmp_path_factory.mktemp("whole") / "atlas"
    shutil.copytree(tiny_atlas, folder)
    atlas = Atlas(folder)
    illustrate(network_of(atlas), atlas, image_paths(atlas))
    return folder


def files() -> list[str]:
    return [
        "atlas.sqlite", "atlas.sha256", "recipe.json", "layers/0000.safetensors",
        "layers/0001.safetensors", "responses/0000.safetensors", "responses/0001.safetensors",
        "pictures/units/0/0.webp", "pictures/layers/0/mean/0.webp", "pictures/samples/0.webp",
        "pictures/thumbnails/0.webp",
    ]  # fmt: skip


DAMAGE = {
    "first byte": lambda content: bytes([content[0] ^ 0x80]) + content[1:],
    "early bit": lambda content: flipped(content, 100),
    "middle": lambda content: flipped(content, len(content) // 2),
    "last byte": lambda content: flipped(content, len(content) - 1),
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "longer": lambda content: content + b"\0" * 100,
    "gone": None,
}


RARE = {"early bit", "last byte", "longer"}


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[min(place, len(changed) - 1)] ^= 0x10
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [pytest.param(name, marks=pytest.mark.slow if name in RARE else ()) for name in DAMAGE],
)
@pytest.mark.parametrize("name", files())
def test_s13_a_damaged_file_is_one_problem(
    whole: Path, tmp_path: Path, name: str, damage: str
) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(whole, folder)
    before, after = create_app(folder), None
    hurt(folder / name, damage)
    said = ""
    try:
        after = create_app(folder)
    except StriateError as error:
        said = str(error)
    assert bool(said) is (after is None)
    assert len(said.splitlines()) <= 1
    for app in (before, after):
        if app is None:
            continue
        answers = [ask(app, path) for path in ASKED]
        for path, found in zip(ASKED, answers, strict=True):
            check(path, found)
        check("/data/status.json", ask(app, "/data/status.json"))
        assert ask(app, "/").status == 200
        app.state.stop()


def hurt(path: Path, damage: str) -> None:
    change = DAMAGE[damage]
    if change is None:
        path.unlink()
    else:
        # Beside and over it, as every writer of ours does: what is mapped stays what it was.
        other = path.with_name("changed")
        other.write_bytes(change(path.read_bytes()))
        other.replace(path)


def check(path: str, found: Answer) -> None:
    """An answer is right or a problem of one line; never half an answer."""
    if found.status == 200:
        assert found.body
        if path.endswith(".json"):
            found.json()
        else:
            assert found.body[:4] == b"RIFF"
    else:
        assert found.status == 500, (path, found)
        said = found.json()
        assert set(said) == {"title", "status", "detail"}
        assert len(said["detail"].splitlines()) == 1
        assert "Traceback" not in said["detail"]


def test_s13_the_damage_does_damage(whole: Path, tmp_path: Path) -> None:
    """So that the test above cannot pass by changing nothing that matters."""
    folder = tmp_path / "atlas"
    shutil.copytree(whole, folder)
    app = create_app(folder)
    for name in ("layers/0001.safetensors", "responses/0001.safetensors"):
        hurt(folder / name, "cut")
    assert ask(app, "/data/layers/1/units/7.json").status == 500
    assert ask(app, "/data/layers/1.json").status == 500
    assert ask(app, "/data/layers/0.json").status == 200
    app.state.stop()


def test_s13_a_damaged_picture_is_made_anew(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(whole, folder)
    app = create_app(folder)
    for path in ("/pictures/units/0/0.webp", "/pictures/layers/0/mean/0.webp"):
        stored = ask(app, path).body
        hurt(folder / path.lstrip("/"), "cut")
        assert ask(app, path).body == stored
    app.state.stop()


def test_s13_images_that_moved_are_named(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(whole, folder)
    recipe = folder / "recipe.json"
    recipe.write_text(recipe.read_text().replace("/images", "/moved"))
    app = create_app(folder)
    (folder / "pictures/units/1/0.webp").unlink()
    assert ask(app, "/pictures/units/0/0.webp").status == 200
    found = ask(app, "/pictures/units/1/0.webp")
    assert found.status == 500
    assert "no longer at" in found.json()["detail"]
    app.state.stop()
