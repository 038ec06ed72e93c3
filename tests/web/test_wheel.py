"""S14: installed from its wheel alone, the page and all its modules are served."""

import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import venv
from pathlib import Path

import pytest

from striate.web.site import AGAIN, static_files
from web.tiny import TESTS

ROOT = TESTS.parent


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with striate from its wheel; what it needs is seen from here."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w",
        folder, ROOT)  # fmt: skip
    (wheel,) = folder.glob("striate-*.whl")
    venv.create(folder / "env", with_pip=False)
    inside = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    library = Path(
        run(inside, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", library, wheel)
    # A path file in a .pth directory is not followed: the checkout itself is not seen.
    (library / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return inside


def run(*command: object) -> str:
    found = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.slow
def test_s14_the_wheel_has_the_whole_page(python: Path, tiny_atlas: Path, tmp_path: Path) -> None:
    where = run(python, "-c", "import striate; print(striate.__file__)")
    assert str(python.parents[1]) in where
    process = subprocess.Popen(
        [python, "-m", "striate.cli.main", "serve", tiny_atlas, "--port", "0", "--no-token"],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        assert url
        kind, page = fetched(url[0])
        assert kind == "text/html; charset=utf-8"
        asked = {*re.findall(r'(?:src|href)="(static/[^"#]+)"', page), f"static/{AGAIN}"}
        known: set[str] = set()
        assert any(name.endswith(".js") for name in asked)
        while asked - known:
            name = min(asked - known)
            known.add(name)
            kind, text = fetched(url[0] + name)
            if name.endswith(".js"):
                assert kind == "text/javascript; charset=utf-8"
                asked |= {
                    f"static/{found}"
                    for found in re.findall(r"""(?:from|import)\s*\(?["']\./([^"']+)""", text)
                }
            elif name.endswith(".css"):
                assert kind == "text/css; charset=utf-8"
        modules = {f"static/{name}" for name in static_files() if name.endswith(".js")}
        assert modules <= known, f"nobody imports {modules - known}"
    finally:
        process.kill()
        process.communicate()


def fetched(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own server
        return str(answer.headers["content-type"]), answer.read().decode()
