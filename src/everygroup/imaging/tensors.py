"""From stored images to network input: one rule, used wherever a network sees an image."""

from __future__ import annotations

import torch


def to_input(stored: torch.Tensor) -> torch.Tensor:
    """uint8 (B, H, W, C) -> float32 (B, C, H, W) in [0, 1]; float vectors and images as they are, channels first."""
    if stored.dtype == torch.uint8:
        return stored.permute(0, 3, 1, 2).float().div_(255)
    return stored.permute(0, 3, 1, 2) if stored.ndim == 4 else stored
