"""HOG and dense SIFT as small networks, so that whatever reads or inverts networks does so to them.

With g the gradient of the grey image (central differences) and O directed bins at angles
``2 pi o / O``, both are

    orientation   h_o = ||g|| w_o(angle of g)       one bin, or shared by the two nearest
    pooling       cells: bilinear windows of twice the cell's size, one cell apart
    blocks        neighbouring cells stacked: 2 x 2 (HOG), 4 x 4 under a Gaussian (SIFT)
    normalised    b / sqrt(||b||^2 + e)           of HOG, the norm of the undirected bins
    clipped       min(b, 0.2)

SIFT then divides by the norm once more. HOG gives each cell what the four blocks that hold it say
of it: half their sum for 18 directed and 9 undirected bins, and for each block one texture, the sum
of its undirected bins over the root of 18.

Source:
    Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015.
    https://arxiv.org/abs/1412.0035, with ``hog_net.m`` and ``dsift_net.m`` of
    https://github.com/aravindhm/deep-goggle. HOG is that of Felzenszwalb, Girshick, McAllester &
    Ramanan, "Object Detection with Discriminatively Trained Part Based Models", TPAMI 2010; SIFT
    that of Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004.

Differs from the source:
    Images are [0, 1], not -128 to 127, and the constants e are scaled to that. The oriented filters
    are applied in two steps (differences, then directions), so that a gradient halfway between two
    bins is so exactly. Shares of two bins are linear in the angle as in the source, but found with
    the arctangent, whose derivative is finite everywhere. The border pixels of the image, which
    have no central difference, count as flat (as in VLFeat), not as edges against zero. HOG has its
    4 texture units, which the source's network leaves out; SIFT is normalised again after clipping,
    as by Lowe: the source's own result is the layer ``clipped``.

    An image that is flat has a zero descriptor with zero derivatives: invert from noise.

Applies to:
    Images of one or three channels, of 16 x 16 pixels (HOG) or 27 x 27 (SIFT) and more.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from striate.errors import NetworkError
from striate.image.preprocess import Preprocessing
from striate.shapes import Images, Maps

_LUMA = (0.299, 0.587, 0.114)

_CLIP = 0.2

_HOG_FLOOR = 1e-4 / (2 * 255) ** 2
"""Felzenszwalb's 1e-4, which goes with levels 0 to 255 and differences that are not halved."""

_SIFT_FLOOR = 1e-6 / 255**2
"""The source's 1e-6, which goes with levels of 0 to 255."""

_TINY = 1e-15
"""Added to lengths before division: below any contrast, yet its inverse square is a float32."""


