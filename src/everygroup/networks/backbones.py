"""Backbones by name: timm's, and small ones of our own; input scaling is part of the network."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, adapt
from everygroup.networks.classifier import Classifier
from everygroup.networks.narrow_vgg import narrow_vgg
from everygroup.networks.small import SmallCNN, VectorNetwork
from everygroup.networks.spec import NetworkSpec
from everygroup.networks.vision_library import timm

OWN = {
    "small_cnn": "4-layer CNN for small images on a CPU",
    "tiny_cnn": "small_cnn with half as many channels, for many trainings on a CPU",
    "tiny_vgg": "VGG-11 with a quarter of its channels, for a CPU; from 32 px",
    "linear": "linear model on vectors",
    "mlp": "8-32-K perceptron on vectors",
}
SMALL_IMAGE = 64  # up to this side 'auto' means small_cnn
_WIDTHS = {"small_cnn": 32, "tiny_cnn": 16}  # channels of the first layer
_MIN_SIDE = {"vgg": 32, "tiny_vgg": 32}
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def list_backbones(pattern: str = "*") -> list[str]:
    """Return the names of backbones that match a wildcard pattern, ours first."""
    return [n for n in OWN if fnmatch.fnmatch(n, pattern)] + list(timm().list_models(pattern))


def resolve_backbone(name: str, sample_shape: Sequence[int], form: str = "vector") -> str:
    """Turn 'auto' into a name: small_cnn up to 64 px, resnet18 above, linear for vectors."""
    if name != "auto":
        return name
    if len(sample_shape) == 1:
        return "linear"
    return "small_cnn" if max(sample_shape[:2]) <= SMALL_IMAGE else "resnet18"


def build_network(spec: NetworkSpec, *, pretrained: bool = False) -> Classifier | Adapted:
    """Build a network with initial weights from torch's current random state.

    Raises
    ------
    SettingsError
        For an unknown name (with the nearest ones), images too small for it, or a mismatch of vectors and images.
    """
    plain = _plain(spec, pretrained)
    plain.spec = replace(spec, adapter=None)
    return plain if spec.adapter is None else adapt(plain, spec.adapter)


def rebuild(spec: NetworkSpec, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Build a network in eval mode with given weights, leaving torch's random state alone."""
    with torch.random.fork_rng(devices=[]):
        network = build_network(spec)
    network.load_state_dict(weights)
    return network.eval()


def _plain(spec: NetworkSpec, pretrained: bool) -> Classifier:
    name, shape = spec.backbone, spec.sample_shape
    if name in ("linear", "mlp"):
        if len(shape) != 1:
            raise SettingsError(f"Backbone {name!r} takes vectors, not images.", fix="choose small_cnn or resnet18")
        return Classifier(VectorNetwork(spec.n_outputs, shape[0], (32,) if name == "mlp" else ()))
    if len(shape) != 3:
        raise SettingsError(f"Backbone {name!r} takes images, not values of shape {shape}.", fix="choose linear or mlp")
    channels = shape[2]
    if name in _WIDTHS:
        return Classifier(SmallCNN(spec.n_outputs, channels, _WIDTHS[name]), [0.5] * channels, [0.25] * channels)
    if name == "tiny_vgg":
        _check_side(spec)
        return Classifier(narrow_vgg(spec.n_outputs, channels), [0.5] * channels, [0.25] * channels)
    body = _timm_body(spec, channels, pretrained)
    mean = list(_IMAGENET_MEAN) if channels == 3 else [0.5] * channels
    std = list(_IMAGENET_STD) if channels == 3 else [0.25] * channels
    return Classifier(body, mean, std)


def _check_side(spec: NetworkSpec) -> None:
    for family, side in _MIN_SIDE.items():
        if spec.backbone.startswith(family) and min(spec.sample_shape[:2]) < side:
            raise SettingsError(
                f"Backbone {spec.backbone!r} needs images of at least {side} px, "
                f"these have {min(spec.sample_shape[:2])}.",
                fix=f"set --image-size {side} or more, or choose --backbone small_cnn",
            )


def _timm_body(spec: NetworkSpec, channels: int, pretrained: bool) -> nn.Module:
    library, name = timm(), spec.backbone
    if not library.is_model(name):
        near = difflib.get_close_matches(name, [*OWN, *library.list_models()], n=3)
        raise SettingsError(
            f"Unknown backbone {name!r}.",
            fix=f"did you mean {', '.join(near)}?" if near else "see `everygroup list backbones`",
        )
    _check_side(spec)
    options: dict[str, Any] = {"num_classes": spec.n_outputs, "in_chans": channels, "pretrained": pretrained}
    try:
        try:  # transformers need to know the image size; convolutional networks do not take it
            body: nn.Module = library.create_model(name, img_size=spec.sample_shape[:2], **options)
        except TypeError:
            body = library.create_model(name, **options)
    except (RuntimeError, ValueError, AssertionError, OSError) as error:
        raise SettingsError(
            f"timm cannot build {name!r} for this cohort: {error}.", fix="choose another --backbone"
        ) from error
    if spec.small_stem:
        _shrink_stem(name, body)
    return body


def _shrink_stem(name: str, body: nn.Module) -> None:
    """Replace a ResNet's 7x7 stride-2 convolution and pooling by a 3x3 convolution, for small images."""
    conv = getattr(body, "conv1", None)
    if not isinstance(conv, nn.Conv2d) or not hasattr(body, "maxpool"):
        raise SettingsError(f"Backbone {name!r} has no ResNet stem to shrink.", fix="leave small_stem off")
    body.conv1 = nn.Conv2d(conv.in_channels, conv.out_channels, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
    body.maxpool = nn.Identity()
