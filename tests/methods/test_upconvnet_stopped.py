"""A training that is stopped keeps what it has done; one run at a time writes its file."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import striate
from methods.upconv_building import draw, facts, frames_of, network_of
from striate.methods.upconvnet import training
from striate.methods.upconvnet.net import UpconvNet
from striate.methods.upconvnet.recipe import Recipe

NEVER = {"save_every": 1000}


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


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", range(1, 9))
def test_closed_between_batches_it_keeps_every_one(network, folder, whole, tmp_path, stop):
    path = tmp_path / "net.safetensors"
    frames = frames_of(network, folder, checkpoint=path, **NEVER)
    begun = [next(frames) for _ in range(stop)]
    frames.close()
    assert UpconvNet.load(path).steps == stop
    rest = facts(frames_of(network, folder, checkpoint=path, **NEVER))
    assert facts(begun) + rest == whole[0]
    assert path.read_bytes() == whole[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == [path]


def stopped_in(monkeypatch, owner, name, call):
    """Make a function raise as Ctrl-C does, at the n-th call."""
    real, calls = getattr(owner, name), []

    def work(*arguments, **named):
        calls.append(name)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, work)


@pytest.mark.parametrize(
    ("owner", "name", "call", "kept"),
    [
        # Features are asked for twice before the first batch, for the scales.
        (Recipe, "features", 5, 2), (training.functional, "mse_loss", 5, 4),
        # In the middle of a batch of the second epoch, and while the first one is measured.
        (UpconvNet, "reconstruct", 1, 3), (UpconvNet, "standardised", 6, 4),
    ],
)  # fmt: skip
def test_stopped_within_a_batch_it_keeps_those_before(
    network, folder, whole, tmp_path, monkeypatch, owner, name, call, kept
):
    path = tmp_path / "net.safetensors"
    with monkeypatch.context() as patched:
        stopped_in(patched, owner, name, call)
        with pytest.raises(KeyboardInterrupt):
            list(frames_of(network, folder, checkpoint=path, **NEVER))
    assert UpconvNet.load(path).steps == kept
    list(frames_of(network, folder, checkpoint=path, **NEVER))
    assert path.read_bytes() == whole[1].read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("late", [False, True])
def test_an_update_is_finished_before_the_training_stops(
    network, folder, whole, tmp_path, monkeypatch, late
):
    path, real, calls = tmp_path / "net.safetensors", torch.optim.Adam.step, []

    def step(optimizer):
        calls.append(optimizer)
        if len(calls) == 5:
            if late:
                real(optimizer)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        if len(calls) != 5 or not late:
            real(optimizer)

    # Where tests run in several processes, these ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(torch.optim.Adam, "step", step)
            with pytest.raises(KeyboardInterrupt):
                list(frames_of(network, folder, checkpoint=path, **NEVER))
    finally:
        signal.signal(signal.SIGINT, before)
    assert UpconvNet.load(path).steps == 5
    list(frames_of(network, folder, checkpoint=path, **NEVER))
    assert path.read_bytes() == whole[1].read_bytes()


class Remembers(nn.Module):
    """A decoder of one's own that changes as it looks: running statistics."""

    def __init__(self):
        super().__init__()
        self.norm, self.grow = nn.BatchNorm2d(6), nn.ConvTranspose2d(6, 3, 2, 2)
        nn.init.zeros_(self.grow.weight)
        nn.init.zeros_(self.grow.bias)

    def forward(self, maps):
        return self.grow(self.norm(maps))


def test_half_a_look_is_never_kept(network, folder, tmp_path, monkeypatch):
    path, undisturbed = tmp_path / "net.safetensors", tmp_path / "whole.safetensors"
    list(frames_of(network, folder, decoder=Remembers(), checkpoint=undisturbed))
    with monkeypatch.context() as patched:
        stopped_in(patched, training.functional, "mse_loss", 5)
        with pytest.raises(KeyboardInterrupt):
            list(frames_of(network, folder, decoder=Remembers(), checkpoint=path, **NEVER))
    list(frames_of(network, folder, decoder=Remembers(), checkpoint=path, **NEVER))
    assert path.read_bytes() == undisturbed.read_bytes()


def test_what_went_wrong_is_not_kept(network, folder, tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"

    def wrong(*_, **__):
        raise MemoryError

    frames = frames_of(network, folder, checkpoint=path, **NEVER)
    next(frames)
    monkeypatch.setattr(training.functional, "mse_loss", wrong)
    with pytest.raises(MemoryError):
        next(frames)
    assert not path.exists()


def test_a_minute_is_all_that_can_be_lost(network, folder, tmp_path, monkeypatch):
    path, now = tmp_path / "net.safetensors", [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    frames = frames_of(network, folder, checkpoint=path, epochs=9, batch=1, **NEVER)
    next(frames)
    now[0] += 59
    next(frames)
    assert not path.exists()
    now[0] += 2
    next(frames)
    assert UpconvNet.load(path).steps == 3
    now[0] += 59
    next(frames)
    assert UpconvNet.load(path).steps == 3
    frames.close()


# --- one run at a time ---------------------------------------------------------------------------


def test_a_second_training_with_the_same_file_is_refused(network, folder, whole, tmp_path):
    path = tmp_path / "net.safetensors"
    frames = frames_of(network, folder, checkpoint=path)
    for restart in (False, True):
        with pytest.raises(striate.MethodError, match=r"another run is writing .*another file"):
            frames_of(network, folder, checkpoint=path, restart=restart)
    next(frames)
    with pytest.raises(striate.MethodError, match="another run is writing"):
        frames_of(network, folder, checkpoint=path)
    frames.close()
    *_, last = frames_of(network, folder, checkpoint=path)
    assert last.step == last.steps
    assert path.read_bytes() == whole[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_refused_training_lets_go_of_the_file(network, folder, whole, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(whole[1].read_bytes())
    with pytest.raises(striate.MethodError, match="rate") as refused:
        frames_of(network, folder, checkpoint=path, rate=0.5)
    assert facts(frames_of(network, folder, checkpoint=path)) == whole[0][-1:]
    assert refused.value is not None
    assert sorted(tmp_path.iterdir()) == [path]


def write_often(path, folder, report):
    knobs = {"checkpoint": path, "save_every": 1, "restart": True}
    try:
        report.put(sum(1 for _ in frames_of(network_of(), folder, **knobs)))
    except striate.MethodError as error:
        report.put(str(error))


def test_of_two_processes_one_writes(network, folder, whole, tmp_path):
    path, report = tmp_path / "net.safetensors", multiprocessing.get_context("spawn").Queue()
    frames = frames_of(network, folder, checkpoint=path)
    next(frames)
    other = multiprocessing.get_context("spawn").Process(
        target=write_often, args=(path, folder, report)
    )
    other.start()
    said = report.get(timeout=120)
    other.join()
    assert "another run is writing" in said
    list(frames)
    assert path.read_bytes() == whole[1].read_bytes()


def test_savers_that_meet_leave_a_whole_file(whole, tmp_path, monkeypatch):
    path, real, met = tmp_path / "net.safetensors", os.fsync, []
    net, other = (UpconvNet.load(whole[1]) for _ in range(2))
    net.save(path)
    expected = path.read_bytes()

    def fsync(handle):
        real(handle)
        if not met:
            met.append(handle)
            other.save(path)

    monkeypatch.setattr(os, "fsync", fsync)
    net.save(path)
    assert path.read_bytes() == expected
    assert sorted(tmp_path.iterdir()) == [path]
