"""A visitor of the page: opens its views afresh and waits until they are there."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

PATIENCE = 60_000  # a picture may have to be made, by a network that must be loaded first
PROBES = Path(__file__).with_name("probes")


def probe(page: Page, name: str) -> Any:
    """Run one of the probes in a page."""
    return page.evaluate((PROBES / f"{name}.js").read_text("utf-8").partition("\n")[2])


def call(page: Page, module: str, function: str, *arguments: object) -> Any:
    """Call a function of one of the page's own modules."""
    return page.evaluate(
        """async ([module, name, given]) => {
          const found = await import(new URL(`static/${module}.js`, document.baseURI));
          return found[name](...given);
        }""",
        [module, function, list(arguments)],
    )


class Visitor:
    """Somebody who was given the address that ``striate serve`` prints.

    Args:
        page: A page of a browser.
        address: With the token, if there is one.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.base = address.partition("?")[0]
        if self.base != address:
            # The cookie comes as it would with the page, only sooner.
            assert page.request.get(address).ok

    def open(self, fragment: str) -> Page:
        """Open a view as if its address were typed into a new tab."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}{fragment}")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until the view is there and every tile in the window is drawn."""
        probe(self.page, "frames")
        settled = (PROBES / "settled.js").read_text("utf-8").partition("\n")[2]
        self.page.wait_for_function(settled, timeout=PATIENCE)

    def heading(self, text: str | re.Pattern[str]) -> None:
        """Wait for the view that has this heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)
        self.settle()

    @property
    def fragment(self) -> str:
        """What the address bar says behind the #."""
        return self.page.url.partition("#")[2]

    @property
    def main(self) -> Locator:
        """The view without what stands above it."""
        return self.page.get_by_role("main")


def message(visitor: Visitor, path: str) -> Any:
    """A message, as the page gets it."""
    answer = visitor.page.request.get(f"{visitor.base}{path}")
    assert answer.ok, f"{path}: {answer.status}"
    return answer.json()
