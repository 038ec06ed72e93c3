"""A network with smooth gates, and images without labels: what the page says stays true."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from striate.atlas.engines.local import build_atlas
from striate.atlas.recipe import Recipe
from striate.web.export import export
from web.browser.atlases import draw
from web.browser.conftest import made_once
from web.browser.serving import plain_files, served
from web.browser.visiting import Visitor, message

_SMOOTH = """
import torch
from torch import nn

def make():
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 12, 5, stride=2), nn.GELU(), nn.Conv2d(12, 2060, 3), nn.GELU(),
        nn.Conv2d(2060, 6, 6, padding=1), nn.Flatten(),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            scale = max(parameter[0].numel(), 1) ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        network[0].bias.copy_(torch.linspace(-1, -5, 12))
        network[4].bias.fill_(3)
    return network
"""


def build_smooth(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "smooth.py").write_text(_SMOOTH, encoding="utf-8")
    for number in range(8):
        draw(folder / "many" / f"{number}.png", number)
    draw(folder / "single" / "0.png", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.delitem(sys.modules, "smooth", raising=False)
        recipe = Recipe("smooth:make", resize=16, crop=16)
        network = recipe.load("cpu")
        for kind in ("many", "single"):
            out = folder / f"atlas of {kind}"
            build_atlas(network, folder / kind, out, top=4, recipe=recipe.to_json())


@pytest.fixture(scope="module")
def smooth(workshop: Path) -> Path:
    return made_once(workshop / "smooth", build_smooth)


@pytest.fixture(scope="module")
def site(smooth: Path) -> Iterator[str]:
    with served(smooth / "atlas of many") as address:
        yield address


@pytest.fixture
def visitor(page: Page, site: str) -> Visitor:
    return Visitor(page, site)


def test_a_unit_that_stays_below_zero_says_so(visitor: Visitor) -> None:
    columns = message(visitor, "data/layers/0.json")["columns"]
    below = [unit for unit in range(12) if columns["dead"][unit] and columns["maximum"][unit] < 0]
    visitor.open(f"#/1/{below[0]}")
    expect(visitor.main).to_contain_text("never positive on any of 8 images")
    expect(visitor.main).to_contain_text("Its activations stay below zero: they reach \u2212")
    expect(visitor.main).to_contain_text("No image with a label counts for this unit.")
    visitor.open(f"#/1/{below[0]}?sort=maximum&dead=hide")
    expect(visitor.page.locator(".walk-place")).to_have_text(f"{below[0] + 1} of 12 by index")


def test_what_is_not_positive_has_no_projection_and_says_so(visitor: Visitor) -> None:
    tops = [message(visitor, f"data/layers/0/units/{unit}.json")["top"] for unit in range(12)]
    silent = [sum(top["value"] <= 0 for top in each) for each in tops]
    unit = silent.index(next(filter(None, silent)))
    visitor.open(f"#/1/{unit}")
    told = visitor.main.get_by_text("not positive: nothing to project")
    expect(told).to_have_count(silent[unit])


def test_an_order_that_a_layer_does_not_have_is_not_claimed(visitor: Visitor) -> None:
    visitor.open("#/3?sort=similarity")
    expect(visitor.page.locator("#sort")).to_have_value("index")
    expect(visitor.page.locator("#sort option")).to_have_text(["index", "maximum", "sparsity"])
    expect(visitor.main.get_by_role("status").first).not_to_contain_text("similar ones")
    visitor.open("#/3/0?sort=similarity")
    expect(visitor.page.locator(".walk-place")).to_have_text("1 of 2,060 by index")
    expect(visitor.main).to_contain_text("with 2,060 units, the layer is too wide")


def test_each_guess_leads_to_a_class_that_is_there(visitor: Visitor) -> None:
    visitor.open("#/images/2")
    links = visitor.page.locator(".guesses a")
    expect(links).to_have_count(5)
    for link in [links.nth(k).get_attribute("href") for k in range(5)]:
        visitor.open(str(link))
        visitor.heading(f"class {str(link).rpartition('/')[2]}")


def test_a_layer_that_sees_more_than_the_image_shows_the_image(visitor: Visitor) -> None:
    """The last layer's field is 19 x 19, of images of 16 x 16."""
    line = message(visitor, "data/network.json")["layers"][2]
    assert line["receptive_field"] == [19, 19]
    unit = next(
        k for k in range(6) if not message(visitor, f"data/layers/2/units/{k}.json")["dead"]
    )
    visitor.open(f"#/{line['address']}/{unit}")
    expect(visitor.page.locator(".legend")).to_contain_text("Both are the whole input.")


def test_names_of_no_choice_are_no_choice(visitor: Visitor) -> None:
    visitor.open("#/images?show=constructor")
    expect(visitor.main).to_contain_text("8 images")
    visitor.open("#/classes?sort=constructor")
    expect(visitor.page.locator("[data-action=sort-classes]")).to_have_value("accuracy")


def test_of_one_image_nothing_stands_out(page: Page, smooth: Path) -> None:
    with served(smooth / "atlas of single") as address:
        visitor = Visitor(page, address)
        visitor.open("#/images/0")
        expect(visitor.main).to_contain_text("No unit responds to it more than to the images on")
        visitor.open("#/1/0")
        expect(visitor.main).to_contain_text("a correlation takes three images at least")


def test_the_link_opens_where_it_is_followed_on_another_site(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    """In a mail or a chat, say: the page must find its cookie on the way back from the redirect."""
    (tmp_path / "index.html").write_text(f'<a href="{site}#/1/0">look</a>')
    context = browser.new_context()
    try:
        with plain_files(tmp_path) as other:
            page = context.new_page()
            page.goto(other.replace("127.0.0.1", "localhost"))
            page.get_by_role("link").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("1:0")
            assert "token" not in page.url
    finally:
        context.close()


_ODD = """
import torch
from torch import nn

class Odd(nn.Module):
    def forward(self, x):
        return torch.special.i0(x)

def make():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Odd(), nn.Conv2d(4, 4, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    return network
"""


def build_odd(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "odd.py").write_text(_ODD, encoding="utf-8")
    for number in range(4):
        draw(folder / "images" / f"{number}.png", number)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.delitem(sys.modules, "odd", raising=False)
        recipe = Recipe("odd:make", resize=16, crop=16)
        network = recipe.load("cpu")
        build_atlas(network, folder / "images", folder / "atlas", top=3, recipe=recipe.to_json())
        export(folder / "atlas", folder / "site")


def test_where_the_deconvnet_does_not_apply_the_page_says_why(workshop: Path, page: Page) -> None:
    place = made_once(workshop / "refused", build_odd)
    reason = "nothing is known of operation 'special_i0'"
    with plain_files(place / "site") as address:
        visitor = Visitor(page, address)
        visitor.open("#/2/0")
        expect(visitor.page.locator(".unit-strongest .legend")).to_contain_text(reason)
        expect(visitor.page.locator("figure.strongest .tile")).to_have_count(3)
        visitor.open("#/2?view=projection")
        expect(visitor.page.locator("main")).to_contain_text(f"No projections: {reason}")
        visitor.open("#/0/0")
        expect(visitor.page.locator("figure.strongest .tile")).to_have_count(6)
