"""Images whose pixels are labelled with concepts, from one or several sources.

A pixel may carry several concepts, also of one category. A label that is given for a whole image
(a texture, a scene) covers all its pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32

NOTHING = -1
"""What a pixel without a label carries."""

UNKNOWN = -2
"""What a code means that its list of labels lacks: a file that holds it is not understood."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A labelled class of segments; name and category together tell it from others."""

    name: str
    category: str


@dataclass(frozen=True, slots=True, eq=False)
class MaskFile:
    """A picture of labels, of any size: it covers the whole image.

    Attributes:
        path: The file.
        concept: Index of the concept of each code that the file may hold, by code; `NOTHING`
            where a code means none, `UNKNOWN` where the file may not hold it.
        two_bytes: Whether a code is red + 256 green, as Broden writes it; else the one channel.
    """

    path: Path
    concept: Int32[np.ndarray, " codes"]
    two_bytes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image and what is known of its pixels.

    Attributes:
        name: Unique in the set, without machine paths: "camvid/images/0001.jpg".
        path: The file.
        masks: Layers of pixel labels.
        whole: Concepts that cover the whole image.
        coloured: Whether the pixels' colours are concepts too.
        part: "train", "val" or whatever the source says; "" where it does not say.
    """

    name: str
    path: Path
    masks: tuple[MaskFile, ...] = ()
    whole: tuple[int, ...] = ()
    coloured: bool = False
    part: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ConceptSet:
    """Concepts and the images that show them.

    Attributes:
        concepts: A concept's index is its place here.
        images: An image's id is its place here.
        colours: Index of the concept of each basic colour, in the order of `COLOURS` in
            `striate.image.concepts.colours`; empty where no image is `coloured`.
    """

    concepts: tuple[Concept, ...]
    images: tuple[LabelledImage, ...]
    colours: tuple[int, ...] = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, in the order in which concepts first name them."""
        return tuple(dict.fromkeys(concept.category for concept in self.concepts))


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """What one image shows on the grid on which activations are compared.

    Attributes:
        planes: Index of a concept at each place, `NOTHING` where there is none. No place has the
            same concept in two planes, and none that is in `whole`.
        whole: Indices of concepts that cover all places.
    """

    planes: Int32[np.ndarray, "planes rows columns"]
    whole: Int32[np.ndarray, " labels"]
