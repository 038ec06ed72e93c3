"""Synthetic images of an atlas's units as they are stored: each a picture with its numbers.

The numbers of a layer are one file, written behind the pictures that they are of: a picture without
numbers does not count, nor do numbers whose picture is gone or torn. Before a picture is replaced
its numbers go, so that none has another's.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from striate.atlas.picture_files import PictureFiles, is_stored
from striate.atlas.store.files import write
from striate.atlas.store.kept import Kept
from striate.atlas.store.reader import Atlas, LayerRow


@dataclass(frozen=True, slots=True)
class Settings:
    """How an image is made; see `striate.optimize.presets`.

    Attributes:
        preset: Name of the preset.
        seed: Of the noise to start from.
        steps: How many.
    """

    preset: str
    seed: int
    steps: int


@dataclass(frozen=True, slots=True)
class Reached:
    """What is known of a synthetic image.

    Attributes:
        settings: How it was made.
        activation: The unit's largest activation on it, at the network's own input size.
        rank: How many units of the layer have a larger one, plus 1.
        centred_rank: See `centred_rank`.
        contrast: By what the stored picture's distance from the mean is larger than the image's.
        size: Height and width of the stored picture.
    """

    settings: Settings
    activation: float
    rank: int
    centred_rank: int | None
    contrast: float
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a unit has no image, and with which settings none was made."""

    settings: Settings
    reason: str


@dataclass(frozen=True, slots=True)
class LayerImages:
    """The synthetic images of a layer.

    Attributes:
        made: What each unit's image reached, for those that have one.
        failed: Units whose objective did not stay finite.
        refused: Why the method does not apply to the layer; None: it does, or was not asked.
    """

    made: dict[int, Reached] = field(default_factory=dict)
    failed: dict[int, Failure] = field(default_factory=dict)
    refused: str | None = None

    def why_not(self, unit: int) -> str | None:
        """Return why a unit has no image; None: it has one, or nobody asked for it."""
        if unit in self.made:
            return None
        failure = self.failed.get(unit)
        return self.refused if failure is None else failure.reason


class SyntheticImages:
    """What is stored at this moment; any thread may ask. Of an unfinished atlas, nothing is.

    `reached` and `stored` look for the pictures too; `layer` is what the numbers' file says.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._atlas, self._files = atlas, PictureFiles(atlas.home)
        self._rows = rows = list(atlas.layers.values())
        self._kept = Kept(
            self._files.synthetic_numbers,
            lambda number, content: _from_json(content, atlas, rows[number]),
        )

    def layer(self, number: int) -> LayerImages:
        """Return what there is of a layer, by its number; files of other atlases do not count."""
        found = self._kept.now(number) if self._atlas.finished else None
        return LayerImages() if found is None else found

    def reached(self, number: int, unit: int) -> Reached | None:
        """Return what a unit's image reached; None if the unit has no number or no picture."""
        known = self.layer(number).made.get(unit)
        return known if is_stored(self._files.synthetic(number, unit)) else None

    def stored(self, number: int) -> dict[int, Reached]:
        """Return what each image of a layer reached; a number without its picture is none."""
        return dict(self._stored(number))

    def any_stored(self, number: int) -> bool:
        """Return whether a layer has any image."""
        return next(self._stored(number), None) is not None

    def _stored(self, number: int) -> Iterator[tuple[int, Reached]]:
        for unit, known in self.layer(number).made.items():
            if is_stored(self._files.synthetic(number, unit)):
                yield unit, known

    def absent(self, number: int, unit: int | None = None) -> str:
        """Say that a layer, or a unit of it, has no image, and which command makes it."""
        layer, made = self._rows[number].address, self.layer(number).made
        what = layer if unit is None else f"{layer}:{unit}"
        counts = Counter(known.settings for known in made.values())
        if not counts:
            return f"{what} has no synthetic image: `striate illustrate DIR --maximize` makes them"
        # Other settings would make all the others of the layer again.
        most = counts.most_common(1)[0][0]
        how = f"--preset {most.preset} --seed {most.seed} --steps {most.steps}"
        return (
            f"{what} has no synthetic image: `striate illustrate DIR --maximize --layers {layer} "
            f"{how}` makes it as the layer's others were made"
        )

    @property
    def revision(self) -> str:
        """A short hash of all numbers; empty where there are none."""
        return self._kept.revision(range(len(self._atlas.layers)) if self._atlas.finished else ())


