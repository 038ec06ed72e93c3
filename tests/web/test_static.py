"""The page's own files: what a browser is told to fetch at once, and need not fetch again."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from striate.web.site import INDEX, static_files
from web.tiny import OWN, ask

FIRST = ("main.js", "page-network.js")
"""What the first view runs: the second is imported by the first when it is asked for."""


def imports(name: str) -> set[str]:
    """The modules that a module cannot start without."""
    source = static_files()[name].content.decode()
    return set(
        re.findall(r'^(?:import|export)\b[^"\']*["\']\./([^"\']+)["\']', source, re.MULTILINE)
    )


def closure(*names: str) -> set[str]:
    todo, found = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imports(name)
    return found


def test_the_first_view_s_modules_come_at_once() -> None:
    page = static_files()[INDEX].content.decode()
    told = re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', page)
    assert told == sorted(closure(*FIRST) - {"main.js"})
    assert len(told) > 20


def test_other_pages_modules_come_later() -> None:
    assert not closure(*FIRST) & {"page-layer.js", "unit-grid.js", "page-unit.js", "page-images.js"}


def test_what_a_browser_has_is_not_sent_again(tiny_app: FastAPI) -> None:
    def asked(path: str, tags: str) -> tuple[int, bytes, str | None]:
        headers = [*OWN, (b"if-none-match", tags.encode())]
        found = ask(tiny_app, path, headers=headers)
        return found.status, found.body, found.header("etag")

    for name in ("main.js", "base.css", "icon.svg"):
        whole = ask(tiny_app, f"/static/{name}")
        tag = whole.header("etag") or ""
        assert re.fullmatch(r'"[0-9a-f]{20}"', tag)
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            assert asked(f"/static/{name}", known) == (304, b"", tag)
        for other in ('"other"', "", tag[:-1], tag.strip('"')):
            assert asked(f"/static/{name}", other) == (200, whole.body, tag)


def test_files_that_differ_have_other_tags(tiny_app: FastAPI) -> None:
    names = [name for name in static_files() if name != INDEX]
    tags = {ask(tiny_app, f"/static/{name}").header("etag") for name in names}
    assert len(tags) == len({static_files()[name].content for name in names})


@pytest.mark.parametrize("path", ["/static/none.js", f"/static/{INDEX}"])
def test_what_is_not_there_is_not_known_either(tiny_app: FastAPI, path: str) -> None:
    assert ask(tiny_app, path, headers=[*OWN, (b"if-none-match", b"*")]).status == 404


def test_preloads_are_files_of_the_site() -> None:
    page = static_files()[INDEX].content.decode()
    for name in re.findall(r'(?:href|src)="static/([^"]+)"', page):
        assert name in static_files(), Path(name)


def test_dark_is_the_same_whoever_chose_it() -> None:
    """The palette stands twice in the style sheet: for the system's choice and for the reader's."""
    css = static_files()["base.css"].content.decode()
    system = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', css, re.DOTALL)
    chosen = re.search(r':root\[data-theme="dark"\] \{(.*?)\}', css, re.DOTALL)
    assert system is not None
    assert chosen is not None
    declared = [set(re.findall(r"(--[a-z-]+): ([^;]+);", found[1])) for found in (system, chosen)]
    assert declared[0] == declared[1]
    assert len(declared[0]) > 10
