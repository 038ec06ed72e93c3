"""The basis of a layer rotated: do units mean more than other directions do?

    maps'_k = sum_j (Q^alpha)_kj maps_j

Q is a random rotation, alpha how far it is gone. What the layer tells the layers behind it stays:
turned back by the transpose of Q^alpha, the network's function is the same. If concepts fell on
directions at random, as many detectors would be found in any basis.

Q is the orthogonal factor of a matrix of independent normal numbers, with signs such that it is
drawn evenly from all, and one row turned where its determinant is -1. An orthogonal matrix turns
planes by angles; Q^alpha turns the same planes by alpha times the angles, each angle taken between
-pi and pi.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection", CVPR 2017, section 3.2 and figure 5.
Differs from the source:
    Powers by the eigenvectors of Q, complex and orthonormal, not by its real Schur form: the same
    matrix, without scipy.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex128, Float64

from striate.atlas.engines.local import Progress
from striate.atlas.illustrate import writing
from striate.atlas.store.files import remove, write
from striate.atlas.store.reader import Atlas
from striate.dissection.passes import Passes, Probe
from striate.dissection.plan import make_plan
from striate.dissection.results import folder_of
from striate.dissection.run import dissected_layers
from striate.errors import AtlasError, MethodError
from striate.image.concepts.concept_set import ConceptSet
from striate.network.network import Network

ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""As in the paper's figure 5."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was found in one basis.

    Attributes:
        alpha: How far it is rotated, from 0 (units) to 1.
        detectors: How many of its directions detect a concept.
        unique: How many concepts are detected, by category.
    """

    alpha: float
    detectors: int
    unique: dict[str, int]

    @property
    def total(self) -> int:
        """Unique detectors of all categories."""
        return sum(self.unique.values())


@dataclass(frozen=True, slots=True)
class RotationCurve:
    """What becomes of a layer's detectors as its basis is rotated.

    Attributes:
        layer: Its address.
        units: How many it has.
        seed: Of the rotation.
        images: How many images were looked at.
        steps: What was found, by rising alpha.
    """

    layer: str
    units: int
    seed: int
    images: int
    steps: tuple[Rotated, ...]


def rotation(units: int, alpha: float, seed: int) -> Float64[np.ndarray, "units units"]:
    """Return a power of a random rotation.

    Args:
        units: Of how many dimensions.
        alpha: The power: 0 is no rotation, 1 the whole.
        seed: Which rotation.

    Returns:
        An orthogonal matrix of determinant 1.

    Example:
        >>> half = rotation(3, 0.5, seed=0)
        >>> bool(np.allclose(half @ half, rotation(3, 1.0, seed=0)))
        True
    """
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(units, units, generator=generator, dtype=torch.float64).numpy()
    orthogonal, upper = np.linalg.qr(normal)
    orthogonal = orthogonal * np.where(np.diag(upper) < 0, -1.0, 1.0)
    if np.linalg.det(orthogonal) < 0:
        orthogonal[0] = -orthogonal[0]
    return power(orthogonal, alpha)


def power(
    orthogonal: Float64[np.ndarray, "units units"], alpha: float
) -> Float64[np.ndarray, "units units"]:
    """Return a power of a rotation: the same planes, turned by so much of their angles.

    Args:
        orthogonal: Orthogonal, of determinant 1.
        alpha: The power.
    """
    if alpha == 0:
        # Exactly: rounding would make activations of what is 0, and the like of a threshold of 0.
        return np.eye(len(orthogonal))
    vectors, angles = _planes(orthogonal)
    turned = vectors * np.exp(1j * alpha * angles)
    return np.ascontiguousarray((turned @ vectors.conj().T).real)


def _planes(
    orthogonal: np.ndarray,
) -> tuple[Complex128[np.ndarray, "units units"], Float64[np.ndarray, " units"]]:
    """Return orthonormal eigenvectors, in conjugate pairs, and the angle of each eigenvalue."""
    # Q + Q' and i (Q' - Q) are Hermitian and commute with Q. A generic mixture of them has
    # eigenvectors that are orthonormal as they come, and Q's own.
    symmetric = (orthogonal + orthogonal.T) / 2
    skew = (orthogonal - orthogonal.T) / 2j
    _, vectors = np.linalg.eigh(symmetric * _MIXTURE + skew)
    angles = np.angle(np.einsum("ij,ik,kj->j", vectors.conj(), orthogonal, vectors))
    return vectors, angles


