"""The embedded network: small, good, alive, and made by the paper's recipe."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.demo import network
from striate.demo.network import MEAN, SIZE, STD, WEIGHTS, DemoNet, demo_net
from striate.demo.scaffold import Scaffold
from striate.demo.scenes import CLASSES
from striate.demo.train import (
    FIRST_LAYER,
    Recipe,
    accuracy,
    draw_scenes,
    main,
    make_optimizer,
    normalise,
    renormalize_filters,
    step,
    train,
)
from striate.errors import NetworkError

UNSEEN = 7


def rms(weight):
    return weight.double().square().mean(dim=(1, 2, 3)).sqrt()


# --- the network -------------------------------------------------------------------------------


def test_weights_are_small():
    assert WEIGHTS.stat().st_size < 2_000_000


def test_embedded_network_knows_fresh_scenes():
    assert accuracy(demo_net(), seed=UNSEEN, count=600) > 0.95


def test_few_units_are_dead():
    net = demo_net()
    pixels, _ = draw_scenes(UNSEEN, 600, 120)
    maps, dead = normalise(pixels), {}
    with torch.inference_mode():
        for name, layer in net.named_children():
            maps = layer(maps)
            if name.startswith("relu") and maps.dim() == 4:
                dead[name] = int((maps.amax(dim=(0, 2, 3)) <= 0).sum())
    assert list(dead) == ["relu1", "relu2", "relu3", "relu4", "relu5"]
    assert sum(dead.values()) <= 3, dead


def test_plan_is_zfnets():
    net = demo_net(pretrained=False)
    names = [name for name, _ in net.named_children()]
    assert " ".join(names) == (
        "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten "
        "fc6 relu6 drop6 fc7"
    )
    assert net.fc7.out_features == len(CLASSES)
    assert not net.training
    assert all(
        (pool.kernel_size, pool.stride, pool.padding) == (3, 2, 0)
        for pool in (net.pool1, net.pool2, net.pool5)
    )
    assert (len(MEAN), len(STD), SIZE) == (3, 3, 128)


def test_a_row_of_scores_does_not_depend_on_its_batch():
    net = demo_net()
    images = normalise(draw_scenes(UNSEEN, 0, 4)[0])
    with torch.inference_mode():
        together, alone = net(images), net(images[2:3])
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-4)


def test_random_network_is_always_the_same():
    one, other = demo_net(pretrained=False), demo_net(pretrained=False)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.conv1.weight, demo_net().conv1.weight)


def test_missing_weights_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(network, "WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(NetworkError, match=r"python -m striate\.demo\.train"):
        demo_net()


def test_normalise_is_the_networks_space():
    images = normalise(np.array([[[[0, 51, 255]]]], dtype=np.uint8))
    expected = [(v - m) / s for v, m, s in zip((0, 0.2, 1), MEAN, STD, strict=True)]
    assert images.flatten().tolist() == pytest.approx(expected, abs=1e-6)


# --- filter renormalisation --------------------------------------------------------------------


def test_filters_beyond_the_radius_come_back_to_it():
    layer = nn.Conv2d(3, 4, 5)
    direction = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    direction /= rms(direction).float().view(4, 1, 1, 1)
    wanted = torch.tensor([0.2, 0.05, 0.1, 7.0]).view(4, 1, 1, 1)
    layer.weight.data = direction * wanted
    before, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    renormalize_filters(layer, 0.1)
    after = layer.weight.detach()
    assert rms(after).tolist() == pytest.approx([0.1, 0.05, 0.1, 0.1], rel=1e-6)
    assert torch.equal(after[1], before[1])
    torch.testing.assert_close(after[0], before[0] / 2)
    torch.testing.assert_close(after[3], before[3] / 70)
    assert torch.equal(layer.bias, bias)


def test_only_convolutions_are_renormalised():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv1d(1, 1, 3)), nn.Linear(4, 4))
    for parameter in net.parameters():
        parameter.data.fill_(5.0)
    renormalize_filters(net, 0.1)
    assert rms(net[0].weight.detach()).tolist() == pytest.approx([0.1, 0.1])
    assert net[1][0].weight.detach().flatten().tolist() == pytest.approx([0.1] * 3)
    assert (net[2].weight == 5).all()
    assert (net[0].bias == 5).all()


def test_zero_filters_stay_zero():
    layer = nn.Conv2d(1, 1, 3)
    layer.weight.data.zero_()
    renormalize_filters(layer, 0.1)
    assert torch.equal(layer.weight.detach(), torch.zeros(1, 1, 3, 3))


def test_first_layer_factor_means_the_same():
    """A filter at the paper's radius answers an input of sd 58 as ours at 58 radii answers sd 1."""
    assert Recipe().first_radius == pytest.approx(0.1 * FIRST_LAYER)


# --- training ----------------------------------------------------------------------------------


def one_step(rate):
    recipe = Recipe(batch=24, rate=rate, noise=0.0, dropout=0.0)
    generator = torch.Generator().manual_seed(3)
    scaffold = Scaffold(DemoNet(generator))
    optimizer = make_optimizer(scaffold, recipe)
    pixels, labels = draw_scenes(5, 0, 24)
    batch = normalise(pixels), torch.from_numpy(labels)
    losses = [step(scaffold, optimizer, batch, recipe, generator) for _ in range(3)]
    return losses, scaffold.net


def test_a_step_reduces_the_loss_and_repeats():
    torch.rand(3)
    losses, net = one_step(0.01)
    again, other = one_step(0.01)
    assert losses[0] > losses[1] > losses[2]
    assert losses == again
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    for layer in (net.conv2, net.conv3, net.conv4, net.conv5):
        assert rms(layer.weight.detach()).max() <= 0.1 * (1 + 1e-6)


def test_dropout_and_noise_leave_the_global_generator_alone():
    state = torch.get_rng_state()
    for _ in train(1, Recipe(epochs=1, scenes=12, batch=12)):
        pass
    assert torch.equal(torch.get_rng_state(), state)


def test_folded_network_gives_what_the_scaffold_gives():
    generator = torch.Generator().manual_seed(0)
    scaffold = Scaffold(DemoNet(generator)).double()
    with torch.no_grad():
        for norm in scaffold.norms.values():
            for value in (norm.weight, norm.bias, norm.running_mean):
                value.copy_(torch.randn(value.shape, generator=generator))
            norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=generator) + 0.3)
    scaffold.eval()
    images = torch.randn(3, 3, SIZE, SIZE, generator=generator).double()
    before = scaffold.net.conv1.weight.detach().clone()
    with torch.inference_mode():
        expected = scaffold.net.fc7(scaffold(images))
        found = scaffold.fold()(images)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(scaffold.net.conv1.weight, before)


def test_command_refuses_no_epochs(tmp_path):
    with pytest.raises(SystemExit):
        main(["--epochs", "0", "--out", str(tmp_path), "--workers", "0"])
