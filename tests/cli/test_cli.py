"""The command line: what it prints, writes and returns."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.cli.main import app

OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(4, 5, 3, stride=2)
        self.relu2 = nn.ReLU()
        self.fc = nn.Linear(5, 3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, x):
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.fc(x.amax((2, 3)))

class Depends(Net):
    def forward(self, x):
        return self.conv1(x) if x.sum() > 0 else x

def make():
    return Net()
"""
VERBS = [str(verb.name) for verb in (*app.registered_commands, *app.registered_groups)]
SIZE = ["--resize", "16", "--crop", "16"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's own network, and pictures in a folder for each class."""
    folder = tmp_path_factory.mktemp("cli with spaces")
    (folder / "own.py").write_text(OWN)
    for number in range(9):
        levels = np.random.default_rng(number).integers(0, 256, (18, 20, 3), dtype=np.uint8)
        path = folder / "images" / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(path)
    return folder


@pytest.fixture(scope="module")
def built(place: Path) -> Path:
    """An atlas that is there already, with its recipe."""
    from striate.atlas.engines.local import build_atlas
    from striate.atlas.recipe import Recipe

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "path", list(sys.path))
        recipe = Recipe("own:make", resize=16, crop=16)
        build_atlas(recipe.load(), place / "images", place / "built", recipe=recipe.to_json())
    return place / "built"


def good(run: Run, *arguments: object) -> str:
    code, out, err = run(*arguments)
    assert code == 0, err
    return out


def parsed(run: Run, *arguments: object) -> Any:
    return json.loads(good(run, *arguments, "--json"))


# --- layers --------------------------------------------------------------------------------------


def test_layers_as_a_table(striate_: Run) -> None:
    lines = good(striate_, "layers", "own:make", *SIZE).splitlines()
    assert lines[0] == "own:make: 6 layers, images 16 x 16"
    assert lines[1].split() == [
        "layer",
        "operation",
        "units",
        "map",
        "stride",
        "receptive",
        "field",
    ]
    table = {line.split()[0]: line for line in lines[2:]}
    assert list(table) == ["conv1", "relu1", "conv2", "relu2", "amax", "fc"]
    assert table["conv2"].split() == ["conv2", "conv2d", "5", "6", "x", "6", "2", "5", "x", "5"]
    assert "whole image" in table["fc"]
    assert all(line == line.rstrip() for line in lines)


def test_layers_as_json(striate_: Run) -> None:
    rows = {row["layer"]: row for row in parsed(striate_, "layers", "own:make", *SIZE)}
    assert rows["conv2"] == {
        "layer": "conv2", "operation": "conv2d", "units": 5, "map_size": [6, 6],
        "stride": [2.0, 2.0], "receptive_field": [5, 5], "centre": rows["conv2"]["centre"],
        "sees": "5 x 5",
    }  # fmt: skip
    assert rows["fc"]["receptive_field"] is None


# --- atlas ---------------------------------------------------------------------------------------


