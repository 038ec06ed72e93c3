"""A unit's view: pictures, numbers, neighbours, and what stands where a picture cannot be."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from web.browser.atlases import DEAD_UNIT, HOSTILE_LAYERS, opened
from web.browser.serving import served
from web.browser.visiting import Visitor
from web.browser.watch import Watch


@pytest.fixture
def visitor(page: Page, demo_site: str) -> Visitor:
    return Visitor(page, demo_site)


def test_the_strongest_images_are_the_atlas_s(visitor: Visitor, demo: Path) -> None:
    unit = opened(demo).unit("relu3:5")
    page = visitor.open("#/relu3/5")
    figures = visitor.main.locator("figure.strongest")
    expect(figures).to_have_count(9)
    for k, top in enumerate(unit["top"]):
        expect(figures.nth(k)).to_contain_text(f"row {top['row']}, column {top['column']}")
        expect(figures.nth(k)).to_contain_text(f"{top['value']:.4g}")
        expect(figures.nth(k).get_by_role("link")).to_have_attribute(
            "href", f"#/images/{top['image']}"
        )
        words = f"top image {k + 1} of 9, activation {top['value']:.4g}, file {top['file']}"
        expect(figures.nth(k).get_by_role("img")).to_have_count(2)
        expect(figures.nth(k).get_by_role("img").first).to_have_accessible_name(
            f"relu3 unit 5, {words}"
        )
    assert page.locator("main .missing").count() == 0
    expect(visitor.main).to_contain_text("fires on")


def test_crop_and_projection_are_drawn_alike(visitor: Visitor) -> None:
    visitor.open("#/relu3/5")
    figures = visitor.main.locator("figure.strongest")
    for k in range(9):
        sizes = (
            figures
            .nth(k)
            .locator(".tile.drawn .cut")
            .evaluate_all("(all) => all.map((c) => [c.clientWidth, c.clientHeight].join())")
        )
        assert len(sizes) == 2
        assert sizes[0] == sizes[1]


def test_a_crop_is_shown_on_its_whole_image(visitor: Visitor, demo: Path) -> None:
    top = opened(demo).unit("relu3:5")["top"][2]
    page = visitor.open("#/relu3/5")
    visitor.main.locator("figure.strongest").nth(2).get_by_role("button").click()
    image = visitor.main.locator(f"img[src^='pictures/images/{top['image']}.webp']")
    expect(image).to_be_visible()
    assert image.evaluate("(image) => image.complete && image.naturalWidth") == 128
    box = page.locator("main svg rect:visible").first
    numbers = [float(box.get_attribute(name) or "nan") for name in ("y", "x", "height", "width")]
    row, column, below, right = top["box"]
    assert numbers == pytest.approx([row, column, below - row, right - column])


def test_neighbours_by_links_and_arrows(visitor: Visitor) -> None:
    page = visitor.open("#/relu3/5")
    page.keyboard.press("ArrowRight")
    visitor.heading("relu3:6")
    page.get_by_role("link", name="previous unit").click()
    visitor.heading("relu3:5")
    page.go_back()
    visitor.heading("relu3:6")
    visitor.open("#/relu3/0")
    page.keyboard.press("ArrowLeft")
    visitor.heading("relu3:0")


def test_neighbours_follow_the_order_of_the_grid(visitor: Visitor, demo: Path) -> None:
    units = opened(demo).units("relu3")
    order = [u["unit"] for u in sorted(units, key=lambda u: (-u["max"], u["unit"]))]
    visitor.open(f"#/relu3/{order[3]}?sort=maximum")
    visitor.page.keyboard.press("ArrowRight")
    visitor.heading(f"relu3:{order[4]}")
    expect(visitor.page).to_have_url(f"{visitor.base}#/relu3/{order[4]}?sort=maximum")


def test_similar_units_are_links_with_their_correlation(visitor: Visitor) -> None:
    visitor.open("#/relu3/5")
    links = visitor.main.locator(".unit-similar").get_by_role("link")
    expect(links).to_have_count(8)
    name = links.first.get_attribute("aria-label") or ""
    links.first.click()
    visitor.heading("relu3:" + name.split()[1].strip(","))


def test_the_link_is_copied_and_opens_elsewhere(visitor: Visitor, demo_site: str) -> None:
    page = visitor.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.open("#/relu3/5?sort=maximum")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{visitor.base}#/relu3/5?sort=maximum"
    assert "token" not in link


def test_the_picture_is_copied_as_png(visitor: Visitor) -> None:
    page = visitor.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.open("#/relu3/5")
    page.get_by_role("button", name="Copy as PNG").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    size = page.evaluate(
        """async () => {
          const [item] = await navigator.clipboard.read();
          const { width, height } = await createImageBitmap(await item.getType("image/png"));
          return [width, height];
        }"""
    )
    assert size[0] > 9 * 64
    assert size[1] > 2 * 64


def test_a_dead_unit_says_so(page: Page, odd_site: str) -> None:
    visitor = Visitor(page, odd_site)
    visitor.open("#/" + "/".join(["%3Cimg", "src%3Dx", "onerror%3Dalert(1)%3E", str(DEAD_UNIT)]))
    visitor.heading(f"{HOSTILE_LAYERS[0]}:{DEAD_UNIT}")
    expect(visitor.main).to_contain_text("never positive on any of 9 images")
    assert visitor.main.locator("figure.strongest, .tile.missing").count() == 0


def test_missing_pictures_are_made_when_asked_for(page: Page, odd_site: str) -> None:
    visitor = Visitor(page, odd_site)
    visitor.open("#/=images/2")
    figures = visitor.main.locator("figure.strongest")
    expect(figures.first).to_be_visible()
    tiles = figures.locator(".tile")
    expect(figures.locator(".tile.drawn")).to_have_count(tiles.count())


@pytest.fixture
def moved_site(odd: Path, tmp_path: Path) -> Iterator[str]:
    """The odd atlas, whose images are not where they were."""
    shutil.copytree(odd, tmp_path / "odd")
    recipe = tmp_path / "odd" / "atlas" / "recipe.json"
    recipe.write_text(recipe.read_text().replace(str(odd), str(tmp_path / "nowhere")))
    with served(tmp_path / "odd" / "atlas") as address:
        yield address


def test_moved_images_are_explained(page: Page, watch: Watch, moved_site: str) -> None:
    watch.allow(r"status \d+: \S+/pictures/")
    watch.allow(r"Failed to load resource: \S.*/pictures/")
    visitor = Visitor(page, moved_site)
    for fragment in ("#/=images/2", "#/images/2"):
        visitor.open(fragment)
        expect(visitor.main).to_contain_text("no longer at")
    visitor.open("#/=images")
    expect(visitor.main).to_contain_text("no longer at")
    expect(page.locator("p.count")).to_contain_text("1,000 of 1,000 units")
