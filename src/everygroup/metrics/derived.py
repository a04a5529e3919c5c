"""Gaps and extremes of every metric as functions, named as in fairlearn: ``sensitivity_difference``, ``auc_group_min``.

Of every performance metric of labels, scores or numbers there are

- ``METRIC_difference``: max - min over the groups, or with ``method="to_overall"`` the largest distance from everybody;
- ``METRIC_ratio``: min / max over the groups, or the smallest ratio to everybody, turned below 1;
- ``METRIC_group_min``, ``METRIC_group_max``: the lowest and the highest value of a group.

All take ``(y_true, y_pred or y_score, *, sensitive_features, method="between_groups", **options)`` with the options of
the metric and return a float, which is NaN where a group's value is undefined. Editors read their names in
`derived.pyi`.

>>> from everygroup.metrics.derived import accuracy_group_min, sensitivity_difference
>>> y, answer, sex = [0, 1, 1, 0, 1, 1], [0, 1, 1, 0, 0, 1], ["f", "f", "f", "m", "m", "m"]
>>> sensitivity_difference(y, answer, sensitive_features=sex)
0.5
>>> sensitivity_difference(y, answer, sensitive_features=sex, method="to_overall")
0.25
>>> round(accuracy_group_min(y, answer, sensitive_features=sex), 3)
0.667
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import SettingsError
from everygroup.metrics.disparity import difference, largest_deviation, ratio
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.rates import ratio_of
from everygroup.metrics.registry import list_metrics, metric_info

Form = Callable[[Any, float], float]


def _ratio_to(values: Any, overall: float) -> float:
    smaller, larger = np.minimum(values, overall), np.maximum(values, overall)
    return float(ratio_of(smaller, larger).min())


FORMS: dict[str, dict[str, Form]] = {
    "difference": {
        "between_groups": lambda values, _: float(difference(values)),
        "to_overall": lambda values, overall: float(largest_deviation(values, overall)),
    },
    "ratio": {"between_groups": lambda values, _: float(ratio(values)), "to_overall": _ratio_to},
    "group_min": {"between_groups": lambda values, _: float(values.min())},
    "group_max": {"between_groups": lambda values, _: float(values.max())},
}
"""What is made of the values of the groups and of everybody's, by method."""


def derivable() -> list[MetricInfo]:
    """The metrics that have such functions."""
    found = [metric_info(name) for name in list_metrics("performance")]
    measured = ("everygroup.metrics.regression",)
    return [i for i in found if i.requires != "values" or getattr(i.function, "__module__", "") in measured]


def _derive(info: MetricInfo, form: str) -> Callable[..., float]:
    def derived(
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike,
        method: str = "between_groups",
        **options: Any,
    ) -> float:
        if method not in FORMS[form]:
            raise SettingsError(f"Unknown method {method!r}.", fix=f"choose {' or '.join(FORMS[form])}")
        measured = info.function(y_true, y_pred, sensitive_features=sensitive_features, **options)
        values = np.array(list(measured.per_group.values()), dtype=np.float64)
        return FORMS[form][method](values, measured.value) if values.size else float("nan")

    derived.__name__ = derived.__qualname__ = f"{info.name}_{form}"
    derived.__doc__ = f"{form.replace('_', ' ').capitalize()} of `{info.name}`; see `everygroup.metrics.derived`."
    return derived


__all__ = []
for _info in derivable():
    for _form in FORMS:
        globals()[f"{_info.name}_{_form}"] = _derive(_info, _form)
        __all__ += [f"{_info.name}_{_form}"]
