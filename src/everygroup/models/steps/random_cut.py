"""A threshold for each group that is drawn by lot."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everygroup.models.steps.base import Step, register_step

Lot = Sequence[Sequence[float]]
"""(threshold, its probability), the probabilities of sum 1."""


def lots(ids: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for every id, (n,), as if drawn at random and always the same."""
    drawn = (hashlib.blake2b(f"{seed}:{i}".encode(), digest_size=8).digest() for i in ids)
    return np.array([int.from_bytes(d, "big") >> 11 for d in drawn], dtype=np.float64) / 2.0**53


@register_step
@dataclass(frozen=True)
class RandomCut(Step):
    """Of two classes the second where its probability reaches a threshold that is drawn by the sample's id.

    Two samples of a group with the same score can get different answers, the same sample cannot.

    Attributes
    ----------
    lots : sequence of lots, (G,)
    otherwise : lot
        Where no group is known.
    seed : int
    """

    name: ClassVar[str] = "random_cut"
    lots: Sequence[Lot]
    otherwise: Lot
    seed: int

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """1 from the threshold that was drawn on."""
        drawn, found = lots(ids, self.seed), np.zeros(len(group), dtype=np.int64)
        for g, lot in [*enumerate(self.lots), (-1, self.otherwise)]:
            members = group == g
            threshold, share = np.asarray(lot, dtype=np.float64).T
            place = np.searchsorted(share.cumsum()[:-1], drawn[members], side="right")
            found[members] = scores[members, 1] >= threshold[place]
        return found
