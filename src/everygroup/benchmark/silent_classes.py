"""Classes that a method never answers in a group: macro precision leaves them out, other software counts them as 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from everygroup.benchmark.collect import FinishedJob


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
        columns = ["y_true", "y_pred", "group", "split"]
        table = pd.read_csv(job.folder / "predictions.csv", usecols=columns, dtype=str, keep_default_na=False)
        table = table[(table["split"] == "test") & (table["y_true"] != "") & (table["group"] != "")]
        for _, part in table.groupby("group", sort=False):
            answered = set(part["y_pred"])
            lacking = len(set(part["y_true"]) - answered)
            right = (part["y_true"] == part["y_pred"]).groupby(part["y_pred"]).mean()
            of += 1
            cases += lacking > 0
            if lacking:
                most = max(most, float(right.mean() - right.sum() / (len(answered) + lacking)))
    return Silent(cases, of, most)
