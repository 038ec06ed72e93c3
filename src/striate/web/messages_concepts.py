"""The messages about concepts, of an atlas that is dissected; see `messages`.

A unit *detects* a concept if no other concept of its category has a larger IoU with the unit, and
that IoU is above `level`. A unit is a *detector* if it detects anything. Pixels are those of the
grid on which activations and labels are compared.
"""

from typing_extensions import TypedDict


class Dissected(TypedDict):
    """How the units were compared with concepts."""

    concepts: int
    categories: list[str]
    images: int  # of the concept set
    skipped: int  # further ones, that could not be read
    quantile: float  # share of a unit's places, over all images, above its threshold
    level: float  # a detector's IoU is above this
    sides: tuple[int, int]  # rows, columns of the grid
    upsampling: str  # "field": anchored where the neurons look; "resize": plain


class UnitIou(TypedDict):
    """A unit of a layer and its IoU with a concept."""

    unit: int
    iou: float
    images: int  # how many tiles its picture has


class DetectedConcept(TypedDict):
    """A concept and the units of a layer that detect it, largest IoU first."""

    concept: int
    name: str
    units: list[UnitIou]


class DetectedCategory(TypedDict):
    """What a layer detects of a category: its unique detectors, most units first."""

    category: str
    concepts: list[DetectedConcept]


class ConceptColumns(TypedDict):
    """The concept of each unit's largest IoU, detected or not; null: it covers nothing labelled."""

    index: list[int | None]
    name: list[str | None]
    category: list[str | None]
    iou: list[float | None]


class LayerConcepts(TypedDict):
    """What the units of a layer detect."""

    detectors: int  # units
    unique: int  # concepts
    categories: list[DetectedCategory]  # all that the set has


class Overlap(TypedDict):
    """A concept and how much of it a unit covers, over all images, in pixels of the grid."""

    concept: int
    name: str
    category: str
    iou: float  # intersection / (truth + activation - intersection)
    truth: int  # labelled so
    activation: int  # above the unit's threshold, in images with any label of the category
    intersection: int


class ConceptImage(TypedDict):
    """One of a unit's strongest images of the concept set."""

    file: str
    value: float  # activation of the strongest neuron
    row: int
    column: int


class Share(TypedDict):
    """What a unit adds to a concept's vector over the units of its layer (Net2Vec)."""

    name: str
    category: str
    concept: int | None  # null: the units are not compared with this concept one by one
    task: str  # "segmentation" or "classification"
    share: float  # the unit's weight in the vector of length 1, in [-1, 1]
    measure: str  # what both scores are: "iou" or (balanced) "accuracy", on held-out images
    score: float  # of all units of the layer together
    unit: int  # the single best unit
    unit_score: float


class UnitConcepts(TypedDict):
    """What a unit has in common with concepts."""

    threshold: float | None  # the unit counts as active above it; null: it is not finite
    best: Overlap | None  # null: it covers nothing that is labelled
    in_categories: list[Overlap]  # the best of each category, largest IoU first
    # Tile k of pictures/concepts/N/U.webp shows image k, bright where the unit is above its
    # threshold, the best concept outlined.
    images: list[ConceptImage]


class LearntConcept(TypedDict):
    """What the units of a layer reach of a concept together, and one alone (Net2Vec)."""

    layer: int
    address: str
    task: str
    measure: str
    score: float
    unit: int
    unit_score: float
    blind: float  # what one gets who looks at no image
    nearest: list[str]  # concepts whose vectors are most alike, most alike first


class DetectingUnit(TypedDict):
    """A unit of a layer that detects a concept, or comes near."""

    unit: int
    iou: float
    truth: int
    activation: int
    intersection: int
    best: int  # the concept of all categories that it has the largest IoU with
    best_name: str
    images: int  # how many tiles its picture has


class DetectingLayer(TypedDict):
    """A layer and its units that detect a concept, largest IoU first."""

    layer: int
    address: str
    units: list[DetectingUnit]


class ConceptUnit(TypedDict):
    """A unit by its layer, with its IoU."""

    layer: int
    address: str  # of the unit
    unit: int
    iou: float


class ConceptLine(TypedDict):
    """A concept in the list of all."""

    concept: int
    name: str
    category: str
    pixels: int  # labelled so, in all images
    detectors: int  # units of all layers
    best: ConceptUnit | None  # the largest IoU, detector or not; null: no unit covers any of it


class DissectedLayer(TypedDict):
    """How much a layer detects."""

    layer: int
    address: str
    units: int
    detectors: int
    unique: list[int]  # concepts, by category


class Concepts(TypedDict):
    """``data/concepts.json``."""

    dissection: Dissected
    concepts: list[ConceptLine]
    layers: list[DissectedLayer]


class ConceptPage(TypedDict):
    """``data/concepts/K.json``."""

    concept: int
    name: str
    category: str
    pixels: int
    layers: list[DetectingLayer]  # in execution order, those that detect it
    nearest: list[DetectingLayer]  # where none does: the unit with the largest IoU
    learnt: list[LearntConcept]
