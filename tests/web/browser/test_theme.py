"""Light and dark: by the system, by choice, kept; and pictures are the same in both."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from web.browser.visiting import Visitor, probe


@pytest.fixture
def visitor(page: Page, demo_site: str) -> Visitor:
    return Visitor(page, demo_site)


def is_dark(page: Page) -> bool:
    level = probe(page, "luminance")
    assert level < 0.25 or level > 0.85, f"neither light nor dark: {level}"
    return bool(level < 0.25)


def test_the_system_decides_until_the_reader_does(visitor: Visitor) -> None:
    page = visitor.open("#/")
    choice = page.get_by_role("combobox", name="Theme")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert is_dark(page) is (scheme == "dark")
    choice.select_option("light")
    assert not is_dark(page)
    visitor.open("#/relu3")
    assert not is_dark(page)
    page.emulate_media(color_scheme="light")
    choice.select_option("dark")
    assert is_dark(page)
    page.reload()
    visitor.settle()
    assert is_dark(page)
    choice.select_option("system")
    assert not is_dark(page)


def pixels(picture: Locator) -> np.ndarray:
    """What stands on the screen in the middle of a picture, where it is not transparent."""
    picture.scroll_into_view_if_needed()
    shot = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB"))
    rows, columns = shot.shape[0] // 4, shot.shape[1] // 4
    return shot[rows:-rows, columns:-columns]


@pytest.mark.parametrize("fragment", ["#/", "#/fc7", "#/relu3/5", "#/images", "#/images/7"])
def test_pictures_are_never_recoloured(visitor: Visitor, fragment: str) -> None:
    page = visitor.page
    shots: dict[str, list[np.ndarray]] = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        visitor.open(fragment)
        page.mouse.move(0, 0)
        pictures = visitor.main.locator(".tile.drawn, main .image-frame img")
        expect(pictures.first).to_be_visible()
        visitor.settle()
        shots[scheme] = [pixels(pictures.nth(k)) for k in range(min(3, pictures.count()))]
    for light, dark in zip(shots["light"], shots["dark"], strict=True):
        assert light.shape == dark.shape
        assert light.std() > 0, "an empty picture"
        assert np.array_equal(light, dark)
