# ruff: noqa: INP001 - a program
"""Makes the pictures of the page for the README: network, layer, unit and class of the demo.

    python docs/pictures/make_page.py [ATLAS]

Without an atlas the demo's is made first. Needs Chromium, as the page's tests do.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from striate.atlas.store.reader import Atlas
from web.browser.chromium import launch
from web.browser.serving import served, striate
from web.browser.visiting import Visitor

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1400, 875
MOST_BYTES = 250_000


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("atlas", type=Path, nargs="?", help="default: the demo's, made now")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        atlas = asked.atlas
        if atlas is None:
            run = striate("demo", "-o", folder, "--no-serve")
            if run.returncode:
                sys.exit(run.stderr)
            atlas = Path(folder) / "atlas"
        take_all(atlas.resolve())


def take_all(folder: Path) -> None:
    """Open each view and write it as ``page-VIEW.webp``."""
    with sync_playwright() as playwright, served(folder) as address:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        visitor = Visitor(page, address)
        for view, fragment in views(Atlas(folder)).items():
            take(visitor.open(fragment), HERE / f"page-{view}.webp")
        browser.close()


def views(atlas: Atlas) -> dict[str, str]:
    """What to show: a layer half way, and in it the unit that one class excites most."""
    layers = list(atlas.layers)
    layer = layers[min(2, len(layers) - 1)]
    units = atlas.units(layer)
    best = max(units, key=lambda unit: unit["selectivity"] or 0)
    return {
        "network": "#/",
        "layer": f"#/{layer}",
        "unit": f"#/{layer}/{best['unit']}",
        "class": f"#/classes/{best['best_class']}",
    }


def take(page: Page, path: Path) -> None:
    """Write what the window shows."""
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot()))
    for quality in (90, 80, 70, 60):
        picture.save(path, "WEBP", quality=quality, method=6)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path.name}: {path.stat().st_size // 1000} kB")  # noqa: T201 - a program


if __name__ == "__main__":
    main()
