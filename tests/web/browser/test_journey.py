"""Through the page as a reader goes: from the network down to an image, and back."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from web.browser.atlases import SCENES, opened
from web.browser.visiting import Visitor, message
from web.browser.watch import Watch


@pytest.fixture
def visitor(page: Page, exported_site: str) -> Visitor:
    """On a plain web host, in a sub-path with a space in its name."""
    return Visitor(page, exported_site)


@pytest.mark.parametrize("site", ["demo_site", "exported_site"])
def test_down_and_back(page: Page, demo: Path, request: pytest.FixtureRequest, site: str) -> None:
    visitor = Visitor(page, request.getfixturevalue(site))
    atlas = opened(demo)
    main = visitor.main
    visitor.open("")
    visitor.heading(atlas.plan.network)
    places = [page.url]
    for layer in atlas.layers:
        expect(main.get_by_role("link", name=layer, exact=True)).to_be_visible()
    main.get_by_role("link", name="relu3", exact=True).click()
    visitor.heading("relu3")
    places.append(page.url)
    page.locator("unit-grid [data-place='4'] a").click()
    visitor.heading("relu3:4")
    places.append(page.url)
    top = atlas.unit("relu3:4")["top"][0]
    main.locator("figure.strongest").first.get_by_role("link").click()
    visitor.heading(Path(top["file"]).name)
    places.append(page.url)
    label = message(visitor, f"data/images/{top['image']}.json")["label"]
    main.get_by_role("link", name=atlas.class_names[label], exact=True).first.click()
    visitor.heading(atlas.class_names[label])
    expect(page).to_have_url(f"{visitor.base}#/classes/{label}")
    for place in reversed(places):
        page.go_back()
        expect(page).to_have_url(place)
        visitor.settle()
    page.go_forward()
    visitor.heading("relu3")
    page.reload()
    visitor.heading("relu3")


def test_a_deep_link_opens_in_another_browser(page: Page, exported_site: str) -> None:
    visitor = Visitor(page, exported_site)
    page.goto(f"{exported_site}#/relu3/4?sort=maximum")
    visitor.heading("relu3:4")
    assert visitor.main.locator("figure.strongest .tile.drawn").count() > 0


def test_a_link_with_the_token_opens_at_its_place(page: Page, demo_site: str) -> None:
    page.goto(f"{demo_site}#/relu3/4")
    expect(page.get_by_role("heading", level=1)).to_have_text("relu3:4")
    assert "token" not in page.url
    assert "token" not in page.evaluate("document.cookie")
    assert page.url.endswith("/#/relu3/4")


def test_s04_a_link_followed_from_another_site_opens_at_its_place(
    page: Page, watch: Watch, demo_site: str, exported_site: str
) -> None:
    mail = exported_site.replace("127.0.0.1", "localhost")
    watch.allow("401")  # the strict cookie is not with the first request
    for link in (f"{demo_site}#/relu3/4", f"{demo_site.partition('?')[0]}#/relu3/5"):
        page.goto(mail)
        page.evaluate(
            """(href) => {
              const link = Object.assign(document.createElement("a"), { href });
              document.body.append(link);
              link.click();
            }""",
            link,
        )
        address = link.partition("#/")[2].replace("/", ":")
        expect(page.get_by_role("heading", level=1)).to_have_text(address)
        assert "?" not in page.url


def test_back_finds_the_place_in_a_long_list(page: Page, odd_site: str) -> None:
    visitor = Visitor(page, odd_site)
    visitor.open("#/=images")
    page.mouse.wheel(0, 4000)
    page.wait_for_function("() => scrollY > 3000")
    visitor.settle()
    at = page.evaluate("scrollY")
    page.evaluate(
        """() => [...document.querySelectorAll("unit-grid a")]
          .find((a) => a.getBoundingClientRect().top > 200).click()"""
    )
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"images:\d+"))
    page.wait_for_function("() => scrollY === 0")
    page.go_back()
    visitor.heading("images")
    page.wait_for_function("(at) => Math.abs(scrollY - at) < 3", arg=at)


def test_images_are_listed_and_filtered(visitor: Visitor, demo: Path) -> None:
    page = visitor.open("#/images")
    links = visitor.main.get_by_role("list", name="Images").get_by_role("link")
    expect(visitor.main).to_contain_text(f"{SCENES} images")
    first = Path(opened(demo).image_names[0]).name
    expect(links.first).to_contain_text(first)
    rows = message(visitor, "data/images/names/0.json")
    wrong = sum(correct is False for correct in rows["correct"])
    page.get_by_role("combobox", name="Which images").select_option("wrong")
    expect(page.locator(".image-count")).to_contain_text(
        f"{wrong} of {SCENES} images" if wrong else "None"
    )
    page.get_by_role("combobox", name="Which images").select_option("all")
    page.get_by_role("searchbox", name="Text in the file name").fill(first)
    expect(links).to_have_count(1)
    links.first.click()
    visitor.heading(first)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{visitor.base}#/images/1")
    expect(visitor.main.locator(".image-frame img")).to_have_js_property("complete", True)


def test_an_image_excites_the_units_it_says(page: Page, demo_site: str, demo: Path) -> None:
    atlas = opened(demo)
    responses = atlas.responses("relu3")
    visitor = Visitor(page, demo_site)
    visitor.open("#/images/7")
    deviations = (responses[7] - responses.mean(0)) / responses.std(0).clip(1e-12)
    cards = visitor.main.get_by_role("link", name=re.compile(r"^relu3 unit \d+$"))
    units = [
        int((name or "").split()[-1])
        for name in (c.get_attribute("aria-label") for c in cards.all())
    ]
    assert len(units) >= 4
    assert units[0] == int(deviations.argmax())
    assert list(deviations[units]) == sorted(deviations[units], reverse=True)


def test_the_matrix_leads_to_the_images(visitor: Visitor) -> None:
    page = visitor.open("#/classes")
    classes = message(visitor, "data/classes.json")
    matrix = page.locator("confusion-matrix canvas")
    expect(matrix.first).to_be_visible()
    assert {line["class_index"] for line in classes["classes"]} == set(classes["order"])
    wrong = max((cell for cell in classes["cells"] if cell[0] != cell[1]), key=lambda cell: cell[2])
    page.get_by_text("most frequent confusions").click()
    row = visitor.main.locator(f"a[href='#/classes/{wrong[0]}?guess={wrong[1]}']")
    expect(row).to_have_text(str(wrong[2]))
    row.click()
    name = next(line["name"] for line in classes["classes"] if line["class_index"] == wrong[0])
    visitor.heading(name)
    title = page.get_by_role("heading", level=2, name=re.compile("^Its images taken for"))
    links = page.locator("section", has=title).locator("a[href^='#/images/']")
    expect(links).to_have_count(wrong[2])


def test_the_drawing_leads_to_layers(visitor: Visitor) -> None:
    page = visitor.open("#/")
    page.set_viewport_size({"width": 1400, "height": 900})
    visitor.open("#/")
    graph = message(visitor, "data/graph.json")
    nodes = page.locator("network-graph").get_by_role("link")
    observed = [node["address"] for node in graph["nodes"] if node["layer"] is not None]
    expect(nodes.first).to_be_visible()
    assert observed == ["relu1", "relu3", "fc7"]
    page.locator("network-graph").get_by_role("link", name=re.compile("relu3")).focus()
    page.keyboard.press("Enter")
    visitor.heading("relu3")


def test_each_view_has_a_twin_in_json(visitor: Visitor) -> None:
    for fragment in ("#/", "#/relu3", "#/relu3/5", "#/images/7", "#/classes", "#/classes/2"):
        page = visitor.open(fragment)
        link = page.get_by_role("link", name="JSON").get_attribute("href") or ""
        assert message(visitor, link)
        assert page.locator("link[rel=alternate]").get_attribute("href") == link
