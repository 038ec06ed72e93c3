"""Who cannot see, cannot point, or sees badly: names, structure, contrast, focus, motion, width."""

import pytest
from playwright.sync_api import Browser, Page

from web.browser.visiting import Visitor, probe
from web.browser.watch import Watch

VIEWS = {
    "network": "#/",
    "layer": "#/relu3",
    "unit": "#/relu3/5",
    "images": "#/images",
    "image": "#/images/7",
    "classes": "#/classes",
    "class": "#/classes/2",
    "unknown layer": "#/relu33",
    "no such page": "#/images/x/y",
}
WIDTHS = (390, 360)


@pytest.mark.parametrize("view", VIEWS)
def test_names_structure_and_contrast(page: Page, demo_site: str, view: str) -> None:
    visitor = Visitor(page, demo_site)
    visitor.open(VIEWS[view])
    wrong = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        visitor.settle()
        wrong += [f"{scheme}: {what}" for what in probe(page, "audit")]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("view", VIEWS)
def test_narrow_screens_need_no_scrolling_sideways(page: Page, demo_site: str, view: str) -> None:
    visitor = Visitor(page, demo_site)
    page.set_viewport_size({"width": WIDTHS[0], "height": 740})
    visitor.open(VIEWS[view])
    wrong = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        visitor.settle()
        wrong += [f"{width} wide: {what}" for what in probe(page, "overflow")]
    wrong += probe(page, "audit")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("view", ["network", "layer", "unit", "image", "classes"])
def test_the_focus_is_seen_wherever_tab_leads(page: Page, demo_site: str, view: str) -> None:
    Visitor(page, demo_site).open(VIEWS[view])
    wrong, seen = [], 0
    for _ in range(40):
        page.keyboard.press("Tab")
        found = probe(page, "focus")
        if found is None:
            break
        seen += 1
        if not found["changes"]:
            wrong.append(f"{found['name']}: looks the same without the focus")
        if not found["within"]:
            wrong.append(f"{found['name']}: out of the window")
    assert seen > 8
    assert not wrong, "\n".join(wrong)


def test_tab_first_offers_to_skip_to_the_content(page: Page, demo_site: str) -> None:
    Visitor(page, demo_site).open("#/relu3")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert inside, page.evaluate("document.activeElement.outerHTML")


def test_a_new_view_is_announced_and_has_the_focus(page: Page, demo_site: str) -> None:
    visitor = Visitor(page, demo_site)
    visitor.open("#/")
    visitor.main.get_by_role("link", name="relu3", exact=True).click()
    visitor.heading("relu3")
    assert page.locator("[aria-live=polite]#announcement").inner_text() == "relu3"
    assert page.evaluate("document.activeElement.localName") == "h1"
    assert page.title().startswith("relu3 ")


@pytest.mark.parametrize("view", ["network", "layer", "unit", "classes"])
def test_reduced_motion_is_honoured(browser: Browser, demo_site: str, view: str) -> None:
    context = browser.new_context(reduced_motion="reduce")
    watch = Watch(context)
    visitor = Visitor(context.new_page(), demo_site)
    page = visitor.open(VIEWS[view])
    moving = probe(page, "motion")
    context.close()
    assert not moving, moving
    assert not watch.troubles


BAD = """
<html><head><title>bad</title></head><body><main>
<h1>One</h1><h3>Three</h3><img src="data:,"><button></button><p id="a">a</p><p id="a">b</p>
<p style="color: #999; background: #fff">pale</p><input><a href="#x" aria-labelledby="gone"></a>
</main></body></html>
"""


def test_the_audit_can_fail(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(BAD)
    found = "\n".join(probe(page, "audit"))
    page.close()
    for what in (
        "level 3 after 1",
        "a picture or dialog without a name",
        '<button> "": a control without a name',
        '<input> "": a control without a name',
        "two elements are #a",
        "contrast 2.85",
        "no language",
        "no live region",
        "aria-labelledby names #gone",
        "a target of",
    ):
        assert what in found, f"{what!r} not in:\n{found}"
