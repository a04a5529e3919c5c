"""Checks and completion of the dials of the simulated cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from everygroup.datasets._simulated_rule import GROUP_TYPES, TYPES
from everygroup.errors import SettingsError

GROUPS = tuple(GROUP_TYPES)
TONE_FRACTIONS = (0.20, 0.33, 0.27, 0.11, 0.06, 0.03)
_PREVALENCE = (0.32, 0.22, 0.26, 0.20)


def default_prevalence(classes: tuple[str, ...]) -> tuple[float, ...]:
    """Shares of the diagnoses where the user gives none."""
    return _PREVALENCE if len(classes) == len(_PREVALENCE) else (1.0,) * max(len(classes), 1)


def read_shares(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """Rescale numbers to sum 1, or refuse them."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or (numbers < 0).any() or numbers.sum() <= 0:
        raise SettingsError(f"{name} = {values!r} are no shares.", fix="give numbers >= 0, not all 0")
    return tuple(float(v) for v in numbers / numbers.sum())


def tone_shares(values: Sequence[float]) -> tuple[float, ...]:
    """Six shares, sum 1, from six or from (light, dark); both groups must be there."""
    shares = np.array(read_shares("tone_fractions", values))
    if len(shares) == len(GROUPS):
        inside = np.array(TONE_FRACTIONS).reshape(len(GROUPS), -1)
        shares = (shares[:, None] * inside / inside.sum(axis=1, keepdims=True)).ravel()
    if len(shares) != TYPES:
        raise SettingsError(
            f"tone_fractions has {len(values)} values.", fix="give six (types 1 to 6) or two (light, dark)"
        )
    if min(shares[:3].sum(), shares[3:].sum()) <= 0:
        raise SettingsError(
            "tone_fractions leaves the light or the dark group empty.",
            fix="give both a share; usefulness for a group needs that group's distribution of tones",
        )
    return tuple(float(v) for v in shares)


def check(
    n: int,
    image_size: int,
    seed: int,
    classes: tuple[str, ...],
    shares: tuple[float, ...],
    noise: Mapping[str, float],
    values: Mapping[str, Any],
) -> None:
    """Refuse arguments outside their range."""
    if not 2 <= len(classes) <= 8 or len(set(classes)) != len(classes):
        raise SettingsError(f"classes = {classes!r}.", fix="give two to eight different names")
    if len(shares) != len(classes) or min(shares) <= 0:
        raise SettingsError("prevalence does not fit the classes.", fix="give one number > 0 for each class")
    if unknown := sorted(set(noise) - set(GROUPS)):
        raise SettingsError(f"label_noise names no group: {unknown[0]!r}.", fix=f"the groups are {', '.join(GROUPS)}")
    ranges = {
        "n": (n, 1, 10_000_000),
        "image_size": (image_size, 16, 512),
        "seed": (seed, 0, 2**63),
        "ambiguity": (values["ambiguity"], 0.01, 2.0),
        "presentation_shift": (values["presentation_shift"], -2 * np.pi, 2 * np.pi),
        "prevalence_shift": (values["prevalence_shift"], -20, 20),
        "acquisition_noise": (values["acquisition_noise"], 0, 1),
        "hair": (values["hair"], 0, 1),
        "missing": (values["missing"], 0, 1),
        "lesions_per_patient": (values["lesions_per_patient"], 1, 100),
        **{f"label_noise of {g}": (value, 0, 1) for g, value in noise.items()},
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:  # also refuses NaN
            raise SettingsError(f"{name} = {value!r} is out of range.", fix=f"choose between {low:g} and {high:g}")
