"""How many images a second one thread reads, beside how many the network takes.

Reading is decoding, resizing, cropping and normalizing. The pictures are made (smooth noise saved
as JPEG, 500 x 375 and 2000 x 1500), or those of ``STRIATE_DATA``.
"""

import io
import os
from pathlib import Path
from typing import Any

import torch

import striate
from benchmarks.material import SIDE, make_network, pictures
from benchmarks.measure import cpu_seconds, ratios
from benchmarks.report import print_table
from striate.image.decode import decode
from striate.image.folder import find_images
from striate.image.preprocess import Preprocessing

NETWORKS = ("squeezenet1_0", "resnet18")
COUNT = 16


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    found = []
    for name in NETWORKS[-1:] if quick else NETWORKS:
        for kind, files in sources().items():
            found.append(compare(name, kind, files, rounds))
    print_table(
        "Reading / fast forward of the same images, one thread each (the fast forward is 1)",
        ("network", "pictures", "ratio", "read/s", "forward/s"),
        [[r[k] for k in ("network", "pictures", "ratio", "read/s", "forward/s")] for r in found],
    )
    return found


def compare(name: str, kind: str, files: list[bytes | Path], rounds: int) -> dict[str, Any]:
    """Return the ratio and both rates, in images a second of CPU time."""
    network = striate.load(make_network(name), image_size=SIDE, name=name)
    fast = network.fast(lambda trace: trace.outputs, network.image_size)
    images = pictures(COUNT)
    preprocess = Preprocessing(
        resize=256, crop=SIDE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )

    def read() -> None:
        for file in files:
            preprocess(decode(file))

    def forward() -> None:
        with torch.inference_mode():
            fast(images)

    ratio = ratios(forward, {"ratio": read}, rounds)["ratio"]
    rates = {
        "read/s": round(COUNT / cpu_seconds(read)),
        "forward/s": round(COUNT / cpu_seconds(forward)),
    }
    return {"network": name, "pictures": kind, "ratio": ratio, **rates}


def sources() -> dict[str, list[bytes | Path]]:
    """Return sets of pictures by name, `COUNT` of each."""
    folder = os.environ.get("STRIATE_DATA")
    if folder:
        files = [file.path for file in find_images(Path(folder))]
        return {Path(folder).name: [files[k % len(files)] for k in range(COUNT)]}
    return {
        "500 x 375": [jpeg(500, 375, k) for k in range(COUNT)],
        "2000 x 1500": [jpeg(2000, 1500, k) for k in range(COUNT)],
    }


def jpeg(width: int, height: int, seed: int) -> bytes:
    """Return a made picture as JPEG, quality 90."""
    from PIL import Image

    from benchmarks.material import made_pictures

    tile = made_pictures(1, max(width, height), seed)[0, :, :height, :width]
    pixels = (128 + 50 * tile).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
