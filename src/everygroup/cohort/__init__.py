"""Samples with labels and groups, how they are grouped, split and described."""

from everygroup.cohort._build import BY_IMAGE, refuse_measured
from everygroup.cohort.cohort import Cohort
from everygroup.cohort.fingerprint import Fingerprint, fingerprint
from everygroup.cohort.groups import Binning, GroupRule
from everygroup.cohort.split import Split, split_cohort, split_from_parts
from everygroup.cohort.suspicions import doubtful_units, forgotten_unit, refuse_forgotten_unit
from everygroup.cohort.values import unknown_values

__all__ = [
    "BY_IMAGE",
    "Binning",
    "Cohort",
    "Fingerprint",
    "GroupRule",
    "Split",
    "doubtful_units",
    "fingerprint",
    "forgotten_unit",
    "refuse_forgotten_unit",
    "refuse_measured",
    "split_cohort",
    "split_from_parts",
    "unknown_values",
]
