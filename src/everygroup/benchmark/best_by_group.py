"""Which of several models is best for whom: right answers by group, paired, and no winner where none can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from everygroup.errors import PredictionsError
from everygroup.predictions import Predictions
from everygroup.statistics import bootstrap_mean


@dataclass(frozen=True)
class Share:
    """A share of samples, or a difference of two, with its interval over patients."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BestOfGroup:
    """What can be said of one group.

    Attributes
    ----------
    group : str
    n, n_units : int
        Test samples, and their patients (samples, where no patients are known).
    right : dict of str to Share
        Share of right answers by method, with its 95 % interval.
    best : str
        The method with the largest share.
    ahead : dict of str to Share
        The best one's share less that of every other method, on the same patients; together these intervals hold with
        95 % confidence (Bonferroni). Choosing the best on the samples it is judged on favours it still.
    """

    group: str
    n: int
    n_units: int
    right: dict[str, Share]
    best: str
    ahead: dict[str, Share]

    @property
    def alike(self) -> list[str]:
        """The methods that the best one cannot be told apart from."""
        return [name for name, change in self.ahead.items() if change.low <= 0]

    def __str__(self) -> str:
        own = self.right[self.best]
        patients = f", {self.n_units} patients" if self.n_units < self.n else ""
        said = (
            f"{self.group} ({self.n} images{patients}): {self.best} is right most often, "
            f"in {own.value:.1%} ({own.low:.1%} to {own.high:.1%})"
        )
        told = [name for name in self.ahead if name not in self.alike]
        if not told:
            return f"{said}; it cannot be told apart from {_listed(self.alike, 'or')}."
        said += f"; it is better than {_listed([f'{name} by {_points(self.ahead[name])}' for name in told], 'and')}"
        return f"{said}; not to be told apart from {_listed(self.alike, 'or')}." if self.alike else f"{said}."


def best_by_group(predictions: Mapping[str, Predictions], *, n_boot: int = 2000, seed: int = 0) -> list[BestOfGroup]:
    """Compare the right answers of methods in every group of the first attribute.

    Parameters
    ----------
    predictions : mapping of name to Predictions
        Of the same test samples in the same order, two methods at least.
    n_boot, seed : int
        Replicates of the bootstrap over patients.

    Raises
    ------
    PredictionsError
        If the predictions are of other samples, or of fewer than two methods.
    """
    first, *others = predictions.values()
    if not others or any(not np.array_equal(one.ids, first.ids) for one in others):
        raise PredictionsError(
            "Methods are compared on the same samples, two methods at least.",
            fix="give each method's predictions of one test part, in one order",
        )
    right = {name: (one.y_pred == one.y_true).astype(float) for name, one in predictions.items()}
    found = []
    for number, group in enumerate(first.groups):
        inside = (first.group == number) & (first.y_true >= 0)
        if not inside.any():
            continue
        units = first.units[inside]

        def share(values: np.ndarray, level: float, units: np.ndarray = units) -> Share:
            return Share(*bootstrap_mean(values, units=units, n_boot=n_boot, seed=seed, level=level))

        shares = {name: share(values[inside], 0.95) for name, values in right.items()}
        best = max(shares, key=lambda name: shares[name].value)
        level = 1 - 0.05 / (len(right) - 1)
        ahead = {n: share((right[best] - v)[inside], level) for n, v in right.items() if n != best}
        found.append(BestOfGroup(group, int(inside.sum()), len(np.unique(units)), shares, best, ahead))
    return found


def _points(change: Share) -> str:
    return f"{change.value:+.1%} ({change.low:+.1%} to {change.high:+.1%})"


def _listed(names: list[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
