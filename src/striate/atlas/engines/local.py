"""All shards of a plan on this machine, one after the other; killed at any point, it goes on."""

import csv
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from striate.atlas.classes import matched
from striate.atlas.observe import Batch, Observer
from striate.atlas.plan import Plan, make_plan
from striate.atlas.reading import ImageReader
from striate.atlas.store.facts import class_names_of, facts_of
from striate.atlas.store.files import crash_point, write
from striate.atlas.store.ledger import Ledger
from striate.atlas.store.lock import locked
from striate.atlas.store.reader import Atlas
from striate.atlas.store.writer import write_atlas
from striate.errors import AtlasError
from striate.image.folder import ImageFile, Labels, find_images, folder_labels, read_labels
from striate.network.network import Network


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is.

    Attributes:
        done: Images done, those of earlier runs and unreadable ones included.
        total: Images in all.
        skipped: Unreadable images met in this run.
        resumed_from: Images that earlier runs had done.
        seconds: Time since this run began.
    """

    done: int
    total: int
    skipped: int
    resumed_from: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second in this run."""
        return (self.done - self.resumed_from) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Time left at this rate; None before the first image."""
        return (self.total - self.done) / self.rate if self.done > self.resumed_from else None


def build_atlas(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    images: Path | str,
    folder: Path | str,
    *,
    labels: Path | str | None = None,
    layers: Sequence[str] | None = None,
    top: int = 9,
    batch: int = 32,
    restart: bool = False,
    max_bad: float | None = None,
    workers: int | None = None,
    recipe: dict[str, object] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Atlas:
    """Watch every unit of a network over a folder of images.

    Interrupted at any point, the same call goes on where it was; the finished atlas is the same,
    byte for byte.

    Args:
        network: The network, on the device to run on.
        images: A folder (recursive), a text list of files, or a folder with a folder per class.
        folder: Where the atlas goes.
        labels: CSV with the class of each image; by default class folders, where there are some.
        layers: Addresses or globs; by default what `plan.default_layers` says.
        top: How many strongest images to keep of each unit.
        batch: Images in a batch.
        restart: Throw away what is there and begin anew.
        max_bad: Stop when more than this share of all images cannot be read; None: never.
        workers: Threads that read images.
        recipe: How the network was loaded, kept beside the atlas for later commands.
        progress: Called now and then.

    Returns:
        The atlas.

    Raises:
        AtlasError: If the folder holds another atlas, is in use, or cannot be written.
        ImageError: If there are no images, or labels do not fit.

    Example:
        >>> import striate
        >>> network = striate.load("squeezenet1_1")  # doctest: +SKIP
        >>> striate.build_atlas(network, "photos", "photos-atlas").summary()  # doctest: +SKIP
    """
    source, out = Path(images), Path(folder)
    files = find_images(source)
    if top < 1 or batch < 1:
        msg = f"top={top} and batch={batch} must be at least 1"
        raise AtlasError(msg)
    known = read_labels(Path(labels), files) if labels is not None else folder_labels(files)
    known = matched(known, network) if known is not None else None
    plan = make_plan(network, files, known, layers=layers, top=top, batch=batch)
    with locked(out):
        if restart:
            _clear(out)
        finished = _finished(out, plan)
        _write_recipe(out, source, recipe)
        if finished is None:
            run = _Run(out, plan, network, files, known, progress, max_bad, workers)
            run.all_shards()
            write_atlas(out, run.ledger)
            run.ledger.discard()
            finished = Atlas(out)
        _write_skipped(out, finished)
        return finished


def _clear(folder: Path) -> None:
    """Remove what is there; the database before its layers: a half-removed atlas is no atlas.

    Raises:
        AtlasError: If it cannot be removed.
    """
    try:
        for name in ("pictures", "dissection", "net2vec"):
            _remove(folder / name)
        for name in ("atlas.sqlite", "atlas.sha256", "recipe.json", "skipped.csv"):
            (folder / name).unlink(missing_ok=True)
            crash_point()
        Ledger(folder).discard()
        _remove(folder / "responses")
        _remove(folder / "layers")
    except OSError as error:
        msg = f"cannot remove what is in {folder}: {error}"
        raise AtlasError(msg) from error


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    crash_point()


def _finished(folder: Path, plan: Plan) -> Atlas | None:
    """Return the finished atlas of this plan, or None; refuse one of another plan."""
    if (folder / "atlas.sqlite").exists():
        atlas = Atlas(folder)
        _refuse_other(folder, atlas.plan, plan)
        atlas.digest()
        Ledger(folder).discard()
        return atlas
    begun = Ledger(folder).plan()
    if begun is not None:
        _refuse_other(folder, begun, plan)
    return None


def _refuse_other(folder: Path, begun: Plan, plan: Plan) -> None:
    differences = begun.differences(plan)
    if differences:
        msg = (
            f"{folder} holds an atlas of something else ({'; '.join(differences)}): choose another "
            "folder, or begin anew with --restart"
        )
        raise AtlasError(msg)


def _write_recipe(folder: Path, source: Path, recipe: dict[str, object] | None) -> None:
    kept = {"images": str(source.resolve()), "recipe": recipe}
    write(folder / "recipe.json", json.dumps(kept, indent=1, sort_keys=True).encode())


def _write_skipped(folder: Path, atlas: Atlas) -> None:
    """Write ``skipped.csv``: which images were not seen, and why; nothing if all were."""
    skipped = atlas.skipped()
    if skipped:
        text = io.StringIO(newline="")
        rows = csv.writer(text)
        rows.writerows([("file", "reason"), *skipped])
        content = text.getvalue().encode("utf-8", "surrogateescape")
        write(folder / "skipped.csv", content)


class _Run:
    """One run over the shards that are not done yet."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        network: Network,
        images: Sequence[ImageFile],
        labels: Labels | None,
        progress: Callable[[Progress], None],
        max_bad: float | None,
        workers: int | None,
    ) -> None:
        self.ledger = Ledger(folder)
        self._plan, self._network, self._images, self._labels = plan, network, images, labels
        self._progress, self._max_bad, self._workers = progress, max_bad, workers
        self._began = time.monotonic()

    def all_shards(self) -> None:
        plan = self._plan
        self._begin()
        done = set(self.ledger.done())
        self._bad_before = len(self.ledger.skipped())
        finished = sum(len(plan.shard_range(number)) for number in done)
        resumed_from = finished
        todo = [number for number in range(plan.shards) if number not in done]
        if not todo:
            return
        observer = Observer(self._network, plan.layers, plan.top)
        indices = self._labels.index if self._labels is not None else None
        with ImageReader(
            self._network, self._images, indices, batch=plan.batch, workers=self._workers
        ) as reader:
            for number in todo:
                self._shard(number, observer, reader, finished, resumed_from)
                finished += len(plan.shard_range(number))

    def _begin(self) -> None:
        """Write down what is known before the first image, unless an earlier run has."""
        try:
            _, facts = self.ledger.begun()
        except AtlasError:
            facts = facts_of(self._plan, self._network, self._images, self._labels)
            self.ledger.begin(self._plan, facts)
        # The plan does not hold the names: they can be given from a later run on.
        names = class_names_of(self._network, self._labels)
        if facts.class_names != names:
            self.ledger.begin(self._plan, replace(facts, class_names=names))

    def _shard(
        self, number: int, observer: Observer, reader: ImageReader, finished: int, resumed: int
    ) -> None:
        ids = self._plan.shard_range(number)
        before = len(reader.skipped)

        def report(seen: int) -> None:
            skipped = len(reader.skipped)
            seconds = time.monotonic() - self._began
            self._progress(Progress(finished + seen, self._plan.images, skipped, resumed, seconds))
            self._check_bad(reader)

        def reported() -> Iterator[Batch]:
            seen = 0
            for batch in reader.batches(ids):
                yield batch
                seen += len(batch.ids)
                report(seen)

        summary = observer(reported())
        self.ledger.commit(number, summary, reader.skipped[before:])
        report(len(ids))

    def _check_bad(self, reader: ImageReader) -> None:
        bad = self._bad_before + len(reader.skipped)
        if self._max_bad is not None and bad > self._max_bad * self._plan.images:
            msg = f"{bad} of {self._plan.images} images cannot be read, more than --max-bad allows"
            for last in reader.skipped[-1:]:
                msg += f"; the last is {self._images[last.image].name!r}: {last.reason}"
            raise AtlasError(msg)
