"""A synthetic image of every unit of an atlas: activation maximization, many units at once.

Batch after batch: the images, then their numbers (see `striate.atlas.synthetic`). Interrupted at
any point, the same call goes on with the batches that are left.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from torch import Tensor

from striate.atlas.illustrate import chosen_layers, writing
from striate.atlas.picture_files import PictureFiles, encoded, is_stored
from striate.atlas.pictures import Pictures
from striate.atlas.portraits import in_threads
from striate.atlas.sheets import SYNTHETIC, UNITS
from striate.atlas.similarity import spread
from striate.atlas.store.files import remove, write
from striate.atlas.store.reader import Atlas, LayerRow
from striate.atlas.synthetic import (
    Failure,
    Reached,
    Settings,
    SyntheticImages,
    centred_rank,
    store_numbers,
)
from striate.errors import MethodError, NetworkError
from striate.image.render import image_picture
from striate.methods.activation_maximization import finished
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.ascend import DivergedError, Frame
from striate.optimize.maximize import Job
from striate.optimize.presets import preset_named
from striate.optimize.sheet import coloured, stretched
from striate.optimize.space import Space

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What a run did.

    Attributes:
        made: How many images it made.
        there: How many units of the chosen layers have an image now, made with these settings.
        units: How many units the chosen layers have.
        troubles: Layers and units without an image, by address, and why.
    """

    made: int
    there: int
    units: int
    troubles: dict[str, str]


def settings_of(preset: str, seed: int, steps: int | None) -> Settings:
    """Return settings with all that the preset decides.

    Args:
        preset: Name of a preset.
        seed: Of the noise to start from.
        steps: How many; the preset's if None.

    Raises:
        MethodError: If there is no such preset, no steps, or no such seed.

    Example:
        >>> settings_of("erhan", 0, None)
        Settings(preset='erhan', seed=0, steps=200)
    """
    taken = preset_named(preset).steps if steps is None else steps
    if taken < 1:
        msg = f"steps={taken}: at least one is needed"
        raise MethodError(msg)
    if not -(2**63) <= seed < 2**64:
        msg = f"seed={seed}: generators take whole numbers of 64 bits, such as 0"
        raise MethodError(msg)
    return Settings(preset, seed, taken)


