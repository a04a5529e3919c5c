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
"""

from __future__ import annotations

from functools import partial

from everygroup.metrics._criterion import CRITERIA, Form, measure_criterion
from everygroup.metrics.info import MetricInfo, Null
from everygroup.metrics.odds import (
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    underdiagnosis_difference,
    underdiagnosis_ratio,
)
from everygroup.metrics.parity import (
    accuracy_parity_difference,
    accuracy_parity_ratio,
    demographic_parity_difference,
    demographic_parity_ratio,
    predictive_parity_difference,
    predictive_parity_ratio,
)

__all__ = [
    "CRITERIA",
    "METRICS",
    "accuracy_parity_difference",
    "accuracy_parity_ratio",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "measure_criterion",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "underdiagnosis_difference",
    "underdiagnosis_ratio",
]

_TITLES: dict[str, tuple[str, Null, str]] = {
    "demographic_parity": ("Demographic parity", "none", "Agarwal et al., ICML 2018; fairlearn"),
    "accuracy_parity": ("Accuracy parity", "none", "Berk et al., Sociological Methods & Research 2021"),
    "equal_opportunity": ("Equal opportunity", "label", "Hardt, Price, Srebro, NeurIPS 2016; fairlearn"),
    "equalized_odds": ("Equalized odds", "label", "Hardt, Price, Srebro, NeurIPS 2016; fairlearn"),
    "predictive_parity": ("Predictive parity", "answer", "Chouldechova, Big Data 2017"),
}


def _info(criterion: str, form: Form) -> MetricInfo:
    title, null, source = _TITLES[criterion]
    fair = 0.0 if form == "difference" else 1.0
    return MetricInfo(
        f"{criterion}_{form}",
        f"{title} ({form})",
        "gap",
        0.0,
        1.0,
        fair,
        form == "ratio",
        "y_pred",
        null,
        source,
        partial(measure_criterion, criterion=criterion, form=form),
    )


METRICS: tuple[MetricInfo, ...] = tuple(
    _info(criterion, form) for criterion in _TITLES for form in ("difference", "ratio")
)
"""Records of the criteria; their functions return `Measured`, with the rate of every group beside the gap.

Underdiagnosis has none: it needs the name of the class of the healthy.
"""
