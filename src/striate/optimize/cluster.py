"""Groups of alike vectors: principal components, then k-means.

Source:
    Arthur & Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007; Lloyd, "Least
    Squares Quantization in PCM", IEEE Transactions on Information Theory 1982.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from striate.errors import MethodError

_RESTARTS = 10
_ROUNDS = 100

Vectors = Float64[Tensor, "vectors values"]
_Means = Float64[Tensor, "groups values"]


@dataclass(frozen=True, slots=True)
class Clusters:
    """Vectors in groups, none empty, the largest first.

    Attributes:
        labels: Group of each vector.
        centroids: Mean of each group.
        inertia: Sum of the squared distances of all vectors from their group's mean.
    """

    labels: Int[Tensor, " vectors"]
    centroids: _Means
    inertia: float

    def members(self, vectors: Vectors) -> tuple[tuple[int, ...], ...]:
        """Return the vectors of each group, the nearest to its mean first.

        Args:
            vectors: The ones that were grouped.
        """
        away = (vectors - self.centroids[self.labels]).square().sum(1)
        order = torch.argsort(away, stable=True)
        groups = range(len(self.centroids))
        return tuple(tuple(order[self.labels[order] == group].tolist()) for group in groups)


def principal(vectors: Vectors, count: int) -> Float64[Tensor, "vectors _"]:
    """Return the coordinates of vectors along the directions in which they differ most.

    Args:
        vectors: One a row.
        count: How many directions; fewer where the vectors span fewer.

    Returns:
        Coordinates around the mean, the direction of largest variance first.

    Example:
        >>> line = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], dtype=torch.float64)
        >>> principal(line, 1).abs().flatten().round().tolist()
        [5.0, 0.0, 5.0]
    """
    centred = vectors - vectors.mean(0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    coordinates: Tensor = (left * sizes)[:, :count]
    return coordinates


def k_means(vectors: Vectors, count: int, generator: torch.Generator) -> Clusters:
    """Group vectors by their distance, ten times from other starts; the tightest groups are kept.

    Args:
        vectors: One a row.
        count: How many groups.
        generator: For the starts.

    Returns:
        The groups.

    Raises:
        MethodError: If fewer vectors differ than there are to be groups.

    Example:
        >>> points = torch.tensor([[0.0], [0.1], [5.0], [0.2]], dtype=torch.float64)
        >>> k_means(points, 2, torch.Generator().manual_seed(0)).labels.tolist()
        [0, 0, 1, 0]
    """
    # Coordinates of equal vectors, as `principal` has them, differ in their last digits.
    size = vectors.abs().amax().clamp(min=torch.finfo(vectors.dtype).tiny)
    different = len(torch.unique((vectors / size).round(decimals=6), dim=0))
    if not 1 <= count <= different:
        msg = f"{count} groups of {different} different vectors: ask for 1 to {different}"
        raise MethodError(msg)
    runs = [_run(vectors, _start(vectors, count, generator)) for _ in range(_RESTARTS)]
    labels, inertia = min(runs, key=lambda run: run[1])
    sizes = torch.bincount(labels, minlength=count)
    first = [int((labels == group).nonzero()[0]) for group in range(count)]
    ranked = sorted(range(count), key=lambda group: (-int(sizes[group]), first[group]))
    place = torch.empty(count, dtype=torch.long)
    place[torch.tensor(ranked)] = torch.arange(count)
    labels = place[labels]
    return Clusters(labels, _means(vectors, labels, count), inertia)


def _start(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return vectors as first means, each likely to be far from those before it."""
    chosen = [int(torch.randint(len(vectors), (1,), generator=generator))]
    away = _squares(vectors, vectors[chosen])[:, 0]
    while len(chosen) < count:
        chosen.append(int(torch.multinomial(away, 1, generator=generator)))
        away = torch.minimum(away, _squares(vectors, vectors[chosen[-1:]])[:, 0])
    return vectors[chosen]


def _run(vectors: Tensor, means: Tensor) -> tuple[Tensor, float]:
    labels = torch.full((len(vectors),), -1)
    for _ in range(_ROUNDS):
        away = _squares(vectors, means)
        found = away.argmin(1)
        for group in (torch.bincount(found, minlength=len(means)) == 0).nonzero().flatten():
            # Whoever is farthest from its mean, and not alone, founds the empty group anew.
            own = away.gather(1, found[:, None])[:, 0]
            alone = torch.bincount(found, minlength=len(means))[found] == 1
            found[own.masked_fill(alone, -1.0).argmax()] = group
        if torch.equal(found, labels):
            break
        labels, means = found, _means(vectors, found, len(means))
    return labels, float((vectors - means[labels]).square().sum())


def _means(vectors: Tensor, labels: Tensor, count: int) -> Tensor:
    return torch.stack([vectors[labels == group].mean(0) for group in range(count)])


def _squares(vectors: Tensor, means: Tensor) -> Tensor:
    return (vectors[:, None] - means[None]).square().sum(2)
