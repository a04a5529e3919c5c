"""JTT: the samples that a short first training gets wrong are drawn more often in the second."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method


@method(
    "JTT (just train twice)",
    "Liu et al. Just train twice: improving group robustness without training group information. ICML 2021",
    cost=1.5,
    blind=True,
    branch="robust",
)
class JTT(Learn):
    """Train ERM for a share of the updates; draw the training samples it gets wrong `up` times as often; train anew.

    No group is needed. The errors of a small group are many among all errors if the first network uses a shortcut
    that fails there; wrong labels are errors, too, and are then learnt by heart.
    """

    up: float = Field(10.0, ge=1, description="how much more often an error is drawn; 1 is ERM")
    first: float = Field(0.5, gt=0, le=1, description="updates of the first training, in shares of ERM's")

    def cost(self, groups: object) -> float:
        """Count the first training."""
        return 1 + (self.first if self.up > 1 else 0)

    def draws(self, lab: Lab) -> np.ndarray | None:
        """Train for the first time, and find its errors."""
        if self.up == 1:
            return None
        short = lab.settings.but(updates=max(1, round(self.first * lab.n_updates)), selection="last")
        trained = lab.train_network(name="jtt: first", settings=short)
        said = lab.answers(lab.one_model("first", trained), lab.train).argmax(1)
        wrong = said != lab.target.truth(lab.train)[:]
        return np.where(wrong, self.up, 1.0) if wrong.any() else None
