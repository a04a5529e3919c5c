"""Decision thresholds for two classes: chosen on validation rows by a named rule, stored, and applied elsewhere.

A threshold chosen on the rows it is judged on makes every rate look better than it is, in small groups most of all.
So test rows are refused here, unless the habit of code that does so (MEDFAIR chooses the best F1 on the evaluated set)
is asked for by name. One threshold for everybody and one per group give different gaps: these are one for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics._inputs import FloatArray, score_codes
from everygroup.metrics.rates import ratio_of
from everygroup.predictions import Predictions
from everygroup.predictions.splits import has_role, role

RULES = ("sens:VALUE", "spec:VALUE", "youden", "f1", "fixed:VALUE")
ROUNDING = 1e-12

_FIX = f"choose one of {', '.join(RULES)}, with VALUE in [0, 1], such as sens:0.9 or fixed:0.5"
_RULE = re.compile(r"(?P<name>youden|f1|fixed|sens|spec)(?::(?P<value>[^:]+))?")


@dataclass(frozen=True)
class Rule:
    """A parsed rule: its name, the number in it (None for 'youden' and 'f1'), and the split named in front of it."""

    name: str
    value: float | None = None
    split: str | None = None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule such as 'youden', 'fixed:0.5', 'sens:0.9' or 'validation:sens:0.9'.

        Raises
        ------
        SettingsError
            For anything else, with the rules there are.

        >>> Rule.parse("validation:sens:0.9")
        Rule(name='sens', value=0.9, split='validation')
        """
        plain = text.strip()
        split, _, rest = plain.partition(":")
        if _RULE.fullmatch(split) or not rest:
            split, rest = "", plain
        found = _RULE.fullmatch(rest)
        if not found or not (split or rest == plain):
            raise SettingsError(f"{text!r} is no threshold rule.", fix=_FIX)
        name, number = found["name"], found["value"]
        if name in ("youden", "f1"):
            if number is not None:
                raise SettingsError(f"{text!r} is no threshold rule: {name} takes no number.", fix=_FIX)
            return cls(name, None, split or None)
        try:
            value = float(number or "")
        except ValueError:
            value = float("nan")
        if not 0.0 <= value <= 1.0:
            raise SettingsError(f"{text!r} is no threshold rule: {name} needs a number in [0, 1].", fix=_FIX)
        return cls(name, value, split or None)

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value:g}"


@dataclass(frozen=True)
class Threshold:
    """A chosen threshold: a score of at least `value` is answered with the second class.

    Attributes
    ----------
    rule : the rule it was chosen by.
    value : the threshold; just above the highest score when nobody is to be answered with the second class.
    split : the split of the rows it was chosen on; '' where they had none, as for 'fixed'.
    n, n_positive : rows it was chosen on.
    sensitivity, specificity, precision, f1 : values achieved on these rows, NaN where undefined. They are optimistic
        for other rows.
    """

    rule: str
    value: float
    split: str
    n: int
    n_positive: int
    sensitivity: float
    specificity: float
    precision: float
    f1: float

    def apply(self, y_score: ArrayLike) -> NDArray[np.int64]:
        """Class index (n,) of scores (n,) of the second class, or (n, 2)."""
        return (positive_scores(y_score) >= self.value).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)


def positive_scores(y_score: ArrayLike) -> FloatArray:
    """Scores (n,) of the second of two classes.

    Raises
    ------
    PredictionsError
        For more than two classes.
    """
    score = np.asarray(y_score, dtype=np.float64)
    if score.ndim == 2 and score.shape[1] == 2:
        return score[:, 1]
    if score.ndim != 1:
        raise PredictionsError(
            f"A threshold needs two classes, but the scores have shape {score.shape}.",
            fix="give the scores of the second of two classes, or make one class against the rest",
        )
    return score


