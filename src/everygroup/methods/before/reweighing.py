"""Reweighing: sample weights under which diagnosis and group have nothing to do with each other."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from everygroup.methods.before.resampling import cells
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method

Kind = Literal["independence", "inverse", "effective_number"]


@method(
    "Reweighing",
    "Kamiran and Calders. Data preprocessing techniques for classification without discrimination. Knowledge and "
    "Information Systems 33 (2012) 1-33; effective number: Cui et al. Class-balanced loss based on effective number of "
    "samples. CVPR 2019",
    branch="sampling",
)
class Reweighing(Before):
    r"""Weights in the loss: w_kg = n_k n_g / (n n_kg), under which P(y | g) = P(y) in every group and each keeps its
    size.

    `inverse` weighs samples by 1/n_g, `effective_number` by (1 - b) / (1 - b^n_g) with b = `beta`: the more samples of
    a group there are, the less new a further one is. All weights have mean 1. Samples without a group weigh 1. A cell
    without samples has none to weigh. Unlike `resampling` a rare sample is not seen more often, but counts more when it
    is.
    """

    changes_what_is_seen: ClassVar[bool] = False

    kind: Kind = Field("independence", description="what is made even")
    beta: float = Field(0.999, gt=0, lt=1, description="of the effective number")
    power: float = Field(1.0, ge=0, le=1, description="exponent of the weights; 0 is ERM")

    def prepare(self, lab: Lab) -> Lab:
        """Weigh the samples."""
        if self.power == 0 or not lab.known.any():
            return lab
        known = lab.known
        group = lab.train.group[known]
        n_g = np.bincount(group)[group].astype(float)
        if self.kind == "independence":
            cell = cells(lab, "cell", what=self.info.name)[known]
            y = cell // len(lab.groups)
            w = np.bincount(y)[y] * n_g / (len(cell) * np.bincount(cell)[cell])
        elif self.kind == "inverse":
            w = 1 / n_g
        else:
            w = (1 - self.beta) / (1 - self.beta**n_g)
        weights = np.ones(len(lab.train))
        weights[known] = (w / w.mean()) ** self.power
        weights[known] /= weights[known].mean()
        return lab.weighted(weights)
