"""Simulated anomalies: lesions among pictures of healthy skin, harder to see on dark skin, by a known contrast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from everygroup.datasets._simulated_photo import photograph
from everygroup.datasets._simulated_target import retargeted
from everygroup.datasets.simulated import SimulatedCohort, dermatology
from everygroup.errors import SettingsError

NORMAL = "healthy"


def anomalies(n: int = 1000, *, healthy: float = 0.7, **dials: Any) -> SimulatedCohort:
    """Simulate pictures of healthy skin, and some of lesions.

    A healthy picture is the same photograph without the lesion: skin, light, hair and camera vary as they do in the
    others.

    Parameters
    ----------
    n : int
        Number of images.
    healthy : float
        Share of pictures without a lesion, of patients of either group alike.
    **dials
        Of `everygroup.datasets.simulated.dermatology`, such as image_size and seed.

    Returns
    -------
    SimulatedCohort
        `cohort` has the target "anomaly" and the column `diagnosis`, of which 'healthy' is normal. `masks` are empty
        where there is no lesion. `truth` holds `contrast`: the root mean square difference, in 0..1, that the lesion
        makes to the picture's pixels within its outline (NaN where there is none). It is smaller on dark skin.

    Raises
    ------
    SettingsError
        If an argument is outside its range.
    """
    if not 0 < healthy < 1:
        raise SettingsError(f"healthy = {healthy}.", fix="choose a share between 0 and 1")
    base = dermatology(n, **dials)
    rng = np.random.default_rng(np.random.SeedSequence(base.settings["seed"]).spawn(5)[4])
    well = rng.random(n) < healthy
    bare = replace(base.subjects, lesion=np.zeros(n, dtype=bool))
    size, noise, seed = (base.settings[name] for name in ("image_size", "acquisition_noise", "seed"))
    skin, _ = photograph(bare, size, noise, seed)
    changed = ((base.cohort.images.astype(np.float32) - skin) / 255) ** 2
    inside = base.masks[..., None] * changed
    contrast = np.sqrt(inside.sum(axis=(1, 2, 3)) / (3 * base.masks.sum(axis=(1, 2))))
    table = base.cohort.table
    made = retargeted(
        base,
        "anomaly",
        table.assign(diagnosis=table["diagnosis"].where(~well, NORMAL)),
        made_by="anomalies",
        settings={"healthy": healthy},
        told=pd.DataFrame({"contrast": np.where(well, np.nan, contrast)}),
        label="diagnosis",
        normal=NORMAL,
        images=np.where(well[:, None, None, None], skin, base.cohort.images),
    )
    return replace(made, masks=base.masks & ~well[:, None, None])
