"""Two simulated findings that may come together: which look speaks for them turns with the tone of the skin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from everygroup.datasets._simulated_target import retargeted
from everygroup.datasets.simulated import GROUPS, SimulatedCohort, dermatology
from everygroup.errors import SettingsError

FINDINGS = {"pigmented": 0.0, "irregular": np.pi / 2}
"""Name and the angle of the look that speaks most for it on the lightest skin."""


def findings(n: int = 1000, *, steepness: float = 6.0, unknown: float = 0.0, **dials: Any) -> SimulatedCohort:
    """Simulate pictures of lesions and two findings in each, both, one or neither.

    A finding of angle c is there with probability 1 / (1 + exp(-steepness s cos(phi - rotation(t) - c))), for a look of
    angle phi and strength s on skin of tone t. So the same look speaks for another finding on another tone.

    Parameters
    ----------
    n : int
        Number of images.
    steepness : float
        How surely a look tells, above 0.
    unknown : float
        Share of findings of which nothing is recorded (never both of an image).
    **dials
        Of `everygroup.datasets.simulated.dermatology`, such as image_size, seed and presentation_shift.

    Returns
    -------
    SimulatedCohort
        `cohort` has the target "labels", its columns `pigmented` and `irregular`. `truth` holds, by finding,
        `p_FINDING` (its probability), and `p_FINDING_light`, `p_FINDING_dark`: the probability for the same look in
        either group, its tones integrated over.

    Raises
    ------
    SettingsError
        If an argument is outside its range.
    """
    if not 0 < steepness <= 100 or not 0 <= unknown < 0.5:
        raise SettingsError(
            f"steepness = {steepness}, unknown = {unknown}.", fix="choose above 0 to 100, and 0 to below 0.5"
        )
    base = dermatology(n, **dials)
    angle, strength = (base.truth[f"appearance_{name}"].to_numpy()[:, None] for name in ("angle", "strength"))
    rng = np.random.default_rng(np.random.SeedSequence(base.settings["seed"]).spawn(5)[4])
    table, told = base.cohort.table.copy(), {}
    hidden = np.where(rng.random(n) < 2 * unknown, rng.integers(0, 2, n), -1)
    for k, (name, centre) in enumerate(FINDINGS.items()):
        told[f"p_{name}"] = _p(angle, strength, base.truth["rotation"].to_numpy()[:, None], centre, steepness)[:, 0]
        for group in GROUPS:
            tones, weights = base.rule.group_tones(group)
            told[f"p_{name}_{group}"] = _p(angle, strength, base.rule.rotation(tones), centre, steepness) @ weights
        there = pd.Series(rng.random(n) < told[f"p_{name}"]).astype("Int64")
        table[name] = there.where(hidden != k)
    return retargeted(
        base,
        "labels",
        table,
        made_by="findings",
        settings={"steepness": steepness, "unknown": unknown},
        told=pd.DataFrame(told),
        label=tuple(FINDINGS),
    )


def _p(angle: np.ndarray, strength: np.ndarray, rotation: np.ndarray, centre: float, steepness: float) -> np.ndarray:
    return np.asarray(expit(steepness * strength * np.cos(angle - rotation - centre)))
