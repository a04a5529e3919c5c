"""Classes that a method never answers in a group: macro precision leaves them out, other software counts them as 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from everygroup.benchmark.patients import answers_on_test
from everygroup.benchmark.results import FinishedJob
from everygroup.metrics import macro_precision


@dataclass(frozen=True)
class Silent:
    """How often it happens in the test parts of all runs, and how much it matters.

    Attributes
    ----------
    cases, of : int
        (Run, group) in which a class that is there was never answered; all (run, group).
    most : float
        By how much macro precision lies above what it would be with 0 for such classes, at most.
    """

    cases: int
    of: int
    most: float


def silent_classes(jobs: Sequence[FinishedJob]) -> Silent:
    """Look for classes without an answer in the test predictions of final runs."""
    cases, of, most = 0, 0, 0.0
    for job in jobs:
        table = answers_on_test(job)
        for _, part in table[table["group"] != ""].groupby("group", sort=False):
            y_true, y_pred = part["y_true"].to_numpy(), part["y_pred"].to_numpy()
            of += 1
            if set(y_true) - set(y_pred):
                cases += 1
                counted = macro_precision(y_true, y_pred, zero_division=0.0)
                most = max(most, float(macro_precision(y_true, y_pred)) - float(counted))
    return Silent(cases, of, most)
