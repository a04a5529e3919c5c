"""Balanced ERM: batches in which groups, or cells of label and group, are equally likely."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from everygroup.errors import SettingsError
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method

Over = Literal["group", "cell"]


def cells(lab: Lab, over: Over, *, what: str) -> np.ndarray:
    """Return each training sample's group, or (label, group) cell, as a number; below 0 where the group is missing.

    Raises
    ------
    SettingsError
        For cells of a target without classes; `what` asks for them.
    """
    if over == "group":
        return lab.train.group
    label = lab.target.strata(lab.target.truth(lab.train))
    if label is None:
        raise SettingsError(
            f"{what}: target {lab.target.name!r} has no classes to make cells of.", fix="use over=group"
        )
    return np.where(lab.known, label * len(lab.groups) + lab.train.group, -1)


def balanced(cell: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Return p_i proportional to n_c^-power, c the sample's cell, with mean 1.

    Samples without a group are a group of their own whose share of the draws stays as it is in the data.
    """
    known = cell >= 0
    _, place = np.unique(cell[known], return_inverse=True)
    p = np.ones(len(cell))
    drawn = np.bincount(place).astype(float)[place] ** -power
    p[known] = drawn / drawn.mean()
    return p


@method(
    "Balanced resampling (Balanced ERM)",
    "Zhang et al. Improving the fairness of chest X-ray classifiers. CHIL 2022",
    targets=ALL_TARGETS,
    branch="sampling",
)
class Resampling(Before):
    """Draw sample i with probability proportional to 1/n_g (or 1/n_kg), with replacement."""

    changes_what_is_seen: ClassVar[bool] = False

    over: Over = Field("group", description="what is balanced: groups, or (label, group) cells")
    power: float = Field(1.0, ge=0, le=1, description="1 = full balance, 0.5 = square root, 0 = ERM")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, cells where there are no classes."""
        super().check(lab)
        cells(lab, self.over, what=self.info.name)

    def prepare(self, lab: Lab) -> Lab:
        """Let batches be drawn so."""
        return lab.drawn(balanced(cells(lab, self.over, what=self.info.name), self.power)) if self.power else lab
