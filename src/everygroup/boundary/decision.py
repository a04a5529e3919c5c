"""What counts as another answer of a model that does not choose between classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from everygroup.errors import SettingsError


class Decision(Protocol):
    """When a perturbed image has another answer than the clean one.

    Implementations are frozen dataclasses: their repr, which enters the key of cached distances, shows every option.
    """

    def state(self, outputs: Tensor) -> Tensor:
        """Return what is to be remembered of the clean images' outputs: (n, ...), one row an image."""

    def margins(self, outputs: Tensor, state: Tensor) -> Tensor:
        """Return (n, M), differentiable, one column a way to change: above 0 where the answer has changed that way."""


@dataclass(frozen=True)
class LabelFlips:
    """Any of several findings changes: logits (n, L), a finding is present from `cut` upwards."""

    cut: float = 0.0

    def state(self, outputs: Tensor) -> Tensor:
        """Return 1 for a finding that is present, else -1, (n, L)."""
        return torch.where(_vector(outputs) >= self.cut, 1.0, -1.0).to(outputs)

    def margins(self, outputs: Tensor, state: Tensor) -> Tensor:
        """Return how far each finding is past the cut on the other side, in logits (n, L)."""
        return -state * (_vector(outputs) - self.cut)


@dataclass(frozen=True)
class LeavesBand:
    """A predicted number moves by more than `tolerance`: outputs (n,) or (n, K), the tolerance in their units."""

    tolerance: float

    def __post_init__(self) -> None:
        _positive("tolerance", self.tolerance)

    def state(self, outputs: Tensor) -> Tensor:
        """Return the predictions themselves, (n, K)."""
        return _vector(outputs)

    def margins(self, outputs: Tensor, state: Tensor) -> Tensor:
        """Return how far each prediction is above and below the band around the clean one, (n, 2K)."""
        moved = _vector(outputs) - state
        return torch.cat([moved - self.tolerance, -moved - self.tolerance], 1)


@dataclass(frozen=True)
class DiceFalls:
    """A predicted mask changes: logits (n, K, ...) of the structures, or of the background and the structures.

    The soft Dice of structure k against the clean answer, :math:`2 \\sum p_k m_k / (\\sum p_k + \\sum m_k)` with
    probabilities p and the hard mask m of the clean answer, must fall by `step` below its value on the clean image,
    for any one structure. Against an empty mask no such fall is defined: a structure the clean answer does not show
    changes the answer by showing up in a pixel (its hard Dice falls from 1 to 0).

    Attributes
    ----------
    step : float
        In (0, 1). A step that is larger than the clean soft Dice cannot be reached: censored.
    exclusive : bool
        True: channel 0 is the background, and a pixel belongs to the channel with the largest logit (softmax). False:
        every channel is a structure, present where its logit is at least 0 (sigmoid).
    """

    step: float = 0.1
    exclusive: bool = True

    def __post_init__(self) -> None:
        _positive("step", self.step)
        if self.step >= 1:
            raise SettingsError(f"step is {self.step}: a Dice of at most 1 cannot fall by so much.", fix="try 0.1")

    def state(self, outputs: Tensor) -> Tensor:
        """Return the clean logits, (n, K, ...)."""
        if outputs.dim() < 3 or (self.exclusive and outputs.shape[1] < 2):
            raise SettingsError(
                f"Masks are decided from logits (n, K, H, W), with the background first; these are "
                f"{tuple(outputs.shape)}.",
                fix="for one channel without background use exclusive=False",
            )
        return outputs

    def margins(self, outputs: Tensor, state: Tensor) -> Tensor:
        """Return the fall of the Dice less the step, or the best pixel of a structure that was absent, (n, S)."""
        mask = self._hard(state)
        present = mask.any(dim=2)
        fall = _soft_dice(self._soft(state), mask) - _soft_dice(self._soft(outputs), mask) - self.step
        return torch.where(present, fall, self._lead(outputs).amax(dim=2))

    def _soft(self, logits: Tensor) -> Tensor:
        soft = logits.softmax(dim=1)[:, 1:] if self.exclusive else logits.sigmoid()
        return soft.flatten(2)

    def _hard(self, logits: Tensor) -> Tensor:
        if not self.exclusive:
            return logits.flatten(2) >= 0
        best = (logits == logits.amax(dim=1, keepdim=True)).int().argmax(dim=1)  # ties: the lowest index
        return one_hot(best.flatten(1), logits.shape[1]).bool().transpose(1, 2)[:, 1:]

    def _lead(self, logits: Tensor) -> Tensor:
        """By how much each structure's logit leads in each pixel, (n, S, pixels)."""
        flat = logits.flatten(2)
        if not self.exclusive:
            return flat
        first, second = flat.topk(2, dim=1).values.unbind(dim=1)
        rival = torch.where(flat == first[:, None], second[:, None], first[:, None])
        return (flat - rival)[:, 1:]


@dataclass(frozen=True)
class CrossesCut:
    """An anomaly score crosses a cut: outputs (n,) or (n, 1), anomalous from `cut` upwards."""

    cut: float

    def state(self, outputs: Tensor) -> Tensor:
        """Return 1 for an anomaly, else -1, (n, 1)."""
        score = _vector(outputs)
        if score.shape[1] != 1:
            raise SettingsError(
                f"An anomaly score is one number an image, not {tuple(outputs.shape)}.",
                fix="wrap the model to return its score",
            )
        return torch.where(score >= self.cut, 1.0, -1.0).to(outputs)

    def margins(self, outputs: Tensor, state: Tensor) -> Tensor:
        """Return how far the score is past the cut on the other side, (n, 1)."""
        return -state * (_vector(outputs) - self.cut)


def _soft_dice(soft: Tensor, mask: Tensor) -> Tensor:
    """Soft Dice (n, S) of probabilities and masks (n, S, pixels); of an empty mask the value is not used."""
    shared = (soft * mask).sum(dim=2)
    return 2 * shared / (soft.sum(dim=2) + mask.sum(dim=2))


def _vector(outputs: Tensor) -> Tensor:
    if outputs.dim() > 2:
        raise SettingsError(
            f"This decision is about numbers (n, K), not outputs {tuple(outputs.shape)}.", fix="use DiceFalls for masks"
        )
    return outputs[:, None] if outputs.dim() == 1 else outputs


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} is {value}.", fix=f"give a {name} above 0")
