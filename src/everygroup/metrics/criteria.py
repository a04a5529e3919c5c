"""Group-fairness criteria under fairlearn's names and signatures, for any number of classes and groups.

Every function returns a float, takes ``(y_true, y_pred, *, sensitive_features, method, sample_weight)`` and gives
fairlearn's value for two classes, so that code can be switched by changing its import.

- *Two classes*: the second one counts (1 of {0, 1} and of {-1, 1}, else the last in sorting order).
- *More classes*: every class is compared with the rest; classes are then put together by `over_classes`: 'worst' (the
  class with the largest difference or the smallest ratio), 'mean', or 'sum' (differences only; that of the selection
  rates is the demographic parity of the code behind the SPARE tables). Where several rates count (equalized odds),
  classes are put together first, then the rates. `positive` names the only class that counts.
- ``method="between_groups"`` is max - min over the groups, or min / max; ``"to_overall"`` the largest distance of
  a group from the rate of everybody, or the smallest ratio to it.
- *Several sensitive features* (a table, a mapping or two dimensions) are audited at their intersections.

Where fairlearn answers 0, we say NaN ("undefined"): a rate without a sample to divide by, such as the true
positive rate of a group without positives, is 0 in fairlearn and can make a gap out of nothing. One group alone has no
gap (fairlearn: 0, or a ratio of 1). A worst case or mean of two rates of which one is undefined is undefined; in
fairlearn it depends on which. Of several classes, those that are undefined in a group are left out.

Examples
--------
>>> y, answer, groups = [0, 1, 1, 0, 1, 1], [0, 1, 1, 0, 0, 1], ["a", "a", "a", "b", "b", "b"]
>>> equal_opportunity_difference(y, answer, sensitive_features=groups)
0.5
>>> equalized_odds_difference(y, answer, sensitive_features=groups, agg="mean")
0.25
>>> equal_opportunity_difference([1, 1, 0, 0], [1, 1, 0, 1], sensitive_features=["a", "a", "b", "b"])
nan
>>> demographic_parity_ratio([0, 1, 1, 1], [0, 1, 1, 1], sensitive_features=["a", "a", "b", "b"])
0.5
>>> y, groups = ["a", "b", "c", "a", "b", "c"], [0, 0, 0, 1, 1, 1]
>>> value = demographic_parity_difference(y, list("aacabc"), sensitive_features=groups, over_classes="sum")
>>> round(value, 6)
0.666667
>>> y, answer, groups = ["Edema"] * 4, ["Edema", "No Finding", "Edema", "Edema"], ["f", "f", "m", "m"]
>>> underdiagnosis_difference(y, answer, sensitive_features=groups)
0.5
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from numpy.typing import ArrayLike

from everygroup.metrics._criterion import CRITERIA, Agg, Form, Method, OverClasses, measure_criterion
from everygroup.metrics.info import MetricInfo, Null


class GapFunction(Protocol):
    """A criterion in one form: one number for all groups."""

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        method: Method = "between_groups",
        sample_weight: ArrayLike | None = None,
        over_classes: OverClasses = "worst",
        agg: Agg = "worst_case",
        positive: Hashable | None = None,
        classes: Sequence[Hashable] | None = None,
    ) -> float:
        """Measure it."""


class _Told(NamedTuple):
    """What is said of a criterion of `CRITERIA`: its title, its rates, what a shuffle keeps, its source."""

    title: str
    of: str
    formula: str
    null: Null
    source: str
    positive: str | None = None


_HARDT = "Hardt, Price, Srebro, NeurIPS 2016; fairlearn"
_TOLD = {
    "demographic_parity": _Told(
        "Demographic parity",
        "selection rates",
        "m_g = P(y_pred = k | g): demographic or statistical parity",
        "none",
        "Agarwal et al., ICML 2018; fairlearn",
    ),
    "accuracy_parity": _Told(
        "Accuracy parity",
        "accuracies",
        "m_g = P(y_pred = y_true | g), one value for all classes",
        "none",
        "Berk et al., Sociological Methods & Research 2021",
    ),
    "equal_opportunity": _Told(
        "Equal opportunity", "true positive rates", "m_g = P(y_pred = k | y_true = k, g)", "label", _HARDT
    ),
    "equalized_odds": _Told(
        "Equalized odds",
        "true and of the false positive rates",
        "m_g = P(y_pred = k | y_true = k, g), and given y_true != k: the worse of the two, or their mean (`agg`)",
        "label",
        _HARDT,
    ),
    "predictive_parity": _Told(
        "Predictive parity",
        "positive predictive values",
        "m_g = P(y_true = k | y_pred = k, g)",
        "answer",
        "Chouldechova, Big Data 2017",
    ),
    "underdiagnosis": _Told(
        "Underdiagnosis",
        "false positive rates of the class of the healthy, `positive`,",
        "m_g = P(y_pred = healthy | y_true != healthy, g), the share of the ill who are called healthy",
        "label",
        "Seyyed-Kalantari et al., Nature Medicine 2021",
        "No Finding",
    ),
}


def _function(criterion: str, form: Form) -> GapFunction:
    told = _TOLD[criterion]

    def gap(
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        method: Method = "between_groups",
        sample_weight: ArrayLike | None = None,
        over_classes: OverClasses = "worst",
        agg: Agg = "worst_case",
        positive: Hashable | None = told.positive,
        classes: Sequence[Hashable] | None = None,
    ) -> float:
        return measure_criterion(
            y_true,
            y_pred,
            criterion=criterion,
            form=form,
            sensitive_features=sensitive_features,
            method=method,
            sample_weight=sample_weight,
            over_classes=over_classes,
            agg=agg,
            positive=positive,
            classes=classes,
        ).value

    how, fair = ("max_g m_g - min_g m_g", 0) if form == "difference" else ("min_g m_g / max_g m_g", 1)
    gap.__name__ = gap.__qualname__ = f"{criterion}_{form}"
    gap.__doc__ = (
        f"{form.capitalize()} of the {told.of} between the groups; range 0..1, {fair} is equal.\n\n"
        f"``{how}`` with {told.formula}. Options are told in `everygroup.metrics.criteria`.\n\n"
        f"References\n----------\n{told.source}.\n"
    )
    return gap


demographic_parity_difference = _function("demographic_parity", "difference")
demographic_parity_ratio = _function("demographic_parity", "ratio")
accuracy_parity_difference = _function("accuracy_parity", "difference")
accuracy_parity_ratio = _function("accuracy_parity", "ratio")
equal_opportunity_difference = _function("equal_opportunity", "difference")
equal_opportunity_ratio = _function("equal_opportunity", "ratio")
equalized_odds_difference = _function("equalized_odds", "difference")
equalized_odds_ratio = _function("equalized_odds", "ratio")
predictive_parity_difference = _function("predictive_parity", "difference")
predictive_parity_ratio = _function("predictive_parity", "ratio")
underdiagnosis_difference = _function("underdiagnosis", "difference")
underdiagnosis_ratio = _function("underdiagnosis", "ratio")


def _info(criterion: str, form: Form) -> MetricInfo:
    told, measured = _TOLD[criterion], partial(measure_criterion, criterion=criterion, form=form)
    title, ratio = f"{told.title} ({form})", form == "ratio"
    name, fair = f"{criterion}_{form}", float(ratio)
    return MetricInfo(name, title, "gap", 0.0, 1.0, fair, ratio, "y_pred", told.null, told.source, measured)


METRICS: tuple[MetricInfo, ...] = tuple(
    _info(criterion, form)
    for criterion in CRITERIA
    if criterion != "underdiagnosis"
    for form in ("difference", "ratio")
)
"""Records of the criteria; their functions return `Measured`, with the rate of every group beside the gap.

Underdiagnosis has none: it needs the name of the class of the healthy.
"""
