"""Samples with labels and groups, how they are grouped, split and described."""

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.fingerprint import Fingerprint, fingerprint
from everygroup.cohort.groups import Binning, GroupRule
from everygroup.cohort.split import Split, split_cohort, split_from_parts
from everygroup.cohort.suspicions import forgotten_unit

__all__ = [
    "Binning",
    "Cohort",
    "Fingerprint",
    "GroupRule",
    "Split",
    "fingerprint",
    "forgotten_unit",
    "split_cohort",
    "split_from_parts",
]
