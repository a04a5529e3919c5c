"""Small networks for volumes (N, C, D, H, W), such as 64 x 64 x 64 voxels on a CPU."""

from __future__ import annotations

import torch
from torch import nn

from everygroup.networks.split import Split, conv_block
from everygroup.networks.unet import UNetTrunk


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, n_inputs: int, n_outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_block(n_inputs, n_outputs, stride=stride, dimensions=3)
        self.second = conv_block(n_outputs, n_outputs, dimensions=3)[:2]  # the ReLU follows the sum
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_inputs != n_outputs:
            self.shortcut = nn.Sequential(
                nn.Conv3d(n_inputs, n_outputs, 1, stride=stride, bias=False), nn.BatchNorm3d(n_outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.second(self.first(x)) + self.shortcut(x)
        return total.relu()


class ResNet3dTrunk(nn.Module):
    """ResNet-18's blocks in three dimensions behind a 5x5x5 stem of stride 2, to pooled features (N, 8 * width)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv3d(in_channels, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        ]
        before = width
        for level in range(4):
            channels = width * 2**level
            layers += [_Block(before, channels, stride=2), _Block(channels, channels, stride=1)]
            before = channels
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over all voxels."""
        features: torch.Tensor = self.layers(x).mean((2, 3, 4))
        return features


def small_resnet3d(n_outputs: int, in_channels: int = 1, width: int = 8) -> Split:
    """Build a ResNet-18 in three dimensions with few channels: logits (N, n_outputs) of volumes of any size.

    References
    ----------
    He et al., Deep residual learning for image recognition, CVPR 2016; in three dimensions as in Hara et al., Can
    spatiotemporal 3D CNNs retrace the history of 2D CNNs and ImageNet?, CVPR 2018. With stride 2 in the first stage
    in place of max-pooling, whose gradient is not repeatable.
    """
    return Split(ResNet3dTrunk(in_channels, width), nn.Linear(8 * width, n_outputs))


def small_unet3d(n_outputs: int, in_channels: int = 1, width: int = 8, levels: int = 3) -> Split:
    """Build a U-Net in three dimensions: maps of logits (N, n_outputs, D, H, W) for volumes of any size.

    References
    ----------
    Çiçek et al., 3D U-Net: learning dense volumetric segmentation from sparse annotation, MICCAI 2016.
    """
    return Split(UNetTrunk(in_channels, width, levels, dimensions=3), nn.Conv3d(width, n_outputs, 1))
