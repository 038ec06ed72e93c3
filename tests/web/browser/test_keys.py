"""Shortcuts: one table, shown as it is; each has a control; letters can be remapped and put off."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from web.browser.visiting import Visitor, call

VIEWS = {
    "network": "#/",
    "layer": "#/relu3",
    "unit": "#/relu3/5",
    "images": "#/images",
    "image": "#/images/7",
    "classes": "#/classes",
    "class": "#/classes/2",
}
SHOWN = {
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "Escape": "Esc",
    " ": "Space",
    "PageUp": "Page Up",
    "PageDown": "Page Down",
}


@pytest.fixture
def visitor(page: Page, demo_site: str) -> Visitor:
    return Visitor(page, demo_site)


def table(page: Page) -> list[dict[str, Any]]:
    """The table that the handler of keys itself uses."""
    found: list[dict[str, Any]] = call(page, "keys", "shortcuts")
    return found


def choose_keymap(page: Page, name: str) -> None:
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_role("dialog").get_by_role("combobox").select_option(name)
    page.get_by_role("dialog").get_by_role("button", name="Close").click()


def everywhere(visitor: Visitor) -> Page:
    """Go through all views without loading anew: each adds its shortcuts to the table."""
    page = visitor.open("#/")
    for fragment in [*list(VIEWS.values())[1:], VIEWS["layer"]]:
        page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
        view = next(view for view, named in VIEWS.items() if named == fragment)
        # A function that is asynchronous would not be waited for by `wait_for_function`.
        for _ in range(200):
            if any(entry["page"] == view for entry in table(page)):
                break
            page.wait_for_timeout(50)
        else:
            pytest.fail(f"the page of {view} has no shortcut within 10 s")
    visitor.heading("relu3")
    return page


def test_the_overlay_shows_the_table(visitor: Visitor) -> None:
    page = everywhere(visitor)
    for keymap in ("vim", "dvt", "off"):
        choose_keymap(page, keymap)
        page.get_by_role("button", name="Keyboard shortcuts").click()
        rows = page.get_by_role("dialog").locator("tr.shortcut")
        shown = [
            (
                row.get_attribute("data-page"),
                row.get_by_role("rowheader").inner_text(),
                tuple(row.locator("kbd").all_inner_texts()),
            )
            for row in rows.all()
        ]
        wanted = [
            (entry["page"], entry["label"], tuple(spoken(key) for key in entry["keys"]))
            for entry in table(page)
        ]
        assert sorted(shown) == sorted(wanted)
        assert len(wanted) >= (3 if keymap == "off" else 10)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()


def spoken(key: str) -> str:
    shifted = key.startswith("Shift+")
    name = key.removeprefix("Shift+")
    return ("Shift " if shifted else "") + SHOWN.get(name, name)


@pytest.mark.parametrize("view", VIEWS)
def test_each_shortcut_has_a_control(visitor: Visitor, view: str) -> None:
    page = visitor.open(VIEWS[view])
    mine = [entry for entry in table(page) if entry["page"] in {view, "everywhere"}]
    assert len(mine) >= 3
    wrong = [
        f"{entry['label']} ({' '.join(entry['keys'])}): no control {entry['control']} to be seen"
        for entry in mine
        if not reachable(page, entry["control"])
        and not (view == "network" and entry["label"] == "Up one level")
    ]
    assert not wrong, "\n".join(wrong)


def reachable(page: Page, control: str | None) -> bool:
    """Whether what a selector finds can be seen, perhaps in a menu, and takes the focus."""
    if control is None:
        return False
    found = """(elements) => elements.some((element) =>
      element.tabIndex >= 0 && !element.closest(".unseen")
      && (element.checkVisibility() || element.closest("details:not([open])")))"""
    return bool(page.locator(control).evaluate_all(found))


def test_no_key_means_two_things(visitor: Visitor) -> None:
    page = everywhere(visitor)
    for keymap in ("vim", "dvt"):
        choose_keymap(page, keymap)
        entries = table(page)
        for view in VIEWS:
            keys = [k for e in entries if e["page"] in {view, "everywhere"} for k in e["keys"]]
            assert sorted(keys) == sorted(set(keys)), f"{keymap}, {view}"


def test_letters_can_be_put_off(visitor: Visitor) -> None:
    page = visitor.open("#/relu3")
    choose_keymap(page, "off")
    assert [k for entry in table(page) for k in entry["keys"] if len(k) == 1] == []
    before = page.url
    page.get_by_role("heading", level=1).click()
    for key in "hjklionpGgvsc/?[]":
        page.keyboard.press(key)
    assert page.url == before
    expect(page.get_by_role("dialog")).to_be_hidden()
    visitor.open("#/relu3")
    assert [k for entry in table(page) for k in entry["keys"] if len(k) == 1] == []


def test_keys_are_left_alone_in_fields_and_with_modifiers(visitor: Visitor) -> None:
    page = visitor.open("#/relu3")
    before = page.url
    for key in ("Control+l", "Alt+l", "Meta+v", "Control+j"):
        page.keyboard.press(key)
    assert page.url == before
    box = page.get_by_role("combobox", name="Search")
    box.focus()
    page.keyboard.type("hjkl?v")
    assert box.input_value() == "hjkl?v"
    assert page.url == before
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_escape_goes_up(visitor: Visitor) -> None:
    page = visitor.open("#/relu3/5")
    page.keyboard.press("Escape")
    visitor.heading("relu3")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{visitor.base}#/")
    visitor.open("#/images/7")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{visitor.base}#/images")


def test_question_mark_opens_the_help(visitor: Visitor) -> None:
    page = visitor.open("#/relu3")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert visitor.fragment == "/relu3"
