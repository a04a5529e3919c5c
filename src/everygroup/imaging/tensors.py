"""From stored images to network input: one rule, used wherever a network sees an image."""

from __future__ import annotations

import torch


def to_input(stored: torch.Tensor) -> torch.Tensor:
    """Stored (B, H, W, C) or (B, D, H, W, C) -> float32 with the channels second; vectors (B, D) as they are.

    uint8 becomes [0, 1]; float32 keeps its values.
    """
    if stored.ndim in (4, 5):
        stored = stored.movedim(-1, 1)
    return stored.float().div_(255) if stored.dtype == torch.uint8 else stored
