"""What all group-fairness criteria share: rates compared between groups, then over classes, then over rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from everygroup.errors import SettingsError
from everygroup.metrics.confusion import OneVsRest
from everygroup.metrics.rates import accuracy_of, class_rates, max_defined, mean_defined, ratio_of

Array = NDArray[np.float64]
Form = Literal["difference", "ratio"]
Method = Literal["between_groups", "to_overall"]
OverClasses = Literal["worst", "mean", "sum"]
Agg = Literal["worst_case", "mean"]


def criterion_gap(
    by_group: OneVsRest,
    overall: OneVsRest,
    rates: Sequence[str],
    *,
    form: Form = "difference",
    method: Method = "between_groups",
    over_classes: OverClasses = "worst",
    agg: Agg = "worst_case",
    positive: int | None = None,
) -> Array:
    """Evaluate a criterion on one-vs-rest counts.

    Parameters
    ----------
    by_group, overall : counts (..., G, K) and (..., K).
    rates : 'accuracy' or keys of `RATES`.
    form, method : difference or ratio, between the groups or from each group to everybody.
    over_classes : how the values of more than two classes are put together; of two classes, the second alone counts.
    agg : how the values of several rates are put together.
    positive : index of the only class that counts.

    Returns
    -------
    (...,); NaN with fewer than two groups, where a rate of the only class is undefined in a group, or where no class
    is defined in all groups. Of several classes, those undefined in a group are left out.
    """
    for word, value, known in (
        ("form", form, get_args(Form)),
        ("method", method, get_args(Method)),
        ("over_classes", over_classes, get_args(OverClasses)),
        ("agg", agg, get_args(Agg)),
    ):
        if value not in known:
            raise SettingsError(f"Unknown {word} {value!r}.", fix=f"choose one of {', '.join(known)}")
    if form == "ratio" and over_classes == "sum":
        raise SettingsError("Ratios are not added up over classes.", fix="choose over_classes 'worst' or 'mean'")
    if by_group.tp.shape[-2] < 2:
        return np.full(by_group.tp.shape[:-2], np.nan)
    values = []
    for rate in rates:
        groups, everybody = rate_of(by_group, rate, positive), rate_of(overall, rate, positive)
        values.append(_over_classes(_compare(groups, everybody, form, method), form, over_classes))
    together = np.stack(values)
    if agg == "mean":
        return np.asarray(together.mean(axis=0))
    return np.asarray(together.max(axis=0) if form == "difference" else together.min(axis=0))


def rate_of(counts: OneVsRest, rate: str, positive: int | None) -> Array:
    """Rate of the classes that count: (..., 1) of one class, (..., K) of more than two."""
    if rate == "accuracy":
        return accuracy_of(counts)[..., None]
    values = class_rates(counts, rate)
    n_classes = values.shape[-1]
    if positive is None and n_classes > 2:
        return values
    at = n_classes - 1 if positive is None else positive
    return values[..., at : at + 1]


def _compare(groups: Array, everybody: Array, form: Form, method: Method) -> Array:
    """Compare (..., G, K) of the groups with each other or with (..., K) of everybody: (..., K)."""
    if method == "between_groups":
        top, bottom = groups.max(axis=-2), groups.min(axis=-2)
        return np.asarray(top - bottom) if form == "difference" else ratio_of(bottom, top)
    everybody = everybody[..., None, :]
    if form == "difference":
        return np.asarray(np.abs(groups - everybody).max(axis=-2))
    smaller, larger = np.minimum(groups, everybody), np.maximum(groups, everybody)
    return np.asarray(ratio_of(smaller, larger).min(axis=-2))


def _over_classes(values: Array, form: Form, over_classes: OverClasses) -> Array:
    """Put (..., K) together, leaving undefined classes out: (...,)."""
    if over_classes == "mean":
        return mean_defined(values)
    if over_classes == "sum":
        return np.asarray(np.where(np.isnan(values).all(axis=-1), np.nan, np.nansum(values, axis=-1)))
    return max_defined(values) if form == "difference" else -max_defined(-values)
