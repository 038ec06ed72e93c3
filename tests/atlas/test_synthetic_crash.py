"""No point of a run that makes synthetic images is special: killed there, it goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("synthetic_crasher.py")


@pytest.mark.parametrize("every", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_anywhere_no_picture_has_anothers_numbers_and_the_rest_is_made(
    pictures_folder: Path, tmp_path: Path, every: int
) -> None:
    run = subprocess.run(
        [sys.executable, PROGRAM, pictures_folder, tmp_path, str(every)],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert found["wrong"] == []
    assert found["kills"] >= (4 if every > 1 else 80)
