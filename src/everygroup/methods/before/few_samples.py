"""Few samples of a group: what is left of the others is a learning curve."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, GroupName, method


@method(
    "Few samples of a group (for learning curves)",
    "a device of studies, such as Larrazabal et al. Gender imbalance in medical imaging datasets produces biased "
    "classifiers. PNAS 117 (2020) 12592-12594",
    family="baseline",
    targets=ALL_TARGETS,
    branch="control",
)
class FewSamples(Before):
    """Keep of one group at most n training samples, whole patients drawn by the seed, and as large a share of its
    validation samples. Everybody else stays, and so does whatever is tested."""

    group: GroupName | None = Field(None, description="whose samples; null: the smallest group's")
    n: int = Field(100, ge=2, description="most training samples of it")

    def prepare(self, lab: Lab) -> Lab:
        """Leave the others out."""
        if self.group and self.group not in lab.groups:
            raise SettingsError(f"There is no group {self.group!r}.", fix=f"choose one of {', '.join(lab.groups)}")
        index = lab.groups.index(self.group) if self.group else int(lab.group_sizes.argmin())
        share = min(1.0, self.n / max(1, int(lab.group_sizes[index])))
        rng = np.random.default_rng([lab.settings.seed, 13])
        kept = [_some(part, index, share, rng) for part in (lab.train, lab.validation)]
        return lab.but(train=kept[0], validation=kept[1])


def _some(cohort: Cohort, group: int, share: float, rng: np.random.Generator) -> Cohort:
    """Keep patients of a group, in random order, as long as there is room for their samples."""
    inside = cohort.group == group
    names, unit = np.unique(cohort.units[inside], return_inverse=True)
    room = round(share * int(inside.sum()))
    place = rng.permutation(len(names))
    size = np.bincount(unit, minlength=len(names))
    before = np.empty(len(names))
    before[place] = np.cumsum(size[place])
    keep = ~inside
    keep[np.flatnonzero(inside)[before[unit] <= room]] = True
    return cohort.where(keep)
