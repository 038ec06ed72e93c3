"""A layer's grid: order and filters agree with the atlas's own numbers, and every unit is there."""

import io
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from web.browser.atlases import HOSTILE_LAYERS, WIDE, opened
from web.browser.visiting import Visitor, call, probe

WIDE_LAYER = HOSTILE_LAYERS[1]
assert WIDE_LAYER == "images"


@pytest.fixture
def visitor(page: Page, demo_site: str) -> Visitor:
    return Visitor(page, demo_site)


def shown(page: Page) -> list[int]:
    """The units in the order of the grid, read by scrolling through it."""
    found: dict[int, int] = {}
    page.evaluate("scrollTo(0, 0)")
    while True:
        probe(page, "frames")
        for place, unit, _ in probe(page, "cells"):
            assert found.setdefault(place, unit) == unit
        at, end = page.evaluate("[scrollY, document.documentElement.scrollHeight - innerHeight]")
        if at >= end - 1:
            break
        page.evaluate("scrollBy(0, innerHeight)")
    assert sorted(found) == list(range(len(found)))
    return [found[place] for place in range(len(found))]


def count(page: Page) -> str:
    return page.locator("p.count").inner_text()


@pytest.mark.parametrize("sort", ["index", "maximum", "selectivity", "sparsity"])
def test_order_is_the_atlas_s(visitor: Visitor, demo: Path, sort: str) -> None:
    units = opened(demo).units("relu3")
    keys = {
        "index": lambda u: u["unit"],
        "maximum": lambda u: -u["max"],
        "selectivity": lambda u: -u["selectivity"],
        "sparsity": lambda u: u["fires"],
    }
    wanted = [u["unit"] for u in sorted(units, key=lambda u: (keys[sort](u), u["unit"]))]
    page = visitor.open("#/relu3")
    page.get_by_role("combobox", name="Sort by").select_option(sort)
    asked = "" if sort == "index" else f"?sort={sort}"
    expect(page).to_have_url(f"{visitor.base}#/relu3{asked}")
    assert shown(page) == wanted
    if sort == "maximum":
        visitor.open("#/relu3?sort=maximum")
        assert shown(page) == wanted


def test_similar_units_stand_side_by_side(visitor: Visitor, demo: Path) -> None:
    atlas = opened(demo)
    responses = np.asarray(atlas.responses("relu3"), np.float64)
    alike = np.nan_to_num(np.corrcoef(responses.T))
    page = visitor.open("#/relu3?sort=similarity")
    order = shown(page)
    assert sorted(order) == list(range(96))

    def beside(units: list[int]) -> float:
        return float(np.mean([alike[a, b] for a, b in pairwise(units)]))

    assert beside(order) > beside(sorted(order)) + 0.05


def test_filters_agree_with_the_atlas(visitor: Visitor, demo: Path) -> None:
    atlas = opened(demo)
    units = atlas.units("relu3")
    names = atlas.image_names
    page = visitor.open("#/relu3")
    moon = [u["unit"] for u in units if atlas.class_names.get(u["best_class"]) == "moon"]
    page.get_by_role("combobox", name="Class", exact=True).fill("moon")
    expect(page.locator("p.count")).to_contain_text(f"{len(moon)} of 96 units")
    assert shown(page) == moon
    expect(page).to_have_url(f"{visitor.base}#/relu3?class=moon")
    page.get_by_role("combobox", name="Class", exact=True).fill("")
    expect(page.locator("p.count")).to_contain_text("96 of 96 units")
    file = names[units[40]["top"][0]["image"]]
    with_file = [u["unit"] for u in units if names[u["top"][0]["image"]] == file]
    page.get_by_role("searchbox", name="Filter").fill(file)
    expect(page.locator("p.count")).to_contain_text(f"{len(with_file)} of 96 units")
    assert shown(page) == with_file
    page.get_by_role("searchbox", name="Filter").fill("17")
    expect(page.locator("unit-grid a[href*='/17']")).to_be_visible()
    page.get_by_role("searchbox", name="Filter").fill("nobody is called so")
    expect(visitor.main).to_contain_text("No unit passes")
    page.get_by_role("button", name="Show all units").click()
    expect(page.locator("p.count")).to_contain_text("96 of 96 units")


def test_dead_units_can_be_hidden_and_picked(page: Page, odd_site: str, odd: Path) -> None:
    units = opened(odd).units(WIDE_LAYER)
    dead = [u["unit"] for u in units if u["dead"]]
    assert 0 < len(dead) < WIDE
    visitor = Visitor(page, odd_site)
    visitor.open("#/=images")
    page.get_by_role("group", name="Dead units").get_by_role("button", name="only").click()
    expect(page.locator("p.count")).to_contain_text(f"{len(dead)} of 1,000 units")
    assert shown(page) == dead
    page.get_by_role("group", name="Dead units").get_by_role("button", name="hide").click()
    expect(page.locator("p.count")).to_contain_text(f"{WIDE - len(dead)} of 1,000 units")
    assert not set(shown(page)) & set(dead)


def test_every_unit_of_a_wide_layer_is_reached(page: Page, odd_site: str) -> None:
    visitor = Visitor(page, odd_site)
    visitor.open("#/=images")
    assert count(page).startswith("1,000 of 1,000 units")
    assert page.locator("unit-grid [data-place]").count() < 600
    assert shown(page) == list(range(WIDE))
    assert page.locator("unit-grid [data-place]").count() < 600
    jump = page.get_by_role("textbox", name="Go to unit")
    jump.fill("741")
    jump.press("Enter")
    cell = page.locator("unit-grid [data-place='741'] a")
    expect(cell).to_be_focused()
    expect(cell).to_be_in_viewport()
    jump.fill("1000")
    jump.press("Enter")
    expect(visitor.main).to_contain_text("Units go from 0 to 999")
    page.keyboard.press("Escape")


