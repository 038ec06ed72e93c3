"""Concepts on the page: list, concept, layer, unit, search; no trace where there are none."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from striate.atlas.recipe import network_of
from striate.demo.concepts import write_demo_concepts
from striate.dissection.net2vec.results import StoredVectors
from striate.dissection.net2vec.vectors import ConceptVectors, Learnt
from striate.dissection.results import LEVEL, Dissection
from striate.dissection.run import dissect
from striate.image.concepts.reading import concept_set
from web.browser.atlases import opened
from web.browser.conftest import made_once
from web.browser.serving import served
from web.browser.visiting import Visitor, call, message, probe

VIEWS = (
    "#/", "#/relu3?sort=iou&label=concept", "#/relu3/{unit}", "#/concepts", "#/concepts/{best}",
    "#/concepts/{none}",
)  # fmt: skip


@pytest.fixture(scope="session")
def dissected(demo: Path, workshop: Path) -> Path:
    """The demo's atlas with relu1 and relu3 compared with what its scenes show."""

    def make(folder: Path) -> None:
        shutil.copytree(demo / "atlas", folder / "atlas")
        source = str(write_demo_concepts(folder / "set", 48, 7))
        atlas = opened(folder)
        dissect(
            network_of(atlas, "cpu"), atlas, concept_set([source]), layers=["relu1", "relu3"],
            sources=[source],
        )  # fmt: skip
        StoredVectors(atlas).store(vectors(atlas.layers["relu3"].units))

    return made_once(workshop / "dissected", make)


def vectors(units: int) -> ConceptVectors:
    learnt = Learnt("triangle", "object", 9, 3, None, 4, 0.2, 0.2, 0.6, 0.7, 0.3)
    weights = np.ones((1, units), np.float32)
    return ConceptVectors(
        "relu3", "segmentation", {}, (learnt,), weights, np.zeros(1, np.float32),
        np.zeros((1, 0, units), np.float32), np.zeros((1, 0), np.float32),
        np.zeros(units, np.float32),
    )  # fmt: skip


@pytest.fixture(scope="session")
def dissected_site(dissected: Path) -> Iterator[str]:
    with served(dissected / "atlas") as address:
        yield address


@pytest.fixture
def visitor(page: Page, dissected_site: str) -> Visitor:
    return Visitor(page, dissected_site)


@pytest.fixture(scope="session")
def known(dissected: Path) -> dict[str, Any]:
    """The best unit of relu3, a concept that it detects, and one that nobody detects."""
    results = Dissection(opened(dissected))
    layer = results.layers["relu3"]
    detected = {k for each in results.layers.values() for ks in each.unique().values() for k in ks}
    unit = int(layer.best_iou.argmax())
    none = next(k for k in range(len(results.concepts)) if k not in detected)
    return {"unit": unit, "best": int(layer.best[unit]), "none": none, "results": results}


def test_all_concepts_are_listed_sorted_and_filtered(visitor: Visitor) -> None:
    page = visitor.open("#/")
    page.get_by_role("link", name="Concepts", exact=True).click()
    visitor.heading("Concepts")
    lines = message(visitor, "data/concepts.json")["concepts"]
    ranked = sorted(
        lines, key=lambda line: (-(line["best"] or {"iou": -1})["iou"], line["concept"])
    )
    names = page.locator(".concept-name a")
    assert names.all_inner_texts() == [line["name"] for line in ranked]
    assert f"{ranked[0]['best']['iou']:.2f}" in page.locator("tbody tr").nth(2).inner_text()
    page.get_by_label("Category").select_option("colour")
    colours = [line["name"] for line in ranked if line["category"] == "colour"]
    expect(names).to_have_text(colours)
    page.locator("h1").click()
    page.keyboard.press("s")
    expect(page).to_have_url(f"{visitor.base}#/concepts?category=colour&sort=detectors")
    page.get_by_label("Filter concepts by name").fill("no such")
    expect(page.locator(".class-tools")).to_contain_text("No concept passes both filters.")