def choose_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    rule: str | Rule,
    *,
    split: str | ArrayLike = "validation",
    classes: Sequence[Hashable] | None = None,
    medfair_compat: bool = False,
) -> Threshold:
    """Choose a threshold for two classes on validation rows.

    Parameters
    ----------
    y_true, y_score : (n,) labels, and (n,) scores of the second class or (n, 2).
    rule : 'sens:0.9' (largest specificity with a sensitivity of at least 0.9), 'spec:0.9' (the other way round),
        'youden' (largest sensitivity + specificity - 1), 'f1' (largest F1) or 'fixed:0.5'. Of equally good thresholds
        the lowest is taken, but for 'spec' that of the highest specificity.
    split : the split of the rows, one text or one per row.
    classes : both class names in order; the sorted labels when not given.
    medfair_compat : allow rows of any split, as MEDFAIR's code does on its test set.

    Returns
    -------
    Threshold

    Raises
    ------
    SettingsError
        For an unknown rule.
    PredictionsError
        For rows that are not all of a validation split, or of one class only.

    References
    ----------
    Youden, Cancer 1950.

    >>> chosen = choose_threshold([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.4, 0.6, 0.7, 0.9], "youden")
    >>> chosen.value, chosen.sensitivity, round(chosen.specificity, 3)
    (0.4, 1.0, 0.667)
    >>> chosen.apply([0.3, 0.5]).tolist()
    [0, 1]
    """
    wanted = rule if isinstance(rule, Rule) else Rule.parse(rule)
    index, columns = score_codes(y_true, y_score, classes)
    score = positive_scores(columns)
    texts = np.broadcast_to(np.asarray(split, dtype=str), (index.size,))
    found = sorted(set(texts.tolist()))
    if wanted.name == "fixed":
        assert wanted.value is not None
        return _result(wanted, wanted.value, score, index == 1, ", ".join(f for f in found if f))
    wrong = [f for f in found if role(f) != "validation"]
    if wrong and not medfair_compat:
        named = ", ".join(f or "no split" for f in wrong)
        raise PredictionsError(
            f"A threshold must be chosen on validation rows, but these are of: {named}.",
            fix="give the validation rows, or a fixed threshold (fixed:0.5); medfair_compat=True chooses on the "
            "evaluated rows, which flatters the result",
        )
    positive = index == 1
    if not positive.any() or positive.all():
        raise PredictionsError(
            f"All {index.size} rows to choose a threshold on are of one class.", fix="use fixed:0.5, or more rows"
        )
    return _result(wanted, _best(wanted, score, positive), score, positive, ", ".join(f for f in found if f))


def _best(rule: Rule, score: FloatArray, positive: NDArray[np.bool_]) -> float:
    """The threshold, among the observed scores and one above them all, that is best by the rule."""
    levels, at = np.unique(score, return_inverse=True)
    candidates = np.append(levels, np.nextafter(levels[-1], np.inf))
    at = at.reshape(-1)
    right = np.bincount(at[positive], minlength=levels.size).astype(np.float64)
    wrong = np.bincount(at[~positive], minlength=levels.size).astype(np.float64)
    # answered with the second class: rows that score at least the candidate
    tp = np.append(np.cumsum(right[::-1])[::-1], 0.0)
    fp = np.append(np.cumsum(wrong[::-1])[::-1], 0.0)
    sensitivity, specificity = tp / tp[0], 1.0 - fp / fp[0]
    if rule.name == "youden":
        return float(candidates[_first_best(sensitivity + specificity)])
    if rule.name == "f1":
        return float(candidates[_first_best(2 * tp / (tp + fp + tp[0]))])
    assert rule.value is not None
    kept, sought = (specificity, sensitivity) if rule.name == "spec" else (sensitivity, specificity)
    allowed = np.where(kept >= rule.value - ROUNDING, sought, -1.0)
    if rule.name == "spec":
        # of equal sensitivities the last threshold has the highest specificity
        return float(candidates[np.flatnonzero(allowed >= allowed.max() - ROUNDING)[-1]])
    return float(candidates[_first_best(allowed)])


