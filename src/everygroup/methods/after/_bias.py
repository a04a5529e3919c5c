"""What a network is worth to two groups, and which of several is kept (Marcinkevics et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from torch import nn

from everygroup.methods.after._rounds import only_network, with_network
from everygroup.models import RoutedModel
from everygroup.models.steps.affine_logits import AffineLogits

_KEPT = 0.95  # of balanced accuracy, at least
_CUTS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Judged:
    """What a network is worth: its best threshold, balanced accuracy there, and the bias of decisions."""

    threshold: float
    balanced_accuracy: float
    bias: float


def judged(score: np.ndarray, y: np.ndarray, group: np.ndarray, bias: str) -> Judged:
    """Choose the threshold and judge; the bias is the first group's rate less the second's, NaN where undefined."""
    said = score[None] >= _CUTS[:, None]
    accuracy = (said[:, y == 1].mean(1) + 1 - said[:, y == 0].mean(1)) / 2
    place = int(np.nanargmax(accuracy))
    counted = y == 1 if bias == "tpr" else np.ones(len(y), bool)
    parts = [said[place, counted & (group == g)] for g in (0, 1)]
    first, second = (part.mean() if len(part) else np.nan for part in parts)
    return Judged(float(_CUTS[place]), float(accuracy[place]), float(first - second))


def best(records: list[Judged], floor: float | None) -> int:
    """Return the step with the smallest absolute bias among those accurate enough, the first of equals; else 0."""
    floor = _KEPT * records[0].balanced_accuracy if floor is None else floor
    able = [i for i, r in enumerate(records) if r.balanced_accuracy >= floor and not np.isnan(r.bias)]
    return min(able, key=lambda i: abs(records[i].bias), default=0)


def settled(
    model: RoutedModel, name: str, what: str, records: list[Judged], kept: nn.Module, floor: float | None
) -> RoutedModel:
    """Return the model with the network that was kept, its threshold at .5, and a sentence on how it was chosen.

    Parameters
    ----------
    what : str
        What the records are of: steps, evaluations.
    kept : Module
        The network of the best of them; that of record 0 is the model's own.
    """
    chosen = best(records, floor)
    found = records[chosen]
    said = f"{what} {chosen} of {len(records) - 1}" if chosen else f"unchanged: {model.method}, with another threshold"
    said += f" (validation bias {records[0].bias:+.3f} to {found.bias:+.3f})"
    network = kept if chosen else only_network(model, name)
    refined = with_network(model, network, **{name: [vars(r) for r in records]})
    shift = [0.0, -float(logit(np.clip(found.threshold, 0.005, 0.995)))]
    at_half = AffineLogits([1.0] * 2, [shift] * 2, 1.0, shift)
    return refined.answering_by(at_half).having_chosen(name, said)
