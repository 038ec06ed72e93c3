"""What is done to features before they are inverted: each change keeps what it says it keeps."""

import numpy as np
import pytest
import torch

import striate
from methods.upconv_building import draw, frames_of, network_of
from striate.methods.upconvnet import perturb
from striate.methods.upconvnet.experiment import perturbed_errors

SHAPES = [(3, 7), (2, 5, 4, 6), (1, 1, 3, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_binarise_keeps_signs_and_the_statistic(shape, seeded):
    features = torch.randn(shape, generator=seeded, dtype=torch.float64)
    features[features.abs() < 0.4] = 0
    for keep in ("norm", "mean"):
        found = perturb.binarise(features, keep=keep)
        assert torch.equal(found.sign(), features.sign())
        for before, after in zip(features.numpy(), found.numpy(), strict=True):
            assert len(np.unique(np.abs(after[after != 0]).round(12))) == 1
            statistic = np.linalg.norm if keep == "norm" else lambda x: np.abs(x).mean()
            assert statistic(after.ravel()) == pytest.approx(statistic(before.ravel()), rel=1e-12)
        assert torch.allclose(perturb.binarise(found, keep=keep), found)  # a second time is nothing


def test_binarise_of_nothing_is_nothing():
    for keep in ("norm", "mean"):
        assert torch.equal(perturb.binarise(torch.zeros(2, 3), keep=keep), torch.zeros(2, 3))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_drop_takes_its_share_of_each_image(shape, share, seeded):
    features = torch.rand(shape, generator=seeded) + 1
    found = perturb.drop(features, share, seeded)
    count = features[0].numel()
    assert found.eq(0).flatten(1).sum(1).tolist() == [round(share * count)] * shape[0]
    assert torch.equal(found[found != 0], features[found != 0])


def test_drop_takes_whole_units(seeded):
    found = perturb.drop(torch.ones(4, 10, 3, 3), 0.3, seeded, whole_units=True)
    sums = found.sum((2, 3))
    assert set(sums.unique().tolist()) == {0.0, 9.0}
    assert sums.eq(0).sum(1).tolist() == [3] * 4
    assert len({tuple(row) for row in sums.tolist()}) > 1  # each image has a draw of its own


def test_drop_is_as_random_as_its_generator():
    features = torch.ones(2000, 10)
    first = perturb.drop(features, 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(first, perturb.drop(features, 0.5, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, perturb.drop(features, 0.5, torch.Generator().manual_seed(2)))
    # 2000 draws of 5 in 10: a place's share has a standard deviation of about 0.011.
    assert (first.mean(0) - 0.5).abs().max() < 0.06
    for share in (-0.1, 1.1):
        with pytest.raises(striate.MethodError, match="from 0 to 1"):
            perturb.drop(features, share, torch.Generator())


def test_interpolate_and_scale_are_linear(seeded):
    first, second = (torch.randn(2, 3, 4, 4, generator=seeded) for _ in range(2))
    assert torch.equal(perturb.interpolate(first, second, 0.0), first)
    assert torch.equal(perturb.interpolate(first, second, 1.0), second)
    half = perturb.interpolate(first, second, 0.5)
    assert torch.allclose(half - first, second - half, atol=1e-6)
    beyond = perturb.interpolate(first, second, 2.0)
    assert torch.allclose(beyond, 2 * second - first, atol=1e-6)
    assert torch.equal(perturb.scale(first, 3.0), 3 * first)


def test_probabilities_are_a_softmax(seeded):
    scores = torch.randn(4, 9, generator=seeded, dtype=torch.float64)
    found = perturb.probabilities(scores).numpy()
    powers = np.exp(scores.numpy())
    assert np.allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-12, atol=0)
    # Scores may be moved by any number, also a large one.
    moved = perturb.probabilities(scores + 500)
    assert np.allclose(moved.numpy(), found, rtol=1e-9, atol=0)


@pytest.mark.parametrize("shape", [(4, 20), (4, 20, 1, 1), (2, 20, 3, 2)])
@pytest.mark.parametrize("k", [0, 1, 5, 19, 20, 50])
def test_top_and_rest_are_two_parts_of_one(shape, k, seeded):
    values = perturb.probabilities(3 * torch.randn(shape, generator=seeded, dtype=torch.float64))
    top = perturb.only_top(values, k, keep_sum=False)
    rest = perturb.without_top(values, k, keep_sum=False)
    assert torch.equal(top + rest, values)
    assert set(top.ne(0).sum(1).flatten().tolist()) == {min(k, 20)}
    if 0 < k < 20:
        least = torch.where(top > 0, top, 2.0).amin(1)
        assert bool((least >= rest.amax(1)).all())
    for part, whole in [(top, perturb.only_top(values, k)), (rest, perturb.without_top(values, k))]:
        sums = whole.sum(1)
        expected = torch.where(part.sum(1) > 0, values.sum(1), 0.0)
        assert torch.allclose(sums, expected, rtol=1e-12, atol=0)
        # The shares among what stays do not change.
        assert torch.allclose(whole * part.sum(1, keepdim=True), part * sums[:, None], atol=1e-15)


def test_equal_probabilities_are_still_five():
    for transform, count in [("top5", 5), ("rest", 7)]:
        found = perturb.TRANSFORMS[transform](torch.zeros(3, 12))
        assert found.ne(0).sum(1).tolist() == [count] * 3
        assert torch.allclose(found.sum(1), torch.ones(3))


def test_a_certain_network_leaves_no_rest():
    scores = torch.tensor([[500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    found = perturb.TRANSFORMS["rest"](scores)
    assert torch.equal(found, torch.zeros(1, 7))


def test_a_negative_k_is_refused():
    for operation in (perturb.only_top, perturb.without_top):
        with pytest.raises(striate.MethodError, match="k=-1"):
            operation(torch.ones(1, 3), -1)


# --- by name, and counted ------------------------------------------------------------------------


def test_changes_by_name_are_what_they_say(seeded):
    features = torch.randn(3, 8, 4, 4, generator=seeded)

    def changed(name):
        return perturb.perturbation(name)(features, torch.Generator().manual_seed(2))

    generator = torch.Generator().manual_seed(2)
    assert torch.equal(changed("none"), features)
    assert torch.equal(changed("binarise"), perturb.binarise(features))
    assert torch.equal(changed("binarise-mean"), perturb.binarise(features, keep="mean"))
    assert torch.equal(changed("drop"), perturb.drop(features, 0.5, generator))
    assert changed("drop-quarter").eq(0).flatten(1).sum(1).tolist() == [32] * 3
    assert changed("drop-units").eq(0).all(3).all(2).sum(1).tolist() == [4] * 3
    assert torch.equal(changed("scale-half"), features / 2)
    assert torch.equal(changed("scale-double"), 2 * features)
    halfway = (features + features[[1, 2, 0]]) / 2
    torch.testing.assert_close(changed("interpolate"), halfway)


def test_changes_that_do_not_fit_are_refused():
    with pytest.raises(striate.MethodError, match="there are none, binarise"):
        perturb.perturbation("blur")
    for name in ("top5", "rest"):
        for transform in ("none", "top5"):
            with pytest.raises(striate.MethodError, match=f"probabilities, not on {transform}"):
                perturb.perturbation(name, transform=transform)
    values = torch.tensor([[0.1, 0.1, 0.2, 0.2, 0.3, 0.1]])
    top, rest = (
        perturb.perturbation(name, transform="probabilities")(values, torch.Generator())
        for name in ("top5", "rest")
    )
    assert top.ne(0).sum() == 5
    assert torch.equal(top.ne(0), rest.eq(0))
    assert top.sum() == pytest.approx(1)


def test_errors_are_counted_as_the_net_counts_them(tmp_path):
    network = network_of()
    *_, last = frames_of(network, draw(tmp_path, range(12)))
    net = last.upconvnet
    images = torch.stack([network.read(tmp_path / f"{k}.png") for k in (1, 4, 7)])
    found = perturbed_errors(net, network, images, ["none", "scale-half"])
    assert list(found) == ["none", "scale-half", "mean image"]
    single = [net.invert(network, image).image_error for image in images]
    assert found["none"] == pytest.approx(np.mean(single), rel=1e-5)
    half = [
        net.invert(network, image, changed=net.features(network, image[None]) / 2).image_error
        for image in images
    ]
    assert found["scale-half"] == pytest.approx(np.mean(half), rel=1e-5)
    assert found["scale-half"] != pytest.approx(found["none"], rel=1e-3)
    shown = (images.numpy().astype(float) / 4 + 0.5).reshape(3, -1)
    trivial = np.linalg.norm(shown - shown.mean(0), axis=1).mean() / net.image_distance
    assert found["mean image"] == pytest.approx(trivial, rel=1e-5)


def test_an_inversion_from_changed_features_is_measured_against_the_image(tmp_path):
    network = network_of()
    *_, last = frames_of(network, draw(tmp_path, range(12)))
    net, image = last.upconvnet, network.read(tmp_path / "3.png")
    own = net.features(network, image[None])
    plain, same = net.invert(network, image), net.invert(network, image, changed=own)
    assert (same.image_error, same.feature_error) == (plain.image_error, plain.feature_error)
    other = net.invert(network, image, changed=torch.zeros_like(own))
    assert torch.equal(other.original, plain.original)
    assert torch.equal(other.image, net.reconstruct(torch.zeros_like(own))[0])
    assert other.image_error == pytest.approx(
        float((other.image - other.original).norm()) / net.image_distance, rel=1e-5
    )
