"""Backbones by name: timm's, and small ones of our own; input scaling is part of the network."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, adapt
from everygroup.networks.autoencoder import small_autoencoder, small_vae
from everygroup.networks.classifier import Classifier
from everygroup.networks.narrow_vgg import narrow_vgg
from everygroup.networks.reconstructing import Reconstructing
from everygroup.networks.segmentation_library import PREFIX, smp_network
from everygroup.networks.small import SmallCNN, VectorNetwork
from everygroup.networks.spec import NetworkSpec
from everygroup.networks.split import Split
from everygroup.networks.unet import reconstruction_unet, small_unet
from everygroup.networks.vision_library import timm
from everygroup.networks.volumes import small_resnet3d, small_unet3d
from everygroup.networks.weights import load_weights

Plain = Classifier | Split | Reconstructing

OWN = {
    "small_cnn": "4-layer CNN for small images on a CPU",
    "tiny_cnn": "small_cnn with half as many channels, for many trainings on a CPU",
    "tiny_vgg": "VGG-11 with a quarter of its channels, for a CPU; from 32 px",
    "linear": "linear model on vectors",
    "mlp": "8-32-K perceptron on vectors",
    "small_resnet3d": "ResNet-18 in three dimensions with few channels, on volumes",
    "small_unet": "U-Net with three levels, for masks; smp_unet_resnet18 and the like are larger ones (an extra)",
    "small_unet3d": "small_unet in three dimensions, for masks of volumes",
    "small_reconstruction": "small_unet that corrects its input, for images to be restored",
    "small_autoencoder": "images through 32 numbers and back, for anomalies",
    "small_vae": "small_autoencoder as a variational one, for anomalies",
}
# form of the outputs (see `everygroup.targets.Target.form`), and axes of a sample; those not named: vectors from images
_KINDS = {
    "linear": ("vector", 1),
    "mlp": ("vector", 1),
    "small_resnet3d": ("vector", 4),
    "small_unet": ("map", 3),
    "small_unet3d": ("map", 4),
    "small_reconstruction": ("image", 3),
    "small_autoencoder": ("score", 3),
    "small_vae": ("score", 3),
}
_FORMS = {"vector": "a few numbers", "map": "a mask", "image": "an image", "score": "an anomaly score"}
_SAMPLES = {1: "vectors", 3: "images", 4: "volumes"}
SMALL_IMAGE = 64  # up to this side 'auto' means small_cnn
_WIDTHS = {"small_cnn": 32, "tiny_cnn": 16}  # channels of the first layer
_MIN_SIDE = {"vgg": 32, "tiny_vgg": 32}
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def list_backbones(pattern: str = "*") -> list[str]:
    """Return the names of backbones that match a wildcard pattern, ours first."""
    return [n for n in OWN if fnmatch.fnmatch(n, pattern)] + list(timm().list_models(pattern))


def resolve_backbone(name: str, sample_shape: Sequence[int], form: str = "vector") -> str:
    """Turn 'auto' into the name of a network that gives what a target needs.

    Of images 'auto' is small_cnn up to 64 px, resnet18 above; linear of vectors, small_resnet3d of volumes; and for
    masks, images and anomaly scores the first of ours that fits.

    Parameters
    ----------
    name : str
    sample_shape : (H, W, C), (H, W, D, C) or (D,)
    form : {'vector', 'map', 'image', 'score'}
        As `everygroup.targets.Target.form`.

    Raises
    ------
    SettingsError
        For a backbone that gives something else, and where there is none.
    """
    fitting = [own for own in OWN if _kind(own) == (form, len(sample_shape))]
    if name != "auto":
        if _kind(name)[0] != form:
            more = ", or smp_unet_resnet18 and the like" if form == "map" and len(sample_shape) == 3 else ""
            raise SettingsError(
                f"Backbone {name!r} gives {_FORMS[_kind(name)[0]]}, the target is {_FORMS[form]}.",
                fix=f"choose --backbone {' or '.join(fitting) or 'auto'}{more}",
            )
        return name
    if not fitting:
        raise SettingsError(
            f"No network gives {_FORMS[form]} from {_SAMPLES.get(len(sample_shape), f'values {tuple(sample_shape)}')}.",
            fix="choose another target",
        )
    return "resnet18" if fitting[0] == "small_cnn" and max(sample_shape[:2]) > SMALL_IMAGE else fitting[0]


def _kind(name: str) -> tuple[str, int]:
    """Form of the outputs, and axes of a sample."""
    return _KINDS.get(name, ("map" if name.startswith(PREFIX) else "vector", 3))


def sample_shape_of(name: str, side: int) -> tuple[int, ...]:
    """Return the shape of a sample of about this side, as a backbone takes it: colour image, vector or volume."""
    return {1: (side,), 3: (side, side, 3), 4: (side // 4,) * 3 + (1,)}[_kind(name)[1]]


def build_network(spec: NetworkSpec, *, pretrained: bool = False, weights: str | None = None) -> Plain | Adapted:
    """Build a network with initial weights from torch's current random state.

    Parameters
    ----------
    spec : NetworkSpec
    pretrained : bool
        Start from pretrained weights, all but the last layer's; see `everygroup.networks.weights`.
    weights : str, optional
        The file that holds them; by default an installed package, or timm's cache or hub.

    Raises
    ------
    SettingsError
        For an unknown name (with the nearest ones), images too small for it, or a mismatch of vectors and images.
    """
    plain = _plain(spec, pretrained or weights is not None)
    if (pretrained or weights is not None) and not spec.backbone.startswith(PREFIX):
        if not isinstance(plain, Classifier) or spec.backbone in OWN:
            raise SettingsError(
                f"There are no pretrained weights for {spec.backbone!r}.", fix="see `everygroup list backbones`"
            )
        load_weights(plain.body, spec.backbone, weights)
    plain.spec = replace(spec, adapter=None)
    if spec.adapter is None:
        return plain
    assert isinstance(plain, Classifier)
    return adapt(plain, spec.adapter)


def rebuild(spec: NetworkSpec, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Build a network in eval mode with given weights, leaving torch's random state alone."""
    with torch.random.fork_rng(devices=[]):
        network = build_network(spec)
    network.load_state_dict(weights)
    return network.eval()


