"""The audit: from predictions to all group-wise numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from everygroup.audit.attribute import cell_rows
from everygroup.audit.choice import Answers, Metrics, choose, families_of
from everygroup.audit.collect import Collector
from everygroup.audit.comparison import compare, pair
from everygroup.audit.criteria import Judged, expectation
from everygroup.audit.curves import curve_rows
from everygroup.audit.engine import Plan
from everygroup.audit.flags import CHANCE_P, Flag, below_chance_flags, class_flags, general_flags
from everygroup.audit.intersections import intersection_rows
from everygroup.audit.measurement import measure
from everygroup.audit.partition import crossable, partitions
from everygroup.audit.result import Audit
from everygroup.audit.score_families import LOSSES
from everygroup.audit.sources import source_rows
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.classification import Classification, Convention
from everygroup.metrics.families import Family
from everygroup.predictions import Predictions


def audit(
    predictions: Predictions,
    *,
    baseline: Predictions | None = None,
    embeddings: ArrayLike | None = None,
    calibration: Predictions | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    min_n: int = 10,
    attributes: Sequence[str] | None = None,
    convention: Convention = "skip",
    stratify: bool = True,
    metrics: Metrics = "standard",
    critical: Sequence[str] = (),
    interval: Literal["auto", "percentile"] = "auto",
    intersections: int = 0,
    data_set: str = "",
    method: str = "",
    run_seed: int | None = None,
) -> Audit:
    """Measure a model's performance in every group, the gaps between them, and how certain all this is.

    Parameters
    ----------
    predictions : rows whose y_true is known are used.
    baseline : answers of another model for the same samples (paired by id); gives `Audit.comparison`.
    embeddings : (n, d) features of the rows of `predictions`, to see in `Audit.sources` whether groups can be told from
        them.
    calibration : other rows of the same model, such as those of the split 'validation', to set the size of 90 %
        prediction sets on, whose coverage by group is then in `Audit.sources`.
    n_boot : bootstrap replicates of the clusters (patients), and shuffles of the permutation null.
    seed : of both.
    min_n : smaller groups are shown, noted as too small, and left out of gaps; so are groups of one patient or lesion.
    attributes : which to audit: 'group' is the grouping used in training; all by default.
    convention : 'skip' leaves undefined rates and absent classes out of macro averages, 'lab' counts them as 0 like
        the code behind the SPARE tables.
    stratify : whether every replicate keeps each group's number of clusters.
    metrics : what to show: 'standard' (with two classes sensitivity, specificity and predictive values of the second,
        which is the positive one; with more the balanced accuracy and the recall of the critical classes), 'all' (with
        every rate of every class), or names such as 'macro_f1', 'ece', 'recall' (of the positive class, or of every
        one of more than two) and 'recall[melanoma]'. The first leads, or the recall of the first critical class.
    critical : classes whose recall matters most, such as a cancer among several lesions.
    interval : 'auto' gives Wilson's interval to proportions, BCa to other values, and folded simultaneous intervals to
        gaps; 'percentile' the bootstrap percentile interval to everything.
    intersections : audit all subgroups of up to this many attributes; 0 leaves them out.
    data_set, method, run_seed : what to write in the columns data_set, method (the model's name by default) and seed.

    Returns
    -------
    Audit

    Raises
    ------
    SettingsError
        For an unknown metric, interval or convention, or a number that is too small.
    PredictionsError
        Without known labels or sensitive attributes, or when the baseline, `embeddings` or `calibration` do not fit.
    """
    if n_boot < 1 or min_n < 1 or seed < 0 or intersections < 0:
        raise SettingsError(
            f"n_boot is {n_boot}, min_n {min_n}, seed {seed} and intersections {intersections}.",
            fix="give at least 1, 1, 0 and 0 for them",
        )
    if convention not in get_args(Convention):
        raise SettingsError(
            f"The convention {convention!r} is unknown.", fix=f"choose {' or '.join(get_args(Convention))}"
        )
    plan = Plan(n_boot, seed, min_n, stratify, interval)
    known = predictions.y_true >= 0
    if not known.any():
        raise PredictionsError(
            "No sample has a known label (y_true), so nothing can be measured.", fix="name the label with --y-true"
        )
    if embeddings is not None:
        if np.ndim(embeddings) == 0 or np.shape(embeddings)[0] != known.size:
            raise PredictionsError(
                f"embeddings has {len(np.atleast_1d(np.asarray(embeddings)))} rows but there are {known.size} samples.",
                fix="give the features of the same rows, in the same order",
            )
        embeddings = np.asarray(embeddings)[known]
    if calibration is not None and calibration.classes != predictions.classes:
        raise PredictionsError(
            f"The classes of the calibration rows are {', '.join(calibration.classes)}, those of the predictions "
            f"{', '.join(predictions.classes)}.",
            fix="give rows of the same model",
        )
    flags = general_flags(predictions, known)
    used = predictions if known.all() else predictions.where(known)
    cluster = used.unit_index
    parts, notes = partitions(used, None if attributes is None else tuple(attributes), cluster, min_n=min_n)
    flags += [Flag("caution", note) for note in notes]
    if not parts:
        raise PredictionsError(
            "There is no sensitive attribute to audit.",
            fix="; ".join(notes) or "name at least one column with --group",
        )
    scored = used.has_scores
    answers = Answers(used.y_true, used.y_pred, used.y_score if scored else None, len(used.classes))
    figures = choose(metrics, used.classes, scores=scored, critical=critical)
    # measured once for all tables: what is shown, the recall of every cell, and what the criteria and sources rest on
    judged = Judged.of(used.classes, scored=scored)
    more = [*(f"recall[{c}]" for c in used.classes), *judged.counted, *(LOSSES if scored else ())]
    everything = tuple(dict.fromkeys([*figures.shown, *more]))
    measured = [
        *families_of(answers, used.classes, everything, convention=convention),
        *expectation(answers.y_true, answers.y_score, used.classes),
    ]
    matched = None if baseline is None else pair(used, baseline)
    collector = Collector(
        plan,
        headline=figures.headline,
        shown=figures.shown,
        data_set=data_set,
        method=method or _model_name(predictions),
        seed=run_seed,
        baseline="" if baseline is None else _model_name(baseline) or "baseline",
    )
    collector.flags += [*flags, *(matched[3] if matched else [])]

    def both(a: Answers) -> list[Family]:
        return families_of(a, used.classes, figures.shown, convention=convention)

    clear: set[str] = set()
    for part in parts:
        m = measure(measured, part, cluster, plan, label=used.y_true)
        positives = None
        if len(used.classes) == 2:
            positives = np.bincount(part.slot[used.y_true == 1], minlength=len(part.names)).astype(np.int64)
        by_class = class_flags(m, used.y_true, used.y_pred, used.classes, figures.shown, counted=convention == "lab")
        collector.flags += below_chance_flags(m, used.classes)
        clear |= {metric for metric in figures.shown if m.p.get(metric, 1.0) <= CHANCE_P}
        collector.add(m, positives=positives, class_flags=by_class)
        collector.extend("cells", cell_rows(m, used.y_true, used.classes))
        collector.extend("curves", curve_rows(used, part))
        collector.extend(
            "sources", source_rows(used, part, embeddings=embeddings, calibration=calibration, plan=plan, measured=m)
        )
        verdicts, conflicts = judged.rows(m)
        collector.extend("criteria", verdicts)
        collector.flags += conflicts
        if matched:
            rows, levelled = compare(m, matched[0], matched[1], matched[2], cluster, both)
            collector.extend("comparison", rows)
            collector.flags += levelled
    if intersections:
        subgroups, hidden = intersection_rows(
            Classification(
                answers.y_true, answers.y_pred, used.classes, convention=convention, metrics=figures.crossed
            ),
            crossable(parts),
            cluster,
            plan,
            order=intersections,
            label=used.y_true,
            positive=used.y_true if len(used.classes) == 2 else None,
            clear=clear,
        )
        collector.extend("intersections", subgroups)
        collector.flags += hidden
    return collector.finish(
        {
            "task": "classification",
            "positive": figures.positive,
            "critical": list(figures.critical),
            "convention": convention,
            "n": int(known.sum()),
            "n_clusters": int(cluster.max()) + 1,
            "classes": list(used.classes),
        }
    )


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


def _model_name(predictions: Predictions) -> str:
    return " + ".join(sorted({m for m in predictions.table["model"].unique() if m}))
