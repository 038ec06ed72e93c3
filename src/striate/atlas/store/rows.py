"""What a reader of an atlas gets: layers, images, and the strongest images of a unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer as the atlas knows it.

    ``field`` is None where it sees the whole image; ``unprojected`` says why the deconvnet does not
    apply to it, and is None where it does.
    """

    number: int
    address: str
    operation: str
    units: int
    map_size: tuple[int, int]
    field: tuple[int, int] | None
    file: str
    sha256: str
    responses: str
    responses_sha256: str
    unprojected: str | None


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image of the probe set.

    Attributes:
        id: Its number.
        name: Its path, relative to the source.
        bytes: Size of the file.
        label: Index of its class; None: not known.
        best: The classes of the five highest scores, best first; empty: not seen, no scores, or NaN
            among them.
        rank: Place of the true class among the scores, from 0; None: not known.
        seen: Whether the network was run on it.
        skipped: Why it could not be; None: it was, or its turn has not come.
    """

    id: int
    name: str
    bytes: int
    label: int | None
    best: tuple[int, ...]
    rank: int | None
    seen: bool
    skipped: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a unit's strongest images: id, value, place of the neuron, box it sees."""

    image: int
    value: float
    row: int
    column: int
    box: tuple[int, int, int, int]
