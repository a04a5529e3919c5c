"""What a diagnosis model makes of reconstructed images, by group: the question behind their PSNR."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from everygroup.audit.result import Audit
from everygroup.audit.run import audit
from everygroup.cohort import Cohort
from everygroup.predictions import Predictions


class Predicts(Protocol):
    """A trained model of classes, such as a `RoutedModel`."""

    def predict(self, cohort: Cohort) -> Predictions:
        """Predict a cohort."""


def audit_downstream(model: Predicts, cohort: Cohort, restored: np.ndarray, **options: Any) -> Audit:
    """Measure a diagnosis model on reconstructed images in every group, against its answers to the originals.

    `Audit.table` is of the reconstructed images; `Audit.comparison` tells, paired by sample, what the reconstruction
    costs every group. The model should have been trained on other samples than these.

    Parameters
    ----------
    model : anything with `predict(cohort) -> Predictions`.
    cohort : the original images with their classes.
    restored : (n, ...) the reconstructed images of its samples, in order, in the form the model takes.
    **options : of `everygroup.audit.audit`.

    Raises
    ------
    CohortError
        For another number of images.
    """
    return audit(model.predict(cohort.with_images(restored)), baseline=model.predict(cohort), **options)
