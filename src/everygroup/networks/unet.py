"""A small U-Net of our own, for masks and for reconstruction, in two and three dimensions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.split import Split, conv_block


class UNetTrunk(nn.Module):
    """Encoder and decoder with skips; the output has the size of the input, whatever that is.

    Down by strided convolutions (max-pooling has no repeatable gradient in three dimensions), up to the very size of
    the skip.

    Parameters
    ----------
    in_channels : int
    width : int
        Channels at full size, and of the output; twice as many at every further level.
    levels : int
        Sizes it works at: full, 1/2, 1/4, ...
    dimensions : {2, 3}
    """

    def __init__(self, in_channels: int, width: int, levels: int = 3, dimensions: int = 2) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList()
        for level, channels in enumerate(widths):
            before = widths[level - 1] if level else in_channels
            self.down.append(
                nn.Sequential(
                    conv_block(before, channels, stride=2 if level else 1, dimensions=dimensions),
                    conv_block(channels, channels, dimensions=dimensions),
                )
            )
        narrow = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.narrow, self.up = nn.ModuleList(), nn.ModuleList()
        for channels in widths[-2::-1]:
            self.narrow.append(narrow(2 * channels, channels, 1))  # before it is enlarged, where it costs less
            self.up.append(
                nn.Sequential(
                    conv_block(2 * channels, channels, dimensions=dimensions),
                    conv_block(channels, channels, dimensions=dimensions),
                )
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (N, width, ...) of the size of x."""
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        skips.pop()
        for narrow, block in zip(self.narrow, self.up, strict=True):
            skip = skips.pop()
            x = block(torch.cat([F.interpolate(narrow(x), size=skip.shape[2:], mode="nearest"), skip], 1))
        return x


def small_unet(n_outputs: int, in_channels: int = 3, width: int = 16, levels: int = 3) -> Split:
    """Build a U-Net that gives a map of logits (N, n_outputs, H, W) for images of any size.

    References
    ----------
    Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015.
    """
    return Split(UNetTrunk(in_channels, width, levels), nn.Conv2d(width, n_outputs, 1))


class _Correction(nn.Module):
    """The image that came along behind the features, corrected by a 1x1 convolution of them; at first by nothing."""

    def __init__(self, width: int, n_outputs: int) -> None:
        super().__init__()
        self.n_outputs = n_outputs
        self.convolution = nn.Conv2d(width, n_outputs, 1)
        nn.init.zeros_(self.convolution.weight)
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        width = self.convolution.in_channels
        corrected: torch.Tensor = features[:, width : width + self.n_outputs] + self.convolution(features[:, :width])
        return corrected


class ReconstructionUNet(Split):
    """x + correction(x): images (N, C, H, W) from degraded ones; its features (N, width + C, H, W) end in x itself."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of every pixel, and behind them the image."""
        return torch.cat([super().features(x), x], 1)


def reconstruction_unet(n_outputs: int, in_channels: int = 3, width: int = 16, levels: int = 3) -> ReconstructionUNet:
    """Build a U-Net that corrects its input; it starts as the identity, on the first `n_outputs` channels.

    References
    ----------
    Jin et al., Deep convolutional neural network for inverse problems in imaging, IEEE TIP 2017.
    """
    if n_outputs > in_channels:
        raise SettingsError(
            f"{n_outputs} channels cannot be corrected from {in_channels}.", fix="give inputs with as many channels"
        )
    return ReconstructionUNet(UNetTrunk(in_channels, width, levels), _Correction(width, n_outputs))