def test_a_concept_shows_the_units_that_detect_it(visitor: Visitor, known: dict[str, Any]) -> None:
    page = visitor.open(f"#/concepts/{known['best']}")
    told = message(visitor, f"data/concepts/{known['best']}.json")
    visitor.heading(told["name"])
    shown = page.locator("ul.detected li")
    expect(shown).to_have_count(sum(min(len(each["units"]), 6) for each in told["layers"]))
    first = told["layers"][0]["units"][0]
    expect(shown.first).to_contain_text(f"IoU {first['iou']:.2f}")
    strip = shown.first.get_by_role("img")
    expect(strip).to_have_accessible_name(
        f"{told['layers'][0]['address']} unit {first['unit']}: its {first['images']} strongest "
        "images of the concept set, bright where it is active"
    )
    expect(strip).to_have_js_property("naturalHeight", 128)
    sizes = "(image) => [image.naturalWidth, image.naturalHeight, image.width / image.height]"
    assert strip.evaluate(sizes) == [128 * first["images"], 128, first["images"]]
    shown.first.get_by_role("link").first.click()
    visitor.heading(f"{told['layers'][0]['address']}:{first['unit']}")
    visitor.open(f"#/concepts/{known['none']}")
    expect(visitor.main).to_contain_text("No unit detects it (detector: IoU above 0.04")


def two_at_a_time(page: Page, held: list[Route]) -> None:
    """Wait until two pictures are asked for, and see that no more are."""
    for _ in range(600):
        if len(held) >= 2:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)
    assert len(held) == 2


