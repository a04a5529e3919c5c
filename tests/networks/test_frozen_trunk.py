"""A frozen trunk: nothing but its parts moves, and at the start it is the backbone."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks import Classifier, FrozenTrunk, NetworkSpec, build_network
from everygroup.networks.frozen_trunk import PARTS

X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1, 2, 0, 1, 2])


def backbone() -> Classifier:
    torch.manual_seed(0)
    base = build_network(NetworkSpec("small_cnn", 3, (8, 8, 3)))
    assert isinstance(base, Classifier)
    base.train()(X)  # running statistics that are not the first ones
    return base.eval()


def frozen(parts: str, rank: int = 2) -> FrozenTrunk:
    return FrozenTrunk(backbone(), parts=parts, rank=rank)


@pytest.mark.parametrize("parts", PARTS)
def test_starts_as_the_backbone_bit_for_bit(parts: str) -> None:
    network = frozen(parts).eval()
    assert torch.equal(network(X), backbone()(X))
    assert torch.equal(network.plain()(X), backbone()(X))


@pytest.mark.parametrize("parts", PARTS)
def test_only_the_parts_learn(parts: str) -> None:
    network = frozen(parts)
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.5)
    for _ in range(2):  # A gets a gradient once B is not 0
        network.train().weigh(torch.ones(6))
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(X), Y).backward()
        optimiser.step()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    expected = {
        "lora": {name for name in before if name.startswith(("a.", "b."))},
        "batchnorm": {name for name in before if ".norm." in name},
        "head": {"base.body.head.weight", "base.body.head.bias"},
    }[parts]
    assert moved == expected
    plain = network.plain().eval()
    assert {type(m) for m in plain.modules()} == {type(m) for m in backbone().modules()}
    torch.testing.assert_close(plain(X), network.eval()(X))


def test_the_number_of_parameters_that_learn() -> None:
    base = backbone()
    layers = [m for m in base.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    shapes = [(len(m.weight), m.weight[0].numel()) for m in layers]
    assert frozen("lora").n_trainable == sum(2 * (rows + columns) for rows, columns in shapes)
    assert frozen("lora", 1000).n_trainable == sum(min(s) * sum(s) for s in shapes)
    channels = sum(m.num_features for m in base.modules() if isinstance(m, nn.BatchNorm2d))
    assert frozen("batchnorm").n_trainable == 2 * channels
    assert frozen("head").n_trainable == 3 * (shapes[-1][1] + 1)


def test_additions_have_low_rank() -> None:
    network = frozen("lora")
    with torch.no_grad():
        for b in network.b:
            b.normal_()
    held, plain = dict(backbone().named_parameters()), dict(network.plain().named_parameters())
    for name in ("body.trunk.3.weight", "body.head.weight"):
        assert torch.linalg.matrix_rank((plain[name] - held[name]).flatten(1), atol=1e-4) == 2
    assert torch.equal(plain["body.head.bias"], held["body.head.bias"])


def test_equal_weights_are_plain_batch_norm() -> None:
    network, plain = frozen("batchnorm").train(), backbone()
    for norm in (m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.train()
    network.weigh(torch.full((6,), 0.3))
    answers = [network(X), plain(X)]
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)
    for answer in answers:
        nn.functional.cross_entropy(answer, Y).backward()
    found, expected = network.plain(), plain
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    gradients = {n.replace(".norm", ""): p.grad for n, p in network.base.named_parameters() if p.grad is not None}
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected.get_parameter(name).grad, rtol=1e-3, atol=1e-5)


def test_statistics_are_those_of_the_weighted_samples() -> None:
    """Samples without weight leave no trace; a sample of weight 2 counts like two."""
    weight = torch.tensor([2.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    weighted, repeated = frozen("batchnorm").train(), frozen("batchnorm").train()
    weighted.weigh(weight)
    repeated.weigh(torch.ones(4))
    answer = weighted(X)
    torch.testing.assert_close(answer[[0, 0, 1, 2]], repeated(X[[0, 0, 1, 2]]), rtol=1e-4, atol=1e-5)
    for (name, a), b in zip(weighted.named_buffers(), repeated.buffers(), strict=True):
        if "running_mean" in name:
            torch.testing.assert_close(a, b)
    before = copy.deepcopy(weighted.state_dict())
    weighted.weigh(torch.zeros(6))
    torch.testing.assert_close(weighted(X), weighted.eval()(X))
    assert all(torch.equal(v, before[k]) for k, v in weighted.state_dict().items())


def test_what_cannot_be() -> None:
    with pytest.raises(SettingsError, match="parts"):
        frozen("bias")
    mlp = build_network(NetworkSpec("mlp", 3, (4,)))
    assert isinstance(mlp, Classifier)
    with pytest.raises(SettingsError, match="no batch norm"):
        FrozenTrunk(mlp, parts="batchnorm")


@pytest.mark.parametrize(("backbone_name", "side", "column"), [("resnet18", 128, 2), ("small_cnn", 28, 3)])
def test_the_documented_numbers_of_parameters(backbone_name: str, side: int, column: int) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "spare.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith(tuple(f"| `{p}` " for p in PARTS))]
    assert len(rows) == len(PARTS)
    base = build_network(NetworkSpec(backbone_name, 7, (side, side, 3)))
    assert isinstance(base, Classifier)
    total = sum(p.numel() for p in base.parameters())
    for row in rows:
        parts = row[0].strip(" `")
        numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", row[column].replace("rank=4", ""))]
        expected = FrozenTrunk(copy.deepcopy(base), parts=parts).n_trainable
        assert numbers == [expected, total] if parts == "lora" else numbers == [expected]
