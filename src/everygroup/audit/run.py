"""The audit: from predictions to all group-wise numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from everygroup.audit.attribute import (
    Plan,
    attribute_flags,
    attribute_rows,
    cell_rows,
    chance_flags,
    measure,
    overall_values,
)
from everygroup.audit.comparison import compare, pair
from everygroup.audit.evaluate import Convention, Sample
from everygroup.audit.partition import partitions
from everygroup.audit.result import CELL_COLUMNS, COLUMNS, COMPARISON_COLUMNS, Audit
from everygroup.errors import PredictionsError, SettingsError
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index


def audit(
    predictions: Predictions,
    *,
    baseline: Predictions | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    min_n: int = 10,
    attributes: Sequence[str] | None = None,
    convention: Convention = "skip",
    stratify: bool = True,
    data_set: str = "",
    method: str = "",
    run_seed: int | None = None,
) -> Audit:
    """Measure a model's performance in every group, the gaps between them, and how certain all this is.

    Parameters
    ----------
    predictions : rows whose y_true is known are used.
    baseline : answers of another model for the same samples (paired by id); gives `Audit.comparison`.
    n_boot : bootstrap replicates of the clusters (patients), and shuffles of the permutation null.
    seed : of both.
    min_n : smaller groups are shown, noted as too small, and left out of gaps; so are groups of one patient or lesion.
    attributes : which to audit: 'group' is the grouping used in training; all by default.
    convention : 'skip' leaves undefined rates and absent classes out of macro averages, 'lab' counts them as 0 like
        the code behind the SPARE tables.
    stratify : whether every replicate keeps each group's number of clusters.
    data_set, method, run_seed : what to write in the columns data_set, method (the model's name by default) and seed.

    Returns
    -------
    Audit

    Raises
    ------
    PredictionsError
        Without known labels or sensitive attributes, or when the baseline does not fit.
    """
    if n_boot < 1 or min_n < 1 or seed < 0:
        raise SettingsError(
            f"n_boot is {n_boot}, min_n {min_n} and seed {seed}.", fix="give at least 1, 1 and 0 for them"
        )
    known = predictions.y_true >= 0
    if not known.any():
        raise PredictionsError(
            "No sample has a known label (y_true), so nothing can be measured.", fix="name the label with --y-true"
        )
    flags = _general_flags(predictions, known)
    used = predictions.where(known)
    parts, notes = partitions(used, None if attributes is None else tuple(attributes), min_n=min_n)
    flags += notes
    if not parts:
        raise PredictionsError(
            "There is no sensitive attribute to audit.",
            fix="; ".join(notes) or "name at least one column with --group",
        )
    plan = Plan(n_boot, seed, min_n, convention, stratify)
    score = used.y_score if used.has_scores else None
    sample = Sample(used.y_true, used.y_pred, score, len(used.classes))
    cluster = cluster_index(used.units.astype(str))
    matched = None if baseline is None else pair(used, baseline)
    flags += matched[3] if matched else []

    rows: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    overall: dict[str, tuple[float, float, float]] = {}
    for part in parts:
        m = measure(sample, part, cluster, plan)
        overall = overall or overall_values(m, sample.metrics)
        rows += attribute_rows(m, sample, overall)
        cells += cell_rows(m, sample, used.classes)
        flags += attribute_flags(m, sample, used.classes) + chance_flags(m)
        if matched:
            new, levelled = compare(m, matched[0], matched[1], matched[2], cluster, plan)
            changes += new
            flags += levelled
    names = {"data_set": data_set, "method": method or _model_name(predictions), "seed": run_seed}
    table = pd.DataFrame(rows).assign(**names)[list(COLUMNS)].astype({"n_positive": "Int64", "seed": "Int64"})
    comparison = pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    if baseline is not None:
        with_names = pd.DataFrame(changes).assign(**names, baseline=_model_name(baseline) or "baseline")
        comparison = with_names[list(COMPARISON_COLUMNS)].astype({"seed": "Int64"})
    settings = {
        "n_boot": n_boot,
        "seed": seed,
        "min_n": min_n,
        "convention": convention,
        "stratify": stratify,
        "interval": "95 % percentile, clusters resampled",
        "n": int(known.sum()),
        "n_clusters": int(cluster.max()) + 1,
        "classes": list(used.classes),
    }
    by_cell = pd.DataFrame(cells).assign(**names)[list(CELL_COLUMNS)].astype({"seed": "Int64"})
    return Audit(table, comparison, by_cell, tuple(dict.fromkeys(flags)), settings)


def audit_arrays(
    y_true: ArrayLike,
    *,
    y_pred: ArrayLike | None = None,
    y_score: ArrayLike | None = None,
    sensitive_features: Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike,
    cluster: ArrayLike | None = None,
    classes: Sequence[Any] | None = None,
    **options: Any,
) -> Audit:
    """Audit arrays.

    Parameters
    ----------
    y_true : (n,) labels; y_pred : (n,) answers and/or y_score : (n, K) probabilities.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient or lesion of every sample.
    classes : class names in the order of the scores.
    **options : of `audit`.
    """
    predictions = Predictions.from_arrays(
        y_true, y_score, y_pred=y_pred, classes=classes, sensitive_features=sensitive_features, units=cluster
    )
    return audit(predictions, **options)


def _general_flags(predictions: Predictions, known: np.ndarray) -> list[str]:
    """What to heed before looking at any group."""
    flags = []
    if not known.all():
        flags.append(f"{int((~known).sum())} of {len(predictions)} samples have no known label and are left out.")
    splits = sorted({s for s in predictions.table["split"] if s})
    if len(splits) > 1:
        flags.append(f"The rows mix the splits {', '.join(splits)}; choose one to measure what the model has not seen.")
    elif splits == ["train"]:
        flags.append("These are the training samples: the numbers say nothing about new patients.")
    if not predictions.has_scores:
        flags.append("There are no scores, so AUC is left out.")
    return flags


def _model_name(predictions: Predictions) -> str:
    return " + ".join(sorted({m for m in predictions.table["model"] if m}))
