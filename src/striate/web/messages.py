"""What the page is told: the JSON of every address, as the server sends and the export writes it.

Numbers that are not finite, or that nobody knows, are null. Boxes are (top, left, bottom, right)
in pixels of the network's input, half-open. Layers go by their number, in execution order.
"""

from typing_extensions import TypedDict

from striate.web.messages_concepts import (
    ConceptColumns,
    Dissected,
    LayerConcepts,
    Share,
    UnitConcepts,
)


class Sheets(TypedDict):
    """Small pictures laid together in larger ones: item k is on page k // (rows * columns)."""

    tile: int  # side of a tile in pixels
    columns: int
    rows: int
    pages: int


class Status(TypedDict):
    """``data/status.json``: how far the atlas is."""

    revision: str  # changes whenever anything else may have changed
    finished: bool
    seen: int
    images: int


class SkippedImage(TypedDict):
    """An image that could not be read."""

    image: int
    file: str
    reason: str


class LayerFacts(TypedDict):
    """What a layer is."""

    number: int
    address: str
    operation: str
    units: int
    map_size: tuple[int, int]  # rows, columns
    receptive_field: tuple[int, int] | None  # height, width in pixels; null: the whole image
    dead: int  # units that never fire
    detectors: int | None  # units that detect a concept; null: the layer is not dissected
    detected: int | None  # how many concepts they detect


class LayerLine(LayerFacts):
    """A layer in the list of the network's layers."""

    samples: list[int]  # units to show, at most eight; row of `samples` sheets, see Network


class Network(TypedDict):
    """``data/network.json``: the first page, and what all pages need."""

    name: str
    identity: str  # hash of the plan
    status: Status
    image_size: tuple[int, int, int]  # channels, height, width
    preprocessing: str  # in words
    skipped: int
    skipped_images: list[SkippedImage]  # the first hundred
    top1: float | None  # percent of the labelled images
    top5: float | None
    judged: int  # images with a known class and scores
    classes: int  # classes with a name, a label or a place in a `best`; 0: no class pages
    units: int
    top: int  # how many strongest images a unit keeps
    layers: list[LayerLine]
    aliases: dict[str, str]  # other names of layers, with the address
    views: list[str]  # of the layers' sheets: crop, mean, projection
    sample_sheets: (
        Sheets  # one row a layer, `columns` tiles; page p has layers p*rows to (p+1)*rows-1
    )
    thumbnails: Sheets  # of the images, by id
    dissection: Dissected | None  # null: no concept pages
    names_page: int  # how many names are in one of data/images/names/PAGE.json


class GraphNode(TypedDict):
    """A layer in the drawing; `layer` is null where the atlas did not observe it."""

    address: str
    operation: str
    units: int | None
    map_size: tuple[int, int]
    layer: int | None
    rank: int  # row in the drawing, from 0 at the input
    column: float  # place in the row; 0 is the middle, one step a node's width


class Graph(TypedDict):
    """``data/graph.json``: the network as nodes and edges; node 0 is the input image."""

    nodes: list[GraphNode]
    edges: list[tuple[int, int]]  # from, to: indices of nodes


class UnitColumns(TypedDict):
    """One value a unit, in order of units."""

    maximum: list[float | None]
    mean: list[float]
    fires: list[float]  # share of images with a positive activation
    fires_places: list[float]  # share of neurons
    selectivity: list[float | None]
    best_class: list[int | None]
    dead: list[bool]
    top_image: list[int | None]  # id of the strongest image
    concept: ConceptColumns | None  # null: the layer is not dissected


class Layer(LayerFacts):
    """``data/layers/N.json``: a layer, with what its grid sorts and filters by."""

    columns: UnitColumns
    unprojected: str | None  # why there are no projections
    similarity: list[int] | None  # units in an order that puts similar ones side by side
    class_names: dict[str, str]  # of the best classes
    sheets: Sheets  # of each view, by unit
    # What each unit's synthetic image reaches, null where it has none. A list of these makes
    # "synthetic" one more view; null: the layer has none.
    synthetic: list[float | None] | None
    unsynthesized: str | None  # why the layer can have none
    concepts: LayerConcepts | None  # null: the layer is not dissected


class Top(TypedDict):
    """One of a unit's strongest images."""

    image: int
    file: str
    label: int | None
    class_name: str | None
    value: float  # activation of the strongest neuron
    row: int
    column: int
    box: tuple[int, int, int, int]  # what that neuron sees, cut at the image's borders


