"""SPARE: sample weights from boundary distances (Xu et al. 2026)."""

from everygroup.spare.summary import effective_sample_size, out_of_group_share, weight_summary
from everygroup.spare.weights import SCALES, spare_weights

__all__ = ["SCALES", "effective_sample_size", "out_of_group_share", "spare_weights", "weight_summary"]