def store_numbers(atlas: Atlas, row: LayerRow, images: LayerImages) -> None:
    """Write the numbers of a layer, whole or not at all.

    Raises:
        AtlasError: If they cannot be written.
    """
    said = {
        "atlas": atlas.revision,
        "layer": row.address,
        "refused": images.refused,
        "units": _by_unit(images.made),
        "failed": _by_unit(images.failed),
    }
    content = json.dumps(said, allow_nan=False, separators=(",", ":"))
    path = PictureFiles(atlas.home).synthetic_numbers(row.number)
    write(path, content.encode(), within=atlas.home)


def _by_unit(known: Mapping[int, Reached | Failure]) -> dict[str, Any]:
    return {str(unit): asdict(value) for unit, value in sorted(known.items())}


def _from_json(content: bytes, atlas: Atlas, row: LayerRow) -> LayerImages:
    """Read what `store_numbers` wrote; what is damaged or of another atlas counts as nothing."""
    try:
        found = json.loads(content)
        if (found["atlas"], found["layer"]) != (atlas.revision, row.address):
            return LayerImages()
        refused = found["refused"]
        return LayerImages(
            {unit: _reached(known) for unit, known in _of_units(found["units"], row)},
            {
                unit: Failure(_settings(known), str(known["reason"]))
                for unit, known in _of_units(found["failed"], row)
            },
            None if refused is None else str(refused),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return LayerImages()


def _of_units(known: Mapping[str, Any], row: LayerRow) -> Iterator[tuple[int, Any]]:
    for name, value in known.items():
        unit = int(name)
        if not 0 <= unit < row.units:
            msg = f"{row.address} has no unit {unit}"
            raise ValueError(msg)
        yield unit, value


def _reached(known: Mapping[str, Any]) -> Reached:
    centred = known["centred_rank"]
    height, width = (int(side) for side in known["size"])
    activation, contrast = float(known["activation"]), float(known["contrast"])
    if not (math.isfinite(activation) and math.isfinite(contrast) and min(height, width) > 0):
        msg = f"{activation}, {contrast}, {height} x {width}: no image is like that"
        raise ValueError(msg)
    return Reached(
        _settings(known),
        activation,
        int(known["rank"]),
        None if centred is None else int(centred),
        contrast,
        (height, width),
    )


def _settings(known: Mapping[str, Any]) -> Settings:
    found = known["settings"]
    return Settings(str(found["preset"]), int(found["seed"]), int(found["steps"]))


def centred_rank(
    peaks: Float[np.ndarray, " units"],
    unit: int,
    usual: tuple[Float[np.ndarray, " units"], Float[np.ndarray, " units"]],
) -> int | None:
    """Return how many units an image drives further above what is usual for them, plus 1.

    Units differ in scale: one that is large on every image is large on a synthetic one too. So
    each unit's largest activation on the image is counted in standard deviations above the mean of
    its largest activations over the probe set.

    Args:
        peaks: Largest activation of each unit on the image.
        unit: Which unit is ranked.
        usual: Mean and standard deviation of each unit's largest activations over the probe set,
            from `striate.atlas.similarity.spread`. Units that never vary are not compared.

    Returns:
        The rank, from 1; None if the unit itself never varies, as one that never fires.

    Source:
        The standard score, ranked.

    Example:
        >>> usual = np.array([1.0, 8.0, 0.0]), np.array([1.0, 4.0, np.nan])
        >>> centred_rank(np.array([4.0, 10.0, 9.0]), 0, usual)
        1
        >>> centred_rank(np.array([4.0, 10.0, 9.0]), 1, usual)
        2
        >>> centred_rank(np.array([4.0, 10.0, 9.0]), 2, usual) is None
        True
    """
    mean, deviation = usual
    apart = (peaks - mean) / deviation
    if not math.isfinite(apart[unit]):
        return None
    return int((apart > apart[unit]).sum()) + 1
