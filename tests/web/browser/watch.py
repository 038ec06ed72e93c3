"""Notes whatever goes wrong in a browser context: a page's test fails on any of it."""

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response, WebError

_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI}`);
});
"""


class Watch:
    """Troubles of all pages of a context, in words.

    A request that is given up because the page goes elsewhere is no trouble.
    """

    def __init__(self, context: BrowserContext) -> None:
        self._noted: list[str] = []
        self._allowed: list[str] = []
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)
        context.on("dialog", self._dialog)

    def allow(self, pattern: str) -> None:
        """Expect troubles that match a pattern."""
        self._allowed.append(pattern)

    @property
    def troubles(self) -> list[str]:
        """What went wrong and was not expected."""
        return [t for t in self._noted if not any(re.search(p, t) for p in self._allowed)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            place = message.location.get("url", "")
            self._noted.append(f"console {message.type}: {message.text} ({place})")

    def _error(self, error: WebError) -> None:
        self._noted.append(f"page error: {error.error}")

    def _failed(self, request: Request) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):
            self._noted.append(f"request failed: {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._noted.append(f"status {response.status}: {response.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self._noted.append(f"dialog: {dialog.message}")
        dialog.dismiss()
