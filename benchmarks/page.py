"""The page that shows an atlas: requests, bytes and times, in a browser without a window.

There is no peer alive to run beside it, so these are plain milliseconds of this machine, of a new
browser profile each round. A view counts as drawn in the first frame in which every visible tile
is. The scroll test goes through the layer with the most units, a screen every half second, and
looks in each frame at which visible tiles are blank still; the demo's has but 128, so a small
network with a layer of 1000 is scrolled too.

``python -m benchmarks.page DIR`` takes another atlas than the demo's.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.report import print_table, write_results

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from web.browser.atlases import build_odd
from web.browser.chromium import launch
from web.browser.serving import served, striate

SCENES = 600
SCREEN = {"width": 1400, "height": 900}

DRAWN = """
({ after, from }) => new Promise((resolve) => {
  const began = from ?? performance.now();
  if (after !== null) location.hash = after;
  const look = () => {
    const tiles = [...document.querySelectorAll("main .tile")].filter((tile) => {
      const { top, bottom, width } = tile.getBoundingClientRect();
      return width > 0 && bottom > 0 && top < innerHeight;
    });
    const settled = tiles.every((tile) => tile.matches(".drawn, .missing, .dead"));
    const right = after === null || document.querySelector("main h1")?.dataset.seen !== "before";
    if (right && tiles.length && settled) resolve(performance.now() - began);
    else requestAnimationFrame(look);
  };
  const old = document.querySelector("main h1");
  if (after !== null && old) old.dataset.seen = "before";
  requestAnimationFrame(look);
})
"""

SCROLL = """
(seconds) => new Promise((resolve) => {
  const blank = new Map(), height = document.documentElement.scrollHeight - innerHeight;
  const grid = document.querySelector("unit-grid"), gap = 40;
  let longest = 0, frames = 0, tiles = 0, empty = 0, worst = 0, last = performance.now();
  const began = last;
  const blanks = () => {
    const { top: upper, bottom: lower } = grid.getBoundingClientRect();
    let [first, end] = [Infinity, -Infinity];
    const found = [];
    for (const tile of grid.querySelectorAll(".tile")) {
      const { top, bottom } = tile.getBoundingClientRect();
      if (bottom <= 0 || top >= innerHeight) continue;
      [first, end, tiles] = [Math.min(first, top), Math.max(end, bottom), tiles + 1];
      if (!tile.matches(".drawn, .missing, .dead")) found.push(tile);
    }
    // Rows of the grid that are in the window and not in the document are blank too.
    const hole = first > Math.max(0, upper) + gap || end < Math.min(innerHeight, lower) - gap;
    if (hole) found.push(grid);
    return found;
  };
  const look = (now) => {
    frames += 1;
    worst = Math.max(worst, now - last);
    last = now;
    scrollTo(0, height * Math.min(1, (now - began) / (seconds * 1000)));
    const still = new Set(blanks());
    empty += still.size;
    for (const one of still) {
      if (!blank.has(one)) blank.set(one, now);
      longest = Math.max(longest, now - blank.get(one));
    }
    for (const one of blank.keys()) if (!still.has(one)) blank.delete(one);
    const ended = now - began > seconds * 1000;
    if (ended && (still.size === 0 || now - began > seconds * 1000 + 5000)) {
      resolve({ height, frames, worst, longest, blank: tiles ? empty / tiles : 0 });
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""


def run(*, quick: bool, rounds: int) -> Any:
    """Measure the demo's page and print; return the results."""
    with tempfile.TemporaryDirectory() as folder:
        scenes = 60 if quick else SCENES
        made = striate("demo", "-o", folder, "--scenes", scenes, "--no-serve")
        assert made.returncode == 0, made.stderr
        found = measure(Path(folder) / "atlas", rounds)
        return {**found, "wide": wide(Path(folder) / "wide", rounds)}


def wide(folder: Path, rounds: int) -> list[dict[str, float]]:
    """Scroll through 1000 units whose pictures are there."""
    build_odd(folder)
    made = striate("illustrate", "atlas", cwd=folder)
    assert made.returncode == 0, made.stderr
    with sync_playwright() as playwright, served(folder / "atlas") as address:
        browser = launch(playwright)
        network = Client(address).message("data/network.json")
        scrolls = [scroll_times(browser, address, network) for _ in range(rounds)]
        browser.close()
    show_scrolls(scrolls)
    return scrolls


def measure(atlas: Path, rounds: int) -> dict[str, Any]:
    """Measure one atlas's page."""
    with served(atlas) as address:
        messages = message_times(Client(address), rounds)
    with sync_playwright() as playwright, served(atlas) as address:
        browser = launch(playwright)
        network = Client(address).message("data/network.json")
        views = [view_times(browser, address, network) for _ in range(rounds)]
        scrolls = [scroll_times(browser, address, network) for _ in range(rounds)]
        browser.close()
    found = {
        "network": network["name"],
        "layers": len(network["layers"]),
        "units": network["units"],
        "images": network["status"]["images"],
        "views": {kind: [view[kind] for view in views] for kind in views[0]},
        "scroll": scrolls,
        "messages": messages,
        "export": export_size(atlas),
    }
    show(found)
    return found


@contextmanager
def counted(browser: Browser) -> Iterator[tuple[Page, dict[str, int]]]:
    """A page of a new profile, with how much it has asked for so far."""
    context = browser.new_context(viewport={"width": SCREEN["width"], "height": SCREEN["height"]})
    page, count = context.new_page(), {"requests": 0, "bytes": 0}
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def finished(event: dict[str, Any]) -> None:
        count["requests"] += 1
        count["bytes"] += int(event["encodedDataLength"])

    session.on("Network.loadingFinished", finished)
    yield page, count
    context.close()


def view_times(browser: Browser, address: str, network: Any) -> dict[str, dict[str, float]]:
    """Open the network's page, then a layer's, a unit's and an image's."""
    layer = widest(network)
    found: dict[str, dict[str, float]] = {}
    with counted(browser) as (page, count):
        page.goto(address, wait_until="commit")
        found["network, first view"] = {"ms": page.evaluate(DRAWN, {"after": None, "from": 0})}
        page.wait_for_load_state("networkidle")
        found["network, first view"] |= count
        steps = {
            "layer": fragment_of(layer),
            "unit": f"{fragment_of(layer)}/{layer['units'] // 2}",
            "image": "#/images/0",
            "images": "#/images",
            "network again": "#/",
        }
        for kind, after in steps.items():
            before = dict(count)
            spent = page.evaluate(DRAWN, {"after": after, "from": None})
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(300)
            found[kind] = {"ms": spent} | {name: count[name] - before[name] for name in count}
    return found


def scroll_times(browser: Browser, address: str, network: Any) -> dict[str, float]:
    """Scroll through the layer with the most units, a screen every half second."""
    layer = widest(network)
    with counted(browser) as (page, _):
        page.goto(address, wait_until="commit")
        page.evaluate(DRAWN, {"after": None, "from": 0})
        page.evaluate(DRAWN, {"after": fragment_of(layer), "from": None})
        height = page.evaluate("document.documentElement.scrollHeight")
        seconds = max(1.0, height / SCREEN["height"] / 2)
        result: dict[str, float] = page.evaluate(SCROLL, seconds)
    return {"units": layer["units"], "seconds": seconds, **result}


def widest(network: Any) -> Any:
    """The layer with the most units."""
    return max(network["layers"], key=lambda layer: layer["units"])


def fragment_of(layer: Any) -> str:
    """Address of a layer in the page; a layer may be called as a section of the page is."""
    first, *rest = [quote(part, safe="") for part in layer["address"].split("/")]
    mark = "=" if first in {"images", "classes"} else ""
    return "#/" + "/".join([mark + first, *rest])


class Client:
    """Asks the server as a browser does, with the cookie that the token gives."""

    def __init__(self, address: str) -> None:
        self._open = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar())
        ).open
        self._base = address.partition("?")[0]
        self._open(address).close()

    def read(self, path: str) -> bytes:
        """Return what lies at a path."""
        with self._open(self._base + path) as answer:
            content: bytes = answer.read()
        return content

    def message(self, path: str) -> Any:
        """Return a message."""
        return json.loads(self.read(path))


def message_times(client: Client, rounds: int) -> dict[str, dict[str, float]]:
    """Ask a server that has just started for each kind of message, the first time and again."""
    found = {
        path: timed(client, path, rounds) for path in ("data/status.json", "data/network.json")
    }
    network = client.message("data/network.json")
    number = widest(network)["number"]
    paths = [
        "data/graph.json",
        f"data/layers/{number}.json",
        f"data/layers/{number}/units/0.json",
        "data/images/0.json",
        "data/images/names/0.json",
    ]
    if network["classes"]:
        paths += ["data/classes.json", "data/classes/0.json"]
    return found | {path: timed(client, path, rounds) for path in paths}


def timed(client: Client, path: str, rounds: int) -> dict[str, float]:
    """Return size and milliseconds of one message."""
    spent = []
    size = 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        size = len(client.read(path))
        spent.append((time.perf_counter() - began) * 1000)
    return {"bytes": size, "first": spent[0], "again": median(spent[1:])}


def export_size(atlas: Path) -> dict[str, float]:
    """Export the atlas; return files, bytes and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        began = time.perf_counter()
        run = striate("export", atlas, site)
        assert run.returncode == 0, run.stderr
        files = [path for path in site.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        return {"files": len(files), "bytes": size, "seconds": time.perf_counter() - began}


def show(found: dict[str, Any]) -> None:
    """Print what was measured."""
    of = f"{found['network']}: {found['units']} units over {found['images']} images"
    print_table(
        f"Page, navigation to the frame in which every visible tile is drawn ({of})",
        ("view", "ms [range]", "requests", "KB"),
        [
            [kind, spread([r["ms"] for r in rows]), rows[0]["requests"], rows[0]["bytes"] // 1000]
            for kind, rows in found["views"].items()
        ],
    )
    show_scrolls(found["scroll"])
    print_table(
        "Messages, ms from request to the last byte",
        ("message", "bytes", "first", "again"),
        [
            [path, int(m["bytes"]), f"{m['first']:.1f}", f"{m['again']:.1f}"]
            for path, m in found["messages"].items()
        ],
    )
    export = found["export"]
    print(
        f"\nExport: {export['files']} files, {export['bytes'] / 1e6:.1f} MB, "
        f"{export['seconds']:.1f} s",
        flush=True,
    )


def show_scrolls(scrolls: list[dict[str, float]]) -> None:
    """Print what scrolling through a layer was like."""
    print_table(
        f"Scrolling through {scrolls[0]['units']} units in {scrolls[0]['seconds']:.1f} s",
        ("longest blank tile, ms", "blank tiles, %", "longest frame, ms", "frames/s"),
        [
            [
                spread([s["longest"] for s in scrolls]),
                spread([100 * s["blank"] for s in scrolls], 2),
                spread([s["worst"] for s in scrolls]),
                spread([s["frames"] / s["seconds"] for s in scrolls]),
            ]
        ],
    )


def spread(values: list[float], digits: int = 0) -> str:
    """Return median and range."""
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def main() -> None:
    """Measure the page of the atlas that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page")
    parser.add_argument("atlas", type=Path, help="folder of an atlas")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    found = measure(asked.atlas.resolve(), asked.rounds)
    print(f"  -> {write_results('page', found, rounds=asked.rounds)}", flush=True)


if __name__ == "__main__":
    main()
