"""What a metric is, as data: range, fair or best value, direction, inputs, source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict

from everygroup.metrics.measured import Measured

Null = Literal["label", "answer", "none"]
Direction = Literal["high", "low", "none"]
Requires = Literal["y_pred", "y_score", "values"]
INF = float("inf")


@dataclass(frozen=True)
class MetricInfo:
    """A registered metric.

    Attributes
    ----------
    name : unique, carries the variant.
    title : for tables and figures.
    kind : 'performance' (a value per group) or 'gap' (one value between groups).
    low, high : range; `high` may be infinite or depend on K (then it is infinite here).
    optimum : best performance, or the value of equality.
    higher_is_better : direction; None where closer to the optimum is better from both sides (a bias).
    requires : 'y_pred', 'y_score' or 'values' (one measured number per sample, such as a Dice score).
    null : what a permutation of group labels keeps fixed: 'label' for metrics that condition on the true class (the
        groups may differ in prevalence), 'answer' for those that condition on the answer (precision), 'none' otherwise.
    source : where the definition comes from.
    function : ``function(y_true, y_pred or y_score, *, sensitive_features=...) -> Measured``.
    """

    name: str
    title: str
    kind: Literal["performance", "gap"]
    low: float
    high: float
    optimum: float
    higher_is_better: bool | None
    requires: Requires
    null: Null
    source: str
    function: Callable[..., Measured]

    @property
    def words(self) -> str:
        """The title as it stands within a sentence."""
        first = self.title.split(" ", 1)[0]
        kept = first in _NAMES or any(c.isupper() or c.isdigit() for c in first[1:])
        return self.title if kept else self.title[0].lower() + self.title[1:]


_NAMES = ("Matthews", "Cohen's", "Brier", "Dice", "Spearman", "Hausdorff", "Youden's", "F1", "R^2")
"""First words of titles that are names and keep their capital."""


class Told(TypedDict, total=False):
    """What is said of a metric besides its name and title; `record` says what it is otherwise."""

    kind: Literal["performance", "gap"]
    best: Direction
    low: float
    high: float
    optimum: float
    null: Null
    source: str


def record(
    name: str,
    title: str,
    function: Callable[..., Measured],
    *,
    kind: Literal["performance", "gap"] = "performance",
    best: Direction | None = None,
    low: float = 0.0,
    high: float = 1.0,
    optimum: float | None = None,
    null: Null = "none",
    source: str = "standard",
    requires: Requires = "values",
) -> MetricInfo:
    """Record of a metric.

    Parameters
    ----------
    best : 'high' (of a performance by default), 'low' (of a gap), or 'none' where neither more nor less is better.
    optimum : best value; `high` or `low` when not given, NaN where neither is best.
    """
    best = best or ("low" if kind == "gap" else "high")
    if optimum is None:
        optimum = {"high": high, "low": low, "none": float("nan")}[best]
    better = None if best == "none" else best == "high"
    return MetricInfo(name, title, kind, low, high, optimum, better, requires, null, source, function)
