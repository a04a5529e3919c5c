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
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics.confusion import Array
from everygroup.metrics.define import grouped_counts
from everygroup.metrics.disparity import difference, normalised_range, ratio
from everygroup.metrics.info import INF, MetricInfo, record
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import accuracy_of, class_rates, mean_defined


@dataclass(frozen=True)
class SkinGap:
    """One of the gaps of this file: a rate compared between the groups, then the mean over the classes.

    Accuracy has one value for all classes.
    """

    name: str
    rate: str
    compare: Callable[[ArrayLike], Array]

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike,
        classes: Sequence[Hashable] | None = None,
    ) -> Measured:
        """Measure it."""
        _, counts, groups, n_missing = grouped_counts(y_true, y_pred, sensitive_features, classes)
        rates = accuracy_of(counts)[:, None] if self.rate == "accuracy" else class_rates(counts, self.rate)
        values, shown = self.compare(rates.T), mean_defined(rates)
        undefined = int(np.isnan(values).sum())
        return Measured.of(
            mean_defined(values), groups, shown, counts.n[:, 0], n_missing=n_missing, n_undefined=undefined
        )


pqd, nar = SkinGap("pqd", "accuracy", ratio), SkinGap("nar", "accuracy", normalised_range)
dpm, eom = SkinGap("dpm", "selection_rate", ratio), SkinGap("eom", "tpr", ratio)
ovr_accuracy_gap = SkinGap("ovr_accuracy_gap", "ovr_accuracy", difference)

_of_du = partial(record, kind="gap", requires="y_pred", best="high", source="Du et al., FairDisCo, ECCV-W 2022")
_of_others = partial(record, kind="gap", requires="y_pred")
_CIRCLE, _GUO = (
    "Pakzad, Abhishek, Hamarneh: CIRCLe, ECCV-W 2022",
    "'SPD' in the public code of FairQuantize, MICCAI 2024",
)
METRICS: tuple[MetricInfo, ...] = (
    _of_du("pqd", "PQD", pqd),
    _of_du("dpm", "DPM", dpm),
    _of_du("eom", "EOM", eom, null="label"),
    _of_others("nar", "NAR", nar, high=INF, source=_CIRCLE),
    _of_others("ovr_accuracy_gap", "One-vs-rest accuracy gap", ovr_accuracy_gap, source=_GUO),
)
"""Records of the metrics above."""
