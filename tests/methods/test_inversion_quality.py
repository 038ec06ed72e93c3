"""docs/quality/inversion.py: what is done is known by the photograph, wherever it lies."""

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import striate
from methods.upconv_building import draw, network_of

PROGRAM = Path(__file__).parents[2] / "docs" / "quality" / "inversion.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quality_inversion", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network() -> striate.Network:
    return network_of()


def done(program, network, folder: Path, work: Path) -> tuple[list[str], dict]:
    """Invert four photographs, and return the names in the lines, and the table."""
    work.mkdir(exist_ok=True)
    asked = argparse.Namespace(preset="cvpr2015", steps=2, work=work, part=(0, 1))
    photographs = program.spread_out(folder, 4)
    program.invert_all(network, photographs, ["1"], asked)
    names = [line["photograph"] for line in program.read_lines(work)]
    return names, program.tabulate(network, photographs, ["1"], asked)


def test_photographs_of_the_same_name_are_two(program, network, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    draw(folder / "a", range(2))
    draw(folder / "b", range(2))
    for _ in range(2):  # the second time nothing is left to do
        names, table = done(program, network, folder, tmp_path / "work")
        assert sorted(names) == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
        assert table["layers"][0]["photographs"] == 4


def test_in_a_flat_folder_the_name_is_the_files(program, network, tmp_path):
    folder = draw(tmp_path / "images", range(4))
    names, table = done(program, network, folder, tmp_path / "work")
    assert sorted(names) == ["0.png", "1.png", "2.png", "3.png"]
    assert table["layers"][0]["photographs"] == 4
