"""From the simulated dermatology cohort to one of another target: the same pictures, another question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.cohort.outcome import Target
from everygroup.datasets.simulated import SimulatedCohort


def retargeted(
    base: SimulatedCohort,
    target: Target,
    table: pd.DataFrame,
    *,
    made_by: str,
    settings: dict[str, Any],
    told: pd.DataFrame,
    label: str | Sequence[str] | None = None,
    images: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    normal: str | None = None,
) -> SimulatedCohort:
    """Return the cohort of a target.

    Parameters
    ----------
    base : as `everygroup.datasets.simulated.dermatology` made it; its images are kept unless others are given.
    made_by : name of the generator; settings : its own arguments, beside those of the base.
    told : what is known of every sample, in place of the base's truth about diagnoses.
    label, truth, classes, normal : as `Cohort.from_table` takes them.
    """
    settings = {**base.settings, **settings}
    cohort = Cohort.from_table(
        base.cohort.images if images is None else images,
        table,
        label=label,
        group="tone",
        id_column="image_id",
        split_by="patient_id",
        classes=classes,
        groups=base.cohort.groups,
        provenance={
            **base.cohort.provenance,
            "name": f"simulated {made_by.replace('_', ' ')}",
            "source": f"everygroup.datasets.simulate({target!r})",
            "settings": settings,
        },
        target=target,
        truth=truth,
        normal=normal,
    )
    known = base.truth[["image_id", "patient_id", "tone", "rotation", "appearance_angle", "appearance_strength"]]
    return replace(base, cohort=cohort, truth=pd.concat([known, told], axis=1), settings=settings)