class ClassMean(TypedDict):
    """A unit's mean activation over the images of a class."""

    class_index: int
    name: str | None
    mean: float


class SimilarUnit(TypedDict):
    """A unit with its correlation, over the images, of largest activations."""

    unit: int
    correlation: float


class Synthetic(TypedDict):
    """An image made to excite a unit: pictures/synthetic/N/U.webp."""

    preset: str
    seed: int
    steps: int
    activation: float  # the unit's largest on it
    rank: int  # how many units of the layer have a larger one, plus 1
    centred_rank: int | None  # the same, in deviations from what is usual; null: it never varies
    contrast: float  # what the picture's contrast was multiplied by
    size: tuple[int, int]  # height, width of the picture


class Unit(TypedDict):
    """``data/layers/N/units/U.json``."""

    address: str
    layer: int
    unit: int
    maximum: float | None
    mean: float
    deviation: float | None
    fires: float
    fires_places: float
    not_finite: int  # images on which it gave infinity or no number; they count nowhere else
    dead: bool
    best_class: int | None
    best_class_name: str | None
    selectivity: float | None
    images: int
    places: int
    # pictures/units/N/U.webp has their crops above and their projections below, from the first
    # multiple of 16 rows that leaves at least two between.
    top: list[Top]
    histogram: list[tuple[float | None, float | None, int]]  # low, high, count; null: no bound
    class_means: list[ClassMean]  # the twelve largest
    classes: int  # how many classes have a mean
    similar: list[SimilarUnit]  # the eight most alike in the layer; correlations above 0 alone
    unprojected: str | None  # why there are no projections: the strip's lower row is grey
    synthetic: Synthetic | None
    unsynthesized: str | None  # why it has none, if it was to have one
    concepts: UnitConcepts | None  # null: the layer is not dissected
    shares: list[Share]  # of concepts that were learnt from the layer's units, largest first
    python: str  # the lines that make its strongest projection, or else record the layer


class Excited(TypedDict):
    """A unit that an image excites."""

    unit: int
    value: float  # its largest activation in the image
    deviations: float  # standard deviations above its mean over the images
    place: int | None  # from 1, where the image is among the unit's strongest


class ExcitedLayer(TypedDict):
    """The units of a layer that an image excites most, by deviations."""

    layer: int
    address: str
    units: list[Excited]


class Class(TypedDict):
    """A class by index and name."""

    class_index: int
    name: str | None


class Image(TypedDict):
    """``data/images/ID.json``."""

    image: int
    file: str
    bytes: int
    label: int | None
    class_name: str | None
    best: list[Class]  # the network's first five, best first
    rank: int | None  # place of the true class among the scores, from 0
    seen: bool
    skipped: str | None  # why it was not seen
    size: tuple[int, int]  # height, width of pictures/images/ID.webp: the network's input
    layers: list[ExcitedLayer]


class Names(TypedDict):
    """``data/images/names/PAGE.json``: a run of images, in order of ids."""

    first: int
    names: list[str]
    labels: list[int | None]
    predicted: list[int | None]
    correct: list[bool | None]
    skipped: list[bool]


class ClassLine(TypedDict):
    """A class in the list of classes."""

    class_index: int
    name: str | None
    images: int  # labelled so
    judged: int  # of these, seen with scores
    correct: int  # of these, the first guess is right
    top5: int
    predicted: int  # images whose first guess is this class


class Classes(TypedDict):
    """``data/classes.json``: all classes and the confusion matrix."""

    classes: list[ClassLine]
    order: list[int]  # class indices, confused classes together; ascending if over 2048
    cells: list[tuple[int, int, int]]  # true class, first guess, images; the rest is zero


class Confused(TypedDict):
    """Images of one class taken for another."""

    class_index: int
    name: str | None
    images: list[int]


class SelectiveUnit(TypedDict):
    """A unit that responds most to a class."""

    layer: int
    address: str  # of the unit
    unit: int
    selectivity: float
    maximum: float | None


class ClassPage(TypedDict):
    """``data/classes/K.json``."""

    class_index: int
    name: str | None
    images: int
    judged: int
    correct: int
    top5: int
    taken_for: list[
        Confused
    ]  # its images by first guess, most first; the right guess is among them
    mistaken_for_it: list[Confused]  # images of other classes guessed as this one, by true class
    unjudged: list[int]  # its images without scores
    units: list[SelectiveUnit]  # the 24 most selective units whose best class it is


class Problem(TypedDict):
    """Any error, as ``application/problem+json``."""

    title: str
    status: int
    detail: str
