"""Folders of labelled images in each layout, small enough to see through."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _save(path, values):
    """Write a picture (height, width, 3) or labels (height, width), uint8 or uint16, as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, "PNG")
    return path


def _raw_png(width, height, depth, colour_type, lines):
    """A PNG as no library writes it: any depth and colour type, one byte string a line."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture
def save():
    return _save


@pytest.fixture
def raw_png():
    return _raw_png


@pytest.fixture
def photo():
    """A picture of noise of a size."""

    def make(height, width):
        generator = np.random.default_rng(height * 1009 + width)
        return generator.integers(0, 256, (height, width, 3)).astype(np.uint8)

    return make


@pytest.fixture
def masked(tmp_path, photo):
    """Make a folder of images with masks: `{stem: codes}`; each image is as large as its mask."""

    def make(codes, labels, name="street", images=None) -> Path:
        folder = tmp_path / name
        for stem, mask in codes.items():
            _save(folder / "images" / f"{stem}.png", photo(*mask.shape))
            _save(folder / "masks" / f"{stem}.png", mask)
        (folder / "labels.csv").write_text(labels)
        if images is not None:
            (folder / "images.csv").write_text(images)
        return folder

    return make


@pytest.fixture
def listed(tmp_path, photo):
    """Make a folder of images that a `labels.csv` lists."""

    def make(files, labels, name="surfaces") -> Path:
        folder = tmp_path / name
        for file in files:
            _save(folder / file, photo(6, 8))
        (folder / "labels.csv").write_text(labels)
        return folder

    return make