def _plain(spec: NetworkSpec, pretrained: bool) -> Plain:
    name, shape, n = spec.backbone, spec.sample_shape, spec.n_outputs
    _check_samples(spec)
    channels = shape[-1]
    if name in _SPLIT:
        return _SPLIT[name](n, channels)
    if name in _AUTOENCODERS:
        return Reconstructing(_AUTOENCODERS[name](channels, channels, shape[:2]))
    if name.startswith(PREFIX):
        return smp_network(name, n, channels, pretrained=pretrained)
    if name in ("linear", "mlp"):
        return Classifier(VectorNetwork(n, channels, (32,) if name == "mlp" else ()))
    if name in _WIDTHS:
        return Classifier(SmallCNN(n, channels, _WIDTHS[name]), [0.5] * channels, [0.25] * channels)
    if name == "tiny_vgg":
        _check_side(spec)
        return Classifier(narrow_vgg(n, channels), [0.5] * channels, [0.25] * channels)
    body = _timm_body(spec, channels)
    mean = list(_IMAGENET_MEAN) if channels == 3 else [0.5] * channels
    std = list(_IMAGENET_STD) if channels == 3 else [0.25] * channels
    if spec.scaling is not None:
        mean, std = ([sum(values) / 3] if channels == 1 else list(values) for values in spec.scaling)
    return Classifier(body, mean, std)


_SPLIT: dict[str, Callable[[int, int], Split]] = {
    "small_resnet3d": small_resnet3d,
    "small_unet": small_unet,
    "small_unet3d": small_unet3d,
    "small_reconstruction": reconstruction_unet,
}
_AUTOENCODERS: dict[str, Callable[[int, int, Sequence[int]], Split]] = {
    "small_autoencoder": small_autoencoder,
    "small_vae": small_vae,
}


def _check_samples(spec: NetworkSpec) -> None:
    form, axes = _kind(spec.backbone)
    found = len(spec.sample_shape)
    if found != axes:
        fitting = [own for own in OWN if _kind(own) == (form, found)]
        seen = _SAMPLES.get(found, f"values of shape {spec.sample_shape}")
        raise SettingsError(
            f"Backbone {spec.backbone!r} takes {_SAMPLES[axes]}, not {seen}.",
            fix=f"choose {' or '.join(fitting)}" if fitting else "choose another --backbone",
        )


def _check_side(spec: NetworkSpec) -> None:
    for family, side in _MIN_SIDE.items():
        if spec.backbone.startswith(family) and min(spec.sample_shape[:2]) < side:
            raise SettingsError(
                f"Backbone {spec.backbone!r} needs images of at least {side} px, "
                f"these have {min(spec.sample_shape[:2])}.",
                fix=f"set --image-size {side} or more, or choose --backbone small_cnn",
            )


def _timm_body(spec: NetworkSpec, channels: int) -> nn.Module:
    library, name = timm(), spec.backbone
    if not library.is_model(name):
        near = difflib.get_close_matches(name, [*OWN, *library.list_models()], n=3)
        raise SettingsError(
            f"Unknown backbone {name!r}.",
            fix=f"did you mean {', '.join(near)}?" if near else "see `everygroup list backbones`",
        )
    _check_side(spec)
    options: dict[str, Any] = {"num_classes": spec.n_outputs, "in_chans": channels}
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
