"""Batches without a cohort, to ask a learner for its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from everygroup.targets import Classes
from everygroup.training import Batch


def batch_of(
    y: torch.Tensor | Sequence[int],
    group: torch.Tensor | Sequence[int],
    weight: torch.Tensor | None = None,
    *,
    classes: int = 3,
    smoothing: float = 0.0,
) -> Batch:
    nobody: Any = None
    y = torch.as_tensor(y)
    weight = torch.ones(len(y)) if weight is None else weight
    target = Classes([f"c{k}" for k in range(classes)])
    return Batch(y, weight, torch.as_tensor(group), np.arange(len(y)), target, nobody, smoothing)
