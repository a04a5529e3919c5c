"""Gap measures of the skin-image literature: PQD, DPM, EOM, NAR, and the one-vs-rest accuracy gap.

With acc_g the accuracy of group g, and ratios and means over the classes k:

===================  ====================================================  =======  =================================
name                 formula                                               fair     source
===================  ====================================================  =======  =================================
`pqd`                min_g acc_g / max_g acc_g                             1        Du et al., FairDisCo, ECCV-W 2022
`dpm`                mean_k min_g P(y_pred=k|g) / max_g P(y_pred=k|g)      1        Du et al., FairDisCo, ECCV-W 2022
`eom`                mean_k min_g TPR_k^g / max_g TPR_k^g                  1        Du et al., FairDisCo, ECCV-W 2022
`nar`                (max_g acc_g - min_g acc_g) / mean_g acc_g            0        Pakzad et al., CIRCLe, ECCV-W 2022
`ovr_accuracy_gap`   mean_k (max_g acc_k^g - min_g acc_k^g)                0        'SPD' in the code of FairQuantize
===================  ====================================================  =======  =================================

acc_k is the accuracy of class k against the rest, (TP + TN)/n: FairQuantize's 'SPD' is no statistical parity
difference. A class whose ratio is undefined (0/0: never answered, or absent from a group) is left out and counted;
the public code of FairDisCo gives NaN there, or drops it silently.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.metrics.confusion import OneVsRest
from everygroup.metrics.disparity import difference, normalised_range, ratio
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.performance import grouped_counts
from everygroup.metrics.rates import accuracy_of, class_rates, mean_defined

Array = NDArray[np.float64]


def _over_groups(disparity: Callable[[ArrayLike], Array], rates: Array) -> Array:
    """Mean over the defined classes of a disparity of the groups: (...,) from (..., G, K)."""
    return mean_defined(disparity(np.moveaxis(rates, -2, -1)))


GAPS: dict[str, Callable[[OneVsRest], Array]] = {
    "pqd": lambda c: ratio(accuracy_of(c)),
    "dpm": lambda c: _over_groups(ratio, class_rates(c, "selection_rate")),
    "eom": lambda c: _over_groups(ratio, class_rates(c, "tpr")),
    "nar": lambda c: normalised_range(accuracy_of(c)),
    "ovr_accuracy_gap": lambda c: _over_groups(difference, class_rates(c, "ovr_accuracy")),
}
"""Every gap (...,) from one-vs-rest counts (..., G, K)."""
_SHOWN = {"dpm": "selection_rate", "eom": "tpr", "ovr_accuracy_gap": "ovr_accuracy"}


def _measure(
    name: str,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None,
) -> Measured:
    _, by_group, groups, n_missing = grouped_counts(y_true, y_pred, sensitive_features, classes)
    rates = class_rates(by_group, _SHOWN[name]) if name in _SHOWN else accuracy_of(by_group)[:, None]
    undefined = 0
    if name in ("dpm", "eom"):
        undefined = int(np.isnan(ratio(rates.T)).sum())
    sizes = by_group.n[..., 0]
    return Measured(
        value=float(GAPS[name](by_group)),
        per_group=dict(zip(groups, mean_defined(rates).tolist(), strict=True)),
        n_per_group=dict(zip(groups, sizes.astype(int).tolist(), strict=True)),
        n=int(sizes.sum()),
        n_missing=n_missing,
        n_undefined=undefined,
    )


def pqd(
    y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, classes: Sequence[Hashable] | None = None
) -> Measured:
    """Predictive quality disparity: smallest over largest group accuracy; range 0..1, 1 is equal.

    References
    ----------
    Du, Hers, Bayasi, Hamarneh, Garbi: FairDisCo, ECCV-W 2022.

    Examples
    --------
    >>> pqd([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"]).value
    0.5
    """
    return _measure("pqd", y_true, y_pred, sensitive_features, classes)


def dpm(
    y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, classes: Sequence[Hashable] | None = None
) -> Measured:
    """Demographic disparity metric: mean over classes of the ratio of selection rates; range 0..1, 1 is equal.

    `n_undefined` counts the classes left out because no group was ever given that answer.

    References
    ----------
    Du, Hers, Bayasi, Hamarneh, Garbi: FairDisCo, ECCV-W 2022.

    Examples
    --------
    >>> dpm([0, 1, 0, 1], [0, 1, 0, 1], sensitive_features=["a", "a", "b", "b"]).value
    1.0
    """
    return _measure("dpm", y_true, y_pred, sensitive_features, classes)


def eom(
    y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, classes: Sequence[Hashable] | None = None
) -> Measured:
    """Equality of opportunity metric: mean over classes of the ratio of true positive rates; 0..1, 1 is equal.

    `n_undefined` counts the classes left out because a group has no sample of them, or because they are nowhere found.

    References
    ----------
    Du, Hers, Bayasi, Hamarneh, Garbi: FairDisCo, ECCV-W 2022.

    Examples
    --------
    >>> eom([0, 1, 1, 0, 1, 1], [0, 1, 1, 0, 1, 0], sensitive_features=["a"] * 3 + ["b"] * 3).value
    0.75
    """
    return _measure("eom", y_true, y_pred, sensitive_features, classes)


def nar(
    y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, classes: Sequence[Hashable] | None = None
) -> Measured:
    """Normalised accuracy range: (max - min) / mean of the group accuracies; range 0..G, 0 is equal.

    References
    ----------
    Pakzad, Abhishek, Hamarneh: CIRCLe, ECCV-W 2022.

    Examples
    --------
    >>> round(nar([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0], sensitive_features=["a"] * 3 + ["b"] * 3).value, 6)
    1.0
    """
    return _measure("nar", y_true, y_pred, sensitive_features, classes)


def ovr_accuracy_gap(
    y_true: ArrayLike, y_pred: ArrayLike, *, sensitive_features: ArrayLike, classes: Sequence[Hashable] | None = None
) -> Measured:
    """Mean over classes of the gap in one-vs-rest accuracy; range 0..1, 0 is equal.

    References
    ----------
    'SPD' in the public code of FairQuantize, Guo et al., MICCAI 2024.

    Examples
    --------
    >>> ovr_accuracy_gap([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"]).value
    0.5
    """
    return _measure("ovr_accuracy_gap", y_true, y_pred, sensitive_features, classes)


_FAIRDISCO = "Du et al., FairDisCo, ECCV-W 2022"
METRICS: tuple[MetricInfo, ...] = (
    MetricInfo("pqd", "PQD", "gap", 0.0, 1.0, 1.0, True, "y_pred", "none", _FAIRDISCO, pqd),
    MetricInfo("dpm", "DPM", "gap", 0.0, 1.0, 1.0, True, "y_pred", "none", _FAIRDISCO, dpm),
    MetricInfo("eom", "EOM", "gap", 0.0, 1.0, 1.0, True, "y_pred", "label", _FAIRDISCO, eom),
    MetricInfo(
        "nar",
        "NAR",
        "gap",
        0.0,
        float("inf"),
        0.0,
        False,
        "y_pred",
        "none",
        "Pakzad, Abhishek, Hamarneh: CIRCLe, ECCV-W 2022",
        nar,
    ),
    MetricInfo(
        "ovr_accuracy_gap",
        "One-vs-rest accuracy gap",
        "gap",
        0.0,
        1.0,
        0.0,
        False,
        "y_pred",
        "none",
        "'SPD' in the public code of FairQuantize, MICCAI 2024",
        ovr_accuracy_gap,
    ),
)
"""Records of the metrics above."""
