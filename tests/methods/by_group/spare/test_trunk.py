"""A shared trunk with group-specific ends: what is shared, what is counted, where gradients go."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.errors import SettingsError
from everygroup.methods.by_group.spare.trunk import SharedTrunk, specific_steps
from everygroup.networks import Classifier, NetworkSpec, build_network

X = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1, 2, 0, 1, 2])
GROUP = torch.tensor([0, 0, 1, 1, 2, -1])


def plain(backbone: str = "small_cnn", side: int = 12, n_outputs: int = 3) -> Classifier:
    torch.manual_seed(0)
    shape = (8,) if backbone in ("mlp", "linear") else (side, side, 3)
    network = build_network(NetworkSpec(backbone, n_outputs, shape))
    assert isinstance(network, Classifier)
    return network


def trunk(sharing: str = "half", n_groups: int = 3, backbone: str = "small_cnn") -> SharedTrunk:
    network = SharedTrunk(plain(backbone), n_groups, sharing)
    torch.manual_seed(5)
    with torch.no_grad():
        for part in network.others.parameters():
            part.add_(0.05 * torch.randn_like(part))
    return network


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("n_groups", [1, 2, 6])
def test_parameters_of_a_resnet18(n_groups: int) -> None:
    with torch.device("meta"):
        base = plain("resnet18", 32, 5)
        shared = 9_536 + 147_968 + 525_568
        assert size(base) == shared + 2_099_712 + 8_393_728 + 513 * 5
        half = SharedTrunk(copy.deepcopy(base), n_groups, "half")
        assert size(half) == shared + n_groups * (2_099_712 + 8_393_728 + 513 * 5)
        assert half._own == ["layer3", "layer4", "global_pool", "fc"]
        mini = SharedTrunk(base, n_groups, "mini")
        assert size(mini) == shared + 2_099_712 + 8_393_728 + n_groups * 513 * 5
    if n_groups == 1:
        assert size(half) == size(mini) == size(plain("resnet18", 32, 5))


def test_half_of_other_backbones() -> None:
    assert specific_steps(plain(), "half") == [*(f"trunk.{i}" for i in range(6, 12)), "mean over space", "head"]
    assert specific_steps(plain("mlp"), "half") == specific_steps(plain("linear"), "half") == ["head"]
    with torch.device("meta"):
        vgg = plain("vgg11", 32)
        steps = specific_steps(vgg, "half")
        assert specific_steps(vgg, "mini") == ["head"]
        convolutions = [s for s in steps if isinstance(vgg.body.get_submodule(s), nn.Conv2d)]
        assert (len(convolutions), steps[0], steps[-2:]) == (3, convolutions[0], ["pre_logits", "head"])
        assert specific_steps(plain("tiny_vgg", 32), "half") == steps
        other = plain("mobilenetv3_small_050", 32)
        with pytest.raises(SettingsError, match="half is not known"):
            specific_steps(other, "half")
        assert specific_steps(other, "mini") == ["classifier"]
    with pytest.raises(SettingsError, match="sharing = 'all'"):
        specific_steps(vgg, "all")


@pytest.mark.parametrize("sharing", ["half", "mini"])
def test_distinct_tensors(sharing: str) -> None:
    network = trunk(sharing)
    everything = {id(p) for p in network.parameters()}
    own = [{id(p) for m in network.specific_modules(g).values() for p in m.parameters()} for g in range(3)]
    assert not own[0] & own[1] | own[1] & own[2] | own[0] & own[2]
    tensors, per_group = len(list(plain().parameters())), {"half": 2 * 3 + 2, "mini": 2}[sharing]
    assert [len(part) for part in own] == [per_group] * 3
    assert len(everything) == tensors + 2 * per_group


@pytest.mark.parametrize("sharing", ["half", "mini"])
@pytest.mark.parametrize("backbone", ["small_cnn", "resnet18", "mobilenetv3_small_050", "mlp", "linear"])
def test_heads_are_the_plain_networks_that_answer(backbone: str, sharing: str) -> None:
    if backbone.startswith("mobilenet") and sharing == "half":
        pytest.skip("has no half")
    network = trunk(sharing, 3, backbone).eval()
    x = X if backbone not in ("mlp", "linear") else X.flatten(1)[:, :8]
    with torch.no_grad():
        z = network.heads(x)
        torch.testing.assert_close(z[:, 0], plain(backbone).eval()(x), rtol=1e-5, atol=1e-6)
        for g in range(3):
            answer = network.answering(g)
            assert isinstance(answer, Classifier)
            assert answer.spec == plain(backbone).spec
            torch.testing.assert_close(answer.eval()(x), z[:, g], rtol=1e-5, atol=1e-6)
        assert not torch.allclose(z[:, 0], z[:, 1])
        out = network(x, GROUP)
        torch.testing.assert_close(out[:5], z[torch.arange(5), GROUP[:5]])
        mean = z.softmax(-1).mean(1)
        torch.testing.assert_close(out[5].softmax(-1), mean[5])
        torch.testing.assert_close(network(x).exp(), mean)
    with pytest.raises(ValueError, match="mean of the groups"):
        network.answering(None)


def test_the_batch_norm_of_the_trunk_counts_a_batch_once() -> None:
    network = trunk().train()
    network.heads(X)
    steps = {n: int(b) for n, b in network.state_dict().items() if n.endswith("num_batches_tracked")}
    assert len(steps) == 4 + 2 * 2  # shared: 2; own: 2 for each of 3 groups
    assert set(steps.values()) == {1}


def test_zero_weight_gives_zero_gradient_and_the_trunk_gets_the_mean() -> None:
    network = trunk().eval()
    z = network.heads(X)
    weight = torch.tensor([1.0, 0.0, 2.0])
    losses = torch.stack([F.cross_entropy(z[:, g], Y) for g in range(3)])
    (losses * weight).sum().backward()
    for module in network.specific_modules(1).values():
        assert all(not p.grad.any() for p in module.parameters())
    first = network.net.body.get_submodule("trunk.0").weight.grad
    expected = torch.zeros_like(first)
    for g in range(3):
        alone = network.answering(g).eval()
        assert isinstance(alone, Classifier)
        F.cross_entropy(alone(X), Y).backward()
        expected += weight[g] * alone.body.get_submodule("trunk.0").weight.grad / 3
        if g != 1:  # the group's own layers get its gradient undivided
            torch.testing.assert_close(
                network.specific_modules(g)["head"].weight.grad, weight[g] * alone.head.weight.grad
            )
    torch.testing.assert_close(first, expected)
