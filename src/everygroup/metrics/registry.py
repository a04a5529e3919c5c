"""Find any metric by name. Every metric file holds its records in a tuple `METRICS`; this collects them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import SettingsError
from everygroup.metrics._inputs import score_codes
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import SAME_RATE

MODULES = (
    "performance",
    "scores",
    "calibration",
    "recalibration",
    "uncertainty",
    "label_noise",
    "criteria",
    "lineage",
    "skin",
    "scaled",
    "pairwise",
    "regression",
    "segmentation",
    "surface",
    "reconstruction",
    "anomaly",
    "multilabel",
)
"""The files of this folder that hold metrics, in the order in which they are listed."""

_OF_CLASS = re.compile(r"(?P<base>[^\[\]]+)\[(?P<label>.+)\]")


_own: dict[str, MetricInfo] = {}
"""Metrics from outside this package."""


@cache
def _metrics() -> Mapping[str, MetricInfo]:
    """Every registered metric by name."""
    found: dict[str, MetricInfo] = {}
    for module in MODULES:
        for info in import_module(f"everygroup.metrics.{module}").METRICS:
            if info.name in found:
                raise RuntimeError(f"two metrics are named {info.name!r}")
            found[info.name] = info
    return MappingProxyType(found | _own)


def list_metrics(kind: Literal["performance", "gap"] | None = None) -> list[str]:
    """Names of the registered metrics.

    >>> [name for name in list_metrics("gap") if name.startswith("eopp1")]
    ['eopp1_lab', 'eopp1_sum', 'eopp1_fairadabn', 'eopp1_strict', 'eopp1_max']
    """
    return [name for name, info in _metrics().items() if kind is None or info.kind == kind]


ALIASES = {
    "tpr": "sensitivity",
    "recall": "sensitivity",
    "true_positive_rate": "sensitivity",
    "tnr": "specificity",
    "true_negative_rate": "specificity",
    "precision": "ppv",
    "positive_predictive_value": "ppv",
    "negative_predictive_value": "npv",
    "false_positive_rate": "fpr",
    "false_negative_rate": "fnr",
    "f1_score": "f1",
    "auroc": "auc",
    "roc_auc": "auc",
    "average_precision": "auprc",
    "ap": "auprc",
    "pr_auc": "auprc",
    "mcc": "matthews",
    "cohen_kappa": "kappa",
    "bacc": "balanced_accuracy",
    "acc": "accuracy",
    "log_loss": "nll",
    "brier_score": "brier",
    "jaccard": "iou",
}
"""What metrics are called elsewhere, and the names they have here."""


def canonical(name: str) -> str:
    """The name of a metric here, whatever it is called elsewhere; unknown names stay.

    >>> canonical("AUROC"), canonical("tpr"), canonical("wisdom")
    ('auc', 'sensitivity', 'wisdom')
    """
    return name if name in _metrics() else ALIASES.get(name.lower(), name)


def metric_info(name: str) -> MetricInfo:
    """Look up a metric.

    Parameters
    ----------
    name : a registered name, one used elsewhere (`ALIASES`), or ``rate[class]`` for the rate of one class against the
        rest, such as ``recall[melanoma]`` or ``auc[melanoma]``.

    Raises
    ------
    SettingsError
        For an unknown name, with the nearest ones.

    >>> metric_info("macro_f1").optimum
    1.0
    >>> info = metric_info("recall[melanoma]")
    >>> info.title
    'Recall of melanoma'
    >>> info.function(["nevus", "melanoma", "melanoma"], ["nevus", "nevus", "melanoma"]).value
    0.5
    """
    metrics = _metrics()
    if canonical(name) in metrics:
        return metrics[canonical(name)]
    one_class = _OF_CLASS.fullmatch(name)
    if one_class:
        return _of_class(one_class["base"], one_class["label"], name)
    import difflib

    near = difflib.get_close_matches(name, [*metrics, *ALIASES], n=3)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise SettingsError(f"Unknown metric {name!r}.", fix=f"{hint}`everygroup list metrics` names all")


@cache
def _of_one_class() -> Mapping[str, MetricInfo]:
    """Records of the metrics that have a form for one class only."""
    modules = (import_module(f"everygroup.metrics.{module}") for module in ("performance", "calibration"))
    return {info.name: info for module in modules for info in module.ONE_CLASS}


def enter(found: Iterable[MetricInfo]) -> None:
    """Take metrics from outside this package into the registry (see `everygroup.metrics.own`).

    Raises
    ------
    SettingsError
        Where one has the name of a metric of this package, or one by which such a metric is known elsewhere.
    """
    records = list(found)
    taken = [
        info.name for info in records if info.name in ALIASES or (info.name in _metrics() and info.name not in _own)
    ]
    if taken:
        raise SettingsError(f"There is a metric called {', '.join(taken)} already.", fix="name yours apart")
    _own.update({info.name: info for info in records})
    _metrics.cache_clear()


def own_metrics() -> dict[str, MetricInfo]:
    """Metrics from outside this package, by name."""
    return dict(_own)


def _of_class(base: str, label: str, name: str) -> MetricInfo:
    """Return the record of a metric of one class against the rest."""
    rates = _of_one_class()
    base = SAME_RATE.get(base, base)
    info = rates[base] if base in rates else metric_info(base)
    if base not in rates and (info.requires, info.kind) != ("y_score", "performance"):
        raise SettingsError(
            f"{base} has no form for one class.", fix=f"of one class there are {', '.join(rates)} and auc"
        )
    title = re.sub(r" \(macro.*\)$", "", info.title)
    function = partial(_against_the_rest, info=info, label=label)
    return replace(info, name=name, title=f"{title} of {label}", function=function)


def _against_the_rest(
    y_true: ArrayLike,
    answers: ArrayLike,
    *,
    info: MetricInfo,
    label: str,
    classes: Sequence[Hashable] | None = None,
    **options: object,
) -> Measured:
    """Measure one class, named as text; the rate of a class that nowhere occurs is undefined."""
    if info.requires == "y_score":
        names = list(classes) if classes is not None else sorted(set(np.ravel(y_true).tolist()))
        at = [str(c) for c in names].index(label) if label in map(str, names) else None
        if at is None:
            raise SettingsError(f"Unknown class {label!r}.", fix=f"classes: {', '.join(map(str, names))}")
        index, score = score_codes(y_true, answers, names)
        return info.function((index == at).astype(int), score[:, at], **options)
    found = sorted({*np.ravel(y_true).tolist(), *np.ravel(answers).tolist()})
    names = list(classes) if classes is not None else [*found, *([] if label in map(str, found) else [label])]
    positive = next((c for c in names if str(c) == label), label)
    return info.function(y_true, answers, positive=positive, classes=names, **options)
