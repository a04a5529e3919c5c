"""Simulated lesion masks: where the outline is drawn turns with the tone of the skin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from everygroup.datasets._simulated_rule import smooth
from everygroup.datasets._simulated_target import retargeted
from everygroup.datasets.simulated import SimulatedCohort, dermatology
from everygroup.errors import SettingsError


def lesion_masks(n: int = 1000, *, outline_shift: float = 0.06, **dials: Any) -> SimulatedCohort:
    """Simulate pictures of lesions and their outlines as an annotator draws them.

    On the lightest skin the recorded mask is the lesion. Towards the darkest it takes in more and more of the skin
    around, as if the edge were harder to see: every pixel within `outline_shift` x rotation(tone) / rotation(1) of the
    picture's side. So a mask of a distant tone misleads about where the outline belongs.

    Parameters
    ----------
    n : int
        Number of images.
    outline_shift : float
        Share of the picture's side, 0 to 0.25; 0: one rule for everyone.
    **dials
        Of `everygroup.datasets.simulated.dermatology`, such as image_size and seed.

    Returns
    -------
    SimulatedCohort
        `cohort` has the target "mask" with one structure, 'lesion'. `masks` are the true outlines. `truth` holds
        `margin` (pixels added) and `dice`, that of the recorded mask with the lesion itself.

    Raises
    ------
    SettingsError
        If an argument is outside its range.
    """
    if not 0 <= outline_shift <= 0.25:
        raise SettingsError(f"outline_shift = {outline_shift}.", fix="choose 0 to 0.25")
    base = dermatology(n, **dials)
    side = base.masks.shape[1]
    share = smooth(base.truth["tone"].to_numpy())
    margin = outline_shift * side * share
    recorded = np.stack([distance_transform_edt(~m) <= r for m, r in zip(base.masks, margin, strict=True)])
    area = base.masks.sum(axis=(1, 2))  # a lesion always shows, and the recorded mask contains it
    dice = 2 * area / (area + recorded.sum(axis=(1, 2)))
    return retargeted(
        base,
        "mask",
        base.cohort.table.assign(mask=base.cohort.table["image_id"] + "_mask"),
        made_by="lesion_masks",
        settings={"outline_shift": outline_shift},
        told=pd.DataFrame({"margin": margin, "dice": dice}),
        label="mask",
        truth=recorded.astype(np.uint8),
        classes=("lesion",),
    )
