"""The file of an UpconvNet: whole or absent, resumed bit for bit, refused where it does not fit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import striate
from methods.upconv_building import draw, facts, frames_of, network_of
from striate.image.folder import find_images
from striate.methods.upconvnet.checkpoint import read_checkpoint, write_checkpoint
from striate.methods.upconvnet.net import UpconvNet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"), range(13))


@pytest.fixture(scope="module")
def network() -> striate.Network:
    return network_of()


@pytest.fixture(scope="module")
def whole(network, folder, tmp_path_factory):
    """An uninterrupted training: its frames and its file."""
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    return facts(frames_of(network, folder, checkpoint=path)), path


@pytest.fixture
def image(network, folder):
    return network.read(find_images(folder)[3].path)


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", range(1, 9))
@pytest.mark.parametrize("every", [1, 2])
def test_an_interrupted_training_goes_on_bit_for_bit(network, folder, whole, tmp_path, stop, every):
    path = tmp_path / "net.safetensors"
    frames = frames_of(network, folder, checkpoint=path, save_every=every)
    begun = [next(frames) for _ in range(stop)]
    frames.close()
    rest = facts(frames_of(network, folder, checkpoint=path, save_every=every))
    assert facts(begun) + rest == whole[0]
    assert path.read_bytes() == whole[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == [path]


def test_it_may_be_interrupted_again_and_again(network, folder, whole, tmp_path):
    path, seen = tmp_path / "net.safetensors", []
    for _ in range(9):
        frames = frames_of(network_of(), folder, checkpoint=path, save_every=1)
        seen.append(next(frames))
        frames.close()
    assert [frame.loss for frame in seen] == [frame[3] for frame in whole[0]]
    assert path.read_bytes() == whole[1].read_bytes()


def test_a_finished_training_is_not_done_again(network, folder, whole, monkeypatch):
    before = whole[1].stat().st_mtime_ns
    assert facts(frames_of(network, folder, checkpoint=whole[1])) == whole[0][-1:]
    assert whole[1].stat().st_mtime_ns == before


def test_a_finished_file_holds_no_optimizer(whole):
    _, tensors = read_checkpoint(whole[1])
    assert {name.partition(".")[0] for name in tensors} == {"decoder", "scale"}


def test_restart_begins_anew(network, folder, whole, tmp_path):
    path = tmp_path / "net.safetensors"
    list(frames_of(network, folder, checkpoint=path, seed=6))
    other = path.read_bytes()
    assert facts(frames_of(network, folder, checkpoint=path, restart=True)) == whole[0]
    assert path.read_bytes() == whole[1].read_bytes() != other


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"epochs": 4}, "epochs: 3, not 4"), ({"rate": 0.1}, "rate: 0.001, not 0.1"),
        ({"width": 8}, "width: 4, not 8"),
        ({"drops": (0.5,)}, r"drops: \[0.6, 0.85\], not \[0.5\]"),
        ({"layer": "3"}, "layer: '1', not '3'"), ({"size": 8}, r"size: \[16, 16\], not \[8, 8\]"),
    ],
)  # fmt: skip
def test_another_training_is_refused(network, folder, whole, knobs, says):
    with pytest.raises(striate.MethodError, match=f"{says}.*restart"):
        frames_of(network, folder, checkpoint=whole[1], **knobs)


def test_other_images_or_weights_are_another_training(network, folder, whole, tmp_path):
    with pytest.raises(striate.MethodError, match="list of images differs"):
        frames_of(network, draw(tmp_path / "other", range(14)), checkpoint=whole[1])
    with pytest.raises(striate.MethodError, match="weights or graph"):
        frames_of(network_of(seed=2), folder, checkpoint=whole[1])


def test_a_saved_net_without_its_training_does_not_go_on(network, folder, whole, tmp_path):
    UpconvNet.load(whole[1]).save(tmp_path / "net")
    with pytest.raises(striate.MethodError, match="holds no state"):
        frames_of(network, folder, checkpoint=tmp_path / "net")


# --- when things go wrong ------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from methods.upconv_building import frames_of, network_of
real, calls = os.fsync, []

def fsync(handle):
    real(handle)
    calls.append(handle)
    if len(calls) == {fatal}:
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = fsync
list(frames_of(network_of(), Path({folder!r}), checkpoint={path!r}, save_every=1))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize(
    "fatal", [1, 5]
)  # a file and its folder are synced: in write 1, in write 3
def test_killed_while_writing(network, folder, whole, tmp_path, fatal):
    path = tmp_path / "net.safetensors"
    code = KILLED.format(tests=str(ROOT / "tests"), folder=str(folder), path=str(path), fatal=fatal)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == -9, run.stderr
    left = {file.name for file in tmp_path.iterdir() if file != path}
    assert left == {f".{path.name}.part", f".{path.name}.lock"}
    assert path.exists() == (fatal == 5)
    if path.exists():
        assert UpconvNet.load(path).steps == 2
    rest = facts(frames_of(network, folder, checkpoint=path, save_every=1))
    assert rest == whole[0][2 if fatal == 5 else 0 :]
    assert path.read_bytes() == whole[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(whole, tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    net = UpconvNet.load(whole[1])
    net.save(path)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with torch.no_grad():
        net.decoder.grow[0].weight.zero_()
    with pytest.raises(OSError, match="No space left"):
        net.save(path)
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]


def test_who_reads_the_old_file_is_not_disturbed(whole, tmp_path):
    path = tmp_path / "net.safetensors"
    net = UpconvNet.load(whole[1])
    net.save(path)
    before = path.read_bytes()
    loaded = UpconvNet.load(path)
    with path.open("rb") as reading:
        half = reading.read(len(before) // 2)
        with torch.no_grad():
            net.decoder.grow[0].weight.zero_()
        net.save(path)
        assert half + reading.read() == before != path.read_bytes()
    path.write_bytes(b"")
    loaded.save(path)
    assert path.read_bytes() == before


class Breaks(nn.Module):
    """A decoder that gives no numbers from the seventh batch on."""

    def __init__(self):
        super().__init__()
        self.grow = nn.ConvTranspose2d(6, 3, 2, 2)
        nn.init.zeros_(self.grow.weight)
        nn.init.zeros_(self.grow.bias)
        self.batches = 0

    def forward(self, maps):
        self.batches += self.training
        return self.grow(maps) * (float("nan") if self.batches >= 7 else 1.0)


def test_a_loss_that_is_no_number_ends_the_training(network, folder, tmp_path):
    path = tmp_path / "net.safetensors"
    frames = frames_of(network, folder, decoder=Breaks(), checkpoint=path, save_every=1)
    seen = [next(frames) for _ in range(6)]
    good = path.read_bytes()
    with pytest.raises(striate.MethodError, match=r"nan after 6 updates.*lower rate.*keeps"):
        next(frames)
    assert path.read_bytes() == good
    assert UpconvNet.load(path, decoder=Breaks()).steps == seen[-1].upconvnet.steps == 6


def test_weights_that_are_no_numbers_are_never_saved(network, folder, tmp_path, monkeypatch):
    path, real = tmp_path / "net.safetensors", torch.optim.Adam.step

    def step(optimizer):
        real(optimizer)
        with torch.no_grad():
            optimizer.param_groups[0]["params"][0].fill_(float("inf"))

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    with pytest.raises(striate.MethodError, match="lower rate"):
        list(frames_of(network, folder, checkpoint=path, save_every=1))
    assert not path.exists()


# --- files and networks that do not fit ----------------------------------------------------------


def test_what_is_loaded_inverts_alike(network, folder, image, tmp_path):
    *_, last = frames_of(network, folder, layer="3")
    last.upconvnet.save(tmp_path / "net")
    loaded = UpconvNet.load(str(tmp_path / "net"))
    assert loaded.recipe == last.upconvnet.recipe
    found, expected = loaded.invert(network, image), last.upconvnet.invert(network, image)
    assert torch.equal(found.image, expected.image)
    assert (found.image_error, found.feature_error) == (
        expected.image_error,
        expected.feature_error,
    )
    assert (found.layer, found.network, found.steps) == ("3", network.name, 9)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "net").read_bytes()


def test_loading_leaves_the_global_generator_alone(whole):
    before = torch.random.get_rng_state()
    UpconvNet.load(whole[1])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"seed": 2}, "weights or graph of Sequential differ"),
        ({"mean": (0.4,) * 3}, "mean or std of Sequential differ"),
        ({"channels": 1}, "differ"),
    ],
)
def test_another_network_is_refused(whole, image, other, says):
    net = UpconvNet.load(whole[1])
    with pytest.raises(striate.MethodError, match=f"inverts 1 of Sequential.*{says}"):
        net.invert(network_of(**other), image)


def test_an_edited_network_is_another(network, whole, image):
    net = UpconvNet.load(whole[1])
    net.check(network)
    with pytest.raises(striate.MethodError, match="weights or graph"):
        net.invert(network.edit("0", lambda maps: maps * 0), image)


def test_an_image_of_another_size_is_refused(network, whole):
    net = UpconvNet.load(whole[1])
    with pytest.raises(striate.MethodError, match=r"\(3, 16, 20\).*\(3, 16, 16\)"):
        net.invert(network, torch.zeros(3, 16, 20))


def damaged(path: Path, how: str, whole: Path) -> None:
    data = whole.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[:-100])
    elif how == "picture":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    elif how == "weights":
        save_file({"conv.weight": torch.zeros(3)}, path)
    else:
        facts, tensors = read_checkpoint(whole)
        if how == "lacks":
            tensors.pop("decoder.enter.0.weight")
        elif how == "width":
            facts["recipe"]["width"] = 5
        elif how == "recipe":
            facts["recipe"].pop("layer")
        elif how == "format":
            facts["format"] = 99
        write_checkpoint(path, facts, tensors)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("empty", "or it is damaged"), ("cut", "or it is damaged"),
        ("picture", "is no UpconvNet"), ("weights", "is no UpconvNet"), ("lacks", "do not fit"),
        ("width", "do not fit"), ("recipe", "do not fit"), ("format", "format 99"),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused(whole, tmp_path, how, says):
    path = tmp_path / "file"
    damaged(path, how, whole[1])
    with pytest.raises(striate.MethodError, match=says):
        UpconvNet.load(path)


def test_a_missing_file_or_folder_is_said(whole, tmp_path):
    with pytest.raises(striate.MethodError, match="there is no file"):
        UpconvNet.load(tmp_path / "nothing")
    with pytest.raises(striate.MethodError, match="there is no folder"):
        UpconvNet.load(whole[1]).save(tmp_path / "nowhere" / "net")
