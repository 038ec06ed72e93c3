"""A browser for each worker, atlases made once for all workers, and a page that is watched."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from web.browser import atlases
from web.browser.chromium import NoBrowserError, launch
from web.browser.serving import plain_files, served, striate
from web.browser.watch import Watch

TIMEOUT = 60_000
expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except NoBrowserError as error:
            if error.required:
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "the page"
    folder.mkdir(exist_ok=True)
    return folder


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder's content in one worker while the others wait."""
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def demo(workshop: Path) -> Path:
    """The demo's atlas in small, with pictures: ``atlas`` and ``scenes``."""
    return made_once(workshop / "demo", atlases.build_demo)


@pytest.fixture(scope="session")
def odd(workshop: Path) -> Path:
    """An atlas with hostile names, a dead unit, a wide layer and a file that is no picture."""
    return made_once(workshop / "odd", atlases.build_odd)


@pytest.fixture(scope="session")
def demo_site(demo: Path) -> Iterator[str]:
    """Address of the served demo, with its token."""
    with served(demo / "atlas") as address:
        yield address


@pytest.fixture(scope="session")
def odd_site(odd: Path) -> Iterator[str]:
    """Address of the served odd atlas, with its token."""
    with served(odd / "atlas") as address:
        yield address


@pytest.fixture(scope="session")
def exported(demo: Path) -> Path:
    """The demo, exported into a folder whose name has a space."""

    def export(folder: Path) -> None:
        run = striate("export", demo / "atlas", folder / "my site")
        assert run.returncode == 0, run.stdout + run.stderr

    return (
        made_once(demo.parent / "web", lambda folder: (folder.mkdir(), export(folder))) / "my site"
    )


@pytest.fixture(scope="session")
def exported_site(exported: Path) -> Iterator[str]:
    """Address of the exported demo on a plain web server, in a sub-path."""
    with plain_files(exported.parent) as address:
        yield f"{address}my%20site/"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT)
    yield context
    context.close()


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    """Fails the test on whatever goes wrong in the page; see `Watch`."""
    watch = Watch(context)
    yield watch
    assert not watch.troubles, "\n".join(watch.troubles)


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    return context.new_page()
