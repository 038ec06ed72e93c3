"""Classifying images by mean activations: against brute force and planted units."""

import numpy as np
import pytest
import torch

from striate.dissection.net2vec.classify import (
    balanced_accuracy,
    best_unit,
    classifiers,
    unit_accuracy,
)
from striate.dissection.net2vec.learn import Wanted, largest, learn_classes
from striate.dissection.net2vec.loss import Training


def by_hand(means: np.ndarray, shown: np.ndarray) -> float:
    """The best balanced accuracy of any unit, level and side, one after the other."""
    best = 0.0
    for unit in means.T:
        for level in [-np.inf, *np.unique(unit)]:
            said = unit > level
            right = (said[shown].mean() + (~said[~shown]).mean()) / 2
            best = max(best, right, 1 - right)
    return best


@pytest.mark.parametrize("seed", range(5))
def test_the_best_unit_is_that_of_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    means = random.integers(0, 4, (17, 6)).astype(np.float32)
    shown = random.random(17) < 0.4
    found = best_unit(means, shown)
    assert found[3] == pytest.approx(by_hand(means, shown))
    assert unit_accuracy(means, shown, found) == pytest.approx(found[3])


def test_a_unit_that_never_varies_tells_nothing() -> None:
    shown = np.array([True, False, False])
    assert best_unit(np.ones((3, 2), np.float32), shown)[3] == pytest.approx(0.5)


def test_accuracy_is_balanced() -> None:
    shown = np.array([True] * 2 + [False] * 8)
    always = np.ones(10, bool)
    assert float(balanced_accuracy(always == shown, shown)) == 0.5


def test_one_batch_is_a_step_of_autograd() -> None:
    """As many with as without the concept, in one batch: nothing is drawn but their order."""
    random = np.random.default_rng(1)
    means = random.random((8, 3)).astype(np.float32)
    shown = np.arange(8) < 4
    start = torch.tensor([[0.3, -0.2, 0.1], [0.0, 0.5, 0.2]], dtype=torch.float64)
    allowed = torch.tensor([[True, True, True], [False, True, True]])
    training = Training(epochs=1, batch=8, rate=0.5, momentum=0.0, l2=0.01, bias=True)
    weights, biases = classifiers(means, shown, start, allowed, training, "c")
    raw = torch.from_numpy(means).double()
    spread = float((raw - raw.mean(0)).square().mean().sqrt())
    values = (raw - raw.mean(0)) / spread
    own = start.clone().requires_grad_()
    constant = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    logits = values @ (own * allowed).T + constant
    wanted = torch.from_numpy(shown).double()[:, None].expand(-1, 2)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    (loss.mean(0).sum() + 0.005 * (own * allowed).square().sum()).backward()
    assert own.grad is not None
    assert constant.grad is not None
    moved = (start - 0.5 * own.grad) * allowed
    assert torch.allclose(weights * spread, moved)
    judged = raw @ weights.T + biases
    assert torch.allclose(judged, values @ moved.T - 0.5 * constant.grad)


def test_planted_classes_need_as_many_units_as_they_have() -> None:
    """Two units at random; the first class is one of them, the second is their sum above 1."""
    random = np.random.default_rng(4)
    means = random.random((400, 6)).astype(np.float32)
    shown = np.stack([means[:, 1] > 0.5, means[:, 2] + means[:, 4] > 1], axis=1)
    held = np.arange(400) % 4 == 0
    wanted = Wanted(
        "classification", Training(rate=0.3, epochs=40, momentum=0.0, bias=True), (1, 2)
    )
    found = learn_classes(means, shown, held, ["one", "two"], wanted)
    assert found.units.tolist()[0] == 1
    assert found.chosen[0][0] == (1,)
    assert set(found.chosen[1][1]) == {2, 4}
    assert found.scores[1].min() > 0.9
    assert found.subset_scores[1, 0, 0] > 0.95
    assert found.subset_scores[1, 1, 0] < 0.82
    assert found.subset_scores[1, 1, 1] > 0.92
    assert found.unit_scores[1, 1] < 0.82
    assert bool((found.subset_vectors[1, 1, [0, 1, 3, 5]] == 0).all())
    again = learn_classes(means, shown, held, ["one", "two"], wanted)
    assert np.array_equal(found.vectors, again.vectors)


def test_of_equal_weights_the_first_units_are_chosen() -> None:
    _, chosen = largest(torch.tensor([[1.0, -1.0, 1.0, 0.5]]), [2, 3])
    assert chosen == [[(0, 1), (0, 1, 2)]]
