"""Samples with labels and groups, how they are grouped, split and described."""

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.fingerprint import Fingerprint, fingerprint
from everygroup.cohort.groups import Binning, GroupRule
from everygroup.cohort.split import Split, split_cohort, split_from_parts
from everygroup.cohort.suspicions import forgotten_unit, outside_sets

__all__ = [
    "Binning",
    "Cohort",
    "Fingerprint",
    "GroupRule",
    "Split",
    "fingerprint",
    "forgotten_unit",
    "outside_sets",
    "split_cohort",
    "split_from_parts",
]
