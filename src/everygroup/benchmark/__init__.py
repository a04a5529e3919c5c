"""Runs: methods on a cohort under one protocol, each in its own self-describing folder."""

from everygroup.benchmark.comparison import Comparison, Run
from everygroup.benchmark.one_run import run
from everygroup.benchmark.run_folder import RunFolder, environment

__all__ = ["Comparison", "Run", "RunFolder", "environment", "run"]
