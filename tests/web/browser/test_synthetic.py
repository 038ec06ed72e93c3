"""Synthetic images on the page: a view of the layers that have some, a section of their units."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from striate.atlas.recipe import network_of
from striate.atlas.synthesize import synthesize
from striate.atlas.synthetic import LayerImages, Settings, SyntheticImages, store_numbers
from web.browser.atlases import opened
from web.browser.conftest import made_once
from web.browser.serving import served
from web.browser.visiting import Visitor, probe

FEW = Settings("modern", 0, 2)
MISSING = 7
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="session")
def synthetic(demo: Path, workshop: Path) -> Path:
    """The demo's atlas; relu1 has images of all units but one, and fc7 can have none."""

    def make(folder: Path) -> None:
        shutil.copytree(demo / "atlas", folder / "atlas")
        atlas = opened(folder)
        synthesize(network_of(atlas, "cpu"), atlas, FEW, layers=["relu1"])
        images = SyntheticImages(atlas).layer(0)
        del images.made[MISSING]
        store_numbers(atlas, atlas.layers["relu1"], images)
        store_numbers(atlas, atlas.layers["fc7"], LayerImages(refused="fc7 has no gradient"))

    return made_once(workshop / "synthetic", make)


@pytest.fixture(scope="session")
def synthetic_site(synthetic: Path) -> Iterator[str]:
    with served(synthetic / "atlas") as address:
        yield address


@pytest.fixture
def visitor(page: Page, synthetic_site: str) -> Visitor:
    return Visitor(page, synthetic_site)


def views(page: Page) -> list[str]:
    return page.get_by_role("group", name="View").get_by_role("button").all_inner_texts()


def test_a_layer_with_images_has_one_more_view(visitor: Visitor, synthetic: Path) -> None:
    made = SyntheticImages(opened(synthetic)).layer(0).made
    page = visitor.open("#/relu1")
    assert views(page) == ["Crop", "Mean crop", "Projection", "Synthetic"]
    for view in ("mean", "projection", "synthetic"):
        page.keyboard.press("v")
        expect(page).to_have_url(f"{visitor.base}#/relu1?view={view}")
    visitor.settle()
    expect(page.locator("p.count")).to_contain_text("an image made to excite the unit")
    cell = page.locator("unit-grid a[href*='/relu1/5?']")
    expect(cell.get_by_role("img")).to_have_accessible_name("relu1 unit 5, synthetic")
    assert "pictures/layers/0/synthetic/0.webp" in (cell.locator("img").get_attribute("src") or "")
    expect(page.locator("p.count")).to_contain_text("The number: the activation it reaches.")
    shown = float(cell.locator(".unit-value").inner_text())
    assert shown == pytest.approx(made[5].activation, rel=5e-3)
    expect(page.locator(f"unit-grid a[href*='/relu1/{MISSING}?'] .tile")).to_have_text("none")
    cell.hover()
    expect(page.locator(".preview")).to_contain_text("reaches")
    expect(page.locator(".preview .tile.drawn")).to_have_count(3)


def test_who_comes_back_to_the_page_sees_what_was_made_meanwhile(
    page: Page, synthetic: Path, tmp_path: Path
) -> None:
    shutil.copytree(synthetic / "atlas", tmp_path / "atlas")
    atlas = opened(tmp_path)
    with served(tmp_path / "atlas") as address:
        visitor = Visitor(page, address)
        visitor.open("#/relu1/5")
        images = SyntheticImages(atlas).layer(0)
        reached = page.get_by_text(f"It reaches {images.made[5].activation:.4g}, ")
        expect(reached).to_have_count(1)
        images.made[5] = replace(images.made[5], activation=77.25)
        store_numbers(atlas, atlas.layers["relu1"], images)
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.get_by_text("It reaches 77.25, ")).to_have_count(1)
        expect(reached).to_have_count(0)


def test_a_layer_without_images_keeps_its_views(visitor: Visitor) -> None:
    page = visitor.open("#/relu3?view=synthetic")
    assert views(page) == ["Crop", "Mean crop", "Projection"]
    expect(page.locator("p.count")).not_to_contain_text("ynthetic")
    expect(page.get_by_role("button", name="Crop", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("v")
    expect(page).to_have_url(f"{visitor.base}#/relu3?view=mean")
    visitor.open("#/relu3/5")
    assert page.locator(".unit-synthetic").count() == 0


def test_the_number_is_what_the_grid_is_sorted_by(visitor: Visitor, synthetic: Path) -> None:
    maximum = opened(synthetic).columns("relu1")["maximum"][5]
    page = visitor.open("#/relu1?view=synthetic&sort=maximum")
    value = page.locator("unit-grid a[href*='/relu1/5?'] .unit-value")
    assert float(value.inner_text()) == pytest.approx(maximum, rel=5e-3)
    expect(page.locator("p.count")).to_contain_text("an image made to excite the unit")
    expect(page.locator("p.count")).not_to_contain_text("The number")


def test_a_unit_shows_its_image_with_its_numbers(visitor: Visitor, synthetic: Path) -> None:
    atlas = opened(synthetic)
    known, maximum = SyntheticImages(atlas).layer(0).made[5], atlas.columns("relu1")["maximum"][5]
    visitor.open("#/relu1/5")
    section = visitor.main.locator(".unit-synthetic")
    image = section.get_by_role("img")
    reached = f"reaches {known.activation:.4g}, "
    expect(image).to_have_accessible_name(
        f"Synthetic image of relu1 unit 5: {reached}{known.activation / maximum:.2g} {TIMES} its "
        f"maximum on the probe set ({maximum:.4g})"
    )
    assert image.evaluate("(image) => [image.naturalHeight, image.naturalWidth]") == [*known.size]
    expect(section).to_contain_text(f"It {reached}")
    expect(section).to_contain_text(f" {known.rank} of 24, centred rank")
    expect(section).to_contain_text(f" {known.centred_rank}.modern")
    expect(section.get_by_role("button", name="centred rank")).to_be_visible()
    expect(section).to_contain_text("modern, 2 steps, seed 0.")
    if known.contrast > 1:
        expect(section).to_contain_text(f"{known.contrast:.2g} times as large")
    expect(visitor.main.locator(".unit-python")).to_contain_text("striate.activation_maximization")
    visitor.open(f"#/relu1/{MISSING}")
    assert visitor.main.locator(".unit-synthetic").count() == 0


def test_why_there_are_none_is_said(visitor: Visitor) -> None:
    page = visitor.open("#/fc7")
    expect(page.locator("p.count")).to_contain_text("No synthetic images: fc7 has no gradient.")
    visitor.open("#/fc7/3")
    expect(visitor.main.locator(".unit-synthetic")).to_contain_text(
        "There is none: fc7 has no gradient."
    )


def test_it_fits_a_small_screen(visitor: Visitor) -> None:
    for width in (320, 390):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        for fragment in ("#/relu1?view=synthetic", "#/relu1/5"):
            page = visitor.open(fragment)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, (width, fragment)


def test_the_audit_finds_nothing(visitor: Visitor) -> None:
    wrong = []
    for fragment in ("#/relu1?view=synthetic", "#/relu1/5", "#/fc7/3"):
        page = visitor.open(fragment)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            visitor.settle()
            wrong += [f"{fragment}, {scheme}: {what}" for what in probe(page, "audit")]
    assert not wrong, "\n".join(wrong)
