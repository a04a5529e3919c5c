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

Each takes ``(y_true, y_pred, *, sensitive_features, classes=None)`` and gives `Measured`, with the accuracy of every
group, or its mean rate over the classes.

Examples
--------
>>> y, answer, groups = [0, 0, 1, 1], [0, 0, 1, 0], ["a", "a", "b", "b"]
>>> [gap(y, answer, sensitive_features=groups).value for gap in (pqd, ovr_accuracy_gap)]
[0.5, 0.5]
>>> dpm([0, 1, 0, 1], [0, 1, 0, 1], sensitive_features=groups).value
1.0
>>> eom([0, 1, 1, 0, 1, 1], [0, 1, 1, 0, 1, 0], sensitive_features=["a"] * 3 + ["b"] * 3).value
0.75
>>> round(nar([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0], sensitive_features=["a"] * 3 + ["b"] * 3).value, 6)
1.0
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics._grouped import record
from everygroup.metrics.confusion import Array
from everygroup.metrics.define import grouped_counts
from everygroup.metrics.disparity import difference, normalised_range, ratio
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import accuracy_of, class_rates, mean_defined


class SkinGap(Protocol):
    """One of the gaps of this file."""

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike,
        classes: Sequence[Hashable] | None = None,
    ) -> Measured:
        """Measure it."""


def _gap(name: str, rate: str, compare: Callable[[ArrayLike], Array], summary: str, source: str) -> SkinGap:
    """Compare a rate between the groups, then take the mean over the classes (accuracy has one value for all)."""

    def gap(
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike,
        classes: Sequence[Hashable] | None = None,
    ) -> Measured:
        _, counts, groups, n_missing = grouped_counts(y_true, y_pred, sensitive_features, classes)
        rates = accuracy_of(counts)[:, None] if rate == "accuracy" else class_rates(counts, rate)
        values, sizes = compare(rates.T), counts.n[:, 0].astype(int)
        return Measured(
            value=float(mean_defined(values)),
            per_group=dict(zip(groups, mean_defined(rates).tolist(), strict=True)),
            n_per_group=dict(zip(groups, sizes.tolist(), strict=True)),
            n=int(sizes.sum()),
            n_missing=n_missing,
            n_undefined=int(np.isnan(values).sum()),
        )

    gap.__name__ = gap.__qualname__ = name
    gap.__doc__ = f"{summary}\n\nReferences\n----------\n{source}.\n"
    return gap


_DU, _PAKZAD = "Du et al., FairDisCo, ECCV-W 2022", "Pakzad, Abhishek, Hamarneh: CIRCLe, ECCV-W 2022"
_GUO = "'SPD' in the public code of FairQuantize, MICCAI 2024"
pqd = _gap("pqd", "accuracy", ratio, "Smallest over largest group accuracy; range 0..1, 1 is equal.", _DU)
dpm = _gap("dpm", "selection_rate", ratio, "Mean over classes of the ratio of selection rates; 0..1, 1 is equal.", _DU)
eom = _gap("eom", "tpr", ratio, "Mean over classes of the ratio of true positive rates; 0..1, 1 is equal.", _DU)
nar = _gap("nar", "accuracy", normalised_range, "(max - min) / mean of the accuracies; 0..G, 0 is equal.", _PAKZAD)
ovr_accuracy_gap = _gap(
    "ovr_accuracy_gap", "ovr_accuracy", difference, "Mean over classes of the gap in accuracy; 0 is equal.", _GUO
)

_record = partial(record, kind="gap", requires="y_pred")
METRICS: tuple[MetricInfo, ...] = (
    _record("pqd", "PQD", pqd, optimum=1.0, source=_DU),
    _record("dpm", "DPM", dpm, optimum=1.0, source=_DU),
    _record("eom", "EOM", eom, optimum=1.0, null="label", source=_DU),
    _record("nar", "NAR", nar, high=float("inf"), source=_PAKZAD),
    _record("ovr_accuracy_gap", "One-vs-rest accuracy gap", ovr_accuracy_gap, source=_GUO),
)
"""Records of the metrics above."""
