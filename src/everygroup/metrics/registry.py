"""What every metric is: range, fair or best value, direction, inputs, source. The name carries the variant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from everygroup.errors import SettingsError
from everygroup.metrics import lineage, performance, ranking
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured

_METRICS: dict[str, MetricInfo] = {}


def _performance(
    name: str,
    title: str,
    function: Callable[..., Measured],
    *,
    null: Literal["label", "none"] = "none",
    requires: Literal["y_pred", "y_score"] = "y_pred",
    optimum: float = 1.0,
    source: str = "standard",
) -> None:
    _METRICS[name] = MetricInfo(
        name, title, "performance", 0.0, 1.0, optimum, optimum == 1.0, requires, null, source, function
    )


def _rate(name: str, title: str, *, null: Literal["label", "none"] = "none", optimum: float = 1.0) -> None:
    _performance(name, title, partial(performance.rate, name=name), null=null, optimum=optimum)


_performance("accuracy", "Accuracy", performance.accuracy)
_performance("balanced_accuracy", "Balanced accuracy", performance.balanced_accuracy, null="label")
_performance("macro_precision", "Precision (macro)", performance.macro_precision)
_performance("macro_recall", "Recall (macro)", performance.macro_recall, null="label")
_performance("macro_f1", "F1 (macro)", performance.macro_f1)
_performance(
    "auc",
    "AUC (macro, one-vs-rest)",
    ranking.auc,
    null="label",
    requires="y_score",
    source="Hanley and McNeil 1982; one-vs-rest: Provost and Domingos 2001",
)
_rate("tpr", "True positive rate", null="label")
_rate("tnr", "True negative rate", null="label")
_rate("fpr", "False positive rate", null="label", optimum=0.0)
_rate("fnr", "False negative rate", null="label", optimum=0.0)
_rate("ppv", "Positive predictive value")
_rate("npv", "Negative predictive value")

_SOURCES = {
    "lab": "public code of FairMoE, FairQuantize and SCP-FairPrune; scale of the SPARE tables",
    "sum": "Wu et al., FairPrune, MICCAI 2022",
    "fairadabn": "public code of FairAdaBN, Xu et al., MICCAI 2023",
    "strict": "everygroup: no cancelling, 0/0 left out",
    "max": "everygroup: largest term over classes",
}
_HIGH = {"sum": float("inf"), "fairadabn": 2.0}
_FUNCTIONS: dict[str, tuple[str, Callable[..., Measured]]] = {
    "eopp0": ("EOpp0", lineage.eopp0),
    "eopp1": ("EOpp1", lineage.eopp1),
    "eodds": ("EOdds", lineage.eodds),
}
for _name, (_title, _function) in _FUNCTIONS.items():
    for _variant, _source in _SOURCES.items():
        _full = f"{_name}_{_variant}"
        _high = _HIGH.get(_variant, 1.0) if _name == "eodds" or _variant == "sum" else 1.0
        _METRICS[_full] = MetricInfo(
            _full,
            f"{_title} ({_variant})",
            "gap",
            0.0,
            _high,
            0.0,
            False,
            "y_pred",
            "label",
            _source,
            partial(_function, variant=_variant),
        )


def list_metrics(kind: Literal["performance", "gap"] | None = None) -> list[str]:
    """Names of the registered metrics."""
    return [name for name, info in _METRICS.items() if kind is None or info.kind == kind]


def metric_info(name: str) -> MetricInfo:
    """Look up a metric.

    Raises
    ------
    SettingsError
        For an unknown name, with the nearest ones.
    """
    if name not in _METRICS:
        import difflib

        near = difflib.get_close_matches(name, _METRICS, n=3) or list(_METRICS)
        raise SettingsError(f"Unknown metric {name!r}.", fix=f"did you mean {', '.join(near)}?")
    return _METRICS[name]
