"""Data: reading a cohort from files, published sets, and simulated cohorts with a known truth. Loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everygroup.datasets import published, simulated, toy
    from everygroup.datasets.published._prepare import missing_images, prepare_published
    from everygroup.datasets.reader import prepare_cohort, read_cohort

__all__ = [
    "missing_images",
    "prepare_cohort",
    "prepare_published",
    "published",
    "read_cohort",
    "simulated",
    "toy",
]
_MODULES = ("published", "simulated", "toy")
_HOMES = {
    "missing_images": "published._prepare",
    "prepare_cohort": "reader",
    "prepare_published": "published._prepare",
    "read_cohort": "reader",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"everygroup.datasets.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"everygroup.datasets.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'everygroup.datasets' has no attribute {name!r}")
