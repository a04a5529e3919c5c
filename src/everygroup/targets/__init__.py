"""What networks answer: classes, findings, numbers, masks, anomalies, images. One file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everygroup.targets.base import Target, Truth
from everygroup.targets.classes import Classes

if TYPE_CHECKING:
    from everygroup.cohort import Cohort

__all__ = ["Classes", "Target", "Truth", "target_of"]


def target_of(cohort: Cohort) -> Target:
    """Return what the samples of a cohort are labelled with."""
    return Classes(cohort.classes)
