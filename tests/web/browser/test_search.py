"""Searching from the keyboard: layers, units, neurons, classes, files, and what is nearest."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from web.browser.atlases import opened
from web.browser.visiting import Visitor


@pytest.fixture
def visitor(page: Page, demo_site: str) -> Visitor:
    visitor = Visitor(page, demo_site)
    visitor.open("#/")
    return visitor


def typed(visitor: Visitor, text: str) -> Locator:
    """Search for a text from the keyboard alone; returns the list of what was found."""
    page = visitor.page
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_be_focused()
    page.keyboard.type(text)
    expect(box).to_have_attribute("aria-expanded", "true")
    return page.get_by_role("listbox", name="Found")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("relu3", "/relu3"),
        ("RELU3", "/relu3"),
        ("relu3:12", "/relu3/12"),
        ("relu3 12", "/relu3/12"),
        ("relu3:12@1,2", "/relu3/12"),
        ("moon", "/classes/1"),
    ],
)
def test_enter_opens_the_first(visitor: Visitor, text: str, fragment: str) -> None:
    options = typed(visitor, text).get_by_role("option")
    expect(options.first).to_be_visible()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page).to_have_url(f"{visitor.base}#{fragment}")


def test_a_file_is_found_by_a_part_of_its_name(visitor: Visitor, demo: Path) -> None:
    name = opened(demo).image_names[37]
    option = typed(visitor, name[:-4]).get_by_role("option").filter(has_text=name)
    expect(option).to_have_count(1)
    visitor.page.keyboard.press("Enter")
    expect(visitor.page).to_have_url(f"{visitor.base}#/images/37")


def test_arrows_choose_and_escape_closes(visitor: Visitor) -> None:
    page = visitor.page
    options = typed(visitor, "relu").get_by_role("option")
    expect(options).to_have_count(2)
    box = page.get_by_role("combobox", name="Search")
    for key, chosen in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowDown", 0), ("ArrowUp", 1)):
        page.keyboard.press(key)
        expect(options.nth(chosen)).to_have_attribute("aria-selected", "true")
        expect(options.nth(1 - chosen)).to_have_attribute("aria-selected", "false")
        chosen_id = options.nth(chosen).get_attribute("id") or ""
        expect(box).to_have_attribute("aria-activedescendant", chosen_id)
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(page).to_have_url(f"{visitor.base}#/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    visitor.heading("relu3")


def test_the_mouse_chooses_too(visitor: Visitor) -> None:
    typed(visitor, "relu").get_by_role("option").filter(has_text="relu3").click()
    visitor.heading("relu3")


def test_what_is_nearest_is_offered(visitor: Visitor) -> None:
    found = typed(visitor, "rleu3")
    expect(found.get_by_role("option").first).to_contain_text("relu")
    expect(visitor.page.locator("search-box")).to_contain_text("Nothing is called")


def test_a_unit_too_many_is_explained(visitor: Visitor) -> None:
    typed(visitor, "relu3:96")
    expect(visitor.page.locator("search-box")).to_contain_text("relu3 has 96 units, 0 to 95")


def test_an_unknown_layer_has_its_own_view(visitor: Visitor) -> None:
    page = visitor.open("#/relu33")
    expect(visitor.main.get_by_role("link", name="relu3", exact=True)).to_be_visible()
    visitor.main.get_by_role("link", name="relu3", exact=True).click()
    visitor.heading("relu3")
    visitor.open("#/relu3/96")
    expect(page.get_by_role("main")).to_contain_text("0 to 95")
