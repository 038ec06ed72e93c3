"""A network as a drawing: its layers in rows and columns, and the lines between them.

Rows are longest paths from the image, so that every line leads down. The longest path of all is the
trunk, straight down column 0; the rest stands beside it, near what it is connected with.

Source:
    Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system structures",
    IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981: layers by longest path, order
    within a layer by barycentres.

Differs from the source:
    One trunk keeps its column, and lines that pass rows by have no place of their own there: who
    draws them leads them around what stands between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx

from striate.network.network import Network
from striate.network.operations import data_inputs

_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A layer in the drawing.

    Attributes:
        address: Name of the layer; "images" for the input.
        operation: What computes it; "input" for the input.
        units: How many units it has; None where no axis counts units.
        map_size: (rows, columns) of a unit's map.
        rank: Row in the drawing, from 0 at the input.
        column: Place in the row; 0 is the trunk's.
    """

    address: str
    operation: str
    units: int | None
    map_size: tuple[int, int]
    rank: int
    column: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A network as nodes and edges.

    Attributes:
        nodes: The input image, then the layers in execution order.
        edges: From, to: places among the nodes, ascending.
    """

    nodes: list[DrawnNode]
    edges: list[tuple[int, int]]


def drawing(network: Network) -> Drawing:
    """Draw a network's layers, those that `Network.layers` iterates over.

    What only moves values about, and weights, are no nodes: lines lead through them.

    Args:
        network: The network.

    Returns:
        The drawing: the same for the same graph.

    Source:
        Sugiyama, Tagawa & Toda 1981; see the module.

    Example:
        >>> import striate, torch
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
        >>> found = drawing(striate.load(module, image_size=(8, 8)))
        >>> [node.operation for node in found.nodes], found.edges
        (['input', 'conv2d', 'relu'], [(0, 1), (1, 2)])
    """
    trace = network.trace()
    layers = {network.layers[name].node: network.layers[name] for name in network.layers}
    nodes = [trace.images, *(node for node in trace.graph.nodes if node in layers)]
    edges = _edges(nodes)
    ranks = _ranks(len(nodes), edges)
    columns = _columns(ranks, edges)
    channels, *size = network.image_size
    drawn = [DrawnNode("images", "input", channels, (size[0], size[1]), 0, columns[0])]
    for place, node in enumerate(nodes[1:], start=1):
        layer = layers[node]
        drawn.append(
            DrawnNode(
                layer.address,
                layer.operation,
                layer.units,
                layer.map_size,
                ranks[place],
                columns[place],
            )
        )
    return Drawing(drawn, edges)


def _edges(nodes: Sequence[fx.Node]) -> list[tuple[int, int]]:
    """Walk back from each node to those before it, through what is no node of the drawing."""
    place = {node: k for k, node in enumerate(nodes)}
    found = []
    for k, node in enumerate(nodes):
        sources, queue, met = set[int](), data_inputs(node), set[fx.Node]()
        while queue:
            source = queue.pop()
            if source in place:
                sources.add(place[source])
            elif source not in met:
                met.add(source)
                queue += data_inputs(source)
        found += [(source, k) for source in sources]
    return sorted(found)


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the length of the longest path from the input to each node."""
    ranks = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        ranks[target] = max(ranks[target], ranks[source] + 1)
    return ranks


def _trunk(ranks: Sequence[int], before: Sequence[Sequence[int]]) -> set[int]:
    """Return the nodes of the longest path; of several the one that branches off first."""
    node = ranks.index(max(ranks))
    trunk = {node}
    while ranks[node]:
        node = next(source for source in before[node] if ranks[source] == ranks[node] - 1)
        trunk.add(node)
    return trunk


def _columns(ranks: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Place the nodes of each row: sweeps down and up, each node to where its neighbours are."""
    before: list[list[int]] = [[] for _ in ranks]
    after: list[list[int]] = [[] for _ in ranks]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    rows: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
    for node, rank in enumerate(ranks):
        rows[rank].append(node)
    trunk = _trunk(ranks, before)
    columns = [0] * len(ranks)
    best, fewest = columns, None
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            _settle(row, before if down else after, trunk, columns)
        crossings = _crossings(ranks, columns, edges)
        if fewest is None or crossings < fewest:
            best, fewest = columns.copy(), crossings
    return best


def _settle(
    row: Sequence[int], neighbours: Sequence[Sequence[int]], trunk: set[int], columns: list[int]
) -> None:
    """Give the nodes of one row columns of their own, near the mean of their neighbours'."""
    wanted: dict[int, float] = {}
    for node in row:
        near = [columns[other] for other in neighbours[node]]
        free = node not in trunk
        wanted[node] = (sum(near) / len(near) if near else columns[node]) if free else 0.0
    order = sorted(row, key=lambda node: (wanted[node], columns[node], node))
    # The trunk is the longest path: each row has one node of it.
    middle = next(k for k, node in enumerate(order) if node in trunk)
    columns[order[middle]] = 0
    _spread(order[middle + 1 :], wanted, columns, 0, 1)
    _spread(order[:middle][::-1], wanted, columns, 0, -1)


def _spread(
    order: Sequence[int], wanted: dict[int, float], columns: list[int], last: int, step: int
) -> None:
    for node in order:
        near = round(wanted[node])
        last = max(last + 1, near) if step > 0 else min(last - 1, near)
        columns[node] = last


def _crossings(
    ranks: Sequence[int], columns: Sequence[int], edges: Sequence[tuple[int, int]]
) -> int:
    """Count the crossings of lines between neighbouring rows."""
    between: dict[int, list[tuple[int, int]]] = {}
    for source, target in edges:
        if ranks[target] == ranks[source] + 1:
            between.setdefault(ranks[source], []).append((columns[source], columns[target]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for lines in between.values()
        for k, a in enumerate(lines)
        for b in lines[:k]
    )
