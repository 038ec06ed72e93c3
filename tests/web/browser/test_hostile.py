"""S7: names are shown as text, wherever they come from; none becomes markup, code or an address."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from web.browser.atlases import (
    BROKEN_FILE,
    HOSTILE_CLASSES,
    HOSTILE_FILES,
    HOSTILE_LAYERS,
    opened,
)
from web.browser.visiting import Visitor, probe


@pytest.fixture
def visitor(page: Page, odd_site: str) -> Visitor:
    return Visitor(page, odd_site)


def clean(page: Page) -> None:
    """No element came from a name, and no name is an attribute that runs."""
    assert probe(page, "foreign") == []


def test_s07_the_network(visitor: Visitor) -> None:
    page = visitor.open("#/")
    for layer in HOSTILE_LAYERS:
        expect(visitor.main.get_by_role("link", name=layer, exact=True)).to_have_count(1)
    page.get_by_text("was skipped").click()
    expect(visitor.main).to_contain_text(BROKEN_FILE)
    clean(page)


@pytest.mark.parametrize("number", range(len(HOSTILE_LAYERS)))
def test_s07_layers_and_units_by_their_links(visitor: Visitor, number: int) -> None:
    layer = HOSTILE_LAYERS[number]
    page = visitor.open("#/")
    visitor.main.get_by_role("link", name=layer, exact=True).click()
    visitor.heading(layer)
    clean(page)
    fragment = visitor.fragment
    page.reload()
    visitor.heading(layer)
    assert visitor.fragment == fragment
    page.locator("unit-grid [data-place='2'] a").click()
    expect(page).to_have_url(re.compile("/2$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(layer)
    visitor.settle()
    clean(page)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text(layer)
    clean(page)


def test_s07_images(visitor: Visitor, odd: Path) -> None:
    names = opened(odd).image_names
    for number, name in enumerate(names):
        page = visitor.open(f"#/images/{number}")
        heading = page.get_by_role("heading", level=1).text_content() or ""
        text = visitor.main.text_content() or ""
        shown = name.encode("utf-8", "replace").decode() if "\udcff" in name else name
        assert shown in heading + text or "\udcff" in name, (shown, heading)
        clean(page)
    assert sum(name.startswith(file[:12]) for name in names for file in HOSTILE_FILES) >= 7


def test_s07_lists_and_classes(visitor: Visitor) -> None:
    for fragment in ("#/images", "#/classes"):
        page = visitor.open(fragment)
        clean(page)
    for number, name in enumerate(HOSTILE_CLASSES):
        page = visitor.open(f"#/classes/{number}")
        heading = page.get_by_role("heading", level=1).text_content() or ""
        assert name.split("\n")[0] in heading
        clean(page)
        page = visitor.open(f"#/classes/{number}?guess=<img src=x onerror=alert(9)>")
        clean(page)


def test_s07_search_and_queries(visitor: Visitor) -> None:
    page = visitor.open("#/")
    box = page.get_by_role("combobox", name="Search")
    for text in ("<img", "script", "double", "\u202e", "bytes"):
        box.fill(text)
        expect(
            page.get_by_role("listbox", name="Found").get_by_role("option").first
        ).to_be_visible()
        clean(page)
    box.fill("<img src=x onerror=alert(9)>zzz")
    expect(page.locator("search-box")).to_contain_text("Nothing is called")
    clean(page)
    for fragment in (
        "#/images?text=<img src=x onerror=alert(9)>",
        "#/=images?view=<b>&sort=<b>&dead=<b>&class=<img src=x onerror=alert(9)>&text=<b>",
        "#/<img src=x onerror=alert(9)>",
        "#/<img src=x onerror=alert(9)>/3",
        "#javascript:alert(9)",
        "#/classes/<b>",
    ):
        page = visitor.open(fragment)
        clean(page)


def test_the_check_can_fail(page: Page) -> None:
    page.set_content("<p>names: <b>bold</b></p><p onclick='1'>")
    with pytest.raises(AssertionError):
        clean(page)
