"""everygroup: the best diagnosis model for every patient group, and honest numbers on whether it is.

The public names below are loaded on first use, so that `import everygroup` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from everygroup.offers import OFFERS

__version__ = "0.1.0"

_HOME = {
    "Cohort": "everygroup.cohort",
    "EverygroupError": "everygroup.errors",
    "Predictions": "everygroup.predictions",
    "Store": "everygroup.methods",
    "TrainSettings": "everygroup.settings",
    "embed": "everygroup.networks.embed",
    "fingerprint": "everygroup.check",
    "read_cohort": "everygroup.datasets.reader",
    "read_predictions": "everygroup.predictions",
    "split_cohort": "everygroup.cohort",
}
OFFERS.update({"Audit.save": "everygroup.report.save:save", "Cohort.plot": "everygroup.figures.cohort:groups_of"})
_ROOMS = ("advise", "audit", "boundary", "datasets", "methods", "metrics", "spare")

__all__ = [
    "Cohort",
    "EverygroupError",
    "Predictions",
    "Store",
    "TrainSettings",
    "__version__",
    "advise",
    "audit",
    "boundary",
    "datasets",
    "embed",
    "fingerprint",
    "methods",
    "metrics",
    "models",
    "read_cohort",
    "read_predictions",
    "spare",
    "split_cohort",
    "targets",
]

if TYPE_CHECKING:
    from everygroup import advise, audit, boundary, datasets, methods, metrics, spare
    from everygroup.check import fingerprint
    from everygroup.cohort import Cohort, split_cohort
    from everygroup.datasets.reader import read_cohort
    from everygroup.errors import EverygroupError
    from everygroup.methods import Store
    from everygroup.networks.embed import embed
    from everygroup.predictions import Predictions, read_predictions
    from everygroup.settings import TrainSettings


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"everygroup.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'everygroup' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
