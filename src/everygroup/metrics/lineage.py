"""Multi-class equal opportunity and equalized odds, in every variant that published tables use.

The names 'EOpp0', 'EOpp1' and 'EOdds' mean different sums in different papers and their code; the variant is part of
the metric. TPR, TNR and FPR are one-vs-rest rates of class k; d is the difference between two groups.

=========  ===================  ===================  =================================
variant    EOpp0                EOpp1                EOdds
=========  ===================  ===================  =================================
lab        mean_k abs(dTNR_k)   mean_k abs(dTPR_k)   mean_k abs(dTPR_k + dFPR_k)/2
sum        sum_k abs(dTNR_k)    sum_k abs(dTPR_k)    sum_k abs(dTPR_k + dFPR_k)
fairadabn  mean_k abs(dTNR_k)   mean_k abs(dTPR_k)   mean_k abs(dTPR_k + dTNR_k)
strict     mean_k abs(dTNR_k)   mean_k abs(dTPR_k)   mean_k (abs(dTPR_k)+abs(dFPR_k))/2
max        max_k abs(dTNR_k)    max_k abs(dTPR_k)    max_k max(abs(dTPR_k), abs(dFPR_k))
=========  ===================  ===================  =================================

'lab' is the code behind the SPARE tables (also FairMoE, FairQuantize, SCP-FairPrune), with K the largest label + 1;
'sum' the form printed in FairPrune (Wu et al., MICCAI 2022); 'fairadabn' the code of FairAdaBN (Xu et al., MICCAI
2023). In 'lab', 'sum' and 'fairadabn' the sum inside EOdds is signed, so that opposite gaps cancel, and 0/0 is 0; in
'strict' and 'max' nothing cancels, and a class whose rate is 0/0 in a group is left out and counted.

>>> y, groups = [0, 0, 1, 1, 2, 2] * 2, ["a"] * 6 + ["b"] * 6
>>> y_pred = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
>>> [round(gap(y, y_pred, sensitive_features=groups).value, 6) for gap in (eopp0, eopp1, eodds)]
[0.25, 0.5, 0.291667]
>>> eodds(y, y_pred, sensitive_features=groups, variant="strict").value  # dTPR = 0.1 and dFPR = -0.1 do not cancel
0.375
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError
from everygroup.metrics.confusion import OneVsRest
from everygroup.metrics.define import grouped_counts
from everygroup.metrics.info import INF, MetricInfo, Told, record
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import average_rate, class_rates, max_defined, mean_defined, undefined_rates

Array = NDArray[np.float64]
Name = Literal["eopp0", "eopp1", "eodds"]
Variant = Literal["lab", "sum", "fairadabn", "strict", "max"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
_ZERO_IS_ZERO = ("lab", "sum", "fairadabn")

_ODDS_TERMS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "lab": lambda tpr, fpr, tnr: np.abs(tpr + fpr) / 2,
    "sum": lambda tpr, fpr, tnr: np.abs(tpr + fpr),
    "fairadabn": lambda tpr, fpr, tnr: np.abs(tpr + tnr),
    "strict": lambda tpr, fpr, tnr: (np.abs(tpr) + np.abs(fpr)) / 2,
    "max": lambda tpr, fpr, tnr: np.maximum(np.abs(tpr), np.abs(fpr)),
}


def lineage_gap(
    counts: OneVsRest,
    name: Name,
    *,
    variant: Variant = "lab",
    pairs: Literal["max", "mean"] = "max",
    zero_division: float | None = None,
) -> Array:
    """Gap (...,) from one-vs-rest counts (..., G, K) of G groups.

    Parameters
    ----------
    variant : see the table above.
    pairs : with more than two groups, the largest or the mean term over the pairs of groups, class by class, before
        the classes are put together.
    zero_division : value of 0/0; by default 0 for 'lab', 'sum' and 'fairadabn', NaN for 'strict' and 'max'.

    Returns
    -------
    NaN with fewer than two groups, or where no class is defined. Range 0..1; 'sum' 0..K (EOdds 0..2K); EOdds of
    'fairadabn' 0..2.

    >>> from everygroup.metrics import one_vs_rest
    >>> better, worse = [[9, 1], [1, 9]], [[8, 2], [2, 8]]
    >>> two_groups = one_vs_rest([better, worse])
    >>> [float(lineage_gap(two_groups, "eodds", variant=v).round(6)) for v in ("lab", "strict")]  # the first cancels
    [0.0, 0.1]
    """
    if variant not in VARIANTS:
        raise SettingsError(f"Unknown variant {variant!r} of {name}.", fix=f"choose one of {', '.join(VARIANTS)}")
    if zero_division is None:
        zero_division = 0.0 if variant in _ZERO_IS_ZERO else np.nan
    n_groups = counts.tp.shape[-2]
    if n_groups < 2:
        return np.full(counts.tp.shape[:-2], np.nan)
    rates = {r: class_rates(counts, r, zero_division=zero_division) for r in ("tpr", "tnr", "fpr")}
    terms = []
    for a, b in combinations(range(n_groups), 2):
        d = {r: values[..., a, :] - values[..., b, :] for r, values in rates.items()}
        if name == "eodds":
            terms.append(_ODDS_TERMS[variant](d["tpr"], d["fpr"], d["tnr"]))
        else:
            terms.append(np.abs(d["tnr" if name == "eopp0" else "tpr"]))
    stacked = np.stack(terms)
    per_class = max_defined(stacked, axis=0) if pairs == "max" else mean_defined(stacked, axis=0)
    if variant == "max":
        return max_defined(per_class)
    mean = mean_defined(per_class)
    if variant == "sum":
        return np.asarray(np.where(np.isnan(mean), np.nan, np.nansum(per_class, axis=-1)))
    return mean


def _up_to_largest(y_true: ArrayLike, y_pred: ArrayLike) -> Sequence[Hashable] | None:
    """0..K-1 for labels that are such numbers: the released code also counts classes that nowhere occur, as 0."""
    labels = np.concatenate([np.ravel(y_true), np.ravel(y_pred)])
    if not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        return None
    return range(int(labels.max(initial=-1)) + 1)


@dataclass(frozen=True)
class LineageGap:
    """One of the three gaps, ``gap(y_true, y_pred, *, sensitive_features, ...) -> Measured``; 0 is equal.

    `per_group` is the group's mean true negative rate (EOpp0) or true positive rate. With many classes the chance level
    is most of the value: see `everygroup.metrics.chance_level`.
    """

    name: Name

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike,
        classes: Sequence[Hashable] | None = None,
        variant: Variant = "lab",
        pairs: Literal["max", "mean"] = "max",
        zero_division: float | None = None,
    ) -> Measured:
        """Measure it; options as in `lineage_gap`."""
        name = self.name
        if classes is None and variant == "lab":
            classes = _up_to_largest(y_true, y_pred)
        _, by_group, groups, n_missing = grouped_counts(y_true, y_pred, sensitive_features, classes)
        value = lineage_gap(by_group, name, variant=variant, pairs=pairs, zero_division=zero_division)
        used = {"eopp0": ("tnr",), "eopp1": ("tpr",), "eodds": ("tpr", "fpr")}[name]
        undefined = sum(int(undefined_rates(by_group, r).sum()) for r in used)
        shown, sizes = average_rate(by_group, used[0]), by_group.n[..., 0]
        return Measured.of(value, groups, shown, sizes, n_missing=n_missing, n_undefined=undefined)


eopp0, eopp1, eodds = LineageGap("eopp0"), LineageGap("eopp1"), LineageGap("eodds")

_SOURCES = {
    "lab": "public code of FairMoE, FairQuantize and SCP-FairPrune; scale of the SPARE tables",
    "sum": "Wu et al., FairPrune, MICCAI 2022",
    "fairadabn": "public code of FairAdaBN, Xu et al., MICCAI 2023",
    "strict": "everygroup: no cancelling, 0/0 left out",
    "max": "everygroup: largest term over classes",
}


def _info(title: str, gap: LineageGap, variant: Variant) -> MetricInfo:
    name, measured = f"{title.lower()}_{variant}", partial(gap, variant=variant)
    high = INF if variant == "sum" else 2.0 if name == "eodds_fairadabn" else 1.0
    told: Told = {"kind": "gap", "high": high, "null": "label", "source": _SOURCES[variant]}
    return record(name, f"{title} ({variant})", measured, requires="y_pred", **told)


METRICS: tuple[MetricInfo, ...] = tuple(
    _info(title, gap, variant)
    for title, gap in (("EOpp0", eopp0), ("EOpp1", eopp1), ("EOdds", eodds))
    for variant in VARIANTS
)
"""Records of all variants."""
