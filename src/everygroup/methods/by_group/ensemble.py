"""Ensemble: the mean of several ERM networks, the control of every method that trains more than one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel
from everygroup.training import Trained


def members(lab: Lab, n: int) -> list[Trained]:
    """Train ERM with n seeds, the first being ERM itself; linear heads, which are solved, on draws of the patients."""
    found = [lab.erm()]
    for i in range(1, n):
        if lab.solves:
            drawn = _drawn(lab.train.units, lab.settings.seed, i)
            found.append(lab.train_network(name=f"erm (draw {i})", weights=drawn))
        else:
            seeded = lab.settings.but(seed=lab.settings.seed + i)
            found.append(lab.train_network(name=f"erm (seed {seeded.seed})", settings=seeded))
    return found


def _drawn(units: np.ndarray, seed: int, number: int) -> np.ndarray:
    """How often each sample's patient is drawn among as many patients, with replacement, (n,)."""
    names, unit = np.unique(units, return_inverse=True)
    rng = np.random.default_rng([seed, 11, number])
    drawn: np.ndarray = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[unit].astype(float)
    return drawn


@method(
    "Ensemble of ERM",
    "Lakshminarayanan, Pritzel and Blundell. Simple and scalable predictive uncertainty estimation using deep "
    "ensembles. NeurIPS 2017; of linear heads: Breiman. Bagging predictors. Machine Learning 24 (1996) 123-140",
    family="baseline",
    cost=3,
    targets=("classes", "labels", "number", "mask"),
    blind=True,
    branch="control",
)
class Ensemble(ByGroup):
    """Mean answer of networks that differ in their seed alone, for everybody.

    A linear head that is solved is the same for every seed: there the first is ERM's, the others are solved on draws of
    the patients with replacement.
    """

    members: int = Field(3, ge=2, description="number of networks")

    def cost(self, groups: Sequence[str]) -> float:
        """Return the number of networks."""
        return self.members

    def model(self, lab: Lab) -> RoutedModel:
        """Train them."""
        trained = {f"member {i}": one for i, one in enumerate(members(lab, self.members), start=1)}
        mixtures = {"pooled": dict.fromkeys(trained, 1 / len(trained))}
        route = dict.fromkeys(lab.groups, "pooled")
        return lab.model(self.info.name, trained, route, pooled="pooled", mixtures=mixtures)
