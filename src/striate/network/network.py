"""A network: its graph, what it does to an image before, and what its classes are called."""

import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from striate.errors import NetworkError
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing
from striate.network.address import Address
from striate.network.batch import joined
from striate.network.cut import Fast, check_resumable, cut, edited
from striate.network.layers import Layer, Layers
from striate.network.operations import operation
from striate.network.trace import Edit, Trace, copied, filled, trace, warn_of
from striate.shapes import Image, Images

_PROCESS = uuid.uuid4().hex

Tracer = Callable[[tuple[int, int, int]], Trace]
"""Makes the trace for an image size (channels, height, width)."""


class _Traces:
    """Traces by image size, each made once; shared by a network and its copies."""

    def __init__(self, tracer: Tracer, edits: tuple[Edit, ...] = ()) -> None:
        self.tracer, self.edits = tracer, edits
        self._made: dict[tuple[int, int, int], tuple[Trace, Layers]] = {}
        self._lock = threading.RLock()
        self.cuts: dict[object, Any] = {}

    def at(self, size: tuple[int, int, int]) -> tuple[Trace, Layers]:
        # What is made in inference mode could not be differentiated later.
        with self._lock, torch.inference_mode(mode=False):
            if size not in self._made:
                made = self.tracer(size)
                if self.edits:
                    made = copied(made)
                    edited(made, self.edits, lambda name: Layers(made)[name].node)
                self._made[size] = (made, Layers(made))
            return self._made[size]

    def cached(self, key: object, make: Callable[[], Any]) -> Any:
        with self._lock, torch.inference_mode(mode=False):
            if key not in self.cuts:
                self.cuts[key] = make()
            return self.cuts[key]


