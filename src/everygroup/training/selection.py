"""Named rules that choose an epoch. They see validation predictions and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from everygroup.errors import SettingsError
from everygroup.metrics.confusion import confusion_counts, one_vs_rest
from everygroup.metrics.rates import average_rate


@dataclass(frozen=True)
class ValidationPredictions:
    """What a rule may see.

    Attributes
    ----------
    y_true : (n,) target index
    y_score : (n, K) probabilities
    group : (n,) group index, -1 missing
    loss : float
        Mean cross-entropy.
    """

    y_true: np.ndarray
    y_score: np.ndarray
    group: np.ndarray
    loss: float

    def macro_f1(self) -> float:
        """Macro F1 over the classes present."""
        return float(np.nan_to_num(self._f1(None), nan=0.0))

    def group_f1(self) -> np.ndarray:
        """Macro F1 of every group present, in order of their index."""
        present = np.unique(self.group[self.group >= 0])
        values = [self._f1(self.group == g) for g in present]
        return np.nan_to_num(np.array(values or [self.macro_f1()]), nan=0.0)

    def accuracy(self) -> float:
        """Share of right answers."""
        return float((self.y_score.argmax(1) == self.y_true).mean())

    def _f1(self, mask: np.ndarray | None) -> float:
        y, p = self.y_true, self.y_score.argmax(1)
        if mask is not None:
            y, p = y[mask], p[mask]
        counts = one_vs_rest(confusion_counts(y, p, n_classes=self.y_score.shape[1]))
        return float(average_rate(counts, "f1", average="macro"))


@dataclass(frozen=True)
class SelectionRule:
    """A named rule: values of an epoch (larger is better), and how to choose among epochs.

    Only epochs that no other one dominates in every value can be chosen, so only their weights are kept.
    """

    name: str
    values: Callable[[ValidationPredictions], Sequence[float]]
    help: str

    def choose(self, history: Sequence[Sequence[float]]) -> int:
        """Return the index of the chosen epoch; the earliest among equals.

        With several values (DTO) the smallest Euclidean distance to the utopia point, the best of each value over all
        epochs, wins: sum_g (v_g / u_g - 1)^2 (Zong et al., MEDFAIR, ICLR 2023).
        """
        kept = non_dominated(history)
        values = np.asarray(history, dtype=float)[kept]
        if values.shape[1] == 1:
            return kept[int(values[:, 0].argmax())]
        utopia = np.maximum(values.max(0), 1e-12)
        return kept[int((((values / utopia) - 1) ** 2).sum(1).argmin())]


SELECTION: dict[str, SelectionRule] = {
    rule.name: rule
    for rule in (
        SelectionRule(
            "loss", lambda v: [-v.loss if np.isfinite(v.loss) else -np.inf], "smallest validation cross-entropy"
        ),
        SelectionRule("accuracy", lambda v: [v.accuracy()], "largest validation accuracy"),
        SelectionRule("macro_f1", lambda v: [v.macro_f1()], "largest validation macro F1"),
        SelectionRule("worst_group_f1", lambda v: [v.group_f1().min()], "largest macro F1 of the worst group"),
        SelectionRule("dto", lambda v: v.group_f1().tolist(), "nearest to the best F1 of every group (DTO)"),
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
