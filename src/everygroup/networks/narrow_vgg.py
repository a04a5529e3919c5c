"""VGG-11 with a quarter of its width: what a network without normalisation does, at the cost of a small one."""

from __future__ import annotations

import importlib

from torch import nn

from everygroup.networks.vision_library import timm

WIDTHS = (16, "M", 32, "M", 64, 64, "M", 128, 128, "M", 128, 128, "M")  # VGG-11's (configuration A), divided by 4
HIDDEN = 512  # VGG-11 has 4,096: with them the fully connected layers alone would be 42 million parameters


def narrow_vgg(n_outputs: int, in_channels: int = 3) -> nn.Module:
    """Return timm's VGG-11 with a quarter of the channels and an eighth of the hidden units, initial weights its own.

    On images of 32 px VGG-11 has 128.8 million parameters, of which its first fully connected layer has 102.8; this one
    has 4.1 million.

    References
    ----------
    Simonyan K, Zisserman A. Very deep convolutional networks for large-scale image recognition. ICLR 2015.
    """
    timm()
    vgg = importlib.import_module("timm.models.vgg")
    body: nn.Module = vgg.VGG(WIDTHS, num_classes=n_outputs, in_chans=in_channels)
    body.pre_logits = vgg.ConvMlp(WIDTHS[-2], HIDDEN, kernel_size=7, drop_rate=0.0)
    body.head = vgg.ClassifierHead(HIDDEN, n_outputs)
    body.head_hidden_size = HIDDEN  # type: ignore[assignment]
    body._initialize_weights()  # type: ignore[operator]
    return body
