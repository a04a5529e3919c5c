"""The mean image of each group: what pictures of a group have in common, and what a model may take for the group."""

from __future__ import annotations

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import CohortError

MIN_UNITS = 20
"""A mean of one patient is that patient's picture: fewer patients or lesions than this are not averaged."""
_READ = 256


def mean_images(cohort: Cohort, *, least: int = MIN_UNITS) -> tuple[np.ndarray, list[str], list[str]]:
    """Average the images of every group with enough patients.

    Every patient (or lesion) counts the same, however many images there are of them.

    Parameters
    ----------
    cohort : Cohort
        8-bit pictures.
    least : int
        Patients (or lesions) a group needs, 20 or more.

    Returns
    -------
    images : (g, H, W, C) uint8
    names : g group names with their numbers of patients
    left_out : names of the groups that have too few

    Raises
    ------
    CohortError
        For other than 8-bit pictures, or `least` below 20.
    """
    if least < MIN_UNITS:
        raise CohortError(
            f"A mean of fewer than {MIN_UNITS} patients can show one of them.", fix=f"ask for {MIN_UNITS} or more"
        )
    if cohort.images.dtype != np.uint8 or cohort.images.ndim != 4:
        raise CohortError("Only 8-bit pictures have a mean picture.", fix="leave the mean images out")
    images, names, left_out = [], [], []
    for g, group in enumerate(cohort.groups):
        rows = np.flatnonzero(cohort.group == g)
        units, place, size = np.unique(cohort.units[rows], return_inverse=True, return_counts=True)
        if len(units) < least:
            left_out.append(group)
            continue
        weight = 1 / size[place] / len(units)
        total = np.zeros(cohort.sample_shape)
        for k in range(0, len(rows), _READ):
            part = slice(k, k + _READ)
            total += np.tensordot(weight[part], cohort.batch(rows[part]).astype(np.float64), axes=1)
        images.append(np.round(total).astype(np.uint8))
        names.append(f"{group}\n{len(units)} patients or lesions")
    stack = np.stack(images) if images else np.empty((0, *cohort.sample_shape), dtype=np.uint8)
    return stack, names, left_out
