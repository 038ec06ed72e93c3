"""M1-M5: files of weights and programs; nothing in them is ever run as code."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import striate
from striate.errors import NetworkError
from striate.network.loading import read_weights


def small() -> nn.Sequential:
    generator = torch.Generator().manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    )  # fmt: skip
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return module.eval()


class Evil:
    """A pickle of this creates a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch '{self.marker}'",)


class Sneaky(Evil):
    """As `Evil`, by way of ``eval``."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return eval, (f"open({str(self.marker)!r}, 'w').close() or {{}}",)  # noqa: S307


def refusal(path: Path, module: nn.Module | None = None) -> str:
    with pytest.raises(NetworkError) as refused:
        read_weights(module or small(), path)
    assert str(path) in str(refused.value) or path.name in str(refused.value)
    return str(refused.value)


# --- state dicts ---------------------------------------------------------------------------------


def plain(state: dict[str, Tensor]) -> dict[str, Any]:
    return state


def wrapped(state: dict[str, Tensor]) -> dict[str, Any]:
    return {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": state}


def as_model(state: dict[str, Tensor]) -> dict[str, Any]:
    return {"model": state, "args": None}


def parallel(state: dict[str, Tensor]) -> dict[str, Any]:
    return {"state_dict": {f"module.{name}": value for name, value in state.items()}}


def without_counters(state: dict[str, Tensor]) -> dict[str, Any]:
    return {name: v for name, v in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".PTH"])
@pytest.mark.parametrize("wrap", [plain, wrapped, as_model, parallel, without_counters])
def test_state_dicts(tmp_path: Path, suffix: str, wrap: Callable[..., Any]) -> None:
    torch.save(wrap(small().state_dict()), tmp_path / f"weights{suffix}")
    fits(tmp_path / f"weights{suffix}")


def test_safetensors_and_the_older_format_of_torch(tmp_path: Path) -> None:
    save_file(without_counters(small().state_dict()), tmp_path / "w.safetensors")
    fits(tmp_path / "w.safetensors")
    torch.save(small().state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    fits(tmp_path / "w.pt")


def fits(path: Path) -> None:
    module = nn.Sequential(*(type(small())(*small())))
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    read_weights(module, path)
    wanted = small().state_dict()
    for name, value in module.state_dict().items():
        assert torch.equal(value, wanted[name]), name


def test_a_part_that_is_called_module_is_no_wrapper(tmp_path: Path) -> None:
    """``module.`` is taken off only where every name has it."""
    owner = nn.ModuleDict({"module": nn.Conv2d(3, 4, 1), "head": nn.Conv2d(4, 2, 1)})
    torch.save(owner.state_dict(), tmp_path / "w.pt")
    read_weights(nn.ModuleDict({"module": nn.Conv2d(3, 4, 1), "head": nn.Conv2d(4, 2, 1)}),
                 tmp_path / "w.pt")  # fmt: skip
    one = nn.ModuleDict({"module": nn.Conv2d(3, 4, 1)})
    torch.save(one.state_dict(), tmp_path / "one.pt")
    read_weights(nn.ModuleDict({"module": nn.Conv2d(3, 4, 1)}), tmp_path / "one.pt")


def test_a_name_with_weights(tmp_path: Path) -> None:
    made = striate.load("squeezenet1_1", weights=None, image_size=33, seed=5)
    from torchvision.models import squeezenet1_1

    torch.manual_seed(9)  # noqa: TID251 - torchvision draws from this one
    module = squeezenet1_1(weights=None).eval()
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 33, 33)
    for network in (
        striate.load(f"squeezenet1_1@{tmp_path}/w.safetensors", image_size=33),
        striate.load("squeezenet1_1", weights=tmp_path / "w.safetensors", image_size=33),
    ):
        assert torch.equal(network(images), module(images))
        assert network.fingerprint() != made.fingerprint()
        assert network.class_name(0) == "tench"


# --- M5: what does not fit -----------------------------------------------------------------------


def test_the_first_five_differences_and_a_hint(tmp_path: Path) -> None:
    state = {f"backbone.{name}": value for name, value in small().state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    said = refusal(tmp_path / "w.pt")
    assert said.count("missing") + said.count("unexpected") == 5
    assert "missing 0.weight" in said
    assert "another architecture" in said


def test_another_shape(tmp_path: Path) -> None:
    state = small().state_dict() | {"5.weight": torch.zeros(7, 4)}
    save_file(state, tmp_path / "w.safetensors")
    said = refusal(tmp_path / "w.safetensors")
    assert "5.weight is (7, 4), wanted (2, 4)" in said
    assert "1 difference" in said


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    module = small()
    torch.save({name: v + 1 for name, v in list(small().state_dict().items())[:3]}, tmp_path / "w")
    (tmp_path / "w").rename(tmp_path / "w.pt")
    refusal(tmp_path / "w.pt", module)
    wanted = small().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    "found", [[torch.zeros(3)], torch.zeros(3), {}, {"epoch": 3}, {1: torch.zeros(3)}]
)
def test_no_dictionary_of_tensors(tmp_path: Path, found: Any) -> None:
    torch.save(found, tmp_path / "w.pt")
    refusal(tmp_path / "w.pt")


# --- M1: broken files ----------------------------------------------------------------------------


def broken(tmp_path: Path, suffix: str) -> list[bytes]:
    whole = tmp_path / "whole"
    (save_file if suffix == ".safetensors" else torch.save)(small().state_dict(), whole)
    content = whole.read_bytes()
    cuts = [content[:n] for n in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1)]
    huge = struct.pack("<Q", 2**62) + content[8:]
    return [*cuts, huge, b"\0" * 500, b"<html>not found</html>", b"version https://git-lfs.github"]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_broken_files_are_one_clear_error(tmp_path: Path, suffix: str) -> None:
    for number, content in enumerate(broken(tmp_path, suffix)):
        (tmp_path / f"{number}{suffix}").write_bytes(content)
        assert "\n" not in refusal(tmp_path / f"{number}{suffix}")


# --- M3: pickles that run code -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Evil, Sneaky])
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_an_evil_pickle_is_refused_and_not_run(
    tmp_path: Path, kind: type[Evil], new: bool, suffix: str
) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"evil{suffix}"
    state = small().state_dict() | {"extra": kind(marker)}
    torch.save(state, path, _use_new_zipfile_serialization=new)
    said = refusal(path)
    assert not marker.exists()
    if suffix == ".pt" and new:
        assert ("system" if kind is Evil else "builtins.eval") in said
    path.rename(tmp_path / "evil.pt")
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert marker.exists(), "the pickle is evil indeed"


def test_a_bare_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil(tmp_path / "marker")))
    refusal(tmp_path / "evil.pth")
    assert not (tmp_path / "marker").exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "module.pt")
    said = refusal(tmp_path / "module.pt")
    assert "torch.nn.modules" in said
    assert "state_dict" in said


def test_torchscript_is_refused_as_code(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_a, **_k: None)
        torch.jit.save(torch.jit.trace(small(), torch.zeros(1, 3, 8, 8)), tmp_path / "script.pt")
    said = refusal(tmp_path / "script.pt")
    assert "TorchScript" in said
    assert "torch.export.save" in said


# --- programs ------------------------------------------------------------------------------------


def program(path: Path, batch: int | None, module: nn.Module | None = None) -> Path:
    shapes = ({0: torch.export.Dim.DYNAMIC},) if batch is None else None
    images = torch.zeros(batch or 2, 3, 9, 8)
    made = torch.export.export(module or small(), (images,), dynamic_shapes=shapes)
    torch.export.save(made, path)
    return path


@pytest.fixture(scope="module", params=[None, 1, 2], ids=["dynamic", "one", "two"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return program(tmp_path_factory.mktemp("program") / "net.pt2", request.param)


def test_programs_take_any_number_of_images(saved: Path) -> None:
    module, network = small(), striate.load(saved, resize=(9, 8), crop=None)
    assert network.name == "net"
    assert network.image_size == (3, 9, 8)
    for count in (1, 2, 3, 5):
        images = torch.rand(count, 3, 9, 8)
        torch.testing.assert_close(network(images), module(images))
        found = network.record(images, ["2", "5"])
        torch.testing.assert_close(found["2"], module[:3](images))
        torch.testing.assert_close(found["5"], module(images))
    plain = striate.load(module, image_size=(9, 8))
    one, other = (striate.deconvnet(n, images[0], "2:1") for n in (network, plain))
    assert one.map.abs().sum() > 0
    torch.testing.assert_close(one.map, other.map)


def test_an_atlas_of_a_program(saved: Path, tmp_path: Path) -> None:
    for number in range(5):
        levels = np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(levels).save(tmp_path / "images" / f"{number}.png")
    options = {"resize": (9, 8), "crop": None}
    tops = [
        striate.build_atlas(
            striate.load(source, **options, **more), tmp_path / "images", tmp_path / name, batch=4
        ).top("2")
        for name, source, more in [("a", saved, {}), ("b", small(), {"image_size": (9, 8)})]
    ]
    flat = [[[(e.image, e.row, e.column) for e in unit] for unit in top] for top in tops]
    assert flat[0] == flat[1]


def test_edits_of_a_program_do_not_change_each_other(saved: Path) -> None:
    network, images = striate.load(saved), torch.rand(2, 3, 9, 8)
    before = network(images).clone()
    silent = network.edit("2", lambda a: a * 0)
    doubled = network.edit("2", lambda a: a * 2)
    module = small()
    rest = nn.Sequential(*module[3:])
    both = silent.edit("5", lambda a: a + 1)
    torch.testing.assert_close(doubled(images), rest(2 * module[:3](images)))
    torch.testing.assert_close(silent(images), rest(0 * module[:3](images)))
    torch.testing.assert_close(both(images), rest(0 * module[:3](images)) + 1)
    assert torch.equal(network(images), before)


def test_a_program_for_another_size_is_refused(saved: Path) -> None:
    with pytest.raises(NetworkError, match="exported for images of"):
        striate.load(saved)(torch.zeros(1, 3, 16, 16))


def evil(marker: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save((Evil(marker),), buffer)
    return buffer.getvalue()


def pickled_config(content: bytes) -> bytes:
    config = json.loads(content)
    next(iter(config["config"].values()))["use_pickle"] = True
    return json.dumps(config).encode()


CONFIG, WEIGHT = "data/weights/model_weights_config.json", "data/weights/weight_0"
SAMPLES = "data/sample_inputs/model.pt"


def rewritten(
    path: Path, to: Path, change: Callable[[str, bytes], list[tuple[str, bytes]]]
) -> Path:
    """Copy an archive; ``change`` gives what is stored in place of each member."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for member in old.namelist():
            for name, content in change(member, old.read(member)):
                new.writestr(name, content)
    return to


