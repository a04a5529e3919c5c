"""z-scores: every image, or all images of a group or a scanner, with one mean and one spread."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from everygroup.cohort import GroupRule
from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method
from everygroup.models.transforms.affine_by_group import AffineByGroup
from everygroup.models.transforms.pictures import Picture

Otherwise = Literal["refuse", "reference"]
_AT_ONCE = 512


@method(
    "z-score normalisation",
    "Xu et al. Addressing fairness issues in deep learning-based medical image analysis: a systematic review. npj "
    "Digital Medicine 7 (2024) 286 (harmonisation)",
    targets=("classes", "labels", "number", "mask"),
    branch="harmonisation",
)
class ZScore(Before):
    """Bring every channel (every value of a vector) to the mean and spread of all training samples, by group or by the
    values of a column such as a scanner; or each image to its own.

    `over=image` makes 0.5 + 0.2 z of an image's foreground (pixels above 0), z by its own mean and spread, and needs
    nothing else. The others are estimated on training samples, and need the column at prediction: an unknown value is
    refused, or left as it is (`otherwise=reference`). What goes together with the group, such as a prevalence, goes
    with it.
    """

    over: Literal["group", "image", "column"] = Field("group", description="what has a mean and a spread of its own")
    column: str | None = Field(None, description="of the table, with over=column")
    otherwise: Otherwise = Field("reference", description="what happens to unknown and missing values at prediction")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, what has no column or no picture."""
        super().check(lab)
        if (self.over == "column") != (self.column is not None):
            raise SettingsError("z_score: over=column and column=NAME belong together.", fix="give both, or neither")
        if self.over == "image" and len(lab.train.sample_shape) != 3:
            raise SettingsError("z_score(over=image) is for images.", fix="use over=group")

    def prepare(self, lab: Lab) -> Lab:
        """Estimate, and see samples so."""
        if self.over == "image":
            return lab.seen_through(Picture("standardised"))
        rule = lab.train.rule if self.column is None else GroupRule.make(self.column)
        names, place = rule.assign(lab.train.table, lab.groups if self.column is None else None)
        mean, spread, everybody = moments(lab, place, len(names))
        scale = np.where(spread > 1e-6, everybody[1] / np.maximum(spread, 1e-6), 1.0)
        shift = everybody[0] - mean * scale
        ones = np.ones((1, scale.shape[1]))
        made = np.concatenate([scale, ones]), np.concatenate([shift, 0 * ones])
        extra = (1,) * (len(lab.train.sample_shape) - 1)
        first, second = (m.reshape(len(m), *extra, -1) for m in made)
        return lab.seen_through(AffineByGroup(rule, names, first, second, self.otherwise))


def moments(lab: Lab, place: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return mean and spread of every channel by place (n, C), and of all training samples, in a network's units.

    Parameters
    ----------
    place : (n_train,) int
        -1 for samples that count for everybody alone.
    """
    n_channels = lab.train.sample_shape[-1]
    total = np.zeros((3, n + 1, n_channels))
    for start in range(0, len(lab.train), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        x = lab.train.batch(part)
        values = (x.astype(np.float64) / (255 if x.dtype == np.uint8 else 1)).reshape(len(x), -1, n_channels)
        sums = np.stack([np.full((len(x), n_channels), values.shape[1]), values.sum(1), (values**2).sum(1)])
        for k in range(n):
            total[:, k] += sums[:, place[part] == k].sum(1)
        total[:, n] += sums.sum(1)
    count = np.maximum(total[0], 1)
    mean = total[1] / count
    spread = np.sqrt(np.maximum(total[2] / count - mean**2, 0))
    return mean[:n], spread[:n], (mean[n], spread[n])
