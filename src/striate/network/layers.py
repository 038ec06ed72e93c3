"""The layers of a network, in execution order, each with its address and geometry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor, fx

from striate.errors import AddressError
from striate.network.address import Address, nearest
from striate.network.axes import SPATIAL, axes_of, has_maps, mark_axes, shape_of
from striate.network.operations import SHAPE, operation
from striate.network.receptive_field import (
    NoRuleError,
    ReceptiveField,
    image_interval,
    receptive_field,
)
from striate.network.trace import Trace
from striate.shapes import Box, Maps


@dataclass(frozen=True, eq=False)
class Layer:
    """The output of one node of the graph.

    Attributes:
        address: Name of the layer.
        operation: What computes it, such as "conv2d".
        node: The node in the trace's graph.
        image_size: (height, width) of the images it was traced for.
    """

    address: str
    operation: str
    node: fx.Node = field(repr=False)
    image_size: tuple[int, int] = field(repr=False)

    @property
    def units(self) -> int | None:
        """How many units (channels) it has; None where no axis of it counts units."""
        axes = axes_of(self.node)
        known = "units" in axes and axes[0] == "images"
        return shape_of(self.node)[axes.index("units")] if known else None

    @property
    def map_size(self) -> tuple[int, int]:
        """(rows, columns) of a unit's map; tokens and volumes are one row, dense layers 1 x 1."""
        axes, shape = axes_of(self.node), shape_of(self.node)
        if has_maps(self.node):
            return shape[axes.index("rows")], shape[axes.index("columns")]
        places = 1
        for axis, size in zip(axes, shape, strict=True):
            places *= 1 if axis in {"images", "units"} else size
        return 1, places

    @cached_property
    def receptive_field(self) -> ReceptiveField:
        """What a neuron of this layer sees: size, stride and centre in pixels, or the whole."""
        return receptive_field(self.node)

    def box(self, row: int, column: int, *, clip: bool = True) -> Box:
        """Return the box of the image that one neuron sees.

        Args:
            row: Row of the neuron in its map.
            column: Column of the neuron in its map.
            clip: Whether to cut the box at the image's borders. If not, boxes of one layer all
                have the receptive field's size and may leave the image.

        Returns:
            (top, left, bottom, right) in pixels of the network's input, half-open.
        """
        top, bottom = self._interval("rows", row, clip)
        left, right = self._interval("columns", column, clip)
        return top, left, bottom, right

    def _interval(self, axis: str, index: int, clip: bool) -> tuple[int, int]:
        cache: dict[tuple[str, int, bool], tuple[int, int]] = self.node.meta.setdefault("boxes", {})
        key = (axis, index, clip)
        if key not in cache:
            whole = (0, self.image_size[SPATIAL.index(axis)])
            try:
                seen = has_maps(self.node)
                low, high = image_interval(self.node, axis, index, clip=clip) if seen else whole
            except NoRuleError:
                low, high = whole
            infinite = low == -float("inf") or high == float("inf")
            cache[key] = whole if infinite else (int(low), int(high))
        return cache[key]

    def maps(self, activation: Tensor) -> Maps:
        """Lay out this layer's output as one map a unit.

        Args:
            activation: The layer's output, as the module computes it.

        Returns:
            A view or copy of shape (images, units, rows, columns).

        Raises:
            AddressError: If no axis of the layer counts units.
        """
        axes = axes_of(self.node)
        if self.units is None:
            msg = f"{self.address} has no units: its axes are {', '.join(axes)}"
            raise AddressError(msg)
        order = _order(axes)
        moved = activation.permute(order)
        if has_maps(self.node):
            return moved
        return moved.reshape(moved.shape[0], moved.shape[1], 1, -1)

    def unmaps(self, maps: Maps) -> Tensor:
        """Lay maps out as the module's own output: the inverse of `maps`."""
        axes, shape = axes_of(self.node), shape_of(self.node)
        order = _order(axes)
        sizes = [maps.shape[0], maps.shape[1], *(shape[k] for k in order[2:])]
        if has_maps(self.node):
            sizes[2:] = list(maps.shape[2:])
        back = [order.index(k) for k in range(len(axes))]
        return maps.reshape(sizes).permute(back)


def _order(axes: tuple[str, ...]) -> list[int]:
    """Return the axes as images, units, rows, columns, then what has no name."""
    known = [axes.index(axis) for axis in ("images", "units", *SPATIAL) if axis in axes]
    return known + [k for k in range(len(axes)) if k not in known]


class Layers(Mapping[str, Layer]):
    """All layers of a network by address, in execution order.

    Iterating leaves out what only moves values about (views, permutations); every address, also of
    these and of modules, can be looked up.
    """

    def __init__(self, trace: Trace) -> None:
        mark_axes(trace.graph)
        size = trace.image_size[1:]
        by_node: dict[fx.Node, Layer] = {}
        self._all: dict[str, Layer] = {}
        for name, node in trace.named.items():
            label = _operation_of(node)
            layer = by_node.setdefault(node, Layer(name, label, node, size))
            self._all[name] = layer
        self._main = [
            layer
            for node, layer in by_node.items()
            if operation(node) not in SHAPE or layer.operation not in SHAPE
        ]

    def __getitem__(self, address: str | Address) -> Layer:
        name = Address.parse(address).layer
        layer = self._all.get(name)
        if layer is None:
            close = ", ".join(nearest(name, self._all))
            msg = f"no layer {name!r} among {len(self._all)}; the nearest are {close}"
            raise AddressError(msg)
        return layer

    def __iter__(self) -> Iterator[str]:
        return (layer.address for layer in self._main)

    def __len__(self) -> int:
        return len(self._main)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and address in self._all

    def aliases(self) -> dict[str, str]:
        """Return each name that is not a layer's own address, with the address it stands for."""
        return {name: layer.address for name, layer in self._all.items() if name != layer.address}

    def whole(self, address: str | Address) -> Layer:
        """Return a layer that is asked for as a whole.

        Raises:
            AddressError: If it does not exist, or the address names a unit of it.
        """
        layer, parsed = self.resolve(address)
        if parsed.unit is not None:
            msg = f"{address} is a unit; this works on the whole layer: write {layer.address}"
            raise AddressError(msg)
        return layer

    def resolve(self, address: str | Address) -> tuple[Layer, Address]:
        """Return the layer of an address and the address with that layer's own name, checked.

        Raises:
            AddressError: If the layer, the unit or the neuron does not exist.
        """
        parsed = Address.parse(address)
        layer = self[parsed]
        units, (rows, columns) = layer.units, layer.map_size
        if parsed.unit is not None and (units is None or parsed.unit >= units):
            has = "no units" if units is None else f"units 0 to {units - 1}"
            msg = f"{parsed} does not exist: {layer.address} has {has}"
            raise AddressError(msg)
        row, column = parsed.row, parsed.column
        if row is not None and column is not None and (row >= rows or column >= columns):
            msg = f"{parsed} does not exist: maps of {layer.address} are {rows} x {columns}"
            raise AddressError(msg)
        return layer, Address(layer.address, parsed.unit, parsed.row, parsed.column)


def _operation_of(node: fx.Node) -> str:
    """Return what computes a layer: of a batch norm, not the getitem that takes its output."""
    name = operation(node)
    source = node.args[0] if node.args else None
    if name == "getitem" and isinstance(source, fx.Node):
        name = operation(source)
    return {
        "_native_batch_norm_legit_no_training": "batch_norm",
        "_native_batch_norm_legit": "instance_norm",
        "_unsafe_view": "view",
    }.get(name, name)
