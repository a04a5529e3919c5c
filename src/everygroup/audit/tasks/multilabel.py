"""Audit of several findings per image."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Unpack

from numpy.typing import ArrayLike

from everygroup.audit.driver import Features, Options, Task, rows_of, run
from everygroup.audit.flags import Flag
from everygroup.audit.partition import Partition
from everygroup.audit.result import Audit
from everygroup.errors import PredictionsError
from everygroup.metrics.families import Array, Family
from everygroup.metrics.labels import LabelTable, answers, label_names, label_table
from everygroup.metrics.multilabel import LabelAuc, LabelRates, every_label_right
from everygroup.metrics.rates import ratio_of


def audit_multilabel(
    y_true: ArrayLike,
    y_score: ArrayLike | None = None,
    *,
    y_pred: ArrayLike | None = None,
    sensitive_features: Features,
    cluster: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
    threshold: ArrayLike = 0.5,
    baseline: ArrayLike | None = None,
    by_label: bool = True,
    **options: Unpack[Options],
) -> Audit:
    """Measure several findings per image in every group; unknown labels are left out of their label and counted.

    Means over labels of recall, precision, F1, specificity and AUC, `subset_accuracy` (of samples with every label
    known), `hamming_loss`, and recall, precision, F1, specificity and AUC of every label, written ``recall[edema]``.
    The shuffles behind p keep the label fixed for its recall, specificity and AUC and the answer for its precision;
    they are free for the others, so that a label's different prevalence can make p of a mean over labels, or of an F1,
    small.

    Parameters
    ----------
    y_true : (n, L) of 1, 0 and NaN where unknown.
    y_score : (n, L) finite numbers; without them there is no AUC.
    y_pred : (n, L) of 0 and 1; whether the score reaches `threshold` when not given.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient of every sample.
    labels : L names; the columns of a DataFrame when not given.
    threshold : one number, or one per label.
    baseline : (n, L) of another model: scores where `y_score` is given, else answers; gives `Audit.comparison`.
    by_label : whether every label gets rows of its own.
    **options : of `everygroup.audit.audit`: n_boot, seed, min_n, attributes, stratify, interval, intersections,
        data_set, method, run_seed.

    Raises
    ------
    PredictionsError
        For tables that do not fit together or hold other values; names row and label.

    Examples
    --------
    >>> y, answer = [[1, 0], [0, 1]] * 20, [[1, 0], [0, 1]] * 10 + [[1, 1], [0, 0]] * 10
    >>> sex = {"sex": ["f"] * 20 + ["m"] * 20}
    >>> result = audit_multilabel(y, y_pred=answer, labels=["edema", "mass"], sensitive_features=sex, n_boot=99)
    >>> result.value("sex", "gap", "recall[edema]"), result.value("sex", "gap", "recall[mass]")
    (0.0, 1.0)
    """
    names = label_names(y_true, labels)
    if y_score is None and y_pred is None:
        raise PredictionsError("There are neither y_score nor y_pred.", fix="give at least one of them")

    def answered(given: ArrayLike) -> tuple[Array | None, ArrayLike]:
        if y_score is None:
            return None, given
        score, pred = answers(given, n_labels=len(names), threshold=threshold)
        return score, pred

    def families(score: Array | None, pred: ArrayLike) -> tuple[LabelTable, Callable[[Partition], list[Family]]]:
        table = label_table(y_true, pred, labels=names)
        made: list[Family] = [LabelRates(table, by_label=by_label), every_label_right(table)]
        if score is not None:
            made.append(LabelAuc(table, score, by_label=by_label))
        return table, lambda part: made

    score, pred = answered(y_score) if y_score is not None else (None, y_pred)
    assert pred is not None
    table, ours = families(score, pred if y_pred is None else y_pred)
    samples = rows_of(len(table), sensitive_features, cluster)
    theirs = None
    if baseline is not None:
        theirs = families(*answered(baseline))[1]
    unknown = (~table.known).sum(axis=0)
    flags = [
        Flag("note", f"{name}: {n} of {len(table)} samples have no known label; they are left out of its numbers.")
        for name, n in zip(names, unknown.tolist(), strict=True)
        if n
    ]
    shares = ratio_of((table.pred & table.known).sum(axis=0), table.known.sum(axis=0))
    flags += [
        Flag("caution", f"{name}: every sample is answered {int(shares[k])}, so its gaps of 0 show nothing.")
        for k, name in enumerate(names)
        if shares[k] in (0.0, 1.0)
    ]
    if score is None:
        flags.append(Flag("note", "There are no scores, so AUC is left out."))
    return run(
        Task(
            "multilabel",
            samples,
            ours,
            headline="label_macro_f1",
            baseline=theirs,
            crossed=[LabelRates(table)],
            causes={f"auc[{name}]": f"the score of {name} is probably that of its absence" for name in names},
            flags=flags,
            settings={
                "labels": list(names),
                "n_unknown": dict(zip(names, unknown.tolist(), strict=True)),
            },
        ),
        options,
    )
