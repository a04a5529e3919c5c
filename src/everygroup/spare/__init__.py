"""SPARE: sample weights from boundary distances (Xu et al. 2026), and what they are compared with."""

from everygroup.spare.feature_distances import centroid_distance, logit_gap, mean_discrepancy
from everygroup.spare.summary import effective_sample_size, out_of_group_share, weight_summary
from everygroup.spare.weighting import WEIGHTINGS, shuffled_within_groups, strategy_weights
from everygroup.spare.weights import SCALES, combined_distance, distance_weights, spare_weights

__all__ = [
    "SCALES",
    "WEIGHTINGS",
    "centroid_distance",
    "combined_distance",
    "distance_weights",
    "effective_sample_size",
    "logit_gap",
    "mean_discrepancy",
    "out_of_group_share",
    "shuffled_within_groups",
    "spare_weights",
    "strategy_weights",
    "weight_summary",
]