def test_atlas_build_show_and_digest(striate_: Run, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    summary = parsed(striate_, "atlas", "own:make", "images", "-o", out, *SIZE, "--batch", 2)
    assert summary["network"] == "own:make"
    assert (summary["images"], summary["seen"], summary["skipped"]) == (9, 9, 0)
    assert [row["layer"] for row in summary["layers"]] == ["relu1", "relu2", "fc"]
    assert 0 <= summary["top1"] <= summary["top5"] == 100
    assert parsed(striate_, "atlas", "show", out) == summary
    assert good(striate_, "atlas", "digest", out).strip() == striate.Atlas(out).digest()


def test_atlas_show_a_layer_and_a_unit(striate_: Run, built: Path) -> None:
    layer = parsed(striate_, "atlas", "show", built, "relu2")
    assert layer["layer"] == "relu2"
    assert [unit["unit"] for unit in layer["units"]] == list(range(5))
    for unit in layer["units"]:
        assert {"unit", "max", "mean", "fires", "top"} <= set(unit)
        for entry in unit["top"]:
            assert {"image", "value", "row", "column", "box"} <= set(entry)
            top, left, bottom, right = entry["box"]
            assert 0 <= top < bottom <= 16
            assert 0 <= left < right <= 16
    (unit,) = parsed(striate_, "atlas", "show", built, "relu2:3")["units"]
    assert {name: unit[name] for name in layer["units"][3]} == layer["units"][3]
    assert unit["variance"] == pytest.approx(unit["deviation"] ** 2)
    assert sum(count for _, _, count in unit["histogram"]) == unit["images"] * 16
    assert max(unit["class_means"], key=lambda c: c["mean"])["class"] == unit["best_class"]


def test_atlas_show_as_text(striate_: Run, built: Path) -> None:
    whole = good(striate_, "atlas", "show", built)
    assert "own:make: 12 units of 3 layers over 9 images" in whole
    assert "top-1" in whole
    assert len(good(striate_, "atlas", "show", built, "relu2").splitlines()) == 5
    unit = good(striate_, "atlas", "show", built, "relu1:1").splitlines()
    assert unit[0].startswith("relu1:1  max ")
    assert len(unit) == 10


@pytest.mark.parametrize(
    "more",
    [
        ["--layers", "relu*", "conv2", "-o", "OUT"], ["-o", "OUT", "--layers", "relu*", "conv2"],
        ["-o", "OUT", "--layers", "relu*", "--layers", "conv2"],
        ["--layers=relu*", "--layers=conv2", "--out=OUT"],
        ["-o", "OUT", "--layers", "conv2", "relu*", "--restart"],
    ],
)  # fmt: skip
def test_layers_takes_several_globs(striate_: Run, tmp_path: Path, more: list[str]) -> None:
    options = [option.replace("OUT", str(tmp_path / "atlas")) for option in more]
    summary = parsed(striate_, "atlas", "own:make", "images", *options, *SIZE)
    assert [row["layer"] for row in summary["layers"]] == ["relu1", "conv2", "relu2"]


def test_options_may_come_first(striate_: Run, tmp_path: Path) -> None:
    summary = parsed(striate_, "atlas", "--top", 2, "-o", tmp_path, "own:make", "images", *SIZE)
    assert summary["seen"] == 9


def test_a_changed_setting_is_refused_until_restart(striate_: Run, tmp_path: Path) -> None:
    command = ["atlas", "own:make", "images", "-o", tmp_path, *SIZE]
    good(striate_, *command)
    code, _, err = striate_(*command, "--top", 3)
    assert code == 2
    assert "top: 9 before, 3 now" in err
    good(striate_, *command, "--top", 3, "--restart")
    assert len(striate.Atlas(tmp_path).top("relu1")[0]) == 3


def test_progress_is_plain_lines_where_nobody_looks(striate_: Run, tmp_path: Path) -> None:
    code, out, err = striate_("atlas", "own:make", "images", "-o", tmp_path, *SIZE, "--batch", 2)
    assert code == 0
    assert "\r" not in out + err
    assert "\033" not in out + err
    lines = err.splitlines()
    assert "9 of 9 images" in lines[-1]
    assert all(" of 9 images, " in line for line in lines)
    assert len(lines) <= 3


def test_unreadable_pictures_are_named(striate_: Run, place: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(place / "images", tmp_path / "images")
    (tmp_path / "images" / "a" / "bad.png").write_bytes(b"<html>")
    out = good(striate_, "atlas", "own:make", tmp_path / "images", "-o", tmp_path / "out", *SIZE)
    assert "over 9 images, 1 skipped" in out
    assert "skipped 'a/bad.png': " in out


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["layers", "own:nobody"], "has no attribute 'nobody'"),
        (["layers", "own:Depends"], "own.py"),
        (["layers", "no/such.pt2"], "there is no file"),
        (["layers", "own:make", "--interpolation", "cubic"], "interpolation 'cubic'"),
        (["atlas", "own:make", "nowhere", "-o", "out", *SIZE], "nowhere"),
        (["atlas", "own:make", "images", "-o", "out"], "how own:make wants its pictures"),
        (["atlas", "own:make", "images", "-o", "out", *SIZE, "--layers", "rely*"], "nearest are"),
        (["atlas", "show", "nowhere"], "holds no atlas"),
        (["atlas", "digest", "nowhere"], "holds no atlas"),
        (["atlas", "show", "built", "rely1"], "nearest"),
        (["atlas", "show", "built", "relu1:99"], "has units 0 to 3"),
        (["atlas", "show", "built", "a b"], "is no address"),
        (["illustrate", "built", "--layers", "rely*"], "nearest"),
        (["sheet", "built", "rely1", "-o", "x.png"], "nearest"),
        (["sheet", "built", "relu1:0", "-o", "x.gif"], "x.gif"),
        (["sheet", "built", "relu1:0", "-o", "no/such/x.png"], "no/such"),
        (["layers", "own:make", "--device", "gpu"], "gpu"),
    ],
)
def test_errors_are_one_line_and_code_2(
    striate_: Run, built: Path, arguments: list[str], said: str
) -> None:
    code, out, err = striate_(*arguments)
    assert code == 2
    assert said in err
    assert err.startswith("striate: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["layers"], ["layers", "own:make", "--mean", "a,b"], ["nonsense"], ["atlas", "own:make"],
        ["atlas", "own:make", "images", "-o", "x", "--top", "0"], ["layers", "x", "--nonsense"],
        ["atlas", "own:make", "images", *SIZE, "-o", "x", "--layers"],
        ["atlas", "own:make", "images", *SIZE, "-o"], ["sheet", "built", "-o", "x.png"],
    ],
)  # fmt: skip
def test_misuse_is_code_2_with_usage(striate_: Run, arguments: list[str]) -> None:
    code, _, err = striate_(*arguments)
    assert code == 2
    assert "Usage" in err or "requires an argument" in err
    assert "Traceback" not in err