def _first_best(values: FloatArray) -> int:
    return int(np.flatnonzero(values >= values.max() - ROUNDING)[0])


def _result(rule: Rule, value: float, score: FloatArray, positive: NDArray[np.bool_], split: str) -> Threshold:
    answered = score >= value
    tp, fp = float((answered & positive).sum()), float((answered & ~positive).sum())
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    return Threshold(
        rule=str(rule),
        value=value,
        split=split,
        n=int(score.size),
        n_positive=n_positive,
        sensitivity=float(ratio_of(tp, n_positive)),
        specificity=float(ratio_of(n_negative - fp, n_negative)),
        precision=float(ratio_of(tp, tp + fp)),
        f1=float(ratio_of(2 * tp, tp + fp + n_positive)),
    )


def threshold_of(
    predictions: Predictions, rule: str | Rule, *, own_file: str = "", medfair_compat: bool = False
) -> Threshold:
    """Choose a threshold on the validation rows of predictions of two classes.

    Parameters
    ----------
    predictions : rows with a known label and of the split named in the rule ('validation:youden'), else of a
        validation split, are used; with `medfair_compat` all rows with a known label where no split is named.
    own_file : name of the file, where these predictions are validation rows that stand in a file of their own: rows
        without a split are then of the validation, too, and the threshold names the file.

    Raises
    ------
    PredictionsError
        Where there are no such rows, scores or two classes.

    >>> p = Predictions.from_arrays([0, 1, 0, 1], [0.2, 0.6, 0.4, 0.9], split=["validation"] * 2 + ["test"] * 2)
    >>> threshold_of(p, "youden").value
    0.6
    """
    wanted = rule if isinstance(rule, Rule) else Rule.parse(rule)
    if len(predictions.classes) != 2:
        raise PredictionsError(
            f"A threshold needs two classes, but there are {len(predictions.classes)}.",
            fix="leave the threshold out: the class with the highest score is the answer",
        )
    splits = predictions.table["split"].to_numpy(dtype=str)
    rows = predictions.y_true >= 0
    if wanted.split is not None:
        rows &= splits == wanted.split
    elif not medfair_compat and wanted.name != "fixed":
        rows &= has_role(splits, "validation") | ((splits == "") & bool(own_file))
    if not rows.any() and wanted.name != "fixed":
        there = ", ".join(sorted({s for s in splits.tolist() if s})) or "none"
        raise PredictionsError(
            f"There is no row with a known label of the split {wanted.split or 'validation'!r} to choose a threshold "
            f"on; the splits are: {there}.",
            fix="add the validation rows to the file, give a file of them (--threshold-from), or a fixed threshold, "
            "fixed:0.5",
        )
    if own_file:
        splits = np.where(splits == "", "validation", splits)
    chosen = choose_threshold(
        predictions.y_true[rows],
        predictions.y_score[rows],
        wanted,
        split=splits[rows],
        classes=(0, 1),
        medfair_compat=medfair_compat,
    )
    return replace(chosen, split=own_file) if own_file and wanted.name != "fixed" else chosen


def apply_threshold(predictions: Predictions, threshold: Threshold) -> Predictions:
    """Return the predictions with every answer (y_pred) made anew by the threshold.

    >>> p = Predictions.from_arrays([0, 1], [0.2, 0.4], classes=["benign", "malignant"])
    >>> apply_threshold(p, choose_threshold([0, 1], [0.1, 0.3], "f1")).table["y_pred"].tolist()
    ['benign', 'malignant']
    """
    if len(predictions.classes) != 2:
        raise PredictionsError(f"A threshold needs two classes, but there are {len(predictions.classes)}.")
    names = np.array(predictions.classes, dtype=object)
    table = predictions.table.assign(y_pred=names[threshold.apply(predictions.y_score)])
    return replace(predictions, table=table)
