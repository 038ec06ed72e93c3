"""Training an UpconvNet: from images and a frozen network, a decoder that guesses them back.

    minimise  mean_i || x_i - f(phi(x_i), w) ||^2     by Adam

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    The loss is the mean over all values of standardised images, so that 1 is what the mean colour
    alone would cost; to Adam the factor means next to nothing. The rate falls tenfold at given
    shares of the training, where the authors watched and did so by hand.

Applies to:
    Every layer with units, of a network that says how it reads pictures.
"""

import hashlib
import math
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

from striate.errors import MethodError
from striate.image.folder import ImageFile
from striate.methods.upconvnet.checkpoint import Claim, read_checkpoint
from striate.methods.upconvnet.net import UpconvNet, distance
from striate.methods.upconvnet.reading import Reader, split
from striate.methods.upconvnet.recipe import Recipe, resized
from striate.methods.upconvnet.start import begin, check_memory, check_numbers, features_of
from striate.methods.upconvnet.state import (
    Knobs,
    Place,
    check_knobs,
    differences,
    place_of,
    take_up,
)
from striate.network.network import Network
from striate.optimize.space import working
from striate.shapes import Images

MEASURED = 100
"""On how many held-out images errors are measured, at most."""

SECONDS = 60
"""After so many since the last checkpoint there is another one: no more can be lost."""


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """How far a training is.

    Attributes:
        step: Batches done, those of earlier runs included.
        steps: Batches in all.
        epoch: The epoch that the batch belongs to, from 1.
        loss: Of the batch, before its update; 1 is what the mean colour would cost.
        image_error: Mean over the held-out images behind the last whole epoch; None before it.
        skipped: Why, by the name of each image that could not be read in this run.
        upconvnet: As trained so far; it goes on learning as long as the training does.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    image_error: float | None
    skipped: Mapping[str, str]
    upconvnet: UpconvNet


def train_upconvnet(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    layer: str,
    images: Sequence[ImageFile],
    *,
    epochs: int = 10,
    batch: int = 64,
    rate: float = 1e-3,
    drops: tuple[float, ...] = (0.6, 0.85),
    width: int = 256,
    size: int | tuple[int, int] | None = None,
    flip: bool = False,
    transform: str = "none",
    held_out: float = 0.05,
    seed: int = 0,
    decoder: nn.Module | None = None,
    checkpoint: Path | str | None = None,
    restart: bool = False,
    save_every: int = 100,
    workers: int | None = None,
) -> Generator[TrainingFrame, None, None]:
    """Train a decoder that guesses images from a layer of a frozen network.

    Args:
        network: From `striate.load`; it must say how it reads pictures.
        layer: Address of the layer.
        images: From `striate.image.folder.find_images`. What cannot be read is left out.
        epochs: How often each image is seen.
        batch: Images in a step.
        rate: Of Adam, with betas 0.9 and 0.999; above 0.
        drops: Shares of the training at which the rate falls tenfold.
        width: Of the decoder, as in `decoder_for`.
        size: (height, width) of the images to be guessed, or their short side, in pixels; None: as
            the network reads them.
        flip: Mirror images at random.
        transform: What is done to the layer's output first: "none", or for class scores
            "probabilities", "top5" or "rest" (all but these five).
        held_out: Share of the images, chosen by their names, that only measure the error.
        seed: Of first weights, order and flips.
        decoder: A module in place of ours: standardised maps (images, units, rows, columns) to
            standardised images (images, channels, height, width). What is random in it (dropout)
            draws from torch's global generator, which neither ``seed`` nor a checkpoint sets.
        checkpoint: A file to write on the way, whole or not at all, and to go on from where it
            exists: bit for bit as if nothing had been, on a CPU with as many threads and unless a
            decoder of your own draws random numbers. One run at a time writes it.
        restart: Begin anew although the checkpoint exists.
        save_every: Batches between checkpoints. There is one more after a minute without, at the
            end of each epoch, and where the iterator is closed or interrupted (Ctrl-C).
        workers: Threads that read images.

    Returns:
        An iterator of frames, one for each batch; the last holds the trained UpconvNet.

    Raises:
        AddressError: If the layer does not exist.
        MethodError: If the layer cannot be inverted, a knob is wrong, the decoder is larger than
            the memory, the checkpoint is of another training, damaged, in use or cannot be
            written, or, while iterating, the loss is no longer finite (the last checkpoint stays).
        NetworkError: If nobody said how the network reads pictures.

    Example:
        >>> import striate, tempfile, numpy as np
        >>> from striate.image.encode import save
        >>> from striate.image.folder import find_images
        >>> network = striate.load(nn.Sequential(nn.Conv2d(3, 4, 3)), resize=None, crop=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for level in range(6):
        ...         save(np.full((8, 8, 3), 40 * level, np.uint8), Path(folder, f"{level}.png"))
        ...     images = find_images(Path(folder))
        ...     *_, last = train_upconvnet(network, "0", images, epochs=3, batch=2, width=2)
        >>> last.step, last.steps, last.upconvnet.held_out
        (6, 6, 2)
    """
    counts = {"epochs": epochs, "batch": batch, "save_every": save_every, "workers": workers}
    check_knobs(counts, rate, seed)
    recipe = Recipe.of(
        network, layer, transform=transform, size=size, width=width, own=decoder is not None
    )
    if decoder is None:
        check_memory(recipe, network)
    names = "\0".join(sorted(image.name for image in images)).encode("utf-8", "surrogateescape")
    knobs = Knobs(
        epochs, batch, rate, drops, flip, held_out, seed, hashlib.sha256(names).hexdigest()
    )
    training = _Training(network, recipe, knobs, split(images, held_out), decoder)
    if checkpoint is not None:
        training.keep(Path(checkpoint), save_every, restart=restart)
    return training.frames(workers)


class _Training:
    """One training: its images, where it is, and what it has made."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        knobs: Knobs,
        images: tuple[list[ImageFile], list[ImageFile]],
        decoder: nn.Module | None,
    ) -> None:
        self._network, self._recipe, self._knobs = network, recipe, knobs
        (self._images, self._held), self._decoder = images, decoder
        self._place = Place()
        self._batches = math.ceil(len(self._images) / knobs.batch)
        self._dtype = working(network.dtype)
        self._generator = torch.Generator().manual_seed(knobs.seed)
        # The generator at the beginning of the epoch.
        self._epoch_state = self._generator.get_state()
        self._net: UpconvNet | None = None
        self._optimizer: torch.optim.Adam | None = None
        self._updates = ThreadPoolExecutor(1, "striate-update")
        self._claim: Claim | None = None
        self._save_every = 0
        self._saved = time.monotonic()
        # Whether weights, moments and place are of one moment, and of a later one than the file.
        self._whole, self._unsaved = True, False

    def keep(self, path: Path, every: int, *, restart: bool) -> None:
        """Write checkpoints to a file, and go on from it where it exists."""
        self._claim, self._save_every = Claim(path), every
        if restart or not path.exists():
            return
        try:
            self._go_on(path)
        except BaseException:
            self._claim.release()
            raise

    def _go_on(self, path: Path) -> None:
        facts, tensors = read_checkpoint(path)
        wrong = differences(facts, self._recipe, self._knobs)
        if wrong:
            msg = (
                f"{str(path)!r} is of another training ({wrong}): give what it was begun with, "
                "another file, or restart"
            )
            raise MethodError(msg)
        net = UpconvNet.from_parts(facts, tensors, self._decoder, self._network.device)
        self._place = place_of(facts, self._knobs.epochs, self._batches)
        optimizer = self._adam(net)
        if self._place.epoch < self._knobs.epochs:
            own = self._decoder is not None
            state = take_up(self._place, tensors, net.decoder, optimizer, own=own)
            self._generator.set_state(state)
            self._epoch_state = state
        self._net, self._optimizer = net, optimizer

    def _adam(self, net: UpconvNet) -> torch.optim.Adam:
        return torch.optim.Adam(net.decoder.parameters(), lr=self._knobs.rate)

    def frames(self, workers: int | None) -> Generator[TrainingFrame, None, None]:
        """Train; one frame for each batch, or one in all where everything was done."""
        try:
            yield from self._frames(workers)
        except BaseException as stopped:
            # Closed, or stopped by the user: what went wrong is an Exception, and is not kept.
            # At the interpreter's own end nothing can be written any more.
            wanted = not isinstance(stopped, Exception) and not sys.is_finalizing()
            if wanted and self._unsaved and self._whole:
                self._save()
            raise
        finally:
            if self._claim is not None:
                self._claim.release()

    def _frames(self, workers: int | None) -> Iterator[TrainingFrame]:
        if self._net is not None and self._place.epoch == self._knobs.epochs:
            yield self._frame(self._net, {})
            return
        with Reader(self._recipe.reads, workers) as reader, self._updates:
            held = self._read_held(reader)
            net = self._net
            if net is None:
                net = self._begin(reader, held)
                self._epoch_state = self._generator.get_state()
            optimizer = self._optimizer or self._adam(net)
            self._net, self._optimizer = net, optimizer
            while self._place.epoch < self._knobs.epochs:
                yield from self._epoch(reader, net, optimizer, held)

    def _epoch(
        self, reader: Reader, net: UpconvNet, optimizer: torch.optim.Adam, held: Images
    ) -> Iterator[TrainingFrame]:
        place, knobs = self._place, self._knobs
        order = torch.randperm(len(self._images), generator=self._generator).tolist()
        flips = torch.rand(len(order), generator=self._generator) < 0.5
        flipped = {self._images[i].name for i in order if knobs.flip and flips[i]}
        groups = [
            [self._images[i] for i in order[start : start + knobs.batch]]
            for start in range(0, len(order), knobs.batch)
        ]
        for seen, images in reader.batches(groups[place.batch :]):
            if images is not None:
                turn = torch.tensor([image.name in flipped for image in seen])[:, None, None, None]
                self._step(net, optimizer, torch.where(turn, images.flip(3), images))
            else:
                place.batch += 1
            self._unsaved = self._claim is not None
            if place.batch < self._batches:
                if self._unsaved and self._is_due():
                    self._save()
                yield self._frame(net, reader.skipped)
        error = self._measure(net, held)
        if not math.isfinite(error):
            raise MethodError(self._diverged("the guesses are no longer numbers"))
        self._whole = False
        place.epoch, place.batch, place.image_error = place.epoch + 1, 0, error
        self._epoch_state = self._generator.get_state()
        self._whole = True
        if self._claim is not None:
            self._save()
        yield self._frame(net, reader.skipped)

    def _is_due(self) -> bool:
        late = time.monotonic() - self._saved > SECONDS
        return late or self._place.batch % self._save_every == 0

    def _step(self, net: UpconvNet, optimizer: torch.optim.Adam, images: Images) -> None:
        place, knobs = self._place, self._knobs
        done = (place.epoch * self._batches + place.batch) / (knobs.epochs * self._batches)
        for group in optimizer.param_groups:
            group["lr"] = knobs.rate * 0.1 ** sum(done >= share for share in knobs.drops)
        ready = images.to(device=self._network.device, dtype=self._network.dtype)
        target = resized(ready, self._recipe.size).to(self._dtype)
        mean, scale = net.scales["channel_mean"][:, None, None], net.scales["image_scale"]
        net.decoder.train()
        features = self._recipe.features(self._network, ready)
        # A module of the caller's own may keep statistics of what it sees.
        self._whole = next(net.decoder.buffers(), None) is None
        loss = functional.mse_loss(net.standardised(features), (target - mean) / scale)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        found = float(loss.detach())
        if not math.isfinite(found):
            check_numbers(self._recipe, features)
            raise MethodError(self._diverged(f"the loss is {found}"))
        self._whole = False

        def update() -> None:
            optimizer.step()
            place.loss, place.updates, place.batch = found, place.updates + 1, place.batch + 1
            self._unsaved = self._whole = True

        # In a thread, which no signal interrupts: half an update would be no state to keep.
        self._updates.submit(update).result()

    def _measure(self, net: UpconvNet, held: Images) -> float:
        """Return the mean error over the held-out images."""
        net.decoder.eval()
        total = 0.0
        for part in torch.split(held, self._knobs.batch):
            guess = net.reconstruct(features_of(self._network, self._recipe, part))
            shown = self._recipe.shown(part).to(guess)
            total += sum(distance(a, b) for a, b in zip(guess, shown, strict=True))
        return total / len(held) / net.image_distance

    def _read_held(self, reader: Reader) -> Images:
        found = [images for _, images in reader.batches([self._held[:MEASURED]])]
        if found[0] is None or len(found[0]) < 2:
            first = next(iter(reader.skipped.items()))
            msg = (
                "fewer than two of the held-out images can be read, and the error needs two; the "
                f"first that cannot is {first[0]!r}: {first[1]}"
            )
            raise MethodError(msg)
        return found[0]

    def _begin(self, reader: Reader, held: Images) -> UpconvNet:
        batch = self._knobs.batch
        groups = [self._images[k : k + batch] for k in range(0, len(self._images), batch)]
        images = next((found for _, found in reader.batches(groups) if found is not None), None)
        if images is None:
            name, reason = next(reversed(reader.skipped.items()))
            msg = f"none of {len(self._images)} images can be read, such as {name!r}: {reason}"
            raise MethodError(msg)
        decoder = self._decoder or self._recipe.decoder(self._generator)
        return begin(self._network, self._recipe, decoder, images, held)

    def _save(self) -> None:
        net, optimizer = self._net, self._optimizer
        if self._claim is None or net is None or optimizer is None:
            return
        if not all(bool(value.isfinite().all()) for value in net.decoder.parameters()):
            raise MethodError(self._diverged("a weight is no longer a number"))
        facts, tensors = replace(net, steps=self._place.updates).parts()
        facts |= {"training": asdict(self._knobs), "place": asdict(self._place)}
        if self._place.epoch < self._knobs.epochs:
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
            tensors["generator"] = self._epoch_state
        self._claim.write(facts, tensors)
        self._saved, self._unsaved = time.monotonic(), False

    def _diverged(self, what: str) -> str:
        path = None if self._claim is None else self._claim.path
        kept = f"{path} keeps what was last saved" if path else "nothing was saved"
        return (
            f"{what} after {self._place.updates} updates at rate {self._knobs.rate:g}: train with "
            f"a lower rate; {kept}"
        )

    def _frame(self, net: UpconvNet, skipped: Mapping[str, str]) -> TrainingFrame:
        place = self._place
        step = place.epoch * self._batches + place.batch
        return TrainingFrame(
            step=step,
            steps=self._knobs.epochs * self._batches,
            epoch=math.ceil(step / self._batches),
            loss=place.loss,
            image_error=place.image_error,
            skipped=MappingProxyType(dict(skipped)),
            upconvnet=replace(net, steps=place.updates),
        )
