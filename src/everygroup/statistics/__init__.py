"""Resampling and tests: cluster bootstrap, permutation null of a gap, paired comparisons."""

from everygroup.statistics.agreement import Estimate, OrdinalAgreement, ordinal_agreement, spearman, weighted_kappa
from everygroup.statistics.bootstrap import (
    bootstrap_mean,
    cluster_index,
    cluster_strata,
    incidence,
    replicate_blocks,
    weighted_sums,
)
from everygroup.statistics.delong import (
    DeLong,
    delong,
    delong_variance,
)
from everygroup.statistics.detectable import (
    detectable_gap,
)
from everygroup.statistics.gaps import gap_interval, simultaneous_differences
from everygroup.statistics.intervals import (
    bca_interval,
    expanded_interval,
    joint_units,
    percentile_interval,
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
from everygroup.statistics.power import (
    detectable_difference,
    detectable_mean,
    detectable_proportion,
    n_for_difference,
    n_for_mean,
    n_for_means,
    n_for_proportions,
    power_of_proportions,
)
from everygroup.statistics.proportions import (
    difference_of_limits,
    effective_size,
    newcombe_difference,
    wilson_interval,
)
from everygroup.statistics.ranks import (
    Friedman,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
)
from everygroup.statistics.signed_rank import (
    AgainstControl,
    Wilcoxon,
    against_control,
    wilcoxon,
)

__all__ = [
    "AgainstControl",
    "DeLong",
    "Estimate",
    "Friedman",
    "MannWhitney",
    "McNemar",
    "OrdinalAgreement",
    "PairedInterval",
    "SignFlip",
    "Wilcoxon",
    "against_control",
    "bca_interval",
    "benjamini_hochberg",
    "bootstrap_mean",
    "cliques",
    "cluster_index",
    "cluster_strata",
    "critical_difference",
    "delong",
    "delong_variance",
    "detectable_difference",
    "detectable_gap",
    "detectable_mean",
    "detectable_proportion",
    "difference_of_limits",
    "effective_size",
    "expanded_interval",
    "friedman",
    "gap_interval",
    "holm",
    "incidence",
    "joint_units",
    "majority",
    "mann_whitney",
    "mcnemar",
    "mcnemar_counts",
    "n_for_difference",
    "n_for_mean",
    "n_for_means",
    "n_for_proportions",
    "nemenyi",
    "newcombe_difference",
    "ordinal_agreement",
    "paired_interval",
    "percentile_interval",
    "permutation_p",
    "permutation_test",
    "permutation_units",
    "permuted_blocks",
    "power_of_proportions",
    "replicate_blocks",
    "sign_flip",
    "simultaneous_differences",
    "spearman",
    "weighted_kappa",
    "weighted_sums",
    "wilcoxon",
    "wilson_interval",
]
