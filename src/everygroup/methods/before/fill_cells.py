"""Filled cells: further samples of the diagnoses that are rare in a group, made of its own."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from everygroup.console import warn
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method


@method(
    "Filled cells (SMOTE, mixup)",
    "Chawla et al. SMOTE: synthetic minority over-sampling technique. Journal of Artificial Intelligence Research 16"
    " (2002) 321-357; Zhang et al. mixup: beyond empirical risk minimization. ICLR 2018",
    branch="synthesis",
)
class FillCells(Before):
    """Make samples of every cell of group and diagnosis until each has as many as the group's largest (or median) cell.

    A made sample lies between one of the cell and one of its `k` nearest neighbours there (SMOTE, of vectors) or
    another of the cell (of images, whose nearest neighbours in pixels mean little). It is in training alone, belongs to
    the patient of the first, and training makes as many updates as without it. A cell with one sample is repeated; one
    with none stays empty, and is said.
    """

    to: Literal["largest", "median"] = Field("largest", description="as many as which of the group's cells")
    k: int = Field(5, ge=1, description="neighbours, of vectors")
    share: float = Field(1.0, ge=0, le=1, description="of what is lacking; 0 is ERM")

    def prepare(self, lab: Lab) -> Lab:
        """Make the samples."""
        y, group = lab.target.truth(lab.train)[:], lab.train.group
        rng = np.random.default_rng([lab.settings.seed, 18])
        first, second = [], []
        for g, name in enumerate(lab.groups):
            size = np.bincount(y[group == g], minlength=lab.target.n_outputs)
            goal = size.max() if self.to == "largest" else int(np.median(size))
            for c, n in enumerate(size):
                lacking = round(self.share * max(0, goal - n))
                if not n and lacking:
                    warn(f"fill_cells: {name} has no training sample of {lab.target.outputs[c]!r} to make others of.")
                if n and lacking:
                    pairs = self._pairs(lab, np.flatnonzero((y == c) & (group == g)), lacking, rng)
                    first.append(pairs[0])
                    second.append(pairs[1])
        if not first:
            return lab
        of, other = np.concatenate(first), np.concatenate(second)
        x, partner = lab.train.batch(of).astype(np.float32), lab.train.batch(other).astype(np.float32)
        between = rng.random((len(of), *[1] * (x.ndim - 1)), dtype=np.float32)
        made = x + between * (partner - x)
        whole = lab.train.batch(slice(0, 1)).dtype == np.uint8
        train = lab.train.with_more(np.rint(made) if whole else made, of)
        return lab.extended(train)

    def _pairs(self, lab: Lab, inside: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw n samples of a cell, and for each the one that it is mixed with."""
        at = rng.integers(0, len(inside), n)
        if len(inside) == 1:
            return inside[at], inside[at]
        if len(lab.train.sample_shape) > 1:
            step = rng.integers(1, len(inside), n)
            return inside[at], inside[(at + step) % len(inside)]
        x = lab.train.batch(inside).astype(np.float64)
        square = (x**2).sum(1)
        apart = square[:, None] + square - 2 * x @ x.T
        np.fill_diagonal(apart, np.inf)
        near = np.argsort(apart, axis=1, kind="stable")[:, : min(self.k, len(inside) - 1)]
        return inside[at], inside[near[at, rng.integers(0, near.shape[1], n)]]
