"""Finds a browser and starts it.

``STRIATE_BROWSER`` is the path of one, or ``required``: then it is an error if there is none.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowserError(Exception):
    """No browser was found; ``required`` says whether that is an error."""

    def __init__(self, reason: str, *, required: bool) -> None:
        super().__init__(reason)
        self.required = required


def find_browser() -> str:
    """Return the path of a Chromium.

    Raises:
        NoBrowserError: If there is none.
    """
    asked = os.environ.get("STRIATE_BROWSER", "")
    required = asked == "required"
    if asked and not required:
        if not os.access(asked, os.X_OK) or Path(asked).is_dir():
            msg = f"STRIATE_BROWSER names {asked!r}, which is no program"
            raise NoBrowserError(msg, required=True)
        return asked
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    msg = (
        f"no browser: none of {', '.join(NAMES)} is on the PATH. Install one (Debian: "
        "apt-get install chromium) or give its path in STRIATE_BROWSER"
    )
    raise NoBrowserError(msg, required=required)


def launch(playwright: Playwright) -> Browser:
    """Start the browser, without a window.

    Raises:
        NoBrowserError: If there is none.
    """
    return playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
