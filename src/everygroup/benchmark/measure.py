"""Long rows of a job's predictions: per part, attribute, group and metric a value and its n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from everygroup.metrics import auc, macro_f1, macro_precision, macro_recall, metric_info
from everygroup.predictions import Predictions

METRICS = ("macro_precision", "macro_recall", "macro_f1", "auc")
COLUMNS = ("part", "attribute", "group", "metric", "value", "n")


def long_rows(predictions: Predictions, attribute: str, own: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure everybody ('overall'), every group, and those whose group is missing ('missing', left out of gaps).

    Macro averages skip classes that a group does not have; an undefined value is NaN.

    Parameters
    ----------
    own : metrics to measure instead of `METRICS`: those of imported files, by name.

    Returns
    -------
    DataFrame
        Columns part, attribute, group, metric, value, n.
    """
    rows: list[dict[str, Any]] = []
    for part in dict.fromkeys(predictions.table["split"]):
        here = predictions.of_split(part)
        masks = {"overall": np.ones(len(here), dtype=bool)}
        masks |= {name: here.group == g for g, name in enumerate(here.groups)}
        if (here.group < 0).any():
            masks["missing"] = here.group < 0
        for group, mask in masks.items():
            answers = here.y_true[mask], here.y_pred[mask], here.y_score[mask]
            for metric, value in (_values(*answers) if own is None else _own_values(own, *answers)).items():
                rows.append(
                    {
                        "part": part,
                        "attribute": attribute,
                        "group": group,
                        "metric": metric,
                        "value": value,
                        "n": int(mask.sum()),
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _values(y_true: np.ndarray, y_pred: np.ndarray, y_score: np.ndarray) -> dict[str, float]:
    if not len(y_true):
        return dict.fromkeys(METRICS, float("nan"))
    classes = range(y_score.shape[1])
    return {
        "macro_precision": float(macro_precision(y_true, y_pred, classes=classes)),
        "macro_recall": float(macro_recall(y_true, y_pred, classes=classes)),
        "macro_f1": float(macro_f1(y_true, y_pred, classes=classes)),
        "auc": float(auc(y_true, y_score, classes=classes)),
    }


def _own_values(names: Sequence[str], y_true: np.ndarray, y_pred: np.ndarray, y_score: np.ndarray) -> dict[str, float]:
    if not len(y_true):
        return dict.fromkeys(names, float("nan"))
    infos, classes = [metric_info(name) for name in names], range(y_score.shape[1])
    given = {"y_pred": y_pred, "y_score": y_score}
    return {i.name: float(i.function(y_true, given[i.requires], classes=classes)) for i in infos}
