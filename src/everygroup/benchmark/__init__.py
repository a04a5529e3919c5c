"""Runs: methods on a cohort under one protocol, each in its own self-describing folder."""

from everygroup.benchmark.best_by_group import BestOfGroup, best_by_group
from everygroup.benchmark.comparison import Comparison, Run
from everygroup.benchmark.one_run import run
from everygroup.benchmark.run_folder import RunFolder, environment

__all__ = ["BestOfGroup", "Comparison", "Run", "RunFolder", "best_by_group", "environment", "run"]
