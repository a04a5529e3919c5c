"""Parity criteria: of predictions, of accuracy, of predictive values. What they share is said in `criteria`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from everygroup.metrics._criterion import Method, OverClasses, measure_criterion


def demographic_parity_difference(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Difference of the selection rates between the groups; range 0..1, 0 is equal.

    ``max_g m_g - min_g m_g`` with m_g = P(y_pred = k | g): demographic or statistical parity.

    References
    ----------
    Agarwal et al., A reductions approach to fair classification, ICML 2018; fairlearn's function of this name.

    Examples
    --------
    >>> demographic_parity_difference([0, 1, 1, 1], [0, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    >>> y, groups = ["a", "b", "c", "a", "b", "c"], [0, 0, 0, 1, 1, 1]
    >>> value = demographic_parity_difference(y, list("aacabc"), sensitive_features=groups, over_classes="sum")
    >>> round(value, 6)
    0.666667
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="demographic_parity",
        form="difference",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def demographic_parity_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Ratio of the selection rates between the groups; range 0..1, 1 is equal.

    ``min_g m_g / max_g m_g`` with m_g = P(y_pred = k | g): demographic or statistical parity.

    References
    ----------
    Agarwal et al., A reductions approach to fair classification, ICML 2018; fairlearn's function of this name.

    Examples
    --------
    >>> demographic_parity_ratio([0, 1, 1, 1], [0, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="demographic_parity",
        form="ratio",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def accuracy_parity_difference(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Difference of the accuracies between the groups; range 0..1, 0 is equal.

    ``max_g m_g - min_g m_g`` with m_g = P(y_pred = y_true | g): accuracy parity. There is one value for all
    classes.

    References
    ----------
    Berk et al., Sociological Methods & Research 2021 (overall accuracy equality).

    Examples
    --------
    >>> accuracy_parity_difference([0, 1, 1, 0], [0, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="accuracy_parity",
        form="difference",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        classes=classes,
    ).value


def accuracy_parity_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Ratio of the accuracies between the groups; range 0..1, 1 is equal.

    ``min_g m_g / max_g m_g`` with m_g = P(y_pred = y_true | g): accuracy parity. There is one value for all
    classes.

    References
    ----------
    Berk et al., Sociological Methods & Research 2021 (overall accuracy equality).

    Examples
    --------
    >>> accuracy_parity_ratio([0, 1, 1, 0], [0, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="accuracy_parity",
        form="ratio",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        classes=classes,
    ).value


def predictive_parity_difference(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Difference of the positive predictive values between the groups; range 0..1, 0 is equal.

    ``max_g m_g - min_g m_g`` with m_g = P(y_true = k | y_pred = k, g).

    References
    ----------
    Chouldechova, Big Data 2017.

    Examples
    --------
    >>> predictive_parity_difference([0, 1, 1, 1], [1, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="predictive_parity",
        form="difference",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def predictive_parity_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Ratio of the positive predictive values between the groups; range 0..1, 1 is equal.

    ``min_g m_g / max_g m_g`` with m_g = P(y_true = k | y_pred = k, g).

    References
    ----------
    Chouldechova, Big Data 2017.

    Examples
    --------
    >>> predictive_parity_ratio([0, 1, 1, 1], [1, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="predictive_parity",
        form="ratio",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value
