"""Sources of labelled images, joined into one set; what one image shows on a grid.

A source is a folder in one of four layouts, told apart by what is in it: Broden's (`broden`),
images with masks (`folder`), a list of image labels or a folder for each class (`image_labels`). Or
it is the word "colours" (`colours`).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64, UInt

from striate.errors import ImageError
from striate.image.concepts import colours
from striate.image.concepts.broden import is_broden, read_broden
from striate.image.concepts.concept_set import (
    NOTHING,
    UNKNOWN,
    ConceptSet,
    LabelledImage,
    MaskFile,
    Segments,
)
from striate.image.concepts.folder import read_masks
from striate.image.concepts.geometry import grid_places, nearest, same_shape
from striate.image.concepts.image_labels import lists_files, read_classes, read_image_labels
from striate.image.concepts.joining import join, with_colours
from striate.image.concepts.tables import read_table, some
from striate.image.decode import decode_labels
from striate.image.preprocess import Preprocessing
from striate.shapes import Display

COLOURS = "colours"
"""The source that means colours, computed from the pixels of all images."""


def concept_set(sources: Sequence[str]) -> ConceptSet:
    """Find labelled images, from one or several sources; no picture is read yet.

    Concepts of the same name and category are one, whichever sources they come from.

    Args:
        sources: Of each the path of a folder; or `CATEGORY=PATH` to name the category of its
            labels; or "colours", which adds the eleven basic colours to all images of the other
            sources (a folder of that name is "./colours").

    Returns:
        The concepts and the images, source after source. The name of an image begins with that of
        its folder.

    Raises:
        ImageError: If there is no source but "colours", a source has no known layout or stands
            there twice, or something in it is missing or wrong.

    Example:
        >>> concept_set(["camvid", "texture=dtd", "colours"]).categories  # doctest: +SKIP
        ('object', 'texture', 'colour')
    """
    folders: dict[Path, ConceptSet] = {}
    for source in sources:
        if source == COLOURS:
            continue
        path, category = _parsed(source)
        if path.resolve() in folders:
            msg = f"the folder {str(path)!r} is named twice; name each source once"
            raise ImageError(msg)
        folders[path.resolve()] = _read(path, category)
    if not folders or sources.count(COLOURS) > 1:
        wrong = "stands there twice" if folders else "has no images of its own: give a folder too"
        msg = f"labelled images are asked of {list(sources)}, and {COLOURS!r} {wrong}"
        raise ImageError(msg)
    joined = join([(path.name or "images", found) for path, found in folders.items()])
    return with_colours(joined) if COLOURS in sources else joined


def segments(
    concepts: ConceptSet,
    image: LabelledImage,
    picture: Display,
    preprocessing: Preprocessing,
    ratio: int,
) -> Segments:
    """Say what an image shows at each place of a grid on the network's input.

    Row i and column j of the grid stand for the point ((i + 0.5) ratio, (j + 0.5) ratio) of the
    input, in pixels; a last one on or behind the edge, for the last pixel. What is there in the
    masks, and the colour of the pixel there, counts: nothing is averaged. In padding there is
    nothing but what covers the whole image.

    Args:
        concepts: The set.
        image: One of its images.
        picture: The image as it was decoded.
        preprocessing: From the picture to the network's input.
        ratio: Pixels of the input from one place to the next.

    Returns:
        Concepts on a grid of ceil(height / ratio) x ceil(width / ratio) places, where height x
        width is the size of the network's input.

    Raises:
        ImageError: If a mask cannot be read, has not the image's proportions, or holds a code that
            the list of labels lacks.

    Example:
        >>> empty = LabelledImage("a.png", Path("a.png"))
        >>> picture = np.zeros((9, 9, 3), np.uint8)
        >>> segments(ConceptSet((), (empty,)), empty, picture, Preprocessing(), 2).planes.shape
        (0, 112, 112)
    """
    size = picture.shape[0], picture.shape[1]
    down, across = grid_places(preprocessing, size, ratio)
    whole = np.unique(np.asarray(image.whole, np.int32))
    planes: list[Int32[np.ndarray, "rows columns"]] = []
    for mask in image.masks:
        codes = _codes(mask, size)
        rows, columns = nearest(down, codes.shape[0]), nearest(across, codes.shape[1])
        _add(planes, _padded(mask.concept[codes[rows][:, columns]], rows, columns), whole)
    if image.coloured:
        rows, columns = nearest(down, size[0]), nearest(across, size[1])
        names = colours.name_pixels(picture[rows][:, columns])
        meaning = np.asarray(concepts.colours, np.int32)
        _add(planes, _padded(meaning[names], rows, columns), whole)
    empty = np.zeros((0, len(down), len(across)), np.int32)
    return Segments(np.stack(planes) if planes else empty, whole)


def fingerprint(concepts: ConceptSet) -> str:
    """Tell one set from another without reading a picture.

    Args:
        concepts: The set.

    Returns:
        A hash, in hexadecimal digits, of the concepts, the names and parts of the images, which
        concepts are said to be where, and the sizes of all files (not of what is in them).

    Example:
        >>> fingerprint(ConceptSet((), ())) == fingerprint(with_colours(ConceptSet((), ())))
        False
    """
    tables: dict[int, int] = {}
    codes: list[list[int]] = []
    listed: list[object] = []
    for image in concepts.images:
        masks: list[object] = []
        for mask in image.masks:
            # One table serves many files, and some have thousands of codes.
            if id(mask.concept) not in tables:
                tables[id(mask.concept)] = len(codes)
                codes.append(mask.concept.tolist())
            masks.append([_bytes_of(mask.path), tables[id(mask.concept)], mask.two_bytes])
        size = _bytes_of(image.path)
        listed.append([image.name, image.part, size, image.coloured, list(image.whole), masks])
    named = [[concept.name, concept.category] for concept in concepts.concepts]
    everything = json.dumps([named, list(concepts.colours), codes, listed])
    return hashlib.sha256(everything.encode()).hexdigest()


def _bytes_of(path: Path) -> int:
    """The size of a file, -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def placed(source: str) -> str:
    """Return a source as it can be found from any working directory.

    Args:
        source: As `concept_set` takes it.

    Raises:
        ImageError: If there is no such folder.

    Example:
        >>> placed("colours")
        'colours'
    """
    if source == COLOURS:
        return source
    path, category = _parsed(source)
    return str(path.resolve()) if category is None else f"{category}={path.resolve()}"


