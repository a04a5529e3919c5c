"""Data: reading a cohort from files, and simulated cohorts with a known truth. Loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everygroup.datasets import simulated, toy
    from everygroup.datasets.reader import prepare_cohort, read_cohort

__all__ = ["prepare_cohort", "read_cohort", "simulated", "toy"]


def __getattr__(name: str) -> Any:
    if name in ("simulated", "toy"):
        return importlib.import_module(f"everygroup.datasets.{name}")
    if name in ("prepare_cohort", "read_cohort"):
        return getattr(importlib.import_module("everygroup.datasets.reader"), name)
    raise AttributeError(f"module 'everygroup.datasets' has no attribute {name!r}")