_MIXTURE = 0.5477225575051661
"""Any number without a plain ratio to 1, so that no two angles of a rotation are confused."""


def rotate(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    atlas: Atlas,
    concepts: ConceptSet,
    layer: str,
    alphas: Sequence[float] = ALPHAS,
    seed: int = 0,
    *,
    quantile: float = 0.005,
    ratio: int = 2,
    upsampling: str = "field",
    batch: int = 32,
    progress: Callable[[Progress], None] = lambda _: None,
) -> RotationCurve:
    """Dissect a layer in several bases, and store how many concepts each detects.

    Args:
        network: The atlas's network, on the device to run on.
        atlas: The atlas, finished.
        concepts: Concepts and the images that show them.
        layer: Address of the layer.
        alphas: How far to rotate.
        seed: Which rotation.
        quantile: See `striate.dissection.run.dissect`, as for what follows.
        ratio: Likewise.
        upsampling: Likewise.
        batch: Likewise.
        progress: Likewise.

    Returns:
        What was found in each basis; what was stored for this layer before is replaced.

    Raises:
        AddressError: If the layer is not in the atlas.
        AtlasError: As `dissect`.
        MethodError: If the layer cannot be dissected, or no alpha is given.
    """
    (address,) = dissected_layers(network, atlas, [atlas.layer(layer).address])
    steps = sorted({float(alpha) for alpha in alphas})
    if not steps or not np.isfinite(steps).all():
        msg = f"alphas {list(alphas)} are no rotations: give numbers such as 0, 0.5 and 1"
        raise MethodError(msg)
    plan = make_plan(
        network, atlas, concepts, quantile=quantile, ratio=ratio, upsampling=upsampling,
        batch=batch,
    )  # fmt: skip
    row = atlas.layers[address]
    probes = [
        # A product with the identity would carry NaN from one unit to all.
        Probe(
            address,
            rotation(row.units, alpha, seed) if alpha else None,
            f" seed {seed} alpha {alpha}",
        )
        for alpha in steps
    ]
    folder = folder_of(atlas.home)
    begun = folder / f"rotation-{row.number:04d}.safetensors"
    with writing(atlas, network):
        found = Passes(network, atlas, concepts, plan, probes, begun, progress).run()
        rotated = tuple(
            Rotated(
                alpha,
                int(dissected.detectors().sum()),
                {name: len(which) for name, which in dissected.unique().items()},
            )
            for alpha, dissected in zip(steps, found.layers, strict=True)
        )
        seen = plan.images - len(found.skipped)
        curve = RotationCurve(address, row.units, seed, seen, rotated)
        said = {"atlas": atlas.revision, "settings": plan.to_json(), **asdict(curve)}
        content = json.dumps(said, sort_keys=True, allow_nan=False)
        write(_file(atlas, row.number), content.encode(), within=atlas.home)
        remove(begun)
    return curve


def _file(atlas: Atlas, number: int) -> Path:
    return folder_of(atlas.home) / f"rotation-{number:04d}.json"


def rotation_of(atlas: Atlas, layer: str) -> RotationCurve | None:
    """Return what `rotate` stored for a layer; None if there is nothing of this atlas.

    Args:
        atlas: The atlas.
        layer: Address of the layer.

    Raises:
        AtlasError: If the file is damaged.
    """
    path = _file(atlas, atlas.layer(layer).number)
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
        if found["atlas"] != atlas.revision:
            return None
        steps = [
            Rotated(
                float(s["alpha"]), int(s["detectors"]), {k: int(n) for k, n in s["unique"].items()}
            )
            for s in found["steps"]
        ]
        return RotationCurve(
            str(found["layer"]), int(found["units"]), int(found["seed"]), int(found["images"]),
            tuple(steps),
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"{path} is damaged ({error}): make it again with `striate dissect rotate`"
        raise AtlasError(msg) from error