def _parsed(source: str) -> tuple[Path, str | None]:
    """A source's folder, and the category if it names one.

    Raises:
        ImageError: If there is no such folder.
    """
    path, category = Path(source), None
    if not path.exists() and "=" in source:
        named, _, rest = source.partition("=")
        path, category = Path(rest), named.strip()
        if not category or not rest:
            msg = f"{source!r} must name a category and a folder: CATEGORY=PATH"
            raise ImageError(msg)
    if not path.is_dir():
        msg = (
            f"there is no folder {str(path)!r} of labelled images; give the path of one, "
            f"CATEGORY=PATH, or the word {COLOURS!r}"
        )
        raise ImageError(msg)
    return path, category


def _read(folder: Path, category: str | None) -> ConceptSet:
    """Read a folder in the layout that it has.

    Raises:
        ImageError: If it has none of the known ones.
    """
    if is_broden(folder):
        if category is not None:
            msg = f"{str(folder)!r} is in Broden's format, which says the categories; leave out "
            raise ImageError(msg + f"'{category}='")
        return read_broden(folder)
    if (folder / "masks").is_dir():
        return read_masks(folder, category)
    labels = folder / "labels.csv"
    if labels.is_file() and lists_files(read_table(labels)):
        return read_image_labels(folder, category)
    found = None if labels.is_file() else read_classes(folder, category)
    if found is None:
        msg = (
            f"{str(folder)!r} has no layout that is known. Looked for: index.csv and label.csv "
            "(Broden's format); images/, masks/ and labels.csv with index,name; labels.csv with a "
            "column 'file' (labels of whole images); two or more folders with images (classes)"
        )
        raise ImageError(msg)
    return found


def _codes(mask: MaskFile, size: tuple[int, int]) -> UInt[np.ndarray, "height width"]:
    """The codes of a mask that fits the image and holds no unknown code.

    Raises:
        ImageError: If it does not.
    """
    codes = decode_labels(mask.path, two_bytes=mask.two_bytes)
    height, width = codes.shape
    if not same_shape((height, width), size):
        msg = (
            f"the mask {str(mask.path)!r} is {height} x {width} pixels, and its image "
            f"{size[0]} x {size[1]}: not alike but for the scale (an image that its EXIF data turn "
            "needs a mask that is turned)"
        )
        raise ImageError(msg)
    unknown = _unknown(mask.concept, codes)
    if unknown:
        msg = (
            f"the mask {str(mask.path)!r} holds codes that the list of labels lacks: "
            f"{some([str(code) for code in unknown])}; add them (as 'unlabelled' if they mean none)"
        )
        raise ImageError(msg)
    return codes


def _unknown(
    meaning: Int32[np.ndarray, " codes"], codes: UInt[np.ndarray, "height width"]
) -> list[int]:
    """Which codes are there that the list of labels lacks."""
    highest = int(codes.max())
    # Lists mostly have no gaps, and then the highest code speaks for all.
    if highest < len(meaning) and (meaning[: highest + 1] != UNKNOWN).all():
        return []
    present = np.flatnonzero(np.bincount(codes.reshape(-1)))
    return [int(c) for c in present if c >= len(meaning) or meaning[c] == UNKNOWN]


def _padded(
    plane: Int32[np.ndarray, "rows columns"],
    rows: Int64[np.ndarray, " rows"],
    columns: Int64[np.ndarray, " columns"],
) -> Int32[np.ndarray, "rows columns"]:
    """Take away what stands where there is no image."""
    plane[rows == NOTHING] = NOTHING
    plane[:, columns == NOTHING] = NOTHING
    return plane


def _add(
    planes: list[Int32[np.ndarray, "rows columns"]],
    plane: Int32[np.ndarray, "rows columns"],
    whole: Int32[np.ndarray, " labels"],
) -> None:
    """Add a plane without what is known of its places already; none if nothing is left."""
    if len(whole):
        plane[np.isin(plane, whole)] = NOTHING
    for earlier in planes:
        plane[plane == earlier] = NOTHING
    if (plane != NOTHING).any():
        planes.append(plane)