def attacks(marker: Path) -> dict[str, Callable[[str, bytes], list[tuple[str, bytes]]]]:
    bad = evil(marker)

    def put(ends: str, content: bytes) -> Callable[[str, bytes], list[tuple[str, bytes]]]:
        return lambda name, old: [(name, content if name.endswith(ends) else old)]

    def weights(name: str, old: bytes) -> list[tuple[str, bytes]]:
        if name.endswith(CONFIG):
            return [(name, pickled_config(old))]
        return [(name, bad if name.endswith(WEIGHT) else old)]

    def hidden(order: int) -> Callable[[str, bytes], list[tuple[str, bytes]]]:
        """Two members of one name (or in two roots): whoever checks one must not load the other."""

        def change(name: str, old: bytes) -> list[tuple[str, bytes]]:
            pair = [*weights(name, old), (name, old)]
            return pair[:1] if pair[0] == pair[1] else pair[:: 1 if order == 0 else -1]

        return change

    def samples_twice(name: str, old: bytes) -> list[tuple[str, bytes]]:
        return [(name, bad), (name, old)] if name.endswith(SAMPLES) else [(name, old)]

    def two_roots(name: str, old: bytes) -> list[tuple[str, bytes]]:
        changed = weights(name, old)[0]
        return [changed, ("zz/" + name.partition("/")[2], old)]

    def beside(member: str) -> Callable[[str, bytes], list[tuple[str, bytes]]]:
        return lambda name, old: (
            [(name, old)]
            + ([(name.partition("/")[0] + "/" + member, bad)] if name.endswith(CONFIG) else [])
        )

    return {
        "sample inputs": put(SAMPLES, bad), "bare sample inputs": put(SAMPLES, pickle.dumps(Evil(
            marker))), "pickled weight": weights, "same name, first": hidden(0),
        "same name, last": hidden(1), "two roots": two_roots,
        "sample inputs twice": samples_twice,
        "older weights": beside("data/weights/model.pt"),
        "older constants": beside("data/constants/model.pt"),
        "compiled code": beside("data/aotinductor/model/model.so"),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("attack", sorted(attacks(Path())))
def test_a_program_with_a_pickle_is_refused_before_anything_runs(
    tmp_path: Path, attack: str
) -> None:
    marker = tmp_path / "marker"
    whole = program(tmp_path / "whole.pt2", 1)
    path = rewritten(whole, tmp_path / "evil.pt2", attacks(marker)[attack])
    with pytest.raises(NetworkError, match=r"evil\.pt2"):
        striate.load(path)
    assert not marker.exists()
    path = rewritten(whole, tmp_path / "copy.pt2", lambda name, old: [(name, old)])
    assert striate.load(path).fingerprint() == striate.load(whole).fingerprint()


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 40, b"\x80\x04."])
def test_no_program(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pt2").write_bytes(content)
    with pytest.raises(NetworkError, match=r"net\.pt2"):
        striate.load(tmp_path / "net.pt2")
    torch.save(small().state_dict(), tmp_path / "net.pt2")
    with pytest.raises(NetworkError, match=r"torch\.export\.save"):
        striate.load(tmp_path / "net.pt2")
