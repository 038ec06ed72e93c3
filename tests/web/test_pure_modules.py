"""The page's pure modules, run by node: addresses against the vectors that Python answers too."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import striate.web

STATIC = Path(striate.web.__file__).parent / "static"
TESTS = Path(__file__).parent / "modules"
VECTORS = Path(__file__).parents[1] / "vectors" / "addresses.json"


@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.test.js")))
def test_module(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; with it this runs the page's own modules")
    # Beside a package.json that says so, any node takes .js for a module.
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for path in [*STATIC.glob("*.js"), TESTS / name]:
        shutil.copy(path, tmp_path)
    environment = os.environ | {"STRIATE_VECTORS": str(VECTORS)}
    run = subprocess.run(
        [node, "--test", "--test-reporter=tap", name],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    counted = re.search(r"^# pass (\d+)$", run.stdout, flags=re.MULTILINE)
    assert counted is not None, run.stdout
    assert int(counted[1]) > 0, run.stdout
