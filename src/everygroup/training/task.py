"""What one network is to learn: from which samples, with which weights, judged on which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import TrainingError
from everygroup.files import hash_array, hash_json
from everygroup.targets import Classes, Target, Truth


@dataclass(frozen=True)
class Task:
    """One network's training and validation samples.

    Attributes
    ----------
    name : str
        Shown in logs, such as 'group_model[<=55]'.
    target : Target
        What it is to answer.
    train, validation : Cohort
        Samples to learn from; samples that choose the epoch. Never a test cohort.
    y_train, y_validation : Truth
        The samples' targets: diagnoses, or groups for a group predictor.
    weights : ndarray of float, (n_train,) or (n_train, G), optional
        Sample weights in the loss; a column per group for learners that weigh every head by itself.
    probabilities : ndarray of float, (n_train,), optional
        Relative probabilities of being drawn (with replacement) into a batch; None passes through the data in order.
    strata : ndarray of int, (n_train,), optional
        Cells that every batch draws equally many samples of, with replacement; -1 for those that keep their share.
    """

    name: str
    target: Target
    train: Cohort
    validation: Cohort
    y_train: Truth
    y_validation: Truth
    weights: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    strata: np.ndarray | None = None

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
        if why := self.target.learnable(self.y_train):
            raise TrainingError(
                f"{self.name}: {why}.",
                fix="merge groups with --bins, or leave this group to the pooled model with --set small_groups=erm",
            )

    @classmethod
    def diagnosis(
        cls,
        name: str,
        target: Target,
        train: Cohort,
        validation: Cohort,
        *,
        weights: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
        strata: np.ndarray | None = None,
    ) -> Task:
        """Return the task of giving the cohort's own answer."""
        used = target.used(train)
        if used is not None and not used.all():
            train = train.where(used)
            weights, probabilities, strata = (None if v is None else v[used] for v in (weights, probabilities, strata))
        truths = target.truth(train), target.truth(validation)
        return cls(name, target, train, validation, *truths, weights, probabilities, strata)

    @classmethod
    def group(cls, name: str, train: Cohort, validation: Cohort) -> Task:
        """Return the task of predicting the group; samples whose group is missing are left out."""
        train, validation = train.where(train.group >= 0), validation.where(validation.group >= 0)
        return cls(name, Classes(train.groups), train, validation, train.group, validation.group)

    @property
    def hash(self) -> str:
        """Content hash: equal hashes and settings give equal networks."""
        extra = [None if v is None else hash_array(np.asarray(v, float)) for v in (self.weights, self.probabilities)]
        truths = [hash_array(y) if isinstance(y, np.ndarray) else None for y in (self.y_train, self.y_validation)]
        extra += [] if self.strata is None else [hash_array(self.strata)]
        return hash_json([self.train.content_hash, self.validation.content_hash, *truths, self.target.record, *extra])
