"""Calibration in the large of one class, on the scale of probability: what was expected minus what was observed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import group_codes, score_codes
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured


def expected_minus_observed(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Mean predicted probability of a class minus its share; range -1..1, 0 is calibrated in the large.

    Positive where the class is expected too often. Equal values in all groups are a necessary part of calibration by
    group (sufficiency), and the only one that needs no bins.

    Parameters
    ----------
    y_true : (n,) labels; y_score : (n, K) probabilities, or (n,) of the second of two classes.
    positive : the class; the last one when not given.

    References
    ----------
    Cox, Biometrika 1958; Van Calster et al., BMC Medicine 2019.

    Examples
    --------
    >>> groups = ["a", "a", "b", "b"]
    >>> measured = expected_minus_observed([0, 1, 0, 1], [0.5, 1.0, 0.25, 0.75], sensitive_features=groups)
    >>> measured.value, dict(measured.per_group)
    (0.125, {'a': 0.25, 'b': 0.0})
    """
    index, score = score_codes(y_true, y_score, classes)
    at = score.shape[1] - 1
    if positive is not None:
        names_of = list(classes) if classes is not None else sorted(set(np.asarray(y_true).tolist()))
        if positive not in names_of:
            raise PredictionsError(f"Unknown class {positive!r}.", fix=f"classes: {names_of}")
        at = names_of.index(positive)
    error = score[:, at] - (index == at)
    group, names = (np.full(index.size, -1), []) if sensitive_features is None else group_codes(sensitive_features)
    return Measured(
        value=float(error.mean()) if error.size else float("nan"),
        per_group={name: float(error[group == g].mean()) for g, name in enumerate(names)},
        n_per_group={name: int((group == g).sum()) for g, name in enumerate(names)},
        n=int(index.size),
        n_missing=int((group < 0).sum()) if sensitive_features is not None else 0,
    )


ONE_CLASS: tuple[MetricInfo, ...] = (
    MetricInfo(
        "expected_minus_observed",
        "Expected minus observed share",
        "performance",
        -1.0,
        1.0,
        0.0,
        None,
        "y_score",
        "none",
        "Cox 1958; Van Calster et al. 2019",
        expected_minus_observed,
    ),
)
"""Record, written ``expected_minus_observed[class]``."""
