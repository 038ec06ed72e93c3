"""HOG and dense SIFT a second time: numpy, angles, one loop over the pixels.

HOG is Felzenszwalb's (UoCTTI) with each pixel scattered to the four cells around it, as VLFeat's
``hog.c`` has it; blocks that would leave the image count as zero. SIFT is Lowe's, upright and on a
grid: descriptors of 4 x 4 cells of 5 pixels, 3 cells apart, from the pixels of each cell.

Pixel (0, 0) has its centre at (0, 0). The outermost pixels have no central difference and are flat.
"""

import math
from collections.abc import Iterator

import numpy as np

Array = np.ndarray


def gradients(grey: Array) -> Iterator[tuple[int, int, float, float]]:
    """Row, column, length and angle (degrees, clockwise, below 360) of each pixel on a slope."""
    for row in range(1, grey.shape[0] - 1):
        for column in range(1, grey.shape[1] - 1):
            across = (grey[row, column + 1] - grey[row, column - 1]) / 2
            down = (grey[row + 1, column] - grey[row - 1, column]) / 2
            if across or down:
                angle = math.degrees(math.atan2(down, across)) % 360
                yield row, column, math.hypot(across, down), angle


def nearest(angle: float, bins: int) -> list[tuple[int, float]]:
    """The nearest bin with all of the weight; of two, the one before."""
    return [(math.ceil(angle / (360 / bins) - 0.5) % bins, 1.0)]


def two_nearest(angle: float, bins: int) -> list[tuple[int, float]]:
    """The bins on both sides, each weighted by how near it is."""
    place = angle / (360 / bins)
    before = math.floor(place)
    return [(before % bins, 1 - (place - before)), ((before + 1) % bins, place - before)]


def hog(grey: Array, *, bilinear: bool) -> Array:
    """(cell rows, cell columns, 31): 18 directed bins, 9 undirected, 4 textures."""
    rows, columns = grey.shape[0] // 8, grey.shape[1] // 8
    cells = np.zeros((rows, columns, 18))
    for row, column, length, angle in gradients(grey):
        for o, share in (two_nearest if bilinear else nearest)(angle, 18):
            for y, by_row in neighbours((row + 0.5) / 8 - 0.5, rows):
                for x, by_column in neighbours((column + 0.5) / 8 - 0.5, columns):
                    cells[y, x, o] += length * share * by_row * by_column
    return combined(cells)


def neighbours(place: float, count: int) -> list[tuple[int, float]]:
    first = math.floor(place)
    both = [(first, 1 - (place - first)), (first + 1, place - first)]
    return [(index, weight) for index, weight in both if 0 <= index < count]


def combined(cells: Array) -> Array:
    rows, columns, _ = cells.shape
    undirected = cells[:, :, :9] + cells[:, :, 9:]
    result = np.zeros((rows, columns, 31))
    for y in range(rows):
        for x in range(columns):
            for number, (top, left) in enumerate(((y - 1, x - 1), (y - 1, x), (y, x - 1), (y, x))):
                if not (0 <= top < rows - 1 and 0 <= left < columns - 1):
                    continue
                norm = np.sqrt((undirected[top : top + 2, left : left + 2] ** 2).sum())
                if norm == 0:
                    continue
                signed = np.minimum(cells[y, x] / norm, 0.2)
                unsigned = np.minimum(undirected[y, x] / norm, 0.2)
                result[y, x, :18] += signed / 2
                result[y, x, 18:27] += unsigned / 2
                result[y, x, 27 + number] = unsigned.sum() / math.sqrt(18)
    return result


def dense_sift(grey: Array, *, renormalise: bool = True) -> Array:
    """(rows, columns, 128): 4 x 4 cells, row by row, of 8 directed bins each."""
    height, width = grey.shape
    rows, columns = (((side - 2 - 10) // 5 + 1 - 4) // 3 + 1 for side in (height, width))
    result = np.zeros((rows, columns, 4, 4, 8))
    slopes = list(gradients(grey))
    for y in range(rows):
        for x in range(columns):
            for row, column, length, angle in slopes:
                for i in range(4):
                    for j in range(4):
                        # A cell's window is 10 pixels long, the first cell's begins at pixel 1.
                        down = 1 - abs(row - (5.5 + 5 * (3 * y + i))) / 5
                        across = 1 - abs(column - (5.5 + 5 * (3 * x + j))) / 5
                        if down <= 0 or across <= 0:
                            continue
                        bell = math.exp(-((i - 1.5) ** 2 + (j - 1.5) ** 2) / (2 * 1.5**2))
                        for o, share in two_nearest(angle, 8):
                            result[y, x, i, j, o] += bell * down * across * share * length
    flat = normed(result.reshape(rows, columns, 128))
    flat = np.minimum(flat, 0.2)
    return normed(flat) if renormalise else flat


def normed(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
