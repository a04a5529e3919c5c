"""Rotating sectors: the smallest problem on which out-of-group samples help when near and mislead when far.

Vectors, not pictures, and a linear model is enough to see it, so that boundary distances have a closed form. The
acceptance benchmark of the SPARE recipe (benchmarks/toy.py) runs on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError

N_FEATURES = 8
N_CLASSES = 3
GROUPS = ("in", "out")
CLASSES = ("a", "b", "c")
NOISE = 0.25


@dataclass(frozen=True)
class Toy:
    """Cohorts of float32 vectors (n, 8): classes a, b, c; groups 'in' (the target) and 'out'.

    Attributes
    ----------
    train : Cohort
        First the in-group, then the out-of-group samples.
    validation : Cohort or None
        In-group samples, where asked for.
    test : Cohort
        In-group samples.
    """

    train: Cohort
    validation: Cohort | None
    test: Cohort


def rotating_sectors(
    n_in: int = 40,
    n_out: int = 1500,
    theta: float = 0.8,
    *,
    n_test: int = 4000,
    n_validation: int = 0,
    seed: int = 0,
) -> Toy:
    """Draw the rotating-sectors toy.

    x is standard normal in eight dimensions, but for the tone x_0, which has mean +1 in the group 'in' and -1 in
    'out'. The class is the sector (three equal ones of [0, 2 pi)) that holds

        atan2(x_2, x_1) + theta * sigmoid(-2 x_0) + 0.25 * N(0, 1),

    so that the label rule turns smoothly with the tone, by at most `theta` radians.

    Parameters
    ----------
    n_in, n_out : int
        Training samples of either group.
    theta : float
        Conflict between the groups; 0 is none.
    n_test, n_validation : int
        Test and validation samples, all of the group 'in'; without validation samples `validation` is None.
    seed : int
        Training, validation and test samples are drawn from independent streams of it.

    Returns
    -------
    Toy

    Raises
    ------
    SettingsError
        If a number of samples is negative, or zero for n_in or n_test.
    """
    for name, value, least in (("n_in", n_in, 1), ("n_out", n_out, 0), ("n_test", n_test, 1)):
        if value < least:
            raise SettingsError(f"{name} = {value}.", fix=f"choose at least {least}")
    if n_validation < 0:
        raise SettingsError(f"n_validation = {n_validation}.", fix="choose at least 0")
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
    train = _draw(n_in, n_out, theta, streams[0], "train", seed)
    validation = _draw(n_validation, 0, theta, streams[1], "validation", seed) if n_validation else None
    return Toy(train, validation, _draw(n_test, 0, theta, streams[2], "test", seed))


def _draw(n_in: int, n_out: int, theta: float, rng: np.random.Generator, part: str, seed: int) -> Cohort:
    n = n_in + n_out
    group = np.repeat([0, 1], [n_in, n_out])
    x = rng.standard_normal((n, N_FEATURES))
    x[:, 0] += np.where(group == 0, 1.0, -1.0)
    turned = np.arctan2(x[:, 2], x[:, 1]) + theta / (1 + np.exp(2 * x[:, 0])) + NOISE * rng.standard_normal(n)
    y = np.floor((turned % (2 * math.pi)) / (2 * math.pi / N_CLASSES)).astype(np.int64) % N_CLASSES
    return Cohort.from_arrays(
        x.astype(np.float32),
        y,
        sensitive_features={"group": [GROUPS[g] for g in group]},
        classes=CLASSES,
        groups=GROUPS,
        ids=[f"{part}-{i}" for i in range(n)],
        provenance={"name": "rotating sectors", "simulated": True, "part": part, "theta": theta, "seed": seed},
    )
