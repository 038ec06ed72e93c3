"""An atlas that is not finished says so, follows the pass, and stays what it was for the rest."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from web.browser.atlases import SCENES, build_part, scenes_of
from web.browser.serving import served, striate
from web.browser.visiting import Visitor, message

pytestmark = pytest.mark.slow


@pytest.fixture
def part(demo: Path, tmp_path: Path) -> Path:
    """Two shards of four, of 16 images."""
    build_part(tmp_path, scenes_of(demo), shards=2)
    return tmp_path


def test_the_page_follows_the_pass(page: Page, demo: Path, part: Path) -> None:
    with served(part / "atlas") as address:
        visitor = Visitor(page, address)
        visitor.open("#/relu1/5")
        expect(page.locator("body")).to_contain_text(f"32 of {SCENES} images")
        assert "not finished" in page.locator("body").inner_text()
        shown = visitor.main.inner_text()
        before = message(visitor, "data/network.json")["status"]
        assert (before["seen"], before["images"], before["finished"]) == (32, SCENES, False)
        unit = page.evaluate("document.querySelector('h1').textContent")
        build_part(part, scenes_of(demo))
        expect(page.locator("body")).not_to_contain_text(f"of {SCENES} images.", timeout=40_000)
        expect(page.get_by_role("heading", level=1)).to_have_text(unit)
        visitor.settle()
        after = message(visitor, "data/network.json")["status"]
        assert (after["seen"], after["finished"]) == (SCENES, True)
        assert after["revision"] != before["revision"]
        expect(visitor.main).not_to_have_text(shown, use_inner_text=True)
        expect(page.locator("body")).not_to_contain_text("not finished")


def test_an_unfinished_atlas_is_not_exported(part: Path, tmp_path: Path) -> None:
    run = striate("export", part / "atlas", tmp_path / "site")
    assert run.returncode == 2
    assert re.search(rf"32 of {SCENES}|not finished", run.stderr), run.stderr
    assert not (tmp_path / "site").exists() or not any((tmp_path / "site").iterdir())
