"""Segmentation networks of segmentation-models-pytorch by name, such as smp_unet_resnet18 (an extra)."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.split import Split
from everygroup.networks.vision_library import timm

PREFIX = "smp_"
# those whose last layer is a convolution at full size: there, features of a pixel are features of that pixel
ARCHITECTURES = ("unetplusplus", "unet", "manet", "linknet")
_DIVISOR = 32
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Trunk(nn.Module):
    """The library's network without its head, for images of any size."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        below, right = -height % _DIVISOR, -width % _DIVISOR
        features: torch.Tensor = self.body(F.pad(x, (0, right, 0, below)))
        return features[:, :, :height, :width]


def segmentation_library() -> ModuleType:
    """Return the module segmentation_models_pytorch.

    Raises
    ------
    SettingsError
        If it is not installed.
    """
    timm()  # puts torchvision right where that is needed
    try:
        return importlib.import_module("segmentation_models_pytorch")
    except ImportError as error:
        raise SettingsError(
            f"Backbones named {PREFIX}... need the package segmentation-models-pytorch ({error}).",
            fix="pip install 'everygroup[segmentation]', or choose --backbone small_unet",
        ) from None


def smp_network(name: str, n_outputs: int, in_channels: int = 3, *, pretrained: bool = False) -> Split:
    """Build smp_ARCHITECTURE_ENCODER: a map of logits (N, n_outputs, H, W) for images of any size.

    Parameters
    ----------
    name : str
        Such as ``smp_unet_resnet18``: unet, unetplusplus, manet or linknet, and any encoder of the library.
    n_outputs, in_channels : int
    pretrained : bool
        Whether the encoder has ImageNet weights (downloaded by the library).

    Raises
    ------
    SettingsError
        For names the library does not have, or if it is not installed.

    References
    ----------
    Iakubovskii, Segmentation models PyTorch, 2019.
    """
    architecture, _, encoder = name.removeprefix(PREFIX).partition("_")
    if not name.startswith(PREFIX) or architecture not in ARCHITECTURES or not encoder:
        raise SettingsError(
            f"Unknown backbone {name!r}.",
            fix=f"write {PREFIX}ARCHITECTURE_ENCODER with one of {', '.join(sorted(ARCHITECTURES))}, "
            "as in smp_unet_resnet18",
        )
    library = segmentation_library()
    options: dict[str, Any] = {"encoder_weights": "imagenet" if pretrained else None, "in_channels": in_channels}
    try:
        body = library.create_model(architecture, encoder_name=encoder, classes=n_outputs, **options)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        raise SettingsError(
            f"segmentation-models-pytorch cannot build {name!r}: {error}.", fix="choose another encoder"
        ) from error
    head, body.segmentation_head = body.segmentation_head, nn.Identity()
    mean, std = (_MEAN, _STD) if in_channels == 3 else ((0.5,), (0.25,))
    return Split(_Trunk(body), head, mean, std)
