"""What is known of a backbone: size, speed on this machine, and where its pretrained weights would come from."""

from __future__ import annotations

import time
from typing import Any

import torch

from everygroup.networks.backbones import OWN, build_network, sample_shape_of
from everygroup.networks.classifier import Classifier
from everygroup.networks.spec import NetworkSpec
from everygroup.networks.weights import origin, pretrained_scaling

RECOMMENDED = (
    "small_cnn",
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite1",
    "tf_efficientnet_lite2",
    "efficientnet_b0",
    "regnety_004",
    "resnet18",
    "resnet50",
    "densenet121",
    "convnext_tiny",
    "vit_tiny_patch16_224",
)
"""Networks that a few thousand images train or fine-tune; all of them have features and a head."""
SIDE = 128  # px of the images that sizes and speeds are given for
_IMAGES = 8  # passed at once where the speed is measured


def about(name: str) -> dict[str, Any]:
    """Return what is known of a backbone, with the speed of a forward pass measured now.

    Returns
    -------
    dict
        Sizes are of images of `SIDE` px in three channels (or of what the network takes instead); the parameters are
        those below the last layer, where there is one; the scaling is of the input in [0, 1].

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    shape = sample_shape_of(name, SIDE)
    with torch.random.fork_rng(devices=[]):
        network = build_network(NetworkSpec(name, 2, shape)).eval()
    head = network.head if isinstance(network, Classifier) else None
    last = {id(p) for p in head.parameters()} if head is not None else set()
    below = sum(p.numel() for p in network.parameters() if id(p) not in last)
    scaling = None if name in OWN else pretrained_scaling(name)
    return {
        "backbone": name,
        **({"text": OWN[name]} if name in OWN else {}),
        "sample": " x ".join(map(str, shape)),
        "parameters": f"{below / 1e6:.2f} million",
        "features": head.in_features if head is not None else "none",
        "images a second": f"{speed(network, shape):.0f} (forward pass; CPU threads: {torch.get_num_threads()})",
        "scaling without pretrained weights": _said(network),
        "scaling of pretrained weights": "none" if scaling is None else _mean_sd(*scaling),
        "pretrained weights": origin(name),
    }


def speed(network: torch.nn.Module, shape: tuple[int, ...], *, rounds: int = 2) -> float:
    """Return the samples a second of a forward pass on the CPU: the fastest of some rounds after one to warm up."""
    axes = (len(shape) - 1, *range(len(shape) - 1))
    x = torch.full((_IMAGES, *(shape[a] for a in axes)), 0.5)
    took = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            started = time.perf_counter()
            network(x)
            took.append(time.perf_counter() - started)
    return _IMAGES / min(took[1:])


def _said(network: torch.nn.Module) -> str:
    mean, sd = getattr(network, "mean", None), getattr(network, "std", None)
    return "none" if mean is None or sd is None else _mean_sd(mean.flatten().tolist(), sd.flatten().tolist())


def _mean_sd(mean: list[float] | tuple[float, ...], sd: list[float] | tuple[float, ...]) -> str:
    return f"mean {', '.join(f'{m:.3f}' for m in mean)}; sd {', '.join(f'{s:.3f}' for s in sd)}"
