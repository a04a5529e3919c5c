"""Backbones by name: shapes, suggestions, saving, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks import OWN, Classifier, NetworkSpec, build_network, list_backbones, resolve_backbone
from everygroup.networks import backbones as module
from everygroup.networks.small import SmallCNN
from everygroup.training.checkpoint import copy_state, load_network, save_network

pytestmark = pytest.mark.usefixtures("one_thread")

TIMM_TESTS = ("test_resnet", "test_vit", "test_byobnet", "test_convnext", "test_efficientnet", "test_mambaout")


def images(n: int = 2, side: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_small_cnn(channels: int) -> None:
    network = build_network(NetworkSpec("small_cnn", 5, (28, 20, channels))).eval()
    x = torch.rand(2, channels, 28, 20)
    assert network(x).shape == (2, 5)
    features = network.features(x)
    assert features.shape == (2, 128)
    torch.testing.assert_close(network.body.head(features), network(x))  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(("name", "width"), [("linear", 7), ("mlp", 32)])
def test_vector_networks(name: str, width: int) -> None:
    network = build_network(NetworkSpec(name, 3, (7,))).eval()
    x = torch.randn(4, 7)
    assert network(x).shape == (4, 3)
    features = network.features(x)
    assert features.shape == (4, width)
    torch.testing.assert_close(network.body.head(features), network(x))  # type: ignore[union-attr, operator]
    if name == "linear":
        torch.testing.assert_close(features, x)


@pytest.mark.parametrize("name", TIMM_TESTS)
def test_timm_backbones(name: str) -> None:
    network = build_network(NetworkSpec(name, 3, (64, 64, 3))).eval()
    with torch.inference_mode():
        assert network(images(side=64)).shape == (2, 3)
        features = network.features(images(side=64))
    assert features.ndim == 2
    assert len(features) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_resnet18_with_a_small_stem_keeps_the_resolution(channels: int) -> None:
    x = images(side=16, channels=channels)
    small = build_network(NetworkSpec("resnet18", 2, (16, 16, channels), small_stem=True)).eval()
    large = build_network(NetworkSpec("resnet18", 2, (16, 16, channels))).eval()
    with torch.inference_mode():
        assert small(x).shape == (2, 2)
        assert small.features(x).shape == (2, 512)
        assert small.body.forward_features(x).shape[-1] == 2  # type: ignore[operator]
        assert large.body.forward_features(x).shape[-1] == 1  # type: ignore[operator]


def test_a_small_stem_needs_a_resnet() -> None:
    with pytest.raises(SettingsError, match="'test_vit' has no ResNet stem"):
        build_network(NetworkSpec("test_vit", 2, (64, 64, 3), small_stem=True))


def test_vgg_needs_32_pixels() -> None:
    with pytest.raises(SettingsError, match="'vgg11' needs images of at least 32 px, these have 28") as caught:
        build_network(NetworkSpec("vgg11", 2, (28, 40, 3)))
    assert "--image-size 32" in caught.value.fix


def test_tiny_vgg_is_vgg11_but_for_its_width() -> None:
    with torch.device("meta"):
        narrow, wide = (build_network(NetworkSpec(name, 2, (32, 32, 1))) for name in ("tiny_vgg", "vgg11"))
    names = [[n for n, _ in network.named_parameters()] for network in (narrow, wide)]
    assert names[0] == names[1]
    widths = [[p.shape[0] for n, p in net.named_parameters() if n.endswith("weight")] for net in (narrow, wide)]
    assert widths[0] == [w // 4 for w in widths[1][:8]] + [512, 512, 2]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in narrow.modules())
    assert sum(p.numel() for p in build_network(NetworkSpec("tiny_vgg", 3, (32, 32, 3))).parameters()) == 4_053_091


def test_tiny_vgg_answers() -> None:
    network = build_network(NetworkSpec("tiny_vgg", 2, (32, 40, 3))).eval()
    x = torch.rand(2, 3, 32, 40)
    features = network.features(x)
    assert features.shape == (2, 512)
    torch.testing.assert_close(network.head(features), network(x))  # type: ignore[union-attr, operator]
    with pytest.raises(SettingsError, match="'tiny_vgg' needs images of at least 32 px, these have 28"):
        build_network(NetworkSpec("tiny_vgg", 2, (28, 40, 3)))


@pytest.mark.slow
def test_vgg_at_32_pixels() -> None:
    network = build_network(NetworkSpec("vgg11", 2, (32, 32, 3))).eval()
    with torch.inference_mode():
        assert network(images()).shape == (2, 2)
        assert network.features(images()).shape == (2, 4096)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(SettingsError, match="Unknown backbone 'resnt18'") as caught:
        build_network(NetworkSpec("resnt18", 2, (64, 64, 3)))
    assert "resnet18" in caught.value.fix
    with pytest.raises(SettingsError) as caught:
        build_network(NetworkSpec("smal_cnn", 2, (64, 64, 3)))
    assert "small_cnn" in caught.value.fix
    with pytest.raises(SettingsError) as caught:
        build_network(NetworkSpec("0000000000", 2, (64, 64, 3)))
    assert "everygroup list backbones" in caught.value.fix


@pytest.mark.parametrize("name", ["small_cnn", "resnet18"])
def test_vectors_do_not_go_into_image_networks(name: str) -> None:
    with pytest.raises(SettingsError, match="takes images, not vectors"):
        build_network(NetworkSpec(name, 2, (8,)))


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_images_do_not_go_into_vector_networks(name: str) -> None:
    with pytest.raises(SettingsError, match="takes vectors, not images"):
        build_network(NetworkSpec(name, 2, (8, 8, 3)))


@pytest.mark.parametrize("error", [RuntimeError, OSError, ValueError])
def test_what_timm_cannot_build_is_one_message(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(*_: Any, **__: Any) -> nn.Module:
        raise error("no such weights")

    library = SimpleNamespace(is_model=lambda name: True, create_model=fail)
    monkeypatch.setattr(module, "timm", lambda: library)
    with pytest.raises(SettingsError, match="timm cannot build 'resnet18' for this cohort: no such weights"):
        build_network(NetworkSpec("resnet18", 2, (64, 64, 3)), pretrained=True)


@pytest.mark.parametrize(
    ("shape", "name"),
    [((28, 28, 3), "small_cnn"), ((64, 64, 1), "small_cnn"), ((64, 65, 3), "resnet18"), ((8,), "linear")],
)
def test_auto(shape: tuple[int, ...], name: str) -> None:
    assert resolve_backbone("auto", shape) == name
    assert resolve_backbone("vgg11", shape) == "vgg11"


def test_list_backbones_by_wildcard() -> None:
    assert list_backbones("*")[: len(OWN)] == list(OWN)
    assert list_backbones("small_*")[0] == "small_cnn"
    assert set(TIMM_TESTS) <= set(list_backbones("test_*"))
    assert list_backbones("no such *") == []


def test_the_input_scaling_is_inside() -> None:
    body = SmallCNN(2, 1)
    plain, scaled = Classifier(body).eval(), Classifier(body, [0.5], [0.25]).eval()
    x = images(channels=1)
    torch.testing.assert_close(scaled(x), plain((x - 0.5) / 0.25))
    assert not [k for k in scaled.state_dict() if k in ("mean", "std")]
    if_imagenet = build_network(NetworkSpec("test_resnet", 2, (32, 32, 3)))
    assert if_imagenet.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec("small_cnn", 3, (16, 16, 3)),
        NetworkSpec("mlp", 3, (5,)),
        NetworkSpec("test_resnet", 3, (32, 32, 3), small_stem=False),
        NetworkSpec("test_vit", 3, (32, 32, 1)),
    ],
)
def test_a_network_survives_a_file(tmp_path: Path, spec: NetworkSpec) -> None:
    network = build_network(spec).eval()
    save_network(tmp_path / "network.safetensors", copy_state(network), {"spec": spec.to_dict()})
    weights, header = load_network(tmp_path / "network.safetensors")
    again = NetworkSpec.from_dict(json.loads(json.dumps(header["spec"])))
    assert again == spec
    copy = build_network(again).eval()
    copy.load_state_dict(weights)
    x = torch.rand(2, 5) if len(spec.sample_shape) == 1 else images(2, spec.sample_shape[0], spec.sample_shape[2])
    with torch.inference_mode():
        assert torch.equal(copy(x), network(x))


def test_initial_weights_come_from_torchs_random_state() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build_network(NetworkSpec("small_cnn", 2, (8, 8, 3))).body.head.weight  # type: ignore[union-attr, return-value]

    with torch.random.fork_rng(devices=[]):
        assert torch.equal(weights(1), weights(1))
        assert not torch.equal(weights(1), weights(2))
