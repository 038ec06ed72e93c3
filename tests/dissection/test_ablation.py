"""Ablating the units of an atlas: its own images or others, what is kept, and the command."""

import json
import sys

import numpy as np
import pytest
import torch

from dissection.test_intervention import SIDE, coloured, planted
from striate.atlas.engines.local import build_atlas
from striate.atlas.store.reader import Atlas
from striate.cli.main import main
from striate.dissection.ablation import ablate_atlas
from striate.dissection.intervention import intervene
from striate.errors import AtlasError, ImageError, MethodError
from striate.network.network import Network


def labelled(folder, each):
    folder.mkdir()
    files, labels = coloured(folder, each)
    rows = [f"{file.name},{label}" for file, label in zip(files, labels, strict=True)]
    table = folder.with_suffix(".csv")
    table.write_text("\n".join(["file,class", *rows]))
    return files, labels, table


@pytest.fixture(scope="session")
def network() -> Network:
    return planted()


@pytest.fixture
def atlas(network, tmp_path) -> Atlas:
    _, _, table = labelled(tmp_path / "probe", 5)
    return build_atlas(
        network, tmp_path / "probe", tmp_path / "atlas", labels=table, layers=["relu"], workers=1
    )


def stored(atlas):
    return sorted((atlas.home / "dissection").glob("*"))


def test_the_atlass_own_images_are_the_default(network, atlas, tmp_path):
    files, labels = coloured(tmp_path / "probe", 5)
    expected = intervene(network, "relu", files, labels, count=1)
    found = ablate_atlas(network, atlas, "relu", count=1)
    assert found == expected
    (path,) = stored(atlas)
    content = json.loads(path.read_bytes())
    assert path.name == "ablation-0000.json"
    assert content.items() >= json.loads(json.dumps(expected.to_json())).items()
    assert (content["atlas"], content["images"]) == (atlas.revision, "the atlas's")


def test_other_labelled_images(network, atlas, tmp_path):
    files, labels, table = labelled(tmp_path / "more", 7)
    found = ablate_atlas(
        network, atlas, "relu", count=1, images=tmp_path / "more", labels=table, classes=["Blue", 0]
    )
    assert found == intervene(network, "relu", files, labels, count=1, classes=[2, 0])
    assert [role.name for role in found.classes] == ["red", "blue"]
    with pytest.raises(MethodError, match="no folder a class"):
        ablate_atlas(network, atlas, "relu", images=tmp_path / "more")
    with pytest.raises(MethodError, match="give their folder"):
        ablate_atlas(network, atlas, "relu", labels=table)
    with pytest.raises(ImageError, match="no folder or list"):
        ablate_atlas(network, atlas, "relu", images=tmp_path / "none")


def test_the_same_question_takes_the_place_of_its_older_answer(network, atlas):
    for seed in (0, 1, 0):
        ablate_atlas(network, atlas, "relu", count=1, seed=seed)
    assert [path.name for path in stored(atlas)] == ["ablation-0000.json", "ablation-0001.json"]
    stored(atlas)[0].write_text("{")
    ablate_atlas(network, atlas, "relu", count=1, seed=0)
    ablate_atlas(network, atlas, "relu", count=1, seed=0, classes=["red"])
    names = [path.name for path in stored(atlas)]
    assert names == [f"ablation-{k:04d}.json" for k in range(4)]
    assert stored(atlas)[0].read_text() == "{"
    assert json.loads(stored(atlas)[2].read_bytes())["seed"] == 0


def test_a_unit_may_be_set_to_its_mean(network, atlas, tmp_path):
    files, labels = coloured(tmp_path / "probe", 5)
    mean = atlas.summary_of("relu").moments.mean
    assert mean[0] > 0.1
    found = ablate_atlas(network, atlas, "relu", count=1, to="mean")
    assert found == intervene(network, "relu", files, labels, count=1, value=mean)
    assert found.drops().tolist() != ablate_atlas(network, atlas, "relu", count=1).drops().tolist()


def test_what_cannot_be_asked_is_refused(network, atlas):
    with pytest.raises(MethodError, match="not to 'median'"):
        ablate_atlas(network, atlas, "relu", to="median")
    with pytest.raises(MethodError, match="no class 'pink'; classes are red, green, blue, dark"):
        ablate_atlas(network, atlas, "relu", classes=["pink"])
    with pytest.raises(AtlasError, match="not the network"):
        ablate_atlas(planted(torch.float64), atlas, "relu")
    assert stored(atlas) == []


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    _, _, table = labelled(tmp_path / "probe", 5)
    size = ("--resize", SIDE, "--crop", SIDE, "--mean", "0,0,0", "--std", "1,1,1")
    monkeypatch.setattr("striate.cli.main.signal.signal", lambda *_: None)

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["striate", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capfd.readouterr()

    code, _, err = called(
        "atlas", "dissection.test_intervention:Planted", "probe", "-o", "built", "--labels", table,
        "--layers", "relu", *size,
    )  # fmt: skip
    assert code == 0, err
    return called


def test_the_command_prints_a_table_or_json(run):
    code, out, err = run("ablate", "built", "--layer", "relu", "-n", 1)
    assert code == 0, err
    head, names, red, *_ = out.splitlines()
    assert "5 units ranked on 12 images, judged on 8 others; 1 ablated together, to zero" in head
    assert names.split()[:6] == ["class", "images", "before", "without", "last", "random"]
    assert red.split()[:4] == ["0", "2", "100.0", "50.0"]
    assert "0 (50.0), " in red
    for column in ("before", "without", "last", "random", "only", "others"):
        assert column in out.partition("in %:")[2], column
    code, out, _ = run("ablate", "built", "--layer", "relu", "-n", 1, "--class", 2, "--json")
    (role,) = json.loads(out)["classes"]
    assert (code, role["index"], role["units"][0], role["others_before"]) == (0, 2, 2, 1.0)
    code, _, err = run("ablate", "built", "--layer", "relu", "--class", "9")
    assert (code, "no class 9" in err) == (2, True)
    code, _, err = run("ablate", "built", "--layer", "rely")
    assert (code, "relu" in err) == (2, True)


def test_numbers_are_whole_in_the_command_s_json(run):
    _, out, _ = run("ablate", "built", "--layer", "relu", "-n", 1, "--json")
    found = json.loads(out)
    table = np.array([role["drops"] for role in found["classes"]])
    assert table.shape == (4, 5)
    assert (np.diff(table, axis=1) <= 0).all()
