"""Resampling and tests: cluster bootstrap, permutation null of a gap, paired comparisons."""

from everygroup.statistics.bootstrap import (
    bootstrap_mean,
    cluster_index,
    cluster_strata,
    incidence,
    percentile_interval,
    replicate_blocks,
    weighted_sums,
)
from everygroup.statistics.multiple import benjamini_hochberg, holm
from everygroup.statistics.paired import (
    MannWhitney,
    McNemar,
    PairedInterval,
    SignFlip,
    mann_whitney,
    mcnemar,
    mcnemar_counts,
    paired_interval,
    sign_flip,
)
from everygroup.statistics.permutation import (
    majority,
    permutation_p,
    permutation_test,
    permutation_units,
    permuted_blocks,
)

__all__ = [
    "MannWhitney",
    "McNemar",
    "PairedInterval",
    "SignFlip",
    "benjamini_hochberg",
    "bootstrap_mean",
    "cluster_index",
    "cluster_strata",
    "holm",
    "incidence",
    "majority",
    "mann_whitney",
    "mcnemar",
    "mcnemar_counts",
    "paired_interval",
    "percentile_interval",
    "permutation_p",
    "permutation_test",
    "permutation_units",
    "permuted_blocks",
    "replicate_blocks",
    "sign_flip",
    "weighted_sums",
]
