"""``striate export`` and the end of ``striate demo``, as a person runs them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from striate.cli.demo import is_shown
from striate.web.export import MARKER
from web.test_serving import ENVIRONMENT
from web.tiny import build_tiny

DEMO = ("demo", "--scenes", "10", "-o", "demo")


def striate(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "striate.cli.main", *map(str, arguments)], text=True, cwd=cwd,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )  # fmt: skip


def test_export_makes_the_pictures_first_and_says_what_it_wrote(tmp_path: Path) -> None:
    atlas = build_tiny(tmp_path)
    process = striate("export", atlas, "site", cwd=tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert f"{len(files)} files, {size / 1e6:.1f} MB in site" in out
    assert (atlas / "pictures" / "units" / "1" / "69.webp").is_file()
    assert f"{len(files) - 1} of {len(files) - 1} files" in err
    again = striate("export", atlas, "images", cwd=tmp_path)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 2
    assert MARKER in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_the_demo_ends_with_the_page(tmp_path: Path) -> None:
    process = striate(*DEMO, "--serve", cwd=tmp_path)
    assert process.stdout is not None
    said = ""
    while "open http://" not in said:
        line = process.stdout.readline()
        assert line, (said, process.stderr and process.stderr.read())
        said += line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert "?token=" in said


@pytest.mark.slow
def test_without_a_terminal_the_demo_ends_without_it(tmp_path: Path) -> None:
    process = striate(*DEMO, cwd=tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == f"Browse all of them: striate serve {Path('demo', 'atlas')}"
    assert "http" not in out


@pytest.mark.parametrize(
    ("asked", "terminal", "ci", "shown"),
    [
        (None, True, "", True),
        (None, True, "true", False),
        (None, False, "", False),
        (True, False, "true", True),
        (False, True, "", False),
    ],
)
def test_who_gets_the_page_at_the_end_of_the_demo(
    monkeypatch: pytest.MonkeyPatch, asked: bool | None, terminal: bool, ci: str, shown: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("CI", ci)
    assert is_shown(asked) is shown
