"""A small atlas with awkward images, and a way to ask an application without a network."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from striate.atlas.engines.local import Progress, build_atlas
from striate.atlas.recipe import Recipe
from striate.atlas.store.reader import Atlas
from web.tiny_network import CLASSES, SIDE

Result = TypeVar("Result")

TESTS = Path(__file__).parents[1]
IMAGES = 10
BROKEN = 4
"""Id of an image that is none."""
BYTES_NAME = os.fsdecode(b"04-\xff.png")
NAMES = [f"{k:02d}-picture.png" for k in range(IMAGES)]
NAMES[4] = "04-broken.png"
NAMES[7] = "07-<img src=x onerror=alert(1)>.png"
Headers = Sequence[tuple[bytes, bytes]]


def build_tiny(folder: Path, *, shards: int | None = None) -> Path:
    """Make ``folder/atlas`` of ``folder/images``, four images in a shard; stop after some."""
    images = folder / "images"
    if not images.exists():
        draw_images(images)

    def stop(seen: Progress) -> None:
        if shards is not None and seen.done > 4 * shards:
            raise KeyboardInterrupt

    recipe = Recipe("web.tiny_network:make", resize=SIDE, crop=SIDE, class_names=CLASSES)
    before = sys.modules["striate.atlas.plan"].default_shard
    sys.modules["striate.atlas.plan"].default_shard = lambda _: 4
    try:
        build_atlas(
            recipe.load("cpu"), images, folder / "atlas", labels=folder / "labels.csv", top=4,
            batch=2, workers=1, recipe=recipe.to_json(), progress=stop,
        )  # fmt: skip
    except KeyboardInterrupt:
        assert shards is not None
    finally:
        sys.modules["striate.atlas.plan"].default_shard = before
    return folder / "atlas"


def draw_images(folder: Path) -> None:
    """Ten files: one is no picture, one is named by a byte that is no text, two have no label."""
    folder.mkdir(parents=True)
    rows = ["file,index,name"]
    for number, name in enumerate([*NAMES, BYTES_NAME]):
        levels = np.random.default_rng(number).integers(0, 256, (20, 18, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / name)
        if number < 8:
            rows.append(f'"{name}",{number % 3},{CLASSES[number % 3]}')
    (folder / NAMES[BROKEN]).write_bytes(b"no picture")
    (folder.parent / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.encode()]
        assert len(found) <= 1, f"{name} is there {len(found)} times"
        return found[0].decode() if found else None

    def json(self) -> Any:
        return json.loads(self.body)


OWN = ((b"host", b"127.0.0.1:8471"),)


def ask(
    app: Any,
    path: str,
    *,
    method: str = "GET",
    query: str = "",
    headers: Headers = OWN,
    kind: str = "http",
    raw_path: bytes | None = None,
) -> Answer:
    """Ask an ASGI application, with exactly these headers."""
    scope: dict[str, Any] = {
        "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "path": path, "raw_path": raw_path or path.encode("utf-8", "surrogateescape"),
        "query_string": query.encode(), "root_path": "", "headers": list(headers),
        "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8471), "state": {},
    }  # fmt: skip
    if kind == "http":
        scope["method"] = method
    else:
        scope["scheme"], scope["subprotocols"] = "ws", []
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not said and kind == "websocket":
            return {"type": "websocket.connect"}
        if kind == "http" and not getattr(receive, "told", False):
            receive.told = True  # type: ignore[attr-defined]
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        said.append(dict(message))

    in_a_loop(app(scope, receive, send))
    start = said[0]
    if start["type"] == "websocket.close":
        return Answer(403, [], b"")
    if start["type"] == "websocket.accept":
        return Answer(101, [], b"")
    body = b"".join(message.get("body", b"") for message in said[1:])
    return Answer(start["status"], [(bytes(k), bytes(v)) for k, v in start["headers"]], body)


def opened(folder: Path) -> Atlas:
    return Atlas(folder)


def in_a_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a thread: in this one the browser's loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