def test_the_view_is_switched_and_kept(visitor: Visitor) -> None:
    page = visitor.open("#/relu3")
    tile = page.locator("unit-grid [data-place='0'] .tile.drawn img")
    seen = []
    for name in ("Crop", "Mean crop", "Projection"):
        button = page.get_by_role("group", name="View").get_by_role("button", name=name, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        visitor.settle()
        seen.append(tile.get_attribute("src"))
    assert len(set(seen)) == 3
    expect(page).to_have_url(f"{visitor.base}#/relu3?view=projection")
    visitor.open("#/relu3?view=projection")
    assert tile.get_attribute("src") == seen[2]
    page.locator("unit-grid [data-place='3'] a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("3")
    page.go_back()
    visitor.heading("relu3")
    expect(page).to_have_url(f"{visitor.base}#/relu3?view=projection")


def test_each_cell_shows_its_own_tile_of_the_sheet(visitor: Visitor, demo: Path) -> None:
    number = opened(demo).layers["relu3"].number
    sheet = np.asarray(
        Image.open(demo / f"atlas/pictures/layers/{number}/crop/0.webp").convert("RGB")
    )
    tiles = [
        sheet[r * 96 : (r + 1) * 96, c * 96 : (c + 1) * 96] for r in range(8) for c in range(8)
    ]
    page = visitor.open("#/relu3")
    page.mouse.move(0, 0)
    for unit in (0, 9, 14, 63):
        cell = page.locator(f"unit-grid [data-place='{unit}'] .tile.drawn")
        cell.scroll_into_view_if_needed()
        visitor.settle()
        shot = Image.open(io.BytesIO(cell.screenshot())).convert("RGB").resize((96, 96))
        far = [float(np.abs(np.asarray(shot, float) - tile).mean()) for tile in tiles]
        # Two units may have the same crop, but most have others.
        assert far[unit] <= 1.05 * min(far)
        assert far[unit] < np.median(far) / 2


def test_scrolling_touches_only_cells_that_come_and_go(page: Page, odd_site: str) -> None:
    Visitor(page, odd_site).open("#/=images")
    touched, came = page.evaluate(
        """async () => {
          const cells = document.querySelector("unit-grid .cells");
          const frame = () => new Promise(requestAnimationFrame);
          const old = new Set(cells.children);
          const told = [];
          const watcher = new MutationObserver((all) => told.push(...all));
          for (let k = 1; k <= 20; k++) {
            if (k === 3) {
              watcher.observe(cells, { subtree: true, childList: true, attributes: true });
            }
            scrollTo(0, k * 20);
            await frame();
            await frame();
          }
          const touched = told.filter(({ type, target }) =>
            type === "attributes" && old.has(target.closest("[data-place]"))).length;
          return [touched, [...cells.children].filter((cell) => !old.has(cell)).length];
        }"""
    )
    assert came > 0, "nothing came into the document"
    assert touched == 0


@pytest.mark.parametrize(
    ("keymap", "right", "down", "left", "up", "following"),
    [("vim", "l", "j", "h", "k", "]"), ("dvt", "l", "k", "j", "i", "o")],
)
def test_letters_walk_the_grid(
    visitor: Visitor, keymap: str, right: str, down: str, left: str, up: str, following: str
) -> None:
    page = visitor.open("#/relu3")
    call(page, "theme", "choose", {"keymap": keymap})
    tops = [top for _, _, top in probe(page, "cells")]
    columns = tops.count(tops[0])
    assert 3 < columns < 40
    place = 0
    page.keyboard.press(right)
    for key, step in [
        (right, 1), (down, columns), ("ArrowRight", 1), (left, -1), (up, -columns),
        ("ArrowDown", columns), ("ArrowUp", -columns), ("ArrowLeft", -1),
    ]:  # fmt: skip
        place += step
        page.keyboard.press(key)
        expect(page.locator(f"unit-grid [data-place='{place}'] a")).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator("unit-grid [data-place='95'] a")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press(right)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.base}#/relu3/1")
    visitor.heading("relu3:1")
    page.keyboard.press("Escape")
    visitor.heading("relu3")
    page.keyboard.press(following)
    visitor.heading("fc7")


def test_pointing_shows_the_numbers_behind_a_picture(visitor: Visitor, demo: Path) -> None:
    unit = opened(demo).units("relu3")[2]
    page = visitor.open("#/relu3")
    page.locator("unit-grid [data-place='2'] a").hover()
    side = page.get_by_role("complementary", name="The unit you point at")
    expect(side).to_contain_text("Unit 2")
    expect(side).to_contain_text(f"{unit['max']:.4g}")
    name = opened(demo).image_names[unit["top"][0]["image"]]
    expect(side).to_contain_text(Path(name).name)


def test_a_layer_is_found_by_other_spellings(visitor: Visitor) -> None:
    visitor.open(f"#/{quote('relu3:7')}")
    visitor.heading(visitor.page.get_by_role("heading", level=1).inner_text())
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("7")


def test_going_on_before_a_view_is_there(visitor: Visitor) -> None:
    """What was left while it loaded does not come back."""
    page = visitor.page
    page.route(
        "**/static/page-unit.js*", lambda route: (page.wait_for_timeout(700), route.continue_())
    )
    visitor.open("#/relu3")
    page.evaluate("location.hash = '#/relu3/1'")
    page.evaluate("location.hash = '#/fc7'")
    visitor.heading("fc7")
    page.wait_for_timeout(1200)
    visitor.heading("fc7")
    expect(page.locator("unit-grid")).to_be_visible()
