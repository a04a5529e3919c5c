"""Criteria given the true class: equal opportunity, equalized odds, underdiagnosis. See `criteria`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

from numpy.typing import ArrayLike

from everygroup.metrics._criterion import Agg, Method, OverClasses, measure_criterion


def equal_opportunity_difference(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    harm: Literal["fnr", "fpr"] = "fnr",
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Difference of the true positive rates between the groups; range 0..1, 0 is equal.

    ``max_g m_g - min_g m_g`` with m_g = P(y_pred = k | y_true = k, g). With ``harm="fpr"`` the false positive rates
    are compared: where the label is "healthy", the harmful error is to be called so while ill.

    References
    ----------
    Hardt, Price, Srebro, NeurIPS 2016; fairlearn's function of this name.

    Examples
    --------
    >>> equal_opportunity_difference([1, 1, 1, 1], [1, 1, 0, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    >>> equal_opportunity_difference([1, 1, 0, 0], [1, 1, 0, 1], sensitive_features=["a", "a", "b", "b"])
    nan
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="equal_opportunity" if harm == "fnr" else "underdiagnosis",
        form="difference",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def equal_opportunity_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    harm: Literal["fnr", "fpr"] = "fnr",
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Ratio of the true positive rates between the groups; range 0..1, 1 is equal.

    ``min_g m_g / max_g m_g`` with m_g = P(y_pred = k | y_true = k, g). With ``harm="fpr"`` the false positive rates
    are compared: where the label is "healthy", the harmful error is to be called so while ill.

    References
    ----------
    Hardt, Price, Srebro, NeurIPS 2016; fairlearn's function of this name.

    Examples
    --------
    >>> equal_opportunity_ratio([1, 1, 1, 1], [1, 1, 0, 1], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="equal_opportunity" if harm == "fnr" else "underdiagnosis",
        form="ratio",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def equalized_odds_difference(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    agg: Agg = "worst_case",
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Difference of the true and false positive rates between the groups; range 0..1, 0 is equal.

    ``max_g m_g - min_g m_g`` with m_g = P(y_pred = k | y_true = k, g) and m_g = P(y_pred = k | y_true != k, g). The
    larger of the two with ``agg="worst_case"``, else their mean.

    References
    ----------
    Hardt, Price, Srebro, NeurIPS 2016; fairlearn's function of this name.

    Examples
    --------
    >>> y, groups = [0, 1, 1, 0, 1, 1], ["a", "a", "a", "b", "b", "b"]
    >>> equalized_odds_difference(y, [0, 1, 1, 0, 0, 1], sensitive_features=groups)
    0.5
    >>> equalized_odds_difference(y, [0, 1, 1, 0, 0, 1], sensitive_features=groups, agg="mean")
    0.25
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="equalized_odds",
        form="difference",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        agg=agg,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def equalized_odds_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    agg: Agg = "worst_case",
    over_classes: OverClasses = "worst",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Ratio of the true and false positive rates between the groups; range 0..1, 1 is equal.

    ``min_g m_g / max_g m_g`` with m_g = P(y_pred = k | y_true = k, g) and m_g = P(y_pred = k | y_true != k, g). The
    smaller of the two with ``agg="worst_case"``, else their mean.

    References
    ----------
    Hardt, Price, Srebro, NeurIPS 2016; fairlearn's function of this name.

    Examples
    --------
    >>> y, groups = [0, 0, 1, 1, 0, 0, 1, 1], ["a"] * 4 + ["b"] * 4
    >>> equalized_odds_ratio(y, [0, 1, 1, 1, 0, 1, 0, 1], sensitive_features=groups)
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="equalized_odds",
        form="ratio",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        agg=agg,
        over_classes=over_classes,
        positive=positive,
        classes=classes,
    ).value


def underdiagnosis_difference(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    positive: Hashable = "No Finding",
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Difference of the false positive rates of "healthy" between the groups; range 0..1, 0 is equal.

    ``max_g m_g - min_g m_g`` with m_g = P(y_pred = healthy | y_true != healthy, g), the share of the ill who are
    called healthy. `positive` names the class of the healthy.

    References
    ----------
    Seyyed-Kalantari et al., Nature Medicine 2021.

    Examples
    --------
    >>> y, groups = ["Edema", "Edema", "Edema", "Edema"], ["f", "f", "m", "m"]
    >>> y_pred = ["Edema", "No Finding", "Edema", "Edema"]
    >>> underdiagnosis_difference(y, y_pred, sensitive_features=groups)
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="underdiagnosis",
        form="difference",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        positive=positive,
        classes=classes,
    ).value


def underdiagnosis_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    positive: Hashable = "No Finding",
    classes: Sequence[Hashable] | None = None,
) -> float:
    """Ratio of the false positive rates of "healthy" between the groups; range 0..1, 1 is equal.

    ``min_g m_g / max_g m_g`` with m_g = P(y_pred = healthy | y_true != healthy, g), the share of the ill who are
    called healthy. `positive` names the class of the healthy.

    References
    ----------
    Seyyed-Kalantari et al., Nature Medicine 2021.

    Examples
    --------
    >>> y, groups = ["Edema", "Edema", "Edema", "Edema"], ["f", "f", "m", "m"]
    >>> underdiagnosis_ratio(y, ["No Finding"] * 3 + ["Edema"], sensitive_features=groups)
    0.5
    """
    return measure_criterion(
        y_true,
        y_pred,
        criterion="underdiagnosis",
        form="ratio",
        sensitive_features=sensitive_features,
        method=method,
        sample_weight=sample_weight,
        positive=positive,
        classes=classes,
    ).value
