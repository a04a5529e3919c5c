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

import inspect
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._criterion import Agg, Form, Method, OverClasses, criterion_gap, rate_of
from everygroup.metrics._inputs import class_codes, class_list, combined_codes
from everygroup.metrics.confusion import confusion_counts, one_vs_rest
from everygroup.metrics.info import MetricInfo, Null, record
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import mean_defined

_HARDT = "Hardt, Price, Srebro, NeurIPS 2016; fairlearn"


@dataclass(frozen=True)
class Criterion:
    """What is to be equal between groups.

    Attributes
    ----------
    title : for tables; words : its rates, in words.
    rates : 'accuracy' or keys of `everygroup.metrics.RATES`.
    null : what a shuffle of the groups keeps fixed.
    positive : the only class that counts, unless another one is named.
    """

    title: str
    words: str
    rates: tuple[str, ...]
    null: Null
    source: str
    positive: str | None = None


CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "demographic_parity": Criterion(
            "Demographic parity",
            "selection rates P(y_pred = k | g)",
            ("selection_rate",),
            "none",
            "Agarwal et al., ICML 2018; fairlearn",
        ),
        "accuracy_parity": Criterion(
            "Accuracy parity",
            "accuracies P(y_pred = y_true | g)",
            ("accuracy",),
            "none",
            "Berk et al., Sociological Methods & Research 2021",
        ),
        "equal_opportunity": Criterion(
            "Equal opportunity", "true positive rates P(y_pred = k | y_true = k, g)", ("tpr",), "label", _HARDT
        ),
        "equalized_odds": Criterion(
            "Equalized odds",
            "true and of the false positive rates (the worse of the two, or by `agg` their mean)",
            ("tpr", "fpr"),
            "label",
            _HARDT,
        ),
        "predictive_parity": Criterion(
            "Predictive parity",
            "positive predictive values P(y_true = k | y_pred = k, g)",
            ("ppv",),
            "answer",
            "Chouldechova, Big Data 2017",
        ),
        "underdiagnosis": Criterion(
            "Underdiagnosis",
            "false positive rates of the class of the healthy: of the ill who are called healthy",
            ("fpr",),
            "label",
            "Seyyed-Kalantari et al., Nature Medicine 2021",
            "No Finding",
        ),
    }
)
"""The criteria, by name."""


def measure_criterion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    criterion: str,
    sensitive_features: Any,
    form: Form = "difference",
    method: Method = "between_groups",
    sample_weight: ArrayLike | None = None,
    over_classes: OverClasses = "worst",
    agg: Agg = "worst_case",
    positive: Hashable | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Measure a criterion of `CRITERIA`: its gap, the mean rate of every group over the classes, and the counts.

    `per_group` shows the first rate of the criterion; `n_undefined` counts the rates that were 0/0.
    """
    true, pred, names = class_codes(y_true, y_pred, class_list(y_true, y_pred, classes))
    if positive is not None and positive not in names:
        raise PredictionsError(f"Unknown class {positive!r}.", fix=f"classes: {names}")
    at = None if positive is None else names.index(positive)
    group, groups = combined_codes(sensitive_features)
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    for word, given in (("sensitive_features", group), ("sample_weight", weights)):
        if given is not None and given.size != true.size:
            raise PredictionsError(f"y_true has {true.size} values but {word} {given.size}.", fix="give one per sample")
    k, g, rates = len(names), len(groups), CRITERIA[criterion].rates
    overall = one_vs_rest(confusion_counts(true, pred, n_classes=k, weights=weights))
    by_group = one_vs_rest(confusion_counts(true, pred, n_classes=k, group=group, n_groups=g, weights=weights))
    value = criterion_gap(
        by_group, overall, rates, form=form, method=method, over_classes=over_classes, agg=agg, positive=at
    )
    shown = [rate_of(by_group, rate, at) for rate in rates]
    sizes, undefined = np.bincount(group[group >= 0], minlength=g), int(sum(np.isnan(rate).sum() for rate in shown))
    missing = int((group < 0).sum())
    return Measured.of(value, groups, mean_defined(shown[0]), sizes, n_missing=missing, n_undefined=undefined)


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


_SIGNATURE = list(inspect.signature(measure_criterion).parameters.values())


def _function(criterion: str, form: Form) -> GapFunction:
    told = CRITERIA[criterion]

    def gap(y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> float:
        given = {"positive": told.positive, **options}
        return measure_criterion(y_true, y_pred, criterion=criterion, form=form, **given).value

    how, fair = ("max - min", 0) if form == "difference" else ("min / max", 1)
    gap.__name__ = gap.__qualname__ = f"{criterion}_{form}"
    gap.__doc__ = (
        f"{form.capitalize()} of the {told.words} between the groups, {how}; range 0..1, {fair} is equal. Source: "
        f"{told.source}. Options are told in `everygroup.metrics.criteria`."
    )
    own = [p.replace(default=told.positive) if p.name == "positive" else p for p in _SIGNATURE]
    kept = [p for p in own if p.name not in ("criterion", "form")]
    gap.__signature__ = inspect.Signature(kept, return_annotation="float")  # type: ignore[attr-defined]
    return cast(GapFunction, gap)


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
    told, measured = CRITERIA[criterion], partial(measure_criterion, criterion=criterion, form=form)
    return record(
        f"{criterion}_{form}",
        f"{told.title} ({form})",
        measured,
        kind="gap",
        best="high" if form == "ratio" else "low",
        null=told.null,
        source=told.source,
        requires="y_pred",
    )


FORMS: tuple[Form, ...] = ("difference", "ratio")
METRICS: tuple[MetricInfo, ...] = tuple(_info(c, form) for c in CRITERIA if c != "underdiagnosis" for form in FORMS)
"""Records of the criteria; their functions return `Measured`, with the rate of every group beside the gap.

Underdiagnosis has none: it needs the name of the class of the healthy.
"""
