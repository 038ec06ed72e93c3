"""Several sets of labelled images become one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int32

from striate.image.concepts import colours
from striate.image.concepts.concept_set import Concept, ConceptSet, LabelledImage, MaskFile

Table = Int32[np.ndarray, "_"]


def join(named: Sequence[tuple[str, ConceptSet]]) -> ConceptSet:
    """Join sets: concepts of the same name and category become one.

    Args:
        named: Sets, each with the name that its images' names shall begin with; where two have the
            same, the second one's gets "-2" behind it.

    Returns:
        The concepts in the order in which the sets first name them, and all images.

    Example:
        >>> one = ConceptSet((Concept("sky", "object"),), ())
        >>> len(join([("a", one), ("b", one)]).concepts)
        1
    """
    place: dict[Concept, int] = {}
    images: list[LabelledImage] = []
    taken: set[str] = set()
    for own, found in named:
        prefix = _unused(own, taken)
        moved = np.array(
            [place.setdefault(concept, len(place)) for concept in found.concepts], np.int32
        )
        tables: dict[int, Table] = {}
        for image in found.images:
            masks = tuple(_moved(mask, moved, tables) for mask in image.masks)
            whole = tuple(int(moved[concept]) for concept in image.whole)
            name = f"{prefix}/{image.name}"
            images.append(replace(image, name=name, masks=masks, whole=whole))
    return ConceptSet(tuple(place), tuple(images))


def with_colours(concepts: ConceptSet) -> ConceptSet:
    """Make the colours of all pixels concepts too.

    Args:
        concepts: A set without.

    Returns:
        The same set with the eleven basic colours; those that it knows already keep their places.

    Example:
        >>> with_colours(ConceptSet((), ())).concepts[0]
        Concept(name='red', category='colour')
    """
    place = {concept: index for index, concept in enumerate(concepts.concepts)}
    own = tuple(
        place.setdefault(Concept(name, colours.CATEGORY), len(place)) for name in colours.COLOURS
    )
    images = tuple(replace(image, coloured=True) for image in concepts.images)
    return ConceptSet(tuple(place), images, own)


def _unused(name: str, taken: set[str]) -> str:
    """The name, or with the first number behind it that is free; from then on it is taken."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}-{count}"
    taken.add(free)
    return free


def _moved(
    mask: MaskFile, moved: Int32[np.ndarray, " concepts"], tables: dict[int, Table]
) -> MaskFile:
    """A mask whose codes mean the joined set's concepts; `tables` has those moved already."""
    known = tables.get(id(mask.concept))
    if known is None:
        known = mask.concept.copy()
        meant = known >= 0
        known[meant] = moved[known[meant]]
        tables[id(mask.concept)] = known
    return replace(mask, concept=known)
