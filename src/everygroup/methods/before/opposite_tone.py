"""Opposite tone: training images once more in the skin tone of another group, lesion and diagnosis as they are."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from everygroup.check.colour import lab as to_lab
from everygroup.check.colour import rgb
from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method


@method(
    "Opposite tone (same diagnosis, opposite attribute)",
    "the family of Xu et al., npj Digital Medicine 7 (2024) 286; tone by L* and b*: Chardon, Cretois and Hourseau. "
    "International Journal of Cosmetic Science 13 (1991); transfer of colour: Reinhard et al. IEEE CGA 21 (2001)",
    groups=(2, None),
    needs="images",
    branch="synthesis",
)
class OppositeTone(Before):
    """A share of the training images is added once more with L* and b* of all pixels moved by what lies between the
    means of its group and of another one, drawn at random.

    The same shift for all pixels keeps the contrast of the lesion; a* (redness) stays. The made images belong to the
    other group and to the same patient, are in training alone, and training makes as many updates as without them.
    `strength` below 1 goes part of the way. What differs between groups besides the tone is not made: on the simulated
    cohort, whose dark skin absorbs where this only shifts, answers on darker skin got worse by it (zoo effects, in the
    results).
    """

    share: float = Field(0.5, ge=0, le=1, description="of the training images that are added; 0 is ERM")
    strength: float = Field(1.0, gt=0, le=1, description="how much of the way to the other group's mean")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, what has no colour."""
        super().check(lab)
        if lab.train.sample_shape[-1] != 3 or lab.train.batch(slice(0, 1)).dtype != np.uint8:
            raise SettingsError("opposite_tone is for 8-bit colour images.", fix="leave it out")

    def prepare(self, lab: Lab) -> Lab:
        """Make the images."""
        known = np.flatnonzero(lab.known)
        rng = np.random.default_rng([lab.settings.seed, 19])
        of = np.sort(rng.permutation(known)[: round(self.share * len(known))])
        if not len(of):
            return lab
        colour = np.stack([to_lab(lab.train.batch(np.array([i]))).mean((0, 1, 2)) for i in known])
        mean = np.stack([colour[lab.train.group[known] == g].mean(0) for g in range(len(lab.groups))])
        own = lab.train.group[of]
        to = (own + rng.integers(1, len(lab.groups), len(of))) % len(lab.groups)
        shift = self.strength * (mean[to] - mean[own]) * np.array([1, 0, 1])
        made = np.stack(
            [rgb(to_lab(lab.train.batch(np.array([i])))[0] + move) for i, move in zip(of, shift, strict=True)]
        )
        return lab.extended(lab.train.with_more(made, of, group=to))