def test_strips_that_are_not_made_yet_leave_the_next_page_its_connections(
    visitor: Visitor, known: dict[str, Any]
) -> None:
    """A browser has six connections to a server; slow pictures take two of them at most."""
    page, held = visitor.page, list[Route]()
    page.route("**/pictures/concepts/**", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    visitor.open("#/relu3")
    page.locator(".layer-concepts summary").click()
    strips = page.locator("img.concept-strip")
    expect(strips).not_to_have_count(0)
    assert strips.count() > 2
    two_at_a_time(page, held)
    # The first picture of all takes seconds: the network is loaded for it.
    held.pop(0).continue_()
    two_at_a_time(page, held)
    page.unroute("**/pictures/concepts/**")
    visitor.open(f"#/concepts/{known['best']}")
    expect(page.locator("img.concept-strip").first).to_have_js_property("naturalHeight", 128)


def test_a_layer_is_sorted_labelled_and_filtered(visitor: Visitor, known: dict[str, Any]) -> None:
    layer, concepts = known["results"].layers["relu3"], known["results"].concepts
    page = visitor.open("#/relu3")
    assert page.locator(".unit-concept").count() == 0
    page.get_by_label("Sort by").select_option("iou")
    page.get_by_role("group", name="Below").get_by_role("button", name="concept").click()
    visitor.settle()
    order = np.argsort(-layer.best_iou, kind="stable")
    cells = page.locator("unit-grid a.unit-cell")
    for place in (0, 1, 2):
        unit = int(order[place])
        name = concepts[layer.best[unit]].name
        expect(cells.nth(place)).to_contain_text(f"{layer.best_iou[unit]:.2f}")
        expect(cells.nth(place).locator(".unit-concept")).to_have_text(name)
    expect(page.locator("p.count")).to_contain_text("detector: IoU above 0.04, the others are pale")
    name = concepts[known["best"]].name
    page.get_by_label("Concept", exact=True).fill(name)
    same = int((layer.best == known["best"]).sum())
    expect(page.locator("p.count")).to_contain_text(f"{same} of {layer.units} units")
    box = page.locator(".layer-concepts")
    detectors = int((layer.best_iou > LEVEL).sum())
    expect(box.locator("summary")).to_contain_text(f"{detectors} detector")
    box.locator("summary").click()
    bars = box.locator("table.concept-bars tbody tr")
    wanted = [f"{name} {len(found)}" for name, found in layer.unique().items()]
    expect(bars).to_have_text(wanted, use_inner_text=True)


def test_a_layer_says_whose_pictures_it_shows(visitor: Visitor) -> None:
    page = visitor.open("#/relu3")
    page.locator(".layer-concepts summary").click()
    told = message(visitor, "data/layers/1.json")
    best = told["columns"]["concept"]
    each = [k for category in told["concepts"]["categories"] for k in category["concepts"]]
    lines = page.locator(".layer-concepts .detected-line")
    expect(lines).to_have_count(len(each))
    others = [best["index"][k["units"][0]["unit"]] != k["concept"] for k in each]
    assert {True, False} == set(others)
    for k, other, said in zip(each, others, lines.all_inner_texts(), strict=True):
        unit = k["units"][0]["unit"]
        assert (f"outlined is what unit {unit} fits best: {best['name'][unit]}" in said) is other
        assert ("outlined" in said) is other


def test_the_units_that_a_layer_leaves_out_are_where_it_says(visitor: Visitor) -> None:
    page = visitor.open("#/relu3")
    page.locator(".layer-concepts summary").click()
    told = message(visitor, "data/layers/1.json")["concepts"]["categories"]
    many = [k for each in told for k in each["concepts"] if len(k["units"]) > 6]
    more = page.locator(".layer-concepts").get_by_role("link", name="more")
    expect(more).to_have_count(len(many))
    more.first.click()
    visitor.heading(many[0]["name"])
    section = page.locator("section", has=page.get_by_role("heading", name="relu3"))
    section.get_by_role("button", name="Show all").click()
    units = [f"unit {k['unit']}" for k in many[0]["units"]]
    expect(section.locator(".detected-line a.nowrap")).to_have_text(units)


def test_a_long_name_leaves_room_for_the_numbers(visitor: Visitor) -> None:
    page = visitor.page
    path = "**/data/concepts.json*"

    def longer(route: Route) -> None:
        found = route.fetch().json()
        found["concepts"][0]["name"] = 200 * "x"
        route.fulfill(json=found)

    page.route(path, longer)
    visitor.open("#/concepts")
    table = page.locator(".class-list .scrolls")
    expect(table).to_contain_text(200 * "x")
    assert table.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0


def test_a_unit_shows_where_it_agrees(visitor: Visitor, known: dict[str, Any]) -> None:
    unit = known["unit"]
    page = visitor.open(f"#/relu3/{unit}")
    told = message(visitor, f"data/layers/1/units/{unit}.json")["concepts"]
    section = page.locator(".unit-concepts")
    expect(section).to_contain_text(f"Detects {told['best']['name']} ({told['best']['category']})")
    expect(section).to_contain_text(f"{told['best']['iou']:.2f} (detector: IoU above 0.04).")
    figures = section.get_by_role("figure")
    expect(figures).to_have_count(len(told["images"]))
    picture = figures.first.get_by_role("img")
    label = picture.get_attribute("aria-label") or ""
    assert label.startswith(f"relu3 unit {unit}, image 1 of {len(told['images'])} of the concept")
    assert f"outlined: {told['best']['name']}" in label
    rows = section.locator("table.overlaps tbody tr")
    expect(rows).to_have_count(len(told["in_categories"]))
    expect(rows.first).to_contain_text(f"{told['best']['intersection']:,}")
    shares = page.get_by_role("region", name="Part in concept vectors", exact=True)
    expect(shares).to_contain_text("triangle")
    expect(shares).to_contain_text("IoU 0.60")
    share = 96**-0.5
    expect(shares).to_contain_text(f"{share:.2f}")


def test_the_search_finds_concepts(visitor: Visitor) -> None:
    page = visitor.open("#/")
    box = page.get_by_role("combobox", name="Search layers, units, classes, concepts and files")
    assert "concept" in (box.get_attribute("placeholder") or "")
    box.fill("brick wall")
    option = page.get_by_role("option", name="concept brick wall")
    expect(option).to_contain_text("background")
    option.click()
    visitor.heading("brick wall")


def test_the_shortcuts_of_concepts_are_listed(visitor: Visitor) -> None:
    page = visitor.open("#/concepts")
    visitor.open("#/")
    while not any(entry["page"] == "concept" for entry in call(page, "keys", "shortcuts")):
        page.wait_for_timeout(50)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    listed = page.get_by_role("dialog").locator("tr.shortcut[data-page=concept]")
    expect(listed).to_have_text([re.compile("Previous concept"), re.compile("Next concept")])


def test_an_atlas_without_concepts_has_no_trace(page: Page, demo_site: str) -> None:
    visitor = Visitor(page, demo_site)
    for fragment in ("#/", "#/relu3?sort=iou&label=concept&concept=red", "#/relu3/5"):
        visitor.open(fragment)
        said = page.locator("body").inner_text().lower()
        assert "concept" not in said, fragment
        assert "iou" not in said.split(), fragment
        assert page.locator("[class*=concept]").count() == 0
    expect(visitor.main).not_to_contain_text("threshold")


@pytest.mark.parametrize("view", VIEWS)
def test_the_audit_finds_nothing(visitor: Visitor, known: dict[str, Any], view: str) -> None:
    page = visitor.open(view.format(**known))
    if "relu3?" in view:
        page.locator(".layer-concepts summary").click()
        expect(page.locator(".layer-concepts table.concept-bars")).to_be_visible()
    wrong = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        visitor.settle()
        wrong += [f"{scheme}: {what}" for what in probe(page, "audit")]
    for width in (390, 360):
        page.set_viewport_size({"width": width, "height": 740})
        visitor.settle()
        wrong += [f"{width} wide: {what}" for what in probe(page, "overflow")]
    assert not wrong, "\n".join(wrong)
