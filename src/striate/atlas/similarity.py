"""Which units of a layer respond to the same images, and what an image does out of the ordinary.

All of it works on a layer's responses: the largest activation of each unit in each image, with NaN
where an image was not seen or a unit was not finite on it (`striate.atlas.store.reader.Atlas`).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64

_SMALLEST_PART = 8
"""A line is not cut into parts smaller than its length by this: many small cuts cost time."""

_HOLDS_TOGETHER = 0.5
"""Above this share of weight that leaves the smaller part, two parts are no clusters."""

Responses = Float[np.ndarray, "images units"]
Weights = Float[np.ndarray, "things things"]

_ROWS = 4096
"""Images that are in memory as float64 at once."""

_NOTHING = 1e-12
"""A variance below this share of the squares is rounding."""


def spread(
    responses: Responses,
) -> tuple[Float64[np.ndarray, " units"], Float64[np.ndarray, " units"]]:
    """Return the mean of each unit over the images, and its standard deviation.

    Args:
        responses: A layer's responses.

    Returns:
        Means and (population) standard deviations; NaN where a unit never varies, or never was
        finite.

    Source:
        Textbook.

    Example:
        >>> spread(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
        (array([2., 5.]), array([ 1., nan]))
    """
    mean, varies = _mean(responses)
    squares, count = np.zeros_like(mean), np.zeros_like(mean)
    for values, known in _blocks(responses):
        squares += np.square(np.where(known, values - mean, 0.0)).sum(axis=0)
        count += known.sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    return mean, np.where(varies, deviation, np.nan)


def deviations(
    responses: Responses,
    image: int,
    known: tuple[Float64[np.ndarray, " units"], Float64[np.ndarray, " units"]] | None = None,
) -> Float64[np.ndarray, " units"]:
    """Return how far one image drives each unit above what is usual for that unit.

    Args:
        responses: A layer's responses.
        image: Id of the image.
        known: What `spread` says of them, if it has been asked already.

    Returns:
        Standard deviations above the unit's mean over the images; NaN where the unit never varies
        or was not finite on this image.

    Source:
        Textbook (the standard score).

    Example:
        >>> deviations(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32), 1)
        array([ 1., nan])
    """
    mean, deviation = known or spread(responses)
    row = np.asarray(responses[image], np.float64)
    return np.where(np.isfinite(row), (row - mean) / deviation, np.nan)


def correlations(responses: Responses) -> Float64[np.ndarray, "units units"]:
    """Return Pearson's correlation of each two units over the images.

    Where a unit was not finite, only the images count on which both units were.

    Args:
        responses: A layer's responses.

    Returns:
        A symmetric matrix; NaN in row and column of units that never vary, and where two units have
        too few images in common.

    Source:
        Textbook.

    Example:
        >>> correlations(np.array([[1, 2, 0], [2, 4, 0], [3, 6, 0]], np.float32))
        array([[ 1.,  1., nan],
               [ 1.,  1., nan],
               [nan, nan, nan]])
    """
    mean, varies = _mean(responses)
    units = len(mean)
    common, sums, squares, products = (np.zeros((units, units)) for _ in range(4))
    for values, known in _blocks(responses):
        apart, mask = np.where(known, values - mean, 0.0), known.astype(np.float64)
        products += apart.T @ apart
        if known.all():
            common += len(values)
            sums += apart.sum(axis=0)[:, None]
            squares += (apart * apart).sum(axis=0)[:, None]
        else:
            common += mask.T @ mask
            sums += apart.T @ mask
            squares += (apart * apart).T @ mask
    count = np.maximum(common, 1.0)
    covariance = products - sums * sums.T / count
    variance = squares - sums * sums / count
    real = (variance > _NOTHING * squares) & varies[:, None]
    size = np.sqrt(np.where(real, variance, 1.0))
    found = np.clip(covariance / (size * size.T), -1.0, 1.0)
    found[np.diag_indices(units)] = 1.0
    return np.where(real & real.T, found, np.nan)


def most_similar(
    correlations: Float[np.ndarray, "units units"], unit: int, count: int
) -> list[tuple[int, float]]:
    """Return the units that are most like one.

    Args:
        correlations: Of each two units, as `correlations` returns them.
        unit: Which unit.
        count: How many to return, at most.

    Returns:
        Units with their correlation, the highest first, of equals the lower unit first; without the
        unit itself and those that it cannot be compared with.

    Source:
        Plain sorting.

    Example:
        >>> most_similar(np.array([[1.0, 0.2, 0.9], [0.2, 1.0, 0.1], [0.9, 0.1, 1.0]]), 0, 5)
        [(2, 0.9), (1, 0.2)]
    """
    row = correlations[unit]
    order = np.argsort(-row, kind="stable")
    others = order[np.isfinite(row[order]) & (order != unit)][:count]
    return list(zip(others.tolist(), row[others].tolist(), strict=True))


def seriation(weights: Weights) -> list[int]:
    """Put things in an order in which similar ones stand together.

    The order is that of the second eigenvector (Fiedler's) of the graph Laplacian, for each group
    of things that weights connect; the larger group first, and what is similar to nothing, or not
    known to be, last. Where a group falls into halves with
    less between than within them, each half is put in order by itself, and so on: one eigenvector
    cannot keep many clusters apart.

    Args:
        weights: How similar each two things are. What is negative or NaN counts as no similarity;
            the mean is taken where the matrix is not symmetric.

    Returns:
        The things, each once; of the two directions the one with the lower of both ends first.

    Source:
        Atkins, Boman & Hendrickson, "A spectral algorithm for seriation and the consecutive ones
        problem", SIAM Journal on Computing 28(1), 1998: it recovers the order where there is one.

    Differs from the source:
        Groups are halved, at the cut of least conductance; and things with equal entries in the
        eigenvector stay in their order, where the source sets up a PQ-tree of all orders that are
        as good.

    Example:
        >>> near = np.array([[0, 1, 0, 2], [1, 0, 0, 0], [0, 0, 0, 2], [2, 0, 2, 0]])
        >>> seriation(near.astype(np.float64))
        [1, 0, 3, 2]
    """
    positive = np.where(np.isfinite(weights), np.maximum(weights, 0.0), 0.0).astype(np.float64)
    symmetric = (positive + positive.T) / 2
    np.fill_diagonal(symmetric, 0.0)
    if symmetric.any():
        symmetric /= symmetric.max()
    known = np.isfinite(weights).any(axis=1)
    groups = sorted(
        _connected(symmetric), key=lambda group: (-len(group), not known[group[0]], group[0])
    )
    found: list[int] = []
    for group in groups:
        order = _in_line(symmetric, group)
        found += order if order[0] <= order[-1] else order[::-1]
    return found


def _connected(weights: Weights) -> Iterator[list[int]]:
    """Yield the groups that no weight leads out of, ascending."""
    left = np.ones(len(weights), bool)
    while left.any():
        found = np.zeros(len(weights), bool)
        fresh = np.array([left.argmax()])
        while len(fresh):
            found[fresh] = True
            fresh = np.flatnonzero((weights[fresh] > 0).any(axis=0) & ~found)
        left &= ~found
        yield np.flatnonzero(found).tolist()


def _in_line(weights: Weights, group: list[int]) -> list[int]:
    """Return a group in its own order, in that of the two directions which is closer to it."""
    if len(group) < 3:
        return group
    inside = weights[np.ix_(group, group)]
    parts = sorted(_connected(inside), key=lambda part: sum(part) / len(part))
    if len(parts) > 1:
        return [thing for part in parts for thing in _in_line(weights, [group[k] for k in part])]
    vector = np.linalg.eigh(np.diag(inside.sum(axis=1)) - inside)[1][:, 1]
    if vector @ (np.arange(len(group)) - (len(group) - 1) / 2) < 0:
        vector = -vector
    # Rounded, so that things that are alike keep their order on every machine.
    places = np.argsort(np.round(vector / np.abs(vector).max(), 9), kind="stable")
    order = [group[k] for k in places]
    cut = _best_cut(inside[np.ix_(places, places)])
    if cut is None:
        return order
    return _in_line(weights, order[:cut]) + _in_line(weights, order[cut:])


def _best_cut(weights: Weights) -> int | None:
    """Return before which thing to cut a line in two, none small; None: it holds together."""
    size = len(weights)
    least = -(-size // _SMALLEST_PART)
    degrees = weights.sum(axis=1)
    within = 2 * np.cumsum(np.tril(weights).sum(axis=1))
    # Both added up from their own end: a difference to the whole can be rounded to nothing.
    left, right = np.cumsum(degrees)[:-1], np.cumsum(degrees[::-1])[-2::-1]
    conductance = (left - within[:-1]) / np.minimum(left, right)
    allowed = conductance[least - 1 : size - least]
    if not len(allowed) or allowed.min() > _HOLDS_TOGETHER:
        return None
    return least + int(allowed.argmin())


def _mean(responses: Responses) -> tuple[np.ndarray, np.ndarray]:
    """Return each unit's mean, and whether it varies at all."""
    units = responses.shape[1]
    total, count = np.zeros(units), np.zeros(units)
    low, high = np.full(units, np.inf), np.full(units, -np.inf)
    for values, known in _blocks(responses):
        total += np.where(known, values, 0.0).sum(axis=0)
        count += known.sum(axis=0)
        low = np.minimum(low, np.where(known, values, np.inf).min(axis=0))
        high = np.maximum(high, np.where(known, values, -np.inf).max(axis=0))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    # The mean of equal numbers is not always that number.
    return np.where(low == high, low, mean), low < high


def _blocks(responses: Responses) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the images that were seen, some at once, and where they are finite."""
    for start in range(0, len(responses), _ROWS):
        values = np.asarray(responses[start : start + _ROWS], np.float64)
        known = np.isfinite(values)
        seen = known.any(axis=1)
        if seen.any():
            yield values[seen], known[seen]
