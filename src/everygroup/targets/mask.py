"""A mask of structures: which pixel belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F

from everygroup.boundary.decision import Decision, DiceFalls
from everygroup.metrics.masks import MaskPairs, overlap_counts
from everygroup.metrics.segmentation import overlap
from everygroup.targets.base import Pictured, log_of

if TYPE_CHECKING:
    from everygroup.cohort import Cohort
    from everygroup.imaging.augment import Augmentation

BACKGROUND = "background"
_SOFTENER = 1.0  # pixels; keeps the soft Dice of an absent structure defined


class Mask(Pictured):
    """Structures that exclude each other, the background first; selection score: Dice, the mean over structures.

    Masks may have two or three dimensions.
    """

    name: ClassVar[str] = "mask"
    score: ClassVar[str] = "mean_dice"
    form: ClassVar[str] = "map"
    smooths: ClassVar[bool] = True

    def __init__(self, outputs: Sequence[str]) -> None:
        self.classes = tuple(outputs)[1:]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Background and structures."""
        return (BACKGROUND, *self.classes)

    @classmethod
    def of(cls, cohort: Cohort) -> Self:
        """Return the structures of a cohort."""
        return cls((BACKGROUND, *cohort.classes))

    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """(1/P) sum_p CE(f_p(x_i), y_ip) + 1 - (1/S) sum_k D_ik over P pixels and S structures.

        D_ik = (2 sum_p q_kp m_kp + 1) / (sum_p q_kp + sum_p m_kp + 1) is the soft Dice of structure k, q the softmax
        and m the true mask (Isensee et al., nnU-Net, Nature Methods 2021, with Dice by sample so that samples have
        weights; the 1 is a pixel, and leaves a structure that is rightly absent without loss).
        """
        y = y.long()
        pixels = F.cross_entropy(outputs, y, reduction="none", label_smoothing=smoothing).flatten(1).mean(1)
        soft = outputs.softmax(1)[:, 1:].flatten(2)
        true = F.one_hot(y.flatten(1), outputs.shape[1]).to(soft.dtype).transpose(1, 2)[:, 1:]
        both, total = (soft * true).sum(2), soft.sum(2) + true.sum(2)
        return pixels + 1 - ((2 * both + _SOFTENER) / (total + _SOFTENER)).mean(1)

    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """Softmax, (N, 1 + S, H, W)."""
        return outputs.softmax(1)

    def seen(self, y: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Dice of every structure, (n, S); NaN where neither mask shows it."""
        return dice(y, answers.argmax(1), len(self.classes))

    def log_likelihood(self, y: np.ndarray, answers: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """log p of the true structure, of some 256 pixels of every picture, evenly apart."""
        step = max(1, int(np.prod(y.shape[1:])) // 256)
        true = y.reshape(len(y), -1)[:, ::step].astype(np.int64)
        given = answers.reshape(*answers.shape[:2], -1)[:, :, ::step]
        return log_of(np.take_along_axis(given, true[:, None], 1)[:, 0])

    def augmented(self, augment: Augmentation, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Move images and masks alike."""
        return augment.pair(x, y)

    def decision(self, outputs: torch.Tensor | None = None) -> Decision:
        """The Dice of any structure against the clean answer falls by 0.1."""
        return DiceFalls(0.1)


def dice(true: np.ndarray, answered: np.ndarray, n_structures: int) -> np.ndarray:
    """Return the Dice of every sample and structure, (n, S), from integer masks (n, H, W); NaN of two empty masks."""
    pairs = MaskPairs(tuple(true), tuple(answered), tuple(range(1, n_structures + 1)))
    return overlap(overlap_counts(pairs), "dice", empty=float("nan")) if len(pairs) else np.empty((0, n_structures))
