"""Data to learn on: simulated cohorts with a known truth."""

from everygroup.datasets import simulated, toy

__all__ = ["simulated", "toy"]
