"""Join any metric with any disparity function, over groups or over cells."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import SettingsError
from everygroup.metrics import disparity as functions
from everygroup.metrics._inputs import group_codes
from everygroup.metrics.measured import Measured

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


@dataclass(frozen=True)
class Disparity:
    """How the values of groups become one number.

    Attributes
    ----------
    name : a key of `DISPARITIES`, or 'signed_difference' (two groups), 'to_overall' (`largest_deviation`), 'weighted'
        (`weighted_deviation`), 'worst' (`worst_group`).
    over : 'group', or 'cell': the values of every pair of a true label and a group.
    ddof : of the standard deviation.
    higher_is_better : of the metric, for 'worst'.

    Examples
    --------
    >>> from everygroup.metrics import accuracy
    >>> y, y_pred, sex = [0, 0, 1, 1], [0, 0, 1, 0], ["f", "f", "m", "m"]
    >>> gap = Disparity("difference").of(accuracy)
    >>> gap.name, gap(y, y_pred, sensitive_features=sex).value
    ('difference of accuracy over groups', 0.5)
    """

    name: Name
    over: Over = "group"
    ddof: int = 0
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        for word, value, known in (("disparity", self.name, get_args(Name)), ("over", self.over, get_args(Over))):
            if value not in known:
                raise SettingsError(f"Unknown {word} {value!r}.", fix=f"choose one of {', '.join(known)}")

    @property
    def fair(self) -> float:
        """Value of equality; NaN for 'worst', which has none."""
        if self.name == "worst":
            return float("nan")
        return 1.0 if self.name in ("ratio", "skewed_error_ratio") else 0.0

    def value(self, measured: Measured) -> float:
        """The disparity of the values that a metric measured; NaN with fewer than two."""
        values = np.array(list(measured.per_group.values()), dtype=np.float64)
        if values.size < 2:
            return float("nan")
        if self.name == "to_overall":
            return float(functions.largest_deviation(values, measured.value))
        if self.name == "weighted":
            n = [measured.n_per_group[g] for g in measured.per_group]
            return float(functions.weighted_deviation(values, measured.value, n))
        if self.name == "worst":
            return float(functions.worst_group(values, higher_is_better=self.higher_is_better))
        if self.name == "standard_deviation":
            return float(functions.standard_deviation(values, ddof=self.ddof))
        if self.name == "signed_difference":
            return float(functions.signed_difference(values))
        return float(functions.DISPARITIES[self.name](values))

    def of(self, metric: Metric | str) -> DisparityOf:
        """Join with a metric: a function of this room, or a registered name such as ``"recall[melanoma]"``."""
        if isinstance(metric, str):
            from everygroup.metrics.registry import metric_info

            return DisparityOf(self, metric_info(metric).function, metric)
        return DisparityOf(self, metric, getattr(metric, "__name__", "metric"))


@dataclass(frozen=True)
class DisparityOf:
    """A disparity of a metric: a metric itself. `name` says over what, as in 'difference of auc over groups'."""

    disparity: Disparity
    metric: Metric
    metric_name: str

    @property
    def name(self) -> str:
        """What is measured, in words."""
        return f"{self.disparity.name} of {self.metric_name} over {self.disparity.over}s"

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, **options: Any
    ) -> Measured:
        """Measure.

        Returns
        -------
        The disparity as `value`, with the values it was made from: of every group, or of every (label, group).
        """
        groups: Any = sensitive_features
        names: list[Hashable] = []
        if self.disparity.over == "cell":
            groups, names = _cells(y_true, sensitive_features)
        measured = self.metric(y_true, y_pred, sensitive_features=groups, **options)
        value = self.disparity.value(measured)
        label: dict[Hashable, Hashable] = dict(enumerate(names))
        return Measured(
            value=value,
            per_group={label.get(g, g): v for g, v in measured.per_group.items()},
            n_per_group={label.get(g, g): n for g, n in measured.n_per_group.items()},
            n=measured.n,
            n_missing=measured.n_missing,
            n_undefined=int(np.isnan(list(measured.per_group.values())).sum()),
        )


def _cells(y_true: ArrayLike, sensitive_features: ArrayLike) -> tuple[Any, list[Hashable]]:
    """Index of the (label, group) cell of every row, -1 where the group is missing, and the cells."""
    group, groups = group_codes(sensitive_features)
    true = np.asarray(y_true)
    labels, at = np.unique(true, return_inverse=True)
    code = np.where(group < 0, -1, at.reshape(-1) * max(len(groups), 1) + group)
    found = np.unique(code[code >= 0])
    index = np.where(code < 0, -1, np.searchsorted(found, code))
    return index, [(labels[c // len(groups)].item(), groups[c % len(groups)]) for c in found.tolist()]


def disparity_of(
    metric: Metric | str, disparity: Name = "difference", *, over: Over = "group", ddof: int = 0
) -> DisparityOf:
    """Make a disparity of any metric; of a registered name, its direction says which group is the worst.

    Examples
    --------
    >>> y, y_pred, sex = [0, 0, 1, 1], [0, 1, 1, 1], ["f", "m", "f", "m"]
    >>> worst_cell = disparity_of("accuracy", "worst", over="cell")
    >>> measured = worst_cell(y, y_pred, sensitive_features=sex)
    >>> measured.value, measured.worst
    (0.0, (0, 'm'))
    """
    better = True
    if isinstance(metric, str):
        from everygroup.metrics.registry import metric_info

        better = metric_info(metric).higher_is_better is not False
    return Disparity(disparity, over=over, ddof=ddof, higher_is_better=better).of(metric)


def difference_of(metric: Metric | str, *, over: Over = "group") -> DisparityOf:
    """Largest minus smallest value of a metric over groups or cells; 0 is equal.

    Examples
    --------
    >>> gap = difference_of("auc")
    >>> gap.name
    'difference of auc over groups'
    >>> gap([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.5], sensitive_features=["a", "a", "b", "b"]).value
    1.0
    """
    return disparity_of(metric, "difference", over=over)
