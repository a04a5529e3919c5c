"""Samples with labels and groups, how they are grouped and split."""

from everygroup.cohort._build import BY_IMAGE, refuse_measured
from everygroup.cohort.cohort import Cohort
from everygroup.cohort.groups import Binning, GroupRule
from everygroup.cohort.split import Split, split_cohort, split_from_parts

__all__ = [
    "BY_IMAGE",
    "Binning",
    "Cohort",
    "GroupRule",
    "Split",
    "refuse_measured",
    "split_cohort",
    "split_from_parts",
]
