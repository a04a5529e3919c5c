"""Labels that may be wrong, by group: rows that the model confidently puts into another class than their label.

A suspect is a row to look at again, not a proven error: a model that fails a group makes suspects of right labels, and
one that learned the same mistakes finds none of them. Only scores of a model that did not train on the row count.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import class_names, groups_of, probability_codes
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import Made, of_scores
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.means import Shares
from everygroup.metrics.rates import ratio_of
from everygroup.predictions.splits import has_role
from everygroup.statistics import wilson_interval

CAVEAT = (
    "a suspect is a label to look at again, not a proven error: "
    "a model that fails a group makes suspects of right labels"
)


@dataclass(frozen=True)
class LabelSuspects:
    """Rows whose label may be wrong.

    Attributes
    ----------
    table : one row per suspect, the surest first: row, id, group, label, suggested, margin (probability of the
        suggested class minus that of the label).
    by_group : group ('overall' and 'missing' too), n, suspects, share, low, high (95 % Wilson).
    joint : (K, K) confident joint: rows of label i (row) that confidently belong to class j (column).
    thresholds : (K,) mean probability of each class among the rows labelled with it; NaN without such rows.
    caveat : what the numbers do not say.
    """

    table: pd.DataFrame
    by_group: pd.DataFrame
    joint: NDArray[np.int64]
    thresholds: FloatArray
    caveat: str = CAVEAT


def confident_class(index: IntArray, score: FloatArray) -> tuple[IntArray, FloatArray]:
    """Class (n,) that every row confidently belongs to, -1 where none, and the thresholds (K,) of that.

    A row confidently belongs to the classes whose probability reaches the mean probability of that class among the
    rows labelled with it; of several the most probable.
    """
    n_classes = score.shape[1]
    support = np.bincount(index, minlength=n_classes)
    own = np.bincount(index, weights=score[np.arange(index.size), index], minlength=n_classes)
    thresholds = ratio_of(own, support)
    # a comparison with NaN (no row of the class) is false; rounding must not lose rows that are all equal to the mean
    reached = np.where(score >= thresholds - 1e-12, score, -1.0)
    best = reached.argmax(axis=1)
    return np.where(reached.max(axis=1, initial=-1.0) >= 0, best, -1).astype(np.int64), thresholds


def label_suspects(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    ids: ArrayLike | None = None,
    split: str | ArrayLike = "",
) -> LabelSuspects:
    """Find labels that may be wrong by confident learning.

    Parameters
    ----------
    y_true, y_score : (n,) given labels, and (n, K) probabilities of a model that did not train on these rows (held-out
        or cross-validated).
    sensitive_features : (n,) groups; thresholds are those of all rows together.
    ids : (n,) ids to name the suspects by; the row numbers when not given.
    split : the split of the rows, one text or one per row; 'train' is refused.

    Raises
    ------
    PredictionsError
        For training rows: a model remembers their labels.

    References
    ----------
    Northcutt, Jiang and Chuang, Confident learning, JAIR 2021 (off-diagonal of the confident joint).

    >>> y, p = [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.9, 0.8, 0.9, 0.7]
    >>> found = label_suspects(y, p, ids=["a", "b", "c", "d", "e", "f"])
    >>> found.table["id"].tolist(), found.joint.tolist()
    (['c'], [[2, 1], [0, 2]])
    """
    if has_role(np.atleast_1d(np.asarray(split, dtype=object)), "train").any():
        raise PredictionsError(
            "Label noise cannot be sought in training rows: the model remembers their labels.",
            fix="give held-out or cross-validated scores",
        )
    index, score = probability_codes(y_true, y_score, classes)
    sure, thresholds = confident_class(index, score)
    n, k = score.shape
    rows = np.flatnonzero((sure >= 0) & (sure != index))
    joint = np.zeros((k, k), dtype=np.int64)
    np.add.at(joint, (index[sure >= 0], sure[sure >= 0]), 1)
    names = np.array(class_names(y_true, classes, k), dtype=object)
    group, groups = groups_of(sensitive_features, n)
    lookup = np.array([*groups, "missing" if groups else ""], dtype=object)
    given = np.arange(n) if ids is None else np.asarray(ids, dtype=object)
    margin = score[rows, sure[rows]] - score[rows, index[rows]]
    table = pd.DataFrame(
        {
            "row": rows,
            "id": given[rows],
            "group": lookup[group[rows]],
            "label": names[index[rows]],
            "suggested": names[sure[rows]],
            "margin": margin,
        }
    ).sort_values("margin", ascending=False, kind="stable", ignore_index=True)
    suspect = np.zeros(n, dtype=bool)
    suspect[rows] = True
    masks = [("overall", np.ones(n, dtype=bool)), *((str(g), group == i) for i, g in enumerate(groups))]
    if groups and (group < 0).any():
        masks.append(("missing", group < 0))
    counts = pd.DataFrame(
        [(name, int(mask.sum()), int(suspect[mask].sum())) for name, mask in masks], columns=["group", "n", "suspects"]
    )
    low, high = wilson_interval(counts["suspects"], counts["n"])
    by_group = counts.assign(share=ratio_of(counts["suspects"], counts["n"]), low=low, high=high)
    return LabelSuspects(table, by_group, joint, thresholds)


@of_scores("Label noise suspects (share)", best="low", source="Northcutt, Jiang and Chuang, JAIR 2021")
def label_suspect_share(y_true: IntArray, y_score: FloatArray) -> Made:
    """Share of rows whose label may be wrong, in [0, 1]: ``mean of [confident class exists and is not the label]``.

    0 is best; see `label_suspects` for what this does not say, and its source. Scores must be held out.

    >>> round(label_suspect_share([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.9, 0.8, 0.9, 0.7]).value, 3)
    0.167
    """
    sure, _ = confident_class(y_true, y_score)
    suspect = (sure >= 0) & (sure != y_true)
    return Shares({"label_suspect_share": (suspect, np.ones_like(suspect))})


METRICS: tuple[MetricInfo, ...] = (label_suspect_share.info,)
"""Records of the metrics above."""
