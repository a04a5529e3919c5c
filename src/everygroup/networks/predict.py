"""Outputs of a network for a whole cohort, in eval mode and float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.imaging.tensors import to_input
from everygroup.networks.adapted import logits_of

PREDICT_BATCH = 512


def output_batches(
    network: nn.Module, cohort: Cohort, *, device: torch.device | str = "cpu", batch_size: int = PREDICT_BATCH
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield which samples, and their outputs (b, ...) on the CPU; the network's train/eval mode is restored."""
    was_training = network.training
    network.eval()
    try:
        for start in range(0, len(cohort), batch_size):
            part = slice(start, min(start + batch_size, len(cohort)))
            with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
                stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(part)))
                group = torch.from_numpy(cohort.group[part]).to(device)
                outputs = logits_of(network, to_input(stored.to(device)), group).float().cpu()
            yield part, outputs
    finally:
        network.train(was_training)


def predict_outputs(
    network: nn.Module, cohort: Cohort, *, device: torch.device | str = "cpu", batch_size: int = PREDICT_BATCH
) -> torch.Tensor:
    """Return outputs (n, ...) on the CPU, of classes logits (n, K); the network's train/eval mode is restored."""
    parts = [outputs for _, outputs in output_batches(network, cohort, device=device, batch_size=batch_size)]
    return torch.cat(parts).clone() if parts else torch.empty(0, 0)


def predict_features(
    network: nn.Module, cohort: Cohort, *, device: torch.device | str = "cpu", batch_size: int = PREDICT_BATCH
) -> np.ndarray:
    """Return penultimate features (n, q), in eval mode, those of every pixel averaged; the network is left as it is."""
    import copy

    network = copy.deepcopy(network).to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(cohort), batch_size):
            stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(slice(start, start + batch_size))))
            found = network.features(to_input(stored.to(device))).float()  # type: ignore[operator]
            parts.append((found.flatten(2).mean(2) if found.ndim > 2 else found).cpu())
    return torch.cat(parts).numpy()
