"""Samples with labels and groups, how they are grouped, split and described."""

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.groups import Binning, GroupRule
from everygroup.cohort.split import Split, split_cohort, split_from_parts

__all__ = ["Binning", "Cohort", "GroupRule", "Split", "split_cohort", "split_from_parts"]
