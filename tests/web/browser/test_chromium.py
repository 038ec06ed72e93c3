"""How the tests find their browser, and what they say when there is none."""

import sys
from pathlib import Path

import pytest

from web.browser.chromium import NoBrowserError, find_browser


def test_the_path_that_is_given_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_BROWSER", sys.executable)
    assert find_browser() == sys.executable


def test_a_path_that_is_no_program_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIATE_BROWSER", str(tmp_path))
    with pytest.raises(NoBrowserError, match="no program") as caught:
        find_browser()
    assert caught.value.required


@pytest.mark.parametrize(("asked", "required"), [("", False), ("required", True)])
def test_without_a_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str, required: bool
) -> None:
    monkeypatch.setenv("STRIATE_BROWSER", asked)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowserError, match="apt-get install chromium") as caught:
        find_browser()
    assert caught.value.required is required
    found = tmp_path / "chromium-browser"
    found.touch(mode=0o755)
    assert find_browser() == str(found)
