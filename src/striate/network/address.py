"""Addresses: one way to name a layer, a unit or a neuron, everywhere.

::

    layer4.1.relu            a layer
    layer4.1.relu:37         unit (channel) 37 of it
    layer4.1.relu:37@6,5     that unit's neuron at row 6, column 5
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from striate.errors import AddressError

_PATTERN = re.compile(
    r"(?P<layer>[^:@\s]+)(:(?P<unit>\d+)(@(?P<row>\d+),(?P<column>\d+))?)?", flags=re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The name of a layer, of one of its units, or of one neuron.

    Attributes:
        layer: Name of the layer.
        unit: Index of the unit, or None for the whole layer.
        row: Row of the neuron in the unit's map, or None for the whole unit.
        column: Column of the neuron in the unit's map.

    Raises:
        AddressError: If a number is negative: nothing is counted from the end.
    """

    layer: str
    unit: int | None = None
    row: int | None = None
    column: int | None = None

    def __post_init__(self) -> None:
        if min(self.unit or 0, self.row or 0, self.column or 0) < 0:
            msg = f"{self} is no address: units, rows and columns count from 0"
            raise AddressError(msg)

    @classmethod
    def parse(cls, text: "str | Address") -> "Address":
        """Read an address.

        Args:
            text: Such as ``layer4.1.relu:37@6,5``; an `Address` is returned as it is.

        Returns:
            The address.

        Raises:
            AddressError: If the text has another form.

        Example:
            >>> Address.parse("layer4.1.relu:37@6,5")
            Address(layer='layer4.1.relu', unit=37, row=6, column=5)
        """
        if isinstance(text, Address):
            return text
        found = _PATTERN.fullmatch(text)
        if found is None:
            msg = (
                f"{text!r} is no address; write LAYER, LAYER:UNIT or LAYER:UNIT@ROW,COLUMN, "
                "such as layer4.1.relu:37@6,5"
            )
            raise AddressError(msg)
        parts = found.groupdict()
        numbers = {k: int(parts[k]) for k in ("unit", "row", "column") if parts[k] is not None}
        return cls(parts["layer"], **numbers)

    def at(self, row: int, column: int) -> "Address":
        """Return this unit's neuron at a place of its map.

        >>> str(Address("conv1", 3).at(0, 7))
        'conv1:3@0,7'
        """
        return replace(self, row=row, column=column)

    def __str__(self) -> str:
        text = self.layer
        if self.unit is not None:
            text += f":{self.unit}"
        if self.row is not None:
            text += f"@{self.row},{self.column}"
        return text


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return the names most like a wrong one, best first.

    >>> nearest("layer1.relu", ["layer1.0.relu", "conv1", "fc", "layer1.1.relu"], 2)
    ['layer1.1.relu', 'layer1.0.relu']
    """
    return difflib.get_close_matches(name, list(names), n=count, cutoff=0.0)
