"""Which weights are pruned and quantised: those of the layers that hold most of the network."""

from __future__ import annotations

import pytest
import torch

from everygroup.cohort import Split
from everygroup.methods import FairPrune, FairQuantize, Store
from everygroup.methods.after._saliency import layer_weights
from everygroup.networks import NetworkSpec, build_network
from everygroup.settings import TrainSettings


@pytest.mark.parametrize("backbone", ["test_vit", "swin_tiny_patch4_window7_224", "convnext_atto"])
def test_transformers_have_their_linear_layers_but_the_head(backbone: str) -> None:
    with torch.device("meta"):
        network = build_network(NetworkSpec(backbone, 3, (224, 224, 3)))
    names = layer_weights(network)
    held = sum(network.get_parameter(n).numel() for n in names)
    assert held > 0.8 * sum(p.numel() for p in network.parameters())
    assert all(network.get_parameter(n) is not network.head.weight for n in names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("backbone", "linear"), [("resnet18", 0), ("vgg11", 0), ("small_cnn", 0), ("mlp", None)])
def test_the_others_have_their_convolutions_or_without_any_all_layers(backbone: str, linear: int | None) -> None:
    with torch.device("meta"):
        network = build_network(NetworkSpec(backbone, 3, (4,) if backbone == "mlp" else (64, 64, 3)))
    names = layer_weights(network)
    assert names
    flat = sum(network.get_parameter(n).ndim == 2 for n in names)
    assert flat == (len(names) if linear is None else linear)


@pytest.mark.parametrize("method", [FairPrune(rounds=1, samples=4), FairQuantize(rounds=1, samples=4)])
def test_a_transformer_is_pruned_and_quantised(
    method: FairPrune | FairQuantize, images: Split, image_settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everygroup.methods.after._rounds.validation_gaps", lambda *_: (0.9, 0.5))
    settings = image_settings.but(updates=2, backbone="test_vit")
    model = method.fit(images.train, images.validation, settings=settings, store=Store())
    network = model.networks["pooled"]
    if isinstance(method, FairQuantize):
        linear = next(n for n in layer_weights(network) if network.get_parameter(n).ndim == 2)
        weight = network.get_parameter(linear)
        assert (torch.frexp(weight.detach())[0].abs() == 0.5).float().mean() == pytest.approx(0.8, abs=0.01)
    else:
        total = sum(network.get_parameter(n).numel() for n in layer_weights(network))
        assert model.info["rounds"][1]["pruned"] == pytest.approx(0.05 * total, abs=1)