class Hog(nn.Module):
    """Histograms of oriented gradients, as Felzenszwalb et al. (UoCTTI) recombine them.

    Output maps have one place a cell of 8 x 8 pixels and 31 units: 0 to 17 directed bins, bin o at
    ``20 o`` degrees clockwise from rightwards, from dark to bright; 18 to 26 undirected ones; 27 to
    30 the texture of the block to the upper left, upper right, lower left, lower right. Blocks that
    would leave the image count as zero.

    Args:
        bilinear: Share each gradient between the two nearest bins; else the nearest takes all.
        dtype: Of the weights; by default torch's.

    Example:
        >>> Hog()(torch.rand(1, 3, 64, 48)).shape
        torch.Size([1, 31, 8, 6])
    """

    def __init__(self, *, bilinear: bool = False, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        orientations, cell = 9, 8
        directed = 2 * orientations
        self.grey, self.differences = _grey(dtype), _differences(dtype)
        self.gradient = _directions(directed, dtype)
        self.orientation = _SharedByTwo(directed) if bilinear else _StrongestOne(directed)
        # One less on each side than the cells' half: the gradient has no border pixels.
        self.pooling = _bilinear(directed, cell, dtype, padding=cell // 2 + 1)
        blocks = _hog_blocks(orientations)
        self.blocks = _fixed(blocks, dtype)
        undirected = blocks.sum(dim=(1, 2, 3)) == 2
        self.normalised = _Normalised(undirected, _HOG_FLOOR, dtype)
        self.clipped = _Clipped()
        self.cells = _fixed(_hog_cells(orientations), dtype, padding=1)

    def forward(self, images: Images) -> Maps:
        """Describe every cell.

        Args:
            images: *pixel* space, one or three channels.

        Returns:
            The descriptor of each cell.

        Raises:
            NetworkError: If the images are too small, or have another number of channels.
        """
        _check(images, 16)
        grey = self.grey(images) if images.shape[1] == 3 else images
        responses = self.gradient(self.differences(grey))
        cells = self.pooling(self.orientation(responses))
        described: Tensor = self.cells(self.clipped(self.normalised(self.blocks(cells))))
        return described


class DenseSift(nn.Module):
    """SIFT descriptors at one scale and upright, on a grid.

    Cells are 5 pixels wide, and descriptors 3 cells apart, so that neighbours share a row of cells.
    Output maps have one place a descriptor and 128 units: unit ``8 (4 row + column) + o`` is
    direction o (``45 o`` degrees clockwise from rightwards) of that of its 4 x 4 cells.

    Args:
        dtype: Of the weights; by default torch's.

    Example:
        >>> DenseSift()(torch.rand(1, 3, 57, 42)).shape
        torch.Size([1, 128, 3, 2])
    """

    def __init__(self, *, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        directed, cell, side, step, sigma = 8, 5, 4, 3, 1.5
        self.grey, self.differences = _grey(dtype), _differences(dtype)
        self.gradient = _directions(directed, dtype)
        self.orientation = _SharedByTwo(directed)
        self.pooling = _bilinear(directed, cell, dtype)
        blocks = _sift_blocks(directed, side, sigma)
        self.blocks = _fixed(blocks, dtype, stride=step)
        self.normalised = _Normalised(torch.ones(len(blocks)), _SIFT_FLOOR, dtype)
        self.clipped = _Clipped()
        self.renormalised = _Renormalised()

    def forward(self, images: Images) -> Maps:
        """Describe the surroundings of every point of a grid.

        Args:
            images: *pixel* space, one or three channels.

        Returns:
            The descriptor of each point.

        Raises:
            NetworkError: If the images are too small, or have another number of channels.
        """
        _check(images, 27)
        grey = self.grey(images) if images.shape[1] == 3 else images
        responses = self.gradient(self.differences(grey))
        cells = self.pooling(self.orientation(responses))
        described: Tensor = self.renormalised(self.clipped(self.normalised(self.blocks(cells))))
        return described


DESCRIPTORS: dict[str, Callable[[], nn.Module]] = {
    "hog": Hog,
    "hog-bilinear": partial(Hog, bilinear=True),
    "dense-sift": DenseSift,
}
"""The names under which `striate.load` knows them."""

DESCRIPTOR_PREPROCESSING = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
"""Short side 256, centre crop 224, and pixels as they are."""


def _check(images: Images, side: int) -> None:
    """Refuse images that have no descriptor."""  # noqa: DOC501 - private
    channels, height, width = images.shape[1:]
    if channels not in {1, 3} or min(height, width) < side:
        msg = (
            f"this descriptor takes images of 1 or 3 channels and of {side} x {side} pixels or "
            f"more, not of {channels} channels and {height} x {width} pixels"
        )
        raise NetworkError(msg)


class _StrongestOne(nn.Module):
    """The bin nearest to a gradient takes all of its length; of two, the one before.

    On the circle of bins the responses have one peak, so that the largest is the one that is larger
    than the one before and not smaller than the one after. Flat places have none.
    """

    def __init__(self, directed: int) -> None:
        super().__init__()
        self._directed = directed

    def forward(self, responses: Maps) -> Maps:
        energy = responses.square().sum(1, keepdim=True) * (2 / self._directed)
        # The derivative of the plain root is infinite at zero; this one's is zero there.
        length = energy / (energy + _TINY**2).sqrt()
        before, after = _neighbours(responses)
        return length * torch.logical_and(responses > before, responses >= after)


class _SharedByTwo(nn.Module):
    """The two bins nearest to a gradient share its length, linearly in the angle.

    With f the angle from a bin, the bin's response is ``||g|| cos f``, and its neighbours' differ
    by ``2 ||g|| sin f sin d``, d being the angle between bins: that gives tan f.
    """

    def __init__(self, directed: int) -> None:
        super().__init__()
        self._apart = 2 * math.pi / directed

    def forward(self, responses: Maps) -> Maps:
        along = responses.relu()
        before, after = _neighbours(responses)
        across = (after - before).abs() / (2 * math.sin(self._apart))
        # Beyond the next bin nothing is left to share, wherever exactly the gradient points.
        tangent = (across / (along + _TINY)).clamp(max=math.tan(1.2 * self._apart))
        share = (1 - tangent.atan() / self._apart).relu()
        return along * (tangent.square() + 1).sqrt() * share


def _neighbours(responses: Maps) -> tuple[Maps, Maps]:
    """Return the responses of the bin before and of the bin after, around the circle."""
    before = torch.cat((responses[:, -1:], responses[:, :-1]), dim=1)
    after = torch.cat((responses[:, 1:], responses[:, :1]), dim=1)
    return before, after


class _Normalised(nn.Module):
    """Divide a block by the norm of some of its units."""

    weight: Tensor

    def __init__(self, counted: Tensor, floor: float, dtype: torch.dtype | None) -> None:
        super().__init__()
        self._floor = floor
        weight = counted.to(dtype or torch.get_default_dtype())
        self.register_buffer("weight", weight[None, :, None, None])

    def forward(self, blocks: Maps) -> Maps:
        energy = nn.functional.conv2d(blocks.square(), self.weight)
        return blocks / (energy + self._floor).sqrt()


class _Clipped(nn.Module):
    """Cut off at 0.2, so that no single strong edge speaks for the whole block."""

    def forward(self, blocks: Maps) -> Maps:
        return blocks.clamp(max=_CLIP)


class _Renormalised(nn.Module):
    """Divide a clipped block by its norm.

    A vector of norm 1, clipped at 0.2, has a norm of at least 0.2. Below are only blocks of no
    contrast, and these are not blown up.
    """

    def forward(self, blocks: Maps) -> Maps:
        energy = blocks.square().sum(1, keepdim=True)
        return blocks / energy.clamp(min=_CLIP**2).sqrt()


def _fixed(
    weight: Tensor,
    dtype: torch.dtype | None,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> nn.Conv2d:
    """Return a convolution whose weight is a buffer: nothing trains it."""
    units, inputs, rows, columns = weight.shape
    # On "meta" no random weights are drawn, which would move the global generator.
    convolution = nn.Conv2d(
        inputs * groups, units, (rows, columns), stride, padding, groups=groups, bias=False,
        device="meta",
    )  # fmt: skip
    del convolution.weight
    convolution.register_buffer("weight", weight.to(dtype or torch.get_default_dtype()))
    return convolution


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64)


def _grey(dtype: torch.dtype | None) -> nn.Conv2d:
    return _fixed(torch.tensor(_LUMA, dtype=torch.float64)[None, :, None, None], dtype)


def _differences(dtype: torch.dtype | None) -> nn.Conv2d:
    """Half of right minus left, and half of below minus above."""
    weight = _zeros(2, 1, 3, 3)
    weight[0, 0, 1, 0], weight[0, 0, 1, 2] = -0.5, 0.5
    weight[1, 0, 0, 1], weight[1, 0, 2, 1] = -0.5, 0.5
    return _fixed(weight, dtype)


def _directions(directed: int, dtype: torch.dtype | None) -> nn.Conv2d:
    """Project the gradient on each of the directions."""
    weight = [
        [_cosine(4 * o, directed), _cosine(4 * o - directed, directed)] for o in range(directed)
    ]
    return _fixed(torch.tensor(weight, dtype=torch.float64)[:, :, None, None], dtype)


def _cosine(quarters: int, steps: int) -> float:
    """Return the cosine of so many quarters of steps, with so many steps a turn.

    It comes from the first quadrant: then cos 90 degrees is 0 and cos 80 degrees is -cos 100
    degrees, bit for bit, and what lies halfway between two bins does so on every machine.
    """
    turn = 4 * steps
    folded = min(quarters % turn, -quarters % turn)
    if folded == steps:
        return 0.0
    if folded > steps:
        return -_cosine(2 * steps - folded, steps)
    return math.cos(2 * math.pi * folded / turn)


def _bilinear(
    directed: int, cell: int, dtype: torch.dtype | None, *, padding: int = 0
) -> nn.Conv2d:
    """Sum each bin over each cell: a pixel counts by how near it is to the cell's centre."""
    distance = (torch.arange(2 * cell, dtype=torch.float64) - (2 * cell - 1) / 2).abs() / cell
    window = torch.outer(1 - distance, 1 - distance)
    weight = window.expand(directed, 1, 2 * cell, 2 * cell).contiguous()
    return _fixed(weight, dtype, stride=cell, padding=padding, groups=directed)


def _hog_blocks(orientations: int) -> Tensor:
    """Stack 2 x 2 cells: of each, the directed bins and the sums of opposite ones."""
    directed = 2 * orientations
    weight = _zeros(2, 2, 3 * orientations, directed, 2, 2)
    for row in range(2):
        for column in range(2):
            for o in range(directed):
                weight[row, column, o, o, row, column] = 1
                weight[row, column, directed + o % orientations, o, row, column] = 1
    return weight.reshape(-1, directed, 2, 2)


def _hog_cells(orientations: int) -> Tensor:
    """Take blocks apart: of the four blocks around a cell, the part that is this cell's.

    The block to the upper left, at place (0, 0) of the window, has the cell at its lower right.
    """
    bins = 3 * orientations
    weight = _zeros(bins + 4, 2, 2, bins, 2, 2)
    for row in range(2):
        for column in range(2):
            here = weight[:, 1 - row, 1 - column, :, row, column]
            here[torch.arange(bins), torch.arange(bins)] = 0.5
            here[bins + 2 * row + column, 2 * orientations :] = 1 / math.sqrt(2 * orientations)
    return weight.reshape(bins + 4, -1, 2, 2)


def _sift_blocks(directed: int, side: int, sigma: float) -> Tensor:
    """Stack 4 x 4 cells, weighted by a Gaussian about their middle (sigma in cells)."""
    offsets = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    bell = torch.exp(-(offsets**2) / (2 * sigma**2))
    weight = _zeros(side, side, directed, directed, side, side)
    for row in range(side):
        for column in range(side):
            for o in range(directed):
                weight[row, column, o, o, row, column] = bell[row] * bell[column]
    return weight.reshape(-1, directed, side, side)
