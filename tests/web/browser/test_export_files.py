"""The exported site as files: each address that the page can ask for is there, and nothing else."""

import json
import math
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNASKED = {".nojekyll", "striate-site.json"}
KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def message(site: Path, path: str) -> Any:
    def refuse(constant: str) -> None:
        msg = f"{path} holds {constant}, which is no JSON"
        raise AssertionError(msg)

    return json.loads((site / path).read_text("utf-8"), parse_constant=refuse)


def linked(site: Path) -> set[str]:
    """What index.html names, and what that names in turn."""
    todo, found = ["index.html"], set()
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        if not (site / path).is_file():
            continue
        text = re.sub(r"/\*.*?\*/", "", (site / path).read_text("utf-8"), flags=re.DOTALL)
        patterns = {
            ".html": r"""\b(?:href|src)\s*=\s*["']([^"'#]+)["']""",
            ".js": r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']""",
            ".css": r"""url\(\s*["']?([^"')]+)""",
        }
        pattern = patterns.get(Path(path).suffix)
        names = re.findall(pattern, text) if pattern else []
        todo += [urljoin(path, name) for name in names if not name.startswith("data:")]
    return found


def asked(site: Path) -> Iterator[str]:
    """Every message and picture, as the messages themselves count them."""
    network = message(site, "data/network.json")
    yield from ("data/status.json", "data/network.json", "data/graph.json")
    images = network["status"]["images"]
    for page in range(math.ceil(images / network["names_page"])):
        yield f"data/images/names/{page}.json"
    for image in range(images):
        yield f"data/images/{image}.json"
        yield f"pictures/images/{image}.webp"
    for kind, sheets in (
        ("samples", network["sample_sheets"]),
        ("thumbnails", network["thumbnails"]),
    ):
        assert sheets["pages"] > 0, f"no {kind}"
        yield from (f"pictures/{kind}/{page}.webp" for page in range(sheets["pages"]))
    for line in network["layers"]:
        number = line["number"]
        yield f"data/layers/{number}.json"
        yield from sheets_asked(site, number, network["views"])
        for unit in range(line["units"]):
            yield f"data/layers/{number}/units/{unit}.json"
            yield f"pictures/units/{number}/{unit}.webp"
    if network["classes"]:
        yield "data/classes.json"
        for line in message(site, "data/classes.json")["classes"]:
            yield f"data/classes/{line['class_index']}.json"


def sheets_asked(site: Path, number: int, views: list[str]) -> Iterator[str]:
    """The sheets of a layer, and its synthetic images."""
    layer = message(site, f"data/layers/{number}.json")
    pages, reached = layer["sheets"]["pages"], layer["synthetic"] or []
    for view in [*views, *(["synthetic"] if reached else [])]:
        yield from (f"pictures/layers/{number}/{view}/{page}.webp" for page in range(pages))
    for unit, value in enumerate(reached):
        if value is not None:
            yield f"pictures/synthetic/{number}/{unit}.webp"


def there(site: Path) -> set[str]:
    return {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}


def test_every_address_exists_and_no_other_file(exported: Path) -> None:
    files = there(exported)
    wanted = linked(exported) | set(asked(exported))
    assert sorted(wanted - files) == [], "asked for and not there"
    loose = {path for path in files - wanted - UNASKED if not path.startswith("static/")}
    assert sorted(loose) == [], "there and never asked for"
    size = sum((exported / path).stat().st_size for path in files)
    print(f"the demo's site: {len(files)} files, {size / 1e6:.1f} MB")  # noqa: T201 - pytest -s


def test_every_module_is_reached_from_the_page(exported: Path) -> None:
    modules = {path for path in there(exported) if path.startswith("static/")}
    assert modules - linked(exported) == set()


def test_each_message_is_strict_json(exported: Path) -> None:
    messages = [path for path in sorted(there(exported)) if path.endswith(".json")]
    assert len(messages) > 100
    for path in messages:
        message(exported, path)


def test_nothing_names_this_machine(exported: Path) -> None:
    """No path of this machine, no host, in any file."""
    places = {str(exported.parents[1]), str(ROOT), sys.prefix, str(Path.home())}
    names = [place.encode() for place in places if len(place) > 2]
    breaches = []
    for path in sorted(there(exported)):
        content = (exported / path).read_bytes()
        breaches += [f"{path}: {name.decode()}" for name in names if name + b"/" in content]
        breaches += [f"{path}: localhost" for _ in re.findall(rb"localhost|127\.0\.0\.1", content)]
    assert not breaches, "\n".join(breaches)


def test_a_plain_server_gives_the_right_kinds(exported: Path, exported_site: str) -> None:
    for path in sorted(linked(exported)):
        with urllib.request.urlopen(f"{exported_site}{path}") as answer:  # noqa: S310 - loopback
            kind = answer.headers.get_content_type()
            assert kind == KINDS[Path(path).suffix], path


@pytest.mark.parametrize("path", ["data/layers/0.json", "pictures/units/0/0.webp"])
def test_the_crawl_can_fail(exported: Path, tmp_path: Path, path: str) -> None:
    copy = tmp_path / "site"
    for file in there(exported):
        if file != path:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            (copy / file).hardlink_to(exported / file)
    if path.startswith("data"):
        with pytest.raises(FileNotFoundError):
            set(asked(copy))
    else:
        assert set(asked(copy)) - there(copy) == {path}
