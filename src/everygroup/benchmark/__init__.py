"""Runs: methods on a cohort under one protocol, each in its own self-describing folder."""

from everygroup.benchmark.one_run import Run, preflight, run
from everygroup.benchmark.run_folder import RunFolder, environment

__all__ = ["Run", "RunFolder", "environment", "preflight", "run"]
