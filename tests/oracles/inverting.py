"""Mahendran & Vedaldi's two descents, retold in plain numpy for a layer that is a matrix.

``matrix`` takes an image in bytes around the mean, flat, to the layer's activations.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np


def variation(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Total variation with beta 2 of (channels, height, width), and its derivative, by loops."""
    value, slope = 0.0, np.zeros_like(x)
    channels, height, width = x.shape
    for c in range(channels):
        for r in range(height):
            for k in range(width):
                for row, column in ((r, k + 1), (r + 1, k)):
                    if row < height and column < width:
                        apart = x[c, row, column] - x[c, r, k]
                        value += apart**2
                        slope[c, row, column] += 2 * apart
                        slope[c, r, k] -= 2 * apart
    return value, slope


def cvpr2015(
    matrix: np.ndarray, target: np.ndarray, start: np.ndarray, weight: float, counts: list[int]
) -> Iterator[tuple[np.ndarray, float, float]]:
    """Yield the image, its error and its energy: of the start, and after each step."""
    sigma, size = np.linalg.norm(start), np.sum(target**2)
    x, memory, old = start.copy(), np.zeros_like(start), 0.0

    def measured() -> tuple[np.ndarray, float, float]:
        error = np.sum((matrix @ x.ravel() - target) ** 2) / size
        priors = weight / 2 * variation(x)[0] + 8e-10 / 2 * np.sum(x**6)
        return x.copy(), error, error + priors / sigma**2

    yield measured()
    for rate in [0.004 * 0.1**k for k, count in enumerate(counts) for _ in range(count)]:
        if rate != old:
            memory[:] = 0
        old = rate
        data = 2 * (matrix.T @ (matrix @ x.ravel() - target)).reshape(x.shape)
        priors = weight / 2 * variation(x)[1] + 8e-10 / 2 * 6 * x**5
        memory = 0.9 * memory - rate * priors - rate * sigma**2 / size * data
        x += memory
        yield measured()


def ijcv2016(
    matrix: np.ndarray,
    target: np.ndarray,
    start: np.ndarray,
    weight: float,
    counts: tuple[int, int],
    offset: Callable[[], tuple[int, int]],
    slack: int,
) -> Iterator[np.ndarray]:
    """Yield the canvas: before the first step and after each one, phase after phase.

    ``offset`` says which part of the canvas the network sees; the second phase has no slack.
    """
    _, height, width = start.shape
    sides = height - slack, width - slack
    rate = math.prod(sides) * 0.05 * 80**2 / 6
    x = start.copy()
    for steps, eta, seen in ((counts[0], rate, slack), (counts[1], rate / 10, 0)):
        if not seen:
            first = slack // 2
            x = x[:, first : first + sides[0], first : first + sides[1]].copy()
        memory, squares = np.zeros_like(x), np.zeros_like(x)
        pixels = x.shape[1] * x.shape[2]
        yield x.copy()
        for _ in range(steps):
            top, left = offset() if seen else (0, 0)
            part = np.s_[:, top : top + sides[0], left : left + sides[1]]
            away = matrix @ x[part].ravel() - target
            gradient = np.zeros_like(x)
            gradient[part] = (2 * weight / np.sum(target**2) * (matrix.T @ away)).reshape(
                -1, *sides
            )
            length = np.sqrt(np.sum(x**2, axis=0))
            gradient += 6 * x * length**4 / pixels / 80**6
            gradient += variation(x)[1] / pixels * (6.5 / 80) ** 2
            squares = 0.9 * squares + gradient**2
            memory = 0.9 * memory - gradient / (1 / eta + np.sqrt(squares))
            x = x + memory
            length = np.sqrt(np.sum(x**2, axis=0))
            x = x * np.minimum(160 / length, 1)
            yield x.copy()
