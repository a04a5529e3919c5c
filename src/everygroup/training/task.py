"""What one network is to learn: from which samples, with which weights, judged on which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import TrainingError
from everygroup.files import hash_array, hash_json


@dataclass(frozen=True)
class Task:
    """One network's training and validation samples.

    Attributes
    ----------
    name : str
        Shown in logs, such as 'group_model[<=55]'.
    train, validation : Cohort
        Samples to learn from; samples that choose the epoch. Never a test cohort.
    y_train, y_validation : ndarray of int64
        Targets: diagnosis labels, or groups for a group predictor.
    outputs : tuple of str
        Names of the targets' values.
    weights : ndarray of float, (n_train,) or (n_train, G), optional
        Sample weights in the loss; a column per group for objectives that weigh every head by itself.
    probabilities : ndarray of float, (n_train,), optional
        Relative probabilities of being drawn (with replacement) into a batch; None passes through the data in order.
    """

    name: str
    train: Cohort
    validation: Cohort
    y_train: np.ndarray
    y_validation: np.ndarray
    outputs: tuple[str, ...]
    weights: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.y_train) != len(self.train) or len(self.y_validation) != len(self.validation):
            raise TrainingError(f"{self.name}: the targets do not fit the samples.")
        if not len(self.train) or not len(self.validation):
            raise TrainingError(
                f"{self.name}: {len(self.train)} training and {len(self.validation)} validation samples.",
                fix="merge small groups with --bins, or use a larger cohort",
            )
        for values in (self.weights, self.probabilities):
            if values is not None and (len(values) != len(self.train) or not np.isfinite(values).all()):
                raise TrainingError(f"{self.name}: weights must be finite and one a training sample.")
            if values is not None and (np.min(values) < 0 or np.max(values) == 0):
                raise TrainingError(f"{self.name}: weights must not be negative, nor all 0.")
        present = np.unique(self.y_train)
        if len(present) < 2:
            raise TrainingError(
                f"{self.name}: all {len(self.train)} training samples are {self.outputs[present[0]]!r}.",
                fix="merge groups with --bins, or leave this group to the pooled model with --set small_groups=erm",
            )

    @classmethod
    def diagnosis(
        cls,
        name: str,
        train: Cohort,
        validation: Cohort,
        *,
        weights: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
    ) -> Task:
        """Return the task of predicting the label."""
        return cls(name, train, validation, train.y, validation.y, train.classes, weights, probabilities)

    @classmethod
    def group(cls, name: str, train: Cohort, validation: Cohort) -> Task:
        """Return the task of predicting the group; samples whose group is missing are left out."""
        train, validation = train.where(train.group >= 0), validation.where(validation.group >= 0)
        return cls(name, train, validation, train.group, validation.group, train.groups)

    @property
    def hash(self) -> str:
        """Content hash: equal hashes and settings give equal networks."""
        extra = [None if v is None else hash_array(np.asarray(v, float)) for v in (self.weights, self.probabilities)]
        parts = [self.train.content_hash, self.validation.content_hash, hash_array(self.y_train)]
        return hash_json([*parts, hash_array(self.y_validation), list(self.outputs), *extra])
