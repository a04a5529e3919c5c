"""Data: reading a cohort from files, published sets, and simulated cohorts with a known truth. Loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everygroup.datasets import published, simulated, toy
    from everygroup.datasets.published._prepare import missing_images, prepare_published
    from everygroup.datasets.reader import prepare_cohort, read_cohort
    from everygroup.datasets.save import save_cohort
    from everygroup.datasets.simulate import simulate

__all__ = [
    "missing_images",
    "prepare_cohort",
    "prepare_published",
    "published",
    "read_cohort",
    "save_cohort",
    "simulate",
    "simulated",
    "toy",
]
_MODULES = ("published", "simulated", "toy")
_HOMES = {
    "missing_images": "published._prepare",
    "prepare_cohort": "reader",
    "prepare_published": "published._prepare",
    "read_cohort": "reader",
    "save_cohort": "save",
    "simulate": "simulate",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"everygroup.datasets.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"everygroup.datasets.{_HOMES[name]}"), name)
        globals()[name] = value  # a module of the same name would take its place
        return value
    raise AttributeError(f"module 'everygroup.datasets' has no attribute {name!r}")