def synthesize(
    network: Network,
    atlas: Atlas,
    settings: Settings,
    *,
    layers: Sequence[str] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Synthesized:
    """Make and store a synthetic image of each unit of some layers of an atlas, once.

    Args:
        network: The atlas's network.
        atlas: The atlas, finished.
        settings: How they are made. Images that were made with others are made again.
        layers: Addresses or globs; None for all layers of the atlas.
        progress: Called with the images done and in all, of those that are missing.

    Returns:
        What was done. A layer that the method does not apply to, and a unit whose objective does
        not stay finite, are left out and named.

    Raises:
        AddressError: If a layer is not in the atlas.
        AtlasError: If the atlas is not finished or not there any more, the network is another,
            another run is writing, or a file cannot be written.
    """
    chosen = chosen_layers(atlas, layers)
    with writing(atlas, network):
        runs = [_Layer(network, atlas, atlas.layers[name], settings) for name in chosen]
        missing = [run.missing() for run in runs]
        before, total, troubles = 0, sum(map(len, missing)), dict[str, str]()
        for run, units in zip(runs, missing, strict=True):
            for done in run.make(units):
                progress(before + done, total)
            before += len(units)
            troubles |= run.troubles()
        return Synthesized(
            made=sum(run.made for run in runs),
            there=sum(run.there() for run in runs),
            units=sum(atlas.layers[name].units for name in chosen),
            troubles=troubles,
        )


class _Layer:
    """The images of one layer that are not stored yet with these settings."""

    def __init__(self, network: Network, atlas: Atlas, row: LayerRow, settings: Settings) -> None:
        self._network, self._atlas, self._row, self._settings = network, atlas, row, settings
        self._files, self._space = PictureFiles(atlas.home), Space.of(network)
        self._preset = preset_named(settings.preset)
        self._images = SyntheticImages(atlas).layer(row.number)
        self.made = 0

    def missing(self) -> list[int]:
        """Return the units that have no image, and did not fail, with these settings."""
        failed = {u for u, found in self._images.failed.items() if found.settings == self._settings}
        settled = failed | self._there
        return [unit for unit in range(self._row.units) if unit not in settled]

    @property
    def _there(self) -> set[int]:
        return {
            unit
            for unit, found in self._images.made.items()
            if found.settings == self._settings
            and is_stored(self._files.synthetic(self._row.number, unit))
        }

    def there(self) -> int:
        """Return how many units have an image."""
        return len(self._there)

    def troubles(self) -> dict[str, str]:
        """Return why units have none, by address."""
        images = self._images
        if images.refused is not None:
            return {self._row.address: images.refused}
        return {
            str(Address(self._row.address, unit)): failure.reason
            for unit, failure in images.failed.items()
            if failure.settings == self._settings
        }

    def make(self, units: Sequence[int]) -> Iterator[int]:
        """Make and store images; yield how many are done, those in progress in proportion."""
        done, refused = 0, None
        addresses = [Address(self._row.address, unit) for unit in units]
        try:
            jobs = deque(maximize.plan(self._network, addresses, self._preset))
            while jobs:
                job = jobs.popleft()
                count = len(job.places)
                try:
                    for share in self._run(job):
                        yield done + int(count * share)
                except DivergedError as error:
                    self._record({}, {_unit(job.asked[k]): str(error) for k in error.images})
                    rest, count = job.without(error.images), len(error.images)
                    if rest.places:
                        jobs.appendleft(rest)
                done += count
        except (MethodError, NetworkError) as error:
            refused = str(error)
        if refused != self._images.refused:
            self._images = replace(self._images, refused=refused)
            store_numbers(self._atlas, self._row, self._images)
        self._draw_sheets()
        yield len(units)

    def _run(self, job: Job) -> Iterator[float]:
        """Make and store the images of a job; yield which share of the steps is done."""
        steps, frame = self._settings.steps, None
        for frame in maximize.run(
            self._network, job, self._preset, seed=self._settings.seed, steps=steps
        ):
            yield frame.step / steps
        if frame is not None:
            self._store(job, frame)

    def _store(self, job: Job, frame: Frame) -> None:
        """Write the pictures of a job, then their numbers."""
        settings = self._settings
        found = finished(
            self._network, {job: frame}, preset=settings.preset, seed=settings.seed,
            steps=settings.steps,
        )  # fmt: skip
        pictures, reached, failed = {}, dict[int, Reached](), dict[int, str]()
        for index, address in enumerate(found.addresses):
            unit, activation = _unit(address), float(found.activations[index])
            if not math.isfinite(activation):
                failed[unit] = f"its activation on its image is {activation}"
                continue
            shown, factor = stretched(found.picture(index), self._space)
            pictures[unit] = image_picture(coloured(shown))
            reached[unit] = Reached(
                settings,
                activation,
                rank=int(found.ranks[index]),
                centred_rank=centred_rank(_array(found.peaks[index]), unit, self._usual),
                contrast=factor,
                size=(pictures[unit].shape[0], pictures[unit].shape[1]),
            )
        self._clear(reached)

        def put(unit: int) -> None:
            picture = pictures[unit]
            write(
                self._files.synthetic(self._row.number, unit),
                encoded(picture, max(picture.shape[:2])),
                within=self._atlas.home,
            )

        for _ in in_threads(put, pictures):
            pass
        self._record(reached, failed)
        self.made += len(reached)

    @cached_property
    def _usual(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each unit's largest activation in an image of the probe set."""
        return spread(self._atlas.responses(self._row.address))

    def _clear(self, units: Iterable[int]) -> None:
        """Forget the sheets that show units, then their older numbers, before they are replaced."""
        for page in sorted({unit // UNITS.each for unit in units}):
            remove(self._files.layer_sheet(self._row.number, SYNTHETIC, page))
        replaced = self._images.made.keys() & set(units)
        if replaced:
            for unit in replaced:
                del self._images.made[unit]
            store_numbers(self._atlas, self._row, self._images)

    def _record(self, reached: Mapping[int, Reached], failed: Mapping[int, str]) -> None:
        """Write the numbers of images whose pictures are stored, and why others have none."""
        for unit, known in reached.items():
            self._images.made[unit] = known
            self._images.failed.pop(unit, None)
        for unit, reason in failed.items():
            self._images.failed[unit] = Failure(self._settings, reason)
        store_numbers(self._atlas, self._row, self._images)

    def _draw_sheets(self) -> None:
        """Store the sheets of a layer that has images, as far as they are not stored."""
        pictures, number = Pictures(self._atlas, self._network), self._row.number
        there = SyntheticImages(self._atlas).any_stored(number)
        for page in range(UNITS.pages(self._row.units) if there else 0):
            path = self._files.layer_sheet(number, SYNTHETIC, page)
            if not is_stored(path):
                sheet = pictures.layer_sheet(number, SYNTHETIC, page)
                write(path, sheet, within=self._atlas.home)


def _unit(address: Address) -> int:
    return address.unit or 0


def _array(values: Tensor) -> np.ndarray:
    return np.asarray(values.double().cpu())