# --- pictures ------------------------------------------------------------------------------------


def test_illustrate_goes_on_where_it_was(striate_: Run, built: Path) -> None:
    for said in ("9 units", "0 units"):
        assert good(striate_, "illustrate", built, "--layers", "relu*").startswith(said)
    files = sorted((built / "pictures" / "units").rglob("*.webp"))
    assert len(files) == 9
    files[3].unlink()
    whole = files[4].read_bytes()
    assert good(striate_, "illustrate", built).startswith("4 units")  # that one, and three of fc
    assert files[4].read_bytes() == whole
    assert files[3].read_bytes()[8:12] == b"WEBP"


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_sheet(striate_: Run, built: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"sheet.{suffix}"
    assert good(striate_, "sheet", built, "relu1", "relu2:3", "-o", out).strip() == str(out)
    with Image.open(out) as opened:
        picture = np.asarray(opened.convert("RGB"))
    height, width = picture.shape[:2]
    assert 900 < width < 2500
    assert 600 < height < 2500
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


# --- doctor and help -----------------------------------------------------------------------------


def test_it_says_its_version(striate_: Run) -> None:
    assert good(striate_, "--version") == f"striate {striate.__version__}\n"


def test_doctor(striate_: Run) -> None:
    import torch

    facts = parsed(striate_, "doctor")
    assert facts["striate"] == striate.__version__
    assert facts["torch"] == torch.__version__
    assert "cpu" in facts["devices"]
    lines = good(striate_, "doctor").splitlines()
    assert [line.split()[0] for line in lines] == [name.split()[0] for name in facts]


@pytest.mark.parametrize("verb", VERBS)
def test_help(striate_: Run, verb: str) -> None:
    assert verb in good(striate_, "--help")
    assert "--help" in good(striate_, verb, "--help")


# --- as a process of its own ---------------------------------------------------------------------


def process(place: Path, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "striate.cli.main", *map(str, arguments)],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["atlas", "--help"], ["layers", "--help"]])
def test_help_does_not_import_torch(place: Path, arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['striate', *{arguments!r}]\n"
        "from striate.cli.main import main\n"
        "try: main()\nfinally: print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "[]", run.stdout + run.stderr


def test_an_error_of_a_process(place: Path) -> None:
    running = process(place, "layers", "own:nobody")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, "")
    assert err.startswith("striate: ")
    assert err.count("\n") == 1


@pytest.fixture(scope="module")
def many(place: Path) -> Path:
    """Pictures for several shards, whose size in bytes does not depend on what is in them."""
    for number in range(1, 600):
        target = place / "many" / f"{number:04d}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((place / "images" / "a" / "0.png").read_bytes())
    return place / "many"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_pass_goes_on(
    striate_: Run, place: Path, many: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """L11."""
    command = ["atlas", "own:make", many, *SIZE, "--batch", 1, "--workers", 1]
    running = process(place, *command, "-o", tmp_path / "out")
    second = tmp_path / "out" / "shards" / "00001.safetensors"  # so the first one counts as done
    until = time.monotonic() + 120
    while not second.exists() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code, out + err
    assert "Traceback" not in err
    assert "the same command goes on" in err.splitlines()[-1]
    with pytest.raises(striate.AtlasError, match="not finished"):
        striate.Atlas(tmp_path / "out")
    _, _, err = striate_(*command, "-o", tmp_path / "out")
    assert "resumed from" in err
    good(striate_, *command, "-o", tmp_path / "whole")
    assert striate.Atlas(tmp_path / "out").digest() == striate.Atlas(tmp_path / "whole").digest()
