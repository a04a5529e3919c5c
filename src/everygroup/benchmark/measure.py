"""Long rows of a job's predictions: per part, attribute, group and metric a value and its n."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from everygroup.metrics import auc, macro_f1, macro_precision, macro_recall
from everygroup.predictions import Predictions

METRICS = ("macro_precision", "macro_recall", "macro_f1", "auc")
COLUMNS = ("part", "attribute", "group", "metric", "value", "n")


def long_rows(predictions: Predictions, attribute: str) -> pd.DataFrame:
    """Measure everybody ('overall'), every group, and those whose group is missing ('missing', left out of gaps).

    Macro averages skip classes that a group does not have; an undefined value is NaN.

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
            for metric, value in _values(here.y_true[mask], here.y_pred[mask], here.y_score[mask]).items():
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
