"""Which rows of a table are audited: those of the test, answered by a threshold, in groups that can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.audit.called import called
from everygroup.audit.flags import Flag
from everygroup.audit.partition import MAX_GROUPS, no_sample
from everygroup.console import say, warn
from everygroup.errors import PredictionsError
from everygroup.metrics.thresholds import Rule, Threshold, threshold_of
from everygroup.predictions import Predictions
from everygroup.predictions.rows import Rows
from everygroup.predictions.splits import has_role, role, roles

ALL_SPLITS = "all"
FAR_OFF = 20.0
"""Scores that expect so many times more positives than there are may be percentages."""
Both = Predictions | Rows


def choose_for(predictions: Predictions, rule: Rule, *, own_file: str = "") -> Threshold:
    """Choose a threshold on validation rows alone, which may be a file of their own, and say which one it is."""
    if not predictions.has_scores:
        raise PredictionsError(
            f"The threshold rule {rule} needs scores, and there are none.", fix="name the scores with --y-score"
        )
    if role(rule.split or "") == "validation":
        rule = Rule(rule.name, rule.value)  # 'validation' stands for whatever the file calls these rows
    chosen = threshold_of(predictions, rule, own_file=own_file)
    there = (
        ""
        if rule.name == "fixed"
        else f" (there: sensitivity {chosen.sensitivity:.3f}, specificity {chosen.specificity:.3f})"
    )
    say(
        f"Threshold on the score of {predictions.classes[1]!r}: {in_words(chosen)}{there}; one for every group, and it "
        "replaces the answers in the file."
    )
    return chosen


def calibration_flags(predictions: Predictions, column: str) -> list[Flag]:
    """What to heed where two classes' scores are far from what is seen, as percentages below 1 are.

    `column` is that of the labels.
    """
    known = predictions.y_true >= 0
    if len(predictions.classes) != 2 or not predictions.has_scores or not known.any():
        return []
    said, seen = float(predictions.y_score[known, 1].mean()), float((predictions.y_true[known] == 1).mean())
    if seen == 0 or said <= FAR_OFF * seen:
        return []
    positive = predictions.classes[1]
    name = called(predictions.classes, column).get(positive, positive)
    text = (
        f"The scores expect {said:.3g} of the rows to be {name!r}, and {seen:.3g} are: if they are "
        "percentages, of which none is above 1, write them with % or divide them by 100."
    )
    return [Flag("caution", text)]


def in_words(threshold: Threshold | None) -> str:
    """A threshold and where it comes from."""
    if threshold is None:
        return "none"
    if threshold.rule.startswith("fixed"):
        return f"{threshold.value:.4g} (fixed)"
    return f"{threshold.value:.4g} (by {threshold.rule}, chosen on {threshold.n} rows of {threshold.split})"


def rows_that_chose(predictions: Predictions, threshold: Threshold | None) -> int:
    """Number of rows that a threshold was chosen on; none where it was fixed."""
    if threshold is None or threshold.rule.startswith("fixed"):
        return 0
    chose = predictions.table["split"].isin(threshold.split.split(", ")).to_numpy(dtype=bool)
    return int((chose & (predictions.y_true >= 0)).sum())


def rows_of_split(
    splits: NDArray[Any], wanted: str | None, chosen_on_validation: bool = False
) -> NDArray[np.bool_] | None:
    """Mask (n,) of the rows that are audited, said aloud where it was not asked for; None for all rows."""
    found = sorted({s for s in pd.unique(pd.Series(splits, dtype=object)) if s})
    if wanted == ALL_SPLITS:
        return None
    if wanted is not None:
        if wanted not in found:
            raise PredictionsError(
                f"No row has the split {wanted!r}.", fix=f"the splits are: {', '.join(found) or 'none'}"
            )
        return splits == wanted
    meaning = roles(found)
    test = [s for s in found if meaning[s] == "test"]
    if test and len(found) > len(test):
        named, several = ", ".join(map(repr, test)), "s" if len(test) > 1 else ""
        say(f"Auditing the rows of split{several} {named} (--split NAME for another, --split all for everything).")
        if unknown := [s for s in found if meaning[s] is None]:
            warn(f"The split words {', '.join(map(repr, unknown))} are not understood; their rows are left out.")
        return np.isin(splits.astype(str), test)
    seen = [s for s in found if meaning[s] == "validation"]
    if chosen_on_validation and seen and len(found) > len(seen):
        say(f"The rows of split {', '.join(map(repr, seen))} chose the threshold and are left out.")
        return ~has_role(splits, "validation")
    return None


def splits_in_words(splits: Any) -> str:
    """The splits of some rows."""
    return ", ".join(sorted({str(s) for s in pd.unique(pd.Series(splits, dtype=object)) if s})) or "none named"


def absent_groups(everything: Predictions | Rows, rows: Predictions | Rows) -> list[str]:
    """Groups of the file that none of the audited rows is of, as sentences."""
    found = []
    for name in rows.sensitive:
        here = set(rows.table[name])
        found += [no_sample(name, group) for group in everything.attribute(name)[0] if group not in here]
    return found


def labelled(predictions: Predictions) -> NDArray[np.bool_]:
    """(n,) which rows have a label; stops where none has, or all have the same."""
    known = predictions.y_true >= 0
    if not known.any():
        raise PredictionsError(
            f"No row has a label: y_true is empty in all {len(predictions)} rows, so nothing can be measured.",
            fix="add the labels, or name their column with --y-true",
        )
    labels = np.unique(predictions.y_true[known])
    if labels.size == 1:
        raise PredictionsError(
            f"All {int(known.sum())} rows with a known label are of the class {predictions.classes[labels[0]]!r}.",
            fix="name the label with --y-true, or choose other rows with --split",
        )
    return known


def usable(rows: Both) -> Both:
    """Leave attributes out that cannot be compared, each with the reason; stop where nothing is left."""
    known = labelled(rows) if isinstance(rows, Predictions) else np.ones(len(rows), dtype=bool)
    wanted = [*(("group",) if rows.groups else ()), *rows.sensitive]
    kept = comparable({name: rows.attribute(name)[1][known] for name in wanted})
    if len(kept) == len(wanted):
        return rows
    left = tuple(name for name in rows.sensitive if name in kept)
    return replace(rows, sensitive=left, groups=rows.groups if "group" in kept else ())


def comparable(attributes: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """Names of the attributes, (n,) indices with -1 for missing, that can be compared; the others are warned of."""
    reasons = {name: reason for name, index in attributes.items() if (reason := _why_not(index))}
    for name, reason in reasons.items():
        warn(f"{name} is left out: {reason}.")
    if reasons and len(reasons) == len(attributes):
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise PredictionsError(
            f"No sensitive attribute can be audited ({told}).",
            fix="name another column with --group, or make groups of its values with --bins COLUMN=RULE",
        )
    return [name for name in attributes if name not in reasons]


def _why_not(index: NDArray[np.int64]) -> str:
    """Why an attribute cannot be compared; empty where it can."""
    present, n = np.unique(index[index >= 0]).size, index.size
    if present == 0:
        return "it has no value in any row"
    if present == 1:
        return "all rows with a value are of one group"
    if present > MAX_GROUPS:
        an_id = " (is it an id?)" if present > 0.5 * n else ""
        return f"it has {present:,} different values in {n:,} rows{an_id}; make groups of them with --bins"
    return ""


def answered_as(rows: Both, other: Both, columns: Collection[str]) -> Both:
    """The rows that another model has answered, too, with its answers; groups, patients and dates stay as they are."""
    if isinstance(rows, Predictions) and isinstance(other, Predictions):
        return rows.answered_as(other)
    assert isinstance(rows, Rows) and isinstance(other, Rows)
    return rows.answered_as(other, columns)