@dataclass(frozen=True, eq=False)
class Network:
    """A traced network. Made by `striate.load`.

    It is a snapshot: the module that it was made from is never touched, nor looked at again. It has
    no state that changes (traces and cuts are cached behind a lock): threads may share it.

    Attributes:
        name: What to call it.
        image_size: (channels, height, width) that it is traced for by default.
        preprocessing: From a picture to the network's input; None if nobody said.
        class_names: Name of each class score; None if unknown.
    """

    name: str
    image_size: tuple[int, int, int]
    preprocessing: Preprocessing | None
    class_names: tuple[str, ...] | None
    _traces: _Traces

    @classmethod
    def of(
        cls,
        tracer: Tracer,
        *,
        name: str,
        image_size: tuple[int, int, int],
        preprocessing: Preprocessing | None,
        class_names: Sequence[str] | None,
    ) -> "Network":
        """Make a network and trace it once, so that what cannot be traced is known at once."""
        names = tuple(class_names) if class_names is not None else None
        network = cls(name, image_size, preprocessing, names, _Traces(tracer))
        warn_of(network.trace())
        if names is not None and network.class_count not in {None, len(names)}:
            network = replace(network, class_names=None)
        return network

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.image_size))
        return f"<Network {self.name}: {len(self.layers)} layers, images {size}>"

    # ------------------------------------------------------------------ what it is made of

    def trace(self, image_size: tuple[int, int, int] | None = None) -> Trace:
        """Return the graph for an image size, traced once."""
        return self._traces.at(image_size or self.image_size)[0]

    def layers_at(self, image_size: tuple[int, int, int] | None = None) -> Layers:
        """Return the layers as they are for images of a size (channels, height, width)."""
        return self._traces.at(image_size or self.image_size)[1]

    @property
    def layers(self) -> Layers:
        """The layers by address, in execution order."""
        return self.layers_at()

    @property
    def scores(self) -> str:
        """Address of the class scores: the first output, a softmax at the very end left out.

        Raises:
            NetworkError: If the output does not depend on the image.
        """
        made = self.trace()
        node = next(value for value in made.outputs if isinstance(value, fx.Node))
        while operation(node) in {"softmax", "log_softmax", "_softmax", "_log_softmax"}:
            node = node.all_input_nodes[0]
        nodes = {layer_node: name for name, layer_node in reversed(made.named.items())}
        if node not in nodes:
            msg = f"the output of {self.name} is no layer that depends on the image"
            raise NetworkError(msg)
        return self.layers[nodes[node]].address

    @property
    def class_count(self) -> int | None:
        """How many class scores there are; None if the output is not one score a class."""
        layer = self.layers[self.scores]
        return layer.units if layer.map_size == (1, 1) else None

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next((v.device for v in self.trace().constants.values()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The kind of numbers it computes with."""
        values = self.trace().constants.values()
        return next((v.dtype for v in values if v.is_floating_point()), torch.get_default_dtype())

    def fingerprint(self) -> str:
        """Return a hash of the graph and all weights: two networks with it compute the same.

        What an edit's function does cannot be hashed: an edited network equals itself alone, in
        this process.
        """
        made = self.trace()
        text = re.sub(r"device[ :=]+[^,}]*", "", str(made.graph))
        digest = hashlib.sha256(text.encode())
        for name, value in made.constants.items():
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            flat = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy()
            digest.update(flat.tobytes())
        for address, function in self._traces.edits:
            digest.update(f"{address} {id(function)} {_PROCESS}".encode())
        return digest.hexdigest()

    # ------------------------------------------------------------------ running it

    def __call__(self, images: Images) -> Any:
        """Run the network on preprocessed images; equal to the module bit for bit.

        Where the module mixes the images of a batch, each is run alone.
        """
        made = self.trace(self._size(images))
        module = self._cut(images, "whole", lambda t: cut(t, t.outputs))
        flat = _in_batches(
            lambda part: module(images=part), images.contiguous(), made.batch, made.outputs
        )
        return pytree.tree_unflatten(list(flat), made.output)

    def record(self, images: Images, layers: Iterable[str | Address]) -> dict[str, Tensor]:
        """Return the outputs of some layers; what lies behind the deepest is not run.

        Args:
            images: Preprocessed images (images, channels, height, width).
            layers: Addresses of layers.

        Returns:
            The layers' outputs, under the addresses as asked.

        Raises:
            AddressError: If a layer does not exist.

        Example:
            >>> import striate
            >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())
            >>> network = striate.load(module, image_size=(8, 8))
            >>> network.record(torch.zeros(2, 3, 8, 8), ["0", "1"])["1"].shape
            torch.Size([2, 5, 6, 6])
        """
        asked = [str(address) for address in layers]
        if not asked:
            return {}
        size = self._size(images)
        nodes = [self.layers_at(size).whole(address).node for address in asked]
        key = ("record", tuple(node.name for node in nodes))
        module = self._cut(images, key, lambda t: cut(t, nodes))
        made = self.trace(size)
        values = _in_batches(
            lambda part: module(images=part), images.contiguous(), made.batch, nodes
        )
        return dict(zip(asked, values, strict=True))

    def resume(self, activation: Tensor, at: str | Address, *, images: Images | None = None) -> Any:
        """Run on from a layer whose output is given.

        Args:
            activation: What the layer would have returned.
            at: Address of the layer.
            images: Needed only where a signal goes round the layer (a residual connection).

        Returns:
            What the network returns.

        Raises:
            NetworkError: If images are needed and not given.
        """
        size = self.image_size if images is None else self._size(images)
        made, layers = self._traces.at(size)
        node = layers.whole(at).node
        if images is None:
            check_resumable(made, node, made.outputs)
        key = (size, "resume", node.name)
        module = self._traces.cached(key, lambda: cut(made, made.outputs, inputs=[node]))
        takes_images = any(n.op == "placeholder" and n.name == "images" for n in module.graph.nodes)
        if takes_images:
            flat = module(activation, images=images)
        else:
            flat = _in_batches(module, activation, made.batch, made.outputs)
        return pytree.tree_unflatten(list(flat), made.output)

    def edit(self, layer: str | Address, function: Callable[[Tensor], Tensor]) -> "Network":
        """Return a network in which a function changes a layer's output; this one stays.

        Args:
            layer: Address of the layer.
            function: From the layer's output to what takes its place: ablate, clamp, replace.

        Returns:
            The edited network; ``record`` shows the layer as changed.

        Example:
            >>> import striate
            >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())
            >>> network = striate.load(module, image_size=(8, 8))
            >>> silent = network.edit("0", lambda activation: activation * 0)
            >>> silent(torch.ones(1, 3, 8, 8)).abs().max()
            tensor(0.)
        """
        address = self.layers.whole(layer).address
        edits = (*self._traces.edits, (address, function))
        return replace(self, _traces=_Traces(self._traces.tracer, edits))

    def cut(self, size: tuple[int, int, int], key: object, make: Callable[[Trace], Any]) -> Any:
        """Return a cut of the graph for an image size, made once under a key."""
        return self._traces.cached((size, key), lambda: make(self.trace(size)))

    def fast(self, outputs: Callable[[Trace], Sequence[fx.Node]], size: tuple[int, int, int],
             wrap: Any = None) -> Fast:  # fmt: skip
        """Return part of the network made fast: equal up to rounding, without gradients."""
        made = self.trace(size)
        return Fast(cut(made, outputs(made), wrap=wrap), self.device)

    def to(self, device: str | torch.device) -> "Network":
        """Return this network on another device.

        Raises:
            NetworkError: If there is no such device.
        """
        try:
            target = torch.device(device)
            torch.empty(1, device=target)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0].partition(". ")[0]
            msg = f"no device {str(device)!r} here ({reason}); write cpu, cuda, cuda:1 or mps"
            raise NetworkError(msg) from error
        if target == self.device:
            return self
        old = self._traces

        known: dict[object, Tensor] = {}

        def there(value: Tensor) -> Tensor:
            key = (value.data_ptr(), value.shape, value.stride(), value.dtype)
            if key not in known:
                known[key] = value.to(target)
            return known[key]

        def moved(size: tuple[int, int, int]) -> Trace:
            made = copied(old.at(size)[0] if not old.edits else old.tracer(size))
            constants = {name: there(value) for name, value in made.constants.items()}
            _point_to(made.graph, target)
            return replace(made, constants=constants, derived={})

        return replace(self, _traces=_Traces(moved, old.edits))

    def _size(self, images: Images) -> tuple[int, int, int]:
        if images.ndim != 4:
            msg = f"images have shape (images, channels, height, width), not {tuple(images.shape)}"
            raise NetworkError(msg)
        return int(images.shape[1]), int(images.shape[2]), int(images.shape[3])

    def _cut(self, images: Images, key: object, make: Callable[[Trace], Any]) -> Any:
        return self.cut(self._size(images), key, make)

    # ------------------------------------------------------------------ pictures and names

    def read(self, source: Path | str | bytes) -> Image:
        """Read a picture as this network wants it.

        Args:
            source: A file, or the bytes of one.

        Returns:
            (channels, height, width), preprocessed, on this network's device.

        Raises:
            NetworkError: If nobody said how to preprocess, or no picture has its channels.
            ImageError: If the picture cannot be read.
        """
        image = self.how_to_read()(decode(source))
        return image.to(device=self.device, dtype=self.dtype)

    def how_to_read(self) -> Preprocessing:
        """Return the preprocessing.

        Raises:
            NetworkError: If nobody said what it is, or the network takes other images than
                pictures: neither 3 channels nor 1.
        """
        channels = self.image_size[0]
        if channels not in {1, 3}:
            msg = (
                f"a picture has 3 channels, or 1 in grey; {self.name} takes {channels}: preprocess "
                "its images yourself, and give them as tensors"
            )
            raise NetworkError(msg)
        if self.preprocessing is None:
            msg = (
                f"nobody said how {self.name} wants its pictures: give resize, crop, mean and std "
                "(striate.load(..., resize=256, crop=224, mean=(...), std=(...)))"
            )
            raise NetworkError(msg)
        return self.preprocessing

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its number where names are not known."""
        known = self.class_names is not None and index < len(self.class_names)
        return self.class_names[index] if known and self.class_names else str(index)


def module_tracer(module: torch.nn.Module) -> Tracer:
    """Return what traces a module that nobody else holds."""
    return lambda size: trace(module, size)


def _point_to(graph: fx.Graph, device: torch.device) -> None:
    """Point what the graph itself creates (zeros, arange) to a device."""
    for node in graph.nodes:
        if "device" in node.kwargs:
            node.kwargs = {**node.kwargs, "device": device}


def _in_batches(
    run: Callable[[Tensor], tuple[Any, ...]],
    images: Tensor,
    batch: int | None,
    outputs: Sequence[Any],
) -> tuple[Any, ...]:
    """Run images in batches of a size that is baked into the graph (None: any size)."""
    if batch is None or len(images) == batch:
        return run(images)
    parts = [run(filled(part, batch)) for part in torch.split(images, batch)]
    missing = -len(images) % batch
    return tuple(
        joined(values, output, batch, missing)
        for values, output in zip(zip(*parts, strict=True), outputs, strict=True)
    )


__all__ = ["Layer", "Network", "module_tracer"]
