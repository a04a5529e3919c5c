"""One simulated cohort for every target, by the target's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from everygroup.cohort.outcome import Target, check_target
from everygroup.datasets.simulated import SimulatedCohort, dermatology
from everygroup.datasets.simulated_anomalies import anomalies
from everygroup.datasets.simulated_findings import findings
from everygroup.datasets.simulated_kspace import SimulatedKSpace, undersampled
from everygroup.datasets.simulated_masks import lesion_masks
from everygroup.datasets.simulated_severity import severity
from everygroup.errors import SettingsError

GENERATORS: dict[Target, Callable[..., SimulatedCohort | SimulatedKSpace]] = {
    "classes": dermatology,
    "labels": findings,
    "number": severity,
    "mask": lesion_masks,
    "anomaly": anomalies,
    "image": undersampled,
}


def simulate(target: Target = "classes", **dials: Any) -> SimulatedCohort | SimulatedKSpace:
    """Simulate a cohort of a target, with the truth about it.

    Parameters
    ----------
    target : {"classes", "labels", "number", "mask", "anomaly", "image"}
    **dials
        Of its generator, such as n, image_size and seed: `GENERATORS` lists them.

    Raises
    ------
    CohortError
        For an unknown target.
    SettingsError
        For an unknown dial, or one outside its range.
    """
    check_target(target)
    try:
        return GENERATORS[target](**dials)
    except TypeError as error:
        raise SettingsError(f"The simulated cohort of target {target!r}: {error}.", fix="correct its dials") from None
