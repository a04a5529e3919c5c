"""Recommended backbones: every one has features and a head, and what is said of it is so."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.networks import NetworkSpec, build_network
from everygroup.networks.recommended import RECOMMENDED, about
from everygroup.networks.weights import packaged


@pytest.mark.parametrize("name", RECOMMENDED)
def test_the_head_of_the_features_is_the_answer(name: str) -> None:
    network = build_network(NetworkSpec(name, 3, (64, 64, 3))).eval()
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.features(x)
        torch.testing.assert_close(network.head(features), network(x), atol=1e-5, rtol=1e-4)
    assert features.shape == (2, network.head.in_features)


def test_a_backbone_is_described() -> None:
    state = torch.get_rng_state()
    record = about("resnet18")
    assert torch.equal(torch.get_rng_state(), state)
    assert record["features"] == 512
    assert record["parameters"] == "11.18 million"  # 11,689,512 of ImageNet's, less 513 x 1000
    assert record["scaling of pretrained weights"].startswith("mean 0.485, 0.456, 0.406")
    assert about("small_cnn")["pretrained weights"] == "none"  # a file of weights would be refused, too
    assert about("linear")["scaling without pretrained weights"] == "none"
    lite = about("tf_efficientnet_lite0")
    assert lite["scaling of pretrained weights"].startswith("mean 0.498, 0.498, 0.498; sd 0.502")
    assert ("package" in lite["pretrained weights"].split(",")[0]) == (packaged("tf_efficientnet_lite0") is not None)


def test_the_command_lists_those_that_match() -> None:
    result = CliRunner().invoke(app, ["list", "backbones", "resnet1*", "--recommended", "--json"])
    assert result.exit_code == 0
    assert list(json.loads(result.output)) == ["resnet18"]
    assert "images/s" in json.loads(result.output)["resnet18"]
    assert CliRunner().invoke(app, ["list", "methods", "--recommended"]).exit_code
