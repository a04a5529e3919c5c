"""A small autoencoder and a small variational one: images through a narrow code and back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.networks.split import Split, conv_block

_LEVELS = 3


def _sizes(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Height and width at every level, the full size first."""
    height, width = shape
    return [(-(-height // 2**level), -(-width // 2**level)) for level in range(_LEVELS + 1)]


class Encoder(nn.Module):
    """Images (N, C, H, W) -> (N, 4 * width * H/8 * W/8)."""

    def __init__(self, in_channels: int, shape: Sequence[int], width: int) -> None:
        super().__init__()
        widths = [in_channels, *(width * 2**level for level in range(_LEVELS))]
        blocks = [conv_block(a, b, stride=2) for a, b in itertools.pairwise(widths)]
        self.blocks = nn.Sequential(*blocks, nn.Flatten())
        height, breadth = _sizes(shape)[-1]
        self.n_outputs = widths[-1] * height * breadth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the flattened maps."""
        flat: torch.Tensor = self.blocks(x)
        return flat


class Decoder(nn.Module):
    """Codes (N, q) -> images (N, n_outputs, H, W)."""

    def __init__(self, n_outputs: int, shape: Sequence[int], width: int, code: int) -> None:
        super().__init__()
        self.sizes = _sizes(shape)[::-1]
        widths = [width * 2**level for level in reversed(range(_LEVELS))]
        height, breadth = self.sizes[0]
        self.first = nn.Linear(code, widths[0] * height * breadth)
        self.blocks = nn.ModuleList(conv_block(a, b) for a, b in zip(widths, [*widths[1:], width], strict=True))
        self.last = nn.Conv2d(width, n_outputs, 3, padding=1)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Return images, in [0, 1] as far as they are learnt to be."""
        x = self.first(code).relu().unflatten(1, (-1, *self.sizes[0]))
        for size, block in zip(self.sizes[1:], self.blocks, strict=True):
            x = block(F.interpolate(x, size=size, mode="nearest"))
        images: torch.Tensor = self.last(x) + 0.5
        return images


def small_autoencoder(n_outputs: int, in_channels: int, shape: Sequence[int], width: int = 16, code: int = 32) -> Split:
    """Build an autoencoder of images of one size: its features are the code (N, code), its head is the decoder.

    Parameters
    ----------
    n_outputs, in_channels : int
        Channels of the images given back and of the images seen.
    shape : (H, W)
    width : int
        Channels of the first layer, at half the size; 2 and 4 times as many at a quarter and an eighth.
    code : int
        Numbers an image is described by.
    """
    encoder = Encoder(in_channels, shape, width)
    return Split(nn.Sequential(encoder, nn.Linear(encoder.n_outputs, code)), Decoder(n_outputs, shape, width, code))


class VariationalAutoencoder(Split):
    """Its features are the posterior's mean (N, q); `posterior` gives mean and log-variance, for the loss.

    References
    ----------
    Kingma and Welling, Auto-encoding variational Bayes, ICLR 2014.
    """

    def __init__(self, n_outputs: int, in_channels: int, shape: Sequence[int], width: int, code: int) -> None:
        encoder = Encoder(in_channels, shape, width)
        mean = nn.Linear(encoder.n_outputs, code)
        super().__init__(nn.Sequential(encoder, mean), Decoder(n_outputs, shape, width, code))
        self.log_variance = nn.Linear(encoder.n_outputs, code)

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log-variance of the code, (N, q) each."""
        encoder, mean = self.trunk.children()
        maps = encoder(self.scaled(x))
        return mean(maps), self.log_variance(maps)


def small_vae(
    n_outputs: int, in_channels: int, shape: Sequence[int], width: int = 16, code: int = 32
) -> VariationalAutoencoder:
    """Build a variational autoencoder; the parameters are those of `small_autoencoder`."""
    return VariationalAutoencoder(n_outputs, in_channels, shape, width, code)
