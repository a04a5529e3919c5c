"""Named rules that choose an epoch. They see validation predictions and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from everygroup.errors import SettingsError
from everygroup.targets import Classes, Target

_UNDEFINED = -1e9


@dataclass(frozen=True)
class ValidationPredictions:
    """What a rule may see.

    Attributes
    ----------
    y_true : (n,) class index, or what else the target has; of pictures nothing
    answers : (n, K) probabilities, or what else the target answers; of pictures how good each one is
    group : (n,) group index, -1 missing
    loss : float
        Mean loss.
    target : Target, optional
        What is answered; by default one of K classes.
    """

    y_true: np.ndarray
    answers: np.ndarray
    group: np.ndarray
    loss: float
    target: Target | None = None

    @property
    def _target(self) -> Target:
        return self.target or Classes([str(k) for k in range(self.answers.shape[1])])

    def score(self) -> float:
        """The target's selection score, such as macro F1 over the classes present; NaN where undefined."""
        return self._quality(np.ones(len(self.group), dtype=bool))

    def group_scores(self) -> np.ndarray:
        """The score in every group present, in order of their index."""
        present = np.unique(self.group[self.group >= 0])
        return np.array([self._quality(self.group == g) for g in present] or [self.score()])

    def worst_group_score(self) -> float:
        """The smallest score of a group in which it is defined."""
        scores = self.group_scores()
        return float(scores.min() if np.isnan(scores).all() else np.nanmin(scores))

    def rank(self, score: float) -> float:
        """What a score counts as among epochs: an undefined one less than any, and there the smaller loss more."""
        return score if not np.isnan(score) else _UNDEFINED - (self.loss if np.isfinite(self.loss) else -_UNDEFINED)

    def worst_class_score(self) -> float:
        """The smallest F1 of a class that is present: it needs no groups; of classes only."""
        said = self.answers.argmax(1)
        hits = [2 * ((said == k) & (self.y_true == k)).sum() for k in np.unique(self.y_true)]
        size = [(said == k).sum() + (self.y_true == k).sum() for k in np.unique(self.y_true)]
        return float(np.min(np.array(hits) / np.array(size))) if hits else float("nan")

    def accuracy(self) -> float:
        """Share of right answers; of classes only."""
        return float((self.answers.argmax(1) == self.y_true).mean())

    def _quality(self, mask: np.ndarray) -> float:
        return self._target.quality(self.y_true[mask], self.answers[mask])


@dataclass(frozen=True)
class SelectionRule:
    """A named rule: values of an epoch (larger is better), and how to choose among epochs.

    Only epochs that no other one dominates in every value can be chosen, so only their weights are kept.
    """

    name: str
    values: Callable[[ValidationPredictions], Sequence[float]]
    help: str
    classes_only: bool = False
    by_score: bool = False

    def check(self, target: Target) -> None:
        """Refuse a target the rule says nothing of.

        Raises
        ------
        SettingsError
        """
        if self.classes_only and not isinstance(target, Classes):
            raise SettingsError(
                f"Selection rule {self.name!r} is for classes; the target is {target.name!r}.",
                fix="use --selection score, worst_group_score, loss or last",
            )

    def choose(self, history: Sequence[Sequence[float]]) -> int:
        """Return the index of the chosen epoch; the earliest among equals.

        With several values the smallest Euclidean distance to the utopia point, the best of each value over all
        epochs, wins: sum_g (v_g / u_g - 1)^2 (DTO; Zong et al., MEDFAIR, ICLR 2023). Under 'pareto' the last value
        decides among the epochs that no other one beats in all others.
        """
        kept = non_dominated(history)
        values = np.asarray(history, dtype=float)[kept]
        if values.shape[1] == 1:
            return kept[int(values[:, 0].argmax())]
        if self.name == "pareto":
            among = non_dominated(values[:, :-1].tolist())
            return kept[among[int(values[among, -1].argmax())]]
        utopia = np.maximum(values.max(0), 1e-12)
        return kept[int((((values / utopia) - 1) ** 2).sum(1).argmin())]


SELECTION: dict[str, SelectionRule] = {
    rule.name: rule
    for rule in (
        SelectionRule(
            "score", lambda v: [v.rank(v.score())], "largest score of the target: macro F1 of classes", by_score=True
        ),
        SelectionRule(
            "worst_group_score",
            lambda v: [v.rank(v.worst_group_score())],
            "largest score of the worst group",
            by_score=True,
        ),
        SelectionRule("loss", lambda v: [-v.loss if np.isfinite(v.loss) else -np.inf], "smallest validation loss"),
        SelectionRule("accuracy", lambda v: [v.accuracy()], "largest validation accuracy", True),
        SelectionRule("dto", lambda v: v.group_scores().tolist(), "nearest to the best F1 of every group (DTO)", True),
        SelectionRule(
            "pareto",
            lambda v: [*v.group_scores().tolist(), v.score()],
            "largest score among epochs that no other beats in every group",
            True,
        ),
        SelectionRule(
            "worst_class_score",
            lambda v: [v.rank(v.worst_class_score())],
            "largest F1 of the worst class, which needs no groups",
            True,
        ),
        SelectionRule("last", lambda v: [0.0], "the last epoch"),
    )
}


def selection_rule(name: str) -> SelectionRule:
    """Return a rule by name.

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    if name not in SELECTION:
        raise SettingsError(f"Unknown selection rule {name!r}.", fix=f"choose one of {', '.join(SELECTION)}")
    return SELECTION[name]


def non_dominated(history: Sequence[Sequence[float]]) -> list[int]:
    """Return the epochs that no other one equals or beats in every value (the earliest of equals stays)."""
    kept: list[int] = []
    for i, candidate in enumerate(history):
        beaten = any(
            all(o >= c for o, c in zip(other, candidate, strict=True)) and (j < i or list(other) != list(candidate))
            for j, other in enumerate(history)
            if j != i
        )
        if not beaten:
            kept.append(i)
    return kept
