"""Logits of a whole cohort, in eval mode and float32."""

from __future__ import annotations

import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.imaging.tensors import to_input
from everygroup.networks import logits_of

PREDICT_BATCH = 512


def predict_logits(
    network: nn.Module, cohort: Cohort, *, device: torch.device | str = "cpu", batch_size: int = PREDICT_BATCH
) -> torch.Tensor:
    """Return logits (n, K) on the CPU; the network's train/eval mode is restored."""
    import numpy as np

    was_training = network.training
    network.eval()
    parts = []
    try:
        with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
            for start in range(0, len(cohort), batch_size):
                stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(slice(start, start + batch_size))))
                group = torch.from_numpy(cohort.group[start : start + batch_size]).to(device)
                parts.append(logits_of(network, to_input(stored.to(device)), group).float().cpu())
    finally:
        network.train(was_training)
    return torch.cat(parts).clone() if parts else torch.empty(0, 0)
