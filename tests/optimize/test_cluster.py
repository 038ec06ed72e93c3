"""Groups of vectors: planted ones are found, tiny cases are the best of all partitions."""

import itertools

import pytest
import torch
from torch import Tensor

from striate.errors import MethodError
from striate.optimize.cluster import k_means, principal


def rand_index(ones: list[int], others: list[int]) -> float:
    """The adjusted Rand index, pair by pair."""
    pairs = list(itertools.combinations(range(len(ones)), 2))
    together = sum(ones[i] == ones[j] and others[i] == others[j] for i, j in pairs)
    first = sum(ones[i] == ones[j] for i, j in pairs)
    second = sum(others[i] == others[j] for i, j in pairs)
    expected = first * second / len(pairs)
    return (together - expected) / ((first + second) / 2 - expected)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(sizes: list[int], spread: float) -> tuple[Tensor, list[int]]:
    made = generator(5)
    centres = torch.randn((len(sizes), 12), generator=made, dtype=torch.float64) * 10
    truth = [group for group, size in enumerate(sizes) for _ in range(size)]
    noise = torch.randn((len(truth), 12), generator=made, dtype=torch.float64) * spread
    return centres[truth] + noise, truth


@pytest.mark.parametrize("seed", range(5))
def test_planted_groups_are_found_the_largest_first(seed: int) -> None:
    vectors, truth = blobs([7, 30, 12, 20], spread=1.0)
    found = k_means(principal(vectors, 5), 4, generator(seed))
    assert rand_index(found.labels.tolist(), truth) == 1.0
    assert torch.bincount(found.labels).tolist() == [30, 20, 12, 7]
    assert found.labels[7] == 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_cases_are_the_best_of_all_partitions(count: int) -> None:
    vectors = torch.randn((7, 2), generator=generator(count), dtype=torch.float64)
    best = float("inf")
    for labels in itertools.product(range(count), repeat=7):
        if len(set(labels)) == count:
            groups = [vectors[[k for k in range(7) if labels[k] == g]] for g in range(count)]
            best = min(best, sum(float((g - g.mean(0)).square().sum()) for g in groups))
    found = k_means(vectors, count, generator())
    assert found.inertia == pytest.approx(best)


def test_members_are_all_and_the_nearest_first() -> None:
    vectors, _ = blobs([5, 9], spread=3.0)
    found = k_means(vectors, 2, generator())
    members = found.members(vectors)
    assert sorted(m for group in members for m in group) == list(range(14))
    for group, centroid in zip(members, found.centroids, strict=True):
        away = (vectors[list(group)] - centroid).norm(dim=1)
        assert torch.equal(away, away.sort().values)
        assert torch.allclose(vectors[list(group)].mean(0), centroid)


def test_as_many_groups_as_vectors_and_no_more() -> None:
    vectors = torch.tensor([[0.0], [0.0], [1.0], [5.0]], dtype=torch.float64)
    assert k_means(vectors, 3, generator()).inertia == 0
    with pytest.raises(MethodError, match="4 groups of 3 different vectors"):
        k_means(vectors, 4, generator())


def test_equal_vectors_stay_equal_however_they_are_turned() -> None:
    two = torch.randn((2, 30), generator=generator(), dtype=torch.float64)
    turned = principal(two.repeat(5, 1), 50)
    assert k_means(turned, 2, generator()).labels.tolist() == [0, 1] * 5
    with pytest.raises(MethodError, match="3 groups of 2 different vectors"):
        k_means(turned, 3, generator())


def test_principal_directions_keep_distances_and_order() -> None:
    vectors = torch.randn((9, 20), generator=generator(), dtype=torch.float64)
    found = principal(vectors, 50)
    assert torch.allclose(torch.cdist(found, found), torch.cdist(vectors, vectors))
    covariance = torch.cov(vectors.T)
    largest = torch.linalg.eigvalsh(covariance).flip(0)[:9]
    assert torch.allclose(found.var(0), largest, atol=1e-10)
    assert torch.equal(principal(vectors, 3), found[:, :3])
