"""Disparities: the values of groups (..., G) into one number (...). An undefined group makes it undefined.

`disparity_of` joins them with any metric, over groups or over cells.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError
from everygroup.metrics._inputs import group_codes
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import ratio_of

Array = NDArray[np.float64]
Over = Literal["group", "cell"]
Metric = Callable[..., Measured]
Name = Literal[
    "difference",
    "ratio",
    "skewed_error_ratio",
    "standard_deviation",
    "normalised_range",
    "mean_pairwise",
    "signed_difference",
    "to_overall",
    "weighted",
    "worst",
]


def _values(values: ArrayLike) -> Array:
    """As floats; fewer than two groups have no disparity, which a NaN column says."""
    v = np.asarray(values, dtype=np.float64)
    return v if v.shape[-1] >= 2 else np.full((*v.shape[:-1], 1), np.nan)


def difference(values: ArrayLike) -> Array:
    """max - min; range 0.., 0 is equal.

    >>> float(difference([0.9, 0.7, 0.8]).round(6))
    0.2
    """
    v = _values(values)
    return np.asarray(v.max(axis=-1) - v.min(axis=-1))


def ratio(values: ArrayLike) -> Array:
    """min / max; range 0..1, 1 is equal, 0/0 undefined. The "80 % rule" asks for 0.8.

    >>> float(ratio([0.8, 1.0]))
    0.8
    """
    v = _values(values)
    return ratio_of(v.min(axis=-1), v.max(axis=-1))


def skewed_error_ratio(values: ArrayLike) -> Array:
    """Largest over smallest error, error = 1 - value; 1 is equal (Puyol-Anton et al., MICCAI 2021).

    For metrics whose best value is 1. Infinite when only the best group makes no error, undefined when no group makes
    one.

    >>> float(skewed_error_ratio([0.75, 0.5]))
    2.0
    """
    error = 1.0 - _values(values)
    top, bottom = error.max(axis=-1), error.min(axis=-1)
    return np.asarray(np.where((bottom == 0) & (top > 0), np.inf, ratio_of(top, bottom)))


def standard_deviation(values: ArrayLike, *, ddof: int = 0) -> Array:
    """Standard deviation over the groups; 0 is equal. `ddof=1` is the sample form (FairSeg), 0 that of FairMedFM.

    >>> float(standard_deviation([1.0, 3.0])), float(standard_deviation([1.0, 3.0, 5.0], ddof=1))
    (1.0, 2.0)
    """
    return np.asarray(_values(values).std(axis=-1, ddof=ddof))


def normalised_range(values: ArrayLike) -> Array:
    """(max - min) / unweighted mean of the groups; 0 is equal (Pakzad et al., CIRCLe, ECCV-W 2022).

    >>> float(normalised_range([1.0, 3.0]))
    1.0
    """
    v = _values(values)
    return ratio_of(v.max(axis=-1) - v.min(axis=-1), v.mean(axis=-1))


def mean_pairwise(values: ArrayLike) -> Array:
    """Mean over pairs of groups of the absolute difference; 0 is equal.

    >>> float(mean_pairwise([0.0, 0.0, 3.0]))
    2.0
    """
    v = _values(values)
    pairs = list(combinations(range(v.shape[-1]), 2)) or [(0, 0)]
    return np.asarray(np.mean([np.abs(v[..., a] - v[..., b]) for a, b in pairs], axis=0))


def worst_group(values: ArrayLike, *, higher_is_better: bool = True) -> Array:
    """Value of the worst group; undefined if any group is.

    >>> float(worst_group([0.9, 0.7])), float(worst_group([0.1, 0.3], higher_is_better=False))
    (0.7, 0.3)
    """
    v = np.asarray(values, dtype=np.float64)
    return np.asarray(v.min(axis=-1) if higher_is_better else v.max(axis=-1))


def signed_difference(values: ArrayLike) -> Array:
    """First minus second of exactly two groups; 0 is equal, and the sign says which is higher.

    >>> float(signed_difference([0.5, 0.75]))
    -0.25
    """
    v = np.asarray(values, dtype=np.float64)
    if v.shape[-1] != 2:
        raise SettingsError(
            f"A signed difference of {v.shape[-1]} groups.", fix="it needs two groups; choose 'difference' for more"
        )
    return np.asarray(v[..., 0] - v[..., 1])


def largest_deviation(values: ArrayLike, overall: ArrayLike) -> Array:
    """Largest distance of a group from everybody: max_g abs(m_g - m); 0 is equal (fairlearn's 'to_overall').

    >>> float(largest_deviation([0.5, 0.875], 0.75))
    0.25
    """
    v = _values(values)
    return np.asarray(np.abs(v - np.asarray(overall, dtype=np.float64)[..., None]).max(axis=-1))


def weighted_deviation(values: ArrayLike, overall: ArrayLike, n: ArrayLike) -> Array:
    """Distance of the groups from everybody, weighted by their share: sum_g n_g/n abs(m_g - m); 0 is equal.

    Kearns et al., Preventing fairness gerrymandering, ICML 2018 (whose violation is the largest of these terms).

    >>> float(weighted_deviation([0.5, 0.875], 0.75, [10, 30]))
    0.15625
    """
    v, weight = _values(values), np.asarray(n, dtype=np.float64)
    distance = np.abs(v - np.asarray(overall, dtype=np.float64)[..., None])
    return np.asarray((distance * (weight / weight.sum(axis=-1, keepdims=True))).sum(axis=-1))


DISPARITIES: Mapping[str, Callable[[ArrayLike], Array]] = MappingProxyType(
    {
        "difference": difference,
        "ratio": ratio,
        "skewed_error_ratio": skewed_error_ratio,
        "standard_deviation": standard_deviation,
        "normalised_range": normalised_range,
        "mean_pairwise": mean_pairwise,
    }
)
"""Every disparity function that needs nothing but the values of any number of groups."""


@dataclass(frozen=True)
class DisparityOf:
    """A disparity of a metric: a metric itself.

    Attributes
    ----------
    metric, metric_name : the metric, and what it is called.
    disparity : a key of `DISPARITIES`, 'signed_difference', 'to_overall' (`largest_deviation`), 'weighted'
        (`weighted_deviation`), or 'worst' (`worst_group`).
    over : 'group', or 'cell': the values of every pair of a true label and a group.
    ddof : of the standard deviation.
    higher_is_better : of the metric, for 'worst'.
    """

    metric: Metric
    metric_name: str
    disparity: Name = "difference"
    over: Over = "group"
    ddof: int = 0
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        for word, value, known in (("disparity", self.disparity, get_args(Name)), ("over", self.over, get_args(Over))):
            if value not in known:
                raise SettingsError(f"Unknown {word} {value!r}.", fix=f"choose one of {', '.join(known)}")

    @property
    def name(self) -> str:
        """What is measured, in words: 'difference of auc over groups'."""
        return f"{self.disparity} of {self.metric_name} over {self.over}s"

    @property
    def fair(self) -> float:
        """Value of equality; NaN for 'worst', which has none."""
        if self.disparity == "worst":
            return float("nan")
        return 1.0 if self.disparity in ("ratio", "skewed_error_ratio") else 0.0

    def of(self, measured: Measured) -> float:
        """The disparity of the values that the metric measured; NaN with fewer than two."""
        values = np.array(list(measured.per_group.values()), dtype=np.float64)
        if values.size < 2:
            return float("nan")
        if self.disparity == "to_overall":
            return float(largest_deviation(values, measured.value))
        if self.disparity == "weighted":
            return float(weighted_deviation(values, measured.value, list(measured.n_per_group.values())))
        if self.disparity == "worst":
            return float(worst_group(values, higher_is_better=self.higher_is_better))
        if self.disparity == "standard_deviation":
            return float(standard_deviation(values, ddof=self.ddof))
        if self.disparity == "signed_difference":
            return float(signed_difference(values))
        return float(DISPARITIES[self.disparity](values))

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, **options: Any
    ) -> Measured:
        """Measure it: `per_group` holds the values it was made from, of every group or every (label, group)."""
        groups: Any = sensitive_features
        names: list[Hashable] = []
        if self.over == "cell":
            groups, names = _cells(y_true, sensitive_features)
        found = self.metric(y_true, y_pred, sensitive_features=groups, **options)
        label: dict[Hashable, Hashable] = dict(enumerate(names))
        return replace(
            found,
            value=self.of(found),
            per_group={label.get(g, g): v for g, v in found.per_group.items()},
            n_per_group={label.get(g, g): n for g, n in found.n_per_group.items()},
            n_undefined=int(np.isnan(list(found.per_group.values())).sum()),
        )


def _cells(y_true: ArrayLike, sensitive_features: ArrayLike) -> tuple[Any, list[Hashable]]:
    """Index of the (label, group) cell of every row, -1 where the group is missing, and the cells."""
    group, groups = group_codes(sensitive_features)
    labels, at = np.unique(np.asarray(y_true), return_inverse=True)
    code = np.where(group < 0, -1, at.reshape(-1) * max(len(groups), 1) + group)
    found = np.unique(code[code >= 0])
    index = np.where(code < 0, -1, np.searchsorted(found, code))
    return index, [(labels[c // len(groups)].item(), groups[c % len(groups)]) for c in found.tolist()]


def disparity_of(
    metric: Metric | str, disparity: Name = "difference", *, over: Over = "group", ddof: int = 0
) -> DisparityOf:
    """Make a disparity of any metric: a function, or a registered name, whose direction says which group is the worst.

    >>> gap = disparity_of("auc")
    >>> gap([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.5], sensitive_features=["a", "a", "b", "b"]).value
    1.0
    >>> worst_cell = disparity_of("accuracy", "worst", over="cell")
    >>> measured = worst_cell([0, 0, 1, 1], [0, 1, 1, 1], sensitive_features=["f", "m", "f", "m"])
    >>> worst_cell.name, measured.value, measured.worst
    ('worst of accuracy over cells', 0.0, (0, 'm'))
    """
    if not isinstance(metric, str):
        return DisparityOf(metric, getattr(metric, "__name__", "metric"), disparity, over, ddof)
    from everygroup.metrics.registry import metric_info

    info = metric_info(metric)
    return DisparityOf(info.function, metric, disparity, over, ddof, info.higher_is_better is not False)
