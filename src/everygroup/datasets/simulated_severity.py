"""A simulated severity score: what a look means in points turns with the tone of the skin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from everygroup.datasets._simulated_target import retargeted
from everygroup.datasets.simulated import GROUPS, SimulatedCohort, dermatology
from everygroup.errors import SettingsError

_MIDDLE, _REACH = 50.0, 45.0


def severity(n: int = 1000, *, score_noise: float = 4.0, **dials: Any) -> SimulatedCohort:
    """Simulate pictures of lesions and a score of their severity.

    The score is 50 + 45 s cos(phi - rotation(t)) + N(0, `score_noise`), for a look of angle phi and strength s on skin
    of tone t. So the same look means another score on another tone; with `presentation_shift` 0 it means the same.

    Parameters
    ----------
    n : int
        Number of images.
    score_noise : float
        Standard deviation of what no picture tells, in points.
    **dials
        Of `everygroup.datasets.simulated.dermatology`, such as image_size, seed and presentation_shift.

    Returns
    -------
    SimulatedCohort
        `cohort` has the target "number", its column `severity`. `truth` holds `severity` (without noise, whose mean
        absolute value sqrt(2/pi) x score_noise is the best possible error), and `severity_light` and `severity_dark`:
        the mean score of the same look in either group, its tones integrated over.

    Raises
    ------
    SettingsError
        If an argument is outside its range.
    """
    if not 0 <= score_noise <= 50:
        raise SettingsError(f"score_noise = {score_noise}.", fix="choose 0 to 50 points")
    base = dermatology(n, **dials)
    angle, strength = (base.truth[f"appearance_{name}"].to_numpy() for name in ("angle", "strength"))
    exact = _MIDDLE + _REACH * strength * np.cos(angle - base.truth["rotation"].to_numpy())
    rng = np.random.default_rng(np.random.SeedSequence(base.settings["seed"]).spawn(5)[4])
    told = {"severity": exact}
    for group in GROUPS:
        tones, weights = base.rule.group_tones(group)
        turned = np.cos(angle[:, None] - base.rule.rotation(tones)) @ weights
        told[f"severity_{group}"] = _MIDDLE + _REACH * strength * turned
    score = np.round(exact + score_noise * rng.standard_normal(n), 1)
    return retargeted(
        base,
        "number",
        base.cohort.table.assign(severity=score),
        made_by="severity",
        settings={"score_noise": score_noise},
        told=pd.DataFrame(told),
        label="severity",
    )
